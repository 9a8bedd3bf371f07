//! Events to chunks.

use bytes::{BufMut, BytesMut};
use serde_json::{Value, json};
use tt_core::Provider;
use tt_core::call::conversation::Signature;
use tt_core::call::event::Event;
use tt_core::call::reply::Finish;
use tt_core::usage::Usage;

use super::super::reply::{EncodeOptions, signed};
use super::super::{error, usage};
use crate::codec::{PublicError, StreamEncoder};

/// Writes a stream of `chat.completion.chunk` events, each with the same `id`, `created` and `model`.
#[derive(Debug)]
pub struct Encoder {
    options: EncodeOptions,
    /// `data: {…,"choices":[`, the same for all chunks; empty until the stream has begun.
    head: String,
    choices: Vec<ChoiceState>,
    usage: Option<Usage>,
    /// `[DONE]` or an error is written: nothing more may be.
    closed: bool,
}

#[derive(Debug)]
struct ChoiceState {
    index: u32,
    finished: bool,
    /// The thinking block being written: goes out again, whole, with its signature (S1).
    thinking: String,
    /// The calls begun: (number, is it a custom tool's).
    calls: Vec<(u32, bool)>,
}

impl Encoder {
    /// At the start of a stream.
    pub fn new(options: EncodeOptions) -> Self {
        Self { options, head: String::new(), choices: Vec::new(), usage: None, closed: false }
    }

    fn begin(&mut self, id: &str, model: &str) {
        if self.head.is_empty() {
            let id = Value::from(self.options.id(id));
            let (created, model) = (self.options.created, Value::from(self.options.model(model)));
            self.head = format!(
                r#"data: {{"id":{id},"object":"chat.completion.chunk","created":{created},"model":{model},"choices":["#
            );
        }
    }

    /// The state of an answer, after the chunk with its role where it is new.
    fn choice(&mut self, index: u32, out: &mut BytesMut) -> Option<&mut ChoiceState> {
        self.begin("", "");
        let at = match self.choices.iter().position(|choice| choice.index == index) {
            Some(at) => at,
            None => {
                self.choices.push(ChoiceState { index, finished: false, thinking: String::new(), calls: Vec::new() });
                self.chunk(out, index, None, |out| out.put_slice(br#""role":"assistant","content":"""#));
                self.choices.len() - 1
            }
        };
        self.choices.get_mut(at)
    }

    /// As [`Encoder::choice`]; `None` where the answer has ended: nothing may follow its finish chunk.
    fn open(&mut self, index: u32, out: &mut BytesMut) -> Option<&mut ChoiceState> {
        self.choice(index, out).filter(|choice| !choice.finished)
    }

    /// Writes one chunk whose delta holds what `delta` writes.
    fn chunk(&self, out: &mut BytesMut, choice: u32, finish: Option<&str>, delta: impl FnOnce(&mut BytesMut)) {
        out.put_slice(self.head.as_bytes());
        out.put_slice(br#"{"index":"#);
        write(out, &choice);
        out.put_slice(br#","delta":{"#);
        delta(out);
        out.put_slice(br#"},"logprobs":null,"finish_reason":"#);
        write(out, &finish);
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
                self.chunk(out, choice, None, |out| value(out, "function_call", &function));
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
        self.chunk(out, choice, None, |out| value(out, "tool_calls", &json!([tool])));
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
            write(out, &call);
            out.put_slice(b",\"");
            out.put_slice(object.as_bytes());
            out.put_slice(b"\":{");
            field(out, name, json);
            out.put_slice(b"}}]");
        });
    }

    fn finish(&mut self, choice: u32, reason: Finish, out: &mut BytesMut) {
        let Some(state) = self.open(choice, out) else { return };
        state.finished = true;
        self.chunk(out, choice, Some(self.options.finish(reason)), |_| {});
    }

    fn done(&mut self, out: &mut BytesMut) {
        // A client waits for the finish of every answer that began.
        let open: Vec<u32> = self.choices.iter().filter(|c| !c.finished).map(|c| c.index).collect();
        open.into_iter().for_each(|choice| self.finish(choice, Finish::Stop, out));
        if let (true, Some(usage)) = (self.options.include_usage, self.usage) {
            self.begin("", "");
            out.put_slice(self.head.as_bytes());
            out.put_slice(b"],");
            value(out, "usage", &usage::encode(&usage));
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
            Event::Text { choice, text, signature } => {
                let google = google(signature.as_ref());
                if !text.is_empty() || google.is_some() {
                    let Some(_) = self.open(*choice, out) else { return };
                    self.chunk(out, *choice, None, |out| {
                        field(out, "content", text);
                        if let Some(signature) = google {
                            out.put_slice(b",");
                            value(out, "extra_content", &signed(signature));
                        }
                    });
                }
            }
            Event::Thinking { choice, text } if !text.is_empty() => {
                let Some(state) = self.open(*choice, out) else { return };
                state.thinking.push_str(text);
                self.chunk(out, *choice, None, |out| field(out, "reasoning_content", text));
            }
            Event::Thinking { .. } => {}
            Event::ThinkingSigned { choice, signature } => {
                let Some(state) = self.open(*choice, out) else { return };
                let text = std::mem::take(&mut state.thinking);
                if signature.provider == Provider::Anthropic {
                    let block = json!([{"type": "thinking", "thinking": text, "signature": signature.value}]);
                    self.chunk(out, *choice, None, |out| value(out, "thinking_blocks", &block));
                }
            }
            Event::RedactedThinking { choice, data } => {
                let Some(_) = self.open(*choice, out) else { return };
                let block = json!([{"type": "redacted_thinking", "data": data}]);
                self.chunk(out, *choice, None, |out| value(out, "thinking_blocks", &block));
            }
            Event::ToolCall { choice, call, id, name, custom, signature } => {
                let Some(state) = self.open(*choice, out) else { return };
                state.calls.push((*call, *custom));
                self.tool_call(*choice, *call, (id, name), *custom, google(signature.as_ref()), out);
            }
            Event::ToolArguments { choice, call, json } if !json.is_empty() => {
                let Some(state) = self.open(*choice, out) else { return };
                let custom = state.calls.iter().any(|(known, custom)| known == call && *custom);
                self.tool_arguments(*choice, *call, custom, json, out);
            }
            Event::ToolArguments { .. } => {}
            Event::Refusal { choice, text } if !text.is_empty() => {
                let Some(_) = self.open(*choice, out) else { return };
                self.chunk(out, *choice, None, |out| field(out, "refusal", text));
            }
            Event::Refusal { .. } => {}
            Event::Finish { choice, reason } => self.finish(*choice, *reason, out),
            Event::Usage(reported) => self.usage = Some(reported.usage),
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
}

/// A signature that Google made: the only kind with a field of its own.
fn google(signature: Option<&Signature>) -> Option<&str> {
    signature.filter(|signature| signature.provider == Provider::Gemini).map(|signature| signature.value.as_str())
}

fn field(out: &mut BytesMut, name: &str, text: &str) {
    value(out, name, text);
}

fn value<T: serde::Serialize + ?Sized>(out: &mut BytesMut, name: &str, value: &T) {
    out.put_slice(b"\"");
    out.put_slice(name.as_bytes());
    out.put_slice(b"\":");
    write(out, value);
}

/// Writing text, numbers and values to memory does not fail.
fn write<T: serde::Serialize + ?Sized>(out: &mut BytesMut, value: &T) {
    let written = serde_json::to_writer(out.writer(), value);
    debug_assert!(written.is_ok(), "{written:?}");
}
