//! Encodes messages as turns of Anthropic (`MAPPING.md`, Roles and turns): the system prompt stands apart, neighbours
//! of one role are merged, results stand before text, and every call must have a result.

use std::borrow::Cow;
use std::collections::BTreeMap;

use tt_core::call::conversation::{Message, Part, Role as Speaker};
use tt_core::call::field::Field;

use super::super::aliases::Aliases;
use super::super::waiting_calls::WaitingCalls;
use super::blocks;
use super::tools::Names;
use super::unsigned;
use super::wire::{Block, Role, Turn};
use crate::error::RequestError;
use crate::notes::Notes;

const MOVED: &str = "moved to the top: the model takes no instructions inside the conversation";

/// The encoded messages of a conversation.
#[derive(Debug, Default)]
pub(super) struct Turns<'a> {
    /// The top-level `system`.
    pub(super) system: Vec<Block<'a>>,
    /// `messages`.
    pub(super) turns: Vec<Turn<'a>>,
    /// The index of the last message, if it is an assistant's that the model is asked to continue.
    pub(super) prefill: Option<usize>,
}

impl Turns<'_> {
    /// True if the running tool loop begins with calls that lack their thinking. With `thinking.type: "enabled"`
    /// Anthropic refuses that ("Expected `thinking` …"); with `adaptive` it does not (platform.claude.com/docs,
    /// Adaptive thinking, "Validation changes"). Later steps of a loop may have none: without interleaved thinking the
    /// model thinks only at its start. The last step, which the answer follows, must be Anthropic's own for that.
    pub(super) fn lost_thinking(&self) -> bool {
        let bare = |turn: &Turn<'_>| !turn.content.first().is_some_and(is_thinking);
        let of_others = |turn: &Turn<'_>| {
            turn.content.iter().any(|block| matches!(block, Block::ToolUse { id, .. } if !unsigned::is_own(id)))
        };
        let mut calls = self
            .turns
            .iter()
            .rev()
            .take_while(|turn| match turn.role {
                Role::User => turn.content.iter().any(|block| matches!(block, Block::ToolResult { .. })),
                Role::Assistant | Role::System => true,
            })
            .filter(|turn| turn.content.iter().any(|block| matches!(block, Block::ToolUse { .. })));
        let Some(last) = calls.next() else { return false };
        bare(calls.last().unwrap_or(last)) || (bare(last) && of_others(last))
    }
}

