//! Prices recorded attempts again, by another table: for a price that was missing or wrong when they were sent.

use super::by_class::Priced;
use super::table::PriceTable;
use crate::record::{Attempt, AttemptEnded};
use crate::usage::UsageSource;

impl PriceTable {
    /// Prices `attempts` again by this table. Each attempt has the price of the moment it was sent, for the usage, the
    /// tier and the served model in its record. The cost is rounded as it was at first. Returns whether a price
    /// changed; only attempts whose price changed are stamped with this table's version. Every attempt that has a price
    /// gets its cost by class, since records of older versions lack it.
    ///
    /// Three kinds of attempts keep their cost: those that billed nothing, those whose usage is unknown, and those that
    /// this table has no price for, since a known cost stays true when a price is removed from the table.
    pub fn reprice(&self, attempts: &mut [Attempt]) -> bool {
        let mut changed = false;
        for Attempt { started, ended } in attempts {
            let Some(ended) = ended.as_mut().filter(|ended| billed(ended)) else { continue };
            let (provider, at) = (started.provider, started.started_at);
            let served = ended.served_model.as_deref();
            let priced = self.priced(provider, &started.model, served, &ended.usage, at);
            let Some(Priced { cost, by_class }) = priced else { continue };
            ended.cost_by_class = by_class;
            let target = ended.instead_of.as_deref();
            let saved = target.and_then(|target| self.saved(provider, target, &ended.usage, at, cost));
            // If the target is not known or has no price, its cost as first recorded is kept.
            let saved = saved.or_else(|| Some(ended.saved?.plus(ended.cost?).minus(cost))).or(ended.saved);
            if (ended.cost, ended.saved) != (Some(cost), saved) {
                (ended.cost, ended.saved) = (Some(cost), saved);
                ended.price_version = Some(self.version().to_owned());
                changed = true;
            }
        }
        changed
    }
}

