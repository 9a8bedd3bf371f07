//! Decodes the items of `input`.

use std::collections::HashMap;

use serde_json::{Map, Value};
use tt_core::call::conversation::{
    Message, Opaque, Origin, Part, Role, Signature, Text, Thinking, ToolCall, ToolResult,
};
use tt_core::{Dialect, Provider};

use super::super::carried::{self, Carried};
use super::super::places::{MessagePlace, PartPlace};
use super::super::tool_names::ToolNames;
use super::content::{content, part, phase};
use crate::dialect::object::{Object, Path};
use crate::error::RequestError;
use crate::json;

/// The origin of what only OpenAI can read. Clients send it back without the name of the model.
const OPENAI: Origin = Origin::of(Dialect::OpenAiResponses, Provider::OpenAi);

/// The decoded items.
pub(super) struct Items {
    pub(super) messages: Vec<Message>,
    pub(super) places: Vec<MessagePlace>,
    /// The first item that names an earlier one: its index, and the id that it names.
    pub(super) reference: Option<(usize, Value)>,
}

/// The part that an item has in the conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A message of the user, the system or the developer.
    Message,
    /// The result of a tool that the client has run.
    Result,
    /// Something that the model said, thought or called.
    Assistant,
    /// Tools, which have been read.
    Tools,
    /// The id of an item that OpenAI keeps.
    Reference,
}

impl Kind {
    fn of(item: &Value) -> Self {
        let word = |name: &str| item.get(name).and_then(Value::as_str);
        match word("type") {
            None if word("role").is_none() && word("id").is_some() => Self::Reference,
            None | Some("message") => {
                if word("role") == Some("assistant") {
                    Self::Assistant
                } else {
                    Self::Message
                }
            }
            Some("function_call_output" | "custom_tool_call_output") => Self::Result,
            Some("tool_search_output") if is_clients(word("execution"), word("call_id")) => Self::Result,
            Some("additional_tools" | "tool_search_output") => Self::Tools,
            Some("item_reference") => Self::Reference,
            Some(_) => Self::Assistant,
        }
    }
}

/// True for a search of tools that the client runs.
fn is_clients(execution: Option<&str>, call_id: Option<&str>) -> bool {
    execution == Some("client") && call_id.is_some()
}

/// Reads the instructions and the items.
pub(super) fn read(
    instructions: Option<String>,
    input: Option<Value>,
    names: &ToolNames,
) -> Result<Items, RequestError> {
    let path = Path::Root.field("input");
    let mut items = match input {
        None => Vec::new(),
        Some(Value::Array(items)) => items,
        Some(Value::String(text)) => {
            let mut reader = Reader::with_room_for(names, 2);
            reader.instructions(instructions);
            reader.push(Role::User, vec![Part::text(text)], Map::new(), MessagePlace::Input);
            return Ok(reader.out);
        }
        Some(_) => return Err(path.malformed("must be a string or a list of items")),
    };
    let mut before = None;
    // An item with less than two fields is no message, and ends the reading.
    let apart = items.iter().filter(|item| item.as_object().is_some_and(|fields| fields.len() > 1)).filter(|item| {
        let kind = Kind::of(item);
        before.replace(kind) != Some(Kind::Assistant) || kind != Kind::Assistant
    });
    let mut reader = Reader::with_room_for(names, apart.count() + usize::from(instructions.is_some()));
    reader.instructions(instructions);
    let mut at = 0;
    while let Some(rest) = items.get_mut(at..).filter(|rest| !rest.is_empty()) {
        let said = rest.iter().take_while(|item| Kind::of(item) == Kind::Assistant).count();
        match rest.split_at_mut_checked(said) {
            Some((said, _)) if !said.is_empty() => reader.assistant(said, at, &path)?,
            _ => {
                if let Some(item) = rest.first_mut() {
                    reader.item(std::mem::take(item), at, &path)?;
                }
            }
        }
        at += said.max(1);
    }
    Ok(reader.out)
}

struct Reader<'n> {
    names: &'n ToolNames,
    out: Items,
    /// The indices of the messages with results, by the ids of the calls that they answer.
    answered: HashMap<String, usize>,
    /// The signature of the next call.
    signature: Option<Signature>,
}

impl<'n> Reader<'n> {
    fn with_room_for(names: &'n ToolNames, messages: usize) -> Self {
        let out =
            Items { messages: Vec::with_capacity(messages), places: Vec::with_capacity(messages), reference: None };
        Self { names, out, answered: HashMap::new(), signature: None }
    }

    fn push(&mut self, role: Role, parts: Vec<Part>, extra: Map<String, Value>, place: MessagePlace) {
        self.out.messages.push(Message { role, name: None, parts, extra });
        self.out.places.push(place);
    }