/// Encodes the messages for `model`. `mid_system` is true if the model takes messages of role `system` after the first
/// user turn.
pub(super) fn turns<'a>(
    messages: &'a [Message],
    (model, mid_system): (&'a str, bool),
    names: &mut Names,
    notes: &mut Notes,
) -> Result<Turns<'a>, RequestError> {
    let mut builder = Builder { model, mid_system, ..Builder::default() };
    for (index, message) in messages.iter().enumerate() {
        // The name beside the result of a tool is that of the function.
        if message.name.is_some() && message.role != Speaker::Tool {
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
    /// System blocks that wait for a place. One `role: "system"` turn may stand only after a user turn and before an
    /// assistant's or the end (platform.claude.com/docs, Mid-conversation system messages).
    waiting: Vec<Block<'a>>,
    /// The messages that they came from.
    waiting_from: Vec<usize>,
    /// The places of the calls of the last assistant turn that have no result, in the order of the calls.
    open: BTreeMap<usize, Field>,
    /// The same calls by their ids.
    unanswered: WaitingCalls<'a>,
    /// The ids that the calls so far were sent with.
    sent: Vec<Cow<'a, str>>,
    /// The ids that have been given. Anthropic takes each once in a whole request, and hosts that count the calls of each
    /// turn anew repeat theirs.
    ids: Aliases,
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
                        return Err(RequestError::unsupported(at, "Anthropic takes only text as instructions"));
                    };
                    said.extend(blocks::said(part, notes));
                }
                if self.mid_system && !self.out.turns.is_empty() {
                    self.waiting.append(&mut said);
                    self.waiting_from.push(index);
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
                for from in self.waiting_from.drain(..) {
                    notes.changed(Field::Message(from), "moved behind what the user says next");
                }
                self.push(Role::User, said)?;
            }
            Speaker::Assistant => {
                let (said, calls) = assistant(index, message, (self.model, &mut self.ids), names, notes)?;
                if said.is_empty() {
                    return Ok(());
                }
                self.push(Role::Assistant, said)?;
                for Call { id, sent, at } in calls {
                    self.unanswered.add(id, self.sent.len());
                    self.open.insert(self.sent.len(), at);
                    self.sent.push(sent);
                }
                self.last_assistant = index;
            }
        }
        Ok(())
    }

    /// Encodes a message of the user or the results of tools.
    fn heard(&mut self, index: usize, message: &'a Message, notes: &mut Notes) -> Result<Vec<Block<'a>>, RequestError> {
        let mut said = Vec::with_capacity(message.parts.len());
        for (at, part) in message.parts.iter().enumerate() {
            if let Part::ToolResult(result) = part {
                let answered = self.unanswered.answer(&result.id).ok_or_else(|| {
                    RequestError::malformed(Field::ResultId(index), "answers no open call of the model before it")
                })?;
                self.open.remove(&answered);
                let id = self.sent.get(answered).cloned().unwrap_or_else(|| blocks::call_id(&result.id));
                said.push(blocks::tool_result(result, id, index, notes)?);
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

    /// Anthropic: "`tool_use` ids were found without `tool_result` blocks immediately after". So a missing result is an
    /// error of the client: no result is made up.
    fn all_answered(&self) -> Result<(), RequestError> {
        match self.open.first_key_value() {
            None => Ok(()),
            Some((_, at)) => Err(RequestError::malformed(
                at.clone(),
                "nothing answers this call: send a result for each call before the conversation goes on",
            )),
        }
    }

    fn place_system(&mut self) {
        if !self.waiting.is_empty() && self.out.turns.last().is_some_and(|turn| turn.role == Role::User) {
            let content = std::mem::take(&mut self.waiting);
            self.waiting_from.clear();
            self.out.turns.push(Turn { role: Role::System, content });
        }
    }

    fn finish(mut self, notes: &mut Notes) -> Result<Turns<'a>, RequestError> {
        self.all_answered()?;
        self.place_system();
        // No place is left for these blocks, because an assistant's turn is the last: they go to the top-level
        // `system`.
        if !self.waiting.is_empty() {
            notes.changed(Field::Messages, MOVED);
        }
        self.out.system.append(&mut self.waiting);
        for turn in &mut self.out.turns {
            // Thinking stays where it is: Anthropic signs it for its place. The sort is stable: blocks of one kind keep
            // their order.
            for run in turn.content.chunk_by_mut(|one, next| is_thinking(one) == is_thinking(next)) {
                run.sort_by_key(|block| rank(turn.role, block));
            }
        }
        if self.trim_prefill() {
            self.out.prefill = Some(self.last_assistant);
        }
        if self.out.turns.is_empty() {
            return Err(RequestError::unsupported(Field::Messages, "Anthropic needs something that the user says"));
        }
        Ok(self.out)
    }

    /// Cuts the white space at the end of a last assistant turn, which Anthropic refuses. True if there is such a turn.
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

/// A call of a message.
struct Call<'a> {
    /// The client's id.
    id: &'a str,
    /// The id that it is sent with.
    sent: Cow<'a, str>,
    at: Field,
}

/// Encodes a message of the assistant for `model`: its blocks, and its calls, which get their ids from `ids`.
fn assistant<'a>(
    index: usize,
    message: &'a Message,
    (model, ids): (&str, &mut Aliases),
    names: &mut Names,
    notes: &mut Notes,
) -> Result<(Vec<Block<'a>>, Vec<Call<'a>>), RequestError> {
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
            Part::WebSearch { .. } => {}
            Part::ToolCall(call) => {
                let number = calls.len();
                if call.signature.is_some() {
                    notes.dropped(Field::Signatures, "only the provider that made it can read it");
                }
                let wished = blocks::call_id(&call.id);
                let free = ids.free(&wished);
                let sent = if free == wished { wished } else { Cow::Owned(free) };
                said.push(blocks::tool_use(call, sent.clone(), (index, number), names)?);
                calls.push(Call { id: &call.id, sent, at: Field::ToolCall { message: index, call: number } });
            }
            Part::Image(_) => {
                let at = Field::Part { message: index, part: at };
                notes.dropped(at, "Anthropic takes no pictures of the model");
            }
            Part::Audio(_) | Part::Video(_) | Part::Document(_) | Part::ToolResult(_) => {
                let reason = "Anthropic takes only text and calls of tools from the model";
                return Err(RequestError::unsupported(Field::Part { message: index, part: at }, reason));
            }
        }
    }
    // Anthropic refuses a turn of thinking alone, so it is left out.
    if said.iter().all(is_thinking) {
        said.clear();
    }
    Ok((said, calls))
}

/// The position of a block among its neighbours: results before text of the user, calls after text of the assistant.
const fn rank(role: Role, block: &Block<'_>) -> u8 {
    match (role, block) {
        (Role::User, Block::ToolResult { .. }) => 0,
        (_, Block::ToolUse { .. }) => 2,
        _ => 1,
    }
}

const fn is_thinking(block: &Block<'_>) -> bool {
    matches!(block, Block::Thinking { .. } | Block::RedactedThinking { .. })
}
