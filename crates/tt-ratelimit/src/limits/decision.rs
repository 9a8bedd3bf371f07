//! Makes one decision about a request from the answer of each rule.

use std::time::Duration;

use tt_core::limits::{Decision, Rule, RuleKind, Standing};

/// The span of time a rule counts over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Window {
    /// Any 60 seconds.
    Minute,
    /// A UTC day.
    Day,
}

impl Window {
    pub(super) const fn of(kind: RuleKind) -> Self {
        match kind {
            RuleKind::UserMinute | RuleKind::KeyMinute => Self::Minute,
            RuleKind::UserDay | RuleKind::KeyDay => Self::Day,
        }
    }
}

/// One rule's answer about one more request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The request fits under the limit.
    Room {
        /// The number of further requests that fit after it.
        remaining: u64,
        /// Until `remaining` next grows.
        reset: Duration,
    },
    /// The limit is used up.
    Full {
        /// Until one more request would fit.
        retry_after: Duration,
    },
}

impl Verdict {
    /// The state of a rule with this limit, as long as the request that the verdict is about is not counted.
    pub(super) const fn standing(self, limit: u64) -> Standing {
        match self {
            Self::Room { remaining, reset } => Standing { limit, remaining: remaining + 1, reset },
            Self::Full { retry_after } => Standing { limit, remaining: 0, reset: retry_after },
        }
    }
}

/// Collects the verdicts of all rules: the fewest remaining requests and the longest wait. Of equal verdicts the first
/// stands.
#[derive(Debug, Default)]
pub(super) struct Verdicts {
    nearest: Option<Standing>,
    refusal: Option<(RuleKind, u64, Duration)>,
}

impl Verdicts {
    pub(super) fn add(&mut self, rule: &Rule, verdict: Verdict) {
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

    /// Refuses if any rule was full, otherwise admits.
    pub(super) const fn decision(self) -> Decision {
        match self.refusal {
            Some((rule, limit, retry_after)) => Decision::Deny { rule, limit, retry_after },
            None => Decision::Admit { nearest: self.nearest },
        }
    }
}