    fn instructions(&mut self, instructions: Option<String>) {
        if let Some(text) = instructions.filter(|text| !text.is_empty()) {
            self.push(Role::System, vec![Part::text(text)], Map::new(), MessagePlace::Instructions);
        }
    }

    /// Reads an item that is not the assistant's.
    fn item(&mut self, item: Value, index: usize, path: &Path<'_>) -> Result<(), RequestError> {
        let kind = Kind::of(&item);
        let mut item = typed(Object::of(item, path.index(index))?)?;
        match kind {
            Kind::Message | Kind::Assistant => self.message(item, index),
            Kind::Result => self.result(item, index),
            Kind::Tools => Ok(()),
            Kind::Reference => {
                let id = item.need_string("id")?;
                self.out.reference.get_or_insert((index, id.into()));
                Ok(())
            }
        }
    }

    fn message(&mut self, mut item: Object<'_>, index: usize) -> Result<(), RequestError> {
        let role = match item.need_string("role")?.as_str() {
            "user" => Role::User,
            "system" => Role::System,
            "developer" => Role::Developer,
            _ => return Err(item.at("role").malformed("must be user, assistant, system or developer")),
        };
        let value = item.need("content")?;
        let parts = content(value, &item.at("content"))?;
        let extra = left_over(&mut item);
        self.push(role, parts, extra, MessagePlace::Item { index, field: "content" });
        Ok(())
    }

    /// Reads the result of a tool. Several results of one call become one: other providers take one for each call.
    fn result(&mut self, mut item: Object<'_>, index: usize) -> Result<(), RequestError> {
        let custom = item.need_string("type")? == "custom_tool_call_output";
        let id = item.need_string("call_id")?;
        let output = item.need("output")?;
        let mut parts = content(output, &item.at("output"))?;
        if let Some(Part::ToolResult(before)) =
            self.answered.get(&id).and_then(|at| self.out.messages.get_mut(*at)?.parts.first_mut())
        {
            before.content.reserve_exact(parts.len());
            before.content.append(&mut parts);
            return Ok(());
        }
        self.answered.insert(id.clone(), self.out.messages.len());
        let result = Part::ToolResult(ToolResult { id, content: parts, custom, ..ToolResult::default() });
        let extra = left_over(&mut item);
        self.push(Role::Tool, vec![result], extra, MessagePlace::Item { index, field: "output" });
        Ok(())
    }

    /// Reads neighbouring items of the assistant, of which the first has the index `first`.
    fn assistant(&mut self, items: &mut [Value], first: usize, path: &Path<'_>) -> Result<(), RequestError> {
        self.signature = None;
        let room = items.iter().map(|item| item.get("content").and_then(Value::as_array).map_or(1, Vec::len)).sum();
        let mut turn =
            Turn { parts: Vec::with_capacity(room), places: Vec::with_capacity(room), extra: Map::new(), item: 0 };
        for (at, item) in items.iter_mut().enumerate() {
            let index = first + at;
            turn.item = u32::try_from(index).unwrap_or(u32::MAX);
            self.said(typed(Object::of(std::mem::take(item), path.index(index))?)?, &mut turn)?;
        }
        if !turn.parts.is_empty() {
            self.push(Role::Assistant, turn.parts, turn.extra, MessagePlace::Assistant(turn.places));
        }
        Ok(())
    }

    fn said(&mut self, mut item: Object<'_>, turn: &mut Turn) -> Result<(), RequestError> {
        let kind = item.fields.get("type").and_then(Value::as_str).unwrap_or("message").to_owned();
        match kind.as_str() {
            "message" => message(item, turn),
            "reasoning" => self.reasoning(item, turn),
            "function_call" | "custom_tool_call" => {
                let custom = kind == "custom_tool_call";
                let (name, namespace) = (item.need_string("name")?, item.string("namespace")?);
                let name = self.names.sent(namespace.as_deref(), &name).to_owned();
                let arguments = item.string(if custom { "input" } else { "arguments" })?.unwrap_or_default();
                self.call(ToolCall { name, namespace, arguments, custom, ..ToolCall::default() }, item, turn)
            }
            "tool_search_call"
                if is_clients(
                    item.fields.get("execution").and_then(Value::as_str),
                    item.fields.get("call_id").and_then(Value::as_str),
                ) =>
            {
                let arguments = match item.take("arguments") {
                    None => "{}".to_owned(),
                    Some(Value::String(text)) => text,
                    Some(object) => json::compact(&object),
                };
                let name = self.names.search().unwrap_or("tool_search").to_owned();
                self.call(ToolCall { name, arguments, ..ToolCall::default() }, item, turn)
            }
            _ => {
                // The summary of a conversation stands for the conversation.
                let pending = kind.starts_with("compaction");
                let raw = json::compact(&Value::Object(item.fields));
                turn.add(Part::Opaque(Opaque { of: OPENAI, kind, raw, text: None, pending }), None, Map::new());
                Ok(())
            }
        }
    }

