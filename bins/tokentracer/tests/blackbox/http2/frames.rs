//! Frames of HTTP/2 as a client would not send them.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tt_testkit::World;
use tt_testkit::certificates::Authority;
use tt_testkit::client::{Protocol, Trust};

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

/// The time that a frame is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// A frame.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// The error code of a RST_STREAM or a GOAWAY.
    pub(crate) fn code(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }
}

/// A connection that sends exactly the frames it is told to.
pub(crate) struct Connection {
    stream: TlsStream<TcpStream>,
    next: u32,
    authority: String,
}

impl Connection {
    /// Connects. The server may send `window` bytes on each stream.
    pub(crate) async fn open(world: &World, authority: &Authority, window: u32) -> Self {
        let address = world.program().address().to_owned();
        let stream = Trust::of(authority, Protocol::Http2).connect(&address).await.unwrap();
        let mut connection = Self { stream, next: 1, authority: address };
        let mut begin = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        begin.extend(frame(SETTINGS, 0, 0, &[&[0, 4][..], &window.to_be_bytes()].concat()));
        assert!(connection.write(&begin).await);
        connection
    }

    /// Writes bytes; false if the server has closed the connection.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> bool {
        let written = async { self.stream.write_all(bytes).await.is_ok() && self.stream.flush().await.is_ok() };
        tokio::time::timeout(PATIENCE, written).await.expect("the server takes nothing")
    }

    pub(crate) async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> bool {
        self.write(&frame(kind, flags, stream, payload)).await
    }

    /// The number of the next stream.
    pub(crate) fn next_stream(&mut self) -> u32 {
        self.next += 2;
        self.next - 2
    }

    /// The block of headers of a request.
    pub(crate) fn head(&self, method: &str, path: &str, more: &[(&str, &str)]) -> Vec<u8> {
        let mut block = Vec::new();
        let own = [(":method", method), (":scheme", "https"), (":path", path), (":authority", &self.authority)];
        for (name, value) in own.iter().chain(more) {
            block.extend(field(name, value));
        }
        block
    }

    /// Sends a request with a body; the number of its stream.
    pub(crate) async fn request(&mut self, method: &str, path: &str, more: &[(&str, &str)], body: &str) -> u32 {
        let stream = self.next_stream();
        let head = self.head(method, path, more);
        let flags = if body.is_empty() { END_HEADERS | END_STREAM } else { END_HEADERS };
        self.send(HEADERS, flags, stream, &head).await;
        if !body.is_empty() {
            self.send(DATA, END_STREAM, stream, body.as_bytes()).await;
        }
        stream
    }

    /// The next frame; `None` at the end of the connection. Settings and pings are acknowledged.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        let read = tokio::time::timeout(PATIENCE, self.read()).await;
        let frame = read.expect("the server says nothing")?;
        if (frame.kind == SETTINGS || frame.kind == PING) && frame.flags & ACK == 0 {
            let payload = if frame.kind == PING { frame.payload.clone() } else { Vec::new() };
            self.send(frame.kind, ACK, 0, &payload).await;
        }
        Some(frame)
    }

    async fn read(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        self.stream.read_exact(&mut payload).await.ok()?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        Some(Frame { kind: head[3], flags: head[4], stream, payload })
    }

    /// Reads until a frame is `wanted`; `None` if the connection ends before.
    pub(crate) async fn until(&mut self, wanted: impl Fn(&Frame) -> bool) -> Option<Frame> {
        loop {
            let frame = self.next().await?;
            if wanted(&frame) {
                return Some(frame);
            }
        }
    }

    /// Waits until the server has read all that was sent; false if the connection ends before.
    pub(crate) async fn ping(&mut self) -> bool {
        self.send(PING, 0, 0, b"question").await
            && self.until(|frame| frame.kind == PING && frame.flags & ACK != 0).await.is_some()
    }

    /// Reads to the end of the connection; the last GOAWAY.
    pub(crate) async fn end(&mut self) -> Option<Frame> {
        let mut last = None;
        while let Some(frame) = self.next().await {
            if frame.kind == GOAWAY {
                last = Some(frame);
            }
        }
        last
    }
}

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A field that no table keeps, with a new name (RFC 7541, 6.2.2).
pub(crate) fn field(name: &str, value: &str) -> Vec<u8> {
    let mut field = vec![0];
    for text in [name, value] {
        let mut rest = text.len();
        if rest < 127 {
            field.push(u8::try_from(rest).unwrap());
        } else {
            field.push(127);
            rest -= 127;
            while rest >= 128 {
                field.push(u8::try_from(rest % 128).unwrap() | 128);
                rest /= 128;
            }
            field.push(u8::try_from(rest).unwrap());
        }
        field.extend(text.as_bytes());
    }
    field
}
