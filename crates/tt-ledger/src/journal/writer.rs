//! Writes one worker's chain of segments. A write reaches the page cache and never waits for the disk.
//!
//! **Invariant:** in the current segment `written + reserved <= allocated`, and `reserved` covers what the open
//! requests have still to write, records that wait for the next write among it. So recording the end of an attempt and of
//! a request needs no new room.

use std::collections::BTreeMap;
use std::io;
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::error::LedgerError;
use crate::journal::config::Fsync;
use crate::journal::instance::Instance;
use crate::journal::position::{Extent, Position};
use crate::journal::segment::{header, path};
use crate::journal::synced::{Synced, Syncing};

mod state;
mod waiting;

use state::{Open, SealedSegment, Segment, State};
pub(crate) use waiting::Deliver;
use waiting::Entry;

/// Room for the start of the first attempt, reserved with the intent, in bytes.
const STARTED_ROOM: u64 = 512;
/// Room for the end of an attempt with the provider's usage object, in bytes.
pub(crate) const ENDED_ROOM: u64 = 4096;
/// Room for the settlement, in bytes.
pub(crate) const SETTLED_ROOM: u64 = 1024;

/// The writer of one chain.
pub(crate) struct ChainWriter {
    instance: Arc<Instance>,
    pub(crate) worker: usize,
    next_request: AtomicU64,
    state: Mutex<State>,
    synced: watch::Sender<Synced>,
}

/// The state of the last records of a request, after they were given to a chain.
pub(crate) enum LastRecords {
    /// They wait: [`ChainWriter::write_waiting`] must follow.
    Wait,
    /// They were written, or could not be. They are being made durable if the settings ask for it.
    Written(Option<Syncing>),
}

impl ChainWriter {
    pub(crate) fn new(instance: Arc<Instance>, worker: usize) -> Self {
        let synced = watch::Sender::new(Synced::default());
        Self { instance, worker, next_request: AtomicU64::new(1), state: Mutex::default(), synced }
    }

    /// The chain's name in a cursor.
    pub(crate) fn name(&self) -> String {
        format!("{}/{}", self.instance.name, self.worker)
    }

