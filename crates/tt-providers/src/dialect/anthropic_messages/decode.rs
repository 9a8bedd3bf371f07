//! Decodes a Messages request.
//!
//! The system prompt becomes the first message, which has no parts where the client sends none: so the places of all other
//! messages are the same in every request ([`super::field`]).

use serde_json::{Map, Value};
use tt_core::Dialect;
use tt_core::call::conversation::{
    CachePlan, Conversation, Effort, Format, Message, Role, Sampling, State, StateField, ThinkingConfig,
    ThinkingDisplay, ThinkingMode,
};
use tt_core::call::extra::Extra;

use crate::dialect::anthropic_fields::cache_mark;
use crate::dialect::object::{Object, Path};
use crate::error::RequestError;
use crate::json;

mod blocks;
mod tools;

/// The fields without which an answer means the same. Codecs of other dialects leave them out, and note them by name.
const HARMLESS: [&str; 7] =
    ["metadata", "thinking", "output_config", "speed", "inference_geo", "eager_input_streaming", "user_profile_id"];

/// The fields that name data or services at Anthropic.
const STATEFUL: [StateField; 6] = [
    StateField::Container,
    StateField::McpServers,
    StateField::ContextManagement,
    StateField::Fallbacks,
    StateField::Betas,
    StateField::Thread,
];

/// Decodes a request. [`super::scan::Scan`] has read the body before, and has refused keys that stand twice and other
/// spellings of keys that decide the price.
///
/// # Errors
/// `InvalidJson` (nesting of more than 128 levels too), `Missing` and `Malformed`, which name the field
/// (`messages[1].content[0].source.url`).
pub(super) fn decode_request(body: &[u8]) -> Result<Conversation, RequestError> {
    let fields = json::object(body).map_err(|e| RequestError::InvalidJson {
        reason: if e.is_data() { "it must be an object".into() } else { e.to_string() },
    })?;
    let mut body = Object { fields, path: Path::Root };

    let model = body.need_string("model")?;
    let tools::Tools { tools, rest, unread } = tools::tools(&mut body)?;
    let (tool_choice, parallel_tool_calls) = tools::choice(&mut body, &tools)?;
    let thinking = thinking(&mut body)?;
    let (effort, format) = output_config(&mut body)?;
    let older = body.take("output_format").map(|value| answer_format(value, body.at("output_format"))).transpose()?;
    let format = if format == Format::Text { older.unwrap_or(format) } else { format };
    let cache = CachePlan { automatic: cache_mark(&mut body)?, ..CachePlan::default() };
    let end_user = end_user(&mut body)?;
    let mut call = Conversation {
        model,
        messages: messages(&mut body)?,
        tools,
        tool_choice,
        parallel_tool_calls,
        format,
        sampling: Sampling {
            max_output_tokens: body.count("max_tokens")?,
            temperature: body.number("temperature")?,
            top_p: body.number("top_p")?,
            top_k: body.count("top_k")?,
            stop: body.strings("stop_sequences")?,
            ..Sampling::default()
        },
        thinking: ThinkingConfig { effort, ..thinking },
        cache,
        state: state(&mut body),
        end_user,
        service_tier: service_tier(&mut body)?,
        stream: body.flag("stream")?.unwrap_or(false),
        ..Conversation::default()
    };
    let mut fields = std::mem::take(&mut body.fields);
    fields.extend(rest);
    call.extra = Extra {
        of: Some(Dialect::AnthropicMessages),
        fields,
        harmless: &HARMLESS,
        in_tools: unread.paths(),
        addressed: Vec::new(),
    };
    Ok(call)
}

/// The system prompt, then the messages of the client.
fn messages(body: &mut Object<'_>) -> Result<Vec<Message>, RequestError> {
    let list = body.list("messages")?.ok_or_else(|| body.at("messages").missing())?;
    let mut messages = Vec::with_capacity(list.len() + 1);
    let system = body.take("system");
    let parts = blocks::content(system, &body.at("system"))?;
    messages.push(Message { role: Role::System, name: None, parts, extra: Map::new() });
    let path = body.at("messages");
    if list.is_empty() {
        return Err(path.malformed("must hold at least one message"));
    }
    for (i, value) in list.into_iter().enumerate() {
        let mut message = Object::of(value, path.index(i))?;
        let role = match message.need_string("role")?.as_str() {
            "user" => Role::User,
            "assistant" => Role::Assistant,
            "system" => Role::System,
            _ => return Err(message.at("role").malformed("must be user, assistant or system")),
        };
        let content = message.need("content")?;
        let parts = blocks::content(Some(content), &message.at("content"))?;
        messages.push(Message { role, name: None, parts, extra: message.fields });
    }
    Ok(messages)
}

