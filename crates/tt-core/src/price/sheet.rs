//! One model's price sheet: prices by service tier, for long contexts and for later dates, and the cost of tokens by
//! it. Costs are exact, in whole pico-dollars; nothing is rounded here.

use super::exact_line::Part;
use super::fees::FeePrices;
use crate::Timestamp;
use crate::usage::Usage;

/// The tier whose prices hold where another tier lists none.
pub(super) const STANDARD: &str = "standard";

/// The classes that have a price of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Input,
    Output,
    CacheRead,
    CacheWrite5m,
    CacheWrite1h,
    AudioInput,
    AudioOutput,
    CacheWrite12h,
    CachedAudio,
    ImageInput,
    VideoInput,
    ImageOutput,
}

impl Class {
    pub(super) const COUNT: usize = 12;

    /// The names in the table, each at the position of its class.
    pub(super) const NAMES: [&str; Self::COUNT] = [
        "input",
        "output",
        "cache_read",
        "cache_write",
        "cache_write_1h",
        "audio_input",
        "audio_output",
        "cache_write_over_12h",
        "audio_cache_read",
        "image_input",
        "video_input",
        "image_output",
    ];

    /// The name in the API.
    pub(super) const fn shown(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Output => "output",
            Self::CacheRead => "cache_read",
            Self::CacheWrite5m => "cache_write_5m",
            Self::CacheWrite1h => "cache_write_1h",
            Self::AudioInput => "audio_input",
            Self::AudioOutput => "audio_output",
            Self::CacheWrite12h => "cache_write_12h",
            Self::CachedAudio => "audio_cache_read",
            Self::ImageInput => "image_input",
            Self::VideoInput => "video_input",
            Self::ImageOutput => "image_output",
        }
    }

    /// The class among those that all providers have.
    pub(super) const fn part(self) -> Part {
        match self {
            Self::Input | Self::AudioInput | Self::ImageInput | Self::VideoInput => Part::Input,
            Self::CacheRead | Self::CachedAudio => Part::CachedInput,
            Self::CacheWrite5m | Self::CacheWrite1h | Self::CacheWrite12h => Part::CacheWrite,
            Self::Output | Self::AudioOutput | Self::ImageOutput => Part::Output,
        }
    }
}

/// Prices by class, pico-dollars per token; `None`: not listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Prices(pub(super) [Option<u64>; Class::COUNT]);

impl Prices {
    fn of(&self, class: Class) -> Option<u64> {
        self.0.get(class as usize).copied().flatten()
    }

    /// These prices, completed with those of `under` for classes that have none here.
    fn over(self, under: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i].or(under.0[i])))
    }

    /// The higher of each; a listed price is higher than none.
    fn max(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i].max(other.0[i])))
    }

    /// The price that a class is charged at. A class without a listed price has a stand-in that is never cheaper: reads
    /// and writes of a cache cost at least the input price, and a write that is kept longer at least the price of one that
    /// is kept shorter; sound, pictures and films cost what the text does that they are counted with. Input and output
    /// have no stand-in.
    pub(super) fn charged(&self, class: Class) -> Option<u64> {
        self.of(class).or_else(|| match class {
            Class::Input | Class::Output => None,
            Class::CacheRead | Class::CacheWrite5m | Class::AudioInput | Class::ImageInput | Class::VideoInput => {
                self.of(Class::Input)
            }
            Class::CacheWrite1h => {
                self.of(Class::Input).map(|input| input.max(self.of(Class::CacheWrite5m).unwrap_or(0)))
            }
            Class::CacheWrite12h => {
                self.charged(Class::CacheWrite1h).map(|hour| hour.max(self.of(Class::CacheWrite5m).unwrap_or(0)))
            }
            Class::CachedAudio => self.of(Class::CacheRead).or_else(|| self.charged(Class::AudioInput)),
            Class::AudioOutput | Class::ImageOutput => self.of(Class::Output),
        })
    }

    /// The cost of the tokens, in pico-dollars; `None` when tokens are of a class without a price. A sum too large for
    /// the type is held at the type's end.
    pub(super) fn charge(&self, usage: &Usage) -> Option<u128> {
        parts(usage)
            .into_iter()
            .try_fold(0_u128, |sum, (tokens, class)| Some(sum.saturating_add(times(tokens, self.charged(class))?)))
    }
}

/// The tokens of a usage by the class that they are priced as.
pub(super) fn parts(usage: &Usage) -> [(u64, Class); Class::COUNT] {
    let ([audio_in, image_in, video_in], input) =
        split(usage.input, [usage.audio_input, usage.image_input, usage.video_input]);
    let ([cached_audio], cached) = split(usage.cache_read, [usage.cached_audio]);
    let ([audio_out, image_out], output) = split(usage.output, [usage.audio_output, usage.image_output]);
    [
        (input, Class::Input),
        (audio_in, Class::AudioInput),
        (image_in, Class::ImageInput),
        (video_in, Class::VideoInput),
        (cached, Class::CacheRead),
        (cached_audio, Class::CachedAudio),
        (usage.cache_write_5m.saturating_add(usage.cache_write_30m), Class::CacheWrite5m),
        (usage.cache_write_1h, Class::CacheWrite1h),
        (usage.cache_write_12h, Class::CacheWrite12h),
        (output, Class::Output),
        (audio_out, Class::AudioOutput),
        (image_out, Class::ImageOutput),
    ]
}

