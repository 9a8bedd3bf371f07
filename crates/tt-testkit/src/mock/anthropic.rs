//! Anthropic as the mock plays it: Messages, token counting, Models. As strict about requests as the real API.

use bytes::Bytes;
use serde_json::{Map, Value, json};
use tt_core::Usage;

use super::anthropic_history as history;
use super::ask::{Answer, Ask, Call, Finish, Format, Refusal, ToolChoice};
use super::json::{self, name_fits, unknown_field};

/// The headers of a real answer, those a proxy must not pass on included.
pub(super) const HEADERS: &[(&str, &str)] = &[
    ("anthropic-organization-id", "mock-organization"),
    ("anthropic-ratelimit-requests-limit", "4000"),
    ("anthropic-ratelimit-requests-remaining", "3999"),
    ("anthropic-ratelimit-requests-reset", "2026-02-09T22:40:14Z"),
    ("anthropic-ratelimit-tokens-limit", "2400000"),
    ("anthropic-ratelimit-tokens-remaining", "2399000"),
    ("anthropic-ratelimit-tokens-reset", "2026-02-09T22:40:14Z"),
    ("set-cookie", "_cfuvid=mock-cookie; HttpOnly; SameSite=None; Secure; Path=/"),
    ("server", "cloudflare"),
];

/// A signature that fits any thinking, for recorded histories. Any other than this and those of [`Signed`] is refused in a
/// history, as a foreign one is by the API.
pub(super) const SIGNATURE: &str = "bW9jay1hbnRocm9waWMtc2lnbmF0dXJl";

/// The facts in a signature of the mock: a block of thinking is good only unaltered, and in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Signed {
    /// The serial of the answer.
    pub(super) serial: u64,
    /// The place of the block among the blocks of its answer.
    pub(super) place: usize,
    /// A hash of the text.
    text: u64,
}

impl Signed {
    fn write(serial: u64, place: usize, thinking: &str) -> String {
        format!("mock{serial}x{place}x{}", hash(thinking))
    }

    /// Reads a signature; `None` for one that is not of the mock, or not for this text.
    pub(super) fn read(signature: &str, thinking: &str) -> Option<Self> {
        let mut parts = signature.strip_prefix("mock")?.split('x');
        let mut number = || parts.next()?.parse::<u64>().ok();
        let (serial, place, text) = (number()?, number()?, number()?);
        (text == hash(thinking)).then_some(Self { serial, place: usize::try_from(place).ok()?, text })
    }
}

/// The FNV-1a hash.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// A block of an answer.
enum Block<'a> {
    Thinking(String),
    Text,
    Call(usize, &'a Call),
}

/// The blocks of an answer in their order.
fn blocks(answer: &Answer) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    blocks.extend(answer.thinking.clone().map(Block::Thinking));
    if !answer.pieces.is_empty() {
        blocks.push(Block::Text);
    }
    for (index, call) in answer.calls.iter().enumerate() {
        if answer.between_calls && answer.thinking.is_some() {
            blocks.push(Block::Thinking(format!("Now the call of {}, number {index}.", call.name)));
        }
        blocks.push(Block::Call(index, call));
    }
    blocks
}

const FIELDS: &[&str] = &[
    "model",
    "messages",
    "max_tokens",
    "system",
    "metadata",
    "stop_sequences",
    "stream",
    "temperature",
    "top_p",
    "top_k",
    "tools",
    "tool_choice",
    "thinking",
    "service_tier",
    "container",
    "context_management",
    "mcp_servers",
    "output_config",
    "output_format",
    "inference_geo",
    "cache_control",
    "speed",
];
const COUNT_FIELDS: &[&str] = &[
    "model",
    "messages",
    "system",
    "tools",
    "tool_choice",
    "thinking",
    "context_management",
    "mcp_servers",
    "output_config",
    "output_format",
    "cache_control",
    "speed",
];
const TOOL_FIELDS: &[&str] = &[
    "type",
    "name",
    "description",
    "input_schema",
    "cache_control",
    "strict",
    "defer_loading",
    "allowed_callers",
    "input_examples",
    "eager_input_streaming",
];
/// Keywords native structured output refuses.
const REFUSED_KEYWORDS: &[&str] = &["minimum", "maximum", "minLength", "maxLength", "pattern", "multipleOf"];

