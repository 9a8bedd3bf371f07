//! Decodes the tools and the rule for calling them.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::{Value, json};
use tt_core::Dialect;
use tt_core::call::conversation::{CustomTool, Function, HostedTool, Tool, ToolChoice};

use super::super::places::ToolPlace;
use super::super::tool_names::ToolNames;
use crate::dialect::object::{Object, Path};
use crate::dialect::unread::Unread;
use crate::dialect::web_search;
use crate::error::RequestError;

/// The decoded tools.
pub(super) struct Tools {
    pub(super) tools: Vec<Tool>,
    pub(super) places: Vec<ToolPlace>,
    pub(super) names: ToolNames,
    /// The fields that the neutral form does not hold.
    pub(super) unread: Unread,
}

/// The tools that have been read, each with its namespace and its place. They stand apart, since there may be many.
struct Reader {
    tools: Vec<Tool>,
    namespaces: Vec<Option<Arc<str>>>,
    places: Vec<ToolPlace>,
    /// True if one is a search of tools that the client runs. It has no name until all names are known.
    has_search: bool,
    unread: Unread,
}

/// Reads `tools`, and the tools that stand among the items: those that a developer adds, and those that a search of tools
/// has found. The lists of the items are taken out; in place of what a search has found, its item says so in words.
pub(super) fn tools(body: &mut Object<'_>, input: Option<&mut Value>) -> Result<Tools, RequestError> {
    let list = body.list("tools")?.unwrap_or_default();
    let mut items: Vec<(usize, Vec<Value>)> = Vec::new();
    if let Some(Value::Array(input)) = input {
        for (at, item) in input.iter_mut().enumerate() {
            items.extend(added(item).map(|tools| (at, tools)));
        }
    }
    let most = count(&list) + items.iter().map(|(_, tools)| count(tools)).sum::<usize>();
    let mut reader = Reader {
        tools: Vec::with_capacity(most),
        namespaces: Vec::with_capacity(most),
        places: Vec::with_capacity(most),
        has_search: false,
        unread: Unread::default(),
    };
    reader.list(list, &body.at("tools"), None)?;
    let own = reader.tools.len();
    let root = Path::Root.field("input");
    for (at, tools) in items {
        let item = root.index(at);
        reader.list(tools, &item.field("tools"), Some(at))?;
    }
    reader.once(own);
    Ok(reader.named())
}

/// Takes the tools out of an item that holds some.
fn added(item: &mut Value) -> Option<Vec<Value>> {
    let kind = item.get("type")?.as_str()?;
    let found = kind == "tool_search_output";
    if !found && kind != "additional_tools" {
        return None;
    }
    let fields = item.as_object_mut()?;
    let Some(Value::Array(tools)) = fields.shift_remove("tools") else { return None };
    if found {
        let names = tools.iter().flat_map(|tool| match tool.get("tools") {
            Some(Value::Array(inner)) => inner.as_slice(),
            _ => std::slice::from_ref(tool),
        });
        let names: Vec<&str> = names.filter_map(|tool| tool.get("name")?.as_str()).collect();
        let said = if names.is_empty() { "No tools found".to_owned() } else { format!("Found: {}", names.join(", ")) };
        fields.insert("output".to_owned(), said.into());
    }
    Some(tools)
}

/// The number of tools in a list, those in namespaces counted one by one. Whatever has no type is no tool.
fn count(list: &[Value]) -> usize {
    let typed = |tool: &&Value| tool.get("type").is_some_and(Value::is_string);
    let of = |tool: &Value| tool.get("tools").and_then(Value::as_array).map(|inner| inner.iter().filter(typed).count());
    list.iter().filter(typed).map(|tool| of(tool).unwrap_or(1)).sum()
}

impl Reader {
    /// Reads a list, which stands in the item of that index.
    fn list(&mut self, list: Vec<Value>, path: &Path<'_>, item: Option<usize>) -> Result<(), RequestError> {
        for (at, tool) in list.into_iter().enumerate() {
            let mut tool = Object::of(tool, path.index(at))?;
            if tool.fields.get("type").is_none_or(|kind| kind != "namespace") {
                self.one(tool, None, ToolPlace::new(item, at, None))?;
                continue;
            }
            let namespace: Arc<str> = tool.need_string("name")?.into();
            let inner = tool.list("tools")?.unwrap_or_default();
            self.unread.rest(&tool, &["type"]);
            let path = tool.at("tools");
            for (number, value) in inner.into_iter().enumerate() {
                let inside = Object::of(value, path.index(number))?;
                self.one(inside, Some(Arc::clone(&namespace)), ToolPlace::new(item, at, Some(number)))?;
            }
        }
        Ok(())
    }

    fn one(&mut self, mut tool: Object<'_>, namespace: Option<Arc<str>>, place: ToolPlace) -> Result<(), RequestError> {
        let kind = match tool.fields.get("type") {
            Some(Value::String(kind)) => kind.as_str(),
            None | Some(Value::Null) => return Err(tool.at("type").missing()),
            Some(_) => return Err(tool.at("type").malformed("must be a string")),
        };
        let read = match kind {
            "function" => Tool::Function(Function {
                name: name(&mut tool)?,
                strict: tool.flag("strict")?,
                response: tool.take("output_schema"),
                ..described(&mut tool)?
            }),
            "custom" => Tool::Custom(CustomTool {
                name: name(&mut tool)?,
                description: tool.string("description")?,
                format: tool.take("format").map(format),
                cache: None,
            }),
            "tool_search" if tool.fields.get("execution").is_some_and(|by| by == "client") => {
                self.has_search = true;
                Tool::Function(described(&mut tool)?)
            }
            _ => {
                let kind = kind.to_owned();
                let raw = Value::Object(std::mem::take(&mut tool.fields));
                Tool::Hosted(HostedTool { of: Dialect::OpenAiResponses, kind, raw })
            }
        };
        // A hosted tool keeps all its fields.
        self.unread.rest(&tool, &["type", "execution"]);
        self.tools.push(read);
        self.namespaces.push(namespace);
        self.places.push(place);
        Ok(())
    }

