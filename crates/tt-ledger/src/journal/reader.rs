//! Reads one chain of segments back into settlements, from the position on that the store has reached.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::mem;
use std::path::PathBuf;
use std::sync::Arc;

use tt_core::record::{Attempt, AttemptEnded, Intent, Outcome, Settled, Settlement};

use crate::journal::files::Files;
use crate::journal::frame::Record;
use crate::journal::position::{Extent, Position};
use crate::journal::segment::{Next, SegmentReader, path};

/// Offsets from here on count the rows of an orphan's open requests, which come after all records of the chain.
pub(crate) const TAIL: u64 = 1 << 62;

/// A request that has not settled, as far as the journal was read.
#[derive(Debug)]
struct OpenRequest {
    intent: Intent,
    attempts: Vec<Attempt>,
}

/// The reader of one chain. It follows a chain that is still written with [`ChainReader::follow`].
pub(crate) struct ChainReader {
    files: Arc<dyn Files>,
    dir: PathBuf,
    worker: usize,
    /// The store has everything that settled up to here.
    cursor: Position,
    segments: VecDeque<Extent>,
    current: Option<SegmentReader>,
    /// By number in the chain.
    open: BTreeMap<u64, OpenRequest>,
    /// The open requests copied to the head of the current segment, while that head is read.
    carried: Option<BTreeMap<u64, OpenRequest>>,
    /// Read, and not yet returned.
    ready: VecDeque<(Settlement, Position)>,
    /// Segments that could not be read to their end.
    damaged: BTreeSet<u64>,
}

impl ChainReader {
    /// Reads `segments` in order, without gaps. `cursor` is the position up to which the store has the chain, or `None`
    /// if the store has nothing of it.
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
            current: None,
            open: BTreeMap::new(),
            carried: None,
            ready: VecDeque::new(),
            damaged: BTreeSet::new(),
        }
    }

    /// Notes that more was written: `segments` as they are now.
    pub(crate) fn follow(&mut self, segments: impl IntoIterator<Item = Extent>) {
        let reached = self.current.as_ref().map_or(0, |segment| segment.number);
        self.segments.clear();
        for extent in segments {
            match &mut self.current {
                Some(segment) if segment.number == extent.number => segment.raise(extent.limit),
                _ if extent.number > reached => self.segments.push_back(extent),
                _ => {}
            }
        }
    }

    /// The position up to which the chain was read.
    pub(crate) fn position(&self) -> Position {
        self.current.as_ref().map_or_else(Position::default, |t| Position { segment: t.number, offset: t.offset })
    }

    /// Segments that could not be read to their end.
    pub(crate) fn damaged(&self) -> &BTreeSet<u64> {
        &self.damaged
    }

    /// The next settlement that is not stored, and the position right after it, or `None` if nothing more was written.
    pub(crate) fn next(&mut self) -> io::Result<Option<(Settlement, Position)>> {
        loop {
            if let Some(ready) = self.ready.pop_front() {
                return Ok(Some(ready));
            }
            let Some(segment) = &mut self.current else {
                if self.begin_segment()? {
                    continue;
                }
                return Ok(None);
            };
            if segment.carry_end.is_some_and(|end| segment.offset >= end)
                && let Some(carried) = self.carried.take()
            {
                let number = segment.number;
                self.take_over(carried, number);
                continue;
            }
            let number = segment.number;
            match segment.next()? {
                Next::Record(key, record) => {
                    let at = Position { segment: number, offset: segment.offset };
                    self.apply(key, *record, at);
                }
                Next::End => {
                    if !self.begin_segment()? {
                        return Ok(None);
                    }
                }
                Next::Torn => {
                    let offset = self.abandon_segment();
                    tracing::warn!(
                        journal = %self.dir.display(), worker = self.worker, segment = number, offset,
                        "the journal ends in a torn record: everything before it is read"
                    );
                }
                Next::Damaged => {
                    let offset = self.abandon_segment();
                    self.damaged.insert(number);
                    tracing::error!(
                        journal = %self.dir.display(), worker = self.worker, segment = number, offset,
                        "a record of the journal is damaged: the rest of its segment is not read"
                    );
                }
            }
        }
    }

    /// Reads no more of the current segment, and returns the offset where reading stopped. If that was within the copied
    /// requests at the segment's head, they only add to what the segments before have said.
    fn abandon_segment(&mut self) -> u64 {
        for (key, request) in self.carried.take().unwrap_or_default() {
            self.open.entry(key).or_insert(request);
        }
        self.current.as_mut().map_or(0, |segment| {
            let offset = segment.offset;
            segment.skip();
            offset
        })
    }

    /// Goes to the next segment. False: there is none.
    fn begin_segment(&mut self) -> io::Result<bool> {
        while let Some(Extent { number, limit }) = self.segments.front().copied() {
            match self.files.open(&path(&self.dir, self.worker, number)) {
                Ok(file) => self.current = Some(SegmentReader::new(number, file, limit)),
                // It was deleted after the list was made, so everything that settled in it is stored.
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

    /// All copied requests at a segment's head were read: these are the open ones. Any other that was open before has
    /// settled in a part that could not be read.
    fn take_over(&mut self, carried: BTreeMap<u64, OpenRequest>, number: u64) {
        let before = mem::replace(&mut self.open, carried);
        // A store that has reached this segment has their settlements.
        if self.cursor.segment >= number {
            return;
        }
        for (key, request) in before {
            if !self.open.contains_key(&key) {
                let lost = request.interrupted("its end cannot be read from the journal");
                self.ready.push_back((lost, Position { segment: number, offset: 0 }));
            }
        }
    }

    /// Applies a record of the request with number `key` in the chain, which ends at `at`.
    fn apply(&mut self, key: u64, record: Record, at: Position) {
        let open = self.carried.as_mut().unwrap_or(&mut self.open);
        if let Record::Intent(intent) = record {
            open.insert(key, OpenRequest { intent, attempts: Vec::new() });
            return;
        }
        if let Record::Settled(settled) = record {
            let request = open.remove(&key);
            if at <= self.cursor {
                return;
            }
            match request {
                Some(OpenRequest { intent, attempts }) => {
                    self.ready.push_back((Settlement { intent, attempts, settled }, at));
                }
                None => tracing::error!(
                    journal = %self.dir.display(), worker = self.worker, ?at,
                    "a request settled whose intent is not in the journal"
                ),
            }
            return;
        }
        let Some(request) = open.get_mut(&key) else { return };
        match (record, request.attempts.last_mut()) {
            (Record::Started(started), _) => request.attempts.push(Attempt { started, ended: None }),
            (Record::Ended(mut ended), Some(attempt)) => {
                // Version 0.1 wrote texts of any length.
                ended.bound();
                attempt.ended = Some(ended);
            }
            _ => {}
        }
    }

    /// For a chain whose process has ended, once it is read to its end: a settlement for each open request, and the
    /// position that the store reaches with it.
    pub(crate) fn into_open(mut self) -> impl Iterator<Item = (Settlement, Position)> {
        self.abandon_segment();
        let segment = self.position().segment;
        // They are counted, so that a store that has taken some of them gets only the rest.
        let stored = if self.cursor.segment == segment { self.cursor.offset.saturating_sub(TAIL) } else { 0 };
        (1..)
            .zip(self.open.into_values())
            .skip_while(move |(nth, _)| *nth <= stored)
            .map(move |(nth, request)| (request.interrupted(DIED), Position { segment, offset: TAIL + nth }))
    }
}

const DIED: &str = "the process ended while the request ran";

impl OpenRequest {
    /// The settlement of a request whose end is unknown, and so is what it cost.
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
