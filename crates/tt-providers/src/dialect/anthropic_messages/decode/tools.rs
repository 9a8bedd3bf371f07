//! Decodes the tools and the rule for calling them.

use serde_json::{Map, Value};
use tt_core::Dialect;
use tt_core::call::conversation::{Function, HostedTool, Tool, ToolChoice};

use crate::dialect::anthropic_fields::cache_mark;
use crate::dialect::object::{Object, each};
use crate::dialect::unread::Unread;
use crate::error::RequestError;

/// The decoded tools.
pub(super) struct Tools {
    pub(super) tools: Vec<Tool>,
    /// Fields of functions that the neutral form does not hold, once for all functions.
    pub(super) rest: Map<String, Value>,
    /// Fields of tools that nobody here knows.
    pub(super) unread: Unread,
}

/// Reads `tools`.
pub(super) fn tools(body: &mut Object<'_>) -> Result<Tools, RequestError> {
    let list = body.list("tools")?.unwrap_or_default();
    let (mut rest, mut unread) = (Map::new(), Unread::default());
    let tools = each(list, &body.at("tools"), |tool, _| one_tool(tool, &mut rest, &mut unread))?;
    Ok(Tools { tools, rest, unread })
}

fn one_tool(mut tool: Object<'_>, rest: &mut Map<String, Value>, unread: &mut Unread) -> Result<Tool, RequestError> {
    match tool.fields.get("type") {
        None | Some(Value::Null) => {}
        Some(Value::String(kind)) if kind == "custom" => {}
        Some(Value::String(kind)) => {
            let kind = kind.clone();
            let raw = Value::Object(std::mem::take(&mut tool.fields));
            return Ok(Tool::Hosted(HostedTool { of: Dialect::AnthropicMessages, kind, raw }));
        }
        Some(_) => return Err(tool.at("type").malformed("must be a string")),
    }
    let name = tool.need_string("name")?;
    if name.is_empty() {
        return Err(tool.at("name").malformed("must not be empty"));
    }
    let parameters = tool.need("input_schema")?;
    if !parameters.is_object() {
        return Err(tool.at("input_schema").malformed("must be a JSON Schema object"));
    }
    let function = Function {
        name,
        description: tool.string("description")?,
        parameters: Some(parameters),
        response: None,
        strict: tool.flag("strict")?,
        cache: cache_mark(&mut tool)?,
        defer_loading: tool.flag("defer_loading")?.unwrap_or(false),
        allowed_callers: tool.strings("allowed_callers")?,
        input_examples: tool.list("input_examples")?.unwrap_or_default(),
    };
    if let Some(eager) = tool.take("eager_input_streaming") {
        rest.insert("eager_input_streaming".to_owned(), eager);
    }
    unread.rest(&tool, &["type"]);
    Ok(Tool::Function(function))
}

/// Reads `tool_choice`: the rule, and the switch for several calls in one turn. A rule that names one of Anthropic's own
/// tools is kept as it is.
pub(super) fn choice(
    body: &mut Object<'_>,
    tools: &[Tool],
) -> Result<(Option<ToolChoice>, Option<bool>), RequestError> {
    let Some(value) = body.take("tool_choice") else { return Ok((None, None)) };
    let raw = value.clone();
    let mut choice = Object::of(value, body.at("tool_choice"))?;
    let parallel = choice.flag("disable_parallel_tool_use")?.map(|disabled| !disabled);
    let rule = match choice.need_string("type")?.as_str() {
        "auto" => ToolChoice::Auto,
        "any" => ToolChoice::Required,
        "none" => ToolChoice::None,
        "tool" => {
            let name = choice.need_string("name")?;
            let hosted = tools.iter().any(
                |tool| matches!(tool, Tool::Hosted(hosted) if hosted.raw.get("name").is_some_and(|own| *own == *name)),
            );
            if hosted { ToolChoice::Hosted { of: Dialect::AnthropicMessages, raw } } else { ToolChoice::Named(name) }
        }
        _ => return Err(choice.at("type").malformed("must be auto, any, tool or none")),
    };
    Ok((Some(rule), parallel))
}
