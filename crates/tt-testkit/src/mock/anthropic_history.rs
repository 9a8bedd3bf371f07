//! The rules that Anthropic applies to `system` and `messages`: no empty text, tool results directly after their calls,
//! thinking blocks unmodified. Messages texts are the API's own where one was recorded.

use std::collections::HashSet;

use serde_json::Value;

use super::anthropic::{SIGNATURE, Signed, extra, required};
use super::ask::{Ask, Refusal};
use super::json::{name_fits, unknown_field};

/// Neighbours of one role, as the API merges them.
struct Turn<'a> {
    assistant: bool,
    /// The place of its first message in the request.
    at: usize,
    blocks: Vec<&'a Value>,
}

pub(super) fn check(ask: &mut Ask, body: &Value) -> Result<(), Refusal> {
    match body.get("system") {
        None | Some(Value::Null) => {}
        Some(Value::String(text)) => ask.count_text(text),
        Some(Value::Array(blocks)) => {
            for (index, one) in blocks.iter().enumerate() {
                if one.get("type").is_none_or(|kind| kind != "text") {
                    return Err(Refusal::bad(format!("system.{index}.type: Input should be 'text'")));
                }
                block(ask, one, &format!("system.{index}"), "system")?;
            }
        }
        Some(_) => return Err(Refusal::bad("system: Input should be a valid list")),
    }
    let messages = body.get("messages").and_then(Value::as_array).ok_or_else(|| required("messages"))?;
    if messages.is_empty() {
        return Err(Refusal::bad("messages: at least one message is required"));
    }
    let turns = turns(ask, messages)?;
    let offers_tools = body.get("tools").and_then(Value::as_array).is_some_and(|tools| !tools.is_empty());
    let uses_tools = turns.iter().flat_map(|turn| &turn.blocks).any(|b| is(b, "tool_use") || is(b, "tool_result"));
    if uses_tools && !offers_tools {
        return Err(Refusal::bad("Requests which include `tool_use` or `tool_result` blocks must define tools."));
    }
    calls_are_answered(&turns)?;
    ids_are_unique(&turns)?;
    thinking_leads(ask, &turns, body)?;
    thinking_is_whole(ask, &turns)?;
    ends(ask, &turns, messages)
}

fn is(block: &Value, kind: &str) -> bool {
    block.get("type").is_some_and(|found| found == kind)
}

fn text<'a>(block: &'a Value, name: &str) -> Option<&'a str> {
    block.get(name).and_then(Value::as_str)
}

fn turns<'a>(ask: &mut Ask, messages: &'a [Value]) -> Result<Vec<Turn<'a>>, Refusal> {
    let mut turns: Vec<Turn<'a>> = Vec::new();
    for (at, message) in messages.iter().enumerate() {
        let role = text(message, "role").ok_or_else(|| required(&format!("messages.{at}.role")))?;
        let known: &[&str] =
            if role == "system" { &["role", "content", "output_config"] } else { &["role", "content"] };
        if let Some(field) = unknown_field(message, known) {
            return Err(extra(&format!("messages.{at}.{field}")));
        }
        let assistant = match role {
            "user" | "system" => false,
            "assistant" => true,
            _ => return Err(Refusal::bad(format!("messages.{at}.role: Input should be 'user' or 'assistant'"))),
        };
        let content = message.get("content").ok_or_else(|| required(&format!("messages.{at}.content")))?;
        let blocks: Vec<&Value> = match content {
            Value::String(_) => vec![content],
            Value::Array(blocks) => blocks.iter().collect(),
            _ => return Err(Refusal::bad(format!("messages.{at}.content: Input should be a valid list"))),
        };
        let empty = blocks.is_empty() || content.as_str().is_some_and(str::is_empty);
        if empty && !(assistant && at + 1 == messages.len()) {
            return Err(Refusal::bad(format!(
                "messages.{at}: all messages must have non-empty content except for the optional final assistant message"
            )));
        }
        for (index, one) in blocks.iter().enumerate() {
            if let Value::String(text) = one {
                ask.count_text(text);
            } else {
                block(ask, one, &format!("messages.{at}.content.{index}"), role)?;
            }
        }
        match turns.last_mut() {
            Some(turn) if turn.assistant == assistant => turn.blocks.extend(blocks),
            _ => turns.push(Turn { assistant, at, blocks }),
        }
    }
    Ok(turns)
}

