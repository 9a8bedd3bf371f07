//! Watches an answer that passes through, and takes note of its usage, its model, its stop reason and enough of its text.

use bytes::{Bytes, BytesMut};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::error::{self, ErrorBody};
use super::reply::unreadable;
use super::usage::{self, Running};
use crate::codec::{Observer, PublicError, ReplyFacts, Seen};
use crate::dialect::body::JsonText;
use crate::dialect::elements::text_of;
use crate::dialect::template::{Template, only_text};
use crate::dialect::text::Loose;
use crate::json::{self, read_members};
use crate::sse;
use crate::tally::Tally;
use crate::upstream::error::UpstreamError;

/// Watches a stream on its way to a client of the same dialect.
#[derive(Debug, Default)]
pub(super) struct StreamObserver {
    tally: Tally,
    usage: Running,
    /// True if a report has changed the usage since the account was asked for.
    counted: bool,
    /// The data of the last event, which the client gets as it came.
    stop: Bytes,
    template: Template,
}

/// An event; a field that its type does not use stays unread.
#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Loose<'a>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow)]
    content_block: Option<&'a RawValue>,
    #[serde(borrow)]
    delta: Option<&'a RawValue>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

/// A message: a whole answer, or the beginning of a streamed one.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Message<'a> {
    #[serde(rename = "type", borrow)]
    kind: Loose<'a>,
    #[serde(borrow)]
    model: Loose<'a>,
    #[serde(borrow)]
    content: Option<JsonText<'a>>,
    #[serde(borrow)]
    usage: Option<JsonText<'a>>,
    #[serde(borrow)]
    error: Option<JsonText<'a>>,
}

read_members!(Message<'a> {
    "type" => kind,
    "model" => model,
    "content" => content,
    "usage" => usage,
    "error" => error,
});

/// A content block, or an addition to one.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Piece<'a> {
    #[serde(borrow)]
    text: Loose<'a>,
    #[serde(borrow)]
    thinking: Loose<'a>,
    #[serde(borrow)]
    partial_json: Loose<'a>,
    #[serde(borrow)]
    name: Loose<'a>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
    #[serde(borrow)]
    stop_reason: Loose<'a>,
}

impl<'a> Piece<'a> {
    fn texts(&self) -> [&Loose<'a>; 4] {
        [&self.text, &self.thinking, &self.partial_json, &self.name]
    }

    fn count(&self, tally: &mut Tally) {
        self.texts().into_iter().for_each(|text| tally.text(text.as_str()));
        tally.text(self.input.map(RawValue::get).filter(|input| !matches!(*input, "{}" | "null")).unwrap_or_default());
    }
}

impl StreamObserver {
    fn count<'a>(&mut self, report: Option<impl Into<JsonText<'a>>>) {
        if let Some(report) = report.and_then(|raw| json::object(raw.into().get().as_bytes()).ok()) {
            self.usage.overlay(report);
            self.counted = true;
        }
    }
}

impl Observer for StreamObserver {
    fn data(&mut self, data: &[u8]) -> Result<Seen, UpstreamError> {
        if data.trim_ascii().is_empty() || self.tally.done {
            return Ok(Seen::default());
        }
        if let Some(found) = self.template.read(data) {
            self.tally.text(&found.text);
            return Ok(Seen { content: true, ..Seen::default() });
        }
        self.template.forget();
        let frame: Frame<'_> = read(data)?;
        let mut seen = Seen::default();
        match frame.kind.as_str() {
            "error" => return Err(refused(frame.error, data)),
            "message_start" => {
                let message: Message<'_> = part(frame.message)?;
                self.tally.model(message.model.as_str());
                self.count(message.usage);
            }
            "content_block_start" => {
                part::<Piece<'_>>(frame.content_block)?.count(&mut self.tally);
                seen.content = true;
            }
            "content_block_delta" => {
                let piece: Piece<'_> = part(frame.delta)?;
                piece.count(&mut self.tally);
                let text = only_text(piece.texts()).filter(|_| piece.input.is_none());
                self.template.learn(data, text, None);
                seen.content = true;
            }
            "message_delta" => {
                let finished = part::<Piece<'_>>(frame.delta)?.stop_reason.is_filled();
                self.tally.finished |= finished;
                seen.content = finished;
                self.count(frame.usage);
            }
            "message_stop" => {
                self.tally.done = true;
                self.stop = Bytes::copy_from_slice(data);
                seen.done = true;
            }
            _ => {}
        }
        Ok(seen)
    }

