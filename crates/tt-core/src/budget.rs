//! Budgets: limits on money, the periods that they are for, and the accounts that spending is counted in.
//!
//! `Caller::budget_rules` gives the budgets of a caller, tt-ratelimit counts, and the store keeps the spent amounts.

use jiff::civil::{Date, Time};
use serde::{Deserialize, Serialize};

use crate::time::DAY_MS;
use crate::{ApiKeyId, Invalid, NanoUsd, Timestamp, UserId};

/// The period of time a budget is for. Days and months are those of UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Period {
    /// A UTC day.
    Day,
    /// A UTC calendar month.
    Month,
    /// All of time.
    Total,
}

impl Period {
    /// Every period, the shortest first.
    pub const ALL: [Self; 3] = [Self::Day, Self::Month, Self::Total];

    /// The word in the API and the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Month => "month",
            Self::Total => "total",
        }
    }

    /// The beginning of the period that `at` lies in; the Unix epoch for `Total`.
    #[must_use]
    pub fn start(self, at: Timestamp) -> Timestamp {
        match self {
            Self::Day => at.day(),
            Self::Month => at.civil().map_or_else(|| at.day(), |at| midnight(at.date().first_of_month())),
            Self::Total => Timestamp::from_millis(0),
        }
    }

    /// The end of the period that `at` lies in, which is the beginning of the next; `None` for `Total`.
    #[must_use]
    pub fn resets_at(self, at: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Day => Some(at.day().plus_millis(DAY_MS)),
            Self::Month => at.civil()?.date().last_of_month().tomorrow().ok().map(midnight),
            Self::Total => None,
        }
    }
}

/// The midnight that begins a date, in UTC.
fn midnight(date: Date) -> Timestamp {
    Timestamp::from_civil(date.to_datetime(Time::midnight()))
}

impl std::str::FromStr for Period {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|period| period.as_str() == text);
        found.ok_or_else(|| Invalid::new("period", "must be day, month or total"))
    }
}

/// An amount of money that may be spent in each period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// The amount that may be spent, from 0 (nothing at all) to [`Budget::MOST`].
    pub limit: NanoUsd,
    /// The period that the limit is for.
    pub period: Period,
    /// True if the budget warns and refuses nothing.
    pub soft: bool,
}

impl Budget {
    /// The largest limit, nine million dollars: it is below 2^53 nano-dollars, which all backends count exactly.
    pub const MOST: NanoUsd = NanoUsd(9_000_000_000_000_000);

    /// A budget that refuses what it does not cover, and whose limit is from 0 to [`Budget::MOST`]; any other limit is an [`Invalid`] of `limit_usd`.
    pub fn new(limit: NanoUsd, period: Period) -> Result<Self, Invalid> {
        if (NanoUsd::ZERO..=Self::MOST).contains(&limit) {
            Ok(Self { limit, period, soft: false })
        } else {
            Err(Invalid::new("limit_usd", "must be from 0 to 9000000"))
        }
    }

    /// The same budget, which warns and refuses nothing if `soft` is true.
    #[must_use]
    pub const fn softened(self, soft: bool) -> Self {
        Self { soft, ..self }
    }
}

/// The budgets of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UserBudgets {
    /// The budget that the user set.
    pub own: Option<Budget>,
    /// The budget that an administrator set, which the user cannot change.
    pub admin: Option<Budget>,
}

/// The kind of a budget: who set it, and for whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BudgetKind {
    /// The budget that the user set.
    UserOwn,
    /// The budget that an administrator set for the user.
    UserAdmin,
    /// The budget of the API key.
    Key,
}

impl BudgetKind {
    /// The name in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UserOwn => "user_own",
            Self::UserAdmin => "user_admin",
            Self::Key => "key",
        }
    }

    /// The word in the API.
    pub const fn scope(self) -> &'static str {
        match self {
            Self::UserOwn => "user",
            Self::UserAdmin => "admin",
            Self::Key => "key",
        }
    }
}

/// An account that budgets are counted in: the spending of a user, or of one API key of theirs, in periods of one
/// length. Two budgets may share an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Account {
    /// The user who spends.
    pub user: UserId,
    /// The API key it is spent with; `None`: all that the user spends, with keys or without.
    pub key: Option<ApiKeyId>,
    /// The length of the periods.
    pub period: Period,
}

