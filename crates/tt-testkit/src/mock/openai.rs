//! OpenAI as the mock plays it: Chat Completions, Embeddings, Models. [`super::responses`] has Responses.
//!
//! Unknown top-level fields pass: hosts that speak this API take fields of their own.

use bytes::Bytes;
use serde_json::{Map, Value, json};
use tt_core::Usage;

use super::ask::{Answer, Ask, Call, Finish, Format, Refusal, ToolChoice};
use super::json::{self, name_fits};

/// A constant, so that answers are the same each time.
const CREATED: u64 = 1_767_225_600;

/// The headers of a real answer, those a proxy must not pass on included.
pub(super) const HEADERS: &[(&str, &str)] = &[
    ("openai-organization", "mock-organization"),
    ("openai-processing-ms", "7"),
    ("openai-version", "2020-10-01"),
    ("x-ratelimit-limit-requests", "10000"),
    ("x-ratelimit-remaining-requests", "9999"),
    ("x-ratelimit-reset-requests", "8.64s"),
    ("x-ratelimit-limit-tokens", "200000"),
    ("x-ratelimit-remaining-tokens", "199943"),
    ("x-ratelimit-reset-tokens", "16ms"),
    ("set-cookie", "__cf_bm=mock-cookie; path=/; HttpOnly; Secure; SameSite=None"),
    ("server", "cloudflare"),
];

/// Reads a Chat Completions request as the API does.
pub(super) fn check(body: &Value) -> Result<Ask, Refusal> {
    let mut ask = Ask { choices: 1, ..Ask::default() };
    ask.model = match body.get("model").and_then(Value::as_str) {
        Some(model) if !model.is_empty() => model.to_owned(),
        _ => return Err(Refusal::bad("you must provide a model parameter")),
    };
    ask.stream = flag(body, "stream")?;
    match body.get("stream_options") {
        None | Some(Value::Null) => {}
        Some(_) if !ask.stream => {
            return Err(Refusal::bad("The 'stream_options' parameter is only allowed when 'stream' is enabled.")
                .param("stream_options"));
        }
        Some(options) => ask.include_usage = flag(options, "include_usage")?,
    }
    sampling(&mut ask, body)?;
    tools(&mut ask, body)?;
    messages(&mut ask, body)?;
    format(&mut ask, body)?;
    Ok(ask)
}

fn missing(name: &str) -> Refusal {
    Refusal::bad(format!("Missing required parameter: '{name}'.")).code("missing_required_parameter").param(name)
}

fn flag(body: &Value, name: &str) -> Result<bool, Refusal> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(false),
        Some(&Value::Bool(value)) => Ok(value),
        Some(_) => Err(Refusal::bad(format!("Invalid type for '{name}': expected a boolean."))
            .code("invalid_type")
            .param(name)),
    }
}

fn reasoning_model(model: &str) -> bool {
    ["o1", "o3", "o4", "gpt-5"].iter().any(|family| model.starts_with(family)) && !model.contains("chat")
}

fn sampling(ask: &mut Ask, body: &Value) -> Result<(), Refusal> {
    let out_of_range = |name: &str| {
        Refusal::bad(format!("Invalid '{name}': the value is out of its range.")).code("invalid_value").param(name)
    };
    let (old, new) = (json::given(body, "max_tokens"), json::given(body, "max_completion_tokens"));
    if old.is_some() && new.is_some() {
        return Err(Refusal::bad(
            "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
        )
        .code("invalid_parameter_combination"));
    }
    if old.is_some() && reasoning_model(&ask.model) {
        let message = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.";
        return Err(Refusal::bad(message).code("unsupported_parameter").param("max_tokens"));
    }
    for (name, value) in [("max_tokens", old), ("max_completion_tokens", new)] {
        if let Some(value) = value {
            ask.max_output = Some(value.as_u64().filter(|n| *n > 0).ok_or_else(|| out_of_range(name))?);
        }
    }
    for (name, from, to) in [
        ("temperature", 0.0, 2.0),
        ("top_p", 0.0, 1.0),
        ("frequency_penalty", -2.0, 2.0),
        ("presence_penalty", -2.0, 2.0),
    ] {
        let Some(value) = json::given(body, name) else { continue };
        let value = value.as_f64().filter(|value| (from..=to).contains(value)).ok_or_else(|| out_of_range(name))?;
        if name == "temperature" && reasoning_model(&ask.model) && (value - 1.0).abs() > f64::EPSILON {
            return Err(Refusal::bad(format!(
                "Unsupported value: 'temperature' does not support {value} with this model. Only the default (1) value is supported."
            ))
            .code("unsupported_value")
            .param("temperature"));
        }
    }
    if let Some(n) = json::given(body, "n") {
        ask.choices = n.as_u64().filter(|n| (1..=128).contains(n)).ok_or_else(|| out_of_range("n"))?;
    }
    if let Some(stop) = json::given(body, "stop")
        && !(stop.is_string() || stop.as_array().is_some_and(|all| all.len() <= 4 && all.iter().all(Value::is_string)))
    {
        return Err(out_of_range("stop"));
    }
    ask.thinking = json::given(body, "reasoning_effort").is_some_and(|effort| effort != "none");
    Ok(())
}