    fn call(&mut self, call: ToolCall, mut item: Object<'_>, turn: &mut Turn) -> Result<(), RequestError> {
        let id = item.need_string("call_id")?;
        // Hosts that count calls anew in each turn use ids again.
        self.answered.remove(&id);
        let own = item.string("id")?;
        let call = ToolCall { id, item: own, signature: self.signature.take(), ..call };
        let extra = left_over(&mut item);
        turn.add(Part::ToolCall(call), None, extra);
        Ok(())
    }

    fn reasoning(&mut self, mut item: Object<'_>, turn: &mut Turn) -> Result<(), RequestError> {
        let own = item.string("id")?;
        let encrypted = item.string("encrypted_content")?.filter(|value| !value.is_empty());
        if let Some(value) = encrypted.as_deref().filter(|value| carried::is_carried(value)) {
            match carried::read(value) {
                Some(Carried::Thinking { text, signature }) => {
                    let thinking = Thinking { text, signature: Some(signature), item: own, ..Thinking::default() };
                    turn.add(Part::Thinking(thinking), None, Map::new());
                }
                Some(Carried::Redacted { data, of }) => turn.add(Part::Redacted { data, of }, None, Map::new()),
                Some(Carried::Call(signature)) => self.signature = Some(signature),
                Some(Carried::Text(signature)) => turn.sign(signature),
                None => {}
            }
            return Ok(());
        }
        let summary = texts(&mut item, "summary")?;
        let text = texts(&mut item, "content")?.concat();
        let encrypted = encrypted.map(|value| Signature { of: OPENAI, value });
        let thinking = Thinking { text, summary, signature: None, encrypted, item: own };
        let extra = left_over(&mut item);
        turn.add(Part::Thinking(thinking), None, extra);
        Ok(())
    }
}

/// One message of the assistant while it is read.
struct Turn {
    parts: Vec<Part>,
    places: Vec<PartPlace>,
    extra: Map<String, Value>,
    /// The index of the item that is read.
    item: u32,
}

impl Turn {
    fn add(&mut self, part: Part, content: Option<usize>, extra: Map<String, Value>) {
        let is_call = matches!(part, Part::ToolCall(_));
        let content = content.map(|content| u32::try_from(content).unwrap_or(u32::MAX));
        self.parts.push(part);
        self.places.push(PartPlace { item: self.item, content, is_call });
        self.extra.extend(extra);
    }

    /// Puts a signature on the last text, or on an empty text where the last text is signed already.
    fn sign(&mut self, signature: Signature) {
        match self.parts.last_mut() {
            Some(Part::Text(Text { signature: slot @ None, .. })) => *slot = Some(signature),
            _ => self.add(Part::Text(Text { signature: Some(signature), ..Text::default() }), None, Map::new()),
        }
    }
}

/// The item, whose type is a text or absent.
fn typed(item: Object<'_>) -> Result<Object<'_>, RequestError> {
    match item.fields.get("type") {
        None | Some(Value::Null | Value::String(_)) => Ok(item),
        Some(_) => Err(item.at("type").malformed("must be a string")),
    }
}

/// Reads a message of the assistant.
fn message(mut item: Object<'_>, turn: &mut Turn) -> Result<(), RequestError> {
    let phase = phase(&mut item)?;
    let own = item.string("id")?;
    let text = |text: Text| Part::Text(Text { phase, item: own.clone(), ..text });
    match item.need("content")? {
        Value::String(said) => turn.add(text(Text { text: said, ..Text::default() }), None, Map::new()),
        Value::Array(parts) => {
            let path = item.at("content");
            for (at, value) in parts.into_iter().enumerate() {
                let read = match part(Object::of(value, path.index(at))?)? {
                    Part::Text(said) => text(said),
                    other => other,
                };
                turn.add(read, Some(at), Map::new());
            }
        }
        _ => return Err(item.at("content").malformed("must be a string or a list of parts")),
    }
    turn.extra.extend(left_over(&mut item));
    Ok(())
}

/// The texts of a list of parts; empty where there is none.
fn texts(item: &mut Object<'_>, name: &str) -> Result<Vec<String>, RequestError> {
    let list = item.list(name)?.unwrap_or_default();
    let path = item.at(name);
    let mut texts = Vec::with_capacity(list.len());
    for (at, value) in list.into_iter().enumerate() {
        texts.push(Object::of(value, path.index(at))?.need_string("text")?);
    }
    Ok(texts)
}

/// The fields of an item that say something and that the neutral form does not hold.
fn left_over(item: &mut Object<'_>) -> Map<String, Value> {
    for name in ["type", "id", "role", "status", "execution"] {
        item.fields.shift_remove(name);
    }
    std::mem::take(&mut item.fields)
}