    fn body_ended(&mut self) -> Result<(), UpstreamError> {
        Err(UpstreamError::Protocol("the stream ended before message_stop".to_owned()))
    }

    fn end(&mut self, out: &mut BytesMut) {
        sse::write("message_stop", &self.stop, out);
    }

    fn broke(&mut self, error: &PublicError<'_>, out: &mut BytesMut) {
        error::event(error, out);
    }

    fn tally(&mut self) -> &Tally {
        if std::mem::take(&mut self.counted) {
            self.tally.usage = self.usage.reported();
        }
        &self.tally
    }

    fn held_bytes(&self) -> usize {
        self.tally.held_bytes() + self.usage.held_bytes() + self.stop.len() + self.template.held_bytes()
    }
}

/// Reads a whole answer with a success status.
///
/// # Errors
/// `Refused` when it is an error object all the same; `Protocol` when it is no message.
pub(super) fn observe_reply(body: &[u8]) -> Result<ReplyFacts, UpstreamError> {
    let message: Message<'_> = match simdutf8::basic::from_utf8(body).ok().and_then(json::quickly) {
        Some(message) => message,
        None => read(body)?,
    };
    if message.kind.as_str() == "error" {
        return Err(refused(message.error, body));
    }
    let content = message.content.filter(|content| content.get().starts_with('['));
    let Some(content) = content.filter(|_| message.kind.as_str() == "message") else {
        return Err(UpstreamError::Protocol("no Anthropic message".to_owned()));
    };
    let usage = message.usage.and_then(|raw| {
        let usage = json::object(raw.get().as_bytes()).ok()?;
        Some(usage::reported(&usage, raw.get().to_owned()))
    });
    Ok(ReplyFacts::new(usage, message.model.as_str(), || {
        text_of(content.get(), |block: Piece<'_>, tally| {
            block.count(tally);
            Ok(())
        })
    }))
}

/// Checks a count of tokens with a success status.
///
/// # Errors
/// `Refused` when it is an error object all the same; `Protocol` when it is no count.
pub(super) fn check_count(body: &[u8]) -> Result<(), UpstreamError> {
    #[derive(Deserialize)]
    struct Count<'a> {
        input_tokens: Option<u64>,
        #[serde(borrow)]
        error: Option<&'a RawValue>,
    }
    match read(body)? {
        Count { input_tokens: Some(_), .. } => Ok(()),
        Count { error: Some(error), .. } => Err(refused(Some(error), body)),
        Count { .. } => Err(UpstreamError::Protocol("no count of tokens".to_owned())),
    }
}

fn refused<'a>(error: Option<impl Into<JsonText<'a>>>, body: &[u8]) -> UpstreamError {
    match part::<ErrorBody>(error) {
        Ok(error) => UpstreamError::Refused(Box::new(error::without_status(error, body))),
        Err(unreadable) => unreadable,
    }
}

fn part<'a, T: Deserialize<'a>>(raw: Option<impl Into<JsonText<'a>>>) -> Result<T, UpstreamError> {
    let raw = raw.ok_or_else(|| UpstreamError::Protocol("an event without its contents".to_owned()))?;
    read(raw.into().get().as_bytes())
}

