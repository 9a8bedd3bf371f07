//! Watches an answer that passes through, and takes note of its usage, its model, its finish reason and enough of its
//! text.

use std::collections::BTreeSet;

use bytes::BytesMut;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::reply::MOST_CHOICES;
use super::wire::{self, Chunk};
use super::{reply_text, usage};
use crate::codec::{self, PublicError, ReplyFacts};
use crate::dialect::body::JsonText;
use crate::dialect::last_usage::LastUsage;
use crate::dialect::openai_error as error;
use crate::dialect::template::{Template, Value, only_text};
use crate::dialect::text::Loose;
use crate::json::{quickly, read_members};
use crate::tally::Tally;
use crate::upstream::error::{Refused, UpstreamError, json_error};

/// Watches a stream on its way to a client of the same dialect.
#[derive(Debug)]
pub struct StreamObserver {
    observer: Observer,
    /// True if the client asked for the usage chunk.
    usage_wanted: bool,
}

impl StreamObserver {
    /// An observer at the start of a stream.
    pub fn new(usage_wanted: bool) -> Self {
        Self { observer: Observer::new(), usage_wanted }
    }
}

impl codec::Observer for StreamObserver {
    fn data(&mut self, data: &[u8]) -> Result<codec::Seen, UpstreamError> {
        let noted = self.observer.observe(data);
        if let Some(refused) = noted.error {
            return Err(UpstreamError::Refused(Box::new(refused)));
        }
        if noted.unreadable {
            return Err(UpstreamError::Protocol("an event of the stream cannot be read".to_owned()));
        }
        Ok(codec::Seen {
            content: noted.content || noted.finish,
            done: noted.done,
            unwanted: noted.usage_only && !self.usage_wanted,
        })
    }

    /// Some hosts leave out `[DONE]`, and the usage that was asked for. A stream whose choices have all ended with a finish
    /// reason is whole without them.
    fn body_ended(&mut self) -> Result<(), UpstreamError> {
        if self.observer.tally().finished && self.observer.open_choices.is_empty() {
            Ok(())
        } else {
            Err(UpstreamError::Protocol("the stream ended early".to_owned()))
        }
    }

    fn end(&mut self, out: &mut BytesMut) {
        out.extend_from_slice(b"data: [DONE]\n\n");
    }

    fn broke(&mut self, error: &PublicError<'_>, out: &mut BytesMut) {
        error::event(error, out);
    }

    fn tally(&mut self) -> &Tally {
        self.observer.tally()
    }

    fn held_bytes(&self) -> usize {
        self.observer.held_bytes()
    }
}

/// The contents of one event of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Noted {
    /// Text, thinking, a refusal, a tool call or sound. Once the client has been sent it, no other target may answer.
    pub content: bool,
    /// A finish reason, and no content.
    pub finish: bool,
    /// The end mark `[DONE]`.
    pub done: bool,
    /// Usage and nothing else: `choices` is empty and `usage` is an object. The event is left out where the client did
    /// not ask for it (`MAPPING.md`, Usage in streams of OpenAI).
    pub usage_only: bool,
    /// An error of the provider.
    pub error: Option<Refused>,
    /// Data that is no JSON, or no chunk.
    pub unreadable: bool,
}

/// Watches a stream.
#[derive(Debug, Default)]
pub struct Observer {
    tally: Tally,
    /// Some hosts send a usage object with every chunk.
    usage: LastUsage,
    service_tier: Option<String>,
    /// The choices that have begun and not ended, by their indexes; at most [`MOST_CHOICES`].
    open_choices: BTreeSet<u32>,
    template: Template,
}

impl Observer {
    /// An observer at the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes note of one event's data ([`crate::sse::Frame::data`]). The data of a comment is empty and ignored.
    pub fn observe(&mut self, data: &[u8]) -> Noted {
        let data = data.trim_ascii();
        if data.is_empty() {
            return Noted::default();
        }
        if data == wire::DONE {
            self.tally.done = true;
            return Noted { done: true, ..Noted::default() };
        }
        if let Some(found) = self.template.read(data) {
            self.tally.text(&found.text);
            self.usage.keep(found.counts);
            return Noted { content: true, ..Noted::default() };
        }
        self.template.forget();
        let Ok(chunk) = Chunk::read(data) else {
            return Noted { unreadable: true, ..Noted::default() };
        };
        let seen = self.chunk(&chunk);
        self.learn(data, &chunk);
        seen
    }

    /// Keeps `data`, read as `chunk`, if it brings only a piece of text of one choice, and usage at most.
    fn learn(&mut self, data: &[u8], chunk: &Chunk<'_>) {
        let choice = match chunk.choices.as_deref() {
            Some([choice]) if chunk.error.is_none() && !choice.finish_reason.is_filled() => choice,
            _ => return,
        };
        let text = choice.delta.as_ref().and_then(|delta| only_text(delta.texts()));
        let padding = chunk.obfuscation.borrowed().map(Value::Padding);
        self.template.learn(data, text, padding.into_iter().chain(usage_object(chunk).map(Value::Counts)));
    }

