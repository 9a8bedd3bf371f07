//! Thinking that a client loses, kept for it until its next request. A model's signed thinking must go back to it in a loop
//! of tools, and clients of other dialects have no place for it. They send the ids of calls back untouched, so an answer's
//! signed thinking and the signatures of its calls are kept under the id of its first call.
//!
//! The kept answers are bounded and live in memory only. A conversation whose thinking has been lost goes on without it.

mod shares;

use std::collections::BTreeMap;
use std::sync::Arc;

use tt_core::Dialect;
use tt_core::call::conversation::{Conversation, Part, Role};
use tt_core::call::event::{Delta, Event};
use tt_core::call::origin::{Origin, Signature};
use tt_core::call::part::Thinking;

use crate::dialect::order::{self, Place, Places};
pub use shares::Owner;
use shares::Shares;

/// The most that is kept of one answer, in bytes. Longer thinking is not kept.
const MOST_OF_ANSWER: usize = 512 << 10;

/// The most that is put back into one request, in bytes; that of its last answers.
const MOST_OF_REQUEST: usize = 4 << 20;

/// The memory that an entry or a part takes beside its texts, in bytes.
const PART: usize = 256;

/// All that is kept.
#[derive(Debug)]
pub struct ThinkingMemory(Shares<Kept>);

impl ThinkingMemory {
    /// Makes a memory of at most `most_bytes`, which users share. When it is full, the user whose thinking takes the most
    /// loses the oldest of it.
    pub fn new(most_bytes: usize) -> Self {
        Self(Shares::new(most_bytes))
    }

    /// The memory that is taken now, in bytes.
    pub fn held_bytes(&self) -> usize {
        self.0.held_bytes()
    }
}

/// The part of the memory that is one caller's.
#[derive(Debug, Clone)]
pub struct OwnThinking {
    memory: Arc<ThinkingMemory>,
    owner: Owner,
}

/// The part of one answer that is kept.
#[derive(Debug, Default)]
struct Kept {
    /// The signed thinking, each with its place in the answer.
    blocks: Vec<(Place, Part)>,
    /// The signatures of calls, by the ids of the calls.
    signatures: Vec<(String, Signature)>,
    /// The length of all texts, in bytes, with the memory of the parts.
    bytes: usize,
}

impl OwnThinking {
    /// The part of `memory` that is for `owner`.
    pub fn new(memory: Arc<ThinkingMemory>, owner: Owner) -> Self {
        Self { memory, owner }
    }

    /// The caller.
    pub fn owner(&self) -> Owner {
        self.owner
    }

    /// Keeps the thinking of a whole answer.
    pub(crate) fn keep(&self, parts: &[Part]) {
        let mut answer = AnswerThinking::default();
        parts.iter().for_each(|part| answer.part(part));
        self.keep_streamed(answer);
    }

    /// Keeps the thinking of an answer whose parts have all come.
    pub(crate) fn keep_streamed(&self, AnswerThinking { kept, first_call, .. }: AnswerThinking) {
        if let Some(id) = first_call
            && !(kept.blocks.is_empty() && kept.signatures.is_empty())
            && kept.bytes <= MOST_OF_ANSWER
        {
            let bytes = kept.bytes;
            self.memory.0.insert(self.owner, &id, Arc::new(kept), bytes);
        }
    }

    /// Puts back the thinking that has been lost in the history of `call`, as far as `model`, called in `dialect`, can read
    /// it.
    pub(crate) fn restore(&self, call: &mut Arc<Conversation>, dialect: Dialect, model: &str) {
        let mut left = MOST_OF_REQUEST;
        let mut found: Vec<(usize, Arc<Kept>)> = Vec::new();
        for (at, message) in call.messages.iter().enumerate().rev() {
            let first = message.parts.iter().find_map(|part| match part {
                Part::ToolCall(call) => Some(call.id.as_str()),
                _ => None,
            });
            if let Some(first) = first.filter(|_| message.role == Role::Assistant)
                && let Some(kept) = self.memory.0.get(self.owner, first)
            {
                let Some(rest) = left.checked_sub(kept.bytes) else { break };
                left = rest;
                found.push((at, kept));
            }
        }
        if found.is_empty() {
            return;
        }
        let call = Arc::make_mut(call);
        for (at, kept) in found {
            if let Some(message) = call.messages.get_mut(at) {
                kept.put_back(&mut message.parts, dialect, model);
            }
        }
    }
}

impl Kept {
    fn put_back(&self, parts: &mut Vec<Part>, dialect: Dialect, model: &str) {
        let fits = |of: &Origin| of.dialect == dialect && of.signs_for(of.provider, model);
        for part in parts.iter_mut() {
            if let Part::ToolCall(call) = part
                && call.signature.is_none()
            {
                let own = self.signatures.iter().find(|(id, signature)| *id == call.id && fits(&signature.of));
                call.signature = own.map(|(_, signature)| signature.clone());
            }
        }
        // A client that sent thinking back has lost none.
        if parts.iter().any(|part| signed(part).is_some()) {
            return;
        }
        let blocks: Vec<(Option<Place>, Part)> = self
            .blocks
            .iter()
            .filter(|(_, block)| signed(block).is_some_and(fits))
            .map(|(place, block)| (Some(*place), block.clone()))
            .collect();
        if blocks.is_empty() {
            return;
        }
        // Thinking that the client shows has no signature; the whole takes its place.
        let said = std::mem::take(parts).into_iter().filter(|part| !matches!(part, Part::Thinking(_)));
        let (calls, said) = said.partition(|part| matches!(part, Part::ToolCall(_)));
        *parts = order::restored(blocks, said, calls);
    }
}

