//! Encodes the tools, the rule for calling them, and aliases for names that Anthropic would refuse.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde_json::{Map, Value, json};
use tt_core::Dialect;
use tt_core::call::conversation::{Conversation, Function, Tool as Offered, ToolChoice as Wanted};
use tt_core::call::field::Field;

use super::wire::{CacheControl, ClientTool, Tool, ToolChoice};
use super::{schema, search};
use crate::codec::Undo;
use crate::dialect::custom_tool;
use crate::dialect::hashed::hashed;
use crate::error::RequestError;
use crate::notes::Notes;

/// The longest tool name that Anthropic takes, in characters.
const LONGEST_NAME: usize = 128;

/// The names under which tools are sent, and the aliases to take back in the answer.
#[derive(Debug, Default)]
pub(super) struct Names {
    undo: BTreeMap<String, String>,
}

impl Names {
    /// The name to send: `name` itself where it is `[A-Za-z0-9_-]{1,128}`, else an alias. The alias is the same in
    /// every request, and the answer shows the client's name again.
    pub(super) fn upstream(&mut self, name: &str) -> String {
        let sent = fitting(name);
        if sent != name && !self.undo.contains_key(&sent) {
            self.undo.insert(sent.clone(), name.to_owned());
        }
        sent
    }

    /// The aliases, in the form that decoding the answer takes them back.
    pub(super) fn into_undo(self, answer_tool: Option<String>, custom_tools: BTreeSet<String>) -> Undo {
        Undo { tool_names: self.undo, answer_tool, custom_tools }
    }
}

/// `name` if Anthropic takes it, else an alias.
pub(super) fn fitting(name: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if (1..=LONGEST_NAME).contains(&name.len()) && name.chars().all(fits) {
        return name.to_owned();
    }
    // The beginning of the name is for the model to read; the hash of the whole name makes the alias unique.
    let id = hashed(name).simple().to_string();
    let stem: String = name.chars().map(|c| if fits(c) { c } else { '_' }).take(LONGEST_NAME - id.len() - 1).collect();
    format!("{stem}_{id}")
}

/// The encoded tools, and the names (of the client) of the custom tools among them.
#[derive(Debug, Default)]
pub(super) struct Tools<'a> {
    pub(super) tools: Vec<Tool<'a>>,
    pub(super) custom: BTreeSet<String>,
}

/// Encodes the tools. `strict` is true if the model can force arguments to keep to a schema, which came with native
/// structured output.
pub(super) fn tools<'a>(
    conversation: &'a Conversation,
    strict: bool,
    names: &mut Names,
    notes: &mut Notes,
) -> Result<Tools<'a>, RequestError> {
    let mut out = Tools::default();
    for (index, tool) in conversation.tools.iter().enumerate() {
        let encoded = match tool {
            Offered::Function(tool) => Tool::Client(function(tool, index, strict, names, notes)?),
            Offered::Custom(tool) => {
                out.custom.insert(tool.name.clone());
                Tool::Client(ClientTool {
                    description: custom_tool::description(tool, index, notes)?,
                    cache_control: tool.cache.map(CacheControl::from),
                    ..ClientTool::new(names.upstream(&tool.name), Cow::Owned(custom_tool::parameters()))
                })
            }
            Offered::Hosted(tool) if tool.of == Dialect::AnthropicMessages => Tool::Hosted(&tool.raw),
            // Hosted tools of other dialects: `foreign::leave_out` has refused or noted them.
            Offered::Hosted(_) => continue,
        };
        out.tools.push(encoded);
    }
    Ok(out)
}

fn function<'a>(
    tool: &'a Function,
    index: usize,
    native: bool,
    names: &mut Names,
    notes: &mut Notes,
) -> Result<ClientTool<'a>, RequestError> {
    let name = names.upstream(&tool.name);
    let strict = tool.strict == Some(true) && native;
    if tool.strict == Some(true) && !native {
        notes.dropped(Field::Strict, "the model does not hold arguments to a schema");
    }
    let schema = parameters(tool, strict, index)?;
    if strict && tool.parameters.as_ref().is_some_and(|asked| asked != schema.as_ref()) {
        notes.changed(Field::ToolParameters(index), schema::NARROWED);
    }
    Ok(ClientTool {
        description: tool.description.as_deref().map(Cow::Borrowed),
        strict,
        cache_control: tool.cache.map(CacheControl::from),
        defer_loading: tool.defer_loading,
        allowed_callers: &tool.allowed_callers,
        input_examples: &tool.input_examples,
        ..ClientTool::new(name, schema)
    })
}