fn tools(ask: &mut Ask, body: &Value) -> Result<(), Refusal> {
    let list = body.get("tools").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if body.get("tools").is_some_and(|tools| tools.as_array().is_some_and(Vec::is_empty)) {
        return Err(Refusal::bad(
            "Invalid 'tools': empty array. Expected an array with minimum length 1, but got an empty array instead.",
        )
        .code("empty_array")
        .param("tools"));
    }
    for (index, tool) in list.iter().enumerate() {
        let kind = tool.get("type").and_then(Value::as_str).ok_or_else(|| missing(&format!("tools[{index}].type")))?;
        let inner = tool.get(kind).ok_or_else(|| missing(&format!("tools[{index}].{kind}")))?;
        let path = format!("tools[{index}].{kind}.name");
        let name = inner.get("name").and_then(Value::as_str).ok_or_else(|| missing(&path))?;
        if !name_fits(name, 64, "-_") {
            return Err(Refusal::bad(format!(
                "Invalid '{path}': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'."
            ))
            .code("invalid_value")
            .param(&path));
        }
        let schema = inner.get("parameters").cloned().unwrap_or(Value::Null);
        if inner.get("strict") == Some(&Value::Bool(true)) && !json::closed_objects(&schema) {
            return Err(Refusal::bad(format!(
                "Invalid schema for function '{name}': In context=(), 'additionalProperties' is required to be supplied and to be false."
            ))
            .code("invalid_function_parameters")
            .param(&format!("tools[{index}].function.parameters")));
        }
        ask.offer(name, schema);
    }
    ask.tool_choice = match json::given(body, "tool_choice") {
        None => ToolChoice::Auto,
        Some(_) if list.is_empty() => {
            return Err(Refusal::bad(
                "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.",
            )
            .param("tool_choice"));
        }
        Some(Value::String(word)) => match word.as_str() {
            "auto" => ToolChoice::Auto,
            "none" => ToolChoice::None,
            "required" => ToolChoice::Any,
            _ => {
                return Err(Refusal::bad(format!(
                    "Invalid value: '{word}'. Supported values are: 'none', 'auto', and 'required'."
                ))
                .code("invalid_value")
                .param("tool_choice"));
            }
        },
        Some(choice) if choice.get("type").is_some_and(|kind| kind == "allowed_tools") => ToolChoice::Auto,
        Some(choice) => {
            let name = choice.pointer("/function/name").or_else(|| choice.pointer("/custom/name"));
            let name = name.and_then(Value::as_str).ok_or_else(|| missing("tool_choice.function.name"))?;
            if !ask.tools.iter().any(|tool| tool.name == name) {
                return Err(
                    Refusal::bad(format!("Tool choice '{name}' not found in 'tools' parameter.")).param("tool_choice")
                );
            }
            ToolChoice::Named(name.to_owned())
        }
    };
    Ok(())
}

fn messages(ask: &mut Ask, body: &Value) -> Result<(), Refusal> {
    let messages = body.get("messages").and_then(Value::as_array).ok_or_else(|| missing("messages"))?;
    if messages.is_empty() {
        return Err(Refusal::bad(
            "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.",
        )
        .code("empty_array")
        .param("messages"));
    }
    let mut open: Vec<&str> = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let role =
            message.get("role").and_then(Value::as_str).ok_or_else(|| missing(&format!("messages[{index}].role")))?;
        if role != "tool" {
            answered(&open)?;
            open.clear();
        }
        let text = content(ask, message, role, index)?;
        // Instructions after the user's words leave those the last: Claude Code gives some there.
        if !matches!(role, "system" | "developer") {
            ask.last_user.clear();
        }
        match role {
            "user" => {
                ask.last_user = text;
                ask.tool_results.clear();
            }
            "assistant" => {
                ask.tool_results.clear();
                for call in message.get("tool_calls").and_then(Value::as_array).into_iter().flatten() {
                    let id = call
                        .get("id")
                        .and_then(Value::as_str)
                        .ok_or_else(|| missing(&format!("messages[{index}].tool_calls[0].id")))?;
                    let arguments = call.pointer("/function/arguments").or_else(|| call.pointer("/custom/input"));
                    if !arguments.is_some_and(Value::is_string) {
                        return Err(Refusal::bad(format!(
                            "Invalid type for 'messages[{index}].tool_calls[0].function.arguments': expected a string."
                        ))
                        .code("invalid_type"));
                    }
                    open.push(id);
                }
            }
            "tool" => {
                let id = message
                    .get("tool_call_id")
                    .and_then(Value::as_str)
                    .ok_or_else(|| missing(&format!("messages[{index}].tool_call_id")))?;
                let Some(place) = open.iter().position(|call| *call == id) else {
                    return Err(Refusal::bad("Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.").param(&format!("messages.[{index}].role")));
                };
                open.remove(place);
                ask.tool_results.push(text);
            }
            "function" => ask.tool_results.push(text),
            "system" | "developer" => {}
            _ => {
                return Err(Refusal::bad(format!(
                    "Invalid value: '{role}'. Supported values are: 'system', 'assistant', 'user', 'function', 'tool', and 'developer'."
                ))
                .code("invalid_value")
                .param(&format!("messages[{index}].role")));
            }
        }
    }
    answered(&open)
}

