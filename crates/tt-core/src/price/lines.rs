//! The lines of a cost: what each class of tokens cost, and at which price.

use super::exact_line::ExactLine;
use super::sheet;
use super::table::PriceTable;
use super::unit::PicoPerToken;
use crate::NanoUsd;
use crate::record::{Attempt, AttemptEnded};

/// The part of a cost that one class of tokens makes at one price, or one kind of fee.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CostLine {
    /// The class of tokens by its name in the API, such as `input` or `cache_write_1h`, or a service that was used, such as
    /// `web_search`, whose uses are counted instead of tokens.
    pub class: &'static str,
    /// The number of tokens, or of searches.
    pub count: u64,
    /// The price of one, with the multiple that the place and the speed of the answer make of it.
    pub price: PicoPerToken,
    /// The cost. The costs of all lines add up to the cost of the request.
    pub cost: NanoUsd,
}

/// The atto-dollars of a nano-dollar, and of a pico-dollar.
const PER_NANO: u128 = 1_000_000_000;
const PER_PICO: u128 = sheet::ONCE;

impl PriceTable {
    /// The lines of the known cost of a request with these attempts. `None`: this table prices an attempt at another cost than
    /// the recorded one, because prices have changed since.
    pub fn cost_lines(&self, attempts: &[Attempt]) -> Option<Vec<CostLine>> {
        let mut lines: Vec<CostLine> = Vec::new();
        for Attempt { started, ended } in attempts {
            let Some(AttemptEnded { usage, served_model, cost: Some(cost), .. }) = ended else { continue };
            if *cost == NanoUsd::ZERO {
                continue;
            }
            let entry = self.billed(started.provider, &started.model, served_model.as_deref(), started.started_at)?;
            let exact = self.exact_lines(entry, usage, started.started_at)?;
            for line in rounded(&exact, *cost)? {
                match lines.iter_mut().find(|known| (known.class, known.price) == (line.class, line.price)) {
                    Some(known) => {
                        known.count = known.count.saturating_add(line.count);
                        known.cost = known.cost.plus(line.cost);
                    }
                    None => lines.push(line),
                }
            }
        }
        Some(lines)
    }
}

/// Rounds lines to nano-dollars so that they add up to `cost`. `None` if their exact sum is not rounded to `cost`.
fn rounded(exact: &[ExactLine], cost: NanoUsd) -> Option<Vec<CostLine>> {
    if cost_of(exact) != cost {
        return None;
    }
    let lines = exact.iter().zip(shares(exact, cost)?).map(|(line, share)| {
        let price = PicoPerToken(u64::try_from(line.per_unit / PER_PICO).ok()?);
        Some(CostLine { class: line.class, count: line.count, price, cost: share })
    });
    lines.collect()
}

/// The sum of the lines, rounded once.
pub(super) fn cost_of(exact: &[ExactLine]) -> NanoUsd {
    let sum = exact.iter().fold(0_u128, |sum, line| sum.saturating_add(line.amount()));
    NanoUsd::from_atto(i128::try_from(sum).unwrap_or(i128::MAX))
}

