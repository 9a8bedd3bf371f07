//! The cost of an answer by the class of what was billed.

use super::exact_line::ExactLine;
use super::lines;
use super::table::PriceTable;
use crate::cost::CostByClass;
use crate::usage::Reported;
use crate::{NanoUsd, Provider, Timestamp};

/// The cost of an attempt, and what each class makes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Priced {
    /// The cost, as [`PriceTable::price`] gives it.
    pub cost: NanoUsd,
    /// The parts of it; `None` for a cost that is too large to be divided.
    pub by_class: Option<CostByClass>,
}

impl PriceTable {
    /// As [`Self::price`], with the part of each class. `None`: no price is known.
    ///
    /// The cost is rounded once, to `cost`. The parts are those of the lines that [`Self::cost_lines`] shows, added up
    /// by class, so that they add up to the cost exactly: each line is cut to whole nano-dollars, and the nano-dollars that
    /// are then missing go to the lines that were cut the most, one each.
    pub fn priced(
        &self,
        provider: Provider,
        asked: &str,
        served: Option<&str>,
        reported: &Reported,
        at: Timestamp,
    ) -> Option<Priced> {
        let entry = self.billed(provider, asked, served, at)?;
        let exact = self.exact_lines(entry, reported, at)?;
        let cost = lines::cost_of(&exact);
        Some(Priced { cost, by_class: by_class(&exact, cost) })
    }
}

fn by_class(exact: &[ExactLine], cost: NanoUsd) -> Option<CostByClass> {
    let mut parts = [NanoUsd::ZERO; CostByClass::COUNT];
    for (line, share) in exact.iter().zip(lines::shares(exact, cost)?) {
        let part = &mut parts[line.part as usize];
        *part = part.plus(share);
    }
    Some(CostByClass::of_parts(parts))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fee::Fee;
    use crate::price::exact_line::Part;
    use crate::usage::{BilledBeside, Usage};

    const SENT: Timestamp = Timestamp::from_millis(1_795_435_200_000);

    fn priced(provider: Provider, model: &str, reported: &Reported) -> Option<Priced> {
        PriceTable::builtin().unwrap().priced(provider, model, None, reported, SENT)
    }

    #[test]
    fn each_class_has_its_part() {
        let usage = Usage { input: 100, cache_read: 50, cache_write_1h: 20, output: 10, ..Usage::default() };
        let fees = vec![Fee::web_searches(2)];
        let both = priced(Provider::Anthropic, "claude-sonnet-4-5", &Reported { usage, fees, ..Reported::default() });
        let Priced { cost, by_class } = both.unwrap();
        // 100 × 3 + 50 × 0.30 + 20 × 6 + 10 × 15 dollars a million, and two searches at a cent each.
        let parts = by_class.unwrap().parts().map(|part| part.0);
        assert_eq!(parts, [300_000, 15_000, 120_000, 150_000, 20_000_000]);
        assert_eq!(cost, by_class.unwrap().total());
    }

    #[test]
    fn half_a_nano_dollar_goes_to_the_part_that_was_cut_the_most() {
        // Flash-Lite reads a cache at 0.01 dollars a million: 25 tokens are a quarter of a nano-dollar, 50 are half of one.
        let usage = Usage { cache_read: 5, input: 7, output: 3, ..Usage::default() };
        let lite =
            priced(Provider::Gemini, "gemini-2.5-flash-lite", &Reported { usage, ..Reported::default() }).unwrap();
        // 7 × 0.10 = 700, 5 × 0.01 = 50, 3 × 0.40 = 1200 nano-dollars: nothing is cut.
        assert_eq!(lite.by_class.unwrap().parts().map(|part| part.0), [700, 50, 0, 1200, 0]);
        let line = |part, per_unit| ExactLine { class: "input", part, count: 1, per_unit };
        let nano = |amount: u128| amount * 1_000_000_000 / 10;
        let of = |lines: &[ExactLine]| by_class(lines, lines::cost_of(lines)).unwrap().parts().map(|part| part.0);
        // 1.4 + 2.6 = 4.0: the output was cut by more.
        assert_eq!(of(&[line(Part::Input, nano(14)), line(Part::Output, nano(26))]), [1, 0, 0, 3, 0]);
        // 1.5 + 1.5 = 3: of two that were cut alike, the first gets it.
        assert_eq!(of(&[line(Part::Input, nano(15)), line(Part::Output, nano(15))]), [2, 0, 0, 1, 0]);
        // 0.5 is rounded to the even 0.
        assert_eq!(of(&[line(Part::Fees, nano(5))]), [0; 5]);
    }

    #[test]
    fn what_has_no_price_has_no_parts() {
        assert_eq!(priced(Provider::OpenAi, "nobody-lists-this", &Reported::default()), None);
        let huge = Usage { output: u64::MAX, ..Usage::default() };
        let huge = priced(Provider::OpenAi, "gpt-4o", &Reported { usage: huge, ..Reported::default() }).unwrap();
        assert_eq!((huge.cost, huge.by_class), (NanoUsd(i64::MAX), None));
    }

    proptest! {
        /// For any usage, the parts add up to the cost to the last nano-dollar, and no part is negative.
        #[test]
        fn parts_add_up_to_the_cost(
            counts in prop::array::uniform8(0u64..3000),
            searches in 0u64..3,
            words in prop::sample::subsequence(vec!["us", "fast"], 0..=2),
            beside in any::<bool>(),
            model in prop::sample::select(vec![
                (Provider::OpenAi, "gpt-4o-mini"),
                (Provider::OpenAi, "gpt-4o-audio-preview"),
                (Provider::Anthropic, "claude-opus-4-6"),
                (Provider::Gemini, "gemini-2.5-flash"),
                (Provider::Gemini, "gemini-2.5-flash-lite"),
            ]),
        ) {
            let [input, audio_input, cache_read, cache_write_5m, cache_write_1h, output, audio_output, cached_audio] = counts;
            let usage = Usage {
                input, audio_input, cache_read, cache_write_5m, cache_write_1h, output, audio_output, cached_audio,
                ..Usage::default()
            };
            let reported = Reported {
                usage,
                modifiers: words.into_iter().map(str::to_owned).collect(),
                fees: vec![Fee::web_searches(searches)],
                beside: if beside { vec![BilledBeside { model: None, usage }] } else { Vec::new() },
                ..Reported::default()
            };
            let table = PriceTable::builtin().unwrap();
            let found = table.priced(model.0, model.1, None, &reported, SENT);
            prop_assert_eq!(found.map(|priced| priced.cost), table.price(model.0, model.1, None, &reported, SENT));
            if let Some(Priced { cost, by_class }) = found {
                let parts = by_class.unwrap();
                prop_assert_eq!(parts.total(), cost);
                prop_assert!(parts.parts().iter().all(|part| part.0 >= 0));
                prop_assert!(searches > 0 || parts.fees == NanoUsd::ZERO);
            }
        }
    }
}
