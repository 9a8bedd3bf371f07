//! The most that a request can cost, before it is sent, and the number of output tokens that an amount of money pays
//! for. The cost is rounded up here, and half to even when the attempt is over, so that the money reserved always
//! covers the cost.

use super::entry::ModelEntry;
use super::sheet::{Class, ONCE, Prices, STANDARD};
use super::table::PriceTable;
use crate::call::cache::CacheTtl;
use crate::{NanoUsd, Provider, Timestamp};

/// The tier a provider may choose by itself where it costs more than the standard one.
const PRIORITY: &str = "priority";

/// The place of processing that a workspace at Anthropic may have made its default (`inference_geo`).
const DEFAULT_PLACE: &str = "us";

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
    /// The longest time for which the request asks to cache its input; `None` when it does not ask.
    pub cache_write: Option<CacheTtl>,
    /// True if there may be sound or a film in the input.
    pub audio_input: bool,
    /// True if there may be pictures in the input.
    pub image_input: bool,
    /// True if the answer may hold sound.
    pub audio_output: bool,
    /// The word under which the table lists the prices of the region that is asked; `None` for the usual prices.
    pub region: Option<&'a str>,
}

/// The dearest prices that a request may be billed at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Dearest {
    /// Pico-dollars a token.
    input: u64,
    /// Pico-dollars a token; `None`: not listed.
    output: Option<u64>,
    /// The multiple of both, in millionths.
    millionths: u128,
}

impl Dearest {
    /// The money that so many pico-dollars are in nano-dollars, with the multiple, rounded up.
    fn nano(&self, pico: u128) -> u128 {
        pico.saturating_mul(self.millionths).div_ceil(ONCE * 1000)
    }

    /// The pico-dollars before the multiple that an amount in nano-dollars pays for.
    fn pico(&self, nano: u128) -> u128 {
        nano.saturating_mul(ONCE * 1000) / self.millionths.max(1)
    }
}

impl PriceTable {
    /// The most that `asked` can cost within `bound`; `None` when the model has no price, so that nothing bounds the
    /// cost.
    ///
    /// All of the input is taken to be of the dearest class that it may be billed as, the output likewise, both at the
    /// dearest context length the input may reach. Those classes are text; sound where there is some; a write to a cache
    /// where the request asks for one, or where the provider caches without being asked (OpenAI). The tier is the dearer
    /// of the standard one and the one asked for; where the request names none, or leaves the choice to the provider
    /// (`auto`, any word that is not known), the priority tier counts too if it is listed, since a project's default at
    /// OpenAI and Anthropic may be that. So may be Anthropic's place of processing, `us`.
    ///
    /// A fee that every answer of the model is billed counts too. Two costs are left out: the fees of tools, and a higher
    /// price of a snapshot that answers for `asked`.
    pub fn worst_case(&self, provider: Provider, asked: &str, bound: &CostBound<'_>, at: Timestamp) -> Option<NanoUsd> {
        let entry = self.lookup(provider, asked)?;
        let dearest = entry.dearest(bound, at)?;
        let input = u128::from(bound.input_tokens) * u128::from(dearest.input);
        let tokens = u128::from(bound.output_tokens) * u128::from(bound.choices.max(1));
        // A model that makes pictures makes them without being asked.
        let output = match dearest.output {
            Some(price) => tokens.saturating_mul(u128::from(price)),
            None if tokens == 0 => 0,
            None => return None,
        };
        let nano = dearest.nano(input.saturating_add(output)).saturating_add(entry.fee_of_an_answer());
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
        let entry = self.lookup(provider, asked)?;
        let dearest = entry.dearest(bound, at)?;
        let input = u128::from(bound.input_tokens) * u128::from(dearest.input);
        let money = u128::try_from(money.0).unwrap_or(0);
        let Some(for_tokens) = money.checked_sub(entry.fee_of_an_answer()) else { return Some(0) };
        let pico = dearest.pico(for_tokens);
        let Some(left) = pico.checked_sub(input) else { return Some(0) };
        let price = u128::from(dearest.output?).saturating_mul(u128::from(bound.choices.max(1)));
        let tokens = left.checked_div(price).map_or(u64::MAX, |tokens| u64::try_from(tokens).unwrap_or(u64::MAX));
        Some(tokens.min(bound.output_tokens))
    }
}

impl ModelEntry {
    /// The fee that every answer is billed, in nano-dollars, rounded up.
    fn fee_of_an_answer(&self) -> u128 {
        self.sheet.fees.of_every_answer().map_or(0, |charge| u128::from(charge.price).div_ceil(1000))
    }

    /// The highest prices that may apply within `bound`; `None` when its input has no price.
    fn dearest(&self, bound: &CostBound<'_>, at: Timestamp) -> Option<Dearest> {
        if let Some(set) = self.override_at(at) {
            return self.dearest_of(&[set.prices()], bound, ONCE);
        }
        let named = self.sheet.tier(bound.service_tier);
        let is_standard = |word: &str| STANDARD_ONLY.iter().any(|known| known.eq_ignore_ascii_case(word));
        let leaves_the_choice = match (self.provider, bound.service_tier) {
            (Provider::Gemini, None) => false,
            (_, word) => !word.is_some_and(is_standard),
        };
        let provider_chooses = named == STANDARD && leaves_the_choice;
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
        let place = (self.provider == Provider::Anthropic).then_some(DEFAULT_PLACE);
        let words = bound.region.into_iter().chain(place);
        self.dearest_of(&prices, bound, self.sheet.millionths(words)?.max(ONCE))
    }

    fn dearest_of(&self, prices: &[Prices], bound: &CostBound<'_>, millionths: u128) -> Option<Dearest> {
        let caches = bound.cache_write.is_some() || self.provider == Provider::OpenAi;
        let caches_long = bound.cache_write >= Some(CacheTtl::OneHour);
        let caches_longest = bound.cache_write >= Some(CacheTtl::TwelveHours);
        let input = [
            Some(Class::Input),
            Some(Class::CacheRead),
            caches.then_some(Class::CacheWrite5m),
            caches_long.then_some(Class::CacheWrite1h),
            caches_longest.then_some(Class::CacheWrite12h),
            bound.audio_input.then_some(Class::AudioInput),
            bound.audio_input.then_some(Class::CachedAudio),
            bound.audio_input.then_some(Class::VideoInput),
            bound.image_input.then_some(Class::ImageInput),
        ];
        let output = [Some(Class::Output), Some(Class::ImageOutput), bound.audio_output.then_some(Class::AudioOutput)];
        let most = |classes: &[Option<Class>]| {
            let all = classes.iter().flatten().flat_map(|class| prices.iter().map(|prices| prices.charged(*class)));
            all.flatten().max()
        };
        // Every sheet with any price has one for text input, so a sheet without it has no prices at all.
        prices.iter().all(|prices| prices.charged(Class::Input).is_some()).then_some(())?;
        Some(Dearest { input: most(&input)?, output: most(&output), millionths })
    }
}

#[cfg(test)]
mod tests;
