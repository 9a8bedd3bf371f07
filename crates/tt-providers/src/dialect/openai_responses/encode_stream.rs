//! Encodes neutral events as the events of a Responses stream.
//!
//! Every item is announced, grows and is written once more as a whole, and the last event holds all of them: some clients
//! read the additions, some the items, some the last event.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::BytesMut;
use serde_json::{Value, json};
use tt_core::call::citation::Citation;
use tt_core::call::event::{Delta, Event};
use tt_core::call::finish::Finish;
use tt_core::call::origin::Signature;
use tt_core::call::part::{Image, Part};
use tt_core::call::tool::ToolCall;
use tt_core::usage::Reported;

use super::call::Call;
use super::events::Events;
use super::message::Message;
use super::output::{self, CallKind, ItemIds};
use super::reasoning::Reasoning;
use super::response::{Repeated, Response, Status};
use super::tool_names::ToolNames;
use super::{carried, failure};
use crate::codec::{PublicError, ReplyContext, StreamEncoder};
use crate::dialect::held::Held;
use crate::json;

/// Writes one stream.
#[derive(Debug)]
pub(super) struct Encoder {
    context: ReplyContext,
    repeated: Repeated,
    names: Arc<ToolNames>,
    /// The response; `None` until the stream has begun.
    response: Option<Response>,
    out: Events,
    /// True once the end or an error has been written, after which nothing may follow.
    closed: bool,
    ids: ItemIds,
    /// The index of the next item.
    next: u32,
    /// The message that neighbouring texts belong to.
    message: Option<Message>,
    /// The blocks that have begun and not stopped, by their numbers.
    open: BTreeMap<u32, Open>,
    /// The last call, which has stopped: it is whole unless the answer ends here without being whole.
    stopped: Option<Call>,
    /// The items that are whole, by their indices.
    items: BTreeMap<u32, Value>,
    /// The memory that they take, in bytes.
    items_bytes: usize,
    /// The number of the open blocks, and the bytes that are kept of them.
    held: Held,
    refused: bool,
    finish: Option<Finish>,
    usage: Option<Reported>,
}

/// An open block.
#[derive(Debug)]
enum Open {
    Text,
    Refusal,
    Reasoning(Reasoning),
    Call(Call),
    /// A block that is whole when it begins, or that Responses has no item for.
    Other,
}

impl Open {
    /// The length of what is kept, in bytes.
    fn kept_bytes(&self) -> usize {
        match self {
            Self::Reasoning(reasoning) => reasoning.kept_bytes(),
            Self::Call(call) => call.kept_bytes(),
            Self::Text | Self::Refusal | Self::Other => 0,
        }
    }
}

impl Encoder {
    /// An encoder at the start of a stream.
    pub(super) fn new(context: ReplyContext, repeated: Repeated, names: Arc<ToolNames>) -> Self {
        let ids = ItemIds::of(context.id);
        Self {
            context,
            repeated,
            names,
            response: None,
            out: Events::default(),
            closed: false,
            ids,
            next: 0,
            message: None,
            open: BTreeMap::new(),
            stopped: None,
            items: BTreeMap::new(),
            items_bytes: 0,
            held: Held::default(),
            refused: false,
            finish: None,
            usage: None,
        }
    }

    fn begin(&mut self, id: &str, model: &str, out: &mut BytesMut) {
        if self.response.is_some() {
            return;
        }
        let response = Response::new(id, model, &self.context, &self.repeated);
        let object = response.object(Status::InProgress, json!([]), None);
        self.out.write("response.created", json!({"response": object}), out);
        self.out.write("response.in_progress", json!({"response": object}), out);
        self.response = Some(response);
    }

    /// The index of a new item.
    fn index(&mut self) -> u32 {
        let index = self.next;
        self.next = index.saturating_add(1);
        index
    }

    fn added(&mut self, index: u32, item: &Value, out: &mut BytesMut) {
        self.out.write("response.output_item.added", json!({"output_index": index, "item": item}), out);
    }

    /// Writes an item as a whole, and keeps it for the last event.
    fn whole(&mut self, index: u32, item: Value, out: &mut BytesMut) {
        self.out.write("response.output_item.done", json!({"output_index": index, "item": item}), out);
        self.items_bytes += json::memory(&item);
        self.items.insert(index, item);
    }

    /// Writes an item that is whole when it begins.
    fn at_once(&mut self, item: Value, out: &mut BytesMut) {
        let index = self.index();
        self.added(index, &item, out);
        self.whole(index, item, out);
    }

    /// Writes a reasoning item that holds only what the provider can read.
    fn carry(&mut self, encrypted: String, out: &mut BytesMut) {
        let id = self.ids.next("rs");
        self.at_once(output::reasoning(&id, &[], Some(encrypted)), out);
    }

    /// Ends the message, and the call that has stopped.
    fn close(&mut self, status: Status<'_>, out: &mut BytesMut) {
        if let Some(message) = self.message.take() {
            self.held.close(message.kept_bytes());
            let (index, item, signatures) = message.end(status.word(), &mut self.out, out);
            self.whole(index, item, out);
            signatures.into_iter().for_each(|signature| self.carry(signature, out));
        }
        if let Some(call) = self.stopped.take() {
            self.called(call, status, out);
        }
    }

