//! The parts of a request that only another dialect than the one of the target knows: hosted tools, stateful fields,
//! opaque blocks.
//!
//! The rule is the same for all targets: a part that changes the meaning or the cost of the answer is refused, any
//! other is left out with a note (`MAPPING.md`, Parts that only one dialect knows).

use serde_json::Value;
use tt_core::call::conversation::{Conversation, Opaque, StateField, Tool, ToolChoice};
use tt_core::call::field::Field;
use tt_core::{Dialect, Provider};

use super::web_search::Translated;
use crate::error::RequestError;
use crate::notes::Notes;

const NOT_HERE: &str = "it belongs to another API";

/// The fields of Gemini without which an answer means something else: kinds of output beside text, and shapes of it beside
/// JSON. They are left over only where they ask for those.
const DECISIVE: [&str; 2] = ["generationConfig.responseModalities", "generationConfig.responseMimeType"];

/// Notes or refuses the fields, tools and state of `call` that a provider called in `dialect` does not know. `search` is the
/// search of the web that the target gets in its own words, or the reason for which it does not.
///
/// # Errors
/// `Unsupported` for a part that changes the meaning or the cost of the answer.
pub(super) fn leave_out(
    call: &Conversation,
    dialect: Dialect,
    search: &Translated<'_>,
    notes: &mut Notes,
) -> Result<(), RequestError> {
    hosted_tools(call, dialect, search, notes)?;
    function_fields(call, dialect, notes);
    state(call, dialect, notes)?;
    if dialect != Dialect::OpenAiChat {
        only_openai(call, notes);
    }
    for name in call.extra.foreign_to(dialect) {
        if DECISIVE.contains(&name) {
            return Err(RequestError::unsupported(Field::written(name), NOT_HERE));
        }
        notes.dropped(Field::written(name), NOT_HERE);
    }
    message_fields(call, dialect, notes)
}

/// Leaves out a hosted tool that the target lacks, while other tools remain and `tool_choice` does not force it: the
/// model then answers with the others.
fn hosted_tools(
    call: &Conversation,
    dialect: Dialect,
    search: &Translated<'_>,
    notes: &mut Notes,
) -> Result<(), RequestError> {
    const LACKING: &str = "the target does not have this hosted tool";
    if let Some(ToolChoice::Hosted { of, raw }) = &call.tool_choice
        && *of != dialect
        && !search.is_forced_by(*of, raw)
    {
        return Err(RequestError::unsupported(Field::ToolChoice, search.why_not().unwrap_or(LACKING)));
    }
    let others = own_tools_remain(call, dialect) || search.sent.is_some();
    let foreign = call.tools.iter().enumerate().filter(|(_, tool)| tool.is_foreign_to(dialect));
    for (index, _) in foreign.filter(|(index, _)| !search.sends(*index)) {
        let reason = search.reason(index).unwrap_or(LACKING);
        if !others && !search.excludes(index) {
            let reason = format!("{reason}, and no other tool is offered");
            return Err(RequestError::unsupported(Field::HostedTool(index), reason));
        }
        notes.dropped(Field::HostedTool(index), reason);
    }
    Ok(())
}

/// Notes the fields of tools that only the client's dialect has, and those of functions that only Anthropic has: there the model finds a deferred tool by a search, sees examples,
/// and may call a tool from its code.
fn function_fields(call: &Conversation, dialect: Dialect, notes: &mut Notes) {
    if call.extra.of != Some(dialect) {
        call.extra.in_tools.iter().for_each(|path| notes.dropped(Field::written(path), NOT_HERE));
    }
    if dialect == Dialect::AnthropicMessages {
        return;
    }
    for tool in &call.tools {
        let Tool::Function(function) = tool else { continue };
        for (field, said) in [
            ("defer_loading", function.defer_loading),
            ("allowed_callers", function.allowed_callers.iter().any(|caller| caller != "direct")),
            ("input_examples", !function.input_examples.is_empty()),
        ] {
            if said {
                notes.dropped(Field::written(field), NOT_HERE);
            }
        }
    }
}

fn own_tools_remain(call: &Conversation, dialect: Dialect) -> bool {
    call.tools.iter().any(|tool: &Tool| !tool.is_foreign_to(dialect))
}

