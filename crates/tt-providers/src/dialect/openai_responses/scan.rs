//! The facts of a Responses body that must be known before it is planned and paid for, and the body with only the model's
//! name and, where a budget asks for it, the output limit changed.

use std::ops::Range;
use std::sync::OnceLock;

use bytes::Bytes;
use tt_core::call::field::Field;
use tt_core::client::identifier;

use super::carried;
use super::decode::Decoded;
use super::response::Repeated;
use crate::codec::Facts;
use crate::dialect::body::{self, Fields, optional, spliced};
use crate::error::RequestError;
use crate::slices::Slices;

/// The keys that decide the price and the model. Other spellings of them are refused.
const PRICED: [&str; 4] = ["model", "stream", "max_output_tokens", "service_tier"];

/// The facts of a body, good for that body only.
#[derive(Debug)]
pub(super) struct Scan {
    pub(super) facts: Facts,
    /// The fields of the request that the answer repeats.
    pub(super) repeated: Repeated,
    /// The knowledge that decoding the body leaves behind; empty until it has been decoded.
    pub(super) decoded: OnceLock<Decoded>,
    /// The place of the value of `model`, quotes included.
    model_at: Range<usize>,
    /// The place of the value of `max_output_tokens`; `None` where the client left it out.
    limit_at: Option<Range<usize>>,
    /// The places of the items that hold signatures of other providers, which OpenAI cannot read.
    pub(super) carried_at: Vec<Range<usize>>,
}

impl Scan {
    /// Scans `body`, which must be one JSON value. Values are skipped without recursion.
    ///
    /// # Errors
    /// `InvalidJson`; `Missing` without a `model`; `Malformed`, naming the field, for a key that stands twice or differs
    /// from a priced one by case only, and for values of the wrong type.
    pub(super) fn of(body: &Bytes) -> Result<Self, RequestError> {
        let text = body::text(body)?;
        let fields = Fields::of(text, "", &PRICED)?;
        let model = fields.value("model").ok_or_else(|| RequestError::missing(Field::Model))?;
        let limit = fields.value("max_output_tokens");
        let key = fields.value("prompt_cache_key");
        Ok(Self {
            facts: Facts {
                model: body::model(model)?,
                stream: optional(fields.value("stream"), "stream", "must be true or false")?.unwrap_or(false),
                max_output_tokens: optional(limit, "max_output_tokens", "must be a whole number")?,
                choices: None,
                service_tier: optional(fields.value("service_tier"), "service_tier", "must be a string")?,
                session: key.and_then(|key| identifier(&serde_json::from_str::<String>(key.get()).ok()?)),
            },
            repeated: Repeated::of(&fields, |value| body.slice(body::place(text, value))),
            decoded: OnceLock::new(),
            model_at: body::place(text, model),
            limit_at: limit.map(|limit| body::place(text, limit)),
            carried_at: fields.value("input").map(|input| carried::places(text, input)).unwrap_or_default(),
        })
    }

    /// The request for `upstream_model`: slices of `body`, which must be the body that was scanned, without signatures
    /// that other providers made. `cap` replaces the output limit (in tokens) that the client asked for.
    pub(super) fn splice(&self, body: &Bytes, upstream_model: &str, cap: Option<u64>) -> Slices {
        let mut model = serde_json::Value::from(upstream_model).to_string();
        let mut edits: Vec<(Range<usize>, Bytes)> = Vec::with_capacity(2 + self.carried_at.len());
        match (cap, &self.limit_at) {
            (Some(cap), Some(at)) => edits.push((at.clone(), cap.to_string().into())),
            (Some(cap), None) => model.push_str(&format!(r#","max_output_tokens":{cap}"#)),
            (None, _) => {}
        }
        edits.push((self.model_at.clone(), model.into()));
        edits.extend(self.carried_at.iter().map(|at| (at.clone(), Bytes::new())));
        spliced(body, edits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(body: &str) -> Result<Scan, RequestError> {
        Scan::of(&Bytes::copy_from_slice(body.as_bytes()))
    }

    fn spliced(body: &str, cap: Option<u64>) -> String {
        let body = Bytes::copy_from_slice(body.as_bytes());
        String::from_utf8(Scan::of(&body).unwrap().splice(&body, "up", cap).to_vec()).unwrap()
    }

    #[test]
    fn only_the_model_and_a_cap_change() {
        let body = "{ \"max_output_tokens\" : null,\n\"input\":[{\"model\":1}], \"model\":\"m\\u006f\" ,\"x\":1.50}";
        let with = |model: &str, limit: &str| body.replace("\"m\\u006f\"", model).replace(" null,", limit);
        assert_eq!(spliced(body, None), with("\"up\"", " null,"));
        assert_eq!(spliced(body, Some(5)), with("\"up\"", " 5,"));
        assert_eq!(spliced(r#"{"model":"m"}"#, Some(5)), r#"{"model":"up","max_output_tokens":5}"#);
    }

    #[test]
    fn signatures_of_other_providers_do_not_go_to_openai() {
        let ours = format!(r#"{{"type":"reasoning","encrypted_content":"{}x"}}"#, carried::MARK);
        let theirs = r#"{"type":"reasoning","encrypted_content":"gAAA"}"#;
        for (input, sent) in [
            (format!("[{ours}]"), "[]".to_owned()),
            (format!("[{ours},{ours}, 1]"), "[1]".to_owned()),
            (format!("[{theirs} , {ours},2 , {ours} ]"), format!("[{theirs},2 ]")),
            (format!("[{ours},{theirs},{ours},{ours}]"), format!("[{theirs}]")),
            (format!(r#""{}""#, carried::MARK), format!(r#""{}""#, carried::MARK)),
        ] {
            let body = |model: &str, input: &str| format!(r#"{{"model":"{model}","input":{input}}}"#);
            assert_eq!(spliced(&body("m", &input), None), body("up", &sent));
        }
    }

    #[test]
    fn the_facts_are_those_of_the_top_level() {
        let body =
            r#"{"model":"m","stream":true,"max_output_tokens":7,"service_tier":"flex","prompt_cache_key":"s-1"}"#;
        let facts = scan(body).unwrap().facts;
        assert_eq!((facts.model.as_str(), facts.stream, facts.max_output_tokens), ("m", true, Some(7)));
        assert_eq!((facts.service_tier.as_deref(), facts.session.as_deref()), (Some("flex"), Some("s-1")));
    }

    #[test]
    fn what_two_readers_could_read_in_two_ways_is_refused() {
        for (body, named) in [
            (r#"{"model":"a","model":"b"}"#, "model"),
            (r#"{"model":"a","Max_output_tokens":1}"#, "Max_output_tokens"),
            (r#"{"model":"a","max_output_tokens":-1}"#, "max_output_tokens"),
            (r#"{"model":"a","stream":"yes"}"#, "stream"),
            (r#"{"model":5}"#, "model"),
        ] {
            match scan(body) {
                Err(RequestError::Malformed { field, .. }) => assert_eq!(field, Field::written(named)),
                other => panic!("{body}: {other:?}"),
            }
        }
        assert_eq!(scan("{}").map(drop), Err(RequestError::missing(Field::Model)));
        assert!(matches!(scan("[]"), Err(RequestError::InvalidJson { .. })));
    }
}
