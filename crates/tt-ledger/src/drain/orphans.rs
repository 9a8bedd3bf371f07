//! Finds the journals of processes that have ended, stores what they hold, and deletes them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::drain::batch::{Origin, PreparedBatch};
use crate::drain::blocking::blocking;
use crate::drain::orphan::{self, Orphan, Part};
use crate::drain::sink::{Sink, forget, with_causes};
use crate::journal::Journal;

/// The wait before an orphan is tried again whose cursor could not be read from the store.
const RETRY: Duration = Duration::from_secs(5);

/// The search for orphans, and the one that is being stored.
pub(crate) struct Orphans {
    journal: Arc<Journal>,
    current: Option<Box<Orphan>>,
    /// The name of the orphan found last in this scan; empty at a scan's beginning.
    last_found: String,
    next_scan: Instant,
    /// True once a scan has found no orphan any more.
    all_stored: watch::Sender<bool>,
}

impl Orphans {
    pub(crate) fn new(journal: Arc<Journal>) -> Self {
        let all_stored = watch::Sender::new(false);
        Self { journal, current: None, last_found: String::new(), next_scan: Instant::now(), all_stored }
    }

    /// Turns true once everything is stored that processes before this one had left behind.
    pub(crate) fn all_stored(&self) -> watch::Receiver<bool> {
        self.all_stored.subscribe()
    }

    /// The time at which the next step is due.
    pub(crate) fn due(&self) -> Instant {
        if self.current.is_some() { Instant::now() } else { self.next_scan }
    }

    /// Leaves the orphan that is being stored to another process.
    pub(crate) fn abandon(&mut self) {
        self.current = None;
    }

    /// The next batch of an orphan; `None`: there is no orphan, or it is too early to look for one.
    pub(crate) async fn next(&mut self, sink: &mut impl Sink) -> Option<PreparedBatch> {
        loop {
            let Some(mut orphan) = self.current.take() else {
                if !self.scan().await {
                    return None;
                }
                continue;
            };
            if let Some(name) = orphan.reading() {
                let read = blocking(move || {
                    let part = orphan.read()?;
                    Ok((part, orphan))
                });
                let (Part { settlements, end }, orphan) = match read.await {
                    Ok(read) => read,
                    Err(error) => {
                        tracing::error!(%error, journal = name, "the journal of an ended process cannot be read");
                        continue;
                    }
                };
                self.current = Some(orphan);
                if let Some(end) = end {
                    let mut batch = PreparedBatch { origin: Origin::Orphan, ..PreparedBatch::default() };
                    batch.batch.settlements = settlements.into();
                    batch.batch.cursors = [end.cursor(name)].into();
                    return Some(batch);
                }
            } else if let Some(name) = orphan.next_chain() {
                match sink.cursor(name).await {
                    Ok(known) => {
                        orphan.begin(known.map(Into::into));
                        self.current = Some(orphan);
                    }
                    Err(error) => {
                        let (error, journal) = (with_causes(&error), orphan.name());
                        tracing::warn!(
                            error,
                            journal,
                            "the store cannot be asked about the journal of an ended process"
                        );
                        self.next_scan = Instant::now() + self.journal.orphan_scan_interval.min(RETRY);
                        self.last_found.clear();
                        return None;
                    }
                }
            } else {
                tracing::info!(journal = orphan.name(), "the journal of an ended process is stored");
                if let Ok(gone) = blocking(move || Ok(orphan.finish())).await {
                    forget(sink, gone).await;
                }
            }
        }
    }

    /// Looks for an orphan, if it is time. False: there is none.
    async fn scan(&mut self) -> bool {
        if Instant::now() < self.next_scan {
            return false;
        }
        let (journal, after) = (Arc::clone(&self.journal), self.last_found.clone());
        let found = blocking(move || orphan::find(&journal, &after)).await;
        let none_left = matches!(found, Ok(None));
        let found = found.unwrap_or_else(|error| {
            tracing::error!(%error, "the journals of ended processes cannot be listed");
            None
        });
        if none_left {
            self.all_stored.send_if_modified(|all| !std::mem::replace(all, true));
        }
        match found {
            Some(orphan) => {
                orphan.name().clone_into(&mut self.last_found);
                self.current = Some(Box::new(orphan));
                true
            }
            None => {
                self.last_found.clear();
                self.next_scan = Instant::now() + self.journal.orphan_scan_interval;
                false
            }
        }
    }
}
