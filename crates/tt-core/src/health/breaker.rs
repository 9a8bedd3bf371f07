//! A circuit breaker: it opens when failures come in a row, rests for a while that doubles, and lets one attempt at a time
//! try whether it may close.

use super::{Fault, Rest, Standing, TargetState};

/// The failures in a row that open a breaker, where one does not suffice.
pub const FAILURES_IN_A_ROW: u32 = 5;
/// The first rest, in milliseconds. It doubles with each rest that follows without a success between.
pub const BASE_REST_MS: u64 = 10_000;
/// The longest rest, in milliseconds, unless the provider asks for a longer wait.
pub const LONGEST_REST_MS: u64 = 300_000;
/// The longest wait that a provider is granted, in milliseconds. One that asks for more is tried after this.
pub const LONGEST_ASKED_MS: u64 = 3_600_000;
/// A breaker whose rest has been over for so long, in milliseconds, without an attempt is closed: what it knows is old.
pub const OLD_MS: u64 = 3_600_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Closed,
    Open {
        rest: Rest,
        /// True while an attempt tries the target after the rest.
        probing: bool,
    },
}

/// The answer to an attempt that would begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    /// It may begin.
    Free,
    /// It may begin, and tries the target for all others.
    Probe,
    /// It may not begin.
    Rests(Rest),
}

/// The breaker of one model, or of a whole key. `at` is the number of changes when an attempt began, `changes` the number
/// up to now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Breaker {
    state: State,
    /// The failures in a row, while it is closed.
    failures: u32,
    /// The rests since the last success.
    rests: u32,
    /// The number of changes at the last change of this breaker.
    since: u64,
}

impl Breaker {
    /// True if nothing has failed since the last success.
    pub(super) fn is_well(&self) -> bool {
        self.state == State::Closed && self.failures == 0
    }

    /// The rest for which an attempt would be refused.
    pub(super) const fn rest(&self, now_ms: u64) -> Option<Rest> {
        match self.state {
            State::Open { rest, probing } if probing || now_ms < rest.until_ms => Some(rest),
            _ => None,
        }
    }

    pub(super) fn enter(&mut self, now_ms: u64, changes: &mut u64) -> Entry {
        match &mut self.state {
            State::Closed => Entry::Free,
            State::Open { rest, probing } if *probing || now_ms < rest.until_ms => Entry::Rests(*rest),
            State::Open { rest, .. } if now_ms - rest.until_ms >= OLD_MS => {
                self.close(changes);
                Entry::Free
            }
            State::Open { probing, .. } => {
                *probing = true;
                Entry::Probe
            }
        }
    }

    /// An attempt has its first content. Only an open breaker changes: failures in a row end with a whole answer.
    pub(super) fn began(&mut self, at: u64, changes: &mut u64) {
        if self.state != State::Closed {
            self.served(at, changes);
        }
    }

    /// An attempt was served.
    pub(super) fn served(&mut self, at: u64, changes: &mut u64) {
        if at < self.since {
            return;
        }
        match self.state {
            State::Closed => self.failures = 0,
            State::Open { .. } => self.close(changes),
        }
    }

    /// An attempt that began at `at`, and is the `probe` if so, has failed. Returns the rest that begins.
    pub(super) fn failed(
        &mut self,
        (at, probe): (u64, bool),
        fault: Fault,
        now_ms: u64,
        changes: &mut u64,
    ) -> Option<Rest> {
        if at < self.since {
            return None;
        }
        match self.state {
            State::Closed => {
                self.failures += 1;
                (fault.opens_at_once() || self.failures >= FAILURES_IN_A_ROW).then(|| self.open(fault, now_ms, changes))
            }
            State::Open { .. } if probe => Some(self.open(fault, now_ms, changes)),
            // It was tried all the same while it rests, and has failed as was to be expected.
            State::Open { .. } => None,
        }
    }

    /// The probe that began at `at` has ended without a success or a failure: the next attempt is the probe.
    pub(super) const fn given_back(&mut self, at: u64) {
        if let State::Open { probing, .. } = &mut self.state
            && at >= self.since
        {
            *probing = false;
        }
    }

    pub(super) const fn standing(&self, now_ms: u64) -> Standing {
        match self.state {
            State::Open { rest, .. } if now_ms < rest.until_ms => {
                Standing { state: TargetState::Open, rest: Some(rest) }
            }
            State::Open { rest, probing } if probing || now_ms - rest.until_ms < OLD_MS => {
                Standing { state: TargetState::HalfOpen, rest: Some(rest) }
            }
            _ => Standing { state: TargetState::Closed, rest: None },
        }
    }

    fn open(&mut self, cause: Fault, now_ms: u64, changes: &mut u64) -> Rest {
        let doubled = BASE_REST_MS.saturating_mul(1_u64.checked_shl(self.rests).unwrap_or(u64::MAX));
        let asked = cause.asked().map_or(0, |wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
        let length_ms = doubled.min(LONGEST_REST_MS).max(asked.min(LONGEST_ASKED_MS));
        let rest = Rest { until_ms: now_ms.saturating_add(length_ms), cause };
        *changes += 1;
        *self = Self {
            state: State::Open { rest, probing: false },
            failures: 0,
            rests: self.rests.saturating_add(1),
            since: *changes,
        };
        rest
    }

    fn close(&mut self, changes: &mut u64) {
        *changes += 1;
        *self = Self { since: *changes, ..Self::default() };
    }
}
