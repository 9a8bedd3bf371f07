//! Watches an answer that passes through, and takes note of its usage, its model, its end and enough of its text.

use bytes::{Bytes, BytesMut};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::events::Events;
use super::usage::Received;
use super::{failure, output_text};
use crate::codec::{Observer, PublicError, ReplyFacts, Seen};
use crate::dialect::body::JsonText;
use crate::dialect::count::Count;
use crate::dialect::template::{Template, Value};
use crate::dialect::text::Loose;
use crate::sse;
use crate::tally::Tally;
use crate::upstream::error::{UpstreamError, json_error};

/// Watches a stream on its way to a client of the same dialect.
#[derive(Debug, Default)]
pub(super) struct StreamObserver {
    tally: Tally,
    /// The type and the data of the last event, which the client gets as it came.
    last: Option<(&'static str, Bytes)>,
    /// The number of the last event, for an error that ends the stream.
    sequence: u64,
    template: Template,
}

/// An event; a field that its type does not use stays unread.
#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Loose<'a>,
    #[serde(borrow)]
    sequence_number: Option<&'a RawValue>,
    #[serde(borrow, default)]
    delta: Loose<'a>,
    /// Padding that makes events of one length.
    #[serde(borrow, default)]
    obfuscation: Loose<'a>,
    #[serde(borrow)]
    response: Option<&'a RawValue>,
    #[serde(borrow)]
    item: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

impl<'a> Frame<'a> {
    /// The values that change from one addition to the next, beside the text.
    fn changing(&self) -> impl Iterator<Item = Value<'a>> {
        let number = self.sequence_number.map(|raw| Value::Number(raw.get()));
        self.obfuscation.borrowed().map(Value::Padding).into_iter().chain(number)
    }
}

/// An item that begins.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Item<'a> {
    #[serde(rename = "type", borrow)]
    kind: Loose<'a>,
    #[serde(borrow)]
    name: Loose<'a>,
}

impl StreamObserver {
    /// Takes note of the number of an event.
    fn number(&mut self, number: Option<u64>) {
        self.sequence = number.unwrap_or(self.sequence.saturating_add(1));
    }

    /// Takes note of the response at its beginning or its end.
    fn response(&mut self, response: Option<&RawValue>) -> Result<(), UpstreamError> {
        let Some(response) = response else { return Ok(()) };
        let model = received(response.get().as_bytes())?;
        self.tally.model(model.model.as_str());
        self.tally.deferred = model.is_in_background();
        Ok(())
    }

    fn ended(&mut self, kind: &'static str, response: Option<&RawValue>, data: &[u8]) -> Result<Seen, UpstreamError> {
        let raw = response.ok_or_else(|| UpstreamError::Protocol("an event without its response".to_owned()))?;
        let response = received(raw.get().as_bytes())?;
        self.tally.model(response.model.as_str());
        self.tally.usage = response.reported();
        self.tally.finished = true;
        self.tally.done = true;
        self.tally.deferred = false;
        self.last = Some((kind, Bytes::copy_from_slice(data)));
        Ok(Seen { content: true, done: true, unwanted: false })
    }
}

impl Observer for StreamObserver {
    fn data(&mut self, data: &[u8]) -> Result<Seen, UpstreamError> {
        let data = data.trim_ascii();
        // Some hosts write the end mark of Chat Completions behind the last event.
        if data.is_empty() || data == b"[DONE]" || self.tally.done {
            return Ok(Seen::default());
        }
        if let Some(found) = self.template.read(data) {
            self.number(found.number);
            self.tally.text(&found.text);
            return Ok(Seen { content: true, ..Seen::default() });
        }
        self.template.forget();
        let frame: Frame<'_> = read(data)?;
        let number = frame.sequence_number.map(|raw| read::<Count>(raw.get().as_bytes())).transpose()?;
        self.number(number.and_then(|number| number.0));
        let content = match frame.kind.as_str() {
            "error" => return Err(failure::refused(frame.error.map_or(data, |error| error.get().as_bytes()))),
            "" if let Some(error) = frame.error => return Err(failure::refused(error.get().as_bytes())),
            "response.failed" => {
                let raw = frame.response.map_or("{}", RawValue::get);
                let response = received(raw.as_bytes())?;
                return Err(failure::refused(response.error.map_or("null", JsonText::get).as_bytes()));
            }
            "response.created" | "response.in_progress" | "response.queued" => {
                self.response(frame.response)?;
                false
            }
            "response.completed" => return self.ended("response.completed", frame.response, data),
            "response.incomplete" => return self.ended("response.incomplete", frame.response, data),
            "response.output_item.added" => {
                let item: Item<'_> =
                    frame.item.map_or_else(|| Ok(Item::default()), |item| read(item.get().as_bytes()))?;
                self.tally.text(item.name.as_str());
                !matches!(item.kind.as_str(), "message" | "reasoning")
            }
            "response.audio.delta" => true,
            kind if kind.ends_with(".delta") => {
                self.tally.text(frame.delta.as_str());
                self.template.learn(data, frame.delta.text(), frame.changing());
                frame.delta.is_filled()
            }
            _ => false,
        };
        Ok(Seen { content, done: false, unwanted: false })
    }