fn parameters(tool: &Function, strict: bool, index: usize) -> Result<Cow<'_, Value>, RequestError> {
    let declared = match &tool.parameters {
        None | Some(Value::Null) => return Ok(Cow::Owned(json!({"type": "object", "properties": {}}))),
        Some(Value::Object(declared)) => declared,
        Some(_) => return Err(RequestError::malformed(Field::ToolParameters(index), "must be a JSON Schema object")),
    };
    if strict {
        return schema::narrowed(&object_root(declared), &Field::ToolParameters(index)).map(Cow::Owned);
    }
    // The schema is borrowed where nothing changes: tool schemas are long, and every turn sends them.
    Ok(match &tool.parameters {
        Some(whole) if declared.contains_key("type") => Cow::Borrowed(whole),
        _ => Cow::Owned(Value::Object(object_root(declared).into_owned())),
    })
}

/// Adds the `type` of the root, which Anthropic requires and clients leave out.
fn object_root(declared: &Map<String, Value>) -> Cow<'_, Map<String, Value>> {
    if declared.contains_key("type") {
        return Cow::Borrowed(declared);
    }
    let mut root = Map::new();
    root.insert("type".to_owned(), "object".into());
    root.extend(declared.iter().map(|(key, value)| (key.clone(), value.clone())));
    Cow::Owned(root)
}

/// Encodes the rule for calling `tools`.
pub(super) fn choice(
    conversation: &Conversation,
    tools: &[Tool<'_>],
    names: &mut Names,
) -> Result<Option<ToolChoice>, RequestError> {
    let disable_parallel_tool_use = conversation.parallel_tool_calls == Some(false);
    let none_of_that_name =
        || RequestError::malformed(Field::ToolChoice, "asks for a tool, and none of that name is in tools");
    let searches = tools.iter().any(|tool| matches!(tool, Tool::Search(_)));
    if tools.is_empty() {
        return match &conversation.tool_choice {
            Some(Wanted::Required | Wanted::Named(_) | Wanted::Allowed { .. } | Wanted::Hosted { .. }) => {
                Err(none_of_that_name())
            }
            None | Some(Wanted::Auto | Wanted::None) => Ok(None),
        };
    }
    Ok(match &conversation.tool_choice {
        None if !disable_parallel_tool_use => None,
        None | Some(Wanted::Auto) => Some(ToolChoice::Auto { disable_parallel_tool_use }),
        // The rule of clients that cannot mean the search is about functions.
        Some(Wanted::None) if searches => None,
        Some(Wanted::None) => Some(ToolChoice::None),
        Some(Wanted::Required) => Some(ToolChoice::Any { disable_parallel_tool_use }),
        // The list of tools stays whole: it begins the prompt that is cached, and that thinking is signed for.
        Some(Wanted::Allowed { names: allowed, required, .. }) => {
            // A search that is sent is allowed.
            let search = searches.then_some(search::NAME);
            let allowed: HashSet<&str> = allowed.iter().map(String::as_str).chain(search).collect();
            let offered: Vec<&str> = conversation.tools.iter().filter_map(Offered::name).chain(search).collect();
            let kept: Vec<&str> = offered.iter().copied().filter(|name| allowed.contains(name)).collect();
            Some(match (kept.as_slice(), required) {
                ([], _) => return Err(none_of_that_name()),
                (kept, false) if kept.len() == offered.len() => ToolChoice::Auto { disable_parallel_tool_use },
                (kept, true) if kept.len() == offered.len() => ToolChoice::Any { disable_parallel_tool_use },
                ([one], true) => ToolChoice::Tool { name: names.upstream(one), disable_parallel_tool_use },
                _ => {
                    let reason =
                        "Anthropic lets a model call all tools, or makes it call one: allow all, or require one";
                    return Err(RequestError::unsupported(Field::ToolChoice, reason));
                }
            })
        }
        Some(Wanted::Named(name)) => Some(ToolChoice::Tool { name: names.upstream(name), disable_parallel_tool_use }),
        Some(Wanted::Hosted { of: Dialect::AnthropicMessages, raw }) => Some(ToolChoice::Hosted(raw.clone())),
        Some(Wanted::Hosted { .. }) => {
            Some(ToolChoice::Tool { name: search::NAME.to_owned(), disable_parallel_tool_use })
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_fit_stay_and_others_get_one_stable_alias_each() {
        let mut names = Names::default();
        assert_eq!(names.upstream("get_weather-2"), "get_weather-2");
        let dotted = names.upstream("files.read");
        assert!(dotted.starts_with("files_read_") && dotted.len() <= LONGEST_NAME, "{dotted}");
        assert_ne!(dotted, names.upstream("files/read"), "told apart though both read files_read");
        assert_eq!(dotted, names.upstream("files.read"));
        let long = "x".repeat(300);
        assert_eq!(names.upstream(&long).len(), LONGEST_NAME);
        assert_eq!(names.upstream("").len(), 33);
        let undo = names.into_undo(None, BTreeSet::new());
        assert_eq!(undo.tool_names.len(), 4);
        assert_eq!(undo.tool_name(&dotted), "files.read");
    }
}
