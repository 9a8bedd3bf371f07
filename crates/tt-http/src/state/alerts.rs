//! Alerts that are noticed outside of the drain: they wait here until a task writes them to the store, which decides whether
//! they are new. [The drain's own](tt_store::Store::record) never pass here.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;
use tt_core::alert::{Alert, AlertData, Event, Subject};
use tt_core::{Provider, ProviderKeyId, Timestamp, UserId};

use crate::clock::now;

/// The most alerts that wait, and the most that are known, for the hour. Further ones are dropped; what they are about will be
/// noticed again.
const MOST: usize = 10_000;

/// The most characters of a cause.
const LONGEST_CAUSE: usize = 200;

/// The alerts of this process.
#[derive(Debug, Default)]
pub struct Alerts {
    noticed: Mutex<Noticed>,
    /// Wakes the task that sends alerts to webhooks.
    pub(crate) due: Notify,
}

#[derive(Debug, Default)]
struct Noticed {
    /// The hour that `known` is of.
    hour: Option<Timestamp>,
    /// The alerts noticed in the hour, so that the same is not written again and again.
    known: HashSet<(Subject, Event, String)>,
    waiting: Vec<Alert>,
}

impl Alerts {
    /// Notes an alert, which is written within a second or so. One that was noted in this hour already changes nothing. Never
    /// waits for the store.
    pub(crate) fn notice(&self, alert: Alert) {
        let name = (alert.subject, alert.data.event(), alert.once());
        let mut noticed = self.noticed.lock().unwrap_or_else(PoisonError::into_inner);
        if noticed.hour != Some(alert.at.hour()) {
            noticed.hour = Some(alert.at.hour());
            noticed.known.clear();
        }
        if noticed.known.len() < MOST && noticed.waiting.len() < MOST && noticed.known.insert(name) {
            noticed.waiting.push(alert);
        }
    }

    /// Notes that a target of a user rests until `until`, because its calls with a provider key keep failing. `cause` is in
    /// words and holds no secret; its first 200 characters are kept.
    pub fn target_open(
        &self,
        user: UserId,
        provider_key_id: ProviderKeyId,
        provider: Provider,
        model: &str,
        cause: &str,
        until: Timestamp,
    ) {
        let (model, cause) = (model.to_owned(), cause.chars().take(LONGEST_CAUSE).collect());
        let data = AlertData::TargetOpen { provider_key_id, provider, model, cause, until };
        self.notice(Alert { subject: Subject::User(user), at: now(), data });
    }

    /// Takes what waits to be written.
    pub(crate) fn take(&self) -> Vec<Alert> {
        std::mem::take(&mut self.noticed.lock().unwrap_or_else(PoisonError::into_inner).waiting)
    }

    /// Gives back what could not be written.
    pub(crate) fn put_back(&self, mut alerts: Vec<Alert>) {
        let mut noticed = self.noticed.lock().unwrap_or_else(PoisonError::into_inner);
        alerts.append(&mut noticed.waiting);
        alerts.truncate(MOST);
        noticed.waiting = alerts;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn behind(hour: i64, unstored: u64) -> Alert {
        let at = Timestamp::from_millis(hour * tt_core::time::HOUR_MS);
        Alert { subject: Subject::Installation, at, data: AlertData::JournalBehind { oldest_settled_at: at, unstored } }
    }

    #[test]
    fn the_same_is_noted_once_an_hour_and_what_is_given_back_comes_first() {
        let alerts = Alerts::default();
        alerts.notice(behind(1, 5));
        alerts.notice(behind(1, 6));
        let taken = alerts.take();
        assert_eq!(taken, [behind(1, 5)]);
        alerts.notice(behind(1, 7));
        alerts.notice(behind(2, 8));
        alerts.put_back(taken);
        assert_eq!(alerts.take(), [behind(1, 5), behind(2, 8)]);
        assert!(alerts.take().is_empty());
    }

    #[test]
    fn targets_are_noted_by_model_with_a_short_cause() {
        let alerts = Alerts::default();
        let until = now();
        for model in ["a", "b", "a"] {
            alerts.target_open(UserId(1), ProviderKeyId(2), Provider::OpenAi, model, &"x".repeat(999), until);
        }
        let taken = alerts.take();
        assert_eq!(taken.len(), 2);
        for alert in taken {
            let AlertData::TargetOpen { cause, .. } = alert.data else { panic!("another kind") };
            assert_eq!(cause.len(), LONGEST_CAUSE);
        }
    }
}