/// The amount spent in one period of one account: the sum of the costs of all requests whose rows the store has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spent {
    /// The account that the money was spent from.
    pub account: Account,
    /// The beginning of the period.
    pub start: Timestamp,
    /// A number that grows with every change of `amount` in this period, so that an older sum can be told from a newer
    /// one; 0 where nothing has been spent.
    pub revision: u64,
    /// The sum so far.
    pub amount: NanoUsd,
}

/// One budget that holds for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BudgetRule {
    /// The kind of budget.
    pub kind: BudgetKind,
    /// The user it is counted for.
    pub user: UserId,
    /// The API key it is counted for; `None`: all of the user's requests count.
    pub key: Option<ApiKeyId>,
    /// The amount that may be spent in a period.
    pub limit: NanoUsd,
    /// The period it is counted in.
    pub period: Period,
}

impl BudgetRule {
    /// The account it is counted in.
    pub const fn account(&self) -> Account {
        Account { user: self.user, key: self.key, period: self.period }
    }
}

/// The most budgets one request can have: one of each kind.
const MAX_RULES: usize = 3;

/// The budgets of one request, each kind at most once; reads as a slice.
#[derive(Debug, Clone, Copy)]
pub struct BudgetRules {
    // The places from `len` on are unused.
    places: [BudgetRule; MAX_RULES],
    len: usize,
}

impl BudgetRules {
    /// The budgets of `user` that are set, in the given order: each with its kind and the API key it counts.
    pub(crate) fn new(user: UserId, budgets: [(BudgetKind, Option<ApiKeyId>, Option<Budget>); MAX_RULES]) -> Self {
        let unused =
            BudgetRule { kind: BudgetKind::UserOwn, user, key: None, limit: NanoUsd::ZERO, period: Period::Total };
        let mut rules = Self { places: [unused; MAX_RULES], len: 0 };
        for (kind, key, budget) in budgets {
            if let (Some(Budget { limit, period, .. }), Some(place)) = (budget, rules.places.get_mut(rules.len)) {
                *place = BudgetRule { kind, user, key, limit, period };
                rules.len += 1;
            }
        }
        rules
    }
}

impl std::ops::Deref for BudgetRules {
    type Target = [BudgetRule];

    fn deref(&self) -> &[BudgetRule] {
        self.places.get(..self.len).unwrap_or(&self.places)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse("t", text).unwrap()
    }

    #[test]
    fn periods_begin_and_end_at_midnight_utc() {
        for (period, within, start, end) in [
            (Period::Day, "2026-11-23T17:03:04Z", "2026-11-23", Some("2026-11-24")),
            (Period::Day, "2026-11-23", "2026-11-23", Some("2026-11-24")),
            (Period::Day, "1969-12-31T23:59:59.999Z", "1969-12-31", Some("1970-01-01")),
            (Period::Month, "2026-11-30T23:59:59.999Z", "2026-11-01", Some("2026-12-01")),
            (Period::Month, "2026-12-01", "2026-12-01", Some("2027-01-01")),
            (Period::Month, "2028-02-29T12:00:00Z", "2028-02-01", Some("2028-03-01")),
            (Period::Month, "1969-12-31T23:59:59.999Z", "1969-12-01", Some("1970-01-01")),
            (Period::Total, "2026-11-23", "1970-01-01", None),
        ] {
            assert_eq!(period.start(at(within)), at(start), "{within}");
            assert_eq!(period.resets_at(at(within)), end.map(at), "{within}");
        }
        // A clock beyond all calendars still has a period, and nothing panics.
        for millis in [i64::MIN / 2, i64::MAX] {
            for period in Period::ALL {
                let _ =
                    (period.start(Timestamp::from_millis(millis)), period.resets_at(Timestamp::from_millis(millis)));
            }
        }
    }

    #[test]
    fn a_period_is_its_word() {
        for period in Period::ALL {
            assert_eq!(period.as_str().parse(), Ok(period));
            assert_eq!(serde_json::to_string(&period).unwrap(), format!("\"{}\"", period.as_str()));
        }
        assert!("week".parse::<Period>().is_err());
    }

    #[test]
    fn a_limit_is_from_nothing_to_nine_million_dollars() {
        for (limit, fits) in
            [(-1, false), (0, true), (Budget::MOST.0, true), (Budget::MOST.0 + 1, false), (i64::MAX, false)]
        {
            assert_eq!(Budget::new(NanoUsd(limit), Period::Day).is_ok(), fits, "{limit}");
        }
        const { assert!(Budget::MOST.0 < 1 << 53) };
    }
}