    fn body_ended(&mut self) -> Result<(), UpstreamError> {
        Err(UpstreamError::Protocol("the stream ended before response.completed".to_owned()))
    }

    fn end(&mut self, out: &mut BytesMut) {
        if let Some((kind, data)) = &self.last {
            sse::write(kind, data, out);
        }
    }

    fn broke(&mut self, error: &PublicError<'_>, out: &mut BytesMut) {
        let model = self.tally.served_model.as_deref();
        let response = json!({
            "object": "response", "status": "failed", "model": model, "output": [],
            "error": {"code": error.code, "message": error.message},
        });
        failure::broke(error, response, &mut Events::after(self.sequence), out);
    }

    fn tally(&mut self) -> &Tally {
        &self.tally
    }

    fn held_bytes(&self) -> usize {
        let last = self.last.as_ref().map_or(0, |(_, data)| data.len());
        self.tally.held_bytes() + last + self.template.held_bytes()
    }
}

/// Reads a whole answer with a success status.
///
/// # Errors
/// `Refused` when it failed or is an error object; `Protocol` when it is no response.
pub(super) fn observe_reply(body: &[u8]) -> Result<ReplyFacts, UpstreamError> {
    let response = received(body)?;
    let failed = response.status.as_str() == "failed";
    let error = response.error.filter(|error| error.get() != "null");
    let list = response.output.filter(|output| output.get().starts_with('['));
    let Some(output) = list.filter(|_| !failed && matches!(response.object.as_str(), "" | "response")) else {
        return Err(match error {
            Some(error) => failure::refused(error.get().as_bytes()),
            None if failed => failure::refused(b"null"),
            None => UpstreamError::Protocol("not a response: it has no output".into()),
        });
    };
    // An answer in the background is fetched later, past this program.
    let deferred = matches!(response.status.as_str(), "queued" | "in_progress");
    let model = response.model.as_str();
    Ok(ReplyFacts { deferred, ..ReplyFacts::new(response.reported(), model, || output_text::count(output.get())) })
}

fn read<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, UpstreamError> {
    crate::json::borrowed(json).map_err(|error| unread(&error))
}

fn received(json: &[u8]) -> Result<Received<'_>, UpstreamError> {
    Received::read(json).map_err(|error| unread(&error))
}

fn unread(error: &serde_json::Error) -> UpstreamError {
    UpstreamError::Protocol(format!("not a response: {}", json_error(error)))
}

#[cfg(test)]
mod comparison;

#[cfg(test)]
mod tests {
    use super::*;

    fn watched(events: &[&str]) -> (StreamObserver, Vec<Seen>) {
        let mut observer = StreamObserver::default();
        let seen = events.iter().map(|data| observer.data(data.as_bytes()).unwrap()).collect();
        (observer, seen)
    }

