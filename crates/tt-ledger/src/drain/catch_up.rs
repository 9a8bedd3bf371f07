//! What the drain reads from files: chains that outran memory, and the journals of dead instances.

use std::io;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::Instant;
use tt_core::record::JournalCursor;

use crate::drain::orphan::{self, Adopted, Part};
use crate::drain::sink::Sink;
use crate::drain::{BATCH, Taken, chain as with_causes, cursor};
use crate::journal::Journal;
use crate::journal::reader::{Position, Replay};
use crate::journal::writer::Chain;

pub(crate) struct Behind {
    journal: Arc<Journal>,
    /// One for each worker.
    followed: Vec<Followed>,
    adopted: Option<Box<Adopted>>,
    /// The dead journal looked at last in this round of looking, and when the next look is due.
    looked_at: String,
    next_look: Instant,
    /// The batch taken last was from files: memory has its turn.
    turn_over: bool,
    /// A chain could not be read back.
    unreadable: bool,
    /// Set once a look has found no dead instance's journal any more.
    adopted_all: watch::Sender<bool>,
}

/// What the drain knows of a chain.
#[derive(Default)]
struct Followed {
    /// Settlements it has taken from memory.
    taken: u64,
    /// Stored up to here.
    stored: Option<Position>,
    /// Reads it from its files, while it is behind.
    replay: Option<Replay>,
}

impl Behind {
    pub(crate) fn new(journal: Arc<Journal>) -> Self {
        let followed = journal.chains.iter().map(|_| Followed::default()).collect();
        let next_look = Instant::now();
        Self {
            journal,
            followed,
            adopted: None,
            looked_at: String::new(),
            next_look,
            turn_over: false,
            unreadable: false,
            adopted_all: watch::Sender::new(false),
        }
    }

    /// Turns true once all that dead instances had left behind at the start is stored.
    pub(crate) fn adopted_all(&self) -> watch::Receiver<bool> {
        self.adopted_all.subscribe()
    }

    /// When there will be something to do that nobody tells of.
    pub(crate) fn next_look(&self) -> Instant {
        if self.adopted.is_some() || self.ready().is_some() { Instant::now() } else { self.next_look }
    }

    /// Are there settlements of this instance that only the files have, and give?
    pub(crate) fn is_behind(&self) -> bool {
        !self.unreadable && self.journal.chains.iter().any(|chain| chain.spilled().is_some())
    }

    /// A worker whose chain is to be read from its files, now that all that went to memory before was taken.
    fn ready(&self) -> Option<usize> {
        let chains = self.journal.chains.iter().zip(&self.followed);
        chains.enumerate().find_map(|(worker, (chain, followed))| {
            chain.spilled().is_some_and(|queued| queued == followed.taken).then_some(worker)
        })
    }

    pub(crate) fn taken_from_memory(&mut self, taken: &Taken) {
        for (worker, _, count) in &taken.delivered {
            if let Some(followed) = self.followed.get_mut(*worker) {
                followed.taken += *count as u64;
            }
        }
        self.turn_over = false;
    }

    pub(crate) fn cursors(&self, ends: &[(usize, Position)]) -> Arc<[JournalCursor]> {
        let name = |worker: &usize| self.journal.chains.get(*worker).map(|chain| chain.name());
        ends.iter().filter_map(|(worker, end)| Some(cursor(name(worker)?, *end))).collect()
    }

    /// A batch was stored.
    pub(crate) fn stored(&mut self, taken: &Taken) {
        for (worker, segment, count) in &taken.delivered {
            if let Some(chain) = self.journal.chains.get(*worker) {
                chain.delivered(*segment, *count);
            }
        }
        for (worker, end) in &taken.ends {
            if let Some(followed) = self.followed.get_mut(*worker) {
                followed.stored = Some(*end);
            }
        }
    }

    /// A batch from files, if it is their turn and there is something to read. Once it is `over`, dead instances are
    /// left to the next process.
    pub(crate) async fn next(&mut self, sink: &mut impl Sink, over: bool) -> Option<Taken> {
        if std::mem::take(&mut self.turn_over) {
            return None;
        }
        if let Some(worker) = self.ready()
            && let Some(taken) = self.follow(worker).await
        {
            self.turn_over = true;
            return Some(taken);
        }
        if over {
            self.adopted = None;
            return None;
        }
        let taken = self.adopt(sink).await;
        self.turn_over = taken.is_some();
        taken
    }

