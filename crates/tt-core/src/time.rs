//! Points in time: milliseconds since the Unix epoch, UTC. Nothing here reads a clock.

use jiff::SignedDuration;
use jiff::civil::DateTime;
use jiff::fmt::temporal::{Pieces, PiecesOffset};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Invalid;

/// The milliseconds of an hour.
pub const HOUR_MS: i64 = 3_600_000;
/// The milliseconds of a UTC day. Days with a leap second count as others.
pub const DAY_MS: i64 = 86_400_000;

/// A point in time in UTC, to the millisecond. In JSON an RFC 3339 string, in binary formats the milliseconds since the
/// Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since the Unix epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// The point `millis` later (earlier when negative), held at the type's ends.
    #[must_use]
    pub const fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// The beginning of the hour that contains this point.
    #[must_use]
    pub const fn hour(self) -> Self {
        Self(self.0.div_euclid(HOUR_MS) * HOUR_MS)
    }

    /// The first full hour that is not before this.
    #[must_use]
    pub const fn hour_up(self) -> Self {
        let hour = self.hour();
        if hour.0 == self.0 { hour } else { Self(hour.0.saturating_add(HOUR_MS)) }
    }

    /// The beginning of the UTC day that contains this point.
    #[must_use]
    pub const fn day(self) -> Self {
        Self(self.0.div_euclid(DAY_MS) * DAY_MS)
    }

    /// RFC 3339 with milliseconds, for example `2026-11-23T12:00:00.000Z`; the Unix epoch for a year of more than four
    /// digits.
    pub fn rfc3339(self) -> String {
        let at = self.civil().unwrap_or(EPOCH);
        // Written digit by digit: every record holds a few times, and the formatting machinery costs ten times as much.
        let mut text = *b"0000-00-00T00:00:00.000Z";
        let [y0, y1, y2, y3, _, o0, o1, _, d0, d1, _, h0, h1, _, m0, m1, _, s0, s1, _, f0, f1, f2, _] = &mut text;
        digits([y0, y1, y2, y3], at.year());
        digits([o0, o1], at.month());
        digits([d0, d1], at.day());
        digits([h0, h1], at.hour());
        digits([m0, m1], at.minute());
        digits([s0, s1], at.second());
        digits([f0, f1, f2], at.millisecond());
        String::from_utf8(text.to_vec()).unwrap_or_default()
    }

    /// Reads RFC 3339 (any offset) or a plain date (`2026-11-23`, its midnight in UTC). `field` names it in the error.
    pub fn parse(field: &'static str, text: &str) -> Result<Self, Invalid> {
        Self::read(text)
            .ok_or_else(|| Invalid::new(field, "must be an RFC 3339 time such as 2026-11-23T12:00:00Z, or a date"))
    }

    fn read(text: &str) -> Option<Self> {
        let pieces = Pieces::parse(text).ok().filter(|pieces| pieces.time_zone_annotation().is_none())?;
        let (clock, ahead) = match (pieces.time(), pieces.offset()) {
            (Some(clock), Some(PiecesOffset::Numeric(offset))) => (clock, offset.offset().seconds()),
            (Some(clock), Some(_)) => (clock, 0),
            (None, None) => (jiff::civil::Time::midnight(), 0),
            _ => return None,
        };
        let at = Self::from_civil(pieces.date().to_datetime(clock));
        Some(at.plus_millis(i64::from(ahead) * -1000))
    }

    /// The date and clock in UTC; `None` for a year of more than four digits.
    pub(crate) fn civil(self) -> Option<DateTime> {
        EPOCH.checked_add(SignedDuration::from_millis(self.0)).ok()
    }

    /// The millisecond that contains `at`, a date and clock in UTC.
    pub(crate) fn from_civil(at: DateTime) -> Self {
        let nanos = at.duration_since(EPOCH).as_nanos();
        // Years have four digits, so the milliseconds fit.
        Self(i64::try_from(nanos.div_euclid(1_000_000)).unwrap_or(i64::MAX))
    }
}

/// The Unix epoch.
const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

/// Writes the last `N` decimal digits of `number`.
fn digits<const N: usize>(places: [&mut u8; N], number: impl Into<i32>) {
    let mut rest = number.into().unsigned_abs();
    for place in places.into_iter().rev() {
        *place = b'0' + u8::try_from(rest % 10).unwrap_or_default();
        rest /= 10;
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&self.rfc3339())
        } else {
            serializer.serialize_i64(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return i64::deserialize(deserializer).map(Self);
        }
        let text = String::deserialize(deserializer)?;
        Self::parse("time", &text).map_err(|e| D::Error::custom(e.reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3339_round_trips_to_the_millisecond() {
        let at = Timestamp::from_millis(1_795_435_200_123);
        assert_eq!(Timestamp::parse("t", &at.rfc3339()), Ok(at));
        assert_eq!(Timestamp::parse("t", "1970-01-01T01:00:00+01:00"), Ok(Timestamp::from_millis(0)));
        assert_eq!(Timestamp::parse("t", "1970-01-02"), Ok(Timestamp::from_millis(DAY_MS)));
        assert_eq!(Timestamp::parse("t", "1970-01-01T00:00:00.9999Z"), Ok(Timestamp::from_millis(999)));
        assert_eq!(Timestamp::parse("t", "1969-12-31T23:59:59.9999Z"), Ok(Timestamp::from_millis(-1)));
        for text in ["", "yesterday", "2026-11-23T12:00:00", "2026-13-01", "2026-11-23T12:00:00+01:00[Europe/Paris]"] {
            assert!(Timestamp::parse("t", text).is_err(), "{text}");
        }
    }

    #[test]
    fn every_part_has_its_digits() {
        for text in [
            "0000-01-01T00:00:00.000Z",
            "1970-01-01T00:00:00.000Z",
            "2026-11-23T04:05:06.007Z",
            "9999-12-31T23:59:59.999Z",
        ] {
            assert_eq!(Timestamp::parse("t", text).map(Timestamp::rfc3339).as_deref(), Ok(text));
        }
    }

    #[test]
    fn hours_snap_outward() {
        let at = Timestamp::from_millis(HOUR_MS + 1);
        assert_eq!(at.hour(), Timestamp::from_millis(HOUR_MS));
        assert_eq!(at.hour_up(), Timestamp::from_millis(2 * HOUR_MS));
        assert_eq!(at.hour().hour_up(), at.hour());
        assert_eq!(Timestamp::from_millis(-1).day(), Timestamp::from_millis(-DAY_MS));
    }
}