    pub(crate) fn instance(&self) -> &Arc<Instance> {
        &self.instance
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next request's number in the chain.
    pub(crate) fn next_request(&self) -> u64 {
        self.next_request.fetch_add(1, Ordering::Relaxed)
    }

    /// Reserves room for a request whose intent takes `intent` bytes. Nothing is written yet.
    pub(crate) fn open(&self, request: u64, intent: u64) -> Result<(), LedgerError> {
        let mut state = self.state();
        let room = intent + STARTED_ROOM + ENDED_ROOM + SETTLED_ROOM;
        let made = self.make_room(&mut state, room);
        self.instance.note(&made);
        made?;
        state.reserved += room;
        state.open.insert(request, Open { reserved: room, ..Open::default() });
        Ok(())
    }

    /// Adds records of a request that goes on to those that wait, and reserves the room for the end of its attempt. Returns
    /// true if they wait: [`ChainWriter::write_start`] must follow. With `alone` they are written at once.
    pub(crate) fn start(&self, request: u64, records: &[u8], alone: bool) -> Result<bool, LedgerError> {
        let mut state = self.state();
        let result = self.top_up(&mut state, request, records.len() as u64 + ENDED_ROOM + SETTLED_ROOM);
        let result = result.and_then(|()| {
            state.waiting.push(request, records, None);
            if !alone && self.may_wait(&state) {
                return Ok(true);
            }
            self.outcome(&mut state, request).map(|()| false)
        });
        self.instance.note(&result);
        result
    }

    /// Writes what waits, the start of the request's attempt among it. An error when that could not be written, now or by the
    /// write of another request.
    pub(crate) fn write_start(&self, request: u64) -> Result<(), LedgerError> {
        let result = self.outcome(&mut self.state(), request);
        self.instance.note(&result);
        result
    }

    /// Writes records into the reserved room. An error when they need more and there is none.
    pub(crate) fn append(&self, request: u64, records: &[u8]) -> Result<(), LedgerError> {
        let mut state = self.state();
        self.top_up(&mut state, request, records.len() as u64 + SETTLED_ROOM)?;
        state.waiting.push(request, records, None);
        self.outcome(&mut state, request)
    }

    /// True if there is room for `length` more bytes of the last records of the request.
    pub(crate) fn fits(&self, request: u64, length: u64) -> bool {
        self.top_up(&mut self.state(), request, length).is_ok()
    }

    /// Adds the last records of a request to those that wait; `deliver` gives its settlement to the drain once they are
    /// written.
    pub(crate) fn settle(&self, request: u64, records: &[u8], deliver: Deliver) -> LastRecords {
        let mut state = self.state();
        state.waiting.push(request, records, Some(deliver));
        if self.may_wait(&state) {
            return LastRecords::Wait;
        }
        LastRecords::Written(self.write_and_sync(state))
    }

    /// Writes what waits. Returns what makes it durable, if the settings ask for it.
    pub(crate) fn write_waiting(&self) -> Option<Syncing> {
        self.write_and_sync(self.state())
    }

    /// True if records may wait for those of other requests: there are enough open ones, and not too many bytes wait.
    fn may_wait(&self, state: &State) -> bool {
        state.open.len() >= self.instance.shared_writes_from && !state.waiting.is_full()
    }

    fn write_and_sync(&self, mut state: MutexGuard<'_, State>) -> Option<Syncing> {
        self.write(&mut state);
        let Fsync::Always = self.instance.fsync else { return None };
        let syncing = Syncing { synced: self.synced.subscribe(), write: state.writes };
        drop(state);
        self.instance.wake();
        Some(syncing)
    }

    fn outcome(&self, state: &mut State, request: u64) -> Result<(), LedgerError> {
        self.write(state);
        match state.open.get_mut(&request).and_then(|open| open.failed.take()) {
            Some(error) => Err(LedgerError::Io(error)),
            None => Ok(()),
        }
    }

    /// Writes what waits with one write, all of it or nothing.
    fn write(&self, state: &mut State) {
        if state.waiting.is_empty() {
            return;
        }
        let (mut bytes, mut entries) = state.waiting.take();
        let failed = state.write(&mut bytes).err();
        for entry in entries.drain(..) {
            let at = match &failed {
                None => state.note_written(&entry),
                Some(error) => {
                    self.not_written(state, &entry, error);
                    None
                }
            };
            match entry.deliver(at, state.spilled) {
                Some(true) => state.queued += u64::from(at.is_some()),
                // From here on the drain reads settlements from the files.
                Some(false) => state.spilled = true,
                None => {}
            }
        }
        state.waiting.reuse(bytes, entries);
    }

    fn not_written(&self, state: &mut State, entry: &Entry, error: &io::Error) {
        if entry.is_settlement() {
            tracing::error!(%error, journal = %self.instance.dir.display(), "a settlement cannot be written to the journal and is in memory only");
            state.close(entry.request);
        } else if let Some(open) = state.open.get_mut(&entry.request) {
            open.failed = Some(error.kind());
        }
    }

    /// Raises the reserved room of a request to `room` bytes.
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

    /// Makes sure that `room` more bytes can be reserved, in the current segment or a new one.
    fn make_room(&self, state: &mut State, room: u64) -> Result<(), LedgerError> {
        if state.finished {
            return Err(LedgerError::Closed);
        }
        let full = state.current.as_ref().is_none_or(|segment| {
            // A new segment begins with a copy of the open requests. That is worth it once they are less than half.
            segment.written >= self.instance.segment_bytes && segment.written >= 2 * state.live
        });
        if full || state.suspect {
            match self.rotate(state, room) {
                Err(error) if state.current.is_none() || state.suspect => return Err(error),
                // The current segment may still have room.
                _ => {}
            }
        }
        let grown = self.grow(state, room);
        if grown.is_err() && state.open.is_empty() && state.all_stored() {
            // The segment holds nothing that is needed and cannot grow: deleting it makes room for the next one.
            state.seal_current(0);
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
            match self.instance.reserve_bytes(more) {
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
                    self.instance.release_bytes(more);
                    last = error.into();
                }
            }
        }
        Err(last)
    }

