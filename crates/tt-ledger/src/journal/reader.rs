//! Reads one chain of segments back into settlements, from where the store says it has come.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::mem;
use std::path::PathBuf;
use std::sync::Arc;

use tt_core::record::{Attempt, AttemptEnded, Intent, Outcome, Settled, Settlement};

use crate::journal::files::Files;
use crate::journal::frame::Record;
use crate::journal::segment::{Next, Tape, path};

/// Offsets from here on count the rows of a dead chain's open requests, which come after all of its records.
pub(crate) const TAIL: u64 = 1 << 62;

/// A place in a chain: all that settled before it is stored. What its order is, is the order of settling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Position {
    pub(crate) segment: u64,
    pub(crate) offset: u64,
}

/// How far a segment was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) number: u64,
    /// Bytes; for a dead chain, the length of the file.
    pub(crate) limit: u64,
}

#[derive(Debug)]
struct Partial {
    intent: Intent,
    attempts: Vec<Attempt>,
}

/// The reader of one chain. A chain that is still written may be followed with [`Replay::follow`].
pub(crate) struct Replay {
    files: Arc<dyn Files>,
    dir: PathBuf,
    worker: usize,
    /// What settled before it is stored.
    cursor: Position,
    segments: VecDeque<Extent>,
    tape: Option<Tape>,
    open: BTreeMap<u64, Partial>,
    /// The carry of the segment at hand, while it is read.
    carried: Option<BTreeMap<u64, Partial>>,
    /// Read, and not yet given out.
    ready: VecDeque<(Settlement, Position)>,
    damaged: BTreeSet<u64>,
}

impl Replay {
    /// `segments` in order, without gaps. `cursor`: `None` where the store knows of none.
    pub(crate) fn new(
        files: Arc<dyn Files>,
        dir: PathBuf,
        worker: usize,
        segments: impl IntoIterator<Item = Extent>,
        cursor: Option<Position>,
    ) -> Self {
        Self {
            files,
            dir,
            worker,
            cursor: cursor.unwrap_or_default(),
            segments: segments.into_iter().collect(),
            tape: None,
            open: BTreeMap::new(),
            carried: None,
            ready: VecDeque::new(),
            damaged: BTreeSet::new(),
        }
    }

    /// More was written.
    pub(crate) fn follow(&mut self, segments: impl IntoIterator<Item = Extent>) {
        let reached = self.tape.as_ref().map_or(0, |tape| tape.number);
        self.segments.clear();
        for extent in segments {
            match &mut self.tape {
                Some(tape) if tape.number == extent.number => tape.raise(extent.limit),
                _ if extent.number > reached => self.segments.push_back(extent),
                _ => {}
            }
        }
    }

    /// How far it has read.
    pub(crate) fn position(&self) -> Position {
        self.tape.as_ref().map_or_else(Position::default, |t| Position { segment: t.number, offset: t.offset })
    }

    /// Segments that could not be read to their end.
    pub(crate) fn damaged(&self) -> &BTreeSet<u64> {
        &self.damaged
    }

    /// The next settlement that is not stored, and the place right after it; `None`: nothing more was written.
    pub(crate) fn next(&mut self) -> io::Result<Option<(Settlement, Position)>> {
        loop {
            if let Some(ready) = self.ready.pop_front() {
                return Ok(Some(ready));
            }
            let Some(tape) = &mut self.tape else {
                if self.begin_segment()? {
                    continue;
                }
                return Ok(None);
            };
            if tape.carry_end.is_some_and(|end| tape.offset >= end)
                && let Some(carried) = self.carried.take()
            {
                let number = tape.number;
                self.take_over(carried, number);
                continue;
            }
            let number = tape.number;
            match tape.next()? {
                Next::Record(request, record) => {
                    let at = Position { segment: number, offset: tape.offset };
                    self.apply(request, *record, at);
                }
                Next::End => {
                    if !self.begin_segment()? {
                        return Ok(None);
                    }
                }
                Next::Torn => {
                    let offset = self.give_up_segment();
                    tracing::warn!(
                        journal = %self.dir.display(), worker = self.worker, segment = number, offset,
                        "the journal ends in a torn record: replayed up to it"
                    );
                }
                Next::Damaged => {
                    let offset = self.give_up_segment();
                    self.damaged.insert(number);
                    tracing::error!(
                        journal = %self.dir.display(), worker = self.worker, segment = number, offset,
                        "a record of the journal is damaged: the rest of its segment is not replayed"
                    );
                }
            }
        }
    }

