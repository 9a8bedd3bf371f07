//! Decodes the tools and the rule for calling them.

use serde_json::{Map, Value};
use tt_core::Dialect;
use tt_core::call::conversation::{Function, HostedTool, Tool, ToolChoice};
use tt_core::call::extra::Extra;

use super::left_over::keep;
use super::lowered::lowered;
use crate::dialect::body::JsonText;
use crate::dialect::gemini::node::Node;
use crate::dialect::gemini::places::ToolPlace;
use crate::dialect::unread::Unread;
use crate::error::RequestError;
use crate::json;

/// The field of an entry that holds functions. Any other field of an entry is a hosted tool.
const FUNCTIONS: &str = "functionDeclarations";

/// The fields of a function that are read.
const DECLARED: [&str; 6] =
    ["name", "description", "parameters", "parametersJsonSchema", "response", "responseJsonSchema"];

/// The fields for the schema of a function's parameters: one for JSON Schema, one for Gemini's own words.
const PARAMETERS: [&str; 2] = ["parametersJsonSchema", "parameters"];

/// The most hosted tools of a request. Gemini has about ten.
const MOST_HOSTED: usize = 16;

/// Decodes `tools`, and notes the place of each.
pub(super) fn tools(
    body: &Node<'_, '_>,
    places: &mut Vec<ToolPlace>,
    unread: &mut Unread,
) -> Result<Vec<Tool>, RequestError> {
    let (entries, path) = (body.objects("tools")?, body.at("tools"));
    let (mut tools, mut hosted) = (Vec::new(), 0);
    for (i, entry) in entries.into_iter().enumerate() {
        let entry = Node::of(entry, path.index(i))?;
        let (functions, path) = (entry.objects(FUNCTIONS)?, entry.at(FUNCTIONS));
        tools.reserve(functions.len());
        places.reserve(functions.len());
        for (j, function_raw) in functions.into_iter().enumerate() {
            let declaration = Node::of(function_raw, path.index(j))?;
            declaration.others(&DECLARED).for_each(|(name, _)| unread.field(&declaration.at(name)));
            tools.push(Tool::Function(function(&declaration)?));
            let schema = if declaration.raw(PARAMETERS[0])?.is_some() { PARAMETERS[0] } else { PARAMETERS[1] };
            places.push(ToolPlace::Function { entry: i, index: j, schema });
        }
        for (kind, value) in entry.others(&[FUNCTIONS]) {
            hosted += 1;
            if hosted > MOST_HOSTED {
                return Err(entry.path.malformed(format!("there are more than {MOST_HOSTED} hosted tools")));
            }
            tools.push(Tool::Hosted(hosted_tool(kind, value)));
            places.push(ToolPlace::Hosted { entry: i });
        }
    }
    Ok(tools)
}

fn hosted_tool(kind: &str, value: JsonText<'_>) -> HostedTool {
    let value = json::value(value.get().as_bytes()).unwrap_or_default();
    let raw = Value::Object(Map::from_iter([(kind.to_owned(), value)]));
    HostedTool { of: Dialect::Gemini, kind: kind.to_owned(), raw }
}

fn function(function: &Node<'_, '_>) -> Result<Function, RequestError> {
    let name = function.need_string("name")?;
    if name.is_empty() {
        return Err(function.at("name").malformed("must not be empty"));
    }
    Ok(Function {
        name,
        description: function.string("description")?,
        parameters: schema(function, PARAMETERS[0], PARAMETERS[1])?,
        response: schema(function, "responseJsonSchema", "response")?,
        ..Function::default()
    })
}

/// The schema in the field `json`, else the one in Gemini's own words in the field `own`, as a JSON Schema.
pub(super) fn schema(owner: &Node<'_, '_>, json: &str, own: &str) -> Result<Option<Value>, RequestError> {
    let mut found = None;
    for name in [json, own] {
        let schema = owner.value(name)?;
        if schema.as_ref().is_some_and(|schema| !schema.is_object()) {
            return Err(owner.at(name).malformed("must be a schema, an object"));
        }
        if found.is_some() && schema.is_some() {
            return Err(owner.at(name).malformed(format!("cannot stand beside {json}")));
        }
        found = found.or(schema);
    }
    if let Some(schema) = &mut found {
        lowered(schema);
    }
    Ok(found)
}

/// Decodes `toolConfig`. Its other fields are kept in `extra`.
pub(super) fn choice(body: &Node<'_, '_>, extra: &mut Extra) -> Result<Option<ToolChoice>, RequestError> {
    const CALLING: &str = "functionCallingConfig";
    let Some(config) = body.object("toolConfig")? else { return Ok(None) };
    for (name, value) in config.others(&[CALLING]) {
        keep(extra, format!("toolConfig.{name}"), value);
    }
    let Some(calling) = config.object(CALLING)? else { return Ok(None) };
    let path = calling.at("allowedFunctionNames");
    let list = calling.list("allowedFunctionNames")?.unwrap_or_default();
    let mut names = Vec::with_capacity(list.len());
    for (i, name) in list.into_iter().enumerate() {
        let name = serde_json::from_str::<String>(name.get());
        names.push(name.map_err(|_| path.index(i).malformed("must be a string"))?);
    }
    let mode = calling.string("mode")?.unwrap_or_default().to_ascii_uppercase();
    Ok(match (mode.as_str(), names.len()) {
        ("NONE", _) => Some(ToolChoice::None),
        ("ANY", 0) => Some(ToolChoice::Required),
        ("ANY", 1) => names.pop().map(ToolChoice::Named),
        ("ANY", _) => Some(ToolChoice::Allowed { names, required: true, search: true }),
        ("AUTO" | "VALIDATED" | "MODE_UNSPECIFIED" | "", 1..) => {
            Some(ToolChoice::Allowed { names, required: false, search: true })
        }
        ("AUTO" | "VALIDATED", 0) => Some(ToolChoice::Auto),
        ("MODE_UNSPECIFIED" | "", 0) => None,
        _ => return Err(calling.at("mode").malformed("must be AUTO, ANY, NONE or VALIDATED")),
    })
}
