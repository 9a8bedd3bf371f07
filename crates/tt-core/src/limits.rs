//! Request limits: the rules that hold for a caller, and the decision about a request. The counting is in tt-ratelimit.

use std::time::Duration;

use crate::caller::{Proof, RequestLimits};
use crate::{ApiKeyId, Caller, UserId};

/// The kind of a rule: it limits a user or an API key, in a minute or in a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RuleKind {
    /// The user's requests in any 60 seconds.
    UserMinute,
    /// The user's requests in a UTC day.
    UserDay,
    /// The API key's requests in any 60 seconds.
    KeyMinute,
    /// The API key's requests in a UTC day.
    KeyDay,
}

impl RuleKind {
    /// The name in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UserMinute => "user_minute",
            Self::UserDay => "user_day",
            Self::KeyMinute => "key_minute",
            Self::KeyDay => "key_day",
        }
    }
}

/// One limit that holds for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// The kind of the limit.
    pub kind: RuleKind,
    /// The user it is counted for.
    pub user: UserId,
    /// The API key it is counted for; `None`: all of the user's requests count.
    pub key: Option<ApiKeyId>,
    /// The number of requests that are admitted; above 0.
    pub limit: u64,
}

/// The most rules one request can have: one of each kind.
const MAX_RULES: usize = 4;

/// The rules of one request, each kind at most once; reads as a slice.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    // The elements from `len` on are unused.
    places: [Rule; MAX_RULES],
    len: usize,
}

impl std::ops::Deref for Rules {
    type Target = [Rule];

    fn deref(&self) -> &[Rule] {
        self.places.get(..self.len).unwrap_or(&self.places)
    }
}

/// The rules that hold for `caller`; empty where nothing is limited.
///
/// A user's own limit above 0 replaces the server's default. An API key's own limits hold in addition, so that a key
/// can only narrow what its user has.
pub fn rules(caller: &Caller, defaults: RequestLimits) -> Rules {
    let own_or = |own: u64, default: u64| if own > 0 { own } else { default };
    let (key, key_limits) = match &caller.proof {
        Proof::ApiKey { id, limits, .. } => (Some(*id), *limits),
        Proof::Session(_) => (None, RequestLimits::default()),
    };
    let user = caller.user_id;
    let every = [
        (RuleKind::UserMinute, None, own_or(caller.limits.minute, defaults.minute)),
        (RuleKind::UserDay, None, own_or(caller.limits.day, defaults.day)),
        (RuleKind::KeyMinute, key, key_limits.minute),
        (RuleKind::KeyDay, key, key_limits.day),
    ];

    let mut places = every.map(|(kind, key, limit)| Rule { kind, user, key, limit });
    let mut len = 0;
    for at in 0..MAX_RULES {
        if places[at].limit > 0 {
            places.swap(len, at);
            len += 1;
        }
    }
    Rules { places, len }
}

/// The state of the rule with the fewest requests remaining, after a request was admitted. The
/// `x-ratelimit-*-requests` headers are made from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The rule's limit.
    pub limit: u64,
    /// The number of requests it would still admit.
    pub remaining: u64,
    /// The time until `remaining` grows; with 0 remaining, until the next request would be admitted.
    pub reset: Duration,
}

/// The decision about a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It is admitted, and every rule counts it.
    Admit {
        /// The rule with the fewest requests remaining; `None` when there is no rule.
        nearest: Option<Standing>,
    },
    /// It is refused, and no rule counts it.
    Deny {
        /// The rule that will refuse longest.
        rule: RuleKind,
        /// The limit of that rule.
        limit: u64,
        /// The time until all rules would admit a request, if none came in between. It is exact to the millisecond; a
        /// header in seconds must round up.
        retry_after: Duration,
    },
    /// It cannot be decided, and no rule counts it: the counters are in Redis, which does not answer, and the operator
    /// chose to refuse requests then.
    Unavailable,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SessionId;
    use crate::budget::UserBudgets;
    use crate::caller::Role;

    const fn limits(minute: u64, day: u64) -> RequestLimits {
        RequestLimits { minute, day }
    }

    fn caller(own: RequestLimits, key: Option<RequestLimits>) -> Caller {
        let proof = match key {
            Some(limits) => Proof::ApiKey {
                id: ApiKeyId(7),
                scopes: vec![crate::Scope::Proxy],
                allowed_aliases: None,
                limits,
                budget: None,
            },
            None => Proof::Session(SessionId(1)),
        };
        let budgets = UserBudgets::default();
        Caller { user_id: UserId(3), role: Role::User, proof, expires_at: None, limits: own, budgets }
    }

    fn kinds(rules: &Rules) -> Vec<(RuleKind, Option<i64>, u64)> {
        rules.iter().map(|r| (r.kind, r.key.map(|k| k.0), r.limit)).collect()
    }

    #[test]
    fn zero_everywhere_is_no_rule() {
        assert!(rules(&caller(limits(0, 0), Some(limits(0, 0))), limits(0, 0)).is_empty());
        assert!(rules(&caller(limits(0, 0), None), limits(0, 0)).is_empty());
    }

    #[test]
    fn a_users_own_value_above_zero_overrides_the_default_one_by_one() {
        let got = rules(&caller(limits(90, 0), None), limits(10, 1000));
        assert_eq!(kinds(&got), [(RuleKind::UserMinute, None, 90), (RuleKind::UserDay, None, 1000)]);
        assert!(got.iter().all(|r| r.user == UserId(3)));
    }

    #[test]
    fn a_keys_own_limits_hold_besides() {
        let got = rules(&caller(limits(0, 0), Some(limits(5, 50))), limits(0, 1000));
        let want =
            [(RuleKind::UserDay, None, 1000), (RuleKind::KeyMinute, Some(7), 5), (RuleKind::KeyDay, Some(7), 50)];
        assert_eq!(kinds(&got), want);
        assert_eq!(rules(&caller(limits(1, 2), Some(limits(3, 4))), limits(0, 0)).len(), 4);
    }
}
