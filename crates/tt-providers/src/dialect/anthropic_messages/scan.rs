//! The facts of a Messages body that must be known before it is planned and paid for, and the body with only the model's
//! name and, where a budget asks for it, the output limit changed.

use std::ops::Range;

use bytes::Bytes;
use serde::Deserialize;
use tt_core::call::field::Field;
use tt_core::client::identifier;

use super::observe;
use super::unsigned::{self, Unsigned};
use crate::codec::{Facts, Head, TokenCount};
use crate::dialect::body::{self, Fields, optional, spliced};
use crate::error::RequestError;
use crate::slices::Slices;
use crate::upstream::error::UpstreamError;

/// The keys that decide the price and the model. Other spellings of them are refused.
const PRICED: [&str; 6] = ["model", "stream", "max_tokens", "service_tier", "speed", "inference_geo"];

/// The path of a call whose answer is a message.
pub(super) const MESSAGES: &str = "/v1/messages";

/// The facts of a body, good for that body only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scan {
    pub(super) facts: Facts,
    /// The place of the value of `model`, quotes included.
    model_at: Range<usize>,
    /// The place of the value of `max_tokens`; `None` where the client left it out.
    limit_at: Option<Range<usize>>,
    /// True if the client asks for a count of its tokens (`/v1/messages/count_tokens`).
    pub(super) counts: bool,
    /// True for a call of the beta API, as the SDKs and coding agents send it (`?beta=true`).
    beta: bool,
    /// The thinking in the history that is not Anthropic's.
    pub(super) unsigned: Unsigned,
    /// The place of the value of `thinking`, where it must be off.
    pub(super) thinking_off_at: Option<Range<usize>>,
    /// The edits of the context that need no thinking, with the place of the value of `context_management`, where thinking
    /// must be off.
    context: Option<(Range<usize>, String)>,
}

impl Scan {
    /// Scans a request, whose `body` must be one JSON value. Values are skipped without recursion.
    ///
    /// # Errors
    /// `InvalidJson`; `Missing` without a `model`; `Malformed`, naming the field, for a key that stands twice or differs
    /// from a priced one by case only, and for values of the wrong type.
    pub(super) fn of(head: &Head<'_>, body: &Bytes) -> Result<Self, RequestError> {
        let text = body::text(body)?;
        let fields = Fields::of(text, "", &PRICED)?;
        let model = fields.value("model").ok_or_else(|| RequestError::missing(Field::Model))?;
        let limit = fields.value("max_tokens");
        let budget = fields.value("thinking").filter(|thinking| unsigned::is_enabled(*thinking));
        let find = |messages| Unsigned::find(text, messages, budget.is_some());
        let unsigned = fields.value("messages").map(find).unwrap_or_default();
        let off = budget.filter(|_| unsigned.loop_is_bare);
        let counts = head.uri.path().ends_with("/count_tokens");
        let stream = optional(fields.value("stream"), "stream", "must be true or false")?.unwrap_or(false);
        let max_output_tokens = optional(limit, "max_tokens", "must be a whole number")?;
        Ok(Self {
            facts: Facts {
                model: body::model(model)?,
                stream: stream && !counts,
                max_output_tokens,
                choices: None,
                service_tier: optional(fields.value("service_tier"), "service_tier", "must be a string")?,
                session: fields.value("metadata").and_then(|metadata| session(metadata.get())),
            },
            model_at: body::place(text, model),
            limit_at: limit.map(|limit| body::place(text, limit)),
            counts,
            context: off
                .and_then(|_| fields.value("context_management"))
                .and_then(|context| Some((body::place(text, context), unsigned::without_clear_thinking(context)?))),
            thinking_off_at: off.map(|thinking| body::place(text, thinking)),
            unsigned,
            beta: head.uri.query().is_some_and(|query| query.split('&').any(|pair| pair == "beta=true")),
        })
    }