    fn start(&mut self, block: u32, head: &Part, out: &mut BytesMut) {
        self.begin("", "", out);
        if !matches!(head, Part::Text(_) | Part::Refusal { .. }) || self.stopped.is_some() {
            self.close(Status::Completed, out);
        }
        let open = match head {
            Part::Text(_) => Open::Text,
            Part::Refusal { .. } => Open::Refusal,
            Part::Thinking(thinking) => Open::Reasoning(Reasoning::of(thinking)),
            Part::ToolCall(call) => Open::Call(self.call(call, out)),
            _ => Open::Other,
        };
        self.held.opened(open.kept_bytes());
        if let Some(replaced) = self.open.insert(block, open) {
            self.held.close(replaced.kept_bytes());
        }
        match head {
            Part::Text(text) => {
                if let Some(message) = &mut self.message {
                    message.next_text();
                }
                self.text(&text.text, None, out);
                text.citations.iter().for_each(|citation| self.cite(citation, out));
                if let Some(signature) = &text.signature {
                    self.sign(signature, out);
                }
            }
            Part::Refusal { text } => self.refuse(text, out),
            Part::Thinking(thinking) => {
                let texts: Vec<&str> = thinking.texts().collect();
                for (part, text) in texts.into_iter().enumerate() {
                    self.think(block, u32::try_from(part).unwrap_or(u32::MAX), text, out);
                }
            }
            Part::Redacted { data, of } => self.carry(carried::redacted(data, of), out),
            Part::ToolCall(call) => self.argue(block, &call.arguments, out),
            Part::Image(image) => self.picture(image, out),
            Part::WebSearch { query } => {
                let id = self.ids.next("ws");
                self.at_once(output::web_search(&id, query), out);
            }
            Part::Audio(_) | Part::Video(_) | Part::Document(_) => {
                tracing::warn!("a Responses stream has no event for sound and files: they are left out");
            }
            Part::Opaque(_) | Part::ToolResult(_) => {}
        }
    }

    fn delta(&mut self, block: u32, delta: &Delta, out: &mut BytesMut) {
        match (delta, self.open.get(&block)) {
            (Delta::Text { text, logprobs }, Some(Open::Text)) => self.text(text, logprobs.as_deref(), out),
            (Delta::Refusal(text), Some(Open::Refusal)) => self.refuse(text, out),
            (Delta::Thinking(text), Some(Open::Reasoning(_))) => self.think(block, 0, text, out),
            (Delta::Summary { part, text }, Some(Open::Reasoning(_))) => self.think(block, *part, text, out),
            (Delta::Arguments(text), Some(Open::Call(_))) => self.argue(block, text, out),
            (Delta::Citation(citation), Some(Open::Text)) => self.cite(citation, out),
            (Delta::Signature(signature), Some(Open::Text)) => self.sign(signature, out),
            (Delta::Signature(signature), Some(Open::Reasoning(_))) => {
                if let Some(Open::Reasoning(reasoning)) = self.open.get_mut(&block) {
                    let before = reasoning.kept_bytes();
                    reasoning.sign(signature.clone());
                    self.held.change(before, reasoning.kept_bytes());
                }
            }
            _ => {}
        }
    }

    /// The message, which is begun where there is none.
    fn message(&mut self, out: &mut BytesMut) -> &mut Message {
        if self.message.is_none() {
            let (index, id) = (self.index(), self.ids.next("msg"));
            self.added(index, &output::message(&id, "in_progress", Vec::new()), out);
            self.held.opened(0);
            return self.message.insert(Message::new(index, id));
        }
        self.message.get_or_insert_with(|| Message::new(0, String::new()))
    }

    fn text(&mut self, text: &str, logprobs: Option<&str>, out: &mut BytesMut) {
        if !text.is_empty() || logprobs.is_some() {
            self.message(out);
            if let Some(message) = &mut self.message {
                let before = message.kept_bytes();
                message.text(text, logprobs, &mut self.out, out);
                self.held.change(before, message.kept_bytes());
            }
        }
    }

    fn refuse(&mut self, text: &str, out: &mut BytesMut) {
        if !text.is_empty() {
            self.refused = true;
            self.message(out);
            if let Some(message) = &mut self.message {
                message.refuse(text, &mut self.out, out);
                self.held.change(0, text.len());
            }
        }
    }

    fn cite(&mut self, citation: &Citation, out: &mut BytesMut) {
        self.message(out).cite(citation.clone());
    }

    /// Puts a signature behind the message, or writes it at once where there is none.
    fn sign(&mut self, signature: &Signature, out: &mut BytesMut) {
        let carried = carried::text(signature);
        match &mut self.message {
            Some(message) => {
                self.held.change(0, carried.len());
                message.sign(carried);
            }
            None => self.carry(carried, out),
        }
    }

