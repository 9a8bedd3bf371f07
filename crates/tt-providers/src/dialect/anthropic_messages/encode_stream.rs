//! Encodes neutral events as the events of a Messages stream.
//!
//! Clients expect one open block at a time. A text or a thought ends when another block begins, and goes on as a new block
//! where more of it comes. Parts of other blocks that come while a call is open wait until the call ends.

use std::collections::BTreeMap;

use bytes::{BufMut, BytesMut};
use serde_json::{Value, json};
use tt_core::Provider;
use tt_core::call::event::{Delta, Event};
use tt_core::call::finish::Finish;
use tt_core::call::part::Part;
use tt_core::usage::Usage;

use super::answer::{self, Options};
use super::error;
use crate::codec::{PublicError, StreamEncoder};
use crate::dialect::held::Held;
use crate::dialect::service_tier;
use crate::dialect::short_name::short_name;
use crate::json;

/// Writes one stream.
#[derive(Debug)]
pub(super) struct Encoder {
    options: Options,
    begun: bool,
    /// True once the end or an error has been written, after which nothing may follow.
    closed: bool,
    /// The index of the next block.
    next: u32,
    open: Option<Open>,
    /// The blocks that wait for the open call to end, by their numbers, which grow.
    waiting: BTreeMap<u32, Waiting>,
    /// The number of the waiting blocks, and the bytes that are kept of them.
    held: Held,
    /// The kinds of the blocks that have begun and not stopped, by their numbers: a text that had to end may go on.
    kinds: BTreeMap<u32, Kind>,
    called: bool,
    refusal: Option<String>,
    finish: Option<Finish>,
    usage: Usage,
    /// The tier that the provider says it processed the request in.
    service_tier: Option<&'static str>,
}

/// The block that is open at the client.
#[derive(Debug)]
struct Open {
    /// The number of the neutral block.
    block: u32,
    index: u32,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Thinking,
    Call,
    /// A block that is whole when it begins.
    Whole,
}

/// A block that waits.
#[derive(Debug)]
struct Waiting {
    block: u32,
    kind: Kind,
    /// The block as it begins.
    head: Value,
    /// The text or the input so far.
    text: String,
    signature: String,
    /// True if the block ends here.
    stopped: bool,
}

impl Waiting {
    fn kept_bytes(&self) -> usize {
        json::memory(&self.head) + self.text.len() + self.signature.len()
    }

    /// True if the block has something to show, or is whole as it begins.
    fn shows(&self) -> bool {
        matches!(self.kind, Kind::Call | Kind::Whole) || !(self.text.is_empty() && self.signature.is_empty())
    }
}

impl Encoder {
    /// An encoder at the start of a stream.
    pub(super) fn new(options: Options) -> Self {
        Self {
            options,
            begun: false,
            closed: false,
            next: 0,
            open: None,
            waiting: BTreeMap::new(),
            held: Held::default(),
            kinds: BTreeMap::new(),
            called: false,
            refusal: None,
            finish: None,
            usage: Usage::default(),
            service_tier: None,
        }
    }

