//! Messages as Anthropic's turns: system apart, neighbours of one role merged, results before text, every call
//! answered.

use tt_core::call::conversation::{Message, Part, Role as Speaker};
use tt_core::call::field::Field;

use super::blocks;
use super::tools::Names;
use super::wire::{Block, Role, Turn};
use crate::error::RequestError;
use crate::notes::Notes;

const MOVED: &str = "moved to the top: the model takes no instructions inside the conversation";

/// A conversation's messages, taken apart.
#[derive(Debug, Default)]
pub(super) struct Turns<'a> {
    /// The top-level `system`.
    pub(super) system: Vec<Block<'a>>,
    /// `messages`.
    pub(super) turns: Vec<Turn<'a>>,
    /// The last turn is the assistant's, to be continued: the index of its message.
    pub(super) prefill: Option<usize>,
}

impl Turns<'_> {
    /// Does the running tool loop begin with calls that lack their thinking? With `thinking.type: "enabled"` Anthropic
    /// refuses that ("Expected `thinking` …"); with `adaptive` it does not (platform.claude.com/docs, Adaptive
    /// thinking, "Validation changes"). Later steps of a loop may have none: without interleaved thinking the model
    /// thinks only at its start.
    pub(super) fn lost_thinking(&self) -> bool {
        self.turns
            .iter()
            .rev()
            .take_while(|turn| match turn.role {
                Role::User => turn.content.iter().any(|block| matches!(block, Block::ToolResult { .. })),
                Role::Assistant | Role::System => true,
            })
            .filter(|turn| turn.content.iter().any(|block| matches!(block, Block::ToolUse { .. })))
            .last()
            .is_some_and(|turn| !turn.content.first().is_some_and(is_thinking))
    }
}

/// Takes the messages apart for `model`. `mid_system`: it takes `role: "system"` after the first user turn.
pub(super) fn turns<'a>(
    messages: &'a [Message],
    (model, mid_system): (&'a str, bool),
    names: &mut Names,
    notes: &mut Notes,
) -> Result<Turns<'a>, RequestError> {
    let mut builder = Builder { model, mid_system, ..Builder::default() };
    for (index, message) in messages.iter().enumerate() {
        if message.name.is_some() {
            notes.dropped(Field::SpeakerName, "");
        }
        builder.add(index, message, names, notes)?;
    }
    builder.finish(notes)
}

#[derive(Default)]
struct Builder<'a> {
    out: Turns<'a>,
    model: &'a str,
    mid_system: bool,
    /// System blocks waiting for a place: one `role: "system"` turn may stand only after a user turn and before an
    /// assistant's or the end (platform.claude.com/docs, Mid-conversation system messages).
    waiting: Vec<Block<'a>>,
    /// Calls of the last assistant turn without a result.
    open: Calls<'a>,
    last_assistant: usize,
}

impl<'a> Builder<'a> {
    fn add(
        &mut self,
        index: usize,
        message: &'a Message,
        names: &mut Names,
        notes: &mut Notes,
    ) -> Result<(), RequestError> {
        match message.role {
            Speaker::System | Speaker::Developer => {
                let mut said = Vec::with_capacity(message.parts.len());
                for (at, part) in message.parts.iter().enumerate() {
                    let Part::Text(part) = part else {
                        let at = Field::Part { message: index, part: at };
                        return Err(RequestError::unsupported(at, "Anthropic takes only text in system messages"));
                    };
                    said.extend(blocks::said(part, notes));
                }
                if self.mid_system && !self.out.turns.is_empty() {
                    self.waiting.append(&mut said);
                } else {
                    if !(self.out.turns.is_empty() || said.is_empty()) {
                        notes.changed(Field::Message(index), MOVED);
                    }
                    self.out.system.append(&mut said);
                }
            }
            Speaker::User | Speaker::Tool => {
                let said = self.heard(index, message, notes)?;
                if said.is_empty() {
                    let reason = "Anthropic refuses a message without text: send some or leave it out";
                    return Err(RequestError::unsupported(Field::Content(index), reason));
                }
                self.push(Role::User, said)?;
            }
            Speaker::Assistant => {
                let (said, calls) = assistant(index, message, self.model, names, notes)?;
                if said.is_empty() {
                    return Ok(());
                }
                self.push(Role::Assistant, said)?;
                self.open.extend(calls);
                self.last_assistant = index;
            }
        }
        Ok(())
    }

