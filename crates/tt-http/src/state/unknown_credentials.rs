//! Slows down addresses that send one credential after another that nobody has. Each costs a query, since only the store
//! knows that it is unknown.
//!
//! Nobody is refused: an honest user behind the same address has a credential that this process knows already, which needs
//! no query, or waits once. The wait is bounded by the number of connections of an address, each of which sends one request
//! at a time.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use quick_cache::unsync::Cache;

use crate::state::network::network;

/// The time that each unknown credential of an address takes, however fast the store says so.
const EACH: Duration = Duration::from_millis(5);

/// The unknown credentials that an address may send at once before it waits.
const AT_ONCE: u32 = 60;

/// The most addresses that are remembered. Those used least recently make room.
const MOST_ADDRESSES: usize = 10_000;

/// The addresses whose credentials were unknown lately.
pub(crate) struct UnknownCredentials {
    /// The time at which an address has waited for all unknown credentials that it has sent.
    even_at: Mutex<Cache<IpAddr, Instant>>,
}

impl Default for UnknownCredentials {
    fn default() -> Self {
        Self { even_at: Mutex::new(Cache::new(MOST_ADDRESSES)) }
    }
}

impl UnknownCredentials {
    /// The time that `address` must wait before the store is asked for a credential of theirs.
    pub(crate) fn wait(&self, address: IpAddr, now: Instant) -> Duration {
        let even_at = self.even_at.lock().unwrap_or_else(PoisonError::into_inner);
        let even_at = even_at.get(&network(address)).copied().unwrap_or(now);
        even_at.saturating_duration_since(now).saturating_sub(EACH * AT_ONCE)
    }

    /// Notes that the store did not know a credential that `address` has sent.
    pub(crate) fn note(&self, address: IpAddr, now: Instant) {
        let mut even_at = self.even_at.lock().unwrap_or_else(PoisonError::into_inner);
        let address = network(address);
        let even = even_at.get(&address).map_or(now, |even| now.max(*even)) + EACH;
        even_at.insert(address, even);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_waits_for_its_own_unknown_credentials_past_the_first() {
        let (unknown, now) = (UnknownCredentials::default(), Instant::now());
        let (guesser, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        (0..AT_ONCE).for_each(|_| unknown.note(guesser, now));
        assert_eq!(unknown.wait(guesser, now), Duration::ZERO);
        (0..100).for_each(|_| unknown.note(guesser, now));
        assert_eq!(unknown.wait(guesser, now), 100 * EACH);
        assert_eq!(unknown.wait(other, now), Duration::ZERO);
        assert_eq!(unknown.wait(guesser, now + 40 * EACH), 60 * EACH);
        assert_eq!(unknown.wait(guesser, now + 100 * EACH), Duration::ZERO);
        // An address that has been quiet has no more at once than any other.
        let later = now + Duration::from_secs(3600);
        (0..=AT_ONCE).for_each(|_| unknown.note(guesser, later));
        assert_eq!(unknown.wait(guesser, later), EACH);
    }

    #[test]
    fn addresses_that_are_remembered_are_bounded() {
        let (unknown, now) = (UnknownCredentials::default(), Instant::now());
        for number in 0..20_000_u32 {
            unknown.note(IpAddr::from(number.to_be_bytes()), now);
        }
        let remembered = unknown.even_at.lock().unwrap().len();
        assert!(remembered > 0 && remembered <= MOST_ADDRESSES, "{remembered}");
    }
}