fn answered(open: &[&str]) -> Result<(), Refusal> {
    if open.is_empty() {
        return Ok(());
    }
    let ids = open.join(", ");
    Err(Refusal::bad(format!(
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The following tool_call_ids did not have response messages: {ids}"
    ))
    .param("messages"))
}

fn content(ask: &mut Ask, message: &Value, role: &str, index: usize) -> Result<String, Refusal> {
    let parts = match json::given(message, "content") {
        Some(Value::String(text)) => {
            ask.count_text(text);
            return Ok(text.clone());
        }
        Some(Value::Array(parts)) => parts,
        None if role == "assistant" => return Ok(String::new()),
        _ => {
            return Err(Refusal::bad(format!(
                "Invalid value for 'content': expected a string, got null. messages[{index}]"
            ))
            .param(&format!("messages.[{index}].content")));
        }
    };
    let mut texts = Vec::new();
    for (place, part) in parts.iter().enumerate() {
        let path = format!("messages[{index}].content[{place}].type");
        match part.get("type").and_then(Value::as_str).ok_or_else(|| missing(&path))? {
            "text" => {
                let text = part
                    .get("text")
                    .and_then(Value::as_str)
                    .ok_or_else(|| missing(&format!("messages[{index}].content[{place}].text")))?;
                ask.count_text(text);
                texts.push(text);
            }
            "refusal" if role == "assistant" => {}
            "image_url" | "input_audio" | "file" if role == "user" => ask.count_media(),
            other => {
                return Err(Refusal::bad(format!(
                    "Invalid value: '{other}'. The part is not allowed in a message of role '{role}'."
                ))
                .code("invalid_value")
                .param(&path));
            }
        }
    }
    Ok(texts.join("\n"))
}

fn format(ask: &mut Ask, body: &Value) -> Result<(), Refusal> {
    let Some(format) = json::given(body, "response_format") else { return Ok(()) };
    ask.format = match format.get("type").and_then(Value::as_str) {
        Some("text") => Format::Text,
        Some("json_object") => {
            if !body.get("messages").is_some_and(|all| all.to_string().to_lowercase().contains("json")) {
                return Err(Refusal::bad("'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.").param("messages"));
            }
            Format::Object
        }
        Some("json_schema") => {
            let schema = format.get("json_schema").ok_or_else(|| missing("response_format.json_schema"))?;
            if !schema.get("name").is_some_and(Value::is_string) {
                return Err(missing("response_format.json_schema.name"));
            }
            Format::Schema(schema.get("schema").cloned().unwrap_or(Value::Null))
        }
        _ => return Err(missing("response_format.type")),
    };
    Ok(())
}

/// The answer, not streamed.
pub(super) fn plain(ask: &Ask, answer: &Answer) -> Value {
    let mut message = Map::new();
    let refused = answer.finish == Finish::Refusal;
    message.insert("role".to_owned(), json!("assistant"));
    let content = if refused || !answer.calls.is_empty() { Value::Null } else { json!(answer.text()) };
    message.insert("content".to_owned(), content);
    if !answer.calls.is_empty() {
        let calls: Vec<Value> =
            answer.calls.iter().enumerate().map(|(index, call)| tool_call(answer, call, index)).collect();
        message.insert("tool_calls".to_owned(), Value::Array(calls));
    }
    message.insert("refusal".to_owned(), if refused { json!(answer.text()) } else { Value::Null });
    message.insert("annotations".to_owned(), json!([]));
    let choices: Vec<Value> = (0..ask.choices)
        .map(|index| json!({"index": index, "message": message, "logprobs": null, "finish_reason": finish(answer.finish)}))
        .collect();
    let mut body = envelope(ask, answer, "chat.completion", choices);
    if let (Some(usage), Some(body)) = (&answer.usage, body.as_object_mut()) {
        body.insert("usage".to_owned(), self::usage(usage));
    }
    body
}

