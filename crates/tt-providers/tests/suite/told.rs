//! The events of a stream in a short form for tests: text and calls without the numbers of blocks. The numbers are
//! checked here, for every stream that a test reads.

use std::collections::BTreeMap;

use tt_core::call::event::{Delta, Event};
use tt_core::call::finish::FinishReason;
use tt_core::call::origin::Signature;
use tt_core::call::part::{Part, Text};
use tt_core::usage::Reported;

/// One step of a stream. `call` counts the calls of an answer from 0.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Told {
    Start { id: String, model: String, created: Option<i64> },
    Text { choice: u32, text: String, signature: Option<Signature> },
    Thinking { choice: u32, text: String },
    ThinkingSigned { choice: u32, signature: Signature },
    Redacted { choice: u32 },
    ToolCall { choice: u32, call: u32, id: String, name: String, custom: bool, signature: Option<Signature> },
    ToolArguments { choice: u32, call: u32, json: String },
    Refusal { choice: u32, text: String },
    Media { choice: u32 },
    Finish { choice: u32, reason: FinishReason },
    Usage(Reported),
    Ping,
    Done,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Text,
    Thinking,
    Call(u32),
    Refusal,
    Other,
}

/// The events of one stream in the short form. Fails if they break a rule of blocks: a number is used once and grows, a
/// delta belongs to an open block of its kind, and an answer that ends has no open block.
pub(crate) fn told(events: &[Event]) -> Vec<Told> {
    let mut open: BTreeMap<(u32, u32), Kind> = BTreeMap::new();
    let mut next: BTreeMap<u32, u32> = BTreeMap::new();
    let mut calls: BTreeMap<u32, u32> = BTreeMap::new();
    let mut out = Vec::new();
    for event in events {
        match event.clone() {
            Event::Start { id, model, created } => out.push(Told::Start { id, model, created }),
            Event::BlockStart { choice, block, head } => {
                let least = next.entry(choice).or_default();
                assert!(block >= *least, "block {block} of answer {choice} is used twice, or out of order: {events:?}");
                *least = block + 1;
                let calls = calls.entry(choice).or_default();
                let kind = match head {
                    Part::Text(Text { text, signature, .. }) => {
                        if !text.is_empty() || signature.is_some() {
                            out.push(Told::Text { choice, text, signature });
                        }
                        Kind::Text
                    }
                    Part::Thinking(thinking) => {
                        if !thinking.text.is_empty() {
                            out.push(Told::Thinking { choice, text: thinking.text });
                        }
                        Kind::Thinking
                    }
                    Part::ToolCall(tool) => {
                        let call = *calls;
                        *calls += 1;
                        let (id, name, custom, signature) = (tool.id, tool.name, tool.custom, tool.signature);
                        out.push(Told::ToolCall { choice, call, id, name, custom, signature });
                        Kind::Call(call)
                    }
                    Part::Refusal { text } => {
                        if !text.is_empty() {
                            out.push(Told::Refusal { choice, text });
                        }
                        Kind::Refusal
                    }
                    Part::Redacted { .. } => {
                        out.push(Told::Redacted { choice });
                        Kind::Other
                    }
                    Part::WebSearch { .. } => Kind::Other,
                    media => {
                        assert!(media.is_media(), "{media:?} begins a block");
                        out.push(Told::Media { choice });
                        Kind::Other
                    }
                };
                assert!(open.insert((choice, block), kind).is_none());
            }
            Event::Delta { choice, block, delta } => {
                let kind = open.get(&(choice, block)).copied();
                // The short form has no citations.
                if let (Some(Kind::Text), Delta::Citation(_)) = (kind, &delta) {
                    continue;
                }
                out.push(match (kind, delta) {
                    (Some(Kind::Text), Delta::Text { text, .. }) => Told::Text { choice, text, signature: None },
                    (Some(Kind::Thinking), Delta::Thinking(text)) => Told::Thinking { choice, text },
                    (Some(Kind::Thinking), Delta::Signature(signature)) => Told::ThinkingSigned { choice, signature },
                    (Some(Kind::Refusal), Delta::Refusal(text)) => Told::Refusal { choice, text },
                    (Some(Kind::Call(call)), Delta::Arguments(json)) => Told::ToolArguments { choice, call, json },
                    (_, delta) => panic!("{delta:?} belongs to no open block {block}: {events:?}"),
                });
            }
            Event::BlockStop { choice, block } => {
                assert!(open.remove(&(choice, block)).is_some(), "block {block} is not open: {events:?}");
            }
            Event::Finish { choice, finish } => {
                assert!(open.keys().all(|(of, _)| *of != choice), "answer {choice} ends with open blocks: {events:?}");
                out.push(Told::Finish { choice, reason: finish.reason });
            }
            Event::Usage(usage) => out.push(Told::Usage(usage)),
            Event::Ping => out.push(Told::Ping),
            Event::Done => {
                assert!(open.is_empty(), "the stream ends with open blocks: {events:?}");
                out.push(Told::Done);
            }
        }
    }
    out
}