    fn chunk(&mut self, chunk: &Chunk<'_>) -> Noted {
        let mut seen = Noted { error: chunk.error.map(|raw| error::in_stream(&json(raw.get()))), ..Noted::default() };
        let (model, tier) = (chunk.model.as_str(), chunk.service_tier.as_str());
        if !model.is_empty() && self.tally.served_model.as_deref() != Some(model) {
            self.tally.model(model);
        }
        if !tier.is_empty() && self.service_tier.as_deref() != Some(tier) {
            self.service_tier = Some(tier.to_owned());
        }
        let choices = chunk.choices.as_deref().unwrap_or_default();
        for choice in choices {
            if let Some(delta) = &choice.delta {
                seen.content |= delta.is_content();
                delta.texts().for_each(|text| self.tally.text(text.as_str()));
            }
            let finish = wire::finish(choice.finish_reason.as_str()).is_some();
            if finish {
                self.open_choices.remove(&choice.index);
            } else if self.open_choices.len() < MOST_CHOICES {
                self.open_choices.insert(choice.index);
            }
            seen.finish |= finish;
        }
        self.tally.finished |= seen.finish;
        let usage = usage_object(chunk);
        self.usage.keep(usage.map(str::as_bytes));
        seen.usage_only = usage.is_some() && choices.is_empty() && seen.error.is_none();
        seen
    }

    /// The memory, in bytes, that is kept between events.
    pub fn held_bytes(&self) -> usize {
        let tier = self.service_tier.as_ref().map_or(0, String::len);
        self.tally.held_bytes() + self.usage.held_bytes() + tier + self.template.held_bytes()
    }

    /// The account so far.
    pub fn tally(&mut self) -> &Tally {
        if let Some(raw) = self.usage.take() {
            let decoded = usage::decode(&raw, self.service_tier.as_deref());
            self.tally.usage = decoded.or(self.tally.usage.take());
        }
        &self.tally
    }
}

fn usage_object<'a>(chunk: &Chunk<'a>) -> Option<&'a str> {
    chunk.usage.map(RawValue::get).filter(|raw| raw.starts_with('{'))
}

/// Reads a whole answer with a success status.
///
/// # Errors
/// `Refused` when it is an error object all the same; `Protocol` when it is not a `chat.completion` with choices.
pub fn observe_reply(body: &[u8]) -> Result<ReplyFacts, UpstreamError> {
    let unreadable = |e| UpstreamError::Protocol(format!("not a chat completion: {}", json_error(&e)));
    // Nearly every answer can be read quickly.
    let wire = match simdutf8::basic::from_utf8(body).ok().and_then(quickly) {
        Some(wire) => wire,
        None => crate::json::borrowed::<Wire<'_>>(body).map_err(unreadable)?,
    };
    let list = |choices: &JsonText<'_>| choices.get().starts_with('[');
    let Some(choices) = wire.choices.filter(list).filter(|_| matches!(wire.object.as_str(), "" | "chat.completion"))
    else {
        return Err(match wire.error {
            Some(raw) => UpstreamError::Refused(Box::new(error::in_stream(&json(raw.get())))),
            None => UpstreamError::Protocol("not a chat completion: it has no choices".into()),
        });
    };
    let tier = Some(wire.service_tier.as_str()).filter(|tier| !tier.is_empty());
    let usage = wire.usage.and_then(|told| told.decode(tier));
    Ok(ReplyFacts::new(usage, wire.model.as_str(), || reply_text::count(choices.get())))
}

#[derive(Debug, Deserialize, Default)]
#[serde(default)]
struct Wire<'a> {
    #[serde(borrow)]
    object: Loose<'a>,
    #[serde(borrow)]
    model: Loose<'a>,
    #[serde(borrow)]
    choices: Option<JsonText<'a>>,
    #[serde(borrow)]
    usage: Option<usage::Told<'a>>,
    #[serde(borrow)]
    service_tier: Loose<'a>,
    #[serde(borrow)]
    error: Option<JsonText<'a>>,
}

read_members!(Wire<'a> {
    "object" => object,
    "model" => model,
    "choices" => choices,
    "usage" => usage,
    "service_tier" => service_tier,
    "error" => error,
});

fn json(raw: &str) -> serde_json::Value {
    crate::json::value(raw.as_bytes()).unwrap_or_default()
}

