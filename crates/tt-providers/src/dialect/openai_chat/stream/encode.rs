//! Encodes neutral events as chunks.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use bytes::{BufMut, BytesMut};
use serde_json::{Value, json};
use tt_core::Provider;
use tt_core::call::citation::Citation;
use tt_core::call::event::{Delta, Event};
use tt_core::call::finish::Finish;
use tt_core::call::origin::Signature;
use tt_core::call::part::{Image, Part};
use tt_core::usage::Usage;

use super::super::reply::{EncodeOptions, native, picture, signed};
use super::super::text_signatures::Signed;
use super::super::{citation, usage};
use crate::codec::{PublicError, StreamEncoder};
use crate::dialect::held::Held;
use crate::dialect::openai_error as error;
use crate::dialect::order::Places;
use crate::dialect::service_tier;
use crate::dialect::short_name::short_name;
use crate::dialect::signatures::made_by;
use crate::json;

/// Writes a stream of `chat.completion.chunk` events, each with the same `id`, `created` and `model`.
#[derive(Debug)]
pub struct Encoder {
    options: EncodeOptions,
    /// `data: {…,"choices":[`, the same for all chunks; empty until the stream has begun.
    head: String,
    choices: BTreeMap<u32, ChoiceState>,
    /// The number of the open blocks of all choices, and the bytes that are kept of them.
    held: Held,
    usage: Option<Usage>,
    /// The tier that the provider says it processed the request in.
    service_tier: Option<&'static str>,
    /// True once `[DONE]` or an error has been written, after which nothing may follow.
    closed: bool,
}

#[derive(Debug, Default)]
struct ChoiceState {
    finished: bool,
    /// The blocks that have begun and not stopped, by their number.
    open: BTreeMap<u32, Open>,
    /// The number of calls that have begun, which is the index of the next one.
    calls: u32,
    /// The places of thinking among what has been written.
    places: Places,
    /// The text so far: its bytes and its characters.
    text: (u64, u64),
    /// Google's signatures of texts. They are written once, at the end: the official SDKs join the strings of all chunks, so
    /// two signatures would become one that is false.
    signed: Signed,
    /// The annotations. They are written once too, since the SDKs merge lists by an index that annotations do not have.
    annotations: Vec<Value>,
    /// The number of pictures so far.
    images: usize,
}

/// The state of an open block.
#[derive(Debug)]
enum Open {
    /// A refusal, or a block that chunks have no field for.
    Plain,
    /// Text: the bytes and the characters before it, and its citations, whose places are known when it ends.
    Text { before: (u64, u64), citations: Vec<Citation> },
    /// Thinking. Its text is kept, since it is written again as a whole with its signature. `part` is the number of the
    /// summary paragraph that was written last.
    Thinking { text: String, part: Option<u32> },
    /// A call, with its index among the calls.
    Call { call: u32, custom: bool },
}

impl Open {
    /// The length of the text that is kept, in bytes.
    fn kept_bytes(&self) -> usize {
        match self {
            Self::Thinking { text, .. } => text.len(),
            Self::Text { citations, .. } => citations.iter().map(Citation::held_bytes).sum(),
            Self::Plain | Self::Call { .. } => 0,
        }
    }
}

impl Encoder {
    /// An encoder at the start of a stream.
    pub fn new(options: EncodeOptions) -> Self {
        Self {
            options,
            head: String::new(),
            choices: BTreeMap::new(),
            held: Held::default(),
            usage: None,
            service_tier: None,
            closed: false,
        }
    }

    fn begin(&mut self, id: &str, model: &str) {
        if self.head.is_empty() {
            // Each chunk repeats them.
            let id = Value::from(short_name(self.options.id(id)));
            let (created, model) =
                (self.options.created, Value::from(short_name(self.options.model(model).to_owned())));
            self.head = format!(
                r#"data: {{"id":{id},"object":"chat.completion.chunk","created":{created},"model":{model},"choices":["#
            );
        }
    }

