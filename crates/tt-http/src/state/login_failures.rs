//! Failed logins on their way to the audit trail: counted by account and address, and written once a minute, so that a
//! stranger who fails often makes few entries.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tt_core::UserId;
use tt_store::{Action, Failures};

use crate::state::network::network;

/// The most entries that failures may make in a minute. Beyond them failures are counted together.
const MOST_ENTRIES: u32 = 60;
const MINUTE: Duration = Duration::from_secs(60);

/// An account, an address and what was tried. The account is `None` where no user has the given email address.
type Group = (Option<UserId>, IpAddr, Action);

/// The failures that are not written yet.
pub(crate) struct LoginFailures {
    kept: Mutex<Kept>,
}

struct Kept {
    groups: HashMap<Group, u32>,
    /// The failures of the current minute that belong to no group, with what failed.
    others: HashMap<Action, u32>,
    /// The groups that may still begin in the current minute.
    entries_left: u32,
    minute_began: Instant,
}

impl LoginFailures {
    /// No failures, at `now`.
    pub(crate) fn new(now: Instant) -> Self {
        let kept =
            Kept { groups: HashMap::new(), others: HashMap::new(), entries_left: MOST_ENTRIES, minute_began: now };
        Self { kept: Mutex::new(kept) }
    }

    /// Counts a failure.
    pub(crate) fn note(&self, user: Option<UserId>, address: IpAddr, action: Action, now: Instant) {
        let group = (user, network(address), action);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(kept.minute_began) >= MINUTE {
            kept.minute_began = now;
            kept.entries_left = MOST_ENTRIES;
        }
        if let Some(count) = kept.groups.get_mut(&group) {
            *count = count.saturating_add(1);
        } else if kept.entries_left > 0 {
            kept.entries_left -= 1;
            kept.groups.insert(group, 1);
        } else {
            let count = kept.others.entry(action).or_default();
            *count = count.saturating_add(1);
        }
    }

    /// Takes the failures that are to be written. Those that belong to no group are taken with the last of their minute
    /// only, unless `all` is true.
    pub(crate) fn take(&self, all: bool, now: Instant) -> Vec<Failures> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let over = now.saturating_duration_since(kept.minute_began) >= MINUTE;
        let groups = std::mem::take(&mut kept.groups);
        let others = if all || over { std::mem::take(&mut kept.others) } else { HashMap::new() };
        let mut taken: Vec<Failures> = groups
            .into_iter()
            .map(|((user, address, action), count)| Failures { user, address: Some(address), action, count })
            .collect();
        taken.extend(others.into_iter().map(|(action, count)| Failures { user: None, address: None, action, count }));
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn failures_at_one_account_from_one_address_are_one_entry() {
        let begun = Instant::now();
        let failures = LoginFailures::new(begun);
        for _ in 0..7 {
            failures.note(Some(UserId(3)), address(1), Action::LoginFailed, begun);
        }
        failures.note(Some(UserId(3)), address(2), Action::LoginFailed, begun);
        let mut taken = failures.take(false, begun);
        taken.sort_by_key(|failures| failures.count);
        let entry = |last, count| Failures {
            user: Some(UserId(3)),
            address: Some(address(last)),
            action: Action::LoginFailed,
            count,
        };
        assert_eq!(taken, [entry(2, 1), entry(1, 7)]);
        assert_eq!(failures.take(true, begun), []);
    }

    #[test]
    fn a_minute_makes_few_entries_however_often_they_are_taken() {
        let begun = Instant::now();
        let failures = LoginFailures::new(begun);
        let mut entries = 0;
        for last in 0..=u8::MAX {
            failures.note(None, address(last), Action::LoginFailed, begun);
            entries += failures.take(false, begun).len();
        }
        assert_eq!(entries, 60);
        let next = begun + MINUTE;
        let rest = failures.take(false, next);
        assert_eq!(rest, [Failures { user: None, address: None, action: Action::LoginFailed, count: 196 }]);
        failures.note(None, address(1), Action::LoginFailed, next);
        assert_eq!(failures.take(false, next).len(), 1, "a new minute has entries of its own");
    }
}