#[cfg(test)]
mod comparison;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seen(data: &str) -> Noted {
        Observer::new().observe(data.as_bytes())
    }

    #[test]
    fn only_an_empty_chunk_with_a_usage_object_is_usage_only() {
        assert!(seen(r#"{"choices":[],"usage":{"prompt_tokens":1}}"#).usage_only);
        for other in [
            r#"{"choices":[],"usage":null}"#,
            r#"{"choices":[],"prompt_filter_results":[]}"#,
            r#"[]"#,
            r#"{"choices":[],"moderation":{}}"#,
            r#"{"choices":[{"index":0,"delta":{"content":"x"}}],"usage":{"prompt_tokens":1}}"#,
        ] {
            assert!(!seen(other).usage_only, "{other}");
        }
    }

    #[test]
    fn content_is_what_a_client_would_show() {
        for delta in [
            r#"{"content":"x"}"#,
            r#"{"refusal":"x"}"#,
            r#"{"reasoning_content":"x"}"#,
            r#"{"reasoning":"x"}"#,
            r#"{"tool_calls":[{"index":0}]}"#,
            r#"{"function_call":{"name":"f"}}"#,
            r#"{"audio":{"data":"x"}}"#,
            r#"{"content":[{"type":"text"}]}"#,
        ] {
            assert!(seen(&format!(r#"{{"choices":[{{"index":0,"delta":{delta}}}]}}"#)).content, "{delta}");
        }
        for delta in [r#"{"role":"assistant","content":""}"#, r#"{"content":null}"#, "{}", r#"{"tool_calls":[]}"#] {
            assert!(!seen(&format!(r#"{{"choices":[{{"index":0,"delta":{delta}}}]}}"#)).content, "{delta}");
        }
        assert!(!seen(r#"{"choices":[{"index":0}]}"#).content);
    }

    #[test]
    fn finish_done_error_and_noise_are_told_apart() {
        assert!(seen(r#"{"choices":[{"delta":{},"finish_reason":"odd"}]}"#).finish);
        assert!(seen(" [DONE] ").done);
        assert_eq!(seen(r#"{"error":{"message":"m","type":"server_error"}}"#).error.unwrap().status, 500);
        assert_eq!(seen(""), Noted::default());
        assert!(seen("{\"choices\":[").unreadable);
    }

    #[test]
    fn the_account_holds_text_model_and_the_last_usage() {
        let mut observer = Observer::new();
        for data in [
            r#"{"model":"","choices":[]}"#,
            r#"{"model":"m","service_tier":"flex","choices":[{"delta":{"content":"a\n"}}],"usage":{"prompt_tokens":9}}"#,
            r#"{"model":"m","choices":[{"delta":{"tool_calls":[{"function":{"name":"f","arguments":"{}"}}]}}]}"#,
            r#"{"model":"m","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":1}}"#,
        ] {
            observer.observe(data.as_bytes());
        }
        assert!(!observer.tally().finished);
        let tally = observer.tally().clone();
        let usage = tally.usage.unwrap();
        assert_eq!((usage.usage.input, usage.service_tier.as_deref()), (3, Some("flex")));
        assert_eq!((tally.output_text.as_str(), tally.served_model.as_deref()), ("a\nf{}", Some("m")));
    }

    proptest! {
        #[test]
        fn what_is_read_quickly_is_what_serde_reads(
            fields in prop::collection::vec((prop::sample::select(NAMES), prop::sample::select(VALUES)), 0..6),
        ) {
            let fields: Vec<String> = fields.iter().map(|(name, value)| format!(r#""{name}" : {value}"#)).collect();
            let body = format!("{{{}}}", fields.join(" ,"));
            if let Some(quick) = quickly::<Wire<'_>>(&body) {
                let read = serde_json::from_str::<Wire<'_>>(&body);
                let read = read.unwrap_or_else(|error| panic!("{body} was read, but {error}"));
                prop_assert_eq!(format!("{quick:?}"), format!("{read:?}"), "{}", body);
            }
        }
    }

    const NAMES: &[&str] = &["object", "model", "choices", "usage", "service_tier", "error", "id"];
    const VALUES: &[&str] =
        &["null", "7", "\"a\"", r#""\u0061\n""#, "\"\"", "[]", "[1]", "{}", r#"{"a":[1,"b"]}"#, "false"];

    #[test]
    fn a_plain_answer_without_usage_yields_its_text() {
        let facts = observe_reply(
            br#"{"object":"chat.completion","model":"m","choices":[{"index":0,"message":{"content":"hi"},"finish_reason":"stop"}]}"#,
        )
        .unwrap();
        assert_eq!((facts.usage, facts.output_text.as_str()), (None, "hi"));
    }

    #[test]
    fn what_is_no_chat_completion_is_a_protocol_error() {
        for body in ["", "[]", "{}", r#"{"object":"list","choices":[]}"#, "<html>", r#"{"choices":null}"#] {
            assert!(matches!(observe_reply(body.as_bytes()), Err(UpstreamError::Protocol(_))), "{body}");
        }
        let refused = observe_reply(br#"{"error":{"message":"m","code":429}}"#);
        assert!(matches!(refused, Err(UpstreamError::Refused(r)) if r.status == 429));
    }
}