    /// Leaves out tools of items that are known already: a search may find a tool again. The first `own` are those of the
    /// request, which stay as they are.
    fn once(&mut self, own: usize) {
        if self.tools.len() == own {
            return;
        }
        let mut known = HashSet::new();
        let named = self.tools.iter().zip(&self.namespaces);
        let stays: Vec<bool> = named
            .enumerate()
            .map(|(at, (tool, namespace))| {
                let is_new = tool.name().is_none_or(|name| known.insert((namespace.as_deref(), name)));
                is_new || at < own
            })
            .collect();
        retain(&mut self.tools, &stays);
        retain(&mut self.namespaces, &stays);
        retain(&mut self.places, &stays);
    }

    /// The tools under the names that they are sent with.
    fn named(mut self) -> Tools {
        let named = self.tools.iter().zip(&self.namespaces);
        let named = named.filter_map(|(tool, namespace)| Some((namespace.clone(), tool.name()?)));
        // A search has no name of its own.
        let named: Vec<(Option<Arc<str>>, &str)> = named.filter(|(_, name)| !name.is_empty()).collect();
        let names = ToolNames::of(&named, self.has_search);
        drop(named);
        for (tool, namespace) in self.tools.iter_mut().zip(&self.namespaces) {
            if let Tool::Function(Function { name, .. }) | Tool::Custom(CustomTool { name, .. }) = tool {
                let sent = if name.is_empty() {
                    names.search().unwrap_or_default()
                } else {
                    names.sent(namespace.as_deref(), name)
                };
                if sent != name {
                    *name = sent.to_owned();
                }
            }
        }
        Tools { tools: self.tools, places: self.places, names, unread: self.unread }
    }
}

/// Keeps the elements whose flag is true.
fn retain<T>(list: &mut Vec<T>, stays: &[bool]) {
    let mut stays = stays.iter();
    list.retain(|_| stays.next().copied().unwrap_or(true));
}

/// The format of a custom tool as Chat Completions writes it, which is how the neutral form holds it.
fn format(mut format: Value) -> Value {
    if let Some(fields) = format.as_object_mut()
        && fields.get("type").is_some_and(|kind| kind == "grammar")
        && !fields.contains_key("grammar")
    {
        fields.shift_remove("type");
        return json!({"type": "grammar", "grammar": std::mem::take(fields)});
    }
    format
}

/// A function's description and parameters. A tool that is to be loaded later is offered at once: other providers do not
/// load tools.
fn described(tool: &mut Object<'_>) -> Result<Function, RequestError> {
    let parameters = tool.take("parameters");
    if parameters.as_ref().is_some_and(|schema| !schema.is_object()) {
        return Err(tool.at("parameters").malformed("must be a JSON Schema object"));
    }
    Ok(Function { description: tool.string("description")?, parameters, ..Function::default() })
}

fn name(tool: &mut Object<'_>) -> Result<String, RequestError> {
    let name = tool.need_string("name")?;
    if name.is_empty() { Err(tool.at("name").malformed("must not be empty")) } else { Ok(name) }
}

/// Reads `tool_choice`. A rule that names a hosted tool is kept as it is.
pub(super) fn choice(body: &mut Object<'_>, names: &ToolNames) -> Result<Option<ToolChoice>, RequestError> {
    let Some(value) = body.take("tool_choice") else { return Ok(None) };
    let path = body.at("tool_choice");
    if let Value::String(word) = &value {
        return match word.as_str() {
            "auto" => Ok(Some(ToolChoice::Auto)),
            "none" => Ok(Some(ToolChoice::None)),
            "required" => Ok(Some(ToolChoice::Required)),
            _ => Err(path.malformed("must be none, auto, required or an object that names a tool")),
        };
    }
    let raw = value.clone();
    let mut choice = Object::of(value, path)?;
    match choice.need_string("type")?.as_str() {
        "function" | "custom" => named(&mut choice, names).map(|name| Some(ToolChoice::Named(name))),
        "allowed_tools" => {
            let required = match choice.need_string("mode")?.as_str() {
                "auto" => false,
                "required" => true,
                _ => return Err(choice.at("mode").malformed("must be auto or required")),
            };
            let list = choice.list("tools")?.ok_or_else(|| choice.at("tools").missing())?;
            let path = choice.at("tools");
            let mut allowed = Vec::with_capacity(list.len());
            let mut search = false;
            for (at, tool) in list.into_iter().enumerate() {
                let mut tool = Object::of(tool, path.index(at))?;
                // Hosted tools have no names: those that the target lacks are left out of its tools too.
                match tool.need_string("type")?.as_str() {
                    "function" | "custom" => allowed.push(named(&mut tool, names)?),
                    kind => search |= web_search::is_kind(Dialect::OpenAiResponses, kind),
                }
            }
            Ok(Some(ToolChoice::Allowed { names: allowed, required, search }))
        }
        _ => Ok(Some(ToolChoice::Hosted { of: Dialect::OpenAiResponses, raw })),
    }
}

fn named(tool: &mut Object<'_>, names: &ToolNames) -> Result<String, RequestError> {
    let (name, namespace) = (tool.need_string("name")?, tool.string("namespace")?);
    Ok(names.sent(namespace.as_deref(), &name).to_owned())
}
