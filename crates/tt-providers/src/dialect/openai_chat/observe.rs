//! Watches an answer that passes through: usage, model, finish and enough of its text, beside the bytes that go on.

use serde::Deserialize;
use serde_json::value::RawValue;
use tt_core::call::conversation::Part;
use tt_core::call::reply::Finish;
use tt_core::usage::Reported;

use super::template::Template;
use super::text::Loose;
use super::wire::{self, Chunk};
use super::{error, reply, usage};
use crate::tally::Tally;
use crate::{ProviderError, Refused, Undo};

/// What one event of a stream held.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// Text, thinking, a refusal, a tool call or sound: from here on the target is committed.
    pub content: bool,
    /// A finish reason.
    pub finish: bool,
    /// `[DONE]`.
    pub done: bool,
    /// Nothing but usage: `choices` is empty and `usage` is an object (U12). Left out where the client did not ask.
    pub usage_only: bool,
    /// An error.
    pub error: Option<Refused>,
    /// Not JSON, or not a chunk.
    pub unreadable: bool,
}

/// Watches a stream.
#[derive(Debug, Default)]
pub struct Observer {
    tally: Tally,
    /// The last usage object as sent, not yet decoded: some hosts send one with every chunk.
    usage: Option<String>,
    service_tier: Option<String>,
    template: Template,
}

impl Observer {
    /// At the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes note of one event's data ([`crate::sse::Frame::data`]). A comment's empty data is nothing.
    pub fn observe(&mut self, data: &[u8]) -> Seen {
        let data = data.trim_ascii();
        if data.is_empty() {
            return Seen::default();
        }
        if data == wire::DONE {
            self.tally.done = true;
            return Seen { done: true, ..Seen::default() };
        }
        if let Some(text) = self.template.text(data) {
            self.tally.text(text);
            return Seen { content: true, ..Seen::default() };
        }
        let Ok(chunk) = Chunk::read(data) else {
            return Seen { unreadable: true, ..Seen::default() };
        };
        let seen = self.chunk(&chunk);
        self.template.learn(data, &chunk);
        seen
    }

    fn chunk(&mut self, chunk: &Chunk<'_>) -> Seen {
        let mut seen = Seen { error: chunk.error.map(|raw| error::in_stream(&json(raw))), ..Seen::default() };
        let (model, tier) = (chunk.model.as_str(), chunk.service_tier.as_str());
        if !model.is_empty() && self.tally.served_model.as_deref() != Some(model) {
            self.tally.model(model);
            // A chunk like it would have to say the old name again.
            self.template.forget();
        }
        if !tier.is_empty() && self.service_tier.as_deref() != Some(tier) {
            self.service_tier = Some(tier.to_owned());
            self.template.forget();
        }
        let choices = chunk.choices.as_deref().unwrap_or_default();
        for choice in choices {
            if let Some(delta) = &choice.delta {
                seen.content |= delta.is_content();
                self.delta(delta);
            }
            seen.finish |= wire::finish(choice.finish_reason.as_str()).is_some();
        }
        self.tally.finished |= seen.finish;
        if let Some(raw) = chunk.usage.map(RawValue::get).filter(|raw| raw.starts_with('{')) {
            let kept = self.usage.get_or_insert_default();
            kept.clear();
            kept.push_str(raw);
            seen.usage_only = choices.is_empty() && seen.error.is_none();
        }
        seen
    }

    fn delta(&mut self, delta: &wire::Delta<'_>) {
        for text in [&delta.reasoning_content, &delta.content, &delta.refusal] {
            self.tally.text(text.as_str());
        }
        let calls = delta.tool_calls.iter().flatten().flat_map(|call| [&call.function, &call.custom]);
        for function in calls.chain([&delta.function_call]).flatten() {
            self.tally.text(function.name.as_str());
            self.tally.text(function.arguments.as_str());
        }
    }

    /// The account so far.
    pub fn tally(&mut self) -> &Tally {
        if let Some(raw) = self.usage.take() {
            let decoded = usage::decode(&raw, self.service_tier.as_deref());
            self.tally.usage = decoded.or(self.tally.usage.take());
        }
        &self.tally
    }

    /// To be called at the end of the body.
    ///
    /// # Errors
    /// `Protocol` when the stream ended without `[DONE]` and before any finish reason (some hosts send no `[DONE]`).
    pub fn end(&self) -> Result<(), ProviderError> {
        if self.tally.done || self.tally.finished {
            Ok(())
        } else {
            Err(ProviderError::Protocol("the stream ended before its finish reason".into()))
        }
    }
}

/// What is kept of a plain answer that passes through.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReplyFacts {
    /// The provider's usage; `None`: it sent none.
    pub usage: Option<Reported>,
    /// The model it says answered.
    pub model: Option<String>,
    /// Why the first answer ended.
    pub finish: Option<Finish>,
    /// All text generated, only where there is no usage: what is counted in its place.
    pub output_text: String,
}

