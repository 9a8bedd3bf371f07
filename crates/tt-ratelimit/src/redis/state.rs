//! The states of Redis, and the choice between what request limits do while it is down.

/// The choice of what request limits do while Redis is down. (Budgets admit nothing then, whatever is set here.)
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WithoutRedis {
    /// Each process limits by its own counters.
    #[default]
    Local,
    /// A request that has a limit gets [`tt_core::limits::Decision::Unavailable`].
    Deny,
}

/// The state of Redis as the last commands found it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedisState {
    /// No Redis is configured.
    Off,
    /// It answers.
    Up,
    /// It does not answer; the process looks for it twice a second.
    Down,
}