fn state(call: &Conversation, dialect: Dialect, notes: &mut Notes) -> Result<(), RequestError> {
    for field in call.state.foreign_to(dialect) {
        let tools = field == StateField::McpServers && own_tools_remain(call, dialect);
        if !field.is_harmless() && !tools {
            return Err(RequestError::unsupported(Field::State(field), NOT_HERE));
        }
        notes.dropped(Field::State(field), NOT_HERE);
    }
    Ok(())
}

/// Notes the fields of messages that another dialect wrote: by name if that dialect knows them, else as `unknown
/// fields`. A field that is null or an empty list is not noted.
///
/// # Errors
/// `Unsupported` for the sound of an earlier answer (`audio: {"id"}`), which only the provider that made it has.
fn message_fields(call: &Conversation, dialect: Dialect, notes: &mut Notes) -> Result<(), RequestError> {
    if call.extra.of.is_none_or(|of| of == dialect) {
        return Ok(());
    }
    let says = |value: &Value| !(value.is_null() || value.as_array().is_some_and(Vec::is_empty));
    let fields = call.messages.iter().enumerate().flat_map(|(at, message)| message.extra.iter().map(move |f| (at, f)));
    for (at, (name, value)) in fields.filter(|(_, (_, value))| says(value)) {
        if name == "audio" && call.extra.of == Some(Dialect::OpenAiChat) && value.get("id").is_some() {
            let field = Field::Written(format!("messages[{at}].audio"));
            let reason =
                "the sound of an earlier answer is kept by the provider that made it: send its text as content";
            return Err(RequestError::unsupported(field, reason));
        }
        let name = match call.extra.harmless.iter().find(|known| *known == name) {
            Some(known) => format!("messages[].{known}"),
            None => "unknown fields".to_owned(),
        };
        notes.dropped(Field::Written(name), NOT_HERE);
    }
    Ok(())
}

/// Notes the fields that only OpenAI's dialects have. `store: false` is not noted: other providers keep no answers
/// anyway.
fn only_openai(call: &Conversation, notes: &mut Notes) {
    for (field, said) in [
        (Field::CacheKey, call.cache.key.is_some()),
        (Field::CacheRetention, call.cache.retention.is_some()),
        (Field::Store, call.state.store == Some(true)),
    ] {
        if said {
            notes.dropped(field, "");
        }
    }
}

/// True if an opaque block may go to `provider`, called in `dialect`. If not, the caller leaves it out, and it is noted
/// here under its place `at`.
///
/// # Errors
/// `Unsupported` for a pending block, which only its maker can continue.
pub(super) fn keeps(
    opaque: &Opaque,
    (dialect, provider): (Dialect, Provider),
    at: &Field,
    notes: &mut Notes,
) -> Result<bool, RequestError> {
    if opaque.of.is(dialect, provider) {
        return Ok(true);
    }
    if opaque.pending {
        let reason = if opaque.kind.starts_with("compaction") {
            "the conversation stands in it, and only the provider that made it can read it"
        } else {
            "a hosted tool has not finished: only the provider that runs it can go on"
        };
        return Err(RequestError::unsupported(at.clone(), reason));
    }
    notes.dropped(at.clone(), "only the provider that made it can read it");
    Ok(false)
}

