//! The limit of calls to `/auth` and `/manage`: by user, and by address where no user is known yet. It holds in this
//! process, so that it needs no Redis.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use quick_cache::unsync::Cache;
use tt_core::limits::{Decision, Rule, RuleKind};
use tt_core::{Timestamp, UserId};
use tt_ratelimit::LimitWorker;

use crate::state::network::network;

/// The most calls in a minute, of a user as of an address.
pub(crate) const MOST_CALLS: u64 = 600;
const MINUTE: Duration = Duration::from_secs(60);

/// The most addresses whose calls are counted. Those used least recently make room.
const MOST_ADDRESSES: usize = 100_000;

/// The calls of an address in the minute that began with its first.
struct Window {
    began: Instant,
    calls: u64,
}

/// The calls of the last minute.
pub(crate) struct CallLimit {
    by_user: LimitWorker,
    by_address: Mutex<Cache<IpAddr, Window>>,
}

impl Default for CallLimit {
    fn default() -> Self {
        Self { by_user: LimitWorker::memory(), by_address: Mutex::new(Cache::new(MOST_ADDRESSES)) }
    }
}

impl CallLimit {
    /// Counts a call of `user`.
    ///
    /// # Errors
    /// The time to wait, when the user has made too many calls.
    pub(crate) async fn admit_user(&self, user: UserId, now: Timestamp) -> Result<(), Duration> {
        let rule = Rule { kind: RuleKind::UserMinute, user, key: None, limit: MOST_CALLS };
        match self.by_user.check(&[rule], now).await {
            Decision::Deny { retry_after, .. } => Err(retry_after),
            Decision::Admit { .. } | Decision::Unavailable => Ok(()),
        }
    }

    /// Counts a call from `address` that carries no credential.
    ///
    /// # Errors
    /// The time to wait, when the address has made too many calls.
    pub(crate) fn admit_address(&self, address: IpAddr, now: Instant) -> Result<(), Duration> {
        let address = network(address);
        let mut windows = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mut window) = windows.get_mut(&address) {
            let left = MINUTE.saturating_sub(now.saturating_duration_since(window.began));
            if left.is_zero() {
                *window = Window { began: now, calls: 0 };
            } else if window.calls >= MOST_CALLS {
                return Err(left);
            }
            window.calls += 1;
            return Ok(());
        }
        windows.insert(address, Window { began: now, calls: 1 });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_user_may_call_600_times_in_any_minute() {
        let limit = CallLimit::default();
        let at = Timestamp::from_millis;
        for _ in 0..600 {
            limit.admit_user(UserId(1), at(0)).await.unwrap();
        }
        assert_eq!(limit.admit_user(UserId(1), at(1000)).await, Err(Duration::from_secs(60)));
        assert_eq!(limit.admit_user(UserId(2), at(1000)).await, Ok(()));
        assert_eq!(limit.admit_user(UserId(1), at(61_000)).await, Ok(()));
    }

    #[test]
    fn an_address_may_call_600_times_a_minute() {
        let limit = CallLimit::default();
        let (one, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let begun = Instant::now();
        for _ in 0..600 {
            limit.admit_address(one, begun).unwrap();
        }
        let later = begun + Duration::from_secs(20);
        assert_eq!(limit.admit_address(one, later), Err(Duration::from_secs(40)));
        assert_eq!(limit.admit_address(other, later), Ok(()));
        assert_eq!(limit.admit_address(one, begun + MINUTE), Ok(()));
    }
}