/// Each line's part of `cost`, the rounded sum of all: its whole nano-dollars, and one of those that these leave if it is
/// among the lines that were cut the most, the first of two that were cut alike. `None` where a line is too large.
pub(super) fn shares(exact: &[ExactLine], cost: NanoUsd) -> Option<Vec<NanoUsd>> {
    let whole = |line: &ExactLine| i64::try_from(line.amount() / PER_NANO).ok().map(NanoUsd);
    let mut shares = exact.iter().map(whole).collect::<Option<Vec<_>>>()?;
    let left = shares.iter().fold(cost, |left, share| left.minus(*share)).0;
    if left <= 0 {
        return Some(shares);
    }
    let mut by_rest: Vec<usize> = (0..exact.len()).collect();
    by_rest.sort_by_key(|at| std::cmp::Reverse(exact.get(*at).map_or(0, |line| line.amount() % PER_NANO)));
    for at in by_rest.into_iter().take(usize::try_from(left).unwrap_or(0)) {
        if let Some(share) = shares.get_mut(at) {
            *share = share.plus(NanoUsd(1));
        }
    }
    Some(shares)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fee::Fee;
    use crate::plan::Route;
    use crate::record::AttemptStarted;
    use crate::usage::{Reported, Usage, UsageSource};
    use crate::{Provider, ProviderKeyId, Timestamp};

    const SENT: Timestamp = Timestamp::from_millis(1_795_435_200_000);

    fn attempt(provider: Provider, model: &str, reported: Reported) -> Attempt {
        let table = PriceTable::builtin().unwrap();
        let cost = table.price(provider, model, None, &reported, SENT);
        Attempt {
            started: AttemptStarted {
                alias: "a".into(),
                route: Route::Primary,
                provider,
                provider_key_id: ProviderKeyId(1),
                model: model.into(),
                started_at: SENT,
                notes: Vec::new(),
                held: None,
            },
            ended: Some(AttemptEnded {
                source: UsageSource::Provider,
                usage: reported,
                cost,
                ..AttemptEnded::unbilled(Some(200), "", 1)
            }),
        }
    }

    fn reported(usage: Usage) -> Reported {
        Reported { usage, ..Reported::default() }
    }

    fn shown(attempts: &[Attempt]) -> Option<Vec<(&'static str, u64, String, i64)>> {
        let lines = PriceTable::builtin().unwrap().cost_lines(attempts)?;
        Some(lines.iter().map(|line| (line.class, line.count, line.price.to_string(), line.cost.0)).collect())
    }

    #[test]
    fn each_class_is_a_line_at_its_price() {
        let usage = Usage { input: 100, cache_read: 50, output: 10, ..Usage::default() };
        let one = attempt(Provider::OpenAi, "gpt-4o", reported(usage));
        let line = |class, count, price: &str, cost| (class, count, price.to_owned(), cost);
        let expected = [
            line("input", 100, "2.5", 250_000),
            line("cache_read", 50, "1.25", 62_500),
            line("output", 10, "10", 100_000),
        ];
        assert_eq!(shown(std::slice::from_ref(&one)).unwrap(), expected);
        // A second attempt at the same price adds to the lines, and one that is not billed makes none.
        let mut unbilled = one.clone();
        unbilled.ended = Some(AttemptEnded::unbilled(Some(500), "", 1));
        let twice = shown(&[one.clone(), unbilled, one]).unwrap();
        assert_eq!((twice.len(), twice[0].1, twice[0].3), (3, 200, 500_000));
        assert_eq!(shown(&[]).unwrap(), []);
    }

    #[test]
    fn searches_are_a_line_of_their_own() {
        let mut usage = reported(Usage { input: 10, ..Usage::default() });
        usage.fees = vec![Fee::web_searches(3)];
        let lines = shown(&[attempt(Provider::Anthropic, "claude-sonnet-4-5", usage)]).unwrap();
        assert_eq!(lines.last().map(|line| (line.0, line.1, line.3)), Some(("web_search", 3, 30_000_000)));
    }

    #[test]
    fn a_cost_by_other_prices_has_no_lines() {
        let mut old = attempt(Provider::OpenAi, "gpt-4o", reported(Usage { input: 100, ..Usage::default() }));
        old.ended.as_mut().unwrap().cost = Some(NanoUsd(7));
        assert_eq!(shown(&[old]), None);
        let mut gone = attempt(Provider::OpenAi, "nobody-lists-this", reported(Usage { input: 1, ..Usage::default() }));
        gone.ended.as_mut().unwrap().cost = Some(NanoUsd(7));
        assert_eq!(shown(&[gone]), None);
    }

    proptest! {
        /// For any usage, the lines add up to the cost to the last nano-dollar.
        #[test]
        fn lines_add_up_to_the_cost(
            counts in prop::array::uniform7(0u64..3000),
            fast in any::<bool>(),
            model in prop::sample::select(vec![
                (Provider::OpenAi, "gpt-4o-mini"),
                (Provider::Anthropic, "claude-opus-4-6"),
                (Provider::Gemini, "gemini-2.5-flash"),
                (Provider::Gemini, "gemini-2.5-flash-lite"),
            ]),
        ) {
            let [input, audio_input, cache_read, cache_write_5m, cache_write_1h, output, cache_write_12h] = counts;
            let usage = Usage {
                input, audio_input, cache_read, cache_write_5m, cache_write_1h, output, cache_write_12h, ..Usage::default()
            };
            let modifiers = if fast { vec!["us".to_owned(), "fast".to_owned()] } else { Vec::new() };
            let one = attempt(model.0, model.1, Reported { modifiers, ..reported(usage) });
            let cost = one.ended.as_ref().unwrap().cost;
            let lines = PriceTable::builtin().unwrap().cost_lines(&[one]).unwrap();
            if let Some(cost) = cost {
                prop_assert_eq!(lines.iter().fold(NanoUsd::ZERO, |sum, line| sum.plus(line.cost)), cost);
                prop_assert!(lines.iter().all(|line| line.count > 0));
            }
        }
    }
}
