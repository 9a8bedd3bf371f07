//! Time zones, for days that are not those of UTC. The rules are those of the IANA database that is part of the program.

use jiff::tz::{TimeZone, TimeZoneDatabase};

use crate::time::{DAY_MS, HOUR_MS};
use crate::{Invalid, Timestamp};

/// A time zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

/// A span of time in which a zone's clocks differ from UTC by the same amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offset {
    /// The moment at which another offset begins.
    pub until: Timestamp,
    /// The milliseconds that local clocks are ahead of UTC.
    pub ms: i64,
}

impl Zone {
    /// The zone whose days are those of UTC.
    pub const fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    /// The zone of an IANA name, such as `Europe/Berlin`. `field` names it in the error.
    pub fn parse(field: &'static str, name: &str) -> Result<Self, Invalid> {
        let unknown = |_| Invalid::new(field, "must be the IANA name of a time zone, such as Europe/Berlin");
        TimeZoneDatabase::bundled().get(name).map(Self).map_err(unknown)
    }

    /// The zone's offsets from the moment `from` to the moment `to`, in order; one at the least, and the last lasts for ever.
    pub fn offsets(&self, from: Timestamp, to: Timestamp) -> Vec<Offset> {
        let start = moment(from);
        let mut ms = i64::from(self.0.to_offset(start).seconds()) * 1000;
        let mut offsets = Vec::new();
        for change in self.0.following(start) {
            let until = Timestamp::from_millis(change.timestamp().as_millisecond());
            if until >= to {
                break;
            }
            offsets.push(Offset { until, ms });
            ms = i64::from(change.offset().seconds()) * 1000;
        }
        offsets.push(Offset { until: Timestamp::from_millis(i64::MAX), ms });
        offsets
    }
}

/// The moment, held at the ends of jiff's calendar.
fn moment(at: Timestamp) -> jiff::Timestamp {
    let (least, most) = (jiff::Timestamp::MIN, jiff::Timestamp::MAX);
    let within = at.millis().clamp(least.as_millisecond(), most.as_millisecond());
    jiff::Timestamp::from_millisecond(within).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
}

/// The local day that `at` lies in: its midnight, as if local clocks showed UTC.
pub fn local_day(offsets: &[Offset], at: Timestamp) -> Timestamp {
    let offset = offsets.iter().find(|offset| at < offset.until).or(offsets.last());
    at.plus_millis(offset.map_or(0, |offset| offset.ms)).day()
}