/// Reads a Messages request as the API does; with `count`, one of `count_tokens`.
pub(super) fn check(body: &Value, count: bool) -> Result<Ask, Refusal> {
    if let Some(name) = unknown_field(body, if count { COUNT_FIELDS } else { FIELDS }) {
        return Err(extra(name));
    }
    let mut ask = Ask { choices: 1, include_usage: true, ..Ask::default() };
    ask.model = match body.get("model") {
        Some(Value::String(model)) if !model.is_empty() => model.clone(),
        Some(Value::String(_)) => return Err(Refusal::bad("model: String should have at least 1 character")),
        Some(_) => return Err(Refusal::bad("model: Input should be a valid string")),
        None => return Err(required("model")),
    };
    if !count {
        ask.max_output = match body.get("max_tokens") {
            None => return Err(required("max_tokens")),
            Some(n) => Some(
                n.as_u64()
                    .filter(|n| *n > 0)
                    .ok_or_else(|| Refusal::bad("max_tokens: Input should be greater than or equal to 1"))?,
            ),
        };
    }
    ask.stream = match body.get("stream") {
        None => false,
        Some(&Value::Bool(stream)) => stream,
        Some(_) => return Err(Refusal::bad("stream: Input should be a valid boolean")),
    };
    thinking(&mut ask, body)?;
    sampling(&ask, body)?;
    tools(&mut ask, body)?;
    output_config(&mut ask, body)?;
    history::check(&mut ask, body)?;
    let marks = body.to_string().matches("\"cache_control\":{").count();
    if marks > 4 {
        return Err(Refusal::bad(format!("A maximum of 4 blocks with cache_control may be provided. Found {marks}.")));
    }
    Ok(ask)
}

pub(super) fn extra(path: &str) -> Refusal {
    Refusal::bad(format!("{path}: Extra inputs are not permitted"))
}

pub(super) fn required(path: &str) -> Refusal {
    Refusal::bad(format!("{path}: Field required"))
}

fn thinking(ask: &mut Ask, body: &Value) -> Result<(), Refusal> {
    let Some(thinking) = json::given(body, "thinking") else { return Ok(()) };
    match thinking.get("type").and_then(Value::as_str) {
        Some("disabled") => {}
        Some("adaptive") => ask.thinking = true,
        Some("enabled") => {
            ask.thinking = true;
            let budget = thinking
                .get("budget_tokens")
                .and_then(Value::as_u64)
                .ok_or_else(|| required("thinking.enabled.budget_tokens"))?;
            if budget < 1024 {
                return Err(Refusal::bad(
                    "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024",
                ));
            }
            if ask.max_output.is_some_and(|most| most <= budget) {
                return Err(Refusal::bad(
                    "`max_tokens` must be greater than `thinking.budget_tokens`. Please consult our documentation at https://docs.claude.com/en/docs/build-with-claude/extended-thinking#max-tokens-and-context-window-size",
                ));
            }
            let forced = body.pointer("/tool_choice/type").is_some_and(|kind| kind == "any" || kind == "tool");
            if forced {
                return Err(Refusal::bad("Thinking may not be enabled when tool_choice forces tool use."));
            }
        }
        _ => {
            return Err(Refusal::bad(
                "thinking: Input tag does not match any of the expected tags: 'adaptive', 'disabled', 'enabled'",
            ));
        }
    }
    ask.show_thinking = ask.thinking;
    Ok(())
}

