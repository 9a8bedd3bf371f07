//! The labels of every family, and the words that label values are taken from.

use std::sync::Arc;

use prometheus_client::encoding::EncodeLabelSet;
use tt_core::budget::BudgetKind;
use tt_core::limits::RuleKind;

/// The value of a label for a name that is not listed by itself.
pub(crate) const OTHER: &str = "other";

/// The value of a label for what a request did not have: one that was settled before its first attempt has no target.
pub(crate) const NONE: &str = "none";

/// The alias of requests that named `provider/model`.
pub(crate) const DIRECT: &str = "direct";

/// An enum whose variants are the words of a label.
macro_rules! words {
    ($(#[$about:meta])* $seen:vis enum $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        $seen enum $name {
            $($(#[$doc])* $variant,)+
        }

        impl $name {
            /// Every word, each at the position of its variant.
            pub(crate) const ALL: &[Self] = &[$(Self::$variant),+];

            /// The word.
            pub(crate) const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }
    };
}

words! {
    /// The reason why an attempt was made.
    pub(crate) enum Cause {
        /// It was the first of its request.
        First = "first",
        /// The attempt before at the same target had failed.
        Retry = "retry",
        /// The target before had failed.
        Fallback = "fallback",
    }
}

words! {
    /// The end of an attempt.
    pub(crate) enum AttemptOutcome {
        /// The provider's answer was used.
        Ok = "ok",
        /// The provider refused the key or the account: 401, 402 or 403.
        Denied = "denied",
        /// The provider answered 429.
        RateLimited = "rate_limited",
        /// The provider answered with another 4xx.
        Refused = "refused",
        /// The provider answered with a 5xx.
        ServerError = "server_error",
        /// The provider began an answer that was not a good one to its end.
        Broken = "broken",
        /// No answer came: the connection failed, or the wait was too long.
        Unanswered = "unanswered",
        /// The client left.
        Cancelled = "cancelled",
        /// The process ended.
        Interrupted = "interrupted",
    }
}

words! {
    /// A class of tokens. No token is in two classes. Sound, pictures and films count as the text that they are billed
    /// with.
    pub(crate) enum Class {
        /// Input that is neither read from a cache nor written to one.
        Input = "input",
        /// Input read from a cache.
        CacheRead = "cache_read",
        /// Input written to a cache that is kept five minutes, or for the provider's one term.
        CacheWrite5m = "cache_write_5m",
        /// Input written to a cache that is kept thirty minutes.
        CacheWrite30m = "cache_write_30m",
        /// Input written to a cache that is kept an hour.
        CacheWrite1h = "cache_write_1h",
        /// Input written to a cache that is kept twelve hours.
        CacheWrite12h = "cache_write_12h",
        /// Output that is no thinking.
        Output = "output",
        /// Thinking.
        Reasoning = "reasoning",
    }
}

words! {
    /// The sign of an amount: counters only grow, so money that a light model lost counts apart from what others saved.
    pub(crate) enum Sign {
        /// Saved.
        Positive = "positive",
        /// Lost.
        Negative = "negative",
    }
}

words! {
    /// The result of the look-up of an attempt's price.
    pub(crate) enum PriceStatus {
        /// All that the attempt billed has a price.
        Found = "found",
        /// Something that the attempt billed has no price, so its cost is unknown.
        Missing = "missing",
    }
}

words! {
    /// The kinds of gaps in a request's row.
    pub(crate) enum Gap {
        /// The process that served the request ended before it.
        Interrupted = "interrupted",
        /// An attempt was sent and not answered, so its usage is not known.
        UnknownUsage = "unknown_usage",
        /// An attempt billed something without a price.
        Unpriced = "unpriced",
    }
}

words! {
    /// A rule that admits requests or refuses them.
    pub(crate) enum Rule {
        /// The user's requests in a minute.
        UserMinute = "user_minute",
        /// The user's requests in a day.
        UserDay = "user_day",
        /// The API key's requests in a minute.
        KeyMinute = "key_minute",
        /// The API key's requests in a day.
        KeyDay = "key_day",
        /// The budget that the user set.
        BudgetUserOwn = "budget_user_own",
        /// The budget that an administrator set for the user.
        BudgetUserAdmin = "budget_user_admin",
        /// The budget of the API key.
        BudgetKey = "budget_key",
    }
}

words! {
    /// The decision of a rule.
    pub enum Decided {
        /// The request is admitted, as far as this rule goes.
        Admit = "admit",
        /// The request is refused, by this rule.
        Deny = "deny",
        /// It could not be decided, so the request is refused.
        Unavailable = "unavailable",
    }
}

impl From<RuleKind> for Rule {
    fn from(kind: RuleKind) -> Self {
        match kind {
            RuleKind::UserMinute => Self::UserMinute,
            RuleKind::UserDay => Self::UserDay,
            RuleKind::KeyMinute => Self::KeyMinute,
            RuleKind::KeyDay => Self::KeyDay,
        }
    }
}

impl From<BudgetKind> for Rule {
    fn from(kind: BudgetKind) -> Self {
        match kind {
            BudgetKind::UserOwn => Self::BudgetUserOwn,
            BudgetKind::UserAdmin => Self::BudgetUserAdmin,
            BudgetKind::Key => Self::BudgetKey,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct RequestLabels {
    pub(crate) route: &'static str,
    pub(crate) alias: Arc<str>,
    pub(crate) provider: &'static str,
    pub(crate) model: Arc<str>,
    pub(crate) dialect: &'static str,
    pub(crate) outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct AttemptLabels {
    pub(crate) provider: &'static str,
    pub(crate) model: Arc<str>,
    pub(crate) cause: &'static str,
    pub(crate) outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct TokenLabels {
    pub(crate) provider: &'static str,
    pub(crate) model: Arc<str>,
    pub(crate) class: &'static str,
    pub(crate) provenance: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ModelLabels {
    pub(crate) provider: &'static str,
    pub(crate) model: Arc<str>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct StatusLabels {
    pub(crate) status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct LimitLabels {
    pub(crate) rule: &'static str,
    pub(crate) decision: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct GapLabels {
    pub(crate) kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct TargetLabels {
    pub(crate) provider: &'static str,
    pub(crate) model: Arc<str>,
    pub(crate) state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct BuildLabels {
    pub(crate) version: &'static str,
}

/// The labels of money, which is not written by the library: the names and values of one series.
pub(crate) trait MoneyLabels: Ord {
    fn pairs(&self) -> impl Iterator<Item = (&'static str, &str)>;
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CostLabels {
    pub(crate) provider: &'static str,
    pub(crate) model: Arc<str>,
    pub(crate) provenance: &'static str,
}

impl MoneyLabels for CostLabels {
    fn pairs(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [("provider", self.provider), ("model", &*self.model), ("provenance", self.provenance)].into_iter()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SavedLabels {
    pub(crate) provider: &'static str,
    pub(crate) model: Arc<str>,
    pub(crate) sign: &'static str,
}

impl MoneyLabels for SavedLabels {
    fn pairs(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [("provider", self.provider), ("model", &*self.model), ("sign", self.sign)].into_iter()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BudgetLabels {
    pub(crate) kind: &'static str,
    pub(crate) period: &'static str,
}

impl MoneyLabels for BudgetLabels {
    fn pairs(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [("kind", self.kind), ("period", self.period)].into_iter()
    }
}
