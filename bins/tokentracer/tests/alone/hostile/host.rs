//! A provider that a tenant runs to do harm: it takes any request and answers with the bytes it was made with.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// The host's answer to every request.
#[derive(Clone)]
pub(super) enum Answer {
    /// No answer.
    Silence,
    /// A whole answer of JSON.
    Json(Arc<[u8]>),
    /// A JSON answer of which no more than these bytes come.
    Endless(Arc<[u8]>),
    /// A stream of these pieces, each sent so many times, which does not end.
    Stream(Arc<[(Vec<u8>, usize)]>),
}

/// The host. Its threads end with the test.
pub(super) struct Host {
    url: String,
}

impl Host {
    pub(super) fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let answer = answer.clone();
                // A client that leaves ends its thread.
                std::thread::spawn(move || serve(&socket, &answer));
            }
        });
        Self { url }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }
}

fn serve(mut socket: &TcpStream, answer: &Answer) -> std::io::Result<()> {
    let (mut request, mut buffer) = (Vec::new(), vec![0; 64 * 1024]);
    let (head, length) = loop {
        let read = socket.read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        request.extend_from_slice(buffer.get(..read).unwrap_or_default());
        if let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") {
            break (end + 4, length_of(request.get(..end).unwrap_or_default()));
        }
    };
    let mut left = (head + length).saturating_sub(request.len());
    while left > 0 {
        let read = socket.read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        left = left.saturating_sub(read);
    }
    let json = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    match answer {
        Answer::Silence => {}
        Answer::Json(body) => {
            socket.write_all(format!("{json}content-length: {}\r\n\r\n", body.len()).as_bytes())?;
            socket.write_all(body)?;
        }
        Answer::Endless(body) => {
            socket.write_all(format!("{json}content-length: {}\r\n\r\n", body.len() + 1).as_bytes())?;
            socket.write_all(body)?;
        }
        Answer::Stream(pieces) => {
            socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")?;
            for (piece, times) in pieces.iter() {
                for _ in 0..*times {
                    socket.write_all(piece)?;
                }
            }
        }
    }
    // Holds the connection until the client leaves, or longer than any test.
    socket.set_read_timeout(Some(Duration::from_secs(300)))?;
    socket.read(&mut buffer).map(|_| ())
}

/// The length of the body, by the head's `content-length`.
pub(super) fn length_of(head: &[u8]) -> usize {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let value = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    value.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
}