    /// Reads no more of the segment at hand; where it stopped. A carry that has not come to its end changes nothing, as
    /// what it copies is in the segment before, if that is there.
    fn give_up_segment(&mut self) -> u64 {
        for (request, partial) in self.carried.take().unwrap_or_default() {
            self.open.entry(request).or_insert(partial);
        }
        self.tape.as_mut().map_or(0, |tape| {
            let offset = tape.offset;
            tape.skip();
            offset
        })
    }

    /// Goes to the next segment; false when there is none.
    fn begin_segment(&mut self) -> io::Result<bool> {
        while let Some(Extent { number, limit }) = self.segments.front().copied() {
            match self.files.open(&path(&self.dir, self.worker, number)) {
                Ok(file) => self.tape = Some(Tape::new(number, file, limit)),
                // Deleted since the list was made, so all that settled in it is stored.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    self.segments.pop_front();
                    continue;
                }
                Err(error) => return Err(error),
            }
            self.segments.pop_front();
            self.carried = Some(BTreeMap::new());
            return Ok(true);
        }
        Ok(false)
    }

    /// A whole carry was read: it says what is open, and whatever else was open settled unseen.
    fn take_over(&mut self, carried: BTreeMap<u64, Partial>, number: u64) {
        let before = mem::replace(&mut self.open, carried);
        // Where the store has come past the segment that settled them, it has them.
        if self.cursor.segment >= number {
            return;
        }
        for (request, partial) in before {
            if !self.open.contains_key(&request) {
                let lost = partial.interrupted("its end cannot be read from the journal");
                self.ready.push_back((lost, Position { segment: number, offset: 0 }));
            }
        }
    }

    fn apply(&mut self, request: u64, record: Record, at: Position) {
        let open = self.carried.as_mut().unwrap_or(&mut self.open);
        if let Record::Intent(intent) = record {
            open.insert(request, Partial { intent, attempts: Vec::new() });
            return;
        }
        if let Record::Settled(settled) = record {
            let partial = open.remove(&request);
            if at <= self.cursor {
                return;
            }
            match partial {
                Some(Partial { intent, attempts }) => {
                    self.ready.push_back((Settlement { intent, attempts, settled }, at));
                }
                None => tracing::error!(
                    journal = %self.dir.display(), worker = self.worker, ?at,
                    "a request settled whose intent is not in the journal"
                ),
            }
            return;
        }
        let Some(partial) = open.get_mut(&request) else { return };
        match (record, partial.attempts.last_mut()) {
            (Record::Started(started), _) => partial.attempts.push(Attempt { started, ended: None }),
            (Record::Ended(ended), Some(attempt)) => attempt.ended = Some(ended),
            _ => {}
        }
    }

    /// The chain is dead and read to its end: rows for what was open, and how far each brings the store.
    pub(crate) fn into_open(mut self) -> impl Iterator<Item = (Settlement, Position)> {
        self.give_up_segment();
        let segment = self.position().segment;
        // Counted, so that a store which has taken some of them gets the rest only.
        let taken = if self.cursor.segment == segment { self.cursor.offset.saturating_sub(TAIL) } else { 0 };
        (1..)
            .zip(self.open.into_values())
            .skip_while(move |(nth, _)| *nth <= taken)
            .map(move |(nth, partial)| (partial.interrupted(DIED), Position { segment, offset: TAIL + nth }))
    }
}

const DIED: &str = "the process ended while the request ran";

impl Partial {
    /// Nobody knows how it ended nor what it cost.
    fn interrupted(mut self, error: &str) -> Settlement {
        if let Some(last) = self.attempts.last_mut() {
            last.ended.get_or_insert_with(|| AttemptEnded::unanswered(error, 0));
        }
        let settled = Settled {
            status: None,
            outcome: Outcome::Interrupted,
            error: Some(error.to_owned()),
            latency_ms: 0,
            first_token_ms: None,
        };
        Settlement { intent: self.intent, attempts: self.attempts, settled }
    }
}
