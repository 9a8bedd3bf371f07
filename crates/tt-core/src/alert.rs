//! Alerts: what happened that somebody wants to be told of, and the body that a webhook gets.
//!
//! An alert is about one user, or about the whole installation. [`Alert::once`] names what it is about, so that however
//! many processes notice it, and however often, it is told once. No alert holds a secret or a text of a request.

use serde::{Deserialize, Serialize};

use crate::budget::{BudgetKind, Period};
use crate::{ApiKeyId, Invalid, Label, NanoUsd, Provider, ProviderKeyId, RequestId, Timestamp, UserId};

/// The kinds of alerts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AlertEvent"))]
pub enum Event {
    /// A part of a budget is spent: 50, 80 or 100 %.
    #[serde(rename = "budget.threshold")]
    BudgetThreshold,
    /// A budget did not cover a request.
    #[serde(rename = "budget.refused")]
    BudgetRefused,
    /// An API key expires soon.
    #[serde(rename = "key.expiring")]
    KeyExpiring,
    /// A model that was called has no price.
    #[serde(rename = "price.missing")]
    PriceMissing,
    /// Requests were interrupted, or their usage is unknown.
    #[serde(rename = "ledger.gap")]
    LedgerGap,
    /// A target has failed so often that it rests.
    #[serde(rename = "target.open")]
    TargetOpen,
    /// Settled requests wait long to be stored.
    #[serde(rename = "journal.behind")]
    JournalBehind,
}

impl Event {
    /// Every event that a webhook may subscribe to.
    pub const ALL: [Self; 7] = [
        Self::BudgetThreshold,
        Self::BudgetRefused,
        Self::KeyExpiring,
        Self::PriceMissing,
        Self::LedgerGap,
        Self::TargetOpen,
        Self::JournalBehind,
    ];

    /// The word in the API and the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BudgetThreshold => "budget.threshold",
            Self::BudgetRefused => "budget.refused",
            Self::KeyExpiring => "key.expiring",
            Self::PriceMissing => "price.missing",
            Self::LedgerGap => "ledger.gap",
            Self::TargetOpen => "target.open",
            Self::JournalBehind => "journal.behind",
        }
    }

    /// True if a webhook of this scope may subscribe to the event.
    pub const fn is_of(self, scope: WebhookScope) -> bool {
        match self {
            Self::BudgetThreshold | Self::BudgetRefused | Self::KeyExpiring | Self::TargetOpen => {
                matches!(scope, WebhookScope::Own)
            }
            Self::PriceMissing | Self::LedgerGap => true,
            Self::JournalBehind => matches!(scope, WebhookScope::Installation),
        }
    }
}

impl std::str::FromStr for Event {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|event| event.as_str() == text);
        found.ok_or_else(|| {
            let why = "must be of budget.threshold, budget.refused, key.expiring, price.missing, ledger.gap, target.open \
                       and journal.behind";
            Invalid::new("events", why)
        })
    }
}

/// The events that a webhook is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum WebhookScope {
    /// The events of the webhook's user.
    Own,
    /// The events of the installation, for administrators.
    Installation,
}

impl WebhookScope {
    /// The word in the API and the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Installation => "installation",
        }
    }
}

impl std::str::FromStr for WebhookScope {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "own" => Ok(Self::Own),
            "installation" => Ok(Self::Installation),
            _ => Err(Invalid::new("scope", "must be own or installation")),
        }
    }
}

/// The subject of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// All users together.
    Installation,
    /// One user.
    User(UserId),
}

/// The percentages of a budget at which an alert is made.
pub const THRESHOLDS: [u8; 3] = [50, 80, 100];

/// The thresholds of `limit` that are reached by `after` and were not by `before`. A limit of 0 has none.
pub fn crossed(limit: NanoUsd, before: NanoUsd, after: NanoUsd) -> impl Iterator<Item = u8> {
    let reached =
        move |spent: NanoUsd, percent: u8| i128::from(spent.0) * 100 >= i128::from(limit.0) * i128::from(percent);
    THRESHOLDS.into_iter().filter(move |percent| limit.0 > 0 && reached(after, *percent) && !reached(before, *percent))
}

/// The part of an alert about a budget that names the budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct AlertedBudget {
    /// Who set the budget: `user`, `admin`, or `key` for one of an API key.
    #[serde(serialize_with = "scope")]
    pub scope: BudgetKind,
    /// The API key, for a budget of one.
    pub api_key_id: Option<ApiKeyId>,
    /// The limit.
    pub limit_usd: NanoUsd,
    /// The length of its periods.
    pub period: Period,
    /// The beginning of the period that the alert is about.
    pub period_starts_at: Timestamp,
    /// The end of that period; `None` for `total`, which never ends.
    pub resets_at: Option<Timestamp>,
    /// True if the budget warns and refuses nothing.
    pub soft: bool,
}

