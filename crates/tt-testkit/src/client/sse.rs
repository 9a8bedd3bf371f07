//! Server-sent events, read one by one as they arrive.

use std::time::{Duration, Instant};

use bytes::BytesMut;
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::Value;

use super::PATIENCE;

/// One server-sent event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The `event:` line, where there was one.
    pub name: Option<String>,
    /// The `data:` lines, joined by line feeds; empty for a comment.
    pub data: String,
    /// The time from the sending of the request until the event's last byte had been read.
    pub after: Duration,
}

impl Event {
    /// The data as JSON; null where it is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or(Value::Null)
    }

    /// True if this is OpenAI's `[DONE]`.
    pub fn is_done(&self) -> bool {
        self.data == "[DONE]"
    }
}

/// An answer that is being read. Dropping it closes the connection.
#[derive(Debug)]
pub struct EventStream {
    /// The HTTP status of the answer.
    pub status: StatusCode,
    /// The headers of the answer.
    pub headers: HeaderMap,
    body: Incoming,
    sent: Instant,
    buffer: BytesMut,
}

impl EventStream {
    pub(super) fn new(status: StatusCode, headers: HeaderMap, body: Incoming, sent: Instant) -> Self {
        Self { status, headers, body, sent, buffer: BytesMut::new() }
    }

    /// The text of a header, if the answer has it.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The next event; `None` at the end of the body, an orderly one or not.
    ///
    /// # Panics
    /// If nothing comes for a minute.
    pub async fn next(&mut self) -> Option<Event> {
        self.try_next().await.unwrap_or(None)
    }

    /// The next event, `None` at an orderly end, and an error where the connection broke.
    pub async fn try_next(&mut self) -> Result<Option<Event>, String> {
        loop {
            if let Some(end) = block_end(&self.buffer) {
                let block = self.buffer.split_to(end);
                if let Some(event) = parse(&block, self.sent.elapsed()) {
                    return Ok(Some(event));
                }
                continue;
            }
            let frame = match tokio::time::timeout(PATIENCE, self.body.frame()).await {
                Ok(frame) => frame,
                Err(_) => panic!("no event within {PATIENCE:?}"),
            };
            match frame {
                None => {
                    let rest = self.buffer.split();
                    return Ok(parse(&rest, self.sent.elapsed()));
                }
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.buffer.extend_from_slice(&data);
                    }
                }
                Some(Err(error)) => return Err(format!("the stream broke off: {error}")),
            }
        }
    }

    /// All events that are left.
    pub async fn rest(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }
}

/// The length of the first event, its blank line included.
fn block_end(buffer: &[u8]) -> Option<usize> {
    let lf = buffer.windows(2).position(|two| two == b"\n\n").map(|at| at + 2);
    // No further than that: a long buffer of short events would be searched in full for each of them.
    let most = lf.unwrap_or(buffer.len());
    let crlf = buffer.windows(4).take(most).position(|four| four == b"\r\n\r\n").map(|at| at + 4);
    match (lf, crlf) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}

fn parse(block: &[u8], after: Duration) -> Option<Event> {
    let text = String::from_utf8_lossy(block);
    let mut event = Event { name: None, data: String::new(), after };
    let mut lines = 0;
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "event" => event.name = Some(value.to_owned()),
            "data" => {
                if lines > 0 {
                    event.data.push('\n');
                }
                event.data.push_str(value);
                lines += 1;
            }
            // Not an event stream: hand the line out as it is, so that a test sees it.
            _ if !line.starts_with(':') && !["id", "retry"].contains(&name) => event.data.push_str(line),
            _ => {}
        }
    }
    (lines > 0 || !event.data.is_empty() || event.name.is_some()).then_some(event)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_end_at_either_kind_of_blank_line() {
        assert_eq!(block_end(b"data: 1\n\ndata: 2\r\n\r\n"), Some(9));
        assert_eq!(block_end(b"data: 1\r\n\r\nx"), Some(11));
        assert_eq!(block_end(b"data: 1\n"), None);
    }

    #[test]
    fn data_lines_are_joined_and_comments_are_no_events() {
        let event = parse(b"event: e\ndata: 1\ndata: 2\n\n", Duration::ZERO).unwrap();
        assert_eq!((event.name.as_deref(), event.data.as_str()), (Some("e"), "1\n2"));
        assert!(parse(b": keep-alive\n\n", Duration::ZERO).is_none());
    }
}