fn sampling(ask: &Ask, body: &Value) -> Result<(), Refusal> {
    let temperature = json::given(body, "temperature");
    for (name, value) in [("temperature", temperature), ("top_p", json::given(body, "top_p"))] {
        if value.is_some_and(|value| !value.as_f64().is_some_and(|value| (0.0..=1.0).contains(&value))) {
            return Err(Refusal::bad(format!("{name}: range: 0..1")));
        }
    }
    let one = |value: &Value| value.as_f64().is_some_and(|value| (value - 1.0).abs() < f64::EPSILON);
    if ask.thinking && temperature.is_some_and(|value| !one(value)) {
        return Err(Refusal::bad(
            "`temperature` may only be set to 1 when thinking is enabled. Please consult our documentation at https://docs.claude.com/en/docs/build-with-claude/extended-thinking#important-considerations-when-using-extended-thinking",
        ));
    }
    let since_4_5 = ["-4-5", "-4-6", "-4-7", "-4-8", "-5"].iter().any(|version| ask.model.contains(version));
    if since_4_5 && ask.model.starts_with("claude") && temperature.is_some() && json::given(body, "top_p").is_some() {
        return Err(Refusal::bad(
            "`temperature` and `top_p` cannot both be specified for this model. Please use only one.",
        ));
    }
    for (index, stop) in body.get("stop_sequences").and_then(Value::as_array).into_iter().flatten().enumerate() {
        match stop.as_str() {
            None => return Err(Refusal::bad(format!("stop_sequences.{index}: Input should be a valid string"))),
            Some(stop) if stop.trim().is_empty() => {
                return Err(Refusal::bad("stop_sequences: each stop sequence must contain non-whitespace"));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

fn tools(ask: &mut Ask, body: &Value) -> Result<(), Refusal> {
    for (index, tool) in body.get("tools").and_then(Value::as_array).into_iter().flatten().enumerate() {
        let name = tool.get("name").and_then(Value::as_str);
        if tool.get("type").is_some_and(|kind| kind != "custom") {
            // A server tool: its fields are its own.
            continue;
        }
        if let Some(field) = unknown_field(tool, TOOL_FIELDS) {
            return Err(extra(&format!("tools.{index}.custom.{field}")));
        }
        let name = name.ok_or_else(|| required(&format!("tools.{index}.custom.name")))?;
        if !name_fits(name, 128, "-_") {
            return Err(Refusal::bad(format!(
                "tools.{index}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'"
            )));
        }
        let schema = tool.get("input_schema").ok_or_else(|| required(&format!("tools.{index}.custom.input_schema")))?;
        if schema.get("type").is_none_or(|kind| kind != "object") {
            return Err(Refusal::bad(format!("tools.{index}.custom.input_schema.type: Input should be 'object'")));
        }
        if ask.tools.iter().any(|tool| tool.name == name) {
            return Err(Refusal::bad("tools: Tool names must be unique."));
        }
        ask.offer(name, schema.clone());
    }
    let Some(choice) = json::given(body, "tool_choice") else { return Ok(()) };
    if body.get("tools").and_then(Value::as_array).is_none_or(Vec::is_empty) {
        return Err(Refusal::bad("tool_choice: tool_choice may only be specified while providing tools"));
    }
    if let Some(field) = unknown_field(choice, &["type", "name", "disable_parallel_tool_use"]) {
        return Err(extra(&format!("tool_choice.{field}")));
    }
    ask.tool_choice = match choice.get("type").and_then(Value::as_str) {
        Some("auto") => ToolChoice::Auto,
        Some("any") => ToolChoice::Any,
        Some("none") => ToolChoice::None,
        Some("tool") => {
            let name = choice.get("name").and_then(Value::as_str).ok_or_else(|| required("tool_choice.tool.name"))?;
            if !ask.tools.iter().any(|tool| tool.name == name) {
                return Err(Refusal::bad(format!("Tool '{name}' not found in provided tools")));
            }
            ToolChoice::Named(name.to_owned())
        }
        _ => {
            return Err(Refusal::bad(
                "tool_choice: Input tag does not match any of the expected tags: 'auto', 'any', 'tool', 'none'",
            ));
        }
    };
    Ok(())
}

fn output_config(ask: &mut Ask, body: &Value) -> Result<(), Refusal> {
    let Some(config) = json::given(body, "output_config") else { return Ok(()) };
    if let Some(field) = unknown_field(config, &["effort", "format", "task_budget"]) {
        return Err(extra(&format!("output_config.{field}")));
    }
    if json::given(config, "effort")
        .is_some_and(|effort| !["low", "medium", "high", "xhigh", "max"].iter().any(|word| effort == word))
    {
        return Err(Refusal::bad("output_config.effort: Input should be 'low', 'medium', 'high', 'xhigh' or 'max'"));
    }
    let Some(format) = json::given(config, "format") else { return Ok(()) };
    if let Some(field) = unknown_field(format, &["type", "schema"]) {
        return Err(extra(&format!("output_config.format.{field}")));
    }
    let schema = format.get("schema").ok_or_else(|| required("output_config.format.schema"))?;
    if !json::closed_objects(schema) {
        return Err(Refusal::bad(
            "output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to false",
        ));
    }
    if let Some(keyword) = refused_keyword(schema) {
        return Err(Refusal::bad(format!("output_config.format.schema: property '{keyword}' is not supported")));
    }
    ask.format = Format::Schema(schema.clone());
    Ok(())
}

/// A schema keyword that is refused; property names that read like one are not keywords.
fn refused_keyword(schema: &Value) -> Option<&str> {
    match schema {
        Value::Object(fields) => fields.iter().find_map(|(name, value)| {
            if matches!(name.as_str(), "properties" | "$defs" | "definitions") {
                return value.as_object()?.values().find_map(refused_keyword);
            }
            REFUSED_KEYWORDS.iter().copied().find(|keyword| name == keyword).or_else(|| refused_keyword(value))
        }),
        Value::Array(all) => all.iter().find_map(refused_keyword),
        _ => None,
    }
}

/// The usage object: `input_tokens` excludes the caches.
pub(super) fn usage(usage: &Usage) -> Value {
    let mut object = json!({
        "input_tokens": usage.input,
        "cache_creation_input_tokens": usage.cache_write(),
        "cache_read_input_tokens": usage.cache_read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write_5m,
            "ephemeral_1h_input_tokens": usage.cache_write_1h,
        },
        "output_tokens": usage.output,
        "service_tier": "standard",
    });
    if let (Some(object), Some(thinking)) = (object.as_object_mut(), usage.reasoning) {
        object.insert("output_tokens_details".to_owned(), json!({ "thinking_tokens": thinking }));
    }
    object
}

const fn stop_reason(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "end_turn",
        Finish::Length => "max_tokens",
        Finish::Tools => "tool_use",
        Finish::Refusal => "refusal",
    }
}

fn call_id(answer: &Answer, index: usize) -> String {
    let thoughts = blocks(answer).iter().filter(|block| matches!(block, Block::Thinking(_))).count();
    format!("toolu_mock{}x{index}t{thoughts}", answer.serial)
}

/// The answer, not streamed.
pub(super) fn plain(ask: &Ask, answer: &Answer) -> Value {
    let content = blocks(answer).into_iter().enumerate().map(|(place, block)| match block {
        Block::Thinking(text) => {
            let signature = Signed::write(answer.serial, place, &text);
            json!({"type": "thinking", "thinking": text, "signature": signature})
        }
        Block::Text => json!({"type": "text", "text": answer.text()}),
        Block::Call(index, call) => {
            let (id, input) = (call_id(answer, index), object(&call.arguments));
            json!({"type": "tool_use", "id": id, "name": call.name, "input": input})
        }
    });
    let content = content.collect();
    let mut body = envelope(ask, answer, content);
    if let Some(body) = body.as_object_mut() {
        body.insert("stop_reason".to_owned(), json!(stop_reason(answer.finish)));
        if let Some(usage) = &answer.usage {
            body.insert("usage".to_owned(), self::usage(usage));
        }
    }
    body
}

fn object(arguments: &Value) -> Value {
    if arguments.is_object() { arguments.clone() } else { Value::Object(Map::new()) }
}

fn envelope(ask: &Ask, answer: &Answer, content: Vec<Value>) -> Value {
    json!({
        "model": ask.model,
        "id": format!("msg_mock{:08}", answer.serial),
        "type": "message",
        "role": "assistant",
        "content": content,
        "stop_reason": null,
        "stop_sequence": null,
    })
}

/// An event; real ones pad the data with spaces.
fn event(data: &Value) -> Bytes {
    let kind = data.get("type").and_then(Value::as_str).unwrap_or("message");
    Bytes::from(format!("event: {kind}\ndata: {data}   \n\n"))
}

/// The answer, streamed: `message_start` … `message_stop`.
pub(super) fn events(ask: &Ask, answer: &Answer) -> Vec<Bytes> {
    let mut events = Vec::with_capacity(answer.pieces.len() + 8);
    let mut start = envelope(ask, answer, Vec::new());
    if let (Some(start), Some(usage)) = (start.as_object_mut(), &answer.usage) {
        // The start is an estimate: the output is not known yet.
        let early = Usage { output: 1, reasoning: None, ..*usage };
        start.insert("usage".to_owned(), self::usage(&early));
    }
    events.push(event(&json!({"type": "message_start", "message": start})));
    let mut index = 0;
    let mut block = |events: &mut Vec<Bytes>, start: Value, deltas: Vec<Value>| {
        events.push(event(&json!({"type": "content_block_start", "index": index, "content_block": start})));
        if index == 0 {
            events.push(event(&json!({"type": "ping"})));
        }
        for delta in deltas {
            events.push(event(&json!({"type": "content_block_delta", "index": index, "delta": delta})));
        }
        events.push(event(&json!({"type": "content_block_stop", "index": index})));
        index += 1;
    };
    for (place, one) in blocks(answer).into_iter().enumerate() {
        match one {
            Block::Thinking(text) => {
                let pieces = json::halves(&text);
                let mut deltas: Vec<Value> =
                    pieces.iter().map(|piece| json!({"type": "thinking_delta", "thinking": piece})).collect();
                let signature = Signed::write(answer.serial, place, &text);
                deltas.push(json!({"type": "signature_delta", "signature": signature}));
                block(&mut events, json!({"type": "thinking", "thinking": "", "signature": ""}), deltas);
            }
            Block::Text => {
                let deltas = answer.pieces.iter().map(|piece| json!({"type": "text_delta", "text": piece})).collect();
                block(&mut events, json!({"type": "text", "text": ""}), deltas);
            }
            Block::Call(index, call) => {
                let arguments = object(&call.arguments);
                let mut deltas = vec![json!({"type": "input_json_delta", "partial_json": ""})];
                if arguments.as_object().is_some_and(|fields| !fields.is_empty()) {
                    let text = arguments.to_string();
                    let pieces = json::halves(&text);
                    deltas
                        .extend(pieces.iter().map(|piece| json!({"type": "input_json_delta", "partial_json": piece})));
                }
                let start = json!({"type": "tool_use", "id": call_id(answer, index), "name": call.name, "input": {}});
                block(&mut events, start, deltas);
            }
        }
    }
    let mut delta = json!({
        "type": "message_delta",
        "delta": {"stop_reason": stop_reason(answer.finish), "stop_sequence": null},
    });
    if let (Some(delta), Some(usage)) = (delta.as_object_mut(), &answer.usage) {
        let mut last = self::usage(usage);
        if let Some(last) = last.as_object_mut() {
            // The split by term comes at the start only.
            last.remove("cache_creation");
            last.remove("service_tier");
        }
        delta.insert("usage".to_owned(), last);
    }
    events.push(event(&delta));
    events.push(event(&json!({"type": "message_stop"})));
    events
}

/// The body of an error.
pub(super) fn error(refusal: &Refusal) -> Value {
    let kind = match refusal.status {
        400 => "invalid_request_error",
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        504 => "timeout_error",
        529 => "overloaded_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    };
    json!({"type": "error", "error": {"type": kind, "message": refusal.message}, "request_id": "req_mock"})
}

/// An error in the middle of a stream.
pub(super) fn error_event() -> Bytes {
    event(&json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}))
}

/// The answer to `GET /v1/models`.
pub(super) fn models() -> Value {
    let ids = ["claude-sonnet-4-5", "claude-haiku-4-5", "claude-opus-4-1", "mock-small", "mock-large"];
    let models: Vec<Value> = ids
        .iter()
        .map(|id| json!({"type": "model", "id": id, "display_name": id, "created_at": "2025-09-29T00:00:00Z"}))
        .collect();
    json!({"data": models, "has_more": false, "first_id": ids.first(), "last_id": ids.last()})
}
