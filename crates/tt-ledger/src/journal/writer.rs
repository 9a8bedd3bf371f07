//! One chain of segments: what a worker writes, and never waits for.
//!
//! **Invariant:** in the segment at hand `written + reserved <= allocated`, and `reserved` covers what the open
//! requests have still to say. So recording the end of an attempt and of a request needs no new room.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::LedgerError;
use crate::flusher::{Durable, Synced};
use crate::journal::files::JournalFile;
use crate::journal::reader::{Extent, Position};
use crate::journal::segment::{header, path};
use crate::journal::{Fsync, Instance};

/// Room for the beginning of the first attempt, set aside with the intent.
const STARTED_ROOM: u64 = 512;
/// Room for the end of an attempt, the provider's usage object included.
pub(crate) const ENDED_ROOM: u64 = 4096;
/// Room for the settlement.
pub(crate) const SETTLED_ROOM: u64 = 1024;

pub(crate) struct Chain {
    instance: Arc<Instance>,
    pub(crate) worker: usize,
    next_request: AtomicU64,
    state: Mutex<State>,
    synced: watch::Sender<Synced>,
}

#[derive(Default)]
struct State {
    current: Option<Segment>,
    /// Behind the current one, oldest first.
    old: VecDeque<Old>,
    last_number: u64,
    open: BTreeMap<u64, Open>,
    /// What the open requests have still to write, at most.
    reserved: u64,
    /// What they have written, all of it in the current segment.
    live: u64,
    writes: u64,
    /// By their numbers: left behind, and perhaps not durable.
    unsynced: Vec<(u64, Arc<dyn JournalFile>)>,
    /// A name was added to the directory.
    named: bool,
    /// The segment may not be durable although it was written: nothing new goes into it.
    suspect: bool,
    /// Settlements go to memory no more, until the drain has read the files to their end.
    spilled: bool,
    /// Settlements that went to memory.
    queued: u64,
    finished: bool,
}

struct Segment {
    number: u64,
    file: Arc<dyn JournalFile>,
    written: u64,
    allocated: u64,
    /// Settlements in it that are not stored.
    undelivered: usize,
}

struct Old {
    number: u64,
    written: u64,
    allocated: u64,
    undelivered: usize,
    /// The write that copied its open requests forward: once that is durable, this is needed no more.
    copied: u64,
}

#[derive(Default)]
struct Open {
    /// Where in the current segment its records are, in order.
    records: Vec<(u64, u64)>,
    reserved: u64,
}

/// Where a settlement went.
pub(crate) struct Written {
    /// `None`: it could not be written.
    pub(crate) at: Option<Position>,
    pub(crate) durable: Durable,
    /// It was the first that is to be read back from the file.
    pub(crate) began: bool,
}

impl Chain {
    pub(crate) fn new(instance: Arc<Instance>, worker: usize) -> Self {
        let synced = watch::Sender::new(Synced::default());
        Self { instance, worker, next_request: AtomicU64::new(1), state: Mutex::default(), synced }
    }

    /// Its name in a cursor.
    pub(crate) fn name(&self) -> String {
        format!("{}/{}", self.instance.name, self.worker)
    }