    /// The state of a choice. For a new choice this writes the chunk with its role first.
    fn choice(&mut self, index: u32, out: &mut BytesMut) -> Option<&mut ChoiceState> {
        self.begin("", "");
        if let Entry::Vacant(new) = self.choices.entry(index) {
            new.insert(ChoiceState::default());
            self.chunk(out, index, None, |out| out.put_slice(br#""role":"assistant","content":"""#));
        }
        self.choices.get_mut(&index)
    }

    /// As [`Encoder::choice`]; `None` if the choice has ended, since no chunk may follow its finish chunk.
    fn open(&mut self, index: u32, out: &mut BytesMut) -> Option<&mut ChoiceState> {
        self.choice(index, out).filter(|choice| !choice.finished)
    }

    /// Writes one chunk. `delta` writes the fields of its delta.
    fn chunk(&self, out: &mut BytesMut, choice: u32, finish: Option<&Finish>, delta: impl FnOnce(&mut BytesMut)) {
        self.scored(out, choice, None, finish, delta);
    }

    /// As [`Encoder::chunk`], with the log probabilities of its text, the JSON text of a list.
    fn scored(
        &self,
        out: &mut BytesMut,
        choice: u32,
        logprobs: Option<&str>,
        finish: Option<&Finish>,
        delta: impl FnOnce(&mut BytesMut),
    ) {
        out.put_slice(self.head.as_bytes());
        out.put_slice(br#"{"index":"#);
        json::write(&choice, out);
        out.put_slice(br#","delta":{"#);
        delta(out);
        out.put_slice(br#"},"logprobs":"#);
        match logprobs {
            Some(list) => {
                out.put_slice(br#"{"content":"#);
                out.put_slice(list.as_bytes());
                out.put_slice(br#","refusal":null}"#);
            }
            None => out.put_slice(b"null"),
        }
        out.put_slice(br#","finish_reason":"#);
        json::write(&finish.map(|finish| self.options.finish(finish.reason)), out);
        if let Some(word) = finish.and_then(native) {
            out.put_slice(br#","native_finish_reason":"#);
            json::write(&word, out);
        }
        out.put_slice(if self.options.include_usage { b"}],\"usage\":null}\n\n" } else { b"}]}\n\n" });
    }

    fn tool_call(
        &self,
        choice: u32,
        call: u32,
        (id, name): (&str, &str),
        custom: bool,
        signature: Option<&str>,
        out: &mut BytesMut,
    ) {
        if self.options.legacy_functions {
            if call == 0 {
                let function = json!({"name": name, "arguments": ""});
                self.chunk(out, choice, None, |out| field(out, "function_call", &function));
            }
            return;
        }
        let mut tool = if custom {
            json!({"index": call, "id": id, "type": "custom", "custom": {"name": name, "input": ""}})
        } else {
            json!({"index": call, "id": id, "type": "function", "function": {"name": name, "arguments": ""}})
        };
        if let Some(signature) = signature {
            tool["extra_content"] = signed(signature);
        }
        self.chunk(out, choice, None, |out| field(out, "tool_calls", &json!([tool])));
    }

    fn tool_arguments(&self, choice: u32, call: u32, custom: bool, json: &str, out: &mut BytesMut) {
        if self.options.legacy_functions {
            if call == 0 {
                self.chunk(out, choice, None, |out| {
                    out.put_slice(br#""function_call":{"#);
                    field(out, "arguments", json);
                    out.put_slice(b"}");
                });
            }
            return;
        }
        let (object, name) = if custom { ("custom", "input") } else { ("function", "arguments") };
        self.chunk(out, choice, None, |out| {
            out.put_slice(br#""tool_calls":[{"index":"#);
            json::write(&call, out);
            out.put_slice(b",\"");
            out.put_slice(object.as_bytes());
            out.put_slice(b"\":{");
            field(out, name, json);
            out.put_slice(b"}}]");
        });
    }

    fn block_start(&mut self, choice: u32, block: u32, head: &Part, out: &mut BytesMut) {
        let Some(state) = self.open(choice, out) else { return };
        let open = match head {
            Part::Thinking(_) => Open::Thinking { text: String::new(), part: None },
            Part::Text(text) => Open::Text { before: state.text, citations: text.citations.clone() },
            Part::ToolCall(tool) => {
                let call = state.calls;
                state.calls = call.saturating_add(1);
                state.places.call();
                Open::Call { call, custom: tool.custom }
            }
            _ => Open::Plain,
        };
        let number = if let Open::Call { call, .. } = open { call } else { 0 };
        if let Some(replaced) = state.open.insert(block, open) {
            self.held.close(replaced.kept_bytes());
        }
        let kept = self.block(choice, block).map_or(0, |open| open.kept_bytes());
        self.held.opened(kept);
        match head {
            Part::Text(head) => {
                self.text(choice, &head.text, None, out);
                self.sign(choice, block, head.signature.as_ref());
            }
            Part::Image(image) => self.image(choice, image, out),
            Part::Refusal { text } => self.refusal(choice, text, out),
            Part::Thinking(head) => {
                head.texts().for_each(|text| self.thinking(choice, block, text, out));
                if let Some(signature) = &head.signature {
                    self.signature(choice, block, signature, out);
                }
            }
            Part::Redacted { data, of } if of.provider == Provider::Anthropic => {
                self.thinking_block(choice, json!({"type": "redacted_thinking", "data": data}), out);
            }
            Part::ToolCall(tool) => {
                let signature = made_by(Provider::Gemini, tool.signature.as_ref());
                self.tool_call(choice, number, (&tool.id, &tool.name), tool.custom, signature, out);
                if !tool.arguments.is_empty() {
                    self.tool_arguments(choice, number, tool.custom, &tool.arguments, out);
                }
            }
            Part::Audio(_) | Part::Video(_) | Part::Document(_) => {
                tracing::warn!("a Chat Completions stream has no field for sound and files: they are left out");
            }
            Part::Redacted { .. } | Part::ToolResult(_) | Part::Opaque(_) | Part::WebSearch { .. } => {}
        }
    }

    fn delta(&mut self, choice: u32, block: u32, delta: &Delta, out: &mut BytesMut) {
        if self.open(choice, out).is_none() {
            return;
        }
        match delta {
            Delta::Text { text, logprobs } => self.text(choice, text, logprobs.as_deref(), out),
            Delta::Refusal(text) => self.refusal(choice, text, out),
            Delta::Thinking(text) => self.thinking(choice, block, text, out),
            Delta::Summary { part, text } => {
                // The parts of a summary are paragraphs.
                if let Some(Open::Thinking { part: last, .. }) = self.block(choice, block)
                    && last.replace(*part).is_some_and(|last| last != *part)
                {
                    self.thinking(choice, block, "\n\n", out);
                }
                self.thinking(choice, block, text, out);
            }
            Delta::Signature(signature) => self.signature(choice, block, signature, out),
            Delta::Arguments(text) if !text.is_empty() => {
                if let Some(Open::Call { call, custom }) = self.block(choice, block) {
                    let (call, custom) = (*call, *custom);
                    self.tool_arguments(choice, call, custom, text, out);
                }
            }
            Delta::Citation(citation) => {
                if let Some(Open::Text { citations, .. }) = self.block(choice, block) {
                    citations.push(Citation::clone(citation));
                    self.held.change(0, citation.held_bytes());
                }
            }
            // Chunks have no field for sound and opaque blocks.
            Delta::Arguments(_) | Delta::Bytes(_) | Delta::Raw(_) => {}
        }
    }

    /// The state of an open block; `None` if it is not open.
    fn block(&mut self, choice: u32, block: u32) -> Option<&mut Open> {
        self.choices.get_mut(&choice)?.open.get_mut(&block)
    }

    fn text(&mut self, choice: u32, text: &str, logprobs: Option<&str>, out: &mut BytesMut) {
        if text.is_empty() && logprobs.is_none() {
            return;
        }
        if let Some(state) = self.choices.get_mut(&choice) {
            state.places.text(text.len());
            state.text.0 += text.len() as u64;
            state.text.1 += text.chars().count() as u64;
        }
        self.scored(out, choice, logprobs, None, |out| field(out, "content", text));
    }

    /// Keeps a signature of Google over an open text for the end of the choice.
    fn sign(&mut self, choice: u32, block: u32, signature: Option<&Signature>) {
        let Some(signature) = made_by(Provider::Gemini, signature) else { return };
        let Some(state) = self.choices.get_mut(&choice) else { return };
        let Some(Open::Text { before: (begin, _), .. }) = state.open.get(&block) else { return };
        let before = state.signed.held_bytes();
        state.signed.add(*begin, state.text.0, signature);
        self.held.change(before, state.signed.held_bytes());
    }

    /// Writes a picture.
    fn image(&mut self, choice: u32, image: &Image, out: &mut BytesMut) {
        let Some(state) = self.choices.get_mut(&choice) else { return };
        if let Some(image) = picture(image, state.images) {
            state.images += 1;
            self.chunk(out, choice, None, |out| field(out, "images", &[image]));
        }
    }

    fn block_stop(&mut self, choice: u32, block: u32) {
        let Some(state) = self.choices.get_mut(&choice) else { return };
        let Some(open) = state.open.remove(&block) else { return };
        self.held.close(open.kept_bytes());
        if let Open::Text { before: (_, begin), citations } = open {
            let place = (begin, state.text.1 - begin);
            let annotations = citations.iter().filter_map(|citation| citation::write(citation, place));
            for annotation in annotations {
                self.held.change(0, json::memory(&annotation));
                state.annotations.push(annotation);
            }
        }
    }

    fn refusal(&self, choice: u32, text: &str, out: &mut BytesMut) {
        if !text.is_empty() {
            self.chunk(out, choice, None, |out| field(out, "refusal", text));
        }
    }

    fn thinking(&mut self, choice: u32, block: u32, text: &str, out: &mut BytesMut) {
        if text.is_empty() {
            return;
        }
        if let Some(Open::Thinking { text: whole, .. }) = self.block(choice, block) {
            whole.push_str(text);
            self.held.change(0, text.len());
        }
        self.chunk(out, choice, None, |out| field(out, "reasoning_content", text));
    }

    /// Writes a whole block of thinking, with its place.
    fn thinking_block(&mut self, choice: u32, block: Value, out: &mut BytesMut) {
        let Some(state) = self.choices.get_mut(&choice) else { return };
        let block = [state.places.thinking().write(block)];
        self.chunk(out, choice, None, |out| field(out, "thinking_blocks", &block));
    }

    /// Takes a signature. Thinking that Anthropic signed is written again as a whole block; a signature of Google is kept
    /// for the end of the choice.
    fn signature(&mut self, choice: u32, block: u32, signature: &Signature, out: &mut BytesMut) {
        match self.block(choice, block) {
            Some(Open::Thinking { text, .. }) => {
                let text = std::mem::take(text);
                self.held.change(text.len(), 0);
                if let Some(signature) = made_by(Provider::Anthropic, Some(signature)) {
                    let block = json!({"type": "thinking", "thinking": text, "signature": signature});
                    self.thinking_block(choice, block, out);
                }
            }
            Some(Open::Text { .. }) => self.sign(choice, block, Some(signature)),
            Some(Open::Plain | Open::Call { .. }) | None => {}
        }
    }

    fn finish(&mut self, choice: u32, finish: &Finish, out: &mut BytesMut) {
        let Some(state) = self.open(choice, out) else { return };
        // A text that did not stop is whole all the same.
        let open: Vec<u32> = state.open.keys().copied().collect();
        open.into_iter().for_each(|block| self.block_stop(choice, block));
        let Some(state) = self.choices.get_mut(&choice) else { return };
        state.finished = true;
        let (signed, annotations) = (std::mem::take(&mut state.signed), std::mem::take(&mut state.annotations));
        let signatures = signed.extra_content(state.text.0);
        self.held.change(signed.held_bytes() + annotations.iter().map(json::memory).sum::<usize>(), 0);
        if !annotations.is_empty() {
            self.chunk(out, choice, None, |out| field(out, "annotations", &annotations));
        }
        if let Some(signatures) = signatures {
            self.chunk(out, choice, None, |out| {
                field(out, "content", "");
                out.put_slice(b",");
                field(out, "extra_content", &signatures);
            });
        }
        self.chunk(out, choice, Some(finish), |_| {});
    }

    fn done(&mut self, out: &mut BytesMut) {
        // A client waits for the finish chunk of every choice that began.
        let open: Vec<u32> =
            self.choices.iter().filter(|(_, choice)| !choice.finished).map(|(index, _)| *index).collect();
        open.into_iter().for_each(|choice| self.finish(choice, &Finish::default(), out));
        if let (true, Some(usage)) = (self.options.include_usage, self.usage) {
            self.begin("", "");
            out.put_slice(self.head.as_bytes());
            out.put_slice(b"],");
            field(out, "usage", &usage::encode(&usage));
            if let Some(tier) = self.service_tier.filter(|_| self.options.service_tier) {
                out.put_slice(b",");
                field(out, "service_tier", tier);
            }
            out.put_slice(b"}\n\n");
        }
        out.put_slice(b"data: [DONE]\n\n");
        self.closed = true;
    }
}

impl StreamEncoder for Encoder {
    fn event(&mut self, event: &Event, out: &mut BytesMut) {
        if self.closed {
            return;
        }
        match event {
            Event::Start { id, model, .. } => {
                self.begin(id, model);
                self.choice(0, out);
            }
            Event::BlockStart { choice, block, head } => self.block_start(*choice, *block, head, out),
            Event::Delta { choice, block, delta } => self.delta(*choice, *block, delta, out),
            Event::BlockStop { choice, block } => self.block_stop(*choice, *block),
            Event::Finish { choice, finish } => self.finish(*choice, finish, out),
            Event::Usage(reported) => {
                self.usage = Some(reported.usage);
                self.service_tier = reported.service_tier.as_deref().map(service_tier::of_openai).or(self.service_tier);
            }
            Event::Ping => {}
            Event::Done => self.done(out),
        }
    }

    fn broke(&mut self, error: &PublicError<'_>, out: &mut BytesMut) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        error::event(error, out);
    }

    fn held_bytes(&self) -> usize {
        self.held.bytes() + self.choices.len() * size_of::<ChoiceState>() + self.head.len()
    }
}

/// Writes a field of an object.
fn field<T: serde::Serialize + ?Sized>(out: &mut BytesMut, name: &str, value: &T) {
    out.put_slice(b"\"");
    out.put_slice(name.as_bytes());
    out.put_slice(b"\":");
    json::write(value, out);
}