fn scope<S: serde::Serializer>(kind: &BudgetKind, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(kind.scope())
}

impl AlertedBudget {
    fn name(&self) -> String {
        let key = self.api_key_id.map_or(0, |key| key.0);
        format!("{} {key} {} {}", self.scope.scope(), self.period.as_str(), self.period_starts_at.millis())
    }
}

/// Why an attempt's money is missing from the sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GapKind {
    /// The process died while the requests ran.
    Interrupted,
    /// The requests were sent, and nothing tells what they used.
    UnknownUsage,
}

impl GapKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Interrupted => "interrupted",
            Self::UnknownUsage => "unknown_usage",
        }
    }
}

/// The facts of an alert: the `data` of its body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum AlertData {
    /// `budget.threshold`: once for each limit, period and threshold.
    BudgetThreshold {
        /// The threshold that was crossed, in percent.
        threshold_percent: u8,
        /// The amount that is spent in the period.
        spent_usd: NanoUsd,
        /// The budget.
        #[serde(flatten)]
        budget: AlertedBudget,
    },
    /// `budget.refused`: once an hour and budget.
    BudgetRefused {
        /// The amount that is spent in the period.
        spent_usd: NanoUsd,
        /// The amount that is held for requests under way.
        held_usd: NanoUsd,
        /// The amount that the request might have cost.
        asked_usd: NanoUsd,
        /// The budget.
        #[serde(flatten)]
        budget: AlertedBudget,
    },
    /// `key.expiring`: once for each key, end and number of days.
    KeyExpiring {
        /// The key.
        api_key_id: ApiKeyId,
        /// The name that its owner chose.
        name: Option<Label>,
        /// The first characters of the key.
        prefix: String,
        /// The end of its validity.
        expires_at: Timestamp,
        /// The key expires in so many days, or fewer.
        days: u8,
    },
    /// `price.missing`: once a UTC day and model.
    PriceMissing {
        /// The provider.
        provider: Provider,
        /// The model, as it was asked for.
        model: String,
        /// One of the requests; `None` in an alert about the installation.
        #[serde(skip_serializing_if = "Option::is_none")]
        request_id: Option<RequestId>,
    },
    /// `ledger.gap`: once an hour and kind.
    LedgerGap {
        /// Why the ledger leaves something out.
        kind: GapKind,
        /// The number of such requests that were found together.
        requests: u64,
        /// One of them; `None` in an alert about the installation.
        #[serde(skip_serializing_if = "Option::is_none")]
        request_id: Option<RequestId>,
    },
    /// `target.open`: once an hour and target.
    TargetOpen {
        /// The provider key that the target is called with.
        provider_key_id: ProviderKeyId,
        /// The provider.
        provider: Provider,
        /// The model.
        model: String,
        /// The reason, in words without secrets.
        cause: String,
        /// The target rests until then.
        until: Timestamp,
    },
    /// `journal.behind`: once an hour.
    JournalBehind {
        /// The time at which the request settled that waits longest to be stored.
        oldest_settled_at: Timestamp,
        /// The number of settled requests that wait.
        unstored: u64,
    },
}

impl AlertData {
    /// The kind of the alert.
    pub const fn event(&self) -> Event {
        match self {
            Self::BudgetThreshold { .. } => Event::BudgetThreshold,
            Self::BudgetRefused { .. } => Event::BudgetRefused,
            Self::KeyExpiring { .. } => Event::KeyExpiring,
            Self::PriceMissing { .. } => Event::PriceMissing,
            Self::LedgerGap { .. } => Event::LedgerGap,
            Self::TargetOpen { .. } => Event::TargetOpen,
            Self::JournalBehind { .. } => Event::JournalBehind,
        }
    }
}

/// Something that has happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// The subject.
    pub subject: Subject,
    /// When it happened.
    pub at: Timestamp,
    /// The event and its facts.
    pub data: AlertData,
}

/// The body that a webhook gets.
#[derive(Serialize)]
struct Body<'a, T> {
    id: &'a str,
    event: &'a str,
    created_at: Timestamp,
    data: &'a T,
}

