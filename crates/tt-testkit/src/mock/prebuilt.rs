//! Answers for benchmarks: made once per shape and then only handed out.
//!
//! A model whose name begins with `mock-bench` (`mock-bench-chunks-200`) gets a small fixed answer (OpenAI: 571 bytes),
//! or a stream of that many chunks, without its body being parsed or checked: the first and the last bytes tell the
//! model, `stream` and `include_usage`. Nothing is kept in the journal.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Response};

use super::ask::{Answer, Ask};
use super::behaviour::Behaviour;
use super::script::{Script, Step};
use super::wire::Reset;
use super::{anthropic, gemini, openai};

const MARK: &str = "mock-bench";
/// The number of bytes at either end of a body that are searched.
const WINDOW: usize = 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Api {
    OpenAi,
    Anthropic,
    Gemini,
}

/// The parts of a request that the answer depends on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Shape {
    api: Api,
    model: String,
    stream: bool,
    usage: bool,
}

/// One worker's answers.
#[derive(Debug, Default)]
pub(super) struct Prebuilt {
    made: Mutex<HashMap<Shape, Vec<Bytes>>>,
}

impl Prebuilt {
    /// The answer, if the request is for a benchmark's model.
    pub(super) fn answer(&self, parts: &Parts, body: &[u8], reset: &Reset) -> Option<Response<Script>> {
        let shape = shape(parts, body)?;
        let frames = {
            let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
            made.entry(shape.clone()).or_insert_with(|| build(&shape)).clone()
        };
        let length = if shape.stream { None } else { u64::try_from(frames.iter().map(Bytes::len).sum::<usize>()).ok() };
        let steps = frames.into_iter().map(Step::Send).collect();
        let mut response = Response::new(Script::new(steps, length, reset.clone(), None));
        let kind = if shape.stream { "text/event-stream" } else { "application/json" };
        response.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static(kind));
        response.headers_mut().insert("x-request-id", HeaderValue::from_static("req_mock"));
        Some(response)
    }
}

fn shape(parts: &Parts, body: &[u8]) -> Option<Shape> {
    let path = parts.uri.path();
    if let Some(at) = path.find(MARK) {
        let (model, method) = path.get(at..)?.split_once(':')?;
        return Some(Shape {
            api: Api::Gemini,
            model: model.to_owned(),
            stream: method.starts_with("stream"),
            usage: true,
        });
    }
    let api = match path {
        "/v1/chat/completions" => Api::OpenAi,
        "/v1/messages" => Api::Anthropic,
        _ => return None,
    };
    let head = body.get(..WINDOW.min(body.len()))?;
    let tail = body.get(body.len().saturating_sub(WINDOW)..)?;
    let model = [head, tail].into_iter().find_map(model)?;
    let says = |name: &str| [head, tail].into_iter().any(|window| is_true(window, name));
    Some(Shape { api, model, stream: says("\"stream\""), usage: says("\"include_usage\"") })
}

fn find(window: &[u8], text: &str) -> Option<usize> {
    window.windows(text.len()).position(|bytes| bytes == text.as_bytes())
}

fn model(window: &[u8]) -> Option<String> {
    let from = find(window, "\"mock-bench")? + 1;
    let rest = window.get(from..)?;
    let name = rest.get(..rest.iter().position(|byte| *byte == b'"')?)?;
    String::from_utf8(name.to_vec()).ok()
}

fn is_true(window: &[u8], name: &str) -> bool {
    let after = find(window, name).and_then(|at| window.get(at + name.len()..)).unwrap_or_default();
    let value: Vec<u8> = after.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).take(5).collect();
    value == b":true"
}

fn build(shape: &Shape) -> Vec<Bytes> {
    let behaviour = Behaviour::from_model(&shape.model).unwrap_or_default();
    let behaviour = if behaviour.chunks.is_none() { behaviour.text("All is well here.") } else { behaviour };
    let ask = Ask {
        model: shape.model.clone(),
        stream: shape.stream,
        include_usage: shape.usage,
        input_tokens: 12,
        choices: 1,
        ..Ask::default()
    };
    let answer = Answer::to(&ask, &behaviour, 1);
    match (shape.api, shape.stream) {
        (Api::OpenAi, false) => vec![openai::plain(&ask, &answer).to_string().into()],
        (Api::OpenAi, true) => openai::events(&ask, &answer),
        (Api::Anthropic, false) => vec![anthropic::plain(&ask, &answer).to_string().into()],
        (Api::Anthropic, true) => anthropic::events(&ask, &answer),
        (Api::Gemini, false) => vec![gemini::plain(&ask, &answer).to_string().into()],
        (Api::Gemini, true) => gemini::sse(&gemini::chunks(&ask, &answer)),
    }
}
