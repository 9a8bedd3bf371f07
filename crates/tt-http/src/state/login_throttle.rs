//! Slowing down those who guess passwords, without letting them lock anybody out.
//!
//! Failures count by account and by address. An address that has signed in to an account before is spared what others
//! fail there: only its own failures count.
//!
//! The failures are kept in this process, within bounds, and end with it: with N processes somebody may fail N times as
//! often. Who is spared is in the store besides, which is asked where a try would be refused: an owner is not locked out
//! by a restart, nor by reaching another process than before.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tt_core::{Email, Timestamp};

/// So many failures within the window, and the next try is refused.
const MOST_FAILURES: usize = 10;
const WINDOW_MS: i64 = 15 * 60 * 1000;

/// How long an address is known to an account after it last signed in.
pub(crate) const KNOWN_FOR_MS: i64 = 90 * 24 * 3600 * 1000;

/// Accounts, addresses and pairs remembered; past that the oldest make room.
const MOST_REMEMBERED: usize = 100_000;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Who {
    Account(Email),
    Address(IpAddr),
    Pair(Email, IpAddr),
}

#[derive(Debug, Default)]
struct Kept {
    failures: HashMap<Who, VecDeque<Timestamp>>,
    /// Pairs that have signed in, with when they last did.
    spared: HashMap<(Email, IpAddr), Timestamp>,
}

/// The failures of the last quarter of an hour.
#[derive(Debug, Default)]
pub(crate) struct LoginThrottle {
    kept: Mutex<Kept>,
}

/// A try under way. It counts as a failure until [`LoginThrottle::succeeded`] takes it back, so that tries made at once
/// are not admitted at once.
#[derive(Debug)]
pub(crate) struct Try {
    email: Email,
    address: IpAddr,
    at: Timestamp,
}

/// A try that is not admitted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    /// How long to wait.
    pub(crate) wait: Duration,
    /// Was the address known to have signed in to the account? It goes by its own failures then.
    pub(crate) spared: bool,
}

impl LoginThrottle {
    /// Admits a try, or says how long to wait.
    pub(crate) fn begin(&self, email: &Email, address: IpAddr, now: Timestamp) -> Result<Try, Refused> {
        let address = network(address);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let spared = kept.spared.contains_key(&(email.clone(), address));
        let pair = Who::Pair(email.clone(), address);
        let counts = if spared { vec![pair.clone()] } else { vec![Who::Account(email.clone()), Who::Address(address)] };
        for who in &counts {
            if let Some(wait) = kept.wait(who, now) {
                return Err(Refused { wait, spared });
            }
        }
        for who in [Who::Account(email.clone()), Who::Address(address), pair] {
            kept.note(who, now);
        }
        Ok(Try { email: email.clone(), address, at: now })
    }

    /// The address has signed in to the account, at another process or before this one started.
    pub(crate) fn spare(&self, email: &Email, address: IpAddr, now: Timestamp) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).spare(email.clone(), network(address), now);
    }

    /// The password was right: the try was no failure, and the address is known to the account from here on.
    pub(crate) fn succeeded(&self, done: Try) {
        let Try { email, address, at } = done;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        for who in [Who::Account(email.clone()), Who::Address(address)] {
            kept.take_back(&who, at);
        }
        kept.failures.remove(&Who::Pair(email.clone(), address));
        kept.spare(email, address, at);
    }
}

impl Kept {
    fn spare(&mut self, email: Email, address: IpAddr, at: Timestamp) {
        make_room(&mut self.spared, |at| *at);
        self.spared.insert((email, address), at);
    }

    fn wait(&mut self, who: &Who, now: Timestamp) -> Option<Duration> {
        let failures = self.failures.get_mut(who)?;
        while failures.front().is_some_and(|at| at.plus_millis(WINDOW_MS) <= now) {
            failures.pop_front();
        }
        let oldest = failures.front().filter(|_| failures.len() >= MOST_FAILURES)?;
        let wait_ms = oldest.plus_millis(WINDOW_MS).millis() - now.millis();
        Some(Duration::from_millis(u64::try_from(wait_ms).unwrap_or(0)))
    }

