//! Divides a range of time among the hourly sums and the rows of the log: whole hours are read from the sums, and the hours
//! that the range divides from the rows. It is pure, so that ranges are tested without a database.

use tt_core::{Invalid, Timestamp, time::HOUR_MS};

/// Rows of the log that are added to the sums, or taken away from them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece {
    /// The first moment of the piece, in milliseconds since the Unix epoch.
    pub(crate) from: i64,
    /// The moment before which the piece ends.
    pub(crate) to: i64,
    /// 1 or -1: the rows are added, or taken away.
    pub(crate) sign: i64,
}

/// A range in pieces.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Pieces {
    /// The hours that are read from the sums: the first, and the one before which they end.
    pub(crate) hours: (i64, i64),
    /// The hours among these that are not read from the sums.
    pub(crate) without: Vec<i64>,
    /// The rows.
    pub(crate) rows: Vec<Piece>,
}

impl Pieces {
    /// The range from `from` to `to`, of which the hours in `split` are read from the rows. The rows before `rows_since` are
    /// gone, so that hours before it cannot be divided.
    pub(crate) fn of(
        from: Timestamp,
        to: Timestamp,
        split: &[Timestamp],
        rows_since: Option<Timestamp>,
    ) -> Result<Self, Invalid> {
        let mut pieces = Self::default();
        if from >= to {
            return Ok(pieces);
        }
        let (first, last) = (from.hour(), to.hour());
        if first == last {
            // Within one hour, which may be a whole one only where the range ends with it.
            pieces.rows.push(Piece { from: from.millis(), to: to.millis(), sign: 1 });
        } else {
            let begins = pieces.edge(from, Side::From);
            let ends = pieces.edge(to, Side::To);
            pieces.hours = (begins, ends);
        }
        let gone = |at: i64| rows_since.is_some_and(|since| at < since.millis());
        if let Some(edge) = pieces.rows.iter().find(|piece| gone(piece.from)) {
            let field = if edge.from <= from.hour_up().millis() { "from" } else { "to" };
            return Err(Invalid::new(
                field,
                "must be on a full hour in UTC: the requests of that time are kept as hourly sums only",
            ));
        }
        let (begins, ends) = pieces.hours;
        for hour in split.iter().map(|hour| hour.millis()).filter(|hour| (begins..ends).contains(hour)) {
            if gone(hour) {
                return Err(Invalid::new(
                    "tz",
                    "divides hours whose requests are kept as hourly sums only; choose a later `from`, or a zone with whole hours",
                ));
            }
            pieces.without.push(hour);
            pieces.rows.push(Piece { from: hour, to: hour + HOUR_MS, sign: 1 });
        }
        Ok(pieces)
    }

    /// The range from `from` to `to`, all of it from the rows. `None`: some of these are gone.
    pub(crate) fn of_rows(from: Timestamp, to: Timestamp, rows_since: Option<Timestamp>) -> Option<Self> {
        if rows_since.is_some_and(|since| from < since) {
            return None;
        }
        let rows = vec![Piece { from: from.millis(), to: to.millis(), sign: 1 }];
        Some(Self { rows: if from < to { rows } else { Vec::new() }, ..Self::default() })
    }

    /// Divides the hour of an end of the range, by the fewer rows: its sum is read and the rows outside the range are taken
    /// away, or the rows within the range are read alone. Returns the hour at which the sums begin or end.
    fn edge(&mut self, at: Timestamp, side: Side) -> i64 {
        let (hour, next, at) = (at.hour().millis(), at.hour().millis().saturating_add(HOUR_MS), at.millis());
        if at == hour {
            return hour;
        }
        let early = at - hour < HOUR_MS / 2;
        let (before, after) = (Piece { from: hour, to: at, sign: 1 }, Piece { from: at, to: next, sign: 1 });
        let (piece, sums) = match (side, early) {
            (Side::From, true) => (Piece { sign: -1, ..before }, hour),
            (Side::From, false) => (after, next),
            (Side::To, true) => (before, hour),
            (Side::To, false) => (Piece { sign: -1, ..after }, next),
        };
        self.rows.push(piece);
        sums
    }
}

#[derive(Debug, Clone, Copy)]
enum Side {
    From,
    To,
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_millis(1_000 * HOUR_MS + minutes * MINUTE)
    }

    fn pieces(from: i64, to: i64) -> Pieces {
        Pieces::of(at(from), at(to), &[], None).unwrap()
    }

    /// The number of times that each minute from -600 to 600 counts.
    fn counted(pieces: &Pieces) -> Vec<i64> {
        let holds = |from: i64, to: i64, minute: i64| i64::from((from..to).contains(&at(minute).millis()));
        (-600..600)
            .map(|minute| {
                let hour = at(minute).hour().millis();
                let summed = i64::from(!pieces.without.contains(&hour)) * holds(pieces.hours.0, pieces.hours.1, minute);
                summed + pieces.rows.iter().map(|piece| piece.sign * holds(piece.from, piece.to, minute)).sum::<i64>()
            })
            .collect()
    }

    #[test]
    fn every_minute_of_a_range_counts_once_and_no_other() {
        for from in (-130..130).step_by(13) {
            for to in (-130..200).step_by(11) {
                let expected: Vec<i64> = (-600..600).map(|minute| i64::from((from..to).contains(&minute))).collect();
                assert_eq!(counted(&pieces(from, to)), expected, "{from} to {to}");
                let split = [at(-60), at(0), at(60)];
                let divided = Pieces::of(at(from), at(to), &split, None).unwrap();
                assert_eq!(counted(&divided), expected, "{from} to {to}, divided");
            }
        }
    }

    #[test]
    fn whole_hours_need_no_rows_and_an_edge_at_most_half_an_hour_of_them() {
        assert_eq!(pieces(-60, 120).rows, []);
        for minute in 1..60 {
            let rows: i64 = pieces(minute, 180 + minute).rows.iter().map(|piece| piece.to - piece.from).sum();
            assert!(rows <= 60 * MINUTE, "{minute}: {rows}");
        }
    }

    #[test]
    fn an_edge_whose_rows_are_gone_is_refused() {
        let of = |from, to, split: &[Timestamp]| Pieces::of(at(from), at(to), split, Some(at(0))).map_err(|e| e.field);
        assert_eq!(of(-59, 120, &[]), Err("from"));
        assert_eq!(of(-600, -30, &[]), Err("to"));
        assert_eq!(of(-50, -10, &[]), Err("from"));
        assert_eq!(of(-600, 120, &[at(-60), at(60)]), Err("tz"));
        assert!(of(-600, 130, &[at(60)]).is_ok() && of(-600, -60, &[at(0)]).is_ok() && of(10, 20, &[]).is_ok());
        assert_eq!(Pieces::of_rows(at(-1), at(5), Some(at(0))), None);
        assert!(Pieces::of_rows(at(0), at(5), Some(at(0))).is_some());
    }
}