fn billed(ended: &AttemptEnded) -> bool {
    match ended.source {
        UsageSource::Provider | UsageSource::Estimated | UsageSource::Partial => true,
        UsageSource::None | UsageSource::Unknown => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Route;
    use crate::price::{Override, PicoPerToken};
    use crate::record::AttemptStarted;
    use crate::usage::{BilledBeside, Reported};
    use crate::{NanoUsd, Provider, ProviderKeyId, Timestamp, Usage};

    const SENT: Timestamp = Timestamp::from_millis(1_795_435_200_000);

    fn set(model: &str, input: u64, from: Timestamp) -> Override {
        Override {
            provider: Provider::OpenAi,
            model: model.into(),
            input: PicoPerToken(input),
            output: PicoPerToken(2 * input),
            cache_read: None,
            cache_write_5m: None,
            cache_write_1h: None,
            effective_from: from,
        }
    }

    fn table(overrides: impl IntoIterator<Item = Override>) -> PriceTable {
        PriceTable::builtin().unwrap().with_overrides(overrides)
    }

    fn attempt(model: &str, source: UsageSource, cost: Option<i64>) -> Attempt {
        let usage = Usage { input: 100, output: 10, ..Usage::default() };
        Attempt {
            started: AttemptStarted {
                alias: "a".into(),
                route: Route::Primary,
                provider: Provider::OpenAi,
                provider_key_id: ProviderKeyId(1),
                model: model.into(),
                started_at: SENT,
                notes: Vec::new(),
                held: None,
            },
            ended: Some(AttemptEnded {
                source,
                usage: Reported { usage, ..Reported::default() },
                cost: cost.map(NanoUsd),
                price_version: Some("first".into()),
                ..AttemptEnded::unbilled(Some(200), "", 1)
            }),
        }
    }

    fn cost(attempt: &Attempt) -> Option<i64> {
        attempt.ended.as_ref().unwrap().cost.map(|cost| cost.0)
    }

    #[test]
    fn a_price_set_since_gives_the_cost_that_was_missing() {
        let mut attempts =
            [attempt("new", UsageSource::Provider, None), attempt("gpt-4o", UsageSource::Provider, None)];
        attempts[1].ended.as_mut().unwrap().cost = Some(NanoUsd(350_000));
        let table = table([set("new", 3_000_003, SENT)]);
        assert!(table.reprice(&mut attempts));
        // 100 × 3.000003 + 10 × 6.000006 = 360 000 360 pico-dollars = 360 000.36 nano-dollars
        assert_eq!(cost(&attempts[0]), Some(360_000));
        let stamped = |attempt: &Attempt| attempt.ended.as_ref().unwrap().price_version.clone().unwrap();
        assert_eq!(stamped(&attempts[0]), table.version());
        // 100 × 2.50 + 10 × 10.00: as it was
        assert_eq!((cost(&attempts[1]), stamped(&attempts[1]).as_str()), (Some(350_000), "first"));
        assert!(!table.reprice(&mut attempts), "the second time nothing is left to do");
    }

    #[test]
    fn an_attempt_has_the_prices_of_its_own_time_and_tier() {
        let mut late = [attempt("new", UsageSource::Provider, None)];
        assert!(!table([set("new", 1_000_000, SENT.plus_millis(1))]).reprice(&mut late));
        assert_eq!(cost(&late[0]), None);
        let mut batch = [attempt("gpt-4o", UsageSource::Provider, Some(1))];
        batch[0].ended.as_mut().unwrap().usage.service_tier = Some("batch".into());
        assert!(table([]).reprice(&mut batch));
        assert_eq!(cost(&batch[0]), Some(175_000));
    }

    #[test]
    fn the_model_that_answered_and_passes_beside_count() {
        let mut attempts = [attempt("gpt-4o", UsageSource::Partial, None)];
        let ended = attempts[0].ended.as_mut().unwrap();
        ended.served_model = Some("gpt-4o-2024-05-13".into());
        ended.usage.beside = vec![BilledBeside { model: Some("new".into()), usage: ended.usage.usage }];
        assert!(!table([]).reprice(&mut attempts), "one of its passes has no price");
        assert!(table([set("new", 1_000_000, SENT)]).reprice(&mut attempts));
        // 100 × 5.00 + 10 × 15.00, and 100 × 1 + 10 × 2
        assert_eq!(cost(&attempts[0]), Some(650_000 + 120_000));
    }

    #[test]
    fn what_billed_nothing_and_what_nobody_knows_stays() {
        let table = table([set("new", 1_000_000, SENT)]);
        let mut attempts = [
            attempt("new", UsageSource::None, Some(0)),
            attempt("new", UsageSource::Unknown, None),
            Attempt { ended: None, ..attempt("new", UsageSource::None, None) },
        ];
        let before = attempts.clone();
        assert!(!table.reprice(&mut attempts));
        assert_eq!(attempts, before);
        let mut gone = [attempt("nobody-lists-this", UsageSource::Provider, Some(7))];
        assert!(!table.reprice(&mut gone));
        assert_eq!(cost(&gone[0]), Some(7), "a known cost is kept where no price is known any more");
    }

    #[test]
    fn what_a_light_model_saved_follows() {
        let saved = |attempt: &Attempt| attempt.ended.as_ref().unwrap().saved.map(|saved| saved.0);
        let mut attempts = [attempt("light", UsageSource::Provider, None)];
        attempts[0].ended.as_mut().unwrap().instead_of = Some("gpt-4o".into());
        assert!(table([set("light", 1_000_000, SENT)]).reprice(&mut attempts));
        assert_eq!((cost(&attempts[0]), saved(&attempts[0])), (Some(120_000), Some(350_000 - 120_000)));
        // Without the target its cost is what it was: 120 000 + 230 000.
        attempts[0].ended.as_mut().unwrap().instead_of = None;
        assert!(table([set("light", 2_000_000, SENT)]).reprice(&mut attempts));
        assert_eq!((cost(&attempts[0]), saved(&attempts[0])), (Some(240_000), Some(110_000)));
    }
}