    /// The path and query of the call at Anthropic.
    pub(super) const fn address(&self) -> &'static str {
        match (self.counts, self.beta) {
            (false, false) => MESSAGES,
            (false, true) => "/v1/messages?beta=true",
            (true, false) => "/v1/messages/count_tokens",
            (true, true) => "/v1/messages/count_tokens?beta=true",
        }
    }

    /// The request for `upstream_model`: slices of `body`, which must be the body that was scanned. `cap` replaces the
    /// output limit (in tokens) that the client asked for. Thinking that Anthropic did not sign is left out.
    pub(super) fn splice(&self, body: &Bytes, upstream_model: &str, cap: Option<u64>) -> Slices {
        let mut model = serde_json::Value::from(upstream_model).to_string();
        let mut edits = Vec::with_capacity(2);
        match (cap, &self.limit_at) {
            (Some(cap), Some(at)) => edits.push((at.clone(), cap.to_string().into())),
            (Some(cap), None) => model.push_str(&format!(r#","max_tokens":{cap}"#)),
            (None, _) => {}
        }
        edits.push((self.model_at.clone(), model.into()));
        edits.extend(self.unsigned.cuts.iter().map(|at| (at.clone(), Bytes::new())));
        edits.extend(self.thinking_off_at.iter().map(|at| (at.clone(), Bytes::from_static(unsigned::OFF))));
        edits.extend(self.context.iter().map(|(at, edits)| (at.clone(), edits.clone().into())));
        spliced(body, edits)
    }
}

/// A count: `{"input_tokens": …}` (`types/message_tokens_count.py`).
#[derive(Debug)]
pub(super) struct Count;

impl TokenCount for Count {
    fn encode(&self, input_tokens: u64) -> Bytes {
        serde_json::json!({"input_tokens": input_tokens}).to_string().into()
    }

    fn check(&self, body: &[u8]) -> Result<(), UpstreamError> {
        observe::check_count(body)
    }
}

/// The session in `metadata`: Claude Code writes JSON with a `session_id` into `user_id`, older versions
/// `user_…_session_<id>`.
fn session(metadata: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Metadata {
        user_id: String,
    }
    #[derive(Deserialize)]
    struct UserId {
        session_id: String,
    }
    let Metadata { user_id } = serde_json::from_str(metadata).ok()?;
    match serde_json::from_str(&user_id) {
        Ok(UserId { session_id }) => identifier(&session_id),
        Err(_) => identifier(user_id.rsplit_once("_session_")?.1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(uri: &'static str, body: &str) -> Result<Scan, RequestError> {
        let (uri, headers) = (http::Uri::from_static(uri), http::HeaderMap::new());
        Scan::of(&Head { uri: &uri, headers: &headers }, &Bytes::copy_from_slice(body.as_bytes()))
    }

    fn scan(body: &str) -> Result<Scan, RequestError> {
        at("/v1/messages", body)
    }

    fn spliced(body: &str, cap: Option<u64>) -> String {
        let scan = scan(body).unwrap();
        String::from_utf8(scan.splice(&Bytes::copy_from_slice(body.as_bytes()), "up", cap).to_vec()).unwrap()
    }

    #[test]
    fn the_path_says_what_is_asked_and_of_which_api() {
        for (uri, counts, beta) in [
            ("/v1/messages", false, false),
            ("/v1/messages?beta=true", false, true),
            ("/v1/messages?x=1&beta=true", false, true),
            ("/v1/messages?beta=false&alpha=true", false, false),
            ("/v1/messages/count_tokens", true, false),
            ("/v1/messages/count_tokens?beta=true", true, true),
        ] {
            let scan = at(uri, r#"{"model":"m","stream":true}"#).unwrap();
            assert_eq!((scan.counts, scan.beta, scan.facts.stream), (counts, beta, !counts), "{uri}");
            let sent = http::Uri::from_static(scan.address());
            assert_eq!(sent.path(), uri.split('?').next().unwrap());
            assert_eq!(sent.query(), beta.then_some("beta=true"));
        }
    }

    #[test]
    fn only_the_model_and_a_cap_change() {
        let body = "{ \"max_tokens\" : 9,\n\"messages\":[{\"model\":1}], \"model\":\"m\\u006f\" ,\"x\":1.50}";
        let with = |model: &str, limit: &str| body.replace("\"m\\u006f\"", model).replace(" 9,", limit);
        assert_eq!(spliced(body, None), with("\"up\"", " 9,"));
        assert_eq!(spliced(body, Some(5)), with("\"up\"", " 5,"));
        assert_eq!(spliced(r#"{"model":"m"}"#, Some(5)), r#"{"model":"up","max_tokens":5}"#);
    }

    #[test]
    fn thinking_of_other_providers_is_left_out() {
        let thinking = r#"{"type":"thinking","thinking":"t","signature":""},{"type":"tool_use","id":"call_1"},"#;
        let body = |thinking: &str, model: &str| {
            format!(
                r#"{{"messages":[{{"role":"assistant","content":[{thinking}{{"type":"text","text":"x"}}]}}],"model":"{model}"}}"#
            )
        };
        assert_eq!(spliced(&body(thinking, "m"), None), body(r#"{"type":"tool_use","id":"call_1"},"#, "up"));
        // Anthropic thinks no further where the last answer does not begin with its own thinking.
        let with = |fields: &str| body(thinking, "m").replacen('{', &format!("{{{fields},"), 1);
        let enabled = r#""thinking":{"type":"enabled","budget_tokens":1024}"#;
        let context = r#""context_management":{"edits":[{"type":"clear_thinking_20251015"},{"type":"clear_tool_uses_20250919"}]}"#;
        let sent: serde_json::Value =
            serde_json::from_str(&spliced(&with(&format!("{enabled},{context}")), None)).unwrap();
        assert_eq!(sent["thinking"], serde_json::json!({"type": "disabled"}));
        assert_eq!(sent["context_management"]["edits"], serde_json::json!([{"type": "clear_tool_uses_20250919"}]));
        let adaptive = r#""thinking":{"type":"adaptive"}"#;
        assert!(spliced(&with(adaptive), None).contains(adaptive));
    }

    #[test]
    fn the_facts_are_those_of_the_top_level() {
        let body = r#"{"model":"m","stream":true,"max_tokens":7,"service_tier":"standard_only","messages":[]}"#;
        let facts = scan(body).unwrap().facts;
        assert_eq!((facts.model.as_str(), facts.stream, facts.max_output_tokens), ("m", true, Some(7)));
        assert_eq!(facts.service_tier.as_deref(), Some("standard_only"));
    }

    #[test]
    fn what_two_readers_could_read_in_two_ways_is_refused() {
        for (body, named) in [
            (r#"{"model":"a","model":"b"}"#, "model"),
            (r#"{"model":"a","Max_tokens":1}"#, "Max_tokens"),
            (r#"{"model":"a","max_tokens":-1}"#, "max_tokens"),
            (r#"{"model":"a","stream":"yes"}"#, "stream"),
            (r#"{"model":5}"#, "model"),
        ] {
            match scan(body) {
                Err(RequestError::Malformed { field, .. }) => assert_eq!(field, Field::written(named)),
                other => panic!("{body}: {other:?}"),
            }
        }
        assert_eq!(scan("{}"), Err(RequestError::missing(Field::Model)));
        assert!(matches!(scan("[]"), Err(RequestError::InvalidJson { .. })));
    }

    #[test]
    fn the_session_of_a_coding_agent_is_found() {
        let with = |user_id: &str| {
            let body = serde_json::json!({"model": "m", "metadata": {"user_id": user_id}}).to_string();
            scan(&body).unwrap().facts.session
        };
        assert_eq!(with(r#"{"device_id":"d","session_id":"s-1"}"#).as_deref(), Some("s-1"));
        assert_eq!(with("user_abc_account__session_s-2").as_deref(), Some("s-2"));
        assert_eq!(with("someone"), None);
        assert_eq!(scan(r#"{"model":"m","metadata":5}"#).unwrap().facts.session, None);
    }
}