/// Reads `thinking`. A type that is not known stays among the fields left over.
fn thinking(body: &mut Object<'_>) -> Result<ThinkingConfig, RequestError> {
    let Some(value) = body.take("thinking") else { return Ok(ThinkingConfig::default()) };
    let whole = value.clone();
    let mut thinking = Object::of(value, body.at("thinking"))?;
    let mode = match thinking.need_string("type")?.as_str() {
        "enabled" => ThinkingMode::Enabled,
        "adaptive" => ThinkingMode::Adaptive,
        "between_tools" => ThinkingMode::BetweenTools,
        "disabled" => ThinkingMode::Disabled,
        _ => {
            body.fields.insert("thinking".to_owned(), whole);
            return Ok(ThinkingConfig::default());
        }
    };
    let budget = thinking.count("budget_tokens")?;
    let budget = budget.map(|tokens| i64::try_from(tokens).unwrap_or(i64::MAX));
    if mode == ThinkingMode::Enabled && budget.is_none() {
        return Err(thinking.at("budget_tokens").missing());
    }
    let display = match thinking.string("display")?.as_deref() {
        Some("omitted") => Some(ThinkingDisplay::None),
        Some("summarized") => Some(ThinkingDisplay::Summary),
        _ => None,
    };
    Ok(ThinkingConfig { budget, mode: Some(mode), display, ..ThinkingConfig::default() })
}

/// Reads the effort and the shape of the answer. Other fields of `output_config` stay among the fields left over.
fn output_config(body: &mut Object<'_>) -> Result<(Option<Effort>, Format), RequestError> {
    let Some(value) = body.take("output_config") else { return Ok((None, Format::Text)) };
    let mut config = Object::of(value, body.at("output_config"))?;
    let effort = match config.string("effort")?.as_deref() {
        None => None,
        Some("low") => Some(Effort::Low),
        Some("medium") => Some(Effort::Medium),
        Some("high") => Some(Effort::High),
        Some("xhigh") => Some(Effort::XHigh),
        Some("max") => Some(Effort::Max),
        Some(_) => return Err(config.at("effort").malformed("must be low, medium, high, xhigh or max")),
    };
    let format = match config.take("format") {
        None => Format::Text,
        Some(value) => answer_format(value, config.at("format"))?,
    };
    let rest = std::mem::take(&mut config.fields);
    if !rest.is_empty() {
        body.fields.insert("output_config".to_owned(), Value::Object(rest));
    }
    Ok((effort, format))
}

/// Reads the shape of the answer, at `path`: `output_config.format`, or `output_format` as it was called before.
fn answer_format(value: Value, path: Path<'_>) -> Result<Format, RequestError> {
    let mut format = Object::of(value, path)?;
    if format.need_string("type")? != "json_schema" {
        return Err(format.at("type").malformed("must be json_schema"));
    }
    let schema = format.need("schema")?;
    if !schema.is_object() {
        return Err(format.at("schema").malformed("must be a JSON Schema object"));
    }
    Ok(Format::JsonSchema { name: "output".to_owned(), description: None, schema: Some(schema), strict: Some(true) })
}

fn state(body: &mut Object<'_>) -> State {
    let taken = STATEFUL.into_iter().filter_map(|field| Some((field, body.take(field.as_str())?)));
    let fields: Vec<_> = taken.collect();
    State { of: (!fields.is_empty()).then_some(Dialect::AnthropicMessages), store: None, fields }
}

/// Reads `metadata.user_id`. Other fields of `metadata` stay among the fields left over.
fn end_user(body: &mut Object<'_>) -> Result<Option<String>, RequestError> {
    let Some(value) = body.take("metadata") else { return Ok(None) };
    let mut metadata = Object::of(value, body.at("metadata"))?;
    let user = metadata.string("user_id")?;
    let rest = std::mem::take(&mut metadata.fields);
    if !rest.is_empty() {
        body.fields.insert("metadata".to_owned(), Value::Object(rest));
    }
    Ok(user)
}

/// The tier in OpenAI's words.
fn service_tier(body: &mut Object<'_>) -> Result<Option<String>, RequestError> {
    let tier = body.string("service_tier")?;
    Ok(tier.map(|word| if word == "standard_only" { "default".to_owned() } else { word }))
}