/// The maker of thinking that must go back as it came; `None` for any other part.
fn signed(part: &Part) -> Option<&Origin> {
    match part {
        Part::Thinking(thinking) => thinking.signature.as_ref().or(thinking.encrypted.as_ref()).map(|by| &by.of),
        Part::Redacted { of, .. } => Some(of),
        _ => None,
    }
}

/// The thinking of an answer, as its parts come.
#[derive(Debug, Default)]
pub(crate) struct AnswerThinking {
    kept: Kept,
    places: Places,
    first_call: Option<String>,
    /// The blocks of thinking in a stream that are open, by their numbers.
    open: BTreeMap<u32, Thinking>,
}

impl AnswerThinking {
    /// Takes a whole part, in the order of the answer.
    fn part(&mut self, part: &Part) {
        match part {
            Part::Text(text) => self.places.text(text.text.len()),
            Part::ToolCall(call) => {
                self.places.call();
                self.first_call.get_or_insert_with(|| call.id.clone());
                if let Some(signature) = &call.signature {
                    self.kept.bytes = self.kept.bytes.saturating_add(PART + call.id.len() + signature.value.len());
                    if self.kept.bytes <= MOST_OF_ANSWER {
                        self.kept.signatures.push((call.id.clone(), signature.clone()));
                    }
                }
            }
            block if signed(block).is_some() => {
                let place = self.places.thinking();
                // The place counts where there is no more room for the block.
                self.kept.bytes = self.kept.bytes.saturating_add(PART + length(block));
                if self.kept.bytes <= MOST_OF_ANSWER {
                    self.kept.blocks.push((place, block.clone()));
                }
            }
            _ => {}
        }
    }

    /// Takes an event of a stream. Only the first choice is kept, since a client goes on with one.
    pub(crate) fn event(&mut self, event: &Event) {
        match event {
            Event::BlockStart { choice: 0, block, head: Part::Thinking(head) } => {
                self.open.insert(*block, head.clone());
            }
            Event::BlockStart { choice: 0, head, .. } => self.part(head),
            Event::Delta { choice: 0, block, delta } => self.delta(*block, delta),
            Event::BlockStop { choice: 0, block } => {
                if let Some(thinking) = self.open.remove(block) {
                    self.kept.bytes = self.kept.bytes.saturating_sub(thinking.text.len());
                    self.part(&Part::Thinking(thinking));
                }
            }
            _ => {}
        }
    }

    fn delta(&mut self, block: u32, delta: &Delta) {
        match (self.open.get_mut(&block), delta) {
            (Some(thinking), Delta::Thinking(text)) => {
                self.kept.bytes = self.kept.bytes.saturating_add(text.len());
                if self.kept.bytes <= MOST_OF_ANSWER {
                    thinking.text.push_str(text);
                }
            }
            (Some(thinking), Delta::Signature(signature)) => thinking.signature = Some(signature.clone()),
            (None, Delta::Text { text, .. }) => self.places.text(text.len()),
            _ => {}
        }
    }

    /// The memory that it takes, in bytes.
    pub(crate) fn held_bytes(&self) -> usize {
        self.kept.bytes.min(2 * MOST_OF_ANSWER) + self.open.len() * PART
    }
}

