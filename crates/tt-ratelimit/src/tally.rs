//! From what each rule says to one decision.

use std::time::Duration;

use tt_core::limits::{Decision, Rule, RuleKind, Standing};

/// The span a rule counts over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Window {
    /// Any 60 seconds.
    Minute,
    /// A UTC day.
    Day,
}

impl Window {
    pub(crate) const fn of(kind: RuleKind) -> Self {
        match kind {
            RuleKind::UserMinute | RuleKind::KeyMinute => Self::Minute,
            RuleKind::UserDay | RuleKind::KeyDay => Self::Day,
        }
    }
}

/// What one rule says about one more request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It fits.
    Room {
        /// Requests that fit after it.
        remaining: u64,
        /// Until `remaining` next grows.
        reset: Duration,
    },
    /// It does not.
    Full {
        /// Until it would.
        retry_after: Duration,
    },
}

/// Adds verdicts up: the fewest remaining and the longest refusal, the first of equals.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    nearest: Option<Standing>,
    refusal: Option<(RuleKind, u64, Duration)>,
}

impl Tally {
    pub(crate) fn add(&mut self, rule: &Rule, verdict: Verdict) {
        match verdict {
            Verdict::Room { remaining, reset } => {
                if self.nearest.is_none_or(|n| remaining < n.remaining) {
                    self.nearest = Some(Standing { limit: rule.limit, remaining, reset });
                }
            }
            Verdict::Full { retry_after } => {
                if self.refusal.is_none_or(|(_, _, longest)| retry_after > longest) {
                    self.refusal = Some((rule.kind, rule.limit, retry_after));
                }
            }
        }
    }

    pub(crate) const fn decision(self) -> Decision {
        match self.refusal {
            Some((rule, limit, retry_after)) => Decision::Deny { rule, limit, retry_after },
            None => Decision::Admit { nearest: self.nearest },
        }
    }
}