    fn think(&mut self, block: u32, part: u32, text: &str, out: &mut BytesMut) {
        let Some(Open::Reasoning(reasoning)) = self.open.get_mut(&block).filter(|_| !text.is_empty()) else { return };
        let mut reasoning = std::mem::take(reasoning);
        self.show(&mut reasoning, out);
        reasoning.think(part, text, &mut self.out, out);
        self.held.change(0, text.len());
        self.open.insert(block, Open::Reasoning(reasoning));
    }

    /// Begins the item of thinking where it has not begun.
    fn show(&mut self, reasoning: &mut Reasoning, out: &mut BytesMut) {
        if !reasoning.is_shown() {
            let (index, id) = (self.index(), self.ids.next("rs"));
            self.added(index, &output::reasoning(&id, &[], None), out);
            reasoning.show(index, id);
        }
    }

    /// Ends thinking. Thinking without text and signature has no item.
    fn thought(&mut self, mut reasoning: Reasoning, out: &mut BytesMut) {
        if reasoning.has_something_to_show() {
            self.show(&mut reasoning, out);
            let (index, item) = reasoning.end(&mut self.out, out);
            self.whole(index, item, out);
        }
    }

    /// Begins a call.
    fn call(&mut self, call: &ToolCall, out: &mut BytesMut) -> Call {
        if let Some(signature) = &call.signature {
            self.carry(carried::call(signature), out);
        }
        let kind = CallKind::of(call, &self.names);
        let (index, id) = (self.index(), self.ids.next(kind.prefix()));
        let item = kind.item(&id, "in_progress", call, "", &self.names);
        self.added(index, &item, out);
        Call::new(index, id, kind, call)
    }

    fn argue(&mut self, block: u32, text: &str, out: &mut BytesMut) {
        if let Some(Open::Call(call)) = self.open.get_mut(&block).filter(|_| !text.is_empty()) {
            call.argue(text, &mut self.out, out);
            self.held.change(0, text.len());
        }
    }

    /// Ends a call.
    fn called(&mut self, call: Call, status: Status<'_>, out: &mut BytesMut) {
        self.held.close(call.kept_bytes());
        let (index, item) = call.end(status.word(), &self.names, &mut self.out, out);
        self.whole(index, item, out);
    }

    fn picture(&mut self, image: &Image, out: &mut BytesMut) {
        let id = self.ids.next("ig");
        if let Some(item) = output::picture(&id, image) {
            self.at_once(item, out);
        }
    }

    fn stop(&mut self, block: u32, out: &mut BytesMut) {
        match self.open.remove(&block) {
            Some(Open::Text) => {
                self.held.close(0);
                if let Some(message) = &mut self.message {
                    message.next_text();
                }
            }
            Some(Open::Call(call)) => {
                self.close(Status::Completed, out);
                self.stopped = Some(call);
            }
            Some(open @ Open::Reasoning(_)) => {
                self.held.close(open.kept_bytes());
                if let Open::Reasoning(reasoning) = open {
                    self.thought(reasoning, out);
                }
            }
            Some(Open::Refusal | Open::Other) => self.held.close(0),
            None => {}
        }
    }

    fn done(&mut self, out: &mut BytesMut) {
        self.begin("", "", out);
        let status = Status::of(self.finish.as_ref(), self.refused);
        // Blocks that the provider did not end are whole all the same.
        let open: Vec<u32> = self.open.keys().copied().collect();
        open.into_iter().for_each(|block| self.stop(block, out));
        self.close(status, out);
        self.end(status, out);
    }

    fn end(&mut self, status: Status<'_>, out: &mut BytesMut) {
        let items: Vec<Value> = std::mem::take(&mut self.items).into_values().collect();
        self.items_bytes = 0;
        if let Some(response) = &self.response {
            let object = response.object(status, items.into(), self.usage.as_ref());
            self.out.write(&format!("response.{}", status.word()), json!({"response": object}), out);
        }
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
            // A client of Responses gets one answer.
            Event::BlockStart { choice: 0, block, head } => self.start(*block, head, out),
            Event::Delta { choice: 0, block, delta } => self.delta(*block, delta, out),
            Event::BlockStop { choice: 0, block } => self.stop(*block, out),
            Event::Finish { choice: 0, finish } => self.finish = Some(finish.clone()),
            Event::BlockStart { .. } | Event::Delta { .. } | Event::BlockStop { .. } | Event::Finish { .. } => {}
            Event::Usage(reported) => self.usage = Some(reported.clone()),
            Event::Ping => {}
            Event::Done => self.done(out),
        }
    }

    fn broke(&mut self, error: &PublicError<'_>, out: &mut BytesMut) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        let response = self.response.take().unwrap_or_else(|| Response::new("", "", &self.context, &self.repeated));
        let items: Vec<Value> = std::mem::take(&mut self.items).into_values().collect();
        let status = Status::Failed(error.code, error.message);
        let object = response.object(status, items.into(), self.usage.as_ref());
        failure::broke(error, object, &mut self.out, out);
    }

    fn held_bytes(&self) -> usize {
        let usage = self.usage.as_ref().map_or(0, |usage| usage.raw.len());
        let response = self.response.as_ref().map_or(0, Response::held_bytes);
        self.held.bytes() + self.items_bytes + usage + response
    }
}
