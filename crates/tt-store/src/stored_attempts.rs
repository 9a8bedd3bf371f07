//! The attempts of a request as JSON, as the column `details` holds them: the fields of [`tt_core::record::Attempt`],
//! without those that hold nothing (null, 0, an empty text or list). Most of the fields of most attempts hold nothing,
//! and each would cost time at every write and room for as long as the row is kept.
//!
//! Attempts are read back by the types of tt-core, in which a missing field holds nothing. A field that is added in tt-core
//! is added here too: the test below names every field, and fails if one is not read back. The cost by class is left out:
//! columns of the row have the sums of it.

use tt_core::record::{Attempt, AttemptEnded, AttemptStarted};
use tt_core::usage::{Reported, Usage};

use crate::error::Result;
use crate::json::Fields;

/// Adds the fields of an attempt.
pub(crate) fn write(to: &mut Fields<'_>, attempt: &Attempt) -> Result<()> {
    to.object("started", |to| started(to, &attempt.started))?;
    match &attempt.ended {
        Some(end) => to.object("ended", |to| ended(to, end)),
        None => Ok(()),
    }
}

fn started(to: &mut Fields<'_>, started: &AttemptStarted) -> Result<()> {
    to.value("alias", &started.alias)?;
    to.value("route", started.route.as_str())?;
    to.value("provider", started.provider.as_str())?;
    to.value("provider_key_id", &started.provider_key_id.0)?;
    to.value("model", &started.model)?;
    to.value("started_at", &started.started_at.rfc3339())?;
    to.values("notes", &started.notes)?;
    to.maybe("held", started.held.as_ref())
}

fn ended(to: &mut Fields<'_>, ended: &AttemptEnded) -> Result<()> {
    to.maybe("status", ended.status.as_ref())?;
    to.maybe("error", ended.error.as_deref())?;
    to.value("latency_ms", &ended.latency_ms)?;
    to.value("source", ended.source.as_str())?;
    to.object("usage", |to| reported(to, &ended.usage))?;
    to.maybe("served_model", ended.served_model.as_deref())?;
    to.maybe("cost", ended.cost.as_ref())?;
    to.maybe("saved", ended.saved.as_ref())?;
    to.maybe("price_version", ended.price_version.as_deref())?;
    to.maybe("instead_of", ended.instead_of.as_deref())
}

fn reported(to: &mut Fields<'_>, reported: &Reported) -> Result<()> {
    to.object("usage", |to| usage(to, &reported.usage))?;
    if !reported.raw.is_empty() {
        to.value("raw", &reported.raw)?;
    }
    to.maybe("service_tier", reported.service_tier.as_deref())?;
    if !reported.beside.is_empty() {
        to.objects("beside", &reported.beside, |to, pass| {
            to.maybe("model", pass.model.as_deref())?;
            to.object("usage", |to| usage(to, &pass.usage))
        })?;
    }
    to.values("modifiers", &reported.modifiers)?;
    to.values("fees", &reported.fees)
}

fn usage(to: &mut Fields<'_>, usage: &Usage) -> Result<()> {
    to.count("input", usage.input)?;
    to.count("cache_read", usage.cache_read)?;
    to.count("cache_write_5m", usage.cache_write_5m)?;
    to.count("cache_write_1h", usage.cache_write_1h)?;
    to.count("output", usage.output)?;
    to.maybe("reasoning", usage.reasoning.as_ref())?;
    to.count("audio_input", usage.audio_input)?;
    to.count("audio_output", usage.audio_output)?;
    to.count("tool_prompt", usage.tool_prompt)?;
    to.count("cache_write_30m", usage.cache_write_30m)?;
    to.count("cache_write_12h", usage.cache_write_12h)?;
    to.count("cached_audio", usage.cached_audio)?;
    to.count("image_input", usage.image_input)?;
    to.count("image_output", usage.image_output)?;
    to.count("video_input", usage.video_input)
}

#[cfg(test)]
mod tests {
    use tt_core::fee::Fee;
    use tt_core::plan::Route;
    use tt_core::record::{self, Change, Note};
    use tt_core::usage::{self, UsageSource};
    use tt_core::{NanoUsd, Provider, ProviderKeyId, Timestamp};

    use super::*;
    use crate::{decode, json};

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

    fn written(attempts: &[record::Attempt]) -> String {
        json::object(|to| to.objects("attempts", attempts, write)).unwrap()
    }

    fn read_back(attempts: &[record::Attempt]) -> Vec<record::Attempt> {
        #[derive(serde::Deserialize)]
        struct Read {
            attempts: Vec<record::Attempt>,
        }
        decode::from_json::<Read>(&written(attempts)).unwrap().attempts
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
        let text = written(&attempts);
        assert!(text.ends_with(r#""ended":{"latency_ms":0,"source":"none","usage":{"usage":{}}}}]}"#), "{text}");
    }
}