/// The length of the texts of a block of thinking, in bytes.
fn length(part: &Part) -> usize {
    match part {
        Part::Thinking(Thinking { text, summary, signature, encrypted, .. }) => {
            let value = |signature: &Option<Signature>| signature.as_ref().map_or(0, |signature| signature.value.len());
            text.len() + summary.iter().map(String::len).sum::<usize>() + value(signature) + value(encrypted)
        }
        Part::Redacted { data, .. } => data.len(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use tt_core::call::conversation::Message;
    use tt_core::call::tool::ToolCall;
    use tt_core::{ApiKeyId, Provider, UserId};

    use super::*;

    const ANTHROPIC: Dialect = Dialect::AnthropicMessages;
    const MOST_BYTES: usize = 64 << 20;

    fn memory() -> Arc<ThinkingMemory> {
        Arc::new(ThinkingMemory::new(MOST_BYTES))
    }

    fn own(memory: &Arc<ThinkingMemory>, user: i64) -> OwnThinking {
        OwnThinking::new(Arc::clone(memory), Owner { user: UserId(user), key: Some(ApiKeyId(1)) })
    }

    fn by(dialect: Dialect, provider: Provider, value: &str) -> Option<Signature> {
        Some(Signature { of: Origin::with_model(dialect, provider, "claude-opus-4-8"), value: value.into() })
    }

    fn thought(text: &str) -> Part {
        let signature = by(ANTHROPIC, Provider::Anthropic, "s");
        Part::Thinking(Thinking { text: text.into(), signature, ..Thinking::default() })
    }

    fn call(id: &str, signature: Option<Signature>) -> Part {
        Part::ToolCall(ToolCall { id: id.into(), signature, ..ToolCall::default() })
    }

    fn history(parts: Vec<Part>) -> Arc<Conversation> {
        let message = Message { role: Role::Assistant, name: None, parts, extra: serde_json::Map::new() };
        Arc::new(Conversation { messages: vec![message], ..Conversation::default() })
    }

    fn restored(own: &OwnThinking, parts: Vec<Part>, model: &str) -> Vec<Part> {
        let mut call = history(parts);
        own.restore(&mut call, ANTHROPIC, model);
        call.messages[0].parts.clone()
    }

    #[test]
    fn what_a_client_lost_stands_where_it_stood_for_its_model_and_its_owner() {
        let memory = memory();
        let answer = vec![thought("a"), Part::text("x"), thought("b"), call("1", None), call("2", None)];
        own(&memory, 1).keep(&answer);
        let shown = || vec![Part::thinking("ab"), Part::text("x"), call("1", None), call("2", None)];
        assert_eq!(restored(&own(&memory, 1), shown(), "claude-opus-4-8"), answer);
        assert_eq!(restored(&own(&memory, 1), shown(), "claude-sonnet-4-5"), shown());
        assert_eq!(restored(&own(&memory, 2), shown(), "claude-opus-4-8"), shown());
        let sent_back = vec![thought("mine"), call("1", None)];
        assert_eq!(restored(&own(&memory, 1), sent_back.clone(), "claude-opus-4-8"), sent_back);
    }

    #[test]
    fn a_stream_is_kept_as_a_whole_answer_is() {
        let (whole, streamed) = (memory(), memory());
        own(&whole, 1).keep(&[thought("ab"), Part::text("xy"), thought("c"), call("1", None)]);
        let mut answer = AnswerThinking::default();
        let start = |block, head| Event::BlockStart { choice: 0, block, head };
        let delta = |block, delta| Event::Delta { choice: 0, block, delta };
        let stop = |block| Event::BlockStop { choice: 0, block };
        let signature = || Delta::Signature(by(ANTHROPIC, Provider::Anthropic, "s").unwrap());
        for event in [
            start(0, Part::thinking("")),
            delta(0, Delta::Thinking("a".into())),
            delta(0, Delta::Thinking("b".into())),
            delta(0, signature()),
            stop(0),
            start(1, Part::text("x")),
            delta(1, Delta::text("y".into())),
            stop(1),
            start(2, Part::thinking("c")),
            delta(2, signature()),
            stop(2),
            start(3, call("1", None)),
        ] {
            answer.event(&event);
        }
        assert!(answer.held_bytes() > 4);
        own(&streamed, 1).keep_streamed(answer);
        let shown = || vec![Part::text("xy"), call("1", None)];
        let expected = restored(&own(&whole, 1), shown(), "claude-opus-4-8");
        assert_eq!(expected.len(), 4);
        assert_eq!(restored(&own(&streamed, 1), shown(), "claude-opus-4-8"), expected);
    }

    #[test]
    fn a_call_gets_its_signature_back() {
        let memory = memory();
        let signature = by(Dialect::Gemini, Provider::Gemini, "g");
        own(&memory, 1).keep(&[call("1", signature.clone()), call("2", None)]);
        let mut lost = history(vec![call("1", None), call("2", None)]);
        own(&memory, 1).restore(&mut lost, Dialect::Gemini, "claude-opus-4-8");
        assert_eq!(lost.messages[0].parts, [call("1", signature), call("2", None)]);
    }

    #[test]
    fn what_is_kept_of_an_answer_and_in_all_is_bounded() {
        let memory = memory();
        let long = "x".repeat(MOST_OF_ANSWER / 2);
        own(&memory, 1).keep(&[thought(&long), thought(&long), call("1", None)]);
        let shown = vec![call("1", None)];
        assert_eq!(restored(&own(&memory, 1), shown.clone(), "claude-opus-4-8"), shown);
        for n in 0..400 {
            own(&memory, 1).keep(&[thought(&long), call(&format!("call {n}"), None)]);
        }
        let kept = (0..400).filter(|n| {
            let shown = vec![call(&format!("call {n}"), None)];
            restored(&own(&memory, 1), shown, "claude-opus-4-8").len() == 2
        });
        assert!(kept.count() <= MOST_BYTES / long.len());
        let many: Vec<Part> = vec![call("call 399", None)];
        let mut call = history(many);
        let message = call.messages[0].clone();
        Arc::make_mut(&mut call).messages = vec![message; 100];
        own(&memory, 1).restore(&mut call, ANTHROPIC, "claude-opus-4-8");
        let put_back = call.messages.iter().filter(|message| message.parts.len() == 2).count();
        assert!((1..=MOST_OF_REQUEST / long.len()).contains(&put_back), "{put_back}");
        assert_eq!(call.messages[99].parts.len(), 2, "the last are put back first");
    }
}