    /// Begins a new segment with a copy of the open requests, and reserves the room they still need. On an error
    /// nothing has changed.
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
        self.instance.reserve_bytes(size)?;
        let (files, path) = (&self.instance.files, path(&self.instance.dir, self.worker, number));
        let made = files.create(&path).and_then(|file| {
            let ready = file.allocate(size).and_then(|()| file.write_at(0, &bytes));
            ready.map(|()| file).inspect_err(|_| drop(files.remove_file(&path)))
        });
        let file = made.inspect_err(|_| self.instance.release_bytes(size))?;
        state.last_number = number;
        state.writes += 1;
        state.seal_current(state.writes);
        state.current =
            Some(Segment { number, file, written: bytes.len() as u64, allocated: size, unstored: 0, remains: 0 });
        for (request, open) in &mut state.open {
            open.records = moved.remove(request).filter(|(_, length)| *length > 0).into_iter().collect();
        }
        state.named = true;
        state.suspect = false;
        Ok(())
    }

    /// Notes whether there is room again, after intents were refused.
    pub(crate) fn try_room(&self) {
        let mut state = self.state();
        let made = self.make_room(&mut state, self.instance.step / 2);
        if made.is_ok() {
            self.instance.note(&made);
        }
    }

    /// Makes durable what was written before this call, if the settings ask for it or a deletion waits for it.
    pub(crate) fn sync(&self) {
        let mut state = self.state();
        let through = state.writes;
        let synced = *self.synced.borrow();
        let wanted = match self.instance.fsync {
            Fsync::Never => state.sealed.front().is_some_and(|s| s.copied > synced.through && s.unstored == 0),
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
            // The system may have dropped what it could not write. So the open requests are copied to a new segment.
            let mut state = self.state();
            state.suspect = true;
            state.named |= named;
        }
        self.synced.send_modify(|synced| match done {
            Ok(()) => synced.through = through,
            Err(_) => synced.failed = through,
        });
    }

    /// Deletes segments whose settlements are stored and whose open requests were copied to a later one.
    pub(crate) fn delete_stored(&self) {
        let synced = *self.synced.borrow();
        let mut gone = Vec::new();
        let mut state = self.state();
        let durable = |copied| copied == 0 || (copied > synced.failed && copied <= synced.through);
        let unneeded = state.sealed.iter().rfind(|s| durable(s.copied)).map_or(0, |s| s.number);
        while let Some(sealed) = state.sealed.pop_front_if(|s| s.unstored == 0 && s.number <= unneeded) {
            gone.push(sealed);
        }
        // Their handles are closed too: they need not be made durable, and an open file keeps its room on the disk.
        state.unsynced.retain(|(number, _)| gone.iter().all(|s: &SealedSegment| s.number != *number));
        drop(state);
        for sealed in gone {
            self.delete(sealed.number, sealed.allocated);
        }
    }

    fn delete(&self, number: u64, allocated: u64) {
        let path = path(&self.instance.dir, self.worker, number);
        match self.instance.files.remove_file(&path) {
            Ok(()) => self.instance.release_bytes(allocated),
            Err(error) => {
                tracing::error!(%error, path = %path.display(), "a stored segment of the journal cannot be deleted")
            }
        }
    }

    /// Notes that `count` settlements of a segment are stored.
    pub(crate) fn stored(&self, number: u64, count: usize) {
        let mut state = self.state();
        let unstored = match &mut state.current {
            Some(segment) if segment.number == number => Some(&mut segment.unstored),
            _ => state.sealed.iter_mut().find(|s| s.number == number).map(|s| &mut s.unstored),
        };
        if let Some(unstored) = unstored {
            *unstored = unstored.saturating_sub(count);
        }
    }

    /// While the drain is to read this chain from its files: how many of its settlements went to the queue before.
    pub(crate) fn spilled(&self) -> Option<u64> {
        let state = self.state();
        state.spilled.then_some(state.queued)
    }

    /// The segments from number `from` on, and how far each was written. For 0: from the first segment on with a
    /// settlement that is not stored.
    pub(crate) fn extents(&self, from: u64) -> Vec<Extent> {
        let state = self.state();
        let sealed = state.sealed.iter().map(|s| (s.unstored, s.number, s.written));
        let current = state.current.iter().map(|segment| (segment.unstored, segment.number, segment.written));
        sealed
            .chain(current)
            .skip_while(|(unstored, number, _)| *number < from || (from == 0 && *unstored == 0))
            .map(|(_, number, limit)| Extent { number, limit })
            .collect()
    }

    /// The drain has read up to `position`. True: that is the end, and from here on settlements go to the queue again.
    pub(crate) fn caught_up(&self, position: Position) -> bool {
        let mut state = self.state();
        let end = state.current.as_ref().map(|s| Position { segment: s.number, offset: s.written });
        if end.is_none_or(|end| end == position) || state.all_stored() {
            state.spilled = false;
        }
        !state.spilled
    }

    /// The drain has ended. True: nothing is open and all is stored, so the files are deleted.
    pub(crate) fn finish(&self) -> bool {
        let mut state = self.state();
        if !state.open.is_empty() || !state.all_stored() {
            return false;
        }
        state.finished = true;
        state.seal_current(0);
        let sealed = mem::take(&mut state.sealed);
        state.unsynced.clear();
        drop(state);
        for sealed in sealed {
            self.delete(sealed.number, sealed.allocated);
        }
        true
    }
}