fn envelope(ask: &Ask, answer: &Answer, object: &str, choices: Vec<Value>) -> Value {
    json!({
        "id": format!("chatcmpl-mock{:08}", answer.serial),
        "object": object,
        "created": CREATED,
        "model": ask.model,
        "service_tier": "default",
        "system_fingerprint": "fp_mock",
        "choices": choices,
    })
}

fn tool_call(answer: &Answer, call: &Call, index: usize) -> Value {
    json!({
        "id": format!("call_mock{}x{index}", answer.serial),
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments.to_string()},
    })
}

const fn finish(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop | Finish::Refusal => "stop",
        Finish::Length => "length",
        Finish::Tools => "tool_calls",
    }
}

/// The usage object: `prompt_tokens` includes what was read from and written to a cache.
pub(super) fn usage(usage: &Usage) -> Value {
    let mut prompt = json!({"cached_tokens": usage.cache_read, "audio_tokens": usage.audio_input});
    if usage.cache_write() > 0
        && let Some(prompt) = prompt.as_object_mut()
    {
        prompt.insert("cache_write_tokens".to_owned(), json!(usage.cache_write()));
    }
    json!({
        "prompt_tokens": usage.total_input(),
        "completion_tokens": usage.output,
        "total_tokens": usage.total(),
        "prompt_tokens_details": prompt,
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning.unwrap_or(0),
            "audio_tokens": usage.audio_output,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    })
}

/// The answer, streamed: one event each.
pub(super) fn events(ask: &Ask, answer: &Answer) -> Vec<Bytes> {
    let mut events = Vec::with_capacity(answer.pieces.len() + 4);
    let mut push = |choices: Vec<Value>, usage: Option<Value>| {
        let mut chunk = envelope(ask, answer, "chat.completion.chunk", choices);
        if ask.include_usage
            && let Some(chunk) = chunk.as_object_mut()
        {
            chunk.insert("usage".to_owned(), usage.unwrap_or(Value::Null));
        }
        events.push(Bytes::from(format!("data: {chunk}\n\n")));
    };
    let choice = |index: u64, delta: Value, finish: Option<&str>| json!({"index": index, "delta": delta, "logprobs": null, "finish_reason": finish});
    let kind = if answer.finish == Finish::Refusal { "refusal" } else { "content" };
    for index in 0..ask.choices {
        let content = if answer.calls.is_empty() && kind == "content" { json!("") } else { Value::Null };
        push(vec![choice(index, json!({"role": "assistant", "content": content, "refusal": null}), None)], None);
        for piece in &answer.pieces {
            push(vec![choice(index, json!({ kind: piece }), None)], None);
        }
        for (place, call) in answer.calls.iter().enumerate() {
            let mut first = tool_call(answer, call, place);
            let arguments = call.arguments.to_string();
            if let Some(first) = first.as_object_mut() {
                first.insert("index".to_owned(), json!(place));
                first.insert("function".to_owned(), json!({"name": call.name, "arguments": ""}));
            }
            push(vec![choice(index, json!({"tool_calls": [first]}), None)], None);
            for piece in json::halves(&arguments) {
                let delta = json!({"tool_calls": [{"index": place, "function": {"arguments": piece}}]});
                push(vec![choice(index, delta, None)], None);
            }
        }
        push(vec![choice(index, json!({}), Some(finish(answer.finish)))], None);
    }
    if let (true, Some(usage)) = (ask.include_usage, &answer.usage) {
        push(Vec::new(), Some(self::usage(usage)));
    }
    events.push(Bytes::from_static(b"data: [DONE]\n\n"));
    events
}

/// The body of an error.
pub(super) fn error(refusal: &Refusal) -> Value {
    let (kind, code) = match refusal.status {
        404 => ("invalid_request_error", Some("model_not_found")),
        429 => ("requests", Some("rate_limit_exceeded")),
        500.. => ("server_error", None),
        _ => ("invalid_request_error", None),
    };
    json!({"error": {
        "message": refusal.message,
        "type": kind,
        "param": refusal.param,
        "code": refusal.code.or(code),
    }})
}

/// An error in the middle of a stream.
pub(super) fn error_event() -> Bytes {
    let body = error(&Refusal::new(500, "The server had an error while processing your request. Sorry about that!"));
    Bytes::from(format!("data: {body}\n\n"))
}

/// The answer to `GET /v1/models`.
pub(super) fn models() -> Value {
    let models: Vec<Value> = ["gpt-4o", "gpt-4o-mini", "o3-mini", "text-embedding-3-small", "mock-small", "mock-large"]
        .iter()
        .map(|id| json!({"id": id, "object": "model", "created": CREATED, "owned_by": "system"}))
        .collect();
    json!({"object": "list", "data": models})
}
