//! Slows down those who guess passwords, without letting them lock anybody out, and those who sign up over and over.
//!
//! Failures count by account and by address. An address that has signed in to an account before goes by its own failures
//! there: what others fail does not count against it. A login whose email is no address counts for its sender alone.
//!
//! Times are those of a clock that never goes back and cannot be set, so that nobody waits longer because the time of day
//! was changed.
//!
//! Failures are kept in this process, within bounds, and end with it: with N processes somebody may fail N times as
//! often. Which addresses have signed in is in the store too, which is asked before a try is refused, so that neither a
//! restart nor another process locks an owner out.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use quick_cache::unsync::Cache;
use tt_core::Email;
use tt_core::time::DAY_MS;

use crate::state::network::network;

/// Failures within the window after which the next try is refused.
const MOST_FAILURES: usize = 10;
/// Sign-ups of one address within the window after which the next is refused. An office behind one address is let in; the
/// queue of password hashes is not one sender's.
const MOST_SIGNUPS: usize = 100;
const WINDOW: Duration = Duration::from_secs(15 * 60);

/// The time that an account knows an address after the address last signed in to it.
pub(crate) const KNOWN_FOR_MS: i64 = 90 * DAY_MS;

/// The most accounts, addresses and pairs of both whose failures are remembered, and the most pairs that are known to have
/// signed in. Those used least recently make room.
const MOST_REMEMBERED: usize = 100_000;

/// The subject whose failures are counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Subject {
    Account(Email),
    Address(IpAddr),
    Pair(Email, IpAddr),
    /// The sign-ups of an address, whether they failed or not.
    SignUps(IpAddr),
}

impl Subject {
    /// The number of failures within the window after which the next try is refused.
    fn most(&self) -> usize {
        match self {
            Self::Account(_) | Self::Address(_) | Self::Pair(..) => MOST_FAILURES,
            Self::SignUps(_) => MOST_SIGNUPS,
        }
    }
}

/// The remembered failures and sign-ins.
struct Kept {
    /// The times of the last failures, in order.
    failures: Cache<Subject, VecDeque<Instant>>,
    /// The pairs of an account and an address that has signed in to it.
    known: Cache<(Email, IpAddr), ()>,
}

/// The failures of the last quarter of an hour.
pub(crate) struct LoginThrottle {
    kept: Mutex<Kept>,
}

/// A try under way. It counts as a failure until [`LoginThrottle::succeeded`] or [`LoginThrottle::not_tried`] takes it
/// back, so that tries made at once are not admitted at once.
#[derive(Debug)]
#[must_use]
pub(crate) struct Try {
    /// The subjects whose failures the try counts among.
    subjects: Vec<Subject>,
    at: Instant,
}

/// A try that is not admitted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    /// The time to wait.
    pub(crate) wait: Duration,
    /// True if the address is known to have signed in to the account, so that it was refused for its own failures.
    pub(crate) known: bool,
}

impl Default for LoginThrottle {
    fn default() -> Self {
        Self::remembering(MOST_REMEMBERED)
    }
}

impl LoginThrottle {
    fn remembering(most: usize) -> Self {
        Self { kept: Mutex::new(Kept { failures: Cache::new(most), known: Cache::new(most) }) }
    }

    /// Admits a try to log in. `email` is `None` where the client sent a text that is no email address.
    ///
    /// # Errors
    /// When the account, the address or, for an address that the account knows, the two together have failed too often.
    pub(crate) fn begin(&self, email: Option<&Email>, address: IpAddr, now: Instant) -> Result<Try, Refused> {
        let address = network(address);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(email) = email else {
            return kept.admit(&[Subject::Address(address)], vec![Subject::Address(address)], false, now);
        };
        let known = kept.known.get(&(email.clone(), address)).is_some();
        let [of_account, of_address, of_pair] =
            [Subject::Account(email.clone()), Subject::Address(address), Subject::Pair(email.clone(), address)];
        let counted = if known { vec![of_pair.clone()] } else { vec![of_account.clone(), of_address.clone()] };
        kept.admit(&counted, vec![of_account, of_address, of_pair], known, now)
    }

