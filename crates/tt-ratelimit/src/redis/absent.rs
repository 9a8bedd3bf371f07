//! The settings of Redis in a build without the feature `redis`: there are none.

use std::convert::Infallible;

use tt_core::Invalid;

use super::state::WithoutRedis;

/// The address of Redis, in a build without the feature `redis`: it has no value.
#[derive(Debug, Clone)]
pub struct RedisConfig {
    pub(crate) never: Infallible,
}

impl RedisConfig {
    /// Refuses every address.
    ///
    /// # Errors
    /// [`Invalid`] naming `field`, always.
    pub fn parse(field: &'static str, _: &str, _: WithoutRedis) -> Result<Self, Invalid> {
        Err(Invalid::new(field, "names Redis, which this program was built without"))
    }

    /// Is never called, since there is no value to call it on.
    #[must_use]
    pub fn of_installation(self, _: &str) -> Self {
        self
    }
}
