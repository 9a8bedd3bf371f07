//! OpenAI's Responses as the mock plays it.
//!
//! It keeps no answers: a request that names one is answered as OpenAI answers where it has expired. Reasoning items must
//! come back as they went, each call with its result.

use bytes::Bytes;
use serde_json::{Map, Value, json};
use tt_core::Usage;

use super::ask::{Answer, Ask, Call, Finish, Format, Refusal, ToolChoice};
use super::json::{self, name_fits};

/// A constant, so that answers are the same each time.
const CREATED: u64 = 1_767_225_600;

/// The beginning of the encrypted content of every reasoning item.
const ENCRYPTED: &str = "gAAAAmock";

/// Reads a request as the API does.
pub(super) fn check(body: &Value) -> Result<Ask, Refusal> {
    let mut ask = Ask { choices: 1, include_usage: true, ..Ask::default() };
    ask.model = match body.get("model").and_then(Value::as_str) {
        Some(model) if !model.is_empty() => model.to_owned(),
        _ => return Err(missing("model")),
    };
    ask.stream = body.get("stream").is_some_and(|stream| stream == true);
    if let Some(id) = json::given(body, "previous_response_id").and_then(Value::as_str) {
        let message = format!("Previous response with id '{id}' not found.");
        return Err(Refusal::bad(message).code("previous_response_not_found").param("previous_response_id"));
    }
    if let Some(most) = json::given(body, "max_output_tokens") {
        let fits = most.as_u64().filter(|most| *most >= 16);
        let wrong =
            || Refusal::bad("Invalid 'max_output_tokens': integer below minimum value.").param("max_output_tokens");
        ask.max_output = Some(fits.ok_or_else(wrong)?);
    }
    let effort = body.pointer("/reasoning/effort").filter(|effort| !effort.is_null());
    ask.thinking = effort.is_some_and(|effort| effort != "none");
    ask.show_thinking = true;
    if let Some(instructions) = body.get("instructions").and_then(Value::as_str) {
        ask.count_text(instructions);
    }
    tools(&mut ask, body)?;
    match body.get("input") {
        Some(Value::String(text)) => {
            ask.count_text(text);
            ask.last_user.clone_from(text);
        }
        Some(Value::Array(items)) => input(&mut ask, items)?,
        _ => return Err(missing("input")),
    }
    format(&mut ask, body)?;
    Ok(ask)
}

fn missing(name: &str) -> Refusal {
    Refusal::bad(format!("Missing required parameter: '{name}'.")).code("missing_required_parameter").param(name)
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Value::as_str)
}

fn tools(ask: &mut Ask, body: &Value) -> Result<(), Refusal> {
    let list = body.get("tools").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let added = body.get("input").and_then(Value::as_array).into_iter().flatten();
    let added = added.filter_map(|item| item.get("tools")?.as_array()).flatten();
    for (index, tool) in list.iter().chain(added).enumerate() {
        let kind = text(tool, "type").ok_or_else(|| missing(&format!("tools[{index}].type")))?;
        let inner = match kind {
            "namespace" => tool.get("tools").and_then(Value::as_array).map_or(&[][..], Vec::as_slice),
            "function" | "custom" => std::slice::from_ref(tool),
            _ => &[],
        };
        for tool in inner {
            let path = format!("tools[{index}].name");
            let name = text(tool, "name").ok_or_else(|| missing(&path))?;
            if !name_fits(name, 64, "-_") {
                return Err(Refusal::bad(format!("Invalid '{path}': string does not match pattern.")).param(&path));
            }
            ask.offer(name, tool.get("parameters").cloned().unwrap_or(Value::Null));
        }
    }
    ask.tool_choice = match json::given(body, "tool_choice") {
        None => ToolChoice::Auto,
        Some(Value::String(word)) => match word.as_str() {
            "none" => ToolChoice::None,
            "required" => ToolChoice::Any,
            _ => ToolChoice::Auto,
        },
        Some(choice) => text(choice, "name").map_or(ToolChoice::Auto, |name| ToolChoice::Named(name.to_owned())),
    };
    Ok(())
}

