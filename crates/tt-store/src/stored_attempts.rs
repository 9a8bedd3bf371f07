//! The attempts of a request as JSON, as the column `attempts` holds them: the fields of [`tt_core::record::Attempt`],
//! without those that hold nothing (null, 0, an empty text or list). Most of the fields of most attempts hold nothing,
//! and each would cost time at every write and room for as long as the row is kept.
//!
//! Attempts are read back by the types of tt-core, in which a missing field holds nothing.

use serde::Serialize;
use tt_core::fee::Fee;
use tt_core::plan::Route;
use tt_core::record::{self, Note};
use tt_core::usage::{self, UsageSource};
use tt_core::{NanoUsd, Provider, ProviderKeyId, Timestamp};

use crate::decode;
use crate::error::Result;

/// The JSON of `attempts`.
pub(crate) fn json(attempts: &[record::Attempt]) -> Result<String> {
    decode::json(&attempts.iter().map(Attempt::of).collect::<Vec<_>>())
}

#[derive(Serialize)]
struct Attempt<'a> {
    started: Started<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<Ended<'a>>,
}

#[derive(Serialize)]
struct Started<'a> {
    alias: &'a str,
    route: Route,
    provider: Provider,
    provider_key_id: ProviderKeyId,
    model: &'a str,
    started_at: Timestamp,
    #[serde(skip_serializing_if = "<[Note]>::is_empty")]
    notes: &'a [Note],
    #[serde(skip_serializing_if = "Option::is_none")]
    held: Option<NanoUsd>,
}

#[derive(Serialize)]
struct Ended<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    latency_ms: u64,
    source: UsageSource,
    usage: Reported<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    served_model: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<NanoUsd>,
    #[serde(skip_serializing_if = "Option::is_none")]
    saved: Option<NanoUsd>,
    #[serde(skip_serializing_if = "Option::is_none")]
    price_version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instead_of: Option<&'a str>,
}

#[derive(Serialize)]
struct Reported<'a> {
    usage: Usage,
    #[serde(skip_serializing_if = "str::is_empty")]
    raw: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    beside: Vec<BilledBeside<'a>>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    modifiers: &'a [String],
    #[serde(skip_serializing_if = "<[Fee]>::is_empty")]
    fees: &'a [Fee],
}

#[derive(Serialize)]
struct BilledBeside<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    usage: Usage,
}

#[derive(Serialize)]
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

// Each function names all fields of the type that it reads, so that the compiler points here when one is added.

impl<'a> Attempt<'a> {
    fn of(attempt: &'a record::Attempt) -> Self {
        let record::Attempt { started, ended } = attempt;
        Self { started: Started::of(started), ended: ended.as_ref().map(Ended::of) }
    }
}

impl<'a> Started<'a> {
    fn of(started: &'a record::AttemptStarted) -> Self {
        let record::AttemptStarted { alias, route, provider, provider_key_id, model, started_at, notes, held } =
            started;
        Self {
            alias,
            route: *route,
            provider: *provider,
            provider_key_id: *provider_key_id,
            model,
            started_at: *started_at,
            notes,
            held: *held,
        }
    }
}

impl<'a> Ended<'a> {
    fn of(ended: &'a record::AttemptEnded) -> Self {
        let record::AttemptEnded {
            status,
            error,
            latency_ms,
            source,
            usage,
            served_model,
            cost,
            saved,
            price_version,
            instead_of,
        } = ended;
        Self {
            status: *status,
            error: error.as_deref(),
            latency_ms: *latency_ms,
            source: *source,
            usage: Reported::of(usage),
            served_model: served_model.as_deref(),
            cost: *cost,
            saved: *saved,
            price_version: price_version.as_deref(),
            instead_of: instead_of.as_deref(),
        }
    }
}

impl<'a> Reported<'a> {
    fn of(reported: &'a usage::Reported) -> Self {
        let usage::Reported { usage, raw, service_tier, beside, modifiers, fees } = reported;
        Self {
            usage: Usage::of(usage),
            raw,
            service_tier: service_tier.as_deref(),
            beside: beside.iter().map(BilledBeside::of).collect(),
            modifiers,
            fees,
        }
    }
}

impl<'a> BilledBeside<'a> {
    fn of(pass: &'a usage::BilledBeside) -> Self {
        let usage::BilledBeside { model, usage } = pass;
        Self { model: model.as_deref(), usage: Usage::of(usage) }
    }
}

impl Usage {
    const fn of(usage: &usage::Usage) -> Self {
        let usage::Usage {
            input,
            cache_read,
            cache_write_5m,
            cache_write_1h,
            output,
            reasoning,
            audio_input,
            audio_output,
            tool_prompt,
            cache_write_30m,
            cache_write_12h,
            cached_audio,
            image_input,
            image_output,
            video_input,
        } = *usage;
        Self {
            input,
            cache_read,
            cache_write_5m,
            cache_write_1h,
            output,
            reasoning,
            audio_input,
            audio_output,
            tool_prompt,
            cache_write_30m,
            cache_write_12h,
            cached_audio,
            image_input,
            image_output,
            video_input,
        }
    }
}

#[cfg(test)]
mod tests {
    use tt_core::fee::Fee;
    use tt_core::record::Change;

    use super::*;

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
        decode::from_json(&json(attempts).unwrap()).unwrap()
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
        let text = json(&attempts).unwrap();
        assert!(text.ends_with(r#""ended":{"latency_ms":0,"source":"none","usage":{"usage":{}}}}]"#), "{text}");
    }
}