    /// Blocks of what the user or a tool says.
    fn heard(&mut self, index: usize, message: &'a Message, notes: &mut Notes) -> Result<Vec<Block<'a>>, RequestError> {
        let mut said = Vec::with_capacity(message.parts.len());
        for (at, part) in message.parts.iter().enumerate() {
            if let Part::ToolResult(result) = part {
                let answered = self.open.iter().position(|(open, _)| *open == result.id).ok_or_else(|| {
                    RequestError::malformed(
                        Field::ResultId(index),
                        "answers no open tool call of the assistant message before it",
                    )
                })?;
                self.open.remove(answered);
                said.push(blocks::tool_result(result, index, notes)?);
            } else {
                said.extend(blocks::user_part(part, &Field::Part { message: index, part: at }, notes)?);
            }
        }
        Ok(said)
    }

    fn push(&mut self, role: Role, mut said: Vec<Block<'a>>) -> Result<(), RequestError> {
        let last = self.out.turns.last().map(|turn| turn.role);
        if role == Role::Assistant && last != Some(Role::Assistant) {
            self.all_answered()?;
            self.place_system();
        }
        match self.out.turns.last_mut() {
            Some(turn) if turn.role == role => turn.content.append(&mut said),
            _ => self.out.turns.push(Turn { role, content: said }),
        }
        Ok(())
    }

    /// Anthropic: "`tool_use` ids were found without `tool_result` blocks immediately after". A result is not for us
    /// to invent.
    fn all_answered(&self) -> Result<(), RequestError> {
        match self.open.first() {
            None => Ok(()),
            Some((_, at)) => Err(RequestError::malformed(
                at.clone(),
                "no tool message answers this call: send one for each of tool_calls before the next message",
            )),
        }
    }

    fn place_system(&mut self) {
        if !self.waiting.is_empty() && self.out.turns.last().is_some_and(|turn| turn.role == Role::User) {
            let content = std::mem::take(&mut self.waiting);
            self.out.turns.push(Turn { role: Role::System, content });
        }
    }

    fn finish(mut self, notes: &mut Notes) -> Result<Turns<'a>, RequestError> {
        self.all_answered()?;
        self.place_system();
        // No place was left for them (an assistant's turn is the last): said at the top rather than not at all.
        if !self.waiting.is_empty() {
            notes.changed(Field::Messages, MOVED);
        }
        self.out.system.append(&mut self.waiting);
        for turn in &mut self.out.turns {
            // Stable: what is of one kind keeps its order.
            turn.content.sort_by_key(|block| rank(turn.role, block));
        }
        if self.trim_prefill() {
            self.out.prefill = Some(self.last_assistant);
        }
        if self.out.turns.is_empty() {
            return Err(RequestError::unsupported(Field::Messages, "Anthropic needs at least one user message"));
        }
        Ok(self.out)
    }

    /// Cuts the blanks that a last assistant turn may not end with; says whether there is such a turn.
    fn trim_prefill(&mut self) -> bool {
        let Some(turn) = self.out.turns.last_mut().filter(|turn| turn.role == Role::Assistant) else {
            return false;
        };
        if let Some(Block::Text { text, .. }) = turn.content.last_mut() {
            *text = text.trim_end().to_owned().into();
        }
        true
    }
}

/// Calls of a message: the id of each and where it stands.
type Calls<'a> = Vec<(&'a str, Field)>;

/// Blocks of what the assistant said, and its calls.
fn assistant<'a>(
    index: usize,
    message: &'a Message,
    model: &str,
    names: &mut Names,
    notes: &mut Notes,
) -> Result<(Vec<Block<'a>>, Calls<'a>), RequestError> {
    let mut said = Vec::with_capacity(message.parts.len());
    let mut calls = Vec::new();
    for (at, part) in message.parts.iter().enumerate() {
        match part {
            Part::Text(part) => said.extend(blocks::said(part, notes)),
            Part::Refusal { text } => said.extend(blocks::text(text, None)),
            Part::Thinking(_) | Part::Redacted { .. } => said.extend(blocks::thinking(part, model, notes)),
            Part::Opaque(part) => {
                said.extend(blocks::as_it_came(part, &Field::Part { message: index, part: at }, notes)?);
            }
            Part::ToolCall(call) => {
                let number = calls.len();
                if call.signature.is_some() {
                    notes.dropped(Field::Signatures, "only the provider that made it can read it");
                }
                said.push(blocks::tool_use(call, (index, number), names)?);
                calls.push((call.id.as_str(), Field::ToolCall { message: index, call: number }));
            }
            Part::Image(_) | Part::Audio(_) | Part::Video(_) | Part::Document(_) | Part::ToolResult(_) => {
                let reason = "Anthropic takes only text and tool calls in assistant messages";
                return Err(RequestError::unsupported(Field::Part { message: index, part: at }, reason));
            }
        }
    }
    // Thinking alone says nothing: a turn of it would be refused.
    if said.iter().all(is_thinking) {
        said.clear();
    }
    Ok((said, calls))
}

/// Results before what the user says; thinking before what the assistant says, calls after it.
const fn rank(role: Role, block: &Block<'_>) -> u8 {
    match (role, block) {
        (Role::User, Block::ToolResult { .. })
        | (Role::Assistant, Block::Thinking { .. } | Block::RedactedThinking { .. }) => 0,
        (_, Block::ToolUse { .. }) => 2,
        _ => 1,
    }
}

const fn is_thinking(block: &Block<'_>) -> bool {
    matches!(block, Block::Thinking { .. } | Block::RedactedThinking { .. })
}