/// The text that stands for a block of another provider inside the result of a tool; `None` for a block without one, and
/// for a block that may go to `provider`, called in `dialect`.
pub(super) fn in_words<'a>(
    opaque: &'a Opaque,
    (dialect, provider): (Dialect, Provider),
    at: &Field,
    notes: &mut Notes,
) -> Option<&'a str> {
    let text = opaque.text.as_deref().filter(|_| !(opaque.pending || opaque.of.is(dialect, provider)))?;
    notes.changed(at.clone(), "sent as its text");
    Some(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tt_core::call::conversation::{Function, HostedTool, Message, Origin, Role, State};
    use tt_core::record::Change;

    use super::*;

    fn hosted() -> Tool {
        let of = Dialect::AnthropicMessages;
        Tool::Hosted(HostedTool { of, kind: "web_search".into(), raw: json!({"type": "web_search"}) })
    }

    fn function() -> Tool {
        Tool::Function(Function { name: "f".into(), ..Function::default() })
    }

    fn left_out(call: &Conversation, dialect: Dialect) -> Result<Vec<(Field, Change)>, Field> {
        let mut notes = Notes::default();
        match leave_out(call, dialect, &Translated::default(), &mut notes) {
            Ok(()) => Ok(notes.iter().map(|note| (note.field.clone(), note.what)).collect()),
            Err(RequestError::Unsupported { field, .. }) => Err(field),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_hosted_tool_is_left_out_only_beside_others_and_where_nothing_forces_it() {
        let mut call = Conversation { tools: vec![function(), hosted()], ..Conversation::default() };
        assert_eq!(left_out(&call, Dialect::AnthropicMessages), Ok(vec![]));
        assert_eq!(left_out(&call, Dialect::Gemini), Ok(vec![(Field::HostedTool(1), Change::Dropped)]));
        call.tool_choice = Some(ToolChoice::Hosted { of: Dialect::AnthropicMessages, raw: json!({}) });
        assert_eq!(left_out(&call, Dialect::Gemini), Err(Field::ToolChoice));
        assert_eq!(left_out(&call, Dialect::AnthropicMessages), Ok(vec![]));
        let alone = Conversation { tools: vec![hosted()], ..Conversation::default() };
        assert_eq!(left_out(&alone, Dialect::OpenAiChat), Err(Field::HostedTool(0)));
    }

    #[test]
    fn state_is_refused_where_the_answer_would_differ_and_else_left_out() {
        let with = |field, tools: Vec<Tool>| Conversation {
            tools,
            state: State { of: Some(Dialect::AnthropicMessages), fields: vec![(field, json!([1]))], store: None },
            ..Conversation::default()
        };
        let dropped = |field| Ok(vec![(Field::State(field), Change::Dropped)]);
        for (field, tools, expected) in [
            (StateField::Betas, vec![], dropped(StateField::Betas)),
            (StateField::Container, vec![], Err(Field::State(StateField::Container))),
            (StateField::Fallbacks, vec![], Err(Field::State(StateField::Fallbacks))),
            (StateField::McpServers, vec![], Err(Field::State(StateField::McpServers))),
            (StateField::McpServers, vec![function()], dropped(StateField::McpServers)),
        ] {
            let call = with(field, tools);
            assert_eq!(left_out(&call, Dialect::Gemini), expected, "{field:?}");
            assert_eq!(left_out(&call, Dialect::AnthropicMessages), Ok(vec![]), "{field:?}");
        }
    }

    #[test]
    fn fields_of_messages_are_noted_where_they_say_something() {
        let mut call = Conversation::default();
        (call.extra.of, call.extra.harmless) = (Some(Dialect::OpenAiChat), &["annotations"]);
        let with = |fields: Value| {
            let extra = fields.as_object().unwrap().clone();
            vec![Message { role: Role::Assistant, name: None, parts: Vec::new(), extra }]
        };
        call.messages = with(json!({"annotations": [{}], "odd": 1, "refusal": null, "audio": null}));
        let dropped = |name: &str| (Field::written(name), Change::Dropped);
        let expected = vec![dropped("messages[].annotations"), dropped("unknown fields")];
        assert_eq!(left_out(&call, Dialect::Gemini), Ok(expected));
        assert_eq!(left_out(&call, Dialect::OpenAiChat), Ok(vec![]));
        call.messages = with(json!({"audio": {"id": "a"}}));
        assert_eq!(left_out(&call, Dialect::Gemini), Err(Field::written("messages[0].audio")));
        assert_eq!(left_out(&call, Dialect::OpenAiChat), Ok(vec![]));
    }

    #[test]
    fn an_opaque_block_goes_to_its_maker_and_a_pending_one_nowhere_else() {
        let of = Origin::of(Dialect::AnthropicMessages, Provider::Anthropic);
        let mut block = Opaque { of, kind: "k".into(), raw: "{}".into(), text: None, pending: false };
        let mut notes = Notes::default();
        let mut keep = |block: &Opaque, to| keeps(block, to, &Field::Messages, &mut notes).ok();
        assert_eq!(keep(&block, (Dialect::AnthropicMessages, Provider::Anthropic)), Some(true));
        assert_eq!(keep(&block, (Dialect::Gemini, Provider::Gemini)), Some(false));
        block.pending = true;
        assert_eq!(keep(&block, (Dialect::AnthropicMessages, Provider::Anthropic)), Some(true));
        assert_eq!(keep(&block, (Dialect::Gemini, Provider::Gemini)), None);
        assert_eq!(notes.iter().count(), 1);
    }
}
