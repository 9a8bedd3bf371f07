//! The client that sets up accounts: JSON both ways, and every status is an answer.

use minreq::{Method, Request};
use serde_json::Value;

/// The longest that a call may take, in seconds.
const PATIENCE: u64 = 30;

/// A running TokenTracer.
#[derive(Debug)]
pub(crate) struct Server {
    address: String,
}

/// An answer of the server.
#[derive(Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Null where the body is empty or no JSON.
    pub(crate) body: Value,
}

impl Server {
    /// The server at `host:port`.
    pub(crate) fn new(address: &str) -> Self {
        Self { address: address.to_owned() }
    }

    /// Sends a `GET`.
    pub(crate) fn get(&self, path: &str, token: &str) -> Result<Answer, String> {
        self.call("GET", path, Some(token), None)
    }

    /// Sends a `POST` with a JSON body.
    pub(crate) fn post(&self, path: &str, token: Option<&str>, body: &Value) -> Result<Answer, String> {
        self.call("POST", path, token, Some(body))
    }

    /// The id of the first key of `provider` that the caller has stored.
    pub(crate) fn provider_key(&self, token: &str, provider: &str) -> Result<u64, String> {
        let keys = self.get("/manage/providers", token)?.ok("list provider keys")?;
        let mut keys = keys.as_array().into_iter().flatten();
        let key = keys.find(|key| key.get("provider").is_some_and(|name| name == provider));
        key.and_then(|key| key.get("id"))
            .and_then(Value::as_u64)
            .ok_or_else(|| format!("no key of {provider} is stored"))
    }

    /// Sends a call of any method.
    pub(crate) fn call(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Option<&Value>,
    ) -> Result<Answer, String> {
        let authorization = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<_> = authorization.iter().map(|value| ("authorization", value.as_str())).collect();
        self.send(method, path, &headers, body)
    }

    /// Sends a call with these headers.
    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Answer, String> {
        let mut request = Request::new(Method::Custom(method.to_owned()), format!("http://{}{path}", self.address))
            .with_timeout(PATIENCE)
            .with_header("accept", "application/json")
            .with_headers(headers.iter().copied());
        if let Some(body) = body {
            request = request.with_header("content-type", "application/json").with_body(body.to_string());
        }
        let response = request.send().map_err(|error| format!("{method} {path}: {error}"))?;
        Ok(Answer {
            status: response.status_code,
            body: serde_json::from_slice(response.as_bytes()).unwrap_or(Value::Null),
        })
    }
}

impl Answer {
    /// Returns the body if the status is a success, else the server's message as the error.
    pub(crate) fn ok(self, what: &str) -> Result<Value, String> {
        if (200..300).contains(&self.status) {
            return Ok(self.body);
        }
        let message = self.body.pointer("/error/message").and_then(Value::as_str).unwrap_or("no message");
        Err(format!("{what}: {} {message}", self.status))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    use std::net::TcpListener;

    use serde_json::json;

    use super::*;

    /// A server that gives one answer, and returns the head and the body that it got.
    fn answering(answer: &'static [u8]) -> (Server, std::thread::JoinHandle<(String, String)>) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let server = Server::new(&listener.local_addr().unwrap().to_string());
        let thread = std::thread::spawn(move || {
            let mut reader = BufReader::new(listener.accept().unwrap().0);
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                assert_ne!(reader.read_line(&mut head).unwrap(), 0, "the head ended early: {head}");
            }
            let head = head.to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
            reader.read_exact(&mut body).unwrap();
            reader.get_mut().write_all(answer).unwrap();
            (head, String::from_utf8(body).unwrap())
        });
        (server, thread)
    }

    #[test]
    fn a_body_and_a_token_go_up_and_json_comes_back() {
        let (server, thread) = answering(b"HTTP/1.1 201 Created\r\ncontent-length: 8\r\n\r\n{\"id\":1}");
        let answer = server.post("/manage/aliases?a=b", Some("secret"), &json!({"alias": "fast"})).unwrap();
        assert_eq!(answer, Answer { status: 201, body: json!({"id": 1}) });
        let (head, body) = thread.join().unwrap();
        assert!(head.starts_with("post /manage/aliases?a=b http/1.1\r\n"), "{head}");
        assert!(head.contains("authorization: bearer secret\r\n"), "{head}");
        assert!(head.contains("content-type: application/json\r\n"), "{head}");
        assert_eq!(body, r#"{"alias":"fast"}"#);
    }

    #[test]
    fn a_key_is_found_by_its_provider() {
        let keys = || {
            answering(
                b"HTTP/1.1 200 OK\r\ncontent-length: 62\r\n\r\n[{\"id\":3,\"provider\":\"openai\"},{\"id\":4,\"provider\":\"anthropic\"}]",
            )
        };
        assert_eq!(keys().0.provider_key("t", "anthropic"), Ok(4));
        assert_eq!(keys().0.provider_key("t", "gemini"), Err("no key of gemini is stored".to_owned()));
    }

    #[test]
    fn a_refusal_is_an_answer() {
        let (server, thread) = answering(b"HTTP/1.1 409 Conflict\r\ncontent-length: 0\r\n\r\n");
        assert_eq!(server.get("/auth/me", "t").unwrap(), Answer { status: 409, body: Value::Null });
        thread.join().unwrap();
    }

    #[test]
    fn a_method_with_a_body_need_not_be_post() {
        let (server, thread) = answering(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}");
        server.call("PATCH", "/manage/providers/1", Some("t"), Some(&json!({"api_key": "k"}))).unwrap();
        let (head, body) = thread.join().unwrap();
        assert!(head.starts_with("patch "), "{head}");
        assert_eq!(body, r#"{"api_key":"k"}"#);
    }

    #[test]
    fn a_server_that_is_away_is_named_by_the_call() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        drop(listener);
        let problem = Server::new(&address).get("/auth/me", "t").unwrap_err();
        assert!(problem.starts_with("GET /auth/me: "), "{problem}");
    }

    #[test]
    fn an_error_says_what_the_server_said() {
        let answer = Answer { status: 409, body: json!({"error": {"message": "email taken"}}) };
        assert_eq!(answer.ok("sign up").unwrap_err(), "sign up: 409 email taken");
    }
}