    pub(crate) fn instance(&self) -> &Arc<Instance> {
        &self.instance
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number for a request.
    pub(crate) fn number(&self) -> u64 {
        self.next_request.fetch_add(1, Ordering::Relaxed)
    }

    /// Sets room aside for a request whose intent takes `intent` bytes. Nothing is written yet.
    pub(crate) fn open(&self, request: u64, intent: u64) -> Result<(), LedgerError> {
        let mut state = self.state();
        let room = intent + STARTED_ROOM + ENDED_ROOM + SETTLED_ROOM;
        let made = self.make_room(&mut state, room);
        self.instance.note(&made);
        made?;
        state.reserved += room;
        state.open.insert(request, Open { records: Vec::new(), reserved: room });
        Ok(())
    }

    /// Writes records of a request that is to go on: the room for its next end is set aside too.
    pub(crate) fn start(&self, request: u64, records: &[u8]) -> Result<(), LedgerError> {
        let mut state = self.state();
        let result = self.top_up(&mut state, request, records.len() as u64 + ENDED_ROOM + SETTLED_ROOM);
        let result = result.and_then(|()| state.write(request, records).map_err(LedgerError::from));
        self.instance.note(&result);
        result
    }

    /// Writes records into the room that was set aside. Where they take more than that and there is none, an error.
    pub(crate) fn append(&self, request: u64, records: &[u8]) -> Result<(), LedgerError> {
        let mut state = self.state();
        self.top_up(&mut state, request, records.len() as u64 + SETTLED_ROOM)?;
        Ok(state.write(request, records)?)
    }

    /// Is there room for `length` bytes of last records? With `false` they are to be cut.
    pub(crate) fn fits(&self, request: u64, length: u64) -> bool {
        self.top_up(&mut self.state(), request, length).is_ok()
    }

    /// Writes the last records of a request. `to_memory`: gives its settlement to the drain, if memory has room; called
    /// under the chain's lock, so that memory has the order of the file.
    pub(crate) fn settle(
        &self,
        request: u64,
        records: &[u8],
        to_memory: impl FnOnce(Option<Position>) -> bool,
    ) -> Written {
        let mut state = self.state();
        let written = state.write(request, records);
        state.close(request);
        let at = match written {
            Ok(()) => state.current.as_mut().map(|segment| {
                segment.undelivered += 1;
                Position { segment: segment.number, offset: segment.written }
            }),
            Err(error) => {
                tracing::error!(%error, journal = %self.instance.dir.display(), "a settlement is in memory only");
                None
            }
        };
        let mut began = false;
        // What the file does not have must go through memory, whatever else does not.
        if (!state.spilled || at.is_none()) && to_memory(at) {
            state.queued += u64::from(at.is_some());
        } else if !state.spilled {
            state.spilled = true;
            began = true;
        }
        let durable = match self.instance.fsync {
            Fsync::Always => Durable::after(self.synced.subscribe(), state.writes),
            Fsync::Every(_) | Fsync::Never => Durable::default(),
        };
        drop(state);
        if matches!(self.instance.fsync, Fsync::Always) {
            self.instance.wake();
        }
        Written { at, durable, began }
    }

    /// Raises the room of a request to `room`.
    fn top_up(&self, state: &mut State, request: u64, room: u64) -> Result<(), LedgerError> {
        let had = state.open.get(&request).map_or(0, |open| open.reserved);
        let more = room.saturating_sub(had);
        if more == 0 {
            return Ok(());
        }
        self.make_room(state, more)?;
        state.reserved += more;
        if let Some(open) = state.open.get_mut(&request) {
            open.reserved += more;
        }
        Ok(())
    }

    /// Sees to it that `room` more bytes can be reserved.
    fn make_room(&self, state: &mut State, room: u64) -> Result<(), LedgerError> {
        if state.finished {
            return Err(LedgerError::Closed);
        }
        let full = state.current.as_ref().is_none_or(|segment| {
            // Copying forward must be worth it: at least half of the segment is done with.
            segment.written >= self.instance.segment_bytes && segment.written >= 2 * state.live
        });
        if full || state.suspect {
            match self.rotate(state, room) {
                Err(error) if state.current.is_none() || state.suspect => return Err(error),
                // There may still be room where it is.
                _ => {}
            }
        }
        let grown = self.grow(state, room);
        if grown.is_err() && state.open.is_empty() && state.all_delivered() {
            // A segment that holds nothing and cannot grow stands in its own way.
            state.leave_current(0);
        }
        grown
    }

    /// Extends the current segment.
    fn grow(&self, state: &mut State, room: u64) -> Result<(), LedgerError> {
        let reserved = state.reserved;
        let Some(segment) = &mut state.current else { return Err(LedgerError::Full) };
        let least = segment.written + reserved + room;
        if least <= segment.allocated {
            return Ok(());
        }
        let mut last = LedgerError::Full;
        for size in [least.next_multiple_of(self.instance.step), least] {
            let more = size - segment.allocated;
            match self.instance.take_bytes(more) {
                Ok(()) => {}
                Err(error) => {
                    last = error;
                    continue;
                }
            }
            match segment.file.allocate(size) {
                Ok(()) => {
                    segment.allocated = size;
                    return Ok(());
                }
                Err(error) => {
                    self.instance.give_bytes(more);
                    last = error.into();
                }
            }
        }
        Err(last)
    }

    /// Begins a new segment with what is open, and room for what it has still to say. On an error all is as it was.
    fn rotate(&self, state: &mut State, room: u64) -> Result<(), LedgerError> {
        let number = state.last_number + 1;
        let (mut bytes, mut moved) = (header(number, state.live), BTreeMap::new());
        for (request, open) in &state.open {
            let start = bytes.len();
            for &(offset, length) in &open.records {
                state.read(offset, length, &mut bytes)?;
            }
            moved.insert(*request, (start as u64, (bytes.len() - start) as u64));
        }
        let least = bytes.len() as u64 + state.reserved + room;
        let size = least.next_multiple_of(self.instance.step);
        self.instance.take_bytes(size)?;
        let (files, path) = (&self.instance.files, path(&self.instance.dir, self.worker, number));
        let made = files.create(&path).and_then(|file| {
            let ready = file.allocate(size).and_then(|()| file.write_at(0, &bytes));
            ready.map(|()| file).inspect_err(|_| drop(files.remove_file(&path)))
        });
        let file = made.inspect_err(|_| self.instance.give_bytes(size))?;
        state.last_number = number;
        state.writes += 1;
        state.leave_current(state.writes);
        state.current = Some(Segment { number, file, written: bytes.len() as u64, allocated: size, undelivered: 0 });
        for (request, open) in &mut state.open {
            open.records = moved.remove(request).filter(|(_, length)| *length > 0).into_iter().collect();
        }
        state.named = true;
        state.suspect = false;
        Ok(())
    }

    /// Intents were refused: is there room again?
    pub(crate) fn try_room(&self) {
        let mut state = self.state();
        let made = self.make_room(&mut state, self.instance.step / 2);
        if made.is_ok() {
            self.instance.note(&made);
        }
    }

    /// Makes durable what was written before this call, as the settings ask, and what a deletion waits for.
    pub(crate) fn sync(&self) {
        let mut state = self.state();
        let through = state.writes;
        let synced = *self.synced.borrow();
        let wanted = match self.instance.fsync {
            Fsync::Never => state.old.front().is_some_and(|old| old.copied > synced.through && old.undelivered == 0),
            Fsync::Every(_) | Fsync::Always => true,
        };
        if !wanted || through <= synced.through.max(synced.failed) {
            return;
        }
        let named = mem::take(&mut state.named);
        let mut files: Vec<_> = mem::take(&mut state.unsynced).into_iter().map(|(_, file)| file).collect();
        files.extend(state.current.as_ref().map(|segment| Arc::clone(&segment.file)));
        drop(state);
        let names = if named { self.instance.files.sync_dir(&self.instance.dir) } else { Ok(()) };
        let done = names.and_then(|()| files.iter().try_for_each(|file| file.sync()));
        if let Err(error) = &done {
            tracing::error!(%error, journal = %self.instance.dir.display(), "the journal cannot be made durable");
            // The system may have dropped what it could not write: what is open is written anew, elsewhere.
            let mut state = self.state();
            state.suspect = true;
            state.named |= named;
        }
        self.synced.send_modify(|synced| match done {
            Ok(()) => synced.through = through,
            Err(_) => synced.failed = through,
        });
    }

    /// Deletes segments that were drained and whose open requests are copied forward.
    pub(crate) fn delete_drained(&self) {
        let synced = *self.synced.borrow();
        let mut gone = Vec::new();
        let mut state = self.state();
        let durable = |copied| copied == 0 || (copied > synced.failed && copied <= synced.through);
        let unneeded = state.old.iter().rfind(|old| durable(old.copied)).map_or(0, |old| old.number);
        while let Some(old) = state.old.pop_front_if(|old| old.undelivered == 0 && old.number <= unneeded) {
            gone.push(old);
        }
        // What is deleted need not be made durable, and would keep its room on the disk for as long as it is open.
        state.unsynced.retain(|(number, _)| gone.iter().all(|old: &Old| old.number != *number));
        drop(state);
        for old in gone {
            self.delete(old.number, old.allocated);
        }
    }

    fn delete(&self, number: u64, allocated: u64) {
        let path = path(&self.instance.dir, self.worker, number);
        match self.instance.files.remove_file(&path) {
            Ok(()) => self.instance.give_bytes(allocated),
            Err(error) => tracing::error!(%error, path = %path.display(), "a drained segment cannot be deleted"),
        }
    }

    /// `count` settlements of a segment are stored.
    pub(crate) fn delivered(&self, number: u64, count: usize) {
        let mut state = self.state();
        let undelivered = match &mut state.current {
            Some(segment) if segment.number == number => Some(&mut segment.undelivered),
            _ => state.old.iter_mut().find(|old| old.number == number).map(|old| &mut old.undelivered),
        };
        if let Some(undelivered) = undelivered {
            *undelivered = undelivered.saturating_sub(count);
        }
    }

    /// Settlements of it that went to memory so far, if it is to be read from its files.
    pub(crate) fn spilled(&self) -> Option<u64> {
        let state = self.state();
        state.spilled.then_some(state.queued)
    }

    /// The segments from number `from` on, and how far each was written; for 0, from the first on that has something to
    /// deliver.
    pub(crate) fn extents(&self, from: u64) -> Vec<Extent> {
        let state = self.state();
        let old = state.old.iter().map(|old| (old.undelivered, old.number, old.written));
        let current = state.current.iter().map(|segment| (segment.undelivered, segment.number, segment.written));
        old.chain(current)
            .skip_while(|(undelivered, number, _)| *number < from || (from == 0 && *undelivered == 0))
            .map(|(_, number, limit)| Extent { number, limit })
            .collect()
    }

    /// All was read up to `position`: if that is the end, settlements go to memory again.
    pub(crate) fn caught_up(&self, position: Position) -> bool {
        let mut state = self.state();
        let end = state.current.as_ref().map(|s| Position { segment: s.number, offset: s.written });
        if end.is_none_or(|end| end == position) || state.all_delivered() {
            state.spilled = false;
        }
        !state.spilled
    }

    /// The end: is nothing left to be said or delivered? Then its files are deleted.
    pub(crate) fn finish(&self) -> bool {
        let mut state = self.state();
        if !state.open.is_empty() || !state.all_delivered() {
            return false;
        }
        state.finished = true;
        state.leave_current(0);
        let old = mem::take(&mut state.old);
        state.unsynced.clear();
        drop(state);
        for old in old {
            self.delete(old.number, old.allocated);
        }
        true
    }
}

impl State {
    fn all_delivered(&self) -> bool {
        self.old.iter().all(|old| old.undelivered == 0) && self.current.as_ref().is_none_or(|s| s.undelivered == 0)
    }

