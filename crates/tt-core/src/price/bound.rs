//! The most that a request can cost, before it is sent, and the number of output tokens that an amount of money pays
//! for. The cost is rounded up here, and half to even when the attempt is over, so that the money reserved always
//! covers the cost.

use super::entry::ModelEntry;
use super::sheet::{Class, Prices, STANDARD};
use super::table::PriceTable;
use crate::{NanoUsd, Provider, Timestamp};

/// The tier a provider may choose by itself where it costs more than the standard one.
const PRIORITY: &str = "priority";

/// The words that mean the standard tier and no other.
const STANDARD_ONLY: [&str; 3] = ["default", STANDARD, "standard_only"];

/// The facts about a request that bound its cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CostBound<'a> {
    /// The largest number of input tokens, whatever their class.
    pub input_tokens: u64,
    /// The largest number of output tokens of one choice, thinking included.
    pub output_tokens: u64,
    /// The number of choices asked for, 1 or more. The input is billed once, the output for each choice.
    pub choices: u64,
    /// The service tier that the request names; `None` when it names none.
    pub service_tier: Option<&'a str>,
}

/// The dearest prices in pico-dollars a token that a request may be billed at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Dearest {
    input: u64,
    output: Option<u64>,
}

impl PriceTable {
    /// The most that `asked` can cost within `bound`; `None` when the model has no price, so that nothing bounds the
    /// cost.
    ///
    /// All of the input is taken to be of its dearest class (a cache write, or sound where that has a price), the
    /// output likewise, both at the dearest context length the input may reach. The tier is the dearer of the standard
    /// one and the one asked for; where the request names none, or leaves the choice to the provider (`auto`, any word
    /// that is not known), the priority tier counts too if it is listed, since a project's default may be that.
    ///
    /// Two costs are left out: the fees of tools, and a higher price of a snapshot that answers for `asked`.
    pub fn worst_case(&self, provider: Provider, asked: &str, bound: &CostBound<'_>, at: Timestamp) -> Option<NanoUsd> {
        let dearest = self.lookup(provider, asked)?.dearest(bound, at)?;
        let input = u128::from(bound.input_tokens) * u128::from(dearest.input);
        let tokens = u128::from(bound.output_tokens) * u128::from(bound.choices.max(1));
        let output = match dearest.output {
            Some(price) => tokens.saturating_mul(u128::from(price)),
            None if tokens == 0 => 0,
            None => return None,
        };
        let nano = input.saturating_add(output).div_ceil(1000);
        Some(NanoUsd(i64::try_from(nano).unwrap_or(i64::MAX)))
    }

    /// The number of output tokens of each choice that `money` pays for at least, after the input of `bound`: from 0,
    /// when it does not even pay for the input, to the bound's own number. `None` when the model has no price.
    pub fn output_tokens_for(
        &self,
        provider: Provider,
        asked: &str,
        bound: &CostBound<'_>,
        money: NanoUsd,
        at: Timestamp,
    ) -> Option<u64> {
        let dearest = self.lookup(provider, asked)?.dearest(bound, at)?;
        let input = u128::from(bound.input_tokens) * u128::from(dearest.input);
        let pico = u128::try_from(money.0).unwrap_or(0) * 1000;
        let Some(left) = pico.checked_sub(input) else { return Some(0) };
        let price = u128::from(dearest.output?).saturating_mul(u128::from(bound.choices.max(1)));
        let tokens = left.checked_div(price).map_or(u64::MAX, |tokens| u64::try_from(tokens).unwrap_or(u64::MAX));
        Some(tokens.min(bound.output_tokens))
    }
}

impl ModelEntry {
    /// The highest prices that may apply within `bound`; `None` when its input has no price.
    fn dearest(&self, bound: &CostBound<'_>, at: Timestamp) -> Option<Dearest> {
        if let Some(set) = self.override_at(at) {
            return dearest_of(&[set.prices()]);
        }
        let named = self.sheet.tier(bound.service_tier);
        let is_standard = |word: &str| STANDARD_ONLY.iter().any(|known| known.eq_ignore_ascii_case(word));
        let provider_chooses = named == STANDARD && !bound.service_tier.is_some_and(is_standard);
        let tiers = [Some(STANDARD), Some(named), provider_chooses.then_some(PRIORITY)];
        // A longer context is not always dearer, so the prices at each length within reach are compared.
        let reached =
            self.sheet.long_context.iter().map(|(above, _)| *above).filter(|above| bound.input_tokens > *above);
        let lengths: Vec<u64> = std::iter::once(0).chain(reached.map(|above| above.saturating_add(1))).collect();
        let prices: Vec<Prices> = tiers
            .into_iter()
            .flatten()
            .flat_map(|tier| lengths.iter().map(move |length| self.sheet.prices(tier, *length, at)))
            .collect();
        dearest_of(&prices)
    }
}

fn dearest_of(prices: &[Prices]) -> Option<Dearest> {
    const INPUT: [Class; 5] =
        [Class::Input, Class::CacheRead, Class::CacheWrite5m, Class::CacheWrite1h, Class::AudioInput];
    const OUTPUT: [Class; 2] = [Class::Output, Class::AudioOutput];
    let most = |classes: &[Class]| {
        let all = prices.iter().flat_map(|prices| classes.iter().map(|class| prices.charged(*class)));
        all.flatten().max()
    };
    // Every sheet with any price has one for text input, so a sheet without it has no prices at all.
    prices.iter().all(|prices| prices.charged(Class::Input).is_some()).then_some(())?;
    Some(Dearest { input: most(&INPUT)?, output: most(&OUTPUT) })
}

#[cfg(test)]
mod tests;
