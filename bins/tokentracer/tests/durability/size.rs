//! The size of a run: small, unless environment variables ask for more.

/// A number from the environment, or the short form's.
pub(crate) fn number(name: &str, short: u64) -> u64 {
    text(name).map_or(short, |text| text.parse().unwrap_or_else(|_| panic!("{name}: must be a number, not {text}")))
}

/// A word from the environment; an empty one is none.
pub(crate) fn text(name: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "the size of a run is named by whoever runs it")]
    let value = std::env::var(name).ok();
    value.filter(|value| !value.is_empty())
}

/// `TT_SOAK_SEED`, or one that differs from run to run; printed, since it says what a run did.
pub(crate) fn seed() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let seed = number("TT_SOAK_SEED", u64::from(now.subsec_nanos()));
    println!("TT_SOAK_SEED={seed}");
    seed
}

/// A stream of numbers that a seed determines (`SplitMix64`).
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    /// The `nth` stream of a seed.
    pub(crate) fn new(seed: u64, nth: u64) -> Self {
        let mut random = Self(seed ^ nth.wrapping_mul(0xd134_2543_de82_ef95));
        random.next();
        random
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which is above 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}
