//! The pause before something is tried again: it doubles with each attempt, up to a cap.

use std::time::Duration;

/// The pause after `attempt` earlier pauses: `base` doubled `attempt` times, at most `cap`, plus a random part.
///
/// The random part is between none (`random` = 0) and as much again (`random` = 65,535), so the result lies between the
/// doubled pause and twice that. It keeps clients that failed at the same moment from trying again at the same moment.
/// Pass 0 where only one task tries.
///
/// ```
/// use std::time::Duration;
/// use tt_core::backoff::backoff;
///
/// let (base, cap) = (Duration::from_millis(100), Duration::from_secs(2));
/// let pauses = [0, 1, 2, 3, 4, 5].map(|attempt| backoff(attempt, base, cap, 0).as_millis());
/// assert_eq!(pauses, [100, 200, 400, 800, 1600, 2000]);
/// assert_eq!(backoff(1, base, cap, u16::MAX), Duration::from_millis(400));
/// ```
#[must_use]
pub fn backoff(attempt: u32, base: Duration, cap: Duration, random: u16) -> Duration {
    let doubled = base.saturating_mul(1_u32.checked_shl(attempt).unwrap_or(u32::MAX)).min(cap);
    doubled.saturating_add(doubled.saturating_mul(u32::from(random)) / u32::from(u16::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: Duration = Duration::from_millis(250);
    const CAP: Duration = Duration::from_secs(3600);

    #[test]
    fn it_doubles_up_to_the_cap_and_stays_there() {
        let pauses: Vec<_> = (0..100).map(|attempt| backoff(attempt, BASE, CAP, 0)).collect();
        for pair in pauses.windows(2) {
            assert_eq!(pair[1], (pair[0] * 2).min(CAP));
        }
        assert_eq!(pauses[0], BASE);
        assert_eq!(pauses[99], CAP);
        assert_eq!(backoff(u32::MAX, BASE, CAP, 0), CAP);
    }

    #[test]
    fn the_random_part_is_at_most_as_much_again() {
        for attempt in [0, 3, 40] {
            let least = backoff(attempt, BASE, CAP, 0);
            let half = backoff(attempt, BASE, CAP, 0x7fff);
            assert!(least < half && half < least * 2, "{half:?}");
            assert_eq!(backoff(attempt, BASE, CAP, u16::MAX), least * 2);
        }
    }

    #[test]
    fn the_longest_durations_do_not_overflow() {
        assert_eq!(backoff(64, Duration::MAX, Duration::MAX, 0), Duration::MAX);
        assert_eq!(backoff(64, Duration::MAX, Duration::MAX, u16::MAX), Duration::MAX);
    }
}