fn read<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, UpstreamError> {
    serde_json::from_slice(json).map_err(|error| unreadable("answer", &error))
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
        let (mut observer, seen) = watched(&[
            r#"{"type":"message_start","message":{"model":"claude","usage":{"input_tokens":3,"cache_read_input_tokens":2,"output_tokens":1}}}"#,
            r#"{"type":"ping"}"#,
            "",
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}"#,
            r#"{"type":"content_block_stop","index":0}"#,
            r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":9}}"#,
            r#"{"type":"message_stop"    }"#,
        ]);
        let contents: Vec<usize> = seen.iter().enumerate().filter(|(_, seen)| seen.content).map(|(i, _)| i).collect();
        assert_eq!(contents, [3, 4, 6]);
        assert_eq!(seen.iter().position(|seen| seen.done), Some(7));
        assert!(seen.iter().all(|seen| !seen.unwanted));
        let tally = observer.tally().clone();
        let usage = tally.usage.unwrap().usage;
        assert_eq!((usage.input, usage.cache_read, usage.output), (3, 2, 9));
        assert_eq!((tally.output_text.as_str(), tally.served_model.as_deref()), ("Hi", Some("claude")));
        assert!(tally.finished && tally.done);
        let mut out = BytesMut::new();
        observer.end(&mut out);
        assert_eq!(out, "event: message_stop\ndata: {\"type\":\"message_stop\"    }\n\n");
    }

    #[test]
    fn an_error_a_cut_and_noise_are_told_apart() {
        let mut observer = StreamObserver::default();
        let error = br#"{"type":"error","error":{"type":"overloaded_error","message":"m"}}"#;
        assert!(matches!(observer.data(error), Err(UpstreamError::Refused(refused)) if refused.status == 529));
        assert!(matches!(observer.data(b"{"), Err(UpstreamError::Protocol(_))));
        assert_eq!(observer.data(br#"{"type":"something_new"}"#).unwrap(), Seen::default());
        assert!(observer.body_ended().is_err());
    }

    #[test]
    fn a_whole_answer_is_read_for_its_usage_or_else_its_text() {
        let body = |usage: &str| {
            format!(
                r#"{{"type":"message","model":"m","content":[{{"type":"text","text":"Hi"}},{{"type":"tool_use","name":"f","input":{{"a":1}}}}]{usage}}}"#
            )
        };
        let facts = observe_reply(body("").as_bytes()).unwrap();
        assert_eq!((facts.usage, facts.output_text.as_str()), (None, r#"Hif{"a":1}"#));
        let facts = observe_reply(body(r#","usage":{"input_tokens":1,"output_tokens":2}"#).as_bytes()).unwrap();
        assert_eq!((facts.usage.unwrap().usage.input, facts.output_text.as_str()), (1, ""));
        // The output that the usage lacks is counted.
        let facts = observe_reply(body(r#","usage":{"input_tokens":1}"#).as_bytes()).unwrap();
        assert_eq!((facts.usage.unwrap().usage.input, facts.output_text.as_str()), (1, r#"Hif{"a":1}"#));
        for none in ["", "{}", "[]", r#"{"type":"message"}"#, r#"{"type":"message","content":5}"#] {
            assert!(matches!(observe_reply(none.as_bytes()), Err(UpstreamError::Protocol(_))), "{none}");
        }
        assert!(check_count(br#"{"input_tokens":3,"new":{}}"#).is_ok());
        assert!(matches!(check_count(br#"{"input_tokens":"3"}"#), Err(UpstreamError::Protocol(_))));
        assert!(matches!(check_count(b"{}"), Err(UpstreamError::Protocol(_))));
        let error = br#"{"type":"error","error":{"type":"rate_limit_error","message":"m"}}"#;
        assert!(matches!(check_count(error), Err(UpstreamError::Refused(refused)) if refused.status == 429));
        assert!(matches!(observe_reply(error), Err(UpstreamError::Refused(refused)) if refused.status == 429));
    }
}