/// Checks one block, counts its input, and nothing beyond it.
fn block(ask: &mut Ask, block: &Value, path: &str, role: &str) -> Result<(), Refusal> {
    let kind = text(block, "type").ok_or_else(|| required(&format!("{path}.type")))?;
    let known: &[&str] = match kind {
        "text" => &["type", "text", "cache_control", "citations"],
        "image" => &["type", "source", "cache_control"],
        "document" => &["type", "source", "cache_control", "citations", "context", "title"],
        "tool_use" => &["type", "id", "name", "input", "cache_control", "caller"],
        "tool_result" => &["type", "tool_use_id", "content", "is_error", "cache_control"],
        "thinking" => &["type", "thinking", "signature"],
        "redacted_thinking" => &["type", "data"],
        "server_tool_use" | "search_result" | "container_upload" | "compaction" | "mcp_tool_use"
        | "mcp_tool_result" => {
            return Ok(());
        }
        other if other.ends_with("_tool_result") => return Ok(()),
        other => {
            return Err(Refusal::bad(format!(
                "{path}: Input tag '{other}' found using 'type' does not match any of the expected tags"
            )));
        }
    };
    if let Some(field) = unknown_field(block, known) {
        return Err(extra(&format!("{path}.{kind}.{field}")));
    }
    let wrong_side = match kind {
        "tool_use" | "thinking" | "redacted_thinking" => role != "assistant",
        "tool_result" | "image" | "document" => role == "assistant",
        _ => false,
    };
    if wrong_side {
        return Err(Refusal::bad(format!("{path}: `{kind}` blocks are not permitted in a message of role '{role}'")));
    }
    match kind {
        "text" => {
            let text = text(block, "text").ok_or_else(|| required(&format!("{path}.text.text")))?;
            if text.is_empty() {
                return Err(Refusal::bad("messages: text content blocks must be non-empty"));
            }
            ask.count_text(text);
        }
        "image" | "document" => {
            source(block, path, kind)?;
            ask.count_media();
        }
        "tool_use" => {
            let id = text(block, "id").ok_or_else(|| required(&format!("{path}.tool_use.id")))?;
            if !name_fits(id, 256, "-_") {
                return Err(Refusal::bad(format!(
                    "{path}.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'"
                )));
            }
            if !block.get("input").is_some_and(Value::is_object) {
                return Err(Refusal::bad(format!("{path}.tool_use.input: Input should be a valid dictionary")));
            }
            ask.count_text(&block.get("input").map(Value::to_string).unwrap_or_default());
        }
        "tool_result" => {
            text(block, "tool_use_id").ok_or_else(|| required(&format!("{path}.tool_result.tool_use_id")))?;
            ask.count_text(&result_text(block));
        }
        "thinking" => {
            let signature = text(block, "signature").unwrap_or_default();
            if signature != SIGNATURE && signed(block).is_none() {
                return Err(Refusal::bad(format!("{path}: Invalid `signature` in `thinking` block")));
            }
        }
        _ => {}
    }
    Ok(())
}

fn source(block: &Value, path: &str, kind: &str) -> Result<(), Refusal> {
    let source = block.get("source").ok_or_else(|| required(&format!("{path}.{kind}.source")))?;
    let media = text(source, "media_type");
    match text(source, "type") {
        Some("base64") => {
            let fits = match kind {
                "image" => media.is_some_and(|m| ["image/jpeg", "image/png", "image/gif", "image/webp"].contains(&m)),
                _ => media == Some("application/pdf"),
            };
            if !fits {
                return Err(Refusal::bad(format!(
                    "{path}.{kind}.source.base64.media_type: Input is not a supported media type"
                )));
            }
            let data = text(source, "data").unwrap_or_default();
            if data.is_empty() || !data.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b)) {
                return Err(Refusal::bad(format!("{path}.{kind}.source.base64: invalid base64 data")));
            }
        }
        Some("url") if text(source, "url").is_some() => {}
        Some("text") if media == Some("text/plain") && kind == "document" => {}
        Some("content" | "file") => {}
        _ => {
            return Err(Refusal::bad(format!(
                "{path}.{kind}.source: Input tag does not match any of the expected tags"
            )));
        }
    }
    Ok(())
}

fn result_text(block: &Value) -> String {
    match block.get("content") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => parts.iter().filter_map(|part| text(part, "text")).collect::<Vec<_>>().join("\n"),
        _ => String::new(),
    }
}

