//! From an answer and a behaviour to a response: status, headers, and the steps of its body.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde_json::Value;
use tt_core::{Provider, Usage};

use super::ask::Refusal;
use super::behaviour::{Behaviour, Fault, Whole};
use super::journal::Ticket;
use super::recording;
use super::script::{Script, Step};
use super::wire::Reset;
use super::{State, anthropic, gemini, gzip, openai};

/// The answer's bytes.
#[derive(Debug)]
pub(super) enum Payload {
    /// One JSON body.
    Plain(Bytes),
    /// Server-sent events, each with its blank line.
    Events(Vec<Bytes>),
    /// The pieces of a JSON array (Gemini without `alt=sse`).
    Array(Vec<Bytes>),
}

/// A response that is made but for its connection.
#[derive(Debug)]
pub(super) struct Made {
    provider: Provider,
    serial: u64,
    status: u16,
    headers: Vec<(String, String)>,
    content_type: &'static str,
    steps: Vec<Step>,
    /// The announced length; `None`: chunked.
    length: Option<u64>,
    usage: Option<Usage>,
    pub(super) delay: Option<Duration>,
    pub(super) reset_at_once: bool,
}

impl Made {
    fn new(provider: Provider, serial: u64, status: u16) -> Self {
        Self {
            provider,
            serial,
            status,
            headers: Vec::new(),
            content_type: json_type(provider),
            steps: Vec::new(),
            length: None,
            usage: None,
            delay: None,
            reset_at_once: false,
        }
    }

    /// A JSON body.
    pub(super) fn json(provider: Provider, serial: u64, status: u16, body: &Value) -> Self {
        Self::new(provider, serial, status).body(Bytes::from(body.to_string()))
    }

    fn body(mut self, body: Bytes) -> Self {
        self.length = u64::try_from(body.len()).ok();
        self.steps = vec![Step::Send(body)];
        self
    }

    fn zipped(mut self, body: Vec<u8>) -> Self {
        self.headers.push(("content-encoding".to_owned(), "gzip".to_owned()));
        self.body(Bytes::from(body))
    }