    fn begin(&mut self, id: &str, model: &str, out: &mut BytesMut) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        let (id, model) = (short_name(self.options.id(id)), short_name(self.options.model(model).to_owned()));
        let message = json!({
            "id": id, "type": "message", "role": "assistant", "model": model, "content": [], "stop_reason": null,
            "stop_sequence": null, "usage": answer::usage(&self.usage, None),
        });
        event(out, "message_start", &json!({"type": "message_start", "message": message}));
    }

    fn start(&mut self, block: u32, part: &Part, out: &mut BytesMut) {
        self.begin("", "", out);
        let (kind, head, text, signature) = match part {
            Part::Text(text) => (Kind::Text, text_head(), text.text.clone(), String::new()),
            Part::Refusal { text } => {
                self.refusal = Some(text.clone());
                (Kind::Text, text_head(), text.clone(), String::new())
            }
            Part::Thinking(thinking) => {
                let text = thinking.texts().collect::<Vec<_>>().join("\n\n");
                (Kind::Thinking, thinking_head(), text, answer::signature(thinking.signature.as_ref()).to_owned())
            }
            Part::ToolCall(call) => {
                self.called = true;
                let head = json!({"type": "tool_use", "id": call.id, "name": call.name, "input": {}});
                (Kind::Call, head, call.arguments.clone(), String::new())
            }
            Part::Redacted { data, of } if of.provider == Provider::Anthropic => {
                return self.whole(block, json!({"type": "redacted_thinking", "data": data}), out);
            }
            Part::Image(_) | Part::Audio(_) | Part::Video(_) | Part::Document(_) => {
                tracing::warn!("a Messages stream has no field for pictures and sound: they are left out");
                return;
            }
            Part::Redacted { .. } | Part::Opaque(_) | Part::ToolResult(_) | Part::WebSearch { .. } => return,
        };
        self.kinds.insert(block, kind);
        self.add(Waiting { block, kind, head, text, signature, stopped: false }, out);
    }

    /// Writes a block that is whole when it begins, or lets it wait.
    fn whole(&mut self, block: u32, head: Value, out: &mut BytesMut) {
        self.add(
            Waiting { block, kind: Kind::Whole, head, text: String::new(), signature: String::new(), stopped: true },
            out,
        );
    }

    /// Writes a block that begins, or lets it wait while a call is open. A text that has nothing to show yet opens nothing.
    fn add(&mut self, block: Waiting, out: &mut BytesMut) {
        if self.open.as_ref().is_some_and(|open| open.kind == Kind::Call) {
            self.held.opened(block.kept_bytes());
            if let Some(replaced) = self.waiting.insert(block.block, block) {
                self.held.close(replaced.kept_bytes());
            }
        } else if block.shows() {
            self.close(out);
            self.write(block, out);
        }
    }

    /// Opens a block at the client, with all that is known of it.
    fn write(&mut self, block: Waiting, out: &mut BytesMut) {
        let index = self.next;
        self.next = index.saturating_add(1);
        let start = json!({"type": "content_block_start", "index": index, "content_block": block.head});
        event(out, "content_block_start", &start);
        self.open = Some(Open { block: block.block, index, kind: block.kind });
        self.grow(&block.text, out);
        self.sign(&block.signature, out);
        if block.stopped {
            self.close(out);
        }
    }

    /// Adds `text` to the open block.
    fn grow(&mut self, text: &str, out: &mut BytesMut) {
        let Some(open) = self.open.as_ref().filter(|_| !text.is_empty()) else { return };
        let delta = match open.kind {
            Kind::Text => json!({"type": "text_delta", "text": text}),
            Kind::Thinking => json!({"type": "thinking_delta", "thinking": text}),
            Kind::Whole => return,
            Kind::Call => json!({"type": "input_json_delta", "partial_json": text}),
        };
        let delta = json!({"type": "content_block_delta", "index": open.index, "delta": delta});
        event(out, "content_block_delta", &delta);
    }

    /// Adds the signature to open thinking.
    fn sign(&self, signature: &str, out: &mut BytesMut) {
        if let Some(open) = self.open.as_ref().filter(|open| open.kind == Kind::Thinking && !signature.is_empty()) {
            let delta = json!({"type": "signature_delta", "signature": signature});
            let delta = json!({"type": "content_block_delta", "index": open.index, "delta": delta});
            event(out, "content_block_delta", &delta);
        }
    }

    /// Ends the open block.
    fn close(&mut self, out: &mut BytesMut) {
        if let Some(Open { index, .. }) = self.open.take() {
            event(out, "content_block_stop", &json!({"type": "content_block_stop", "index": index}));
        }
    }

    fn delta(&mut self, block: u32, delta: &Delta, out: &mut BytesMut) {
        match delta {
            Delta::Text { text, .. } => self.more(block, Kind::Text, text, out),
            Delta::Refusal(text) => {
                self.refusal.get_or_insert_default().push_str(text);
                self.held.change(0, text.len());
                self.more(block, Kind::Text, text, out);
            }
            Delta::Thinking(text) | Delta::Summary { text, .. } => self.more(block, Kind::Thinking, text, out),
            Delta::Arguments(text) => self.more(block, Kind::Call, text, out),
            Delta::Signature(signature) => {
                let value = answer::signature(Some(signature));
                if self.open.as_ref().is_some_and(|open| open.block == block) {
                    self.sign(value, out);
                } else if let Some(waiting) = self.waiting.get_mut(&block) {
                    self.held.change(waiting.signature.len(), value.len());
                    value.clone_into(&mut waiting.signature);
                } else if !value.is_empty() {
                    // Thinking that Anthropic hides has a signature and no text.
                    self.begin_again(block, Kind::Thinking, String::new(), value.to_owned(), out);
                }
            }
            Delta::Citation(citation) => {
                let open = self.open.as_ref().filter(|open| open.block == block && open.kind == Kind::Text);
                if let (Some(open), Some(citation)) = (open, answer::citation(citation)) {
                    let delta = json!({"type": "citations_delta", "citation": citation});
                    let delta = json!({"type": "content_block_delta", "index": open.index, "delta": delta});
                    event(out, "content_block_delta", &delta);
                }
            }
            Delta::Bytes(_) | Delta::Raw(_) => {}
        }
    }

    /// Adds to a block: at once if it is open, else to what waits of it, else as a new block.
    fn more(&mut self, block: u32, kind: Kind, text: &str, out: &mut BytesMut) {
        if text.is_empty() || self.kinds.get(&block) != Some(&kind) {
            return;
        }
        if self.open.as_ref().is_some_and(|open| open.block == block) {
            self.grow(text, out);
        } else if let Some(waiting) = self.waiting.get_mut(&block) {
            waiting.text.push_str(text);
            self.held.change(0, text.len());
        } else if kind != Kind::Call {
            self.begin_again(block, kind, text.to_owned(), String::new(), out);
        }
    }

    fn begin_again(&mut self, block: u32, kind: Kind, text: String, signature: String, out: &mut BytesMut) {
        let head = if kind == Kind::Text { text_head() } else { thinking_head() };
        self.add(Waiting { block, kind, head, text, signature, stopped: false }, out);
    }

    fn stop(&mut self, block: u32, out: &mut BytesMut) {
        self.kinds.remove(&block);
        if self.open.as_ref().is_some_and(|open| open.block == block) {
            self.close(out);
            self.release(out);
        } else if let Some(waiting) = self.waiting.get_mut(&block) {
            waiting.stopped = true;
        }
    }

    /// Writes the blocks that waited, up to the first call that has not ended.
    fn release(&mut self, out: &mut BytesMut) {
        while self.open.as_ref().is_none_or(|open| open.kind != Kind::Call) {
            let Some((_, waiting)) = self.waiting.pop_first() else { return };
            self.held.close(waiting.kept_bytes());
            if waiting.shows() {
                self.close(out);
                self.write(waiting, out);
            }
        }
    }

    fn done(&mut self, out: &mut BytesMut) {
        self.begin("", "", out);
        self.close(out);
        self.release(out);
        // Calls that the provider did not end are whole all the same.
        while self.open.is_some() {
            self.close(out);
            self.release(out);
        }
        let delta = answer::stop(self.finish.as_ref(), self.called, self.refusal.as_deref());
        let delta =
            json!({"type": "message_delta", "delta": delta, "usage": answer::usage(&self.usage, self.service_tier)});
        event(out, "message_delta", &delta);
        event(out, "message_stop", &json!({"type": "message_stop"}));
        self.closed = true;
    }
}

