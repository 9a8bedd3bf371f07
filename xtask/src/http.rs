//! Just enough HTTP/1.1 to set up an account: one request per connection, JSON both ways.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(30);

/// The program's address.
#[derive(Debug)]
pub(crate) struct Server {
    address: String,
}

/// An answer.
#[derive(Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Null where the body is empty or no JSON.
    pub(crate) body: Value,
}

impl Server {
    pub(crate) fn new(address: &str) -> Self {
        Self { address: address.to_owned() }
    }

    /// `GET`.
    pub(crate) fn get(&self, path: &str, token: &str) -> Result<Answer, String> {
        self.call("GET", path, Some(token), None)
    }

    /// `POST`.
    pub(crate) fn post(&self, path: &str, token: Option<&str>, body: &Value) -> Result<Answer, String> {
        self.call("POST", path, token, Some(body))
    }

    /// Any method.
    pub(crate) fn call(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Option<&Value>,
    ) -> Result<Answer, String> {
        let exchange = || {
            let mut socket = TcpStream::connect(&self.address)?;
            socket.set_read_timeout(Some(PATIENCE))?;
            socket.set_write_timeout(Some(PATIENCE))?;
            socket.write_all(request(&self.address, method, path, token, body).as_bytes())?;
            let mut bytes = Vec::new();
            socket.read_to_end(&mut bytes)?;
            Ok::<_, std::io::Error>(bytes)
        };
        let bytes = exchange().map_err(|error| format!("{method} {path}: {error}"))?;
        parse(&bytes).ok_or_else(|| format!("{method} {path}: the answer is no HTTP"))
    }
}

impl Answer {
    /// The body, where the status is a success; else what the server says was wrong.
    pub(crate) fn ok(self, what: &str) -> Result<Value, String> {
        if (200..300).contains(&self.status) {
            return Ok(self.body);
        }
        let message = self.body.pointer("/error/message").and_then(Value::as_str).unwrap_or("no message");
        Err(format!("{what}: {} {message}", self.status))
    }
}

fn request(host: &str, method: &str, path: &str, token: Option<&str>, body: Option<&Value>) -> String {
    let mut text =
        format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\naccept: application/json\r\n");
    if let Some(token) = token {
        text.push_str(&format!("authorization: Bearer {token}\r\n"));
    }
    let body = body.map(Value::to_string).unwrap_or_default();
    if !body.is_empty() {
        text.push_str("content-type: application/json\r\n");
    }
    format!("{text}content-length: {}\r\n\r\n{body}", body.len())
}

fn parse(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(bytes.get(..end)?).ok()?.to_ascii_lowercase();
    let body = bytes.get(end + 4..)?;
    let status = head.strip_prefix("http/1.1 ")?.split(' ').next()?.trim().parse().ok()?;
    let chunked = head.lines().any(|line| line.starts_with("transfer-encoding:") && line.contains("chunked"));
    let body = if chunked { unchunked(body)? } else { body.to_vec() };
    Some(Answer { status, body: serde_json::from_slice(&body).unwrap_or(Value::Null) })
}

fn unchunked(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut all = Vec::new();
    loop {
        let line = bytes.windows(2).position(|two| two == b"\r\n")?;
        let size = std::str::from_utf8(bytes.get(..line)?).ok()?;
        let size = usize::from_str_radix(size.split(';').next()?.trim(), 16).ok()?;
        let chunk = bytes.get(line + 2..)?;
        if size == 0 {
            return Some(all);
        }
        all.extend_from_slice(chunk.get(..size)?);
        bytes = chunk.get(size + 2..)?;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_ways_of_framing_a_body_are_read() {
        let plain = b"HTTP/1.1 201 Created\r\ncontent-length: 8\r\n\r\n{\"id\":1}";
        assert_eq!(parse(plain), Some(Answer { status: 201, body: json!({"id": 1}) }));
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{\"id\r\n4;x\r\n\":1}\r\n0\r\n\r\n";
        assert_eq!(parse(chunked), Some(Answer { status: 200, body: json!({"id": 1}) }));
        let empty = b"HTTP/1.1 204 No Content\r\n\r\n";
        assert_eq!(parse(empty), Some(Answer { status: 204, body: Value::Null }));
        assert_eq!(parse(b"not http"), None);
    }

    #[test]
    fn an_error_says_what_the_server_said() {
        let answer = Answer { status: 409, body: json!({"error": {"message": "email taken"}}) };
        assert_eq!(answer.ok("sign up").unwrap_err(), "sign up: 409 email taken");
    }
}
