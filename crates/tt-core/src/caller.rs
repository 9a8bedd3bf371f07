//! An authenticated caller: who it is, what it may do, and which limits and budgets it has.

use serde::{Deserialize, Serialize};

use crate::budget::{Budget, BudgetKind, BudgetRules, UserBudgets};
use crate::routing::Routes;
use crate::{AliasName, ApiKeyId, Invalid, SessionId, Timestamp, UserId};

/// The rights of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// May manage their own objects only.
    User,
    /// May manage prices and users as well.
    Admin,
}

impl Role {
    /// The word in the API and the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Admin => "admin",
        }
    }
}

impl std::str::FromStr for Role {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "user" => Ok(Self::User),
            "admin" => Ok(Self::Admin),
            _ => Err(Invalid::new("role", "must be user or admin")),
        }
    }
}

/// A group of paths that an API key may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Sending requests to models: `/v1` and the other proxy paths.
    Proxy,
    /// Managing the user's objects: `/manage`.
    Manage,
}

impl Scope {
    /// The word in the API and the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Proxy => "proxy",
            Self::Manage => "manage",
        }
    }
}

impl std::str::FromStr for Scope {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "proxy" => Ok(Self::Proxy),
            "manage" => Ok(Self::Manage),
            _ => Err(Invalid::new("scopes", "must be a list of proxy and manage")),
        }
    }
}

/// The credential that a caller proved their identity with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// A session token from login.
    Session(SessionId),
    /// An API key.
    ApiKey {
        /// The key's id.
        id: ApiKeyId,
        /// The paths it may be used for.
        scopes: Vec<Scope>,
        /// The aliases that requests with it may name; `None`: all of the user's.
        allowed_aliases: Option<Vec<AliasName>>,
        /// Its own limits; 0 means none.
        limits: RequestLimits,
        /// Its own budget.
        budget: Option<Budget>,
    },
}

/// The number of requests that are admitted per minute and per UTC day; 0 means that the limit is not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RequestLimits {
    /// The limit for any 60 seconds.
    pub minute: u64,
    /// The limit for a UTC day.
    pub day: u64,
}

/// An authenticated caller. It may be kept in a cache, so `expires_at` must be checked with every request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The user whose credential it is.
    pub user_id: UserId,
    /// The user's rights.
    pub role: Role,
    /// The credential that the request came with.
    pub proof: Proof,
    /// The end of the credential's validity; `None`: it does not expire.
    pub expires_at: Option<Timestamp>,
    /// The user's own limits; 0 means that the server's default holds.
    pub limits: RequestLimits,
    /// The user's budgets.
    pub budgets: UserBudgets,
}

impl Caller {
    /// The API key used; `None` for a session.
    pub fn api_key_id(&self) -> Option<ApiKeyId> {
        match self.proof {
            Proof::ApiKey { id, .. } => Some(id),
            Proof::Session(_) => None,
        }
    }

    /// The budgets that hold for this caller, all of them at once: their own, that of an administrator, and that of the
    /// API key used. Empty where none is set. Soft budgets, which refuse nothing, are left out.
    pub fn budget_rules(&self) -> BudgetRules {
        self.rules(false)
    }

    /// The soft budgets of this caller, in the order of [`Caller::budget_rules`].
    pub fn soft_budget_rules(&self) -> BudgetRules {
        self.rules(true)
    }

    fn rules(&self, soft: bool) -> BudgetRules {
        let (key, of_key) = match &self.proof {
            Proof::ApiKey { id, budget, .. } => (Some(*id), *budget),
            Proof::Session(_) => (None, None),
        };
        let budgets = [
            (BudgetKind::UserOwn, None, self.budgets.own),
            (BudgetKind::UserAdmin, None, self.budgets.admin),
            (BudgetKind::Key, key, of_key),
        ];
        BudgetRules::new(
            self.user_id,
            budgets.map(|(kind, key, budget)| (kind, key, budget.filter(|budget| budget.soft == soft))),
        )
    }

    /// True if this caller may use the paths of `scope`. A session may use all of them.
    pub fn may(&self, scope: Scope) -> bool {
        match &self.proof {
            Proof::Session(_) => true,
            Proof::ApiKey { scopes, .. } => scopes.contains(&scope),
        }
    }

    /// True if this caller may name `model` in a request. An API key may be limited to some aliases; it may name all that
    /// these catch in `routes`, but for the names of other aliases.
    pub fn may_name(&self, routes: &Routes, model: &str) -> bool {
        match &self.proof {
            Proof::ApiKey { allowed_aliases: Some(allowed), .. } => {
                let name = routes.alias(model).map_or(model, |alias| alias.name.as_str());
                allowed.iter().any(|alias| alias.as_str() == name)
            }
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{NanoUsd, Period};

    fn caller(budgets: UserBudgets, key: Option<Option<Budget>>) -> Caller {
        let limits = RequestLimits::default();
        let proof = match key {
            Some(budget) => {
                Proof::ApiKey { id: ApiKeyId(7), scopes: vec![Scope::Proxy], allowed_aliases: None, limits, budget }
            }
            None => Proof::Session(SessionId(1)),
        };
        Caller { user_id: UserId(3), role: Role::User, proof, expires_at: None, limits, budgets }
    }

    #[test]
    fn all_budgets_hold_at_once() {
        let budget = |limit, period| Some(Budget { limit: NanoUsd(limit), period, soft: false });
        let both = UserBudgets { own: budget(5, Period::Day), admin: budget(0, Period::Month) };
        let of = |caller: &Caller| -> Vec<_> {
            caller.budget_rules().iter().map(|r| (r.kind, r.account().key, r.limit.0, r.period)).collect()
        };
        let own = (BudgetKind::UserOwn, None, 5, Period::Day);
        let admin = (BudgetKind::UserAdmin, None, 0, Period::Month);
        let key = (BudgetKind::Key, Some(ApiKeyId(7)), 9, Period::Total);
        assert_eq!(of(&caller(both, Some(budget(9, Period::Total)))), [own, admin, key]);
        assert_eq!(of(&caller(UserBudgets { own: None, ..both }, Some(budget(9, Period::Total)))), [admin, key]);
        assert_eq!(of(&caller(both, None)), [own, admin]);
        assert_eq!(of(&caller(UserBudgets::default(), Some(None))), []);
        assert!(caller(both, None).budget_rules().iter().all(|rule| rule.user == UserId(3)));
    }

    #[test]
    fn a_soft_budget_is_a_rule_of_its_own() {
        let budget = |limit, soft| Some(Budget { limit: NanoUsd(limit), period: Period::Day, soft });
        let caller = caller(UserBudgets { own: budget(5, true), admin: budget(7, false) }, Some(budget(9, true)));
        let of = |rules: BudgetRules| rules.iter().map(|rule| rule.limit.0).collect::<Vec<_>>();
        assert_eq!(of(caller.budget_rules()), [7]);
        assert_eq!(of(caller.soft_budget_rules()), [5, 9]);
    }
}
