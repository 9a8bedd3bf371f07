//! Decodes a Responses request.
//!
//! Neighbouring items of the assistant become one message. Tools in namespaces, and tools that stand among the items, go to
//! the list of tools ([`super::tool_names`]).

use std::sync::Arc;

use serde_json::Value;
use tt_core::Dialect;
use tt_core::call::conversation::{
    CachePlan, Conversation, Effort, Format, Sampling, State, StateField, ThinkingConfig, ThinkingDisplay,
};
use tt_core::call::extra::Extra;

use super::places::Places;
use super::tool_names::ToolNames;
use crate::dialect::breakpoints;
use crate::dialect::object::{Object, Path};
use crate::error::RequestError;
use crate::json;

mod content;
mod items;
mod tools;

/// The fields without which an answer means the same. Codecs of other dialects leave them out, and note them by name.
const HARMLESS: [&str; 9] = [
    "client_metadata",
    "max_tool_calls",
    "metadata",
    "moderation",
    "prompt_cache_options",
    "reasoning.context",
    "stream_options",
    "text.verbosity",
    "truncation",
];

/// The fields that name data at OpenAI. `background`, `include` and items that are named by their ids are read apart.
const STATEFUL: [StateField; 4] =
    [StateField::PreviousResponse, StateField::Conversation, StateField::Prompt, StateField::ContextManagement];

/// The members of `include` that every answer has: an answer of another provider holds its signatures there.
const ENCRYPTED: &str = "reasoning.encrypted_content";

/// The member of `include` that asks for log probabilities.
const LOGPROBS: &str = "message.output_text.logprobs";

/// The knowledge that decoding a request leaves behind for its answer and for errors.
#[derive(Debug, Default)]
pub(super) struct Decoded {
    pub(super) places: Places,
    pub(super) names: Arc<ToolNames>,
}

/// Decodes a request. [`super::scan::Scan`] has read the body before, and has refused keys that stand twice and other
/// spellings of keys that decide the price.
///
/// # Errors
/// `InvalidJson` (nesting of more than 128 levels too), `Missing` and `Malformed`, which name the field
/// (`input[1].content[0].image_url`).
pub(super) fn decode_request(body: &[u8]) -> Result<(Conversation, Decoded), RequestError> {
    let fields = json::object(body).map_err(|e| RequestError::InvalidJson {
        reason: if e.is_data() { "it must be an object".into() } else { e.to_string() },
    })?;
    let mut body = Object { fields, path: Path::Root };

    let model = body.need_string("model")?;
    let mut input = body.take("input");
    if let Some(time) = breakpoints::default_time(body.fields.get(breakpoints::OPTIONS)) {
        breakpoints::inherit(input.as_mut(), time);
    }
    let tools = tools::tools(&mut body, input.as_mut())?;
    let tool_choice = tools::choice(&mut body, &tools.names)?;
    let thinking = reasoning(&mut body)?;
    let format = text(&mut body)?;
    let (mut state, logprobs) = state(&mut body)?;
    let instructions = body.string("instructions")?;
    if input.is_none() && instructions.is_none() && state.fields.is_empty() {
        return Err(body.at("input").missing());
    }
    let read = items::read(instructions, input, &tools.names)?;
    if let Some((_, id)) = &read.reference {
        state.of = Some(Dialect::OpenAiResponses);
        state.fields.push((StateField::StoredItem, id.clone()));
    }
    let newer = body.string("safety_identifier")?;
    let end_user_field = if newer.is_some() { "safety_identifier" } else { "user" };
    let older = body.string("user")?;
    let call = Conversation {
        model,
        messages: read.messages,
        tools: tools.tools,
        tool_choice,
        parallel_tool_calls: body.flag("parallel_tool_calls")?,
        format,
        sampling: Sampling {
            max_output_tokens: body.count("max_output_tokens")?,
            temperature: body.number("temperature")?,
            top_p: body.number("top_p")?,
            logprobs: logprobs.then_some(true),
            top_logprobs: body.count("top_logprobs")?,
            ..Sampling::default()
        },
        thinking,
        cache: CachePlan {
            automatic: None,
            key: body.string("prompt_cache_key")?,
            retention: body.string("prompt_cache_retention")?,
        },
        state,
        end_user: newer.or(older),
        service_tier: body.string("service_tier")?,
        stream: body.flag("stream")?.unwrap_or(false),
        audio_output: false,
        extra: Extra {
            of: Some(Dialect::OpenAiResponses),
            fields: std::mem::take(&mut body.fields),
            harmless: &HARMLESS,
            in_tools: tools.unread.paths(),
            addressed: Vec::new(),
        },
    };
    let reference = read.reference.map(|(at, _)| at);
    let places = Places { messages: read.places, tools: tools.places, reference, end_user: end_user_field };
    Ok((call, Decoded { places, names: Arc::new(tools.names) }))
}