impl StreamEncoder for Encoder {
    fn event(&mut self, event: &Event, out: &mut BytesMut) {
        if self.closed {
            return;
        }
        match event {
            Event::Start { id, model, .. } => self.begin(id, model, out),
            // A client of Messages gets one answer.
            Event::BlockStart { choice: 0, block, head } => self.start(*block, head, out),
            Event::Delta { choice: 0, block, delta } => self.delta(*block, delta, out),
            Event::BlockStop { choice: 0, block } => self.stop(*block, out),
            Event::Finish { choice: 0, finish } => self.finish = Some(finish.clone()),
            Event::BlockStart { .. } | Event::Delta { .. } | Event::BlockStop { .. } | Event::Finish { .. } => {}
            Event::Usage(reported) => {
                self.usage = reported.usage;
                let tier = reported.service_tier.as_deref().map(service_tier::of_anthropic);
                self.service_tier = tier.or(self.service_tier);
            }
            Event::Ping => {
                self.begin("", "", out);
                self::event(out, "ping", &json!({"type": "ping"}));
            }
            Event::Done => self.done(out),
        }
    }

    fn broke(&mut self, error: &PublicError<'_>, out: &mut BytesMut) {
        if !std::mem::replace(&mut self.closed, true) {
            error::event(error, out);
        }
    }

    fn held_bytes(&self) -> usize {
        self.held.bytes() + self.kinds.len() * size_of::<(u32, Kind)>()
    }
}

fn text_head() -> Value {
    json!({"type": "text", "text": ""})
}

fn thinking_head() -> Value {
    json!({"type": "thinking", "thinking": "", "signature": ""})
}

/// Writes one event.
fn event(out: &mut BytesMut, name: &str, data: &Value) {
    out.put_slice(b"event: ");
    out.put_slice(name.as_bytes());
    out.put_slice(b"\ndata: ");
    json::write(data, out);
    out.put_slice(b"\n\n");
}