    /// Writes records of a request at the end of the segment. On an error none of them is there.
    fn write(&mut self, request: u64, records: &[u8]) -> io::Result<()> {
        let (Some(segment), Some(open)) = (&mut self.current, self.open.get_mut(&request)) else {
            return Err(io::ErrorKind::NotFound.into());
        };
        if records.is_empty() {
            return Ok(());
        }
        let length = records.len() as u64;
        if let Err(error) = segment.file.write_at(segment.written, records) {
            // Some of it may be there. The next record covers it, but perhaps not all of it.
            let _ = segment.file.write_at(segment.written, &vec![0; records.len()]);
            return Err(error);
        }
        match open.records.last_mut() {
            Some((offset, size)) if *offset + *size == segment.written => *size += length,
            _ => open.records.push((segment.written, length)),
        }
        let used = length.min(open.reserved);
        open.reserved -= used;
        self.reserved -= used;
        segment.written += length;
        self.live += length;
        self.writes += 1;
        Ok(())
    }

    /// A request has no more to say.
    fn close(&mut self, request: u64) {
        if let Some(open) = self.open.remove(&request) {
            self.reserved -= open.reserved;
            self.live -= open.records.iter().map(|(_, length)| length).sum::<u64>();
        }
    }

    /// Appends a part of the current segment to `bytes`.
    fn read(&self, mut offset: u64, length: u64, bytes: &mut Vec<u8>) -> io::Result<()> {
        let Some(segment) = &self.current else { return Ok(()) };
        let mut start = bytes.len();
        bytes.resize(start + usize::try_from(length).map_err(io::Error::other)?, 0);
        while let Some(rest) = bytes.get_mut(start..).filter(|rest| !rest.is_empty()) {
            let read = segment.file.read_at(offset, rest)?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            start += read;
            offset += read as u64;
        }
        Ok(())
    }

    /// The current segment gets no more; `copied`: the write after which it may be deleted.
    fn leave_current(&mut self, copied: u64) {
        if let Some(Segment { number, file, written, allocated, undelivered }) = self.current.take() {
            self.unsynced.push((number, file));
            self.old.push_back(Old { number, written, allocated, undelivered, copied });
        }
    }
}