    /// Admits a sign-up.
    ///
    /// # Errors
    /// The time to wait, when the address has signed up too often.
    pub(crate) fn begin_signup(&self, address: IpAddr, now: Instant) -> Result<Try, Duration> {
        let subject = Subject::SignUps(network(address));
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.admit(std::slice::from_ref(&subject), vec![subject.clone()], false, now).map_err(|refused| refused.wait)
    }

    /// Notes that the address has signed in to the account, at another process or before this one started.
    pub(crate) fn knows(&self, email: &Email, address: IpAddr) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.known.insert((email.clone(), network(address)), ());
    }

    /// Notes that the password was right: the try was no failure, and the account knows the address from here on.
    pub(crate) fn succeeded(&self, done: Try) {
        let Try { subjects, at } = done;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        for subject in subjects {
            match subject {
                Subject::Pair(email, address) => {
                    kept.failures.remove(&Subject::Pair(email.clone(), address));
                    kept.known.insert((email, address), ());
                }
                other => kept.take_back(&other, at),
            }
        }
    }

    /// Notes that the server could not look at the password, so the try says nothing about the one who made it.
    pub(crate) fn not_tried(&self, undone: &Try) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        for subject in &undone.subjects {
            kept.take_back(subject, undone.at);
        }
    }
}

impl Kept {
    /// Admits a try which counts among `all`, unless one of `counted` has failed too often.
    fn admit(&mut self, counted: &[Subject], all: Vec<Subject>, known: bool, now: Instant) -> Result<Try, Refused> {
        if let Some(wait) = counted.iter().find_map(|subject| self.wait(subject, now)) {
            return Err(Refused { wait, known });
        }
        for subject in &all {
            self.note(subject, now);
        }
        Ok(Try { subjects: all, at: now })
    }

    /// The time that `subject` has to wait, or `None` if it need not wait.
    fn wait(&mut self, subject: &Subject, now: Instant) -> Option<Duration> {
        let mut failures = self.failures.get_mut(subject)?;
        while failures.front().is_some_and(|at| *at + WINDOW <= now) {
            failures.pop_front();
        }
        let oldest = failures.front().filter(|_| failures.len() >= subject.most())?;
        Some((*oldest + WINDOW).saturating_duration_since(now))
    }

    fn note(&mut self, subject: &Subject, now: Instant) {
        let noted = self.failures.get_mut(subject).map(|mut failures| {
            failures.push_back(now);
            if failures.len() > subject.most() {
                failures.pop_front();
            }
        });
        if noted.is_none() {
            self.failures.insert(subject.clone(), VecDeque::from([now]));
        }
    }