fn input(ask: &mut Ask, items: &[Value]) -> Result<(), Refusal> {
    let mut open: Vec<&str> = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let at = |name: &str| format!("input[{index}].{name}");
        match text(item, "type").unwrap_or("message") {
            "message" => {
                let role = text(item, "role").ok_or_else(|| missing(&at("role")))?;
                let said = content(ask, item.get("content"), &at("content"))?;
                // Instructions after the user's words leave those the last: Claude Code gives some there.
                if !matches!(role, "system" | "developer") {
                    ask.tool_results.clear();
                    ask.last_user = if role == "user" { said } else { String::new() };
                }
            }
            "function_call" | "custom_tool_call" => {
                open.push(text(item, "call_id").ok_or_else(|| missing(&at("call_id")))?);
                ask.last_user.clear();
                ask.tool_results.clear();
            }
            "function_call_output" | "custom_tool_call_output" => {
                let id = text(item, "call_id").ok_or_else(|| missing(&at("call_id")))?;
                let Some(place) = open.iter().position(|call| *call == id) else {
                    let message = format!("No tool call found for function call output with call_id {id}.");
                    return Err(Refusal::bad(message).param("input"));
                };
                open.remove(place);
                let said = content(ask, item.get("output"), &at("output"))?;
                ask.tool_results.push(said);
            }
            "reasoning" => {
                let encrypted = text(item, "encrypted_content");
                if !item.get("summary").is_some_and(Value::is_array) {
                    return Err(missing(&at("summary")));
                }
                if encrypted.is_none_or(|encrypted| !encrypted.starts_with(ENCRYPTED)) {
                    let message = "The encrypted content could not be verified. Reason: Encrypted content could not be decrypted or parsed.";
                    return Err(Refusal::bad(message).code("invalid_encrypted_content"));
                }
            }
            "additional_tools" | "tool_search_call" | "tool_search_output" | "web_search_call" => {}
            other => {
                let message = format!("Invalid value: '{other}'.");
                return Err(Refusal::bad(message).code("invalid_value").param(&at("type")));
            }
        }
    }
    match open.first() {
        None => Ok(()),
        Some(id) => Err(Refusal::bad(format!("No tool output found for function call {id}.")).param("input")),
    }
}

fn content(ask: &mut Ask, content: Option<&Value>, path: &str) -> Result<String, Refusal> {
    let parts = match content {
        Some(Value::String(said)) => {
            ask.count_text(said);
            return Ok(said.clone());
        }
        Some(Value::Array(parts)) => parts,
        _ => return Err(missing(path)),
    };
    let mut texts = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        match text(part, "type") {
            Some("input_text" | "output_text") => {
                let said = text(part, "text").ok_or_else(|| missing(&format!("{path}[{index}].text")))?;
                ask.count_text(said);
                texts.push(said);
            }
            Some("refusal") => {}
            Some("input_image" | "input_file" | "input_audio") => ask.count_media(),
            _ => return Err(missing(&format!("{path}[{index}].type"))),
        }
    }
    Ok(texts.join("\n"))
}

fn format(ask: &mut Ask, body: &Value) -> Result<(), Refusal> {
    let Some(format) = body.pointer("/text/format") else { return Ok(()) };
    ask.format = match text(format, "type") {
        Some("text") => Format::Text,
        Some("json_object") => Format::Object,
        Some("json_schema") => Format::Schema(format.get("schema").cloned().unwrap_or(Value::Null)),
        _ => return Err(missing("text.format.type")),
    };
    Ok(())
}

/// The usage object: `input_tokens` includes what was read from and written to a cache.
fn usage(usage: &Usage) -> Value {
    json!({
        "input_tokens": usage.total_input(),
        "input_tokens_details": {"cached_tokens": usage.cache_read, "cache_write_tokens": usage.cache_write()},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning.unwrap_or(0)},
        "total_tokens": usage.total(),
    })
}

fn response(ask: &Ask, answer: &Answer, status: &str, output: Vec<Value>) -> Value {
    let ended = status != "in_progress";
    let reported = answer.usage.filter(|_| ended).map_or(Value::Null, |counted| usage(&counted));
    let details = if status == "incomplete" { json!({"reason": "max_output_tokens"}) } else { Value::Null };
    json!({
        "id": format!("resp_mock{:08}", answer.serial),
        "object": "response",
        "created_at": CREATED,
        "status": status,
        "error": null,
        "incomplete_details": details,
        "model": ask.model,
        "output": output,
        "service_tier": "default",
        "tool_choice": "auto",
        "tools": [],
        "usage": reported,
        "metadata": {},
    })
}

const fn status(answer: &Answer) -> &'static str {
    match answer.finish {
        Finish::Length => "incomplete",
        Finish::Stop | Finish::Tools | Finish::Refusal => "completed",
    }
}

fn reasoning(answer: &Answer) -> Option<Value> {
    let thinking = answer.thinking.as_ref()?;
    let id = format!("rs_mock{:08}", answer.serial);
    let encrypted = format!("{ENCRYPTED}{:08}", answer.serial);
    let summary = json!([{"type": "summary_text", "text": thinking}]);
    Some(json!({"id": id, "type": "reasoning", "summary": summary, "encrypted_content": encrypted}))
}

fn part(answer: &Answer, said: &str) -> Value {
    if answer.finish == Finish::Refusal {
        json!({"type": "refusal", "refusal": said})
    } else {
        json!({"type": "output_text", "text": said, "annotations": [], "logprobs": []})
    }
}

fn message(answer: &Answer, status: &str, content: Vec<Value>) -> Value {
    let id = format!("msg_mock{:08}", answer.serial);
    json!({"id": id, "type": "message", "status": status, "role": "assistant", "content": content})
}