impl Alert {
    /// The name of what the alert is about, among the alerts of its subject and event: two with one name are one.
    pub fn once(&self) -> String {
        let hour = self.at.hour().millis();
        match &self.data {
            AlertData::BudgetThreshold { threshold_percent, budget, .. } => {
                format!("{} {} {threshold_percent}", budget.name(), budget.limit_usd.0)
            }
            AlertData::BudgetRefused { budget, .. } => format!("{} {hour}", budget.name()),
            AlertData::KeyExpiring { api_key_id, expires_at, days, .. } => {
                format!("{api_key_id} {} {days}", expires_at.millis())
            }
            AlertData::PriceMissing { provider, model, .. } => {
                format!("{} {} {model}", self.at.day().millis(), provider.as_str())
            }
            AlertData::LedgerGap { kind, .. } => format!("{} {hour}", kind.as_str()),
            AlertData::TargetOpen { provider_key_id, model, .. } => format!("{provider_key_id} {hour} {model}"),
            AlertData::JournalBehind { .. } => hour.to_string(),
        }
    }

    /// The body, as JSON. `id` names the alert.
    ///
    /// # Errors
    /// None that is known of: every part can be written as JSON.
    pub fn body(&self, id: &str) -> Result<String, serde_json::Error> {
        serde_json::to_string(&Body { id, event: self.data.event().as_str(), created_at: self.at, data: &self.data })
    }
}

/// The event of the body that [`test_body`] gives. No webhook subscribes to it.
pub const TEST_EVENT: &str = "webhook.test";

/// The body of a test of a webhook, as JSON. `id` names the test.
pub fn test_body(id: &str, at: Timestamp) -> String {
    serde_json::json!({ "id": id, "event": TEST_EVENT, "created_at": at.rfc3339(), "data": {} }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse("t", text).unwrap()
    }

    fn budget(limit: i64) -> AlertedBudget {
        AlertedBudget {
            scope: BudgetKind::Key,
            api_key_id: Some(ApiKeyId(7)),
            limit_usd: NanoUsd(limit),
            period: Period::Month,
            period_starts_at: at("2026-11-01"),
            resets_at: Some(at("2026-12-01")),
            soft: true,
        }
    }

    fn threshold(threshold_percent: u8, limit: i64, spent: i64) -> Alert {
        let data = AlertData::BudgetThreshold { threshold_percent, spent_usd: NanoUsd(spent), budget: budget(limit) };
        Alert { subject: Subject::User(UserId(1)), at: at("2026-11-27T05:00:00Z"), data }
    }

    #[test]
    fn an_event_is_its_word_in_json_too() {
        for event in Event::ALL {
            assert_eq!(event.as_str().parse(), Ok(event));
            assert_eq!(serde_json::to_string(&event).unwrap(), format!("\"{}\"", event.as_str()));
            assert!(event.is_of(WebhookScope::Own) || event.is_of(WebhookScope::Installation), "{event:?}");
        }
        assert!("budget".parse::<Event>().is_err());
    }

    #[test]
    fn a_threshold_is_crossed_once_and_several_may_be_at_once() {
        let of = |limit, before, after| crossed(NanoUsd(limit), NanoUsd(before), NanoUsd(after)).collect::<Vec<_>>();
        assert_eq!(of(100, 0, 49), [0; 0]);
        assert_eq!(of(100, 49, 50), [50]);
        assert_eq!(of(100, 50, 79), [0; 0]);
        assert_eq!(of(100, 0, 1_000), [50, 80, 100]);
        assert_eq!(of(100, 80, 100), [100]);
        assert_eq!(of(0, 0, 5), [0; 0], "a budget of nothing is always spent");
        assert_eq!(of(3, 1, 2), [50], "a threshold need not be a whole number");
        assert_eq!(of(9_000_000_000_000_000, 0, i64::MAX), [50, 80, 100]);
    }

    #[test]
    fn the_body_holds_money_as_exact_numbers() {
        assert_eq!(
            threshold(80, 10_000_000_000, 8_000_000_001).body("evt_1").unwrap(),
            r#"{"id":"evt_1","event":"budget.threshold","created_at":"2026-11-27T05:00:00.000Z","data":{"threshold_percent":80,"spent_usd":8.000000001,"scope":"key","api_key_id":7,"limit_usd":10,"period":"month","period_starts_at":"2026-11-01T00:00:00.000Z","resets_at":"2026-12-01T00:00:00.000Z","soft":true}}"#
        );
    }

    #[test]
    fn what_is_spent_does_not_make_another_alert_and_another_limit_does() {
        assert_eq!(threshold(80, 10, 8).once(), threshold(80, 10, 9).once());
        assert_ne!(threshold(80, 10, 8).once(), threshold(50, 10, 8).once());
        assert_ne!(threshold(80, 10, 8).once(), threshold(80, 11, 9).once());
    }
}