/// The parts of `whole`, and the rest of it. If a provider reports larger parts than there is, they are cut, so that the
/// rest is not negative.
fn split<const N: usize>(whole: u64, parts: [u64; N]) -> ([u64; N], u64) {
    let mut rest = whole;
    let parts = parts.map(|part| {
        let part = part.min(rest);
        rest -= part;
        part
    });
    (parts, rest)
}

/// The cost of `count` tokens at `price`: 0 for no tokens, whatever the price, and `None` for tokens without a price.
pub(super) fn times(count: u64, price: Option<u64>) -> Option<u128> {
    match (count, price) {
        (0, _) => Some(0),
        (_, None) => None,
        (count, Some(price)) => Some(u128::from(count) * u128::from(price)),
    }
}

/// Prices by tier.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Tiers(pub(super) Vec<(Box<str>, Prices)>);

impl Tiers {
    fn of(&self, tier: &str) -> Prices {
        self.0.iter().find(|(name, _)| **name == *tier).map_or_else(Prices::default, |(_, prices)| *prices)
    }
}

/// A model's prices as the table lists them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Sheet {
    pub(super) tiers: Tiers,
    /// (threshold, prices when the total input is above it), lowest threshold first.
    pub(super) long_context: Vec<(u64, Tiers)>,
    /// (first moment, prices from then on), earliest first.
    pub(super) scheduled: Vec<(Timestamp, Tiers)>,
    pub(super) fees: FeePrices,
    /// (a word that an answer may have, the multiple of the tokens' prices in thousandths).
    pub(super) multipliers_milli: Vec<(Box<str>, u64)>,
    /// True if the model writes films at a price far above that of its text, and usage does not tell them apart. The cost
    /// of its output is then not known.
    pub(super) writes_films: bool,
}

/// Anthropic's word for its fast mode.
const FAST: &str = "fast";

/// The multiple 1, in millionths.
pub(super) const ONCE: u128 = 1_000_000;

impl Sheet {
    /// The multiple of the tokens' prices for an answer with `words`, in millionths. Exact for two words, the most an
    /// answer has. `None` for fast mode where the model lists no multiple for it: that it costs more is known, and how
    /// much is not. Any other word without a multiple changes nothing.
    pub(super) fn millionths<'a>(&self, words: impl IntoIterator<Item = &'a str>) -> Option<u128> {
        let listed = |word: &str| self.multipliers_milli.iter().find(|(name, _)| name.eq_ignore_ascii_case(word));
        words.into_iter().take(2).try_fold(ONCE, |product, word| match listed(word) {
            Some((_, milli)) => Some(product * u128::from(*milli) / 1000),
            None if word.eq_ignore_ascii_case(FAST) => None,
            None => Some(product),
        })
    }

    /// The prices in force for a request of `total_input` tokens (caches included) at `at`.
    ///
    /// A price that the tier does not list is taken from the standard tier. Above a long-context threshold the prices
    /// listed there replace the same classes for the whole request. If they are not listed for the tier, the higher of
    /// the tier's own price and the standard long-context price holds: neither is known to be right, and a cost must
    /// not be recorded too low.
    pub(super) fn prices(&self, tier: &str, total_input: u64, at: Timestamp) -> Prices {
        let at_date = |tier: &str| {
            let changes = self.scheduled.iter().filter(|(from, _)| *from <= at);
            changes.fold(self.tiers.of(tier), |before, (_, change)| change.of(tier).over(before))
        };
        let (own, standard) = (at_date(tier), at_date(STANDARD));
        let short = own.over(standard);
        let prices = match self.long_context.iter().rev().find(|(above, _)| total_input > *above) {
            Some((_, long)) => long.of(tier).over(own.max(long.of(STANDARD))).over(short),
            None => short,
        };
        if self.writes_films { prices.without_output() } else { prices }
    }

    /// The tier that a provider's word means: the listed tier of that name, in any case and with or without
    /// `SERVICE_TIER_`. All other words (`default`, `auto`, `scale`, unknown ones) and none at all mean the standard
    /// tier.
    pub(super) fn tier(&self, word: Option<&str>) -> &str {
        const PREFIX: &str = "service_tier_";
        let word = word.unwrap_or(STANDARD);
        let word = match word.split_at_checked(PREFIX.len()) {
            Some((prefix, rest)) if prefix.eq_ignore_ascii_case(PREFIX) => rest,
            _ => word,
        };
        let mut listed = self.tiers.0.iter().map(|(name, _)| &**name);
        listed.find(|name| name.eq_ignore_ascii_case(word)).unwrap_or(STANDARD)
    }
}

impl Prices {
    /// These prices without those of output, which is then not known.
    fn without_output(mut self) -> Self {
        for class in [Class::Output, Class::AudioOutput, Class::ImageOutput] {
            self.0[class as usize] = None;
        }
        self
    }
}
