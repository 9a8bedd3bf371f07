//! A call of a stream, while it grows.

use bytes::BytesMut;
use serde_json::{Value, json};
use tt_core::call::tool::ToolCall;

use super::events::Events;
use super::output::CallKind;
use super::tool_names::ToolNames;

/// An open call.
#[derive(Debug)]
pub(super) struct Call {
    index: u32,
    id: String,
    kind: CallKind,
    /// The call as it began, without its arguments.
    head: ToolCall,
    arguments: String,
}

impl Call {
    /// A call whose item has begun.
    pub(super) fn new(index: u32, id: String, kind: CallKind, call: &ToolCall) -> Self {
        let (call_id, name) = (call.id.clone(), call.name.clone());
        let head = ToolCall { id: call_id, name, custom: call.custom, ..ToolCall::default() };
        Self { index, id, kind, head, arguments: String::new() }
    }

    /// The length of what is kept, in bytes.
    pub(super) fn kept_bytes(&self) -> usize {
        self.arguments.len()
    }

    /// Adds to its arguments. A search of tools has no events for that.
    pub(super) fn argue(&mut self, text: &str, events: &mut Events, out: &mut BytesMut) {
        self.arguments.push_str(text);
        let kind = match self.kind {
            CallKind::Function => "response.function_call_arguments.delta",
            CallKind::Custom => "response.custom_tool_call_input.delta",
            CallKind::Search => return,
        };
        events.delta(kind, (&self.id, self.index), "", text, out);
    }

    /// Ends it. Gives the index and the item.
    pub(super) fn end(self, status: &str, names: &ToolNames, events: &mut Events, out: &mut BytesMut) -> (u32, Value) {
        let Self { index, id, kind, head, arguments } = self;
        let arguments = if arguments.is_empty() && kind == CallKind::Function { "{}" } else { arguments.as_str() };
        match kind {
            CallKind::Function => {
                let (name, _) = names.client(&head.name);
                let fields = json!({"item_id": id, "output_index": index, "name": name, "arguments": arguments});
                events.write("response.function_call_arguments.done", fields, out);
            }
            CallKind::Custom => {
                let fields = json!({"item_id": id, "output_index": index, "input": arguments});
                events.write("response.custom_tool_call_input.done", fields, out);
            }
            CallKind::Search => {}
        }
        (index, kind.item(&id, status, &head, arguments, names))
    }
}
