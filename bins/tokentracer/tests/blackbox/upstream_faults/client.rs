//! The four dialects of clients: a question in each, and what its answers, its errors and the ends of its streams look like.

use http::HeaderMap;
use serde_json::{Value, json};
use tt_testkit::client::{Client, Event};

/// A dialect in which clients ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    Chat,
    Responses,
    Messages,
    Gemini,
}

/// All dialects of clients.
pub(super) const CLIENTS: [Dialect; 4] = [Dialect::Chat, Dialect::Responses, Dialect::Messages, Dialect::Gemini];

/// An answer, read to its end.
#[derive(Debug)]
pub(super) struct Answer {
    dialect: Dialect,
    pub(super) status: u16,
    pub(super) request_id: String,
    headers: HeaderMap,
    body: String,
    /// The events of a stream.
    pub(super) events: Vec<Event>,
}

/// Asks `model` one thing.
pub(super) async fn ask(api: &Client, dialect: Dialect, stream: bool, model: &str) -> Answer {
    let text = "one two three";
    let (path, body) = match dialect {
        Dialect::Chat => {
            let messages = json!([{"role": "user", "content": text}]);
            ("/v1/chat/completions".to_owned(), json!({"model": model, "messages": messages, "stream": stream}))
        }
        Dialect::Responses => {
            ("/v1/responses".to_owned(), json!({"model": model, "input": text, "stream": stream, "store": false}))
        }
        Dialect::Messages => {
            let messages = json!([{"role": "user", "content": text}]);
            let body = json!({"model": model, "max_tokens": 200, "messages": messages, "stream": stream});
            ("/v1/messages".to_owned(), body)
        }
        Dialect::Gemini => {
            let method = if stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
            let body = json!({"contents": [{"role": "user", "parts": [{"text": text}]}]});
            (format!("/v1beta/models/{model}:{method}"), body)
        }
    };
    let call = api.post(&path).json(&body);
    let id = |headers: &HeaderMap| headers["x-request-id"].to_str().unwrap().to_owned();
    if !stream {
        let answer = call.send().await;
        let (status, request_id) = (answer.status.as_u16(), id(&answer.headers));
        return Answer {
            dialect,
            status,
            request_id,
            body: answer.text(),
            headers: answer.headers,
            events: Vec::new(),
        };
    }
    let mut answer = call.stream().await;
    let (status, headers) = (answer.status.as_u16(), answer.headers.clone());
    let events = answer.rest().await;
    let body = events.iter().map(|event| event.data.as_str()).collect::<Vec<_>>().join("\n");
    Answer { dialect, status, request_id: id(&headers), headers, body, events }
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub(super) fn text(&self) -> &str {
        &self.body
    }

    /// The body of an answer that is no stream.
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }

    /// True if a part of the mock's reply has come.
    pub(super) fn has_text(&self) -> bool {
        self.body.contains("t0") || self.body.contains("mock")
    }

    /// True if the answer has the end that its dialect gives to a whole one.
    pub(super) fn is_whole(&self) -> bool {
        let (all, last) = (self.json(), self.events.last());
        match (self.dialect, last) {
            (Dialect::Chat, None) => all["choices"][0]["finish_reason"].is_string(),
            (Dialect::Responses, None) => all["status"] == "completed",
            (Dialect::Messages, None) => all["stop_reason"].is_string(),
            (Dialect::Gemini, None) => all["candidates"][0]["finishReason"].is_string(),
            (Dialect::Chat, Some(last)) => last.is_done(),
            (Dialect::Responses, Some(last)) => last.json()["type"] == "response.completed",
            (Dialect::Messages, Some(last)) => last.json()["type"] == "message_stop",
            (Dialect::Gemini, Some(last)) => {
                let finished = |event: &Event| event.json()["candidates"][0]["finishReason"].is_string();
                last.json().get("error").is_none() && self.events.iter().any(finished)
            }
        }
    }
}

impl Dialect {
    /// True if the errors of a provider that speaks the same dialect reach the client as they were.
    pub(super) const fn keeps_errors(self) -> bool {
        matches!(self, Self::Messages | Self::Gemini)
    }

    /// Checks that `body` is an error of this dialect.
    pub(super) fn error_shape(self, body: &Value, status: Option<u16>) -> Result<(), String> {
        let error = &body["error"];
        let text = |field: &str| error[field].as_str().is_some_and(|text| !text.is_empty());
        let right = match self {
            Self::Chat | Self::Responses => text("message") && text("type") && error.get("param").is_some(),
            Self::Messages => body["type"] == "error" && text("message") && text("type"),
            Self::Gemini => {
                let code = error["code"].as_u64();
                text("message") && text("status") && status.is_none_or(|status| code == Some(u64::from(status)))
            }
        };
        if right { Ok(()) } else { Err(body.to_string()) }
    }

    /// Checks that `event` tells of an error in this dialect.
    pub(super) fn error_event(self, event: &Event) -> Result<(), String> {
        let data = event.json();
        let right = match self {
            Self::Chat | Self::Gemini => self.error_shape(&data, None).is_ok(),
            Self::Messages => event.name.as_deref() == Some("error") && self.error_shape(&data, None).is_ok(),
            Self::Responses => match data["type"].as_str() {
                Some("error") => data["message"].is_string() || data["error"]["message"].is_string(),
                Some("response.failed") => data["response"]["error"]["message"].is_string(),
                _ => false,
            },
        };
        if right { Ok(()) } else { Err(event.data.clone()) }
    }
}
