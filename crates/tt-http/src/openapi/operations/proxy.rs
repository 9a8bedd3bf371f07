//! The calls that go to providers. Their bodies belong to the providers' APIs, and are described loosely.

use http::StatusCode;
use serde_json::{Value, json};

use crate::openapi::operation::{JSON, Operation};
use crate::openapi::parameters::query;
use crate::openapi::schemas::Schemas;

const STREAM: &str = "text/event-stream";

/// A body of a provider's API that names its model.
fn body(required: &[&str], properties: Value) -> Value {
    json!({ "type": "object", "required": required, "properties": properties, "additionalProperties": true })
}

fn model() -> Value {
    json!({ "type": "string", "minLength": 1, "description": "An alias, or `provider/model`." })
}

fn stream() -> Value {
    json!({ "type": "boolean", "description": "Whether the answer comes as server-sent events." })
}

/// The schema of a stream, whose events are those of the provider's API.
fn events() -> Value {
    json!({})
}

fn objects() -> Value {
    json!({ "type": "array", "items": { "type": "object" } })
}

/// The body of a chat completion.
pub(super) fn chat_body() -> Value {
    body(&["model", "messages"], json!({ "model": model(), "messages": objects(), "stream": stream() }))
}

/// A call whose answer may be a stream.
fn streamed(id: &'static str, summary: &'static str, reference: &'static str, body: Value) -> Operation {
    let whole = json!({ "type": "object" });
    Operation::new(id, summary).see(reference).through_provider().takes(body).gives_any(
        StatusCode::OK,
        "The answer, whole or as events.",
        vec![(JSON, whole), (STREAM, events())],
    )
}

/// A call whose answer comes whole.
fn plain(id: &'static str, summary: &'static str, reference: &'static str, body: Value) -> Operation {
    Operation::new(id, summary).see(reference).through_provider().takes(body).gives(
        StatusCode::OK,
        "The answer.",
        json!({ "type": "object" }),
    )
}

pub(crate) fn chat(_: &mut Schemas) -> Operation {
    let reference = "https://platform.openai.com/docs/api-reference/chat/create";
    streamed("createChatCompletion", "OpenAI Chat Completions", reference, chat_body())
}

pub(crate) fn responses(_: &mut Schemas) -> Operation {
    let reference = "https://platform.openai.com/docs/api-reference/responses/create";
    let body = body(&["model"], json!({ "model": model(), "stream": stream() }));
    streamed("createResponse", "OpenAI Responses", reference, body)
}

pub(crate) fn messages(_: &mut Schemas) -> Operation {
    let reference = "https://docs.anthropic.com/en/api/messages";
    let properties = json!({
        "model": model(), "max_tokens": { "type": "integer" }, "messages": objects(), "stream": stream(),
    });
    streamed("createMessage", "Anthropic Messages", reference, body(&["model", "max_tokens", "messages"], properties))
}

pub(crate) fn count_tokens(_: &mut Schemas) -> Operation {
    let reference = "https://docs.anthropic.com/en/api/messages-count-tokens";
    let body = body(&["model", "messages"], json!({ "model": model(), "messages": objects() }));
    plain("countMessageTokens", "The input tokens of a message of Anthropic's", reference, body)
}

pub(crate) fn embeddings(_: &mut Schemas) -> Operation {
    let reference = "https://platform.openai.com/docs/api-reference/embeddings/create";
    let body = body(&["model", "input"], json!({ "model": model(), "input": {} }));
    plain("createEmbeddings", "OpenAI Embeddings", reference, body)
}

pub(crate) fn no_websocket(_: &mut Schemas) -> Operation {
    Operation::new("noResponsesWebSocket", "No WebSocket: use POST")
        .says("Clients that ask for a WebSocket are answered 426 at once, others 405.")
        .fails([StatusCode::METHOD_NOT_ALLOWED, StatusCode::UPGRADE_REQUIRED])
}

fn gemini_call(id: &'static str) -> Operation {
    let reference = "https://ai.google.dev/api/generate-content";
    let event_or_array = json!({ "type": ["object", "array"] });
    Operation::new(id, "Gemini: content, tokens or embeddings")
        .says("The body is that of the method, in Gemini's API. `?alt=sse` makes a stream one of events.")
        .see(reference)
        .through_provider()
        .query([query("alt", "`sse` for a stream of events.", json!({ "enum": ["sse", "json"] }))])
        .takes(body(&[], json!({ "contents": objects() })))
        .gives_any(StatusCode::OK, "The answer, whole or as events.", vec![(JSON, event_or_array), (STREAM, events())])
}

pub(crate) fn gemini(_: &mut Schemas) -> Operation {
    gemini_call("callGemini")
}

pub(crate) fn gemini_v1(_: &mut Schemas) -> Operation {
    gemini_call("callGeminiV1")
}

pub(crate) fn gemini_of_openai(_: &mut Schemas) -> Operation {
    gemini_call("callGeminiOpenAi")
}

pub(crate) fn gemini_of_anthropic(_: &mut Schemas) -> Operation {
    gemini_call("callGeminiAnthropic")
}

pub(crate) fn gemini_of_gemini(_: &mut Schemas) -> Operation {
    gemini_call("callGeminiGemini")
}
