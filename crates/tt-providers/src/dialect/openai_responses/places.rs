//! The places of messages and tools in the client's request. Neighbouring items of the assistant become one message, and a
//! namespace several tools, so the neutral form does not tell where the client wrote them.

use tt_core::call::field::Field;
use tt_core::call::state::StateField;

/// The places of one decoded request.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// For each message.
    pub(super) messages: Vec<MessagePlace>,
    /// For each tool.
    pub(super) tools: Vec<ToolPlace>,
    /// The index of the first item that names an earlier item by its id.
    pub(super) reference: Option<usize>,
    /// The field with the id of the end user.
    pub(super) end_user: &'static str,
}

/// The place of one message.
#[derive(Debug)]
pub(super) enum MessagePlace {
    /// `instructions`.
    Instructions,
    /// `input`, which is a text.
    Input,
    /// One item: a message, or the result of a tool.
    Item { index: usize, field: &'static str },
    /// Items of the assistant: the place of each part.
    Assistant(Vec<PartPlace>),
}

/// The place of one part of the assistant: the index of its item, and that of the part within the item's content.
#[derive(Debug, Clone, Copy)]
pub(super) struct PartPlace {
    pub(super) item: u32,
    pub(super) content: Option<u32>,
    pub(super) is_call: bool,
}

/// The place of one tool.
#[derive(Debug, Clone, Copy)]
pub(super) struct ToolPlace {
    /// The index of the item that holds the list; `None` for the list of the request.
    item: Option<u32>,
    /// The index in that list.
    entry: u32,
    /// The index within the namespace; `None` outside namespaces.
    inner: Option<u32>,
}

impl ToolPlace {
    /// The tool of the index `entry` in the list of the item `item`, or of the index `inner` in the namespace there.
    pub(super) fn new(item: Option<usize>, entry: usize, inner: Option<usize>) -> Self {
        let short = |index: usize| u32::try_from(index).unwrap_or(u32::MAX);
        Self { item: item.map(short), entry: short(entry), inner: inner.map(short) }
    }
}

impl Places {
    /// The path of `field` in the body; `None` for a field that stands in one place in every request.
    pub(super) fn name(&self, field: &Field) -> Option<String> {
        match *field {
            Field::Message(message) | Field::ToolCalls(message) => self.part(message, 0, false),
            Field::Content(message) => match self.messages.get(message)? {
                MessagePlace::Item { index, field } => Some(format!("input[{index}].{field}")),
                _ => self.part(message, 0, false),
            },
            Field::Part { message, part } => match self.messages.get(message)? {
                MessagePlace::Item { index, field } => Some(format!("input[{index}].{field}[{part}]")),
                _ => self.part(message, part, false),
            },
            Field::ToolCall { message, call } => self.part(message, call, true),
            Field::Arguments { message, call } => Some(format!("{}.arguments", self.part(message, call, true)?)),
            Field::ResultId(message) => Some(format!("{}.call_id", self.part(message, 0, false)?)),
            Field::ToolKind(tool) => Some(format!("{}.type", self.tool(tool)?)),
            Field::HostedTool(tool) => self.tool(tool),
            Field::ToolGrammar(tool) => Some(format!("{}.format", self.tool(tool)?)),
            Field::ToolParameters(tool) => Some(format!("{}.parameters", self.tool(tool)?)),
            Field::EndUser => Some(self.end_user.to_owned()),
            Field::State(StateField::StoredItem) => Some(format!("input[{}]", self.reference?)),
            Field::HostedOption { tool, path } => Some(format!("{}.{path}", self.tool(tool)?)),
            _ => None,
        }
    }

    /// The path of a part, or of a call, by its index among the parts or the calls of the message.
    fn part(&self, message: usize, index: usize, calls: bool) -> Option<String> {
        Some(match self.messages.get(message)? {
            MessagePlace::Instructions => "instructions".to_owned(),
            MessagePlace::Input => "input".to_owned(),
            MessagePlace::Item { index, .. } => format!("input[{index}]"),
            MessagePlace::Assistant(parts) => {
                let part = parts.iter().filter(|part| part.is_call || !calls).nth(index).or_else(|| parts.first())?;
                match part.content {
                    Some(content) => format!("input[{}].content[{content}]", part.item),
                    None => format!("input[{}]", part.item),
                }
            }
        })
    }

    fn tool(&self, tool: usize) -> Option<String> {
        let ToolPlace { item, entry, inner } = *self.tools.get(tool)?;
        let list = item.map_or_else(|| "tools".to_owned(), |item| format!("input[{item}].tools"));
        Some(match inner {
            Some(inner) => format!("{list}[{entry}].tools[{inner}]"),
            None => format!("{list}[{entry}]"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_and_tools_are_named_where_the_client_wrote_them() {
        let part = |item, content, is_call| PartPlace { item, content, is_call };
        let places = Places {
            messages: vec![
                MessagePlace::Instructions,
                MessagePlace::Item { index: 0, field: "content" },
                MessagePlace::Assistant(vec![part(1, None, false), part(2, Some(3), false), part(4, None, true)]),
                MessagePlace::Item { index: 5, field: "output" },
            ],
            tools: vec![ToolPlace::new(None, 2, None), ToolPlace::new(Some(7), 0, Some(1))],
            reference: Some(9),
            end_user: "user",
        };
        for (field, path) in [
            (Field::Message(0), "instructions"),
            (Field::Part { message: 1, part: 4 }, "input[0].content[4]"),
            (Field::Part { message: 2, part: 1 }, "input[2].content[3]"),
            (Field::ToolCall { message: 2, call: 0 }, "input[4]"),
            (Field::Arguments { message: 2, call: 0 }, "input[4].arguments"),
            (Field::Content(3), "input[5].output"),
            (Field::ResultId(3), "input[5].call_id"),
            (Field::ToolParameters(0), "tools[2].parameters"),
            (Field::HostedTool(1), "input[7].tools[0].tools[1]"),
            (Field::State(StateField::StoredItem), "input[9]"),
            (Field::EndUser, "user"),
        ] {
            assert_eq!(places.name(&field).as_deref(), Some(path), "{field:?}");
        }
        assert_eq!(places.name(&Field::Model), None);
    }
}