/// Reads a plain answer with a success status.
///
/// # Errors
/// `Refused` when it is an error object all the same; `Protocol` when it is not a `chat.completion` with choices.
pub fn observe_reply(body: &[u8]) -> Result<ReplyFacts, ProviderError> {
    let unreadable =
        |e| ProviderError::Protocol(format!("not a chat completion: {}", crate::upstream::words::json_error(&e)));
    let wire: Wire<'_> = serde_json::from_slice(body).map_err(unreadable)?;
    let Some(choices) = wire.choices.filter(|_| matches!(wire.object.as_str(), "" | "chat.completion")) else {
        return Err(match wire.error {
            Some(raw) => ProviderError::Refused(Box::new(error::in_stream(&json(raw)))),
            None => ProviderError::Protocol("not a chat completion: it has no choices".into()),
        });
    };
    let tier = Some(wire.service_tier.as_str()).filter(|tier| !tier.is_empty());
    let usage = wire.usage.and_then(|raw| usage::decode(raw.get(), tier));
    let output_text = if usage.is_some() { String::new() } else { output_text(body) };
    Ok(ReplyFacts {
        usage,
        model: Some(wire.model.as_str()).filter(|model| !model.is_empty()).map(str::to_owned),
        finish: choices.first().and_then(|choice| wire::finish(choice.finish_reason.as_str())),
        output_text,
    })
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Wire<'a> {
    #[serde(borrow)]
    object: Loose<'a>,
    #[serde(borrow)]
    model: Loose<'a>,
    #[serde(borrow)]
    choices: Option<Vec<WireChoice<'a>>>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    service_tier: Loose<'a>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct WireChoice<'a> {
    #[serde(borrow)]
    finish_reason: Loose<'a>,
}

/// All that was generated. An answer that only a client of that host can read counts whole: rather too much than nothing.
fn output_text(body: &[u8]) -> String {
    let mut tally = Tally::default();
    let Ok(reply) = reply::decode_reply(body, &Undo::default()) else {
        tally.text(&String::from_utf8_lossy(body));
        return tally.output_text;
    };
    for part in reply.choices.iter().flat_map(|choice| &choice.parts) {
        match part {
            Part::Text { text, .. } | Part::Thinking { text, .. } | Part::Refusal { text } => tally.text(text),
            Part::ToolCall(call) => {
                tally.text(&call.name);
                tally.text(&call.arguments);
            }
            _ => {}
        }
    }
    tally.output_text
}

fn json(raw: &RawValue) -> serde_json::Value {
    serde_json::from_str(raw.get()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seen(data: &str) -> Seen {
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
        assert_eq!(seen(""), Seen::default());
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
        assert!(observer.end().is_err());
        let tally = observer.tally().clone();
        let usage = tally.usage.unwrap();
        assert_eq!((usage.usage.input, usage.service_tier.as_deref()), (3, Some("flex")));
        assert_eq!((tally.output_text.as_str(), tally.served_model.as_deref()), ("a\nf{}", Some("m")));
    }

    proptest! {
        /// What a chunk brings does not depend on whether it was parsed: an observer that has seen a stream says of the
        /// next chunk what a new one says, and the account is that of all chunks parsed.
        #[test]
        fn recognising_a_chunk_is_as_good_as_parsing_it(
            chunks in proptest::collection::vec((0usize..PIECES.len(), 0usize..PIECES.len(), 0usize..3, 0usize..6), 1..40),
        ) {
            let mut observer = Observer::new();
            let mut parsed = Tally::default();
            for (text, padding, model, rest) in chunks {
                let model = ["m", "n", ""][model];
                let rest = [
                    "", r#","usage":null"#, r#","usage":{"prompt_tokens":2}"#, r#","service_tier":"flex""#,
                    r#","error":{"message":"no"}"#, r#","service_tier":"default""#,
                ][rest];
                let data = format!(
                    r#"{{"model":"{model}","choices":[{{"delta":{{"content":"{}"}}}}],"obfuscation":"{}"{rest}}}"#,
                    PIECES[text], PIECES[padding],
                );
                let mut fresh = Observer::new();
                prop_assert_eq!(observer.observe(data.as_bytes()), fresh.observe(data.as_bytes()), "{}", data);
                let fresh = fresh.tally().clone();
                parsed.model(fresh.served_model.as_deref().unwrap_or_default());
                parsed.text(&fresh.output_text);
                prop_assert_eq!(&observer.tally().served_model, &parsed.served_model);
            }
            prop_assert_eq!(&observer.tally().output_text, &parsed.output_text);
        }
    }

    /// Texts as they stand in JSON.
    const PIECES: [&str; 8] = ["a", " word", "", r"\n", "wörld", r#"\"quoted\""#, r"\u00e9", r"\\"];

    #[test]
    fn a_plain_answer_without_usage_yields_its_text() {
        let facts = observe_reply(
            br#"{"object":"chat.completion","model":"m","choices":[{"index":0,"message":{"content":"hi"},"finish_reason":"stop"}]}"#,
        )
        .unwrap();
        assert_eq!((facts.usage, facts.output_text.as_str(), facts.finish), (None, "hi", Some(Finish::Stop)));
    }

    #[test]
    fn what_is_no_chat_completion_is_a_protocol_error() {
        for body in ["", "[]", "{}", r#"{"object":"list","choices":[]}"#, "<html>", r#"{"choices":null}"#] {
            assert!(matches!(observe_reply(body.as_bytes()), Err(ProviderError::Protocol(_))), "{body}");
        }
        let refused = observe_reply(br#"{"error":{"message":"m","code":429}}"#);
        assert!(matches!(refused, Err(ProviderError::Refused(r)) if r.status == 429));
    }
}
