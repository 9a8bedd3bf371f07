//! The attempts of a request as JSON, as the column `details` holds them: the fields of [`tt_core::record::Attempt`],
//! without those that hold nothing (null, 0, an empty text or list). Most of the fields of most attempts hold nothing,
//! and each would cost time at every write and room for as long as the row is kept.
//!
//! Attempts are read back by the types of tt-core, in which a missing field holds nothing.
//!
//! The types here have the fields of those in tt-core, which serde reads from there (`remote`). A field that is added in
//! tt-core is added here too: the test below names every field, and fails if one is not read back. The cost by class is
//! left out: columns of the row have the sums of it.

use serde::{Serialize, Serializer};
use tt_core::fee::Fee;
use tt_core::plan::Route;
use tt_core::record::{self, Note};
use tt_core::usage::{self, UsageSource};
use tt_core::{NanoUsd, Provider, ProviderKeyId, Timestamp};

/// The attempts of a request, to be written as JSON.
pub(crate) struct Attempts<'a>(pub(crate) &'a [record::Attempt]);

impl Serialize for Attempts<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        to.collect_seq(
            self.0
                .iter()
                .map(|record::Attempt { started, ended }| Attempt { started, ended: ended.as_ref().map(Closed) }),
        )
    }
}

#[derive(Serialize)]
struct Attempt<'a> {
    #[serde(with = "Started")]
    started: &'a record::AttemptStarted,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<Closed<'a>>,
}

/// The end of an attempt, in the form of [`Ended`].
#[derive(Serialize)]
struct Closed<'a>(#[serde(with = "Ended")] &'a record::AttemptEnded);

#[derive(Serialize)]
#[serde(remote = "record::AttemptStarted")]
struct Started {
    alias: String,
    route: Route,
    provider: Provider,
    provider_key_id: ProviderKeyId,
    model: String,
    started_at: Timestamp,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<Note>,
    #[serde(skip_serializing_if = "Option::is_none")]
    held: Option<NanoUsd>,
}

#[derive(Serialize)]
#[serde(remote = "record::AttemptEnded")]
struct Ended {
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    latency_ms: u64,
    source: UsageSource,
    #[serde(with = "Reported")]
    usage: usage::Reported,
    #[serde(skip_serializing_if = "Option::is_none")]
    served_model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<NanoUsd>,
    #[serde(skip_serializing_if = "Option::is_none")]
    saved: Option<NanoUsd>,
    #[serde(skip_serializing_if = "Option::is_none")]
    price_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instead_of: Option<String>,
}

#[derive(Serialize)]
#[serde(remote = "usage::Reported")]
struct Reported {
    #[serde(with = "Usage")]
    usage: usage::Usage,
    #[serde(skip_serializing_if = "String::is_empty")]
    raw: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "passes")]
    beside: Vec<usage::BilledBeside>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    modifiers: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fees: Vec<Fee>,
}

/// Writes each of `beside` in the form of [`BilledBeside`].
fn passes<S: Serializer>(beside: &[usage::BilledBeside], to: S) -> std::result::Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Pass<'a>(#[serde(with = "BilledBeside")] &'a usage::BilledBeside);
    to.collect_seq(beside.iter().map(Pass))
}

#[derive(Serialize)]
#[serde(remote = "usage::BilledBeside")]
struct BilledBeside {
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    #[serde(with = "Usage")]
    usage: usage::Usage,
}

