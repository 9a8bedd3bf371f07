//! Encodes the tools, their names and the rule for calling them (`MAPPING.md`, Tools).

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Serialize;
use serde_json::Value;
use tt_core::Dialect;
use tt_core::call::conversation::{Conversation, Function, Part, Tool, ToolChoice};
use tt_core::call::field::Field;

use super::schema::{self, Inlining};
use crate::dialect::aliases::Aliases;
use crate::dialect::custom_tool;
use crate::error::RequestError;
use crate::notes::Notes;

/// The longest tool name that Gemini takes, in characters (`MAPPING.md`, Tool names).
const MAX_NAME: usize = 128;
/// The length to which an alias is cut, in characters, so that a number fits behind it.
const MAX_ALIAS: usize = 120;

/// An entry of `tools`: one holds all functions.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Entry<'a> {
    Functions(FunctionDeclarations),
    /// A hosted tool of Gemini, as the client sent it.
    Hosted(&'a Value),
    /// Google's search of the web, in the place of that of another dialect.
    #[serde(rename_all = "camelCase")]
    Search {
        google_search: Options,
    },
}

/// The options of a hosted tool: none.
#[derive(Debug, Serialize)]
pub(super) struct Options {}

impl Entry<'_> {
    /// Google's search of the web.
    pub(super) const fn search() -> Self {
        Self::Search { google_search: Options {} }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FunctionDeclarations {
    function_declarations: Vec<FunctionDeclaration>,
}

/// [`FunctionDeclaration`](https://ai.google.dev/api/caching#FunctionDeclaration). `parameters` is an OpenAPI subset
/// for which Gemini refuses whole requests with much of JSON Schema, so it is never sent (`MAPPING.md`, Tools).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct FunctionDeclaration {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters_json_schema: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_json_schema: Option<Value>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ToolConfig {
    function_calling_config: FunctionCallingConfig,
    /// Gemini refuses functions beside tools of its own without this.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    include_server_side_tool_invocations: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct FunctionCallingConfig {
    mode: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    allowed_function_names: Vec<String>,
}

/// The names under which tools are sent to Gemini.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// The aliases of the names that Gemini would refuse, by the client's name.
    aliases: HashMap<String, String>,
}

impl Names {
    /// Makes an alias for each name that Gemini would refuse, among the tools and in the history.
    pub(super) fn of(conversation: &Conversation) -> Self {
        let tools = conversation.tools.iter().filter_map(Tool::name);
        let calls = conversation.messages.iter().flat_map(|message| &message.parts).filter_map(|part| match part {
            Part::ToolCall(call) => Some(call.name.as_str()),
            _ => None,
        });
        let all: Vec<&str> = tools.chain(calls).collect();
        let (fitting, odd): (Vec<&str>, Vec<&str>) = all.into_iter().partition(|name| fits(name));
        let mut free = Aliases::beside(fitting);
        let mut names = Self::default();
        for name in odd {
            if !names.aliases.contains_key(name) {
                names.aliases.insert(name.to_owned(), free.free(&alike(name)));
            }
        }
        names
    }

    /// The name under which a tool is sent.
    pub(super) fn sent(&self, name: &str) -> String {
        self.aliases.get(name).cloned().unwrap_or_else(|| name.to_owned())
    }

    /// The client's names by the aliases.
    pub(super) fn into_undo(self) -> BTreeMap<String, String> {
        self.aliases.into_iter().map(|(client, alias)| (alias, client)).collect()
    }
}

/// True for a name that Gemini takes: a letter or `_`, then letters, digits and `_.:-`, at most 128 characters in all.
fn fits(name: &str) -> bool {
    name.len() <= MAX_NAME && name.starts_with(may_begin) && name.chars().all(may_follow)
}

fn may_begin(char: char) -> bool {
    char.is_ascii_alphabetic() || char == '_'
}

fn may_follow(char: char) -> bool {
    char.is_ascii_alphanumeric() || "_.:-".contains(char)
}

/// An alias that resembles the name, since the model reads it.
fn alike(name: &str) -> String {
    let prefix = if name.starts_with(may_begin) { "" } else { "_" };
    let tame = name.chars().map(|char| if may_follow(char) { char } else { '_' });
    prefix.chars().chain(tame).take(MAX_ALIAS).collect()
}

