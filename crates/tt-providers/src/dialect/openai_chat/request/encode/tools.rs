//! Encodes the tools and the rule for calling them.

use std::collections::HashSet;

use serde_json::{Map, Value, json};
use tt_core::Dialect;
use tt_core::call::conversation::{Conversation, Tool, ToolChoice};
use tt_core::call::field::Field;

use super::fields::{put, written_here};
use crate::dialect::openai_chat::names::Names;
use crate::dialect::openai_chat::request::{search, strict};
use crate::dialect::web_search::{self, Translated};
use crate::notes::Notes;

/// Writes the tools.
pub(super) fn tools(
    body: &mut Map<String, Value>,
    conversation: &Conversation,
    names: &Names,
    search: &Translated<'_>,
    notes: &mut Notes,
) {
    let own_search = conversation.tools.iter().find_map(|tool| match tool {
        Tool::Hosted(hosted) if hosted.of == Dialect::OpenAiChat => Some(hosted.raw.clone()),
        _ => None,
    });
    let searches = own_search.or_else(|| search.sent.as_ref().map(|search| search::encode(search, notes)));
    put(body, web_search::CHAT_FIELD, searches);
    let custom: HashSet<&str> =
        conversation.tools.iter().filter(|tool| tool.is_custom()).filter_map(Tool::name).collect();
    if conversation.tools.iter().any(|tool| tool.cache().is_some()) {
        notes.dropped(Field::CacheMarks, "");
    }
    let own = written_here(conversation);
    let list: Vec<Value> = conversation.tools.iter().filter_map(|tool| one_tool(tool, names, own, notes)).collect();
    // OpenAI refuses a rule for calling tools without tools. Models that search do so for every answer.
    if list.is_empty() && search.sent.is_some() {
        return;
    }
    if !list.is_empty() {
        body.insert("tools".into(), list.into());
    }
    let pointer = |name: &str| {
        let kind = if custom.contains(name) { "custom" } else { "function" };
        json!({"type": kind, kind: {"name": names.sent(name)}})
    };
    let choice = match &conversation.tool_choice {
        // No rule of Chat Completions forces a hosted tool. Models that search do so for every answer; for others
        // `foreign::leave_out` refuses the rule.
        None | Some(ToolChoice::Hosted { .. }) => return,
        Some(ToolChoice::Auto) => "auto".into(),
        Some(ToolChoice::None) => "none".into(),
        Some(ToolChoice::Required) => "required".into(),
        Some(ToolChoice::Named(name)) => pointer(name),
        Some(ToolChoice::Allowed { names, required, .. }) => json!({"type": "allowed_tools", "allowed_tools": {
            "mode": if *required { "required" } else { "auto" },
            "tools": names.iter().map(|name| pointer(name)).collect::<Vec<Value>>(),
        }}),
    };
    body.insert("tool_choice".into(), choice);
}

/// Encodes a function or a custom tool; `None` for a hosted tool, which Chat Completions does not have.
fn one_tool(tool: &Tool, names: &Names, own: bool, notes: &mut Notes) -> Option<Value> {
    let mut inner = Map::new();
    inner.insert("name".into(), names.sent(tool.name()?).into());
    put(&mut inner, "description", tool.description());
    match tool {
        Tool::Function(function) => {
            put(
                &mut inner,
                "parameters",
                function.parameters.clone().map(|schema| if own { schema } else { typed(schema) }),
            );
            put(
                &mut inner,
                "strict",
                strict::held(function.strict, function.parameters.as_ref(), own, Field::Strict, notes),
            );
            Some(json!({"type": "function", "function": inner}))
        }
        Tool::Custom(custom) => {
            put(&mut inner, "format", custom.format.clone());
            Some(json!({"type": "custom", "custom": inner}))
        }
        Tool::Hosted(_) => None,
    }
}

/// A schema whose root has a type: OpenAI refuses one without ("schema must be a JSON Schema of 'type: \"object\"'").
fn typed(mut schema: Value) -> Value {
    if let Some(root) = schema.as_object_mut()
        && !root.contains_key("type")
    {
        root.insert("type".to_owned(), "object".into());
    }
    schema
}