#[derive(Serialize)]
#[serde(remote = "usage::Usage")]
struct Usage {
    #[serde(skip_serializing_if = "is_zero")]
    input: u64,
    #[serde(skip_serializing_if = "is_zero")]
    cache_read: u64,
    #[serde(skip_serializing_if = "is_zero")]
    cache_write_5m: u64,
    #[serde(skip_serializing_if = "is_zero")]
    cache_write_1h: u64,
    #[serde(skip_serializing_if = "is_zero")]
    output: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning: Option<u64>,
    #[serde(skip_serializing_if = "is_zero")]
    audio_input: u64,
    #[serde(skip_serializing_if = "is_zero")]
    audio_output: u64,
    #[serde(skip_serializing_if = "is_zero")]
    tool_prompt: u64,
    #[serde(skip_serializing_if = "is_zero")]
    cache_write_30m: u64,
    #[serde(skip_serializing_if = "is_zero")]
    cache_write_12h: u64,
    #[serde(skip_serializing_if = "is_zero")]
    cached_audio: u64,
    #[serde(skip_serializing_if = "is_zero")]
    image_input: u64,
    #[serde(skip_serializing_if = "is_zero")]
    image_output: u64,
    #[serde(skip_serializing_if = "is_zero")]
    video_input: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

#[cfg(test)]
mod tests {
    use tt_core::fee::Fee;
    use tt_core::record::Change;

    use super::*;
    use crate::decode;

    fn started() -> record::AttemptStarted {
        record::AttemptStarted {
            alias: "prod".to_owned(),
            route: Route::Light,
            provider: Provider::Anthropic,
            provider_key_id: ProviderKeyId(3),
            model: "claude".to_owned(),
            started_at: Timestamp::from_millis(1_700_000_000_000),
            notes: Vec::new(),
            held: None,
        }
    }

    /// Every class another number.
    fn all_classes() -> usage::Usage {
        usage::Usage {
            input: 1,
            cache_read: 2,
            cache_write_5m: 3,
            cache_write_1h: 4,
            output: 5,
            reasoning: Some(0),
            audio_input: 7,
            audio_output: 8,
            tool_prompt: 9,
            cache_write_30m: 10,
            cache_write_12h: 11,
            cached_audio: 12,
            image_input: 13,
            image_output: 14,
            video_input: 15,
        }
    }

    fn read_back(attempts: &[record::Attempt]) -> Vec<record::Attempt> {
        decode::from_json(&decode::json(&Attempts(attempts)).unwrap()).unwrap()
    }

    #[test]
    fn an_attempt_with_every_field_is_read_back() {
        let note = Note { param: "seed".to_owned(), what: Change::Dropped, why: "it has none".to_owned() };
        let usage = usage::Reported {
            usage: all_classes(),
            raw: "{\"in\": 1}".to_owned(),
            service_tier: Some("flex".to_owned()),
            beside: vec![usage::BilledBeside { model: Some("other".to_owned()), usage: all_classes() }],
            modifiers: vec!["us".to_owned()],
            fees: vec![Fee::web_searches(2)],
        };
        let ended = record::AttemptEnded {
            status: Some(200),
            error: Some("broke".to_owned()),
            latency_ms: 12,
            source: UsageSource::Partial,
            usage,
            served_model: Some("claude-1".to_owned()),
            cost: Some(NanoUsd(7)),
            saved: Some(NanoUsd(-1)),
            price_version: Some("v1".to_owned()),
            instead_of: Some("big".to_owned()),
            cost_by_class: None,
        };
        let started = record::AttemptStarted { notes: vec![note], held: Some(NanoUsd(9)), ..started() };
        let attempts = [record::Attempt { started, ended: Some(ended) }];
        assert_eq!(read_back(&attempts), attempts);
    }

    #[test]
    fn an_attempt_with_nothing_is_read_back_and_takes_no_room_for_it() {
        let open = record::Attempt { started: started(), ended: None };
        let unbilled = record::AttemptEnded { error: None, cost: None, ..record::AttemptEnded::unbilled(None, "", 0) };
        let attempts = [open, record::Attempt { started: started(), ended: Some(unbilled) }];
        assert_eq!(read_back(&attempts), attempts);
        let text = decode::json(&Attempts(&attempts)).unwrap();
        assert!(text.ends_with(r#""ended":{"latency_ms":0,"source":"none","usage":{"usage":{}}}}]"#), "{text}");
    }
}