    #[test]
    fn a_stream_is_counted_and_its_end_is_held_back() {
        let end = r#"{"type":"response.completed" ,"response":{"model":"gpt","service_tier":"flex","output":[],"usage":{"input_tokens":5,"output_tokens":9,"input_tokens_details":{"cached_tokens":2}}}}"#;
        let (mut observer, seen) = watched(&[
            r#"{"type":"response.created","response":{"model":"gpt"}}"#,
            r#"{"type":"response.output_item.added","item":{"type":"message"}}"#,
            "",
            r#"{"type":"response.output_text.delta","delta":"Hi"}"#,
            r#"{"type":"response.output_text.done","text":"Hi"}"#,
            r#"{"type":"response.output_item.added","item":{"type":"function_call","name":"f"}}"#,
            r#"{"type":"response.function_call_arguments.delta","delta":"{}"}"#,
            r#"{"type":"something.new"}"#,
            end,
            "[DONE]",
        ]);
        let contents: Vec<usize> = seen.iter().enumerate().filter(|(_, seen)| seen.content).map(|(i, _)| i).collect();
        assert_eq!(contents, [3, 5, 6, 8]);
        assert_eq!(seen.iter().position(|seen| seen.done), Some(8));
        let tally = observer.tally().clone();
        let usage = tally.usage.unwrap();
        assert_eq!((usage.usage.input, usage.usage.cache_read, usage.usage.output), (3, 2, 9));
        assert_eq!((tally.output_text.as_str(), tally.served_model.as_deref()), ("Hif{}", Some("gpt")));
        assert!(tally.finished && tally.done);
        let mut out = BytesMut::new();
        observer.end(&mut out);
        assert_eq!(out, format!("event: response.completed\ndata: {end}\n\n"));
    }

    #[test]
    fn an_answer_in_the_background_is_deferred_until_it_has_ended() {
        let begun = r#"{"type":"response.created","response":{"model":"gpt","background":true}}"#;
        let (mut observer, _) = watched(&[begun, r#"{"type":"response.output_text.delta","delta":"Hi"}"#]);
        assert!(observer.tally().deferred);
        observer.data(br#"{"type":"response.completed","response":{"background":true,"output":[]}}"#).unwrap();
        assert!(!observer.tally().deferred);
        let (mut observer, _) = watched(&[r#"{"type":"response.created","response":{"background":false}}"#]);
        assert!(!observer.tally().deferred);
    }

    #[test]
    fn an_error_a_cut_and_noise_are_told_apart() {
        let refused = |data: &str| match StreamObserver::default().data(data.as_bytes()) {
            Err(UpstreamError::Refused(refused)) => refused.status,
            other => panic!("{other:?}"),
        };
        assert_eq!(refused(r#"{"type":"error","code":"rate_limit_exceeded","message":"m"}"#), 429);
        assert_eq!(refused(r#"{"type":"error","error":{"type":"insufficient_quota","message":"m"}}"#), 429);
        let failed = r#"{"type":"response.failed","response":{"error":{"code":"server_is_overloaded","message":"m"}}}"#;
        assert_eq!(refused(failed), 503);
        let mut observer = StreamObserver::default();
        assert!(matches!(observer.data(b"{"), Err(UpstreamError::Protocol(_))));
        assert!(observer.body_ended().is_err());
    }

    #[test]
    fn a_whole_answer_is_read_for_its_usage_or_else_its_text() {
        let body = |more: &str| {
            format!(
                r#"{{"object":"response","status":"completed","model":"m","error":null,"output":[{{"type":"message","content":[{{"type":"output_text","text":"Hi"}}]}}]{more}}}"#
            )
        };
        let facts = observe_reply(body("").as_bytes()).unwrap();
        assert_eq!((facts.usage, facts.output_text.as_str()), (None, "Hi"));
        let facts = observe_reply(body(r#","usage":{"input_tokens":1,"output_tokens":1}"#).as_bytes()).unwrap();
        assert_eq!((facts.usage.unwrap().usage.input, facts.output_text.as_str()), (1, ""));
        assert!(!facts.deferred);
        for status in ["queued", "in_progress"] {
            let begun = format!(r#"{{"object":"response","status":"{status}","model":"m","output":[],"usage":null}}"#);
            assert!(observe_reply(begun.as_bytes()).unwrap().deferred, "{status}");
        }
        for none in ["", "{}", "[]", r#"{"object":"response"}"#, r#"{"object":"list","output":[]}"#] {
            assert!(matches!(observe_reply(none.as_bytes()), Err(UpstreamError::Protocol(_))), "{none}");
        }
        let failed =
            r#"{"object":"response","status":"failed","error":{"code":"server_error","message":"m"},"output":[]}"#;
        for refused in [failed, r#"{"error":{"message":"m","code":"invalid_prompt"}}"#] {
            assert!(matches!(observe_reply(refused.as_bytes()), Err(UpstreamError::Refused(_))), "{refused}");
        }
    }
}
