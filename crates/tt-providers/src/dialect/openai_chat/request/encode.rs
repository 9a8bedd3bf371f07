//! Encodes a conversation as a Chat Completions request.

use serde_json::{Map, Value, json};
use tt_core::Dialect;
use tt_core::call::conversation::{Conversation, Format};
use tt_core::call::field::Field;

use super::super::names::Names;
use super::{effort, search};
use crate::codec::{Encoded, Target, Undo};
use crate::dialect::{foreign, format_words};
use crate::error::RequestError;
use crate::notes::Notes;

mod fields;
mod format;
mod messages;
mod parameters;
mod parts;
mod tools;

use fields::{put, written_here};
use format::{format, says_json};
use messages::Messages;
use parameters::{end_user, sampling};
use parts::Parts;
use tools::tools;

/// The top-level fields that are sent on although no code reads them. Other unknown fields are left out, since OpenAI
/// answers 400 to a field that it does not know.
const PASSED_ON: [&str; 11] = [
    "audio",
    "metadata",
    "modalities",
    "moderation",
    "prediction",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "store",
    "stream_options",
    "verbosity",
];

/// Encodes the request. A stream always asks for usage.
///
/// # Errors
/// `Unsupported` for what Chat Completions cannot say: more than four stop sequences, a picture by file id, a document
/// by address.
pub fn encode_request(conversation: &Conversation, target: Target<'_>) -> Result<Encoded, RequestError> {
    let names = Names::of(conversation);
    let mut notes = Notes::default();
    let mut body = Map::new();
    body.insert("model".into(), target.model.into());
    let own = conversation.extra.fields_of(Dialect::OpenAiChat);
    let breakpoints = target.facts.is_some_and(|facts| facts.capabilities.prompt_cache_breakpoint == Some(true));
    let parts = Parts { own: own.is_some(), breakpoints, notes: &mut notes };
    let messages = Messages { names: &names, parts };
    body.insert("messages".into(), messages.encode(&conversation.messages)?.into());
    let search = search::translated(conversation, target);
    tools(&mut body, conversation, &names, &search, &mut notes);
    format(&mut body, conversation, &mut notes)?;
    // OpenAI refuses `json_object` where no message holds the word.
    if conversation.format == Format::JsonObject && !written_here(conversation) && !says_json(conversation) {
        notes.changed(Field::Format, "asked for in words too, as OpenAI requires");
        if let Some(Value::Array(messages)) = body.get_mut("messages") {
            messages.insert(0, json!({"role": "system", "content": format_words::IN_JSON}));
        }
    }
    let effort = effort::effort(conversation, target, &mut notes);
    let fixed = !written_here(conversation)
        && effort != Some("none")
        && target.facts.is_some_and(|facts| facts.capabilities.sampling_params_with_thinking == Some(false));
    sampling(&mut body, &conversation.sampling, fixed, &mut notes)?;
    put(&mut body, "parallel_tool_calls", conversation.parallel_tool_calls);
    put(&mut body, "reasoning_effort", effort);
    put(&mut body, "safety_identifier", conversation.end_user.as_deref().map(|user| end_user(user, &mut notes)));
    put(&mut body, "service_tier", conversation.service_tier.as_deref());
    put(&mut body, "prompt_cache_key", conversation.cache.key.as_deref());
    put(&mut body, "prompt_cache_retention", conversation.cache.retention.as_deref());
    put(&mut body, "store", conversation.state.store);
    if conversation.cache.automatic.is_some() {
        notes.dropped(Field::CacheMarks, "Chat Completions caches by itself");
    }
    for (name, value) in own.into_iter().flatten() {
        if PASSED_ON.contains(&name.as_str()) && !body.contains_key(name) {
            body.insert(name.clone(), value.clone());
        } else {
            notes.dropped(Field::written("unknown fields"), "");
        }
    }
    foreign::leave_out(conversation, Dialect::OpenAiChat, &search, &mut notes)?;
    if !conversation.extra.addressed.is_empty() {
        notes.dropped(Field::written("unknown fields"), "");
    }
    if conversation.stream {
        body.insert("stream".into(), true.into());
        let options = body.entry("stream_options").or_insert_with(|| json!({}));
        if !options.is_object() {
            *options = json!({});
        }
        options["include_usage"] = true.into();
    } else {
        body.shift_remove("stream_options");
    }
    let undo = Undo { tool_names: names.undo(), ..Undo::default() };
    Ok(Encoded { body: Value::Object(body).to_string().into_bytes(), undo, notes })
}
