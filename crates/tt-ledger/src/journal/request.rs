//! Writes the records of one request to its worker's chain.

use std::sync::Arc;

use tt_core::record::{AttemptEnded, AttemptStarted, Intent, Settled};

use crate::error::LedgerError;
use crate::journal::durable::Durable;
use crate::journal::frame;
use crate::journal::writer::{ChainWriter, Deliver, ENDED_ROOM, LastRecords, SETTLED_ROOM};

/// An open request in the journal.
pub(crate) struct JournaledRequest {
    chain: Arc<ChainWriter>,
    /// Its number in the chain.
    number: u64,
    /// Records that are written together with the next one.
    unwritten: Vec<u8>,
    /// The part of `unwritten` that stays there if the start of an attempt cannot be written.
    before_start: usize,
}

impl JournaledRequest {
    /// Reserves room for it. Its intent is written together with the start of its first attempt.
    pub(crate) fn open(chain: &Arc<ChainWriter>, intent: &Intent) -> Result<Self, LedgerError> {
        let (number, mut unwritten) = (chain.next_request(), Vec::with_capacity(1024));
        frame::push(&mut unwritten, number, intent)?;
        chain.open(number, unwritten.len() as u64)?;
        Ok(Self { chain: Arc::clone(chain), number, unwritten, before_start: 0 })
    }

    /// The worker whose chain it is in.
    pub(crate) fn worker(&self) -> usize {
        self.chain.worker
    }

    /// Records the start of an attempt. Returns true if it waits for the records of other requests, so that
    /// [`JournaledRequest::write_start`] must follow; with `alone` it is written at once. On an error the attempt is not in
    /// the journal.
    pub(crate) fn start(&mut self, started: &AttemptStarted, alone: bool) -> Result<bool, LedgerError> {
        self.before_start = self.unwritten.len();
        frame::push(&mut self.unwritten, self.number, started)?;
        match self.chain.start(self.number, &self.unwritten, alone) {
            Ok(true) => Ok(true),
            done => self.started(done.map(drop)).map(|()| false),
        }
    }

    /// Writes the start of an attempt that waits, if no other request has. On an error the attempt is not in the journal.
    pub(crate) fn write_start(&mut self) -> Result<(), LedgerError> {
        let written = self.chain.write_start(self.number);
        self.started(written)
    }

    fn started(&mut self, written: Result<(), LedgerError>) -> Result<(), LedgerError> {
        self.unwritten.truncate(if written.is_ok() { 0 } else { self.before_start });
        written
    }

    /// Records the end of an attempt: writes it at once (`now`), or together with the settlement that follows. Without
    /// room for all of it, its numbers are written and its texts are not.
    pub(crate) fn end(&mut self, ended: &AttemptEnded, now: bool) {
        let before = self.unwritten.len();
        if self.push(ended) && if now { self.write() } else { self.fits_with_settlement() } {
            return;
        }
        self.unwritten.truncate(before);
        let mut short = AttemptEnded { error: ended.error.as_deref().map(cut), ..ended.clone() };
        short.usage.raw.clear();
        if self.push(&short) && self.write() {
            tracing::warn!(request = self.number, "the end of an attempt is in the journal without its texts");
        }
    }

    /// Records the settlement, which [`JournaledRequest::settle`] writes. Without room for all of it, its error is cut.
    pub(crate) fn settled(&mut self, settled: &Settled) {
        let before = self.unwritten.len();
        let pushed = self.push(settled);
        let length = self.unwritten.len() as u64;
        if !pushed || (length > SETTLED_ROOM && !self.chain.fits(self.number, length)) {
            self.unwritten.truncate(before);
            self.push(&Settled { error: settled.error.as_deref().map(cut), ..settled.clone() });
        }
    }

    /// Gives the chain all that is not written: see [`ChainWriter::settle`].
    pub(crate) fn settle(self, deliver: Deliver) -> Durable {
        match self.chain.settle(self.number, &self.unwritten, deliver) {
            LastRecords::Wait => Durable::unwritten(self.chain),
            LastRecords::Written(syncing) => Durable::written(syncing),
        }
    }

    fn push<K: frame::Kind>(&mut self, record: &K) -> bool {
        let pushed = frame::push(&mut self.unwritten, self.number, record);
        pushed.inspect_err(|error| tracing::error!(%error, "a record cannot be encoded for the journal")).is_ok()
    }

    /// True if there is room for the unwritten records and a settlement.
    fn fits_with_settlement(&self) -> bool {
        let length = self.unwritten.len() as u64;
        length <= ENDED_ROOM || self.chain.fits(self.number, length + SETTLED_ROOM)
    }

    fn write(&mut self) -> bool {
        let written = self.chain.append(self.number, &self.unwritten);
        if written.is_ok() {
            self.unwritten.clear();
        }
        written.is_ok()
    }
}

/// Cuts a text so that it fits into the room of a settlement, even if every character is escaped.
fn cut(text: &str) -> String {
    text.chars().take(80).collect()
}
