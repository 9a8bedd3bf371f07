//! The places of messages and tools in the client's request. One content may become several messages, and one entry of
//! `tools` several tools, so the neutral form does not tell where the client wrote them.

use tt_core::call::field::Field;

/// The places of one decoded request.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// For each message.
    pub(super) messages: Vec<MessagePlace>,
    /// For each tool, the index of its entry and, for a function, its index among the declarations.
    pub(super) tools: Vec<(usize, Option<usize>)>,
    /// The field with the schema of the answer; `None` where there is none.
    pub(super) answer_schema: Option<&'static str>,
}

/// The place of one message.
#[derive(Debug, Default)]
pub(super) struct MessagePlace {
    /// The index of the content, or of the first of several neighbours; `None` for the system instruction.
    pub(super) content: Option<usize>,
    /// The place of each part.
    pub(super) parts: Vec<PartPlace>,
    /// The place of each tool call.
    pub(super) calls: Vec<PartPlace>,
}

/// The place of one part.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PartPlace {
    content: u32,
    part: u32,
}

impl PartPlace {
    /// The part with the index `part` of the content with the index `content`.
    pub(super) fn new(content: usize, part: usize) -> Self {
        let narrow = |index| u32::try_from(index).unwrap_or(u32::MAX);
        Self { content: narrow(content), part: narrow(part) }
    }
}

impl Places {
    /// The path of `field` in the body; `None` for a field that stands in one place in every request.
    pub(super) fn name(&self, field: &Field) -> Option<String> {
        match *field {
            Field::Message(message) | Field::ToolCalls(message) => Some(self.content(message)?),
            Field::Content(message) => Some(format!("{}.parts", self.content(message)?)),
            Field::Part { message, part } => self.part(message, self.messages.get(message)?.parts.get(part)),
            Field::ToolCall { message, call } => self.part(message, self.messages.get(message)?.calls.get(call)),
            Field::Arguments { message, call } => {
                let part = self.part(message, self.messages.get(message)?.calls.get(call))?;
                Some(format!("{part}.functionCall.args"))
            }
            Field::ResultId(message) => {
                let part = self.part(message, self.messages.get(message)?.parts.first())?;
                Some(format!("{part}.functionResponse.id"))
            }
            Field::ToolKind(tool) | Field::HostedTool(tool) | Field::ToolGrammar(tool) => self.tool(tool),
            Field::ToolParameters(tool) => Some(format!("{}.parameters", self.tool(tool)?)),
            Field::FormatSchema => Some(format!("generationConfig.{}", self.answer_schema?)),
            Field::HostedOption { tool, path } => Some(format!("{}.{path}", self.tool(tool)?)),
            _ => None,
        }
    }

    fn content(&self, message: usize) -> Option<String> {
        Some(match self.messages.get(message)?.content {
            Some(content) => format!("contents[{content}]"),
            None => "systemInstruction".to_owned(),
        })
    }

    fn part(&self, message: usize, part: Option<&PartPlace>) -> Option<String> {
        let content = self.content(message)?;
        Some(match (part, self.messages.get(message)?.content) {
            (None, _) => format!("{content}.parts"),
            (Some(PartPlace { part, .. }), None) => format!("{content}.parts[{part}]"),
            (Some(PartPlace { content, part }), Some(_)) => format!("contents[{content}].parts[{part}]"),
        })
    }

    fn tool(&self, tool: usize) -> Option<String> {
        Some(match *self.tools.get(tool)? {
            (entry, Some(function)) => format!("tools[{entry}].functionDeclarations[{function}]"),
            (entry, None) => format!("tools[{entry}]"),
        })
    }
}