    /// Takes back the failure noted at `at`.
    fn take_back(&mut self, subject: &Subject, at: Instant) {
        let Some(mut failures) = self.failures.get_mut(subject) else { return };
        if let Some(position) = failures.iter().rposition(|noted| *noted == at) {
            failures.remove(position);
        }
        let none_left = failures.is_empty();
        drop(failures);
        if none_left {
            self.failures.remove(subject);
        }
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

    fn at(seconds: u64) -> Instant {
        static START: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
        *START + Duration::from_secs(seconds)
    }

    #[test]
    fn the_eleventh_failure_waits_and_the_window_moves_on() {
        let throttle = LoginThrottle::default();
        for second in 0..10 {
            let _failed = throttle.begin(Some(&email("ann")), address(1), at(second)).unwrap();
        }
        assert_eq!(throttle.begin(Some(&email("ann")), address(1), at(10)).unwrap_err().wait, Duration::from_secs(890));
        assert!(
            throttle.begin(Some(&email("ann")), address(2), at(10)).is_err(),
            "the account counts for every address"
        );
        assert!(
            throttle.begin(Some(&email("bob")), address(1), at(10)).is_err(),
            "the address counts for every account"
        );
        assert!(throttle.begin(Some(&email("bob")), address(2), at(10)).is_ok());
        assert!(throttle.begin(Some(&email("ann")), address(1), at(900)).is_ok());
    }

    #[test]
    fn an_address_that_has_signed_in_is_not_locked_out_by_others() {
        let throttle = LoginThrottle::default();
        let done = throttle.begin(Some(&email("ann")), address(1), at(0)).unwrap();
        throttle.succeeded(done);
        for second in 1..=10 {
            let _failed = throttle.begin(Some(&email("ann")), address(9), at(second)).unwrap();
        }
        assert!(throttle.begin(Some(&email("ann")), address(9), at(11)).is_err());
        for second in 11..21 {
            let _failed = throttle.begin(Some(&email("ann")), address(1), at(second)).unwrap();
        }
        assert!(throttle.begin(Some(&email("ann")), address(1), at(21)).is_err(), "its own failures count");
    }

    #[test]
    fn an_address_known_from_elsewhere_goes_by_its_own_failures() {
        let throttle = LoginThrottle::default();
        for second in 0..10 {
            let _failed = throttle.begin(Some(&email("ann")), address(9), at(second)).unwrap();
        }
        assert!(!throttle.begin(Some(&email("ann")), address(1), at(10)).unwrap_err().known);
        throttle.knows(&email("ann"), address(1));
        for second in 10..20 {
            let _failed = throttle.begin(Some(&email("ann")), address(1), at(second)).unwrap();
        }
        assert!(
            throttle.begin(Some(&email("ann")), address(1), at(20)).unwrap_err().known,
            "nothing more is to be asked"
        );
        assert!(throttle.begin(Some(&email("ann")), address(2), at(20)).is_err(), "another address is known too");
    }

    #[test]
    fn a_login_without_an_address_counts_for_its_sender() {
        let throttle = LoginThrottle::default();
        for second in 0..10 {
            let _failed = throttle.begin(None, address(1), at(second)).unwrap();
        }
        assert!(throttle.begin(None, address(1), at(10)).is_err());
        assert!(
            throttle.begin(Some(&email("ann")), address(1), at(10)).is_err(),
            "the sender counts for every account"
        );
        assert!(throttle.begin(None, address(2), at(10)).is_ok());
    }

    #[test]
    fn a_try_that_failed_here_does_not_count() {
        let throttle = LoginThrottle::default();
        for _ in 0..50 {
            let of_stranger = throttle.begin(None, address(1), at(0)).unwrap();
            throttle.not_tried(&of_stranger);
            let of_owner = throttle.begin(Some(&email("ann")), address(1), at(0)).unwrap();
            throttle.not_tried(&of_owner);
        }
        assert!(throttle.kept.lock().unwrap().failures.is_empty());
    }

    #[test]
    fn sign_ups_count_by_address_and_apart_from_logins() {
        let throttle = LoginThrottle::default();
        for _ in 0..MOST_SIGNUPS {
            let _done = throttle.begin_signup(address(1), at(0)).unwrap();
        }
        assert_eq!(throttle.begin_signup(address(1), at(60)).unwrap_err(), Duration::from_secs(840));
        assert!(throttle.begin_signup(address(2), at(60)).is_ok());
        assert!(throttle.begin(Some(&email("ann")), address(1), at(60)).is_ok());
        assert!(throttle.begin_signup(address(1), at(900)).is_ok());
    }

    #[test]
    fn tries_made_at_once_are_not_admitted_at_once() {
        let throttle = LoginThrottle::default();
        let admitted = (0..50).filter(|_| throttle.begin(Some(&email("ann")), address(1), at(0)).is_ok()).count();
        assert_eq!(admitted, 10);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let throttle = LoginThrottle::remembering(64);
        for host in 0..=u8::MAX {
            let done = throttle.begin(Some(&email(&format!("user{host}"))), address(host), at(0)).unwrap();
            throttle.succeeded(done);
            let _failed = throttle.begin(Some(&email(&format!("user{host}"))), address(host), at(1)).unwrap();
        }
        let kept = throttle.kept.lock().unwrap();
        assert!(
            kept.failures.len() <= 64 && kept.known.len() <= 64,
            "{} and {}",
            kept.failures.len(),
            kept.known.len()
        );
        assert!(!kept.failures.is_empty() && !kept.known.is_empty());
    }
}
