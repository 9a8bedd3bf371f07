//! A cost by the class of what was billed, in five classes that every provider has.

use serde::{Deserialize, Serialize};

use crate::NanoUsd;

/// The part that each class makes of a cost. The parts of one attempt add up to its cost.
///
/// It is written to journals, as all of [`crate::record`] is: new fields go to the end, with a default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CostByClass {
    /// Input that was neither read from a cache nor written to one, of any kind: text, sound, pictures, films.
    pub input: NanoUsd,
    /// Input that was read from a cache.
    pub cached_input: NanoUsd,
    /// Input that was written to a cache, however long it is kept.
    pub cache_write: NanoUsd,
    /// Output of any kind, reasoning included.
    pub output: NanoUsd,
    /// Services beside tokens, as searches of the web.
    pub fees: NanoUsd,
}

impl CostByClass {
    /// The number of classes.
    pub const COUNT: usize = 5;

    /// The names of the classes in the API, in the order of [`Self::parts`].
    pub const NAMES: [&str; Self::COUNT] = ["input", "cached_input", "cache_write", "output", "fees"];

    /// The parts, in the order of [`Self::NAMES`].
    pub const fn parts(&self) -> [NanoUsd; Self::COUNT] {
        [self.input, self.cached_input, self.cache_write, self.output, self.fees]
    }

    /// The classes of these parts, in the order of [`Self::NAMES`].
    pub const fn of_parts([input, cached_input, cache_write, output, fees]: [NanoUsd; Self::COUNT]) -> Self {
        Self { input, cached_input, cache_write, output, fees }
    }

    /// The sum, class by class.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let (mut parts, more) = (self.parts(), other.parts());
        parts.iter_mut().zip(more).for_each(|(part, more)| *part = part.plus(more));
        Self::of_parts(parts)
    }

    /// The sum of all classes.
    pub fn total(&self) -> NanoUsd {
        self.parts().into_iter().fold(NanoUsd::ZERO, NanoUsd::plus)
    }
}