    fn note(&mut self, who: Who, now: Timestamp) {
        make_room(&mut self.failures, |failures| failures.back().copied().unwrap_or(Timestamp::from_millis(0)));
        let failures = self.failures.entry(who).or_default();
        failures.push_back(now);
        if failures.len() > MOST_FAILURES {
            failures.pop_front();
        }
    }

    fn take_back(&mut self, who: &Who, at: Timestamp) {
        if let Some(failures) = self.failures.get_mut(who) {
            if let Some(position) = failures.iter().rposition(|noted| *noted == at) {
                failures.remove(position);
            }
            if failures.is_empty() {
                self.failures.remove(who);
            }
        }
    }
}

/// Drops the older half when a map is full.
fn make_room<K: Hash + Eq + Clone, V>(map: &mut HashMap<K, V>, age: impl Fn(&V) -> Timestamp) {
    if map.len() < MOST_REMEMBERED {
        return;
    }
    let mut ages: Vec<_> = map.values().map(&age).collect();
    let middle = ages.len() / 2;
    let (_, cut, _) = ages.select_nth_unstable(middle);
    let cut = *cut;
    map.retain(|_, value| age(value) > cut);
}

/// An IPv6 customer has a /64 at the least: its addresses count as one.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) & (u128::MAX << 64)).into()),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn email(name: &str) -> Email {
        Email::parse(&format!("{name}@example.org")).unwrap()
    }

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn the_eleventh_failure_waits_and_the_window_moves_on() {
        let throttle = LoginThrottle::default();
        for second in 0..10 {
            throttle.begin(&email("ann"), address(1), at(second)).unwrap();
        }
        assert_eq!(throttle.begin(&email("ann"), address(1), at(10)).unwrap_err().wait, Duration::from_secs(890));
        assert!(throttle.begin(&email("ann"), address(2), at(10)).is_err(), "the account counts for every address");
        assert!(throttle.begin(&email("bob"), address(1), at(10)).is_err(), "the address counts for every account");
        assert!(throttle.begin(&email("bob"), address(2), at(10)).is_ok());
        assert!(throttle.begin(&email("ann"), address(1), at(900)).is_ok());
    }

    #[test]
    fn an_address_that_has_signed_in_is_not_locked_out_by_others() {
        let throttle = LoginThrottle::default();
        let done = throttle.begin(&email("ann"), address(1), at(0)).unwrap();
        throttle.succeeded(done);
        for second in 1..=10 {
            throttle.begin(&email("ann"), address(9), at(second)).unwrap();
        }
        assert!(throttle.begin(&email("ann"), address(9), at(11)).is_err());
        for second in 11..21 {
            throttle.begin(&email("ann"), address(1), at(second)).unwrap();
        }
        assert!(throttle.begin(&email("ann"), address(1), at(21)).is_err(), "its own failures count");
    }

    #[test]
    fn an_address_known_from_elsewhere_goes_by_its_own_failures() {
        let throttle = LoginThrottle::default();
        for second in 0..10 {
            throttle.begin(&email("ann"), address(9), at(second)).unwrap();
        }
        assert!(!throttle.begin(&email("ann"), address(1), at(10)).unwrap_err().spared);
        throttle.spare(&email("ann"), address(1), at(10));
        for second in 10..20 {
            throttle.begin(&email("ann"), address(1), at(second)).unwrap();
        }
        assert!(throttle.begin(&email("ann"), address(1), at(20)).unwrap_err().spared, "nothing more is to be asked");
        assert!(throttle.begin(&email("ann"), address(2), at(20)).is_err(), "another address was spared too");
    }

    #[test]
    fn tries_made_at_once_are_not_admitted_at_once() {
        let throttle = LoginThrottle::default();
        let admitted = (0..50).filter(|_| throttle.begin(&email("ann"), address(1), at(0)).is_ok()).count();
        assert_eq!(admitted, 10);
    }

    #[test]
    fn addresses_of_one_ipv6_network_count_as_one() {
        let one: IpAddr = "2001:db8::1".parse().unwrap();
        let other: IpAddr = "2001:db8::ffff:1".parse().unwrap();
        assert_eq!(network(one), network(other));
        assert_eq!(network("::ffff:192.0.2.1".parse().unwrap()), address(1));
    }
}
