//! Tools, their names and the choice among them (`MAPPING.md`, Tools).

use std::collections::{HashMap, HashSet};

use serde::Serialize;
use serde_json::{Value, json};
use tt_core::Dialect;
use tt_core::call::conversation::{Conversation, CustomTool, Function, Part, Tool, ToolChoice};
use tt_core::call::field::Field;

use super::schema;
use crate::error::RequestError;
use crate::notes::Notes;

/// The longest name Gemini takes, in characters (`MAPPING.md`, Tool names).
const MAX_NAME: usize = 128;
/// An alias is cut to this many characters, so that a number fits behind.
const MAX_ALIAS: usize = 120;

/// An entry of `tools`: one holds all functions.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Entry<'a> {
    Functions(FunctionDeclarations),
    /// A tool that Gemini runs, in its own words.
    Hosted(&'a Value),
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FunctionDeclarations {
    function_declarations: Vec<FunctionDeclaration>,
}

/// [`FunctionDeclaration`](https://ai.google.dev/api/caching#FunctionDeclaration). `parameters` is an OpenAPI subset
/// that refuses much of JSON Schema for the whole request: never sent (`MAPPING.md`, Tools).
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
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct FunctionCallingConfig {
    mode: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    allowed_function_names: Vec<String>,
}

/// The names Gemini knows the tools by.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Those that did not fit, by the client's name.
    aliases: HashMap<String, String>,
    /// (alias, client's name), in order of first use.
    order: Vec<(String, String)>,
}

impl Names {
    /// Finds an alias for each name, of a tool or in the history, that Gemini would refuse.
    pub(super) fn of(conversation: &Conversation) -> Self {
        let tools = conversation.tools.iter().filter_map(Tool::name);
        let calls = conversation.messages.iter().flat_map(|message| &message.parts).filter_map(|part| match part {
            Part::ToolCall(call) => Some(call.name.as_str()),
            _ => None,
        });
        let all: Vec<&str> = tools.chain(calls).collect();
        let mut used: HashSet<String> = all.iter().filter(|name| fits(name)).map(|name| (*name).to_owned()).collect();
        let mut names = Self::default();
        for name in all.into_iter().filter(|name| !fits(name)) {
            if names.aliases.contains_key(name) {
                continue;
            }
            let alias = alias(name, &used);
            used.insert(alias.clone());
            names.order.push((alias.clone(), name.to_owned()));
            names.aliases.insert(name.to_owned(), alias);
        }
        names
    }

    /// The name as sent.
    pub(super) fn sent(&self, name: &str) -> String {
        self.aliases.get(name).cloned().unwrap_or_else(|| name.to_owned())
    }

    pub(super) fn into_aliases(self) -> Vec<(String, String)> {
        self.order
    }
}

/// A letter or `_`, then letters, digits and `_.:-`, at most 128 in all.
fn fits(name: &str) -> bool {
    name.len() <= MAX_NAME && name.starts_with(may_begin) && name.chars().all(may_follow)
}

fn may_begin(char: char) -> bool {
    char.is_ascii_alphabetic() || char == '_'
}

fn may_follow(char: char) -> bool {
    char.is_ascii_alphanumeric() || "_.:-".contains(char)
}

/// As near to the name as can be, since the model reads it.
fn alias(name: &str, used: &HashSet<String>) -> String {
    let prefix = if name.starts_with(may_begin) { "" } else { "_" };
    let tame = name.chars().map(|char| if may_follow(char) { char } else { '_' });
    let base: String = prefix.chars().chain(tame).take(MAX_ALIAS).collect();
    let mut alias = base.clone();
    let mut number = 1_u64;
    while used.contains(&alias) {
        number = number.saturating_add(1);
        alias = format!("{base}_{number}");
    }
    alias
}

/// The tools as function declarations, and those that Gemini runs; empty without tools.
pub(super) fn declarations<'a>(
    conversation: &'a Conversation,
    names: &Names,
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
                parameters_json_schema: parameters(i, function)?,
                response_json_schema: function.response.clone(),
            }),
            Tool::Custom(custom) => functions.push(FunctionDeclaration {
                name: names.sent(&custom.name),
                description: custom.description.clone(),
                parameters_json_schema: Some(free_form(i, custom)?),
                response_json_schema: None,
            }),
            Tool::Hosted(hosted) if hosted.of == Dialect::Gemini => entries.push(Entry::Hosted(&hosted.raw)),
            // Refused or noted before.
            Tool::Hosted(_) => {}
        }
    }
    if !functions.is_empty() {
        entries.insert(0, Entry::Functions(FunctionDeclarations { function_declarations: functions }));
    }
    Ok(entries)
}

fn parameters(i: usize, tool: &Function) -> Result<Option<Value>, RequestError> {
    let Some(parameters) = tool.parameters.as_ref().filter(|parameters| !parameters.is_null()) else { return Ok(None) };
    schema::for_tool(parameters).map(Some).map_err(|reason| RequestError::unsupported(Field::ToolParameters(i), reason))
}

/// A free-form tool as a function with one string (`MAPPING.md`, Tools).
fn free_form(i: usize, custom: &CustomTool) -> Result<Value, RequestError> {
    let kind = custom.format.as_ref().and_then(|format| format.get("type")).and_then(Value::as_str);
    if kind == Some("grammar") {
        return Err(RequestError::unsupported(Field::ToolGrammar(i), "Gemini takes no grammar for a tool's input"));
    }
    Ok(json!({"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}))
}

/// Which tool must be called; `None` leaves it to Gemini.
pub(super) fn config(conversation: &Conversation, names: &Names) -> Result<Option<ToolConfig>, RequestError> {
    let strict = conversation.tools.iter().any(|tool| matches!(tool, Tool::Function(f) if f.strict == Some(true)));
    let known = |name: &String| {
        if conversation.tools.iter().any(|tool| tool.name() == Some(name)) {
            Ok(names.sent(name))
        } else {
            Err(RequestError::unsupported(Field::ToolChoice, format!("{name} is not among the tools")))
        }
    };
    let none = Vec::new;
    let (mode, allowed_function_names) = match &conversation.tool_choice {
        // A choice among functions says nothing without them. A hosted tool of another dialect has been refused.
        Some(ToolChoice::Hosted { .. }) => return Ok(None),
        _ if conversation.tools.iter().all(|tool| tool.name().is_none()) => return Ok(None),
        // The nearest there is to `strict`: calls keep to the schemas.
        None | Some(ToolChoice::Auto) if strict => ("VALIDATED", none()),
        None => return Ok(None),
        Some(ToolChoice::Auto) => ("AUTO", none()),
        Some(ToolChoice::None) => ("NONE", none()),
        Some(ToolChoice::Required) => ("ANY", none()),
        Some(ToolChoice::Named(name)) => ("ANY", vec![known(name)?]),
        Some(ToolChoice::Allowed { names, required }) => {
            let mode = if *required { "ANY" } else { "VALIDATED" };
            (mode, names.iter().map(known).collect::<Result<_, _>>()?)
        }
    };
    Ok(Some(ToolConfig { function_calling_config: FunctionCallingConfig { mode, allowed_function_names } }))
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
        let aliases = names.into_aliases();
        assert_eq!(aliases.len(), 4);
        assert!(aliases.iter().all(|(alias, _)| fits(alias)));
        assert_eq!(aliases.first(), Some(&("_9_lives_2".to_owned(), "9 lives".to_owned())));
    }
}