    /// Reads on in a chain that outran memory.
    async fn follow(&mut self, worker: usize) -> Option<Taken> {
        let followed = self.followed.get_mut(worker)?;
        let chain = Arc::clone(self.journal.chains.get(worker)?);
        let mut replay = match followed.replay.take() {
            Some(replay) => replay,
            None => {
                let instance = chain.instance();
                let (files, dir) = (Arc::clone(&instance.files), instance.dir.clone());
                Replay::new(files, dir, worker, chain.extents(0), followed.stored)
            }
        };
        let read = blocking(move || {
            let mut taken = Taken::default();
            let behind = catch_up(&chain, &mut replay, &mut taken)?;
            Ok((taken, behind.then_some(replay)))
        });
        match read.await {
            Ok((mut taken, replay)) => {
                self.unreadable = false;
                followed.replay = replay;
                taken.places = taken.batch.settlements.len();
                taken.batch.cursors = self.cursors(&taken.ends);
                (!taken.batch.settlements.is_empty()).then_some(taken)
            }
            Err(error) => {
                // Read again from where the store has it.
                self.unreadable = true;
                tracing::error!(%error, worker, "the journal cannot be read back");
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                None
            }
        }
    }

    /// Goes on with the journal of a dead instance, or looks for one if it is time.
    async fn adopt(&mut self, sink: &mut impl Sink) -> Option<Taken> {
        loop {
            let Some(mut adopted) = self.adopted.take() else {
                if !self.look().await {
                    return None;
                }
                continue;
            };
            if let Some(name) = adopted.reading() {
                let read = blocking(move || {
                    let part = adopted.read()?;
                    Ok((part, adopted))
                });
                let (Part { settlements, cursor: end }, adopted) = match read.await {
                    Ok(read) => read,
                    Err(error) => {
                        tracing::error!(%error, journal = name, "a dead instance's journal cannot be read");
                        continue;
                    }
                };
                self.adopted = Some(adopted);
                if let Some(end) = end {
                    let mut taken = Taken::default();
                    taken.batch.settlements = settlements.into();
                    taken.batch.cursors = [cursor(name, end)].into();
                    return Some(taken);
                }
            } else if let Some(name) = adopted.next_chain() {
                match sink.cursor(name).await {
                    Ok(known) => {
                        adopted.begin(known.map(|at| Position { segment: at.segment, offset: at.offset }));
                        self.adopted = Some(adopted);
                    }
                    Err(error) => {
                        let journal = adopted.name();
                        tracing::warn!(error = %with_causes(&error), journal, "a dead instance's journal has to wait");
                        self.next_look = Instant::now() + self.journal.adopt_every.min(RETRY);
                        self.looked_at.clear();
                        return None;
                    }
                }
            } else {
                tracing::info!(journal = adopted.name(), "a dead instance's journal is stored");
                if let Ok(gone) = blocking(move || Ok(adopted.finish())).await {
                    forget(sink, gone).await;
                }
            }
        }
    }

    /// Looks for a dead instance's journal; false when there is none, or it is not time yet.
    async fn look(&mut self) -> bool {
        if Instant::now() < self.next_look {
            return false;
        }
        let (journal, after) = (Arc::clone(&self.journal), self.looked_at.clone());
        let found = blocking(move || orphan::find(&journal, &after)).await;
        let none_left = matches!(found, Ok(None));
        let found = found.unwrap_or_else(|error| {
            tracing::error!(%error, "dead instances' journals cannot be looked for");
            None
        });
        if none_left {
            self.adopted_all.send_if_modified(|all| !std::mem::replace(all, true));
        }
        match found {
            Some(adopted) => {
                adopted.name().clone_into(&mut self.looked_at);
                self.adopted = Some(Box::new(adopted));
                true
            }
            None => {
                self.looked_at.clear();
                self.next_look = Instant::now() + self.journal.adopt_every;
                false
            }
        }
    }

    /// The end of a run.
    pub(crate) async fn finish(self, sink: &mut impl Sink) {
        let journal = self.journal;
        if let Ok(gone) = blocking(move || Ok(journal.finish())).await {
            forget(sink, gone).await;
        }
    }
}

/// How soon a dead journal is tried again when the store is away.
const RETRY: std::time::Duration = std::time::Duration::from_secs(5);

/// Reads what the store does not have; false: up to the end, and from here on settlements go to memory again.
fn catch_up(chain: &Chain, replay: &mut Replay, taken: &mut Taken) -> io::Result<bool> {
    let mut settlements = Vec::new();
    let behind = loop {
        while settlements.len() < BATCH
            && let Some((settlement, position)) = replay.next()?
        {
            settlements.push(settlement);
            taken.note(chain.worker, position);
        }
        if settlements.len() >= BATCH {
            break true;
        }
        if chain.caught_up(replay.position()) {
            break false;
        }
        replay.follow(chain.extents(replay.position().segment));
    };
    taken.batch.settlements = settlements.into();
    Ok(behind)
}

/// On a thread that may block, with what listens to this one's events.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    let listener = tracing::dispatcher::get_default(Clone::clone);
    let done = spawn_blocking(move || tracing::dispatcher::with_default(&listener, work)).await;
    done.map_err(io::Error::other).flatten()
}

async fn forget(sink: &mut impl Sink, chains: Vec<String>) {
    for chain in chains {
        if let Err(error) = sink.forget(chain.clone()).await {
            tracing::warn!(error = %with_causes(&error), chain, "the cursor of a journal that is gone stays behind");
        }
    }
}