/// Encodes the tools: one entry with all functions, and one for each hosted tool of Gemini. Empty without tools.
pub(super) fn declarations<'a>(
    conversation: &'a Conversation,
    names: &Names,
    inlining: &mut Inlining,
    notes: &mut Notes,
) -> Result<Vec<Entry<'a>>, RequestError> {
    if conversation.tools.iter().any(|tool| tool.cache().is_some()) {
        notes.dropped(Field::CacheMarks, "");
    }
    let (mut functions, mut entries) = (Vec::new(), Vec::new());
    for (i, tool) in conversation.tools.iter().enumerate() {
        match tool {
            Tool::Function(function) => functions.push(FunctionDeclaration {
                name: names.sent(&function.name),
                description: function.description.clone(),
                parameters_json_schema: parameters(i, function, inlining, notes)?,
                response_json_schema: function.response.clone(),
            }),
            Tool::Custom(custom) => functions.push(FunctionDeclaration {
                name: names.sent(&custom.name),
                description: custom_tool::description(custom, i, notes)?.map(Cow::into_owned),
                parameters_json_schema: Some(custom_tool::parameters()),
                response_json_schema: None,
            }),
            Tool::Hosted(hosted) if hosted.of == Dialect::Gemini => entries.push(Entry::Hosted(&hosted.raw)),
            // Hosted tools of other dialects: `foreign::leave_out` has refused or noted them.
            Tool::Hosted(_) => {}
        }
    }
    if !functions.is_empty() {
        entries.insert(0, Entry::Functions(FunctionDeclarations { function_declarations: functions }));
    }
    Ok(entries)
}

fn parameters(
    i: usize,
    tool: &Function,
    inlining: &mut Inlining,
    notes: &mut Notes,
) -> Result<Option<Value>, RequestError> {
    let Some(parameters) = tool.parameters.as_ref().filter(|parameters| !parameters.is_null()) else { return Ok(None) };
    let (parameters, refers) = schema::for_tool(parameters, inlining)
        .map_err(|reason| RequestError::unsupported(Field::ToolParameters(i), reason))?;
    if refers {
        notes.changed(Field::ToolParameters(i), "it refers to itself: its references are sent as they are");
    }
    Ok(Some(parameters))
}

/// Encodes the rule for calling tools; `None` where it is left to Gemini. `beside_search`: a search of the web is sent too,
/// beside which Gemini takes `VALIDATED` in the place of `AUTO`.
pub(super) fn config(
    conversation: &Conversation,
    names: &Names,
    beside_search: bool,
) -> Result<Option<ToolConfig>, RequestError> {
    let strict = beside_search
        || conversation.tools.iter().any(|tool| matches!(tool, Tool::Function(f) if f.strict == Some(true)));
    let offered: HashSet<&str> = conversation.tools.iter().filter_map(Tool::name).collect();
    let known = |name: &String| {
        if offered.contains(name.as_str()) {
            Ok(names.sent(name))
        } else {
            Err(RequestError::unsupported(Field::ToolChoice, format!("{name} is not among the tools")))
        }
    };
    let none = Vec::new;
    let (mode, allowed_function_names) = match &conversation.tool_choice {
        // A rule without functions has no effect. `foreign::leave_out` has refused hosted tools of other dialects.
        Some(ToolChoice::Hosted { .. }) => return Ok(None),
        _ if offered.is_empty() => return Ok(None),
        // `VALIDATED` is the closest to `strict`: the arguments of calls keep to the schemas.
        None | Some(ToolChoice::Auto) if strict => ("VALIDATED", none()),
        None => return Ok(None),
        Some(ToolChoice::Auto) => ("AUTO", none()),
        Some(ToolChoice::None) => ("NONE", none()),
        Some(ToolChoice::Required) => ("ANY", none()),
        Some(ToolChoice::Named(name)) => ("ANY", vec![known(name)?]),
        // Only hosted tools are allowed. An empty list of names would allow all functions.
        Some(ToolChoice::Allowed { names, .. }) if names.is_empty() => ("NONE", none()),
        Some(ToolChoice::Allowed { names, required, .. }) => {
            let mode = if *required { "ANY" } else { "VALIDATED" };
            (mode, names.iter().map(known).collect::<Result<_, _>>()?)
        }
    };
    Ok(Some(ToolConfig {
        function_calling_config: FunctionCallingConfig { mode, allowed_function_names },
        include_server_side_tool_invocations: beside_search,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(tools: &[&str]) -> Names {
        let tool = |name: &&str| Tool::Function(Function { name: (*name).to_owned(), ..Function::default() });
        Names::of(&Conversation { tools: tools.iter().map(tool).collect(), ..Conversation::default() })
    }

    #[test]
    fn names_that_fit_stay_and_others_get_aliases_that_collide_with_none() {
        let long = "x".repeat(200);
        let names = names(&["a.b:c-d", "9 lives", "_9_lives", "größe", &long, ""]);
        assert_eq!(names.sent("a.b:c-d"), "a.b:c-d");
        assert_eq!(names.sent("9 lives"), "_9_lives_2");
        assert_eq!(names.sent("größe"), "gr__e");
        assert_eq!(names.sent(&long), "x".repeat(MAX_ALIAS));
        assert_eq!(names.sent(""), "_");
        let undo = names.into_undo();
        assert_eq!(undo.len(), 4);
        assert!(undo.keys().all(|alias| fits(alias)));
        assert_eq!(undo.get("_9_lives_2").map(String::as_str), Some("9 lives"));
    }
}
