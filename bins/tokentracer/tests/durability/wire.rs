//! A client that can leave at any byte: one connection, kept from request to request, whose answer is decoded as far
//! as it came.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// No answer takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// The moment at which a client leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leave {
    Never,
    /// In the middle of its own request, after this number of bytes.
    Sent(usize),
    /// As soon as this number of bytes of the answer has come.
    Received(usize),
    /// This long after the request was sent.
    After(Duration),
}

/// The end of an exchange as the client sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The client has the whole answer.
    Whole,
    /// The connection broke.
    Lost,
    /// The client left.
    Left,
}

/// An answer, as far as it came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answer {
    pub(crate) status: Option<u16>,
    /// The head in lower case.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    /// Bytes that came, the head included.
    pub(crate) received: usize,
    raw: Vec<u8>,
    /// The position in `raw` up to which it is decoded.
    at: usize,
    /// Bytes of the body still to come; `None`: chunked.
    length: Option<usize>,
    whole: bool,
}

/// A connection of a client.
pub(crate) struct Wire {
    socket: TcpStream,
}

impl Wire {
    pub(crate) async fn open(address: &str) -> std::io::Result<Self> {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        Ok(Self { socket })
    }

    /// Sends a request and reads its answer for as long as `leave` says. After anything but [`End::Whole`] the
    /// connection is of no more use.
    pub(crate) async fn exchange(&mut self, request: &[u8], leave: Leave) -> (End, Answer) {
        let mut answer = Answer::default();
        let sent = match leave {
            Leave::Sent(bytes) => &request[..bytes.min(request.len())],
            _ => request,
        };
        if self.socket.write_all(sent).await.is_err() {
            return (End::Lost, answer);
        }
        let end = match leave {
            Leave::Sent(_) => End::Left,
            Leave::After(time) => {
                tokio::time::timeout(time, self.read(&mut answer, usize::MAX)).await.unwrap_or(End::Left)
            }
            Leave::Received(bytes) => self.read_for(&mut answer, bytes).await,
            Leave::Never => self.read_for(&mut answer, usize::MAX).await,
        };
        (end, answer)
    }

    /// Reads on, whatever came before.
    async fn read_for(&mut self, answer: &mut Answer, most: usize) -> End {
        match tokio::time::timeout(PATIENCE, self.read(answer, most)).await {
            Ok(end) => end,
            Err(_) => panic!("no whole answer within {PATIENCE:?}: {:?}", String::from_utf8_lossy(&answer.raw)),
        }
    }

    async fn read(&mut self, answer: &mut Answer, most: usize) -> End {
        let mut buffer = [0; 16 * 1024];
        loop {
            let room = most.saturating_sub(answer.received).min(buffer.len());
            if room == 0 {
                return End::Left;
            }
            match self.socket.read(&mut buffer[..room]).await {
                Ok(0) | Err(_) => return End::Lost,
                Ok(count) => answer.push(&buffer[..count]),
            }
            if answer.whole {
                return End::Whole;
            }
        }
    }

    /// Leaves: with a reset, or in order.
    pub(crate) fn leave(self, reset: bool) {
        if reset {
            // If the system refuses a reset, the client closes in order.
            let _ = self.socket.set_zero_linger();
        }
    }
}

impl Answer {
    fn push(&mut self, bytes: &[u8]) {
        self.received += bytes.len();
        self.raw.extend_from_slice(bytes);
        if self.status.is_none() {
            let Some(end) = find(&self.raw, b"\r\n\r\n") else { return };
            let head = String::from_utf8_lossy(&self.raw[..end]).to_ascii_lowercase();
            self.status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
            self.length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length:"))
                .map(|length| length.trim().parse().unwrap());
            self.head = head;
            self.at = end + 4;
        }
        match self.length {
            Some(length) => {
                self.body.extend_from_slice(&self.raw[self.at..]);
                self.at = self.raw.len();
                self.whole = self.body.len() >= length;
            }
            None => while self.chunk() {},
        }
    }

    /// Decodes one chunk if it is there.
    fn chunk(&mut self) -> bool {
        let rest = &self.raw[self.at..];
        let Some(line) = find(rest, b"\r\n") else { return false };
        let size = std::str::from_utf8(&rest[..line]).ok().and_then(|size| usize::from_str_radix(size, 16).ok());
        let size = size.unwrap_or_else(|| panic!("no chunk: {:?}", String::from_utf8_lossy(rest)));
        let (start, end) = (line + 2, line + 2 + size);
        if rest.len() < end + 2 {
            return false;
        }
        self.body.extend_from_slice(&rest[start..end]);
        self.at += end + 2;
        self.whole = size == 0;
        !self.whole
    }

    /// The events of a stream that came in full, `[DONE]` left out.
    pub(crate) fn events(&self) -> impl Iterator<Item = Value> {
        let text = String::from_utf8_lossy(&self.body).into_owned();
        let whole = text.rfind("\n\n").map_or(0, |end| end + 2);
        let events: Vec<Value> = text
            .get(..whole)
            .unwrap_or_default()
            .split("\n\n")
            .filter_map(|event| serde_json::from_str(event.strip_prefix("data: ")?).ok())
            .collect();
        events.into_iter()
    }

    /// Words of the model's that came.
    pub(crate) fn words(&self) -> u64 {
        let texts = self.events().filter_map(|event| {
            Some(event.pointer("/choices/0/delta/content")?.as_str()?.split_whitespace().count() as u64)
        });
        texts.sum()
    }

    /// Did the stream end as a whole one does?
    pub(crate) fn is_done(&self) -> bool {
        self.body.ends_with(b"data: [DONE]\n\n")
    }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

/// A chat completion as bytes. Its tags go to the ledger and nowhere else, its text to the provider.
pub(crate) fn chat(api_key: &str, model: &str, text: &str, stream: bool, tags: &str) -> Vec<u8> {
    let body = json!({"model": model, "stream": stream, "messages": [{"role": "user", "content": text}]}).to_string();
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {api_key}\r\n\
         content-type: application/json\r\nx-tokentracer-tags: {tags}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len(),
    )
    .into_bytes()
}

#[test]
fn an_answer_is_decoded_however_it_is_cut() {
    let plain = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    let chunked = b"HTTP/1.1 429 X\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n";
    for (bytes, status) in [(&plain[..], 200), (&chunked[..], 429)] {
        for size in 1..bytes.len() {
            let mut answer = Answer::default();
            for piece in bytes.chunks(size) {
                assert!(!answer.whole);
                answer.push(piece);
            }
            assert_eq!((answer.whole, answer.status, &answer.body[..]), (true, Some(status), &b"hello"[..]));
        }
    }
}