fn call(answer: &Answer, call: &Call, index: usize, arguments: &str) -> Value {
    json!({
        "id": format!("fc_mock{}x{index}", answer.serial),
        "type": "function_call",
        "status": "completed",
        "call_id": format!("call_mock{}x{index}", answer.serial),
        "name": call.name,
        "arguments": arguments,
    })
}

fn items(answer: &Answer) -> Vec<Value> {
    let mut items: Vec<Value> = reasoning(answer).into_iter().collect();
    if answer.calls.is_empty() {
        items.push(message(answer, status(answer), vec![part(answer, &answer.text())]));
    }
    let calls = answer.calls.iter().enumerate();
    items.extend(calls.map(|(index, one)| call(answer, one, index, &one.arguments.to_string())));
    items
}

/// The answer, not streamed.
pub(super) fn plain(ask: &Ask, answer: &Answer) -> Value {
    response(ask, answer, status(answer), items(answer))
}

/// Writes the events of a stream, with their numbers.
#[derive(Default)]
struct Writer(Vec<Bytes>);

impl Writer {
    fn event(&mut self, kind: &str, fields: Value) {
        let mut event = Map::new();
        event.insert("type".to_owned(), json!(kind));
        if let Value::Object(fields) = fields {
            event.extend(fields);
        }
        event.insert("sequence_number".to_owned(), json!(self.0.len()));
        self.0.push(Bytes::from(format!("event: {kind}\ndata: {}\n\n", Value::Object(event))));
    }

    /// Writes an event with a piece of the answer, which is padded.
    fn addition(&mut self, kind: &str, mut fields: Value) {
        if let Some(fields) = fields.as_object_mut() {
            let padding = OBFUSCATION.get(..self.0.len() % OBFUSCATION.len());
            fields.insert("obfuscation".to_owned(), json!(padding));
        }
        self.event(kind, fields);
    }
}

/// The padding of additions, of which each takes a part: no two that follow each other are as long.
const OBFUSCATION: &str = "jKodDM5xaRskel";

/// The answer, streamed: one event each.
pub(super) fn events(ask: &Ask, answer: &Answer) -> Vec<Bytes> {
    let mut out = Writer::default();
    for kind in ["response.created", "response.in_progress"] {
        out.event(kind, json!({"response": response(ask, answer, "in_progress", Vec::new())}));
    }
    let mut next = 0;
    if let Some(item) = reasoning(answer) {
        out.event("response.output_item.added", json!({"output_index": next, "item": item}));
        out.event("response.output_item.done", json!({"output_index": next, "item": item}));
        next += 1;
    }
    if answer.calls.is_empty() {
        said(answer, next, &mut out);
    }
    for (index, one) in answer.calls.iter().enumerate() {
        let (at, arguments) = (next + index, one.arguments.to_string());
        let (begun, whole) = (call(answer, one, index, ""), call(answer, one, index, &arguments));
        let id = whole.get("id").cloned();
        out.event("response.output_item.added", json!({"output_index": at, "item": begun}));
        for piece in json::halves(&arguments) {
            let fields = json!({"item_id": id, "output_index": at, "delta": piece});
            out.addition("response.function_call_arguments.delta", fields);
        }
        let fields = json!({"item_id": id, "output_index": at, "arguments": arguments});
        out.event("response.function_call_arguments.done", fields);
        out.event("response.output_item.done", json!({"output_index": at, "item": whole}));
    }
    let kind = format!("response.{}", status(answer));
    out.event(&kind, json!({"response": response(ask, answer, status(answer), items(answer))}));
    out.0
}

/// The message of a stream.
fn said(answer: &Answer, index: usize, out: &mut Writer) {
    let whole = message(answer, status(answer), vec![part(answer, &answer.text())]);
    let place = |name: &str, value: Value| {
        let id = whole.get("id");
        json!({"item_id": id, "output_index": index, "content_index": 0, name: value})
    };
    let begun = message(answer, "in_progress", Vec::new());
    out.event("response.output_item.added", json!({"output_index": index, "item": begun}));
    out.event("response.content_part.added", place("part", part(answer, "")));
    let refusal = answer.finish == Finish::Refusal;
    let kind = if refusal { "response.refusal" } else { "response.output_text" };
    for piece in &answer.pieces {
        let mut fields = place("delta", json!(piece));
        if let (false, Some(fields)) = (refusal, fields.as_object_mut()) {
            fields.insert("logprobs".to_owned(), json!([]));
        }
        out.addition(&format!("{kind}.delta"), fields);
    }
    let name = if refusal { "refusal" } else { "text" };
    out.event(&format!("{kind}.done"), place(name, json!(answer.text())));
    out.event("response.content_part.done", place("part", part(answer, &answer.text())));
    out.event("response.output_item.done", json!({"output_index": index, "item": whole}));
}