/// Every `tool_use` needs its `tool_result` in the next turn, before anything else there, and no result may lack a
/// call.
fn calls_are_answered(turns: &[Turn<'_>]) -> Result<(), Refusal> {
    let mut open: Vec<&str> = Vec::new();
    for (n, turn) in turns.iter().enumerate() {
        let results: Vec<&str> = turn
            .blocks
            .iter()
            .take_while(|block| is(block, "tool_result"))
            .filter_map(|block| text(block, "tool_use_id"))
            .collect();
        let all = turn.blocks.iter().filter(|block| is(block, "tool_result"));
        for (place, id) in all.filter_map(|block| text(block, "tool_use_id")).enumerate() {
            if !open.contains(&id) {
                return Err(Refusal::bad(format!(
                    "messages.{}.content.{place}: unexpected `tool_use_id` found in `tool_result` blocks: {id}. Each `tool_result` block must have a corresponding `tool_use` block in the previous message.",
                    turn.at
                )));
            }
        }
        let missing: Vec<&str> = open.iter().copied().filter(|id| !results.contains(id)).collect();
        if !missing.is_empty() {
            return Err(unanswered(turns.get(n.saturating_sub(1)).map_or(0, |turn| turn.at), &missing));
        }
        open = turn.blocks.iter().filter(|b| is(b, "tool_use")).filter_map(|b| text(b, "id")).collect();
    }
    let last = turns.last().map_or(0, |turn| turn.at);
    if open.is_empty() { Ok(()) } else { Err(unanswered(last, &open)) }
}

fn unanswered(at: usize, ids: &[&str]) -> Refusal {
    Refusal::bad(format!(
        "messages.{at}: `tool_use` ids were found without `tool_result` blocks immediately after: {}. Each `tool_use` block must have a corresponding `tool_result` block in the next message.",
        ids.join(", ")
    ))
}

/// An id of a call stands once in a whole request.
fn ids_are_unique(turns: &[Turn<'_>]) -> Result<(), Refusal> {
    let mut known = HashSet::new();
    for turn in turns {
        let ids = turn.blocks.iter().filter(|block| is(block, "tool_use")).filter_map(|block| text(block, "id"));
        if let Some(id) = ids.into_iter().find(|id| !known.insert(*id)) {
            return Err(Refusal::bad(format!("messages.{}: `tool_use` ids must be unique: {id}", turn.at)));
        }
    }
    Ok(())
}

/// The facts of the mock's own signature on a block of thinking.
fn signed(block: &Value) -> Option<Signed> {
    Signed::read(text(block, "signature")?, text(block, "thinking")?)
}

/// With thinking on, the answers since the user last spoke must come back with all their thinking. It stands
/// where it stood.
fn thinking_is_whole(ask: &Ask, turns: &[Turn<'_>]) -> Result<(), Refusal> {
    let spoke =
        turns.iter().rposition(|turn| !turn.assistant && !turn.blocks.iter().any(|block| is(block, "tool_result")));
    for (n, turn) in turns.iter().enumerate().filter(|(_, turn)| turn.assistant) {
        let moved =
            turn.blocks.iter().enumerate().any(|(place, block)| {
                is(block, "thinking") && signed(block).is_some_and(|signed| signed.place != place)
            });
        if moved {
            return Err(Refusal::bad(format!(
                "messages.{}: `thinking` or `redacted_thinking` blocks in the latest assistant message cannot be modified. These blocks must remain as they were in the original response.",
                turn.at
            )));
        }
        let current = spoke.is_none_or(|spoke| n > spoke);
        let calls: Vec<&str> =
            turn.blocks.iter().filter(|block| is(block, "tool_use")).filter_map(|block| text(block, "id")).collect();
        let wanted = calls.iter().filter_map(|id| thoughts(id)).max().unwrap_or_default();
        let found = turn.blocks.iter().filter(|block| is(block, "thinking")).count();
        if ask.thinking && current && found < wanted {
            return Err(Refusal::bad(format!(
                "messages.{}.content: Expected {wanted} `thinking` blocks, but found {found}.",
                turn.at
            )));
        }
    }
    Ok(())
}

/// The number of blocks of thinking of the answer that made a call with this id.
fn thoughts(id: &str) -> Option<usize> {
    id.strip_prefix("toolu_mock")?.rsplit_once('t')?.1.parse().ok()
}

/// With thinking on, the assistant turn whose calls are being answered must begin with its thinking.
fn thinking_leads(ask: &Ask, turns: &[Turn<'_>], body: &Value) -> Result<(), Refusal> {
    let enabled = ask.thinking && body.pointer("/thinking/type").is_some_and(|kind| kind == "enabled");
    let Some(turn) = turns.iter().rev().find(|turn| turn.assistant).filter(|_| enabled) else { return Ok(()) };
    let leads = turn.blocks.first().is_some_and(|first| is(first, "thinking") || is(first, "redacted_thinking"));
    if turn.blocks.iter().any(|block| is(block, "tool_use")) && !leads {
        return Err(Refusal::bad(format!(
            "messages.{}.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`. When `thinking` is enabled, a final `assistant` message must start with a thinking block (preceeding the lastmost set of `tool_use` and `tool_result` blocks).",
            turn.at
        )));
    }
    Ok(())
}

/// Takes from the last turn what the answer depends on.
fn ends(ask: &mut Ask, turns: &[Turn<'_>], messages: &[Value]) -> Result<(), Refusal> {
    let Some(last) = turns.last() else { return Ok(()) };
    let texts = || {
        last.blocks
            .iter()
            .filter_map(|block| block.as_str().or_else(|| text(block, "text")))
            .collect::<Vec<_>>()
            .join("\n")
    };
    if last.assistant {
        if texts().ends_with(char::is_whitespace) {
            return Err(Refusal::bad("messages: final assistant content cannot end with trailing whitespace"));
        }
        return Ok(());
    }
    // The text of the last message only, so that a merged neighbour does not ask for a tool again.
    let own = messages.last().and_then(|message| message.get("content"));
    ask.last_user = match own {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(blocks)) => {
            blocks.iter().filter_map(|block| text(block, "text")).collect::<Vec<_>>().join("\n")
        }
        _ => texts(),
    };
    ask.tool_results =
        last.blocks.iter().filter(|block| is(block, "tool_result")).map(|block| result_text(block)).collect();
    Ok(())
}