/// The UTC hours from `from` to `to` in which one local day ends and another begins.
pub fn hours_with_midnight(offsets: &[Offset], from: Timestamp, to: Timestamp) -> Vec<Timestamp> {
    let mut hours = Vec::new();
    let mut began = from;
    for offset in offsets.iter().skip_while(|offset| offset.until <= from) {
        let until = offset.until.min(to);
        // The first local midnight that is not before `began`, in UTC.
        let mut midnight = began.plus_millis(offset.ms + DAY_MS - 1).day().plus_millis(-offset.ms);
        while midnight < until {
            hours.push(midnight.hour());
            midnight = midnight.plus_millis(DAY_MS);
        }
        // Where clocks are set across midnight, the day changes with them.
        if until < to {
            hours.push(until.hour());
        }
        began = until;
    }
    hours.sort_unstable();
    hours.dedup();
    // A day that ends with the hour splits nothing.
    hours.retain(|hour| {
        let last = hour.plus_millis(HOUR_MS - 1);
        local_day(offsets, *hour) != local_day(offsets, last)
    });
    hours
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse("t", text).unwrap()
    }

    fn year(zone: &str) -> Vec<Offset> {
        Zone::parse("tz", zone).unwrap().offsets(at("2026-01-01"), at("2027-01-01"))
    }

    /// The lengths of the local days of 2026, in hours, by the number of days of each length.
    fn lengths(zone: &str) -> Vec<(i64, usize)> {
        let offsets = year(zone);
        let mut days = std::collections::BTreeMap::new();
        let (mut quarter, end) = (at("2026-01-02"), at("2026-12-30"));
        while quarter < end {
            *days.entry(local_day(&offsets, quarter)).or_insert(0) += HOUR_MS / 4;
            quarter = quarter.plus_millis(HOUR_MS / 4);
        }
        let mut lengths = std::collections::BTreeMap::new();
        // The first and the last are not seen whole.
        for (_, ms) in days.iter().skip(1).take(days.len() - 2) {
            *lengths.entry(ms / HOUR_MS).or_insert(0) += 1;
        }
        lengths.into_iter().collect()
    }

    #[test]
    fn a_year_has_a_day_of_23_and_one_of_25_hours_where_clocks_change() {
        let days = |zone| lengths(zone).into_iter().filter(|(hours, _)| *hours != 24).collect::<Vec<_>>();
        assert_eq!(days("Europe/Berlin"), [(23, 1), (25, 1)]);
        assert_eq!(days("America/New_York"), [(23, 1), (25, 1)]);
        assert_eq!(days("Asia/Kolkata"), []);
        assert_eq!(days("Etc/UTC"), []);
    }

    #[test]
    fn a_local_day_begins_at_local_midnight() {
        let berlin = year("Europe/Berlin");
        assert_eq!(local_day(&berlin, at("2026-07-01T21:59:59.999Z")), at("2026-07-01"));
        assert_eq!(local_day(&berlin, at("2026-07-01T22:00:00Z")), at("2026-07-02"));
        assert_eq!(local_day(&berlin, at("2026-01-01T22:59:59.999Z")), at("2026-01-01"));
        assert_eq!(local_day(&berlin, at("2026-01-01T23:00:00Z")), at("2026-01-02"));
        let kolkata = year("Asia/Kolkata");
        assert_eq!(local_day(&kolkata, at("2026-07-01T18:29:59.999Z")), at("2026-07-01"));
        assert_eq!(local_day(&kolkata, at("2026-07-01T18:30:00Z")), at("2026-07-02"));
    }

    #[test]
    fn only_hours_that_hold_a_midnight_are_split() {
        let of = |zone| hours_with_midnight(&year(zone), at("2026-03-01"), at("2026-04-01"));
        assert_eq!((of("Etc/UTC"), of("Europe/Berlin"), of("America/New_York")), (vec![], vec![], vec![]));
        let kolkata = of("Asia/Kolkata");
        assert_eq!((kolkata.len(), kolkata[0]), (31, at("2026-03-01T18:00:00Z")));
        // 45 minutes off, and a summer time of half an hour.
        assert_eq!(of("Asia/Kathmandu")[0], at("2026-03-01T18:00:00Z"));
        assert_eq!(hours_with_midnight(&year("Australia/Lord_Howe"), at("2026-06-01"), at("2026-06-03")).len(), 2);
        assert_eq!(hours_with_midnight(&year("Australia/Lord_Howe"), at("2026-01-10"), at("2026-01-12")).len(), 0);
    }

    #[test]
    fn an_unknown_zone_is_named() {
        for name in ["", "Berlin", "Europe/Nowhere", "+01:00", "../../etc/passwd"] {
            assert_eq!(Zone::parse("tz", name).unwrap_err().field, "tz", "{name}");
        }
        assert_eq!(Zone::parse("tz", "UTC").unwrap().offsets(at("1970-01-01"), at("2100-01-01")).len(), 1);
    }

    #[test]
    fn ends_of_time_are_no_trouble() {
        let ends = (Timestamp::from_millis(i64::MIN), Timestamp::from_millis(i64::MAX));
        assert!(!Zone::parse("tz", "Asia/Kolkata").unwrap().offsets(ends.1, ends.1).is_empty());
        assert_eq!(Zone::utc().offsets(ends.0, ends.1).len(), 1);
    }
}