/// Takes an object of which `read` takes the fields that the neutral form holds. The others stay among the fields left over,
/// under the name of the object and their own.
fn taken_apart<T: Default>(
    body: &mut Object<'_>,
    name: &str,
    read: impl FnOnce(&mut Object<'_>) -> Result<T, RequestError>,
) -> Result<T, RequestError> {
    let Some(value) = body.take(name) else { return Ok(T::default()) };
    let mut object = Object::of(value, Path::Root.field(name))?;
    let found = read(&mut object)?;
    for (field, value) in object.fields {
        body.fields.insert(format!("{name}.{field}"), value);
    }
    Ok(found)
}

/// Reads `reasoning`.
fn reasoning(body: &mut Object<'_>) -> Result<ThinkingConfig, RequestError> {
    taken_apart(body, "reasoning", |reasoning| {
        let effort = match reasoning.string("effort")? {
            None => None,
            Some(word) => Some(Effort::of_word(&word).ok_or_else(|| reasoning.at("effort").malformed(Effort::WORDS))?),
        };
        let summary = reasoning.string("summary")?;
        let older = reasoning.string("generate_summary")?;
        let display = summary.or(older).map(|_| ThinkingDisplay::Summary);
        Ok(ThinkingConfig { effort, display, ..ThinkingConfig::default() })
    })
}

/// Reads `text`, the shape of the answer.
fn text(body: &mut Object<'_>) -> Result<Format, RequestError> {
    taken_apart(body, "text", |text| {
        let Some(value) = text.take("format") else { return Ok(Format::Text) };
        let mut format = Object::of(value, text.at("format"))?;
        match format.need_string("type")?.as_str() {
            "text" => Ok(Format::Text),
            "json_object" => Ok(Format::JsonObject),
            "json_schema" => {
                let schema = format.take("schema");
                if schema.as_ref().is_some_and(|schema| !schema.is_object()) {
                    return Err(format.at("schema").malformed("must be a JSON Schema object"));
                }
                Ok(Format::JsonSchema {
                    name: format.need_string("name")?,
                    description: format.string("description")?,
                    schema,
                    strict: format.flag("strict")?,
                })
            }
            _ => Err(format.at("type").malformed("must be text, json_object or json_schema")),
        }
    })
}

/// Reads the stateful fields, and whether the answer is to hold log probabilities.
fn state(body: &mut Object<'_>) -> Result<(State, bool), RequestError> {
    let mut include = body.strings("include")?;
    let logprobs = include.iter().any(|member| member == LOGPROBS);
    include.retain(|member| member != ENCRYPTED && member != LOGPROBS);
    let mut fields = Vec::new();
    for field in STATEFUL {
        fields.extend(body.take(field.as_str()).map(|value| (field, value)));
    }
    if body.flag("background")? == Some(true) {
        fields.push((StateField::Background, Value::Bool(true)));
    }
    if !include.is_empty() {
        fields.push((StateField::Include, include.into()));
    }
    let of = (!fields.is_empty()).then_some(Dialect::OpenAiResponses);
    Ok((State { of, store: body.flag("store")?, fields }, logprobs))
}