    /// One JSON text of about so many bytes, as an event or as a body. Its pieces share their memory.
    fn huge(mut self, bytes: usize, stream: bool) -> Self {
        let (head, tail) = if stream { (r#"data: {"huge":""#, "\"}\n\n") } else { (r#"{"huge":""#, "\"}") };
        if stream {
            self.content_type = event_type(self.provider);
        }
        let piece = Bytes::from(vec![b'a'; 64 * 1024]);
        let middle = std::iter::repeat_n(piece.clone(), bytes.div_ceil(piece.len()));
        let pieces = std::iter::once(Bytes::from_static(head.as_bytes())).chain(middle);
        self.steps = pieces.chain([Bytes::from_static(tail.as_bytes())]).map(Step::Send).collect();
        self
    }

    /// The connection is reset before any answer.
    pub(super) fn reset(provider: Provider, serial: u64, behaviour: &Behaviour) -> Self {
        Self { delay: behaviour.delay, reset_at_once: true, ..Self::new(provider, serial, 200) }
    }

    /// The provider's error.
    pub(super) fn refused(provider: Provider, serial: u64, refusal: &Refusal, headers: &[(String, String)]) -> Self {
        let body = match provider {
            Provider::OpenAi => openai::error(refusal),
            Provider::Anthropic => anthropic::error(refusal),
            Provider::Gemini => gemini::error(refusal, headers),
        };
        let mut made = Self::json(provider, serial, refusal.status, &body);
        // Gemini says when to retry in the body.
        made.headers = if provider == Provider::Gemini { Vec::new() } else { headers.to_vec() };
        made
    }

    /// The answer of a behaviour that does not depend on the request, if this is one.
    pub(super) fn whole(
        state: &State,
        provider: Provider,
        serial: u64,
        behaviour: &Behaviour,
        stream: bool,
    ) -> Option<Self> {
        let error = |refusal: &Refusal| Self::refused(provider, serial, refusal, &behaviour.headers);
        let mut made = match behaviour.whole.as_ref()? {
            Whole::Status { code, body: None } => error(&Refusal::new(*code, status_message(*code))),
            Whole::Status { code, body: Some(body) } => {
                let mut made = Self::new(provider, serial, *code).body(body.clone());
                made.headers.clone_from(&behaviour.headers);
                made
            }
            Whole::ContextLength => error(&context_length(provider)),
            Whole::NotFound => error(&Refusal::new(404, "The model does not exist or you do not have access to it.")),
            Whole::Garbage => {
                let (content_type, body) = if stream {
                    ("text/event-stream", "data: {not json\n\ndata: <html>\n\n")
                } else {
                    ("text/html", "<html><body>The mock upstream is out of order</body></html>")
                };
                let mut made = Self::new(provider, serial, 200).body(Bytes::from_static(body.as_bytes()));
                made.content_type = content_type;
                made
            }
            Whole::Html => {
                let page = "<!DOCTYPE html><html><body><h1>Checking your browser</h1></body></html>";
                let mut made = Self::new(provider, serial, 200).body(Bytes::from_static(page.as_bytes()));
                made.content_type = "text/html; charset=utf-8";
                made
            }
            Whole::Empty(code) => {
                let mut made = Self::new(provider, serial, *code);
                if (300..400).contains(code) {
                    made.headers.push(("location".to_owned(), "/elsewhere".to_owned()));
                }
                made
            }
            Whole::Gzip => {
                Self::new(provider, serial, 200).zipped(gzip::stored(br#"{"id":"x","object":"chat.completion"}"#))
            }
            Whole::GzipBomb => Self::new(provider, serial, 200).zipped(gzip::bomb(1 << 20)),
            Whole::Huge(bytes) => Self::new(provider, serial, 200).huge(*bytes, stream),
            Whole::ErrorWith200 => {
                let mut made = error(&Refusal::new(500, status_message(500)));
                made.status = 200;
                made
            }
            Whole::EmptyStream => {
                let mut made = Self::new(provider, serial, 200);
                made.content_type = event_type(provider);
                made
            }
            Whole::Recording(place) => match recording::load(place, state.recordings.as_deref()) {
                Ok(found) => {
                    let mut made = Self::scripted(provider, serial, behaviour, found.payload, None);
                    made.status = found.status;
                    made.headers.extend(found.headers);
                    made
                }
                Err(problem) => error(&Refusal::new(500, problem)),
            },
        };
        made.delay = behaviour.delay;
        Some(made)
    }

    /// A payload, with what the behaviour does to it. `usage` is what the payload reports.
    pub(super) fn scripted(
        provider: Provider,
        serial: u64,
        behaviour: &Behaviour,
        payload: Payload,
        usage: Option<Usage>,
    ) -> Self {
        let mut made = Self::new(provider, serial, 200);
        let (mut frames, plain) = match payload {
            Payload::Plain(body) => (vec![body], true),
            Payload::Array(pieces) => (pieces, false),
            Payload::Events(events) => {
                made.content_type = event_type(provider);
                (events, false)
            }
        };
        let total: usize = frames.iter().map(Bytes::len).sum();
        if plain {
            made.length = u64::try_from(total).ok();
        }
        let mut ending = None;
        match behaviour.fault {
            Some(Fault::CutEvents(n)) => {
                frames.truncate(n);
                ending = Some(Step::Cut);
            }
            Some(Fault::Stall(n)) => {
                frames.truncate(n);
                ending = Some(Step::Stall);
            }
            Some(Fault::Reset(n)) => {
                frames.truncate(n);
                ending = Some(Step::Reset);
            }
            Some(Fault::CutBytes(n)) => {
                frames = first_bytes(frames, n);
                ending = Some(Step::Cut);
            }
            Some(Fault::End(n)) if !plain => frames.truncate(n),
            Some(Fault::Error(n)) if !plain => {
                frames.truncate(n);
                frames.push(match provider {
                    Provider::OpenAi => openai::error_event(),
                    Provider::Anthropic => anthropic::error_event(),
                    Provider::Gemini => gemini::error_event(),
                });
            }
            Some(Fault::Error(_) | Fault::End(_) | Fault::ResetAtOnce) | None => {}
        }
        if behaviour.invalid_utf8 {
            frames = frames.iter().map(spoiled).collect();
        }
        if let Some(bytes) = behaviour.slice {
            frames = sliced(&frames, bytes);
        }
        for (index, frame) in frames.into_iter().enumerate() {
            if let Some(drip) = behaviour.drip.filter(|_| index > 0) {
                made.steps.push(Step::Wait(drip));
            }
            made.steps.push(Step::Send(frame));
        }
        made.steps.extend(ending);
        made.delay = behaviour.delay;
        made.headers.clone_from(&behaviour.headers);
        made.usage = usage;
        made
    }

    /// The response, on the connection that `reset` belongs to.
    pub(super) fn into_response(self, reset: Reset, ticket: Option<Ticket>) -> Response<Script> {
        if let Some(ticket) = &ticket {
            ticket.answering(self.status, self.usage);
        }
        let mut response = Response::new(Script::new(self.steps, self.length, reset, ticket));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let (fixed, id) = match self.provider {
            Provider::OpenAi => (openai::HEADERS, Some("x-request-id")),
            Provider::Anthropic => (anthropic::HEADERS, Some("request-id")),
            Provider::Gemini => (gemini::HEADERS, None),
        };
        let headers = response.headers_mut();
        for (name, value) in fixed {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        if let Some(name) = id
            && let Ok(value) = HeaderValue::from_str(&format!("req_mock{:08}", self.serial))
        {
            headers.insert(HeaderName::from_static(name), value);
        }
        for (name, value) in &self.headers {
            match (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                (Ok(name), Ok(value)) => drop(headers.insert(name, value)),
                _ => panic!("a behaviour's header is no header: {name}: {value}"),
            }
        }
        response
    }
}

const fn json_type(provider: Provider) -> &'static str {
    match provider {
        Provider::OpenAi | Provider::Anthropic => "application/json",
        Provider::Gemini => "application/json; charset=UTF-8",
    }
}

const fn event_type(provider: Provider) -> &'static str {
    match provider {
        Provider::OpenAi | Provider::Anthropic => "text/event-stream; charset=utf-8",
        Provider::Gemini => "text/event-stream",
    }
}

fn status_message(code: u16) -> String {
    match code {
        429 => "Rate limit reached for requests".to_owned(),
        503 | 529 => "Overloaded".to_owned(),
        _ => format!("The mock answers {code} as it was told to"),
    }
}

fn context_length(provider: Provider) -> Refusal {
    match provider {
        Provider::OpenAi => Refusal::bad("This model's maximum context length is 128000 tokens. However, your messages resulted in 200012 tokens. Please reduce the length of the messages.")
            .code("context_length_exceeded")
            .param("messages"),
        Provider::Anthropic => Refusal::bad("prompt is too long: 200012 tokens > 200000 maximum"),
        Provider::Gemini => Refusal::bad("The input token count (1250074) exceeds the maximum number of tokens allowed (1048576)."),
    }
}

/// The frames up to `n` bytes.
fn first_bytes(frames: Vec<Bytes>, mut n: usize) -> Vec<Bytes> {
    let mut kept = Vec::new();
    for frame in frames {
        let part = frame.slice(..n.min(frame.len()));
        n -= part.len();
        if !part.is_empty() {
            kept.push(part);
        }
    }
    kept
}

/// The frame with a byte that is no UTF-8 in the word `mock` of a text. The names of models are left as they are.
fn spoiled(frame: &Bytes) -> Bytes {
    let places: Vec<usize> =
        (1..frame.len().saturating_sub(4)).filter(|at| frame[*at..].starts_with(b"mock")).collect();
    let in_a_name = |at: &usize| frame.get(at + 4) == Some(&b'-');
    let mut bytes = frame.to_vec();
    for at in places.into_iter().filter(|at| !in_a_name(at)) {
        bytes[at] = 0xff;
    }
    Bytes::from(bytes)
}

/// The same bytes in frames of `n`.
fn sliced(frames: &[Bytes], n: usize) -> Vec<Bytes> {
    let all = Bytes::from(frames.concat());
    (0..all.len()).step_by(n.max(1)).map(|from| all.slice(from..(from + n).min(all.len()))).collect()
}
