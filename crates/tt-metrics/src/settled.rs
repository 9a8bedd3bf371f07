//! The additions of a settlement to the metrics. It follows [`tt_core::record::Totals`], so that the sums are those of the rows.

use std::sync::Arc;

use tt_core::UsageSource;
use tt_core::record::{Attempt, AttemptEnded, Outcome, Settlement};
use tt_core::usage::Usage;

use crate::families::Families;
use crate::handles::ModelHandles;
use crate::known::ModelName;
use crate::labels::{AttemptOutcome, Cause, Class, Gap, PriceStatus};
use crate::metrics::Metrics;

impl Metrics {
    /// Counts a settlement. A ledger's observer calls it once for each.
    pub fn settled(&self, settlement: &Settlement) {
        let (families, known) = (&self.families, self.known.load());
        let Settlement { intent, attempts, settled } = settlement;
        let last = attempts.last().map(|last| &last.started);
        let target = known.target(&self.aliases, &intent.alias, last.map(|last| name(last.provider, &last.model)));
        target.request(families, last.map(|last| last.route), intent.dialect, settled.outcome);

        let mut before: Option<&Attempt> = None;
        let mut gaps = Gaps::default();
        for (position, attempt) in attempts.iter().enumerate() {
            let started = &attempt.started;
            let is_last = position + 1 == attempts.len();
            let model =
                if is_last { Arc::clone(&target.model) } else { known.model(name(started.provider, &started.model)) };
            let end = if is_last { settled.outcome } else { Outcome::Error };
            model.attempt(families, cause(before, attempt), outcome(attempt.ended.as_ref(), end));
            gaps.add(billed(families, &model, attempt.ended.as_ref()));
            before = Some(attempt);
        }
        gaps.interrupted = settled.outcome == Outcome::Interrupted;
        gaps.count(families);

        if !gaps.interrupted {
            target.model.duration(families, seconds(settled.latency_ms));
        }
        if let Some(first_token_ms) = settled.first_token_ms {
            target.model.first_token(families, seconds(first_token_ms));
        }
    }
}

fn name(provider: tt_core::Provider, model: &str) -> ModelName<'_> {
    ModelName { provider, model }
}

/// The kinds of gaps in the row of a request.
#[derive(Debug, Default)]
struct Gaps {
    interrupted: bool,
    unknown_usage: bool,
    unpriced: bool,
}

impl Gaps {
    fn add(&mut self, kind: Option<Gap>) {
        match kind {
            Some(Gap::UnknownUsage) => self.unknown_usage = true,
            Some(Gap::Unpriced) => self.unpriced = true,
            Some(Gap::Interrupted) => self.interrupted = true,
            None => {}
        }
    }

    fn count(&self, families: &Families) {
        let all = [
            (self.interrupted, Gap::Interrupted),
            (self.unknown_usage, Gap::UnknownUsage),
            (self.unpriced, Gap::Unpriced),
        ];
        for (_, kind) in all.into_iter().filter(|(is_there, _)| *is_there) {
            families.gap(kind);
        }
    }
}

/// Adds what an attempt has billed. Returns what is missing of it, if something is.
fn billed(families: &Families, model: &ModelHandles, ended: Option<&AttemptEnded>) -> Option<Gap> {
    let Some(ended) = ended else { return Some(Gap::UnknownUsage) };
    let source = ended.source;
    if source == UsageSource::None {
        return None;
    }
    for (class, tokens) in classes(&ended.usage.total()) {
        if tokens > 0 {
            model.tokens(families, class, source, tokens);
        }
    }
    if let Some(saved) = ended.saved {
        model.saved(families, saved.0);
    }
    if let Some(cost) = ended.cost {
        // A cost is never negative.
        model.cost(families, source, u64::try_from(cost.0).unwrap_or_default());
    }
    match (source, ended.cost) {
        (UsageSource::Unknown, _) => Some(Gap::UnknownUsage),
        (_, Some(_)) => {
            families.price_looked_up(PriceStatus::Found);
            None
        }
        (_, None) => {
            families.price_looked_up(PriceStatus::Missing);
            Some(Gap::Unpriced)
        }
    }
}

/// The tokens of a usage by class.
fn classes(usage: &Usage) -> [(Class, u64); 8] {
    // A provider may say that more of the output was thinking than there is output.
    let reasoning = usage.reasoning.unwrap_or_default().min(usage.output);
    [
        (Class::Input, usage.input),
        (Class::CacheRead, usage.cache_read),
        (Class::CacheWrite5m, usage.cache_write_5m),
        (Class::CacheWrite30m, usage.cache_write_30m),
        (Class::CacheWrite1h, usage.cache_write_1h),
        (Class::CacheWrite12h, usage.cache_write_12h),
        (Class::Output, usage.output - reasoning),
        (Class::Reasoning, reasoning),
    ]
}

/// The reason why `attempt` was made after `before`.
fn cause(before: Option<&Attempt>, attempt: &Attempt) -> Cause {
    let target = |attempt: &Attempt| (attempt.started.provider_key_id, attempt.started.provider);
    match before {
        None => Cause::First,
        Some(before)
            if target(before) == target(attempt)
                && before.started.alias == attempt.started.alias
                && before.started.model == attempt.started.model =>
        {
            Cause::Retry
        }
        Some(_) => Cause::Fallback,
    }
}

/// The end of an attempt, after which its request ended with `end`.
fn outcome(ended: Option<&AttemptEnded>, end: Outcome) -> AttemptOutcome {
    let Some(ended) = ended else { return AttemptOutcome::Interrupted };
    match (ended.status, &ended.error) {
        (Some(401..=403), _) => AttemptOutcome::Denied,
        (Some(429), _) => AttemptOutcome::RateLimited,
        (Some(400..=499), _) => AttemptOutcome::Refused,
        (Some(500..), _) => AttemptOutcome::ServerError,
        (Some(_), None) => AttemptOutcome::Ok,
        (_, Some(_)) if end == Outcome::Cancelled => AttemptOutcome::Cancelled,
        (_, Some(_)) if end == Outcome::Interrupted => AttemptOutcome::Interrupted,
        (Some(_), Some(_)) => AttemptOutcome::Broken,
        (None, _) => AttemptOutcome::Unanswered,
    }
}

#[expect(clippy::cast_precision_loss, reason = "durations are far below 2^53 ms, and a histogram's sum is a float")]
fn seconds(millis: u64) -> f64 {
    millis as f64 / 1000.0
}
