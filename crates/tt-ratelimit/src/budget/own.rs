//! What this process knows of its own charges: the truth that Redis is told, again after it has lost everything.
//!
//! A charge has a version that grows with each change, so that of two that arrive in the wrong order the later stands.
//! Whatever Redis has not confirmed is told again. Nothing here awaits.
//!
//! **Invariant:** what is kept is bounded by the requests under a budget that are not in the store yet, which the
//! journal bounds, and by [`MOST_FOREIGN`].

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tt_core::budget::{Account, Spent};
use tt_core::{ApiKeyId, NanoUsd, RequestId, Timestamp, UserId};

use super::BudgetedRequest;

const SHARDS: usize = 16;

/// Charges of other processes that may wait to be removed, in one shard. More than that are only waited for while
/// Redis is away; then they are found among the stale ones.
const MOST_FOREIGN: usize = 8192;

/// Heartbeats after which nothing that was sent before can arrive any more.
const SETTLED_AFTER: u8 = 2;

/// A charge as Redis is told it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Charge {
    pub(super) key: Option<ApiKeyId>,
    pub(super) counts_from: Timestamp,
    pub(super) settled: NanoUsd,
    pub(super) held: NanoUsd,
    pub(super) version: u64,
}

/// What Redis is told of one user at once.
#[derive(Debug, Default, Clone)]
pub(super) struct Update {
    pub(super) spents: Vec<Spent>,
    pub(super) charges: Vec<(RequestId, Charge)>,
    pub(super) gone: Vec<RequestId>,
}

impl Update {
    /// The same in pieces of at most `most` things, to be told in order: what is spent goes first, since it is better
    /// counted twice for a moment than not at all.
    pub(super) fn pieces(self, most: usize) -> Vec<Self> {
        if self.charges.len() + self.gone.len() <= most {
            return vec![self];
        }
        let mut pieces = vec![Self { spents: self.spents, ..Self::default() }];
        pieces.extend(self.charges.chunks(most).map(|part| Self { charges: part.to_vec(), ..Self::default() }));
        pieces.extend(self.gone.chunks(most).map(|part| Self { gone: part.to_vec(), ..Self::default() }));
        pieces
    }
}

/// Charges of this process, and what else Redis is to be told.
#[derive(Debug, Default)]
pub(super) struct Own {
    shards: [Mutex<Shard>; SHARDS],
    spents: Mutex<HashMap<Account, Spent>>,
    /// How often Redis is known to have lost everything.
    losses: AtomicU64,
    /// Told when there is something that Redis has not been told.
    news: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Shard {
    entries: HashMap<RequestId, Entry>,
    /// What Redis has not confirmed.
    dirty: HashSet<RequestId>,
    foreign: usize,
    /// How far the heartbeats have come.
    walked: usize,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    user: UserId,
    charge: Charge,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Redis has been asked for a hold: only the answer says what is true.
    Asking,
    /// As it says.
    Live,
    /// The answer to its only question was not waited for, and may still change Redis: nothing is held until that is
    /// over, then it is gone.
    Abandoned { beats: u8 },
    /// It is to be removed.
    Gone,
    /// Another process's, to be removed.
    Foreign,
}

impl Own {
    /// A hold is about to be asked for. The answer must be given to what this returns.
    pub(super) fn asking(&self, request: &BudgetedRequest<'_>, settled: NanoUsd) -> Asking<'_> {
        let mut shard = self.shard(request.id);
        let before = shard.entries.get(&request.id).copied().filter(|entry| entry.state != State::Foreign);
        let version = before.map_or(1, |entry| entry.charge.version.saturating_add(1));
        let zero = NanoUsd::ZERO;
        let charge = Charge { key: request.key, counts_from: request.created_at, settled: zero, held: zero, version };
        let charge = before.map_or(charge, |entry| Charge { version, ..entry.charge });
        shard.put(request.id, Entry { user: request.user, charge, state: State::Asking });
        Asking {
            own: self,
            request: request.id,
            settled,
            before: before.map(|entry| entry.state),
            losses: self.losses.load(Ordering::Acquire),
            is_answered: false,
        }
    }

    /// Changes a charge; was there one?
    pub(super) fn adjust(&self, request: RequestId, settled: NanoUsd, held: NanoUsd) -> bool {
        let mut shard = self.shard(request);
        let Some(entry) = shard.entries.get_mut(&request).filter(|entry| entry.state == State::Live) else {
            return false;
        };
        (entry.charge.settled, entry.charge.held) = (settled, held);
        entry.charge.version = entry.charge.version.saturating_add(1);
        shard.dirty.insert(request);
        drop(shard);
        self.news.notify_one();
        true
    }

    /// Forgets a charge; was there one?
    pub(super) fn release(&self, request: RequestId) -> bool {
        let mut shard = self.shard(request);
        let Some(entry) = shard.entries.get_mut(&request).filter(|entry| entry.state != State::Foreign) else {
            return false;
        };
        entry.state = State::Gone;
        shard.dirty.insert(request);
        drop(shard);
        self.news.notify_one();
        true
    }

    /// Charges are gone, whoever made them, and so much is spent.
    pub(super) fn drained(&self, requests: &[(UserId, RequestId)], spents: &[Spent]) {
        for (user, request) in requests {
            if !self.release(*request) {
                self.shard(*request).put_foreign(*user, *request);
            }
        }
        let mut kept = self.spents();
        for spent in spents {
            let newest = kept.entry(spent.account).or_insert(*spent);
            if (newest.start, newest.revision) < (spent.start, spent.revision) {
                *newest = *spent;
            }
        }
        drop(kept);
        self.news.notify_one();
    }

    /// Told when there is something that Redis has not been told.
    pub(super) fn news(&self) -> Arc<Notify> {
        Arc::clone(&self.news)
    }

    /// A charge of this process's that Redis has: true if it is not known here.
    pub(super) fn is_leaked(&self, request: RequestId) -> bool {
        !self.shard(request).entries.contains_key(&request)
    }

    /// Redis has lost everything: all of it is told again.
    pub(super) fn lost(&self) {
        self.losses.fetch_add(1, Ordering::AcqRel);
        for shard in &self.shards {
            let mut shard = lock(shard);
            let all: Vec<_> = shard.entries.keys().copied().collect();
            shard.dirty.extend(all);
        }
    }

    /// A heartbeat: up to `most` charges are told again in any case, and what was abandoned is over in the end.
    pub(super) fn beat(&self, most: usize) {
        for shard in &self.shards {
            let mut shard = lock(shard);
            let again: Vec<_> = shard.entries.keys().copied().skip(shard.walked).take(most / SHARDS).collect();
            shard.walked = if again.is_empty() { 0 } else { shard.walked + again.len() };
            shard.dirty.extend(again);
            let Shard { entries, dirty, .. } = &mut *shard;
            for (request, entry) in entries {
                if let State::Abandoned { beats } = &mut entry.state {
                    *beats += 1;
                    if *beats >= SETTLED_AFTER {
                        entry.state = State::Gone;
                        dirty.insert(*request);
                    }
                }
            }
        }
    }

    /// What Redis has not been told, by user.
    pub(super) fn untold(&self) -> BTreeMap<UserId, Update> {
        let mut news: BTreeMap<UserId, Update> = BTreeMap::new();
        for spent in self.spents().values() {
            news.entry(spent.account.user).or_default().spents.push(*spent);
        }
        for shard in &self.shards {
            let shard = lock(shard);
            for request in &shard.dirty {
                let Some(entry) = shard.entries.get(request) else { continue };
                match entry.state {
                    State::Asking => {}
                    State::Live | State::Abandoned { .. } => {
                        news.entry(entry.user).or_default().charges.push((*request, entry.charge));
                    }
                    State::Gone | State::Foreign => news.entry(entry.user).or_default().gone.push(*request),
                }
            }
        }
        news
    }

    /// Redis has been told.
    pub(super) fn told(&self, update: &Update) {
        let mut spents = self.spents();
        for spent in &update.spents {
            if spents.get(&spent.account) == Some(spent) {
                spents.remove(&spent.account);
            }
        }
        drop(spents);
        for (request, charge) in &update.charges {
            let mut shard = self.shard(*request);
            if shard.entries.get(request).is_some_and(|entry| entry.charge == *charge && entry.is_told_as_charge()) {
                shard.dirty.remove(request);
            }
        }
        for request in &update.gone {
            let mut shard = self.shard(*request);
            if shard.entries.get(request).is_some_and(|e| matches!(e.state, State::Gone | State::Foreign)) {
                shard.remove(*request);
            }
        }
    }

    fn spents(&self) -> MutexGuard<'_, HashMap<Account, Spent>> {
        self.spents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shard(&self, request: RequestId) -> MutexGuard<'_, Shard> {
        // The last byte of a UUIDv7 is random.
        let at = usize::from(request.0.as_bytes()[15]) % SHARDS;
        lock(&self.shards[at])
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).entries.len()).sum()
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    // Entries are whole after any panic: nothing between two steps of a change can panic.
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Entry {
    /// Nothing is to be removed, nor is it open what is true.
    fn is_told_as_charge(&self) -> bool {
        matches!(self.state, State::Live | State::Abandoned { .. })
    }
}

impl Shard {
    fn put(&mut self, request: RequestId, entry: Entry) {
        self.remove(request);
        self.entries.insert(request, entry);
    }

    fn put_foreign(&mut self, user: UserId, request: RequestId) {
        if self.foreign >= MOST_FOREIGN || self.entries.contains_key(&request) {
            return;
        }
        let zero = NanoUsd::ZERO;
        let charge =
            Charge { key: None, counts_from: Timestamp::from_millis(0), settled: zero, held: zero, version: 0 };
        self.entries.insert(request, Entry { user, charge, state: State::Foreign });
        self.foreign += 1;
        self.dirty.insert(request);
    }

    fn remove(&mut self, request: RequestId) {
        self.dirty.remove(&request);
        if self.entries.remove(&request).is_some_and(|entry| entry.state == State::Foreign) {
            self.foreign -= 1;
        }
    }
}

/// A hold that has been asked for. Dropped without an answer, because none came or nobody waits for it any more, it
/// holds nothing.
#[derive(Debug)]
pub(super) struct Asking<'a> {
    own: &'a Own,
    request: RequestId,
    settled: NanoUsd,
    /// `None`: Redis has no charge of this request.
    before: Option<State>,
    losses: u64,
    is_answered: bool,
}

impl Asking<'_> {
    /// The version to ask with.
    pub(super) fn version(&self) -> u64 {
        self.own.shard(self.request).entries.get(&self.request).map_or(1, |entry| entry.charge.version)
    }

    /// So much is held.
    pub(super) fn held(mut self, held: NanoUsd, counts_from: Timestamp) {
        self.is_answered = true;
        let mut shard = self.own.shard(self.request);
        let is_lost = self.own.losses.load(Ordering::Acquire) != self.losses;
        let Some(entry) = shard.entries.get_mut(&self.request) else { return };
        let version = entry.charge.version;
        entry.charge = Charge { settled: self.settled, held, counts_from, version, ..entry.charge };
        // Otherwise it has been released meanwhile.
        if entry.state == State::Asking {
            entry.state = State::Live;
            if is_lost {
                shard.dirty.insert(self.request);
            } else {
                shard.dirty.remove(&self.request);
            }
        }
    }

    /// Redis has changed nothing.
    pub(super) fn refused(mut self) {
        self.is_answered = true;
        let mut shard = self.own.shard(self.request);
        let Some(entry) = shard.entries.get_mut(&self.request).filter(|e| e.state == State::Asking) else { return };
        match self.before {
            Some(state) => entry.state = state,
            None => shard.remove(self.request),
        }
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        if self.is_answered {
            return;
        }
        let mut shard = self.own.shard(self.request);
        let Some(entry) = shard.entries.get_mut(&self.request).filter(|e| e.state == State::Asking) else { return };
        (entry.charge.settled, entry.charge.held) = (self.settled, NanoUsd::ZERO);
        entry.charge.version = entry.charge.version.saturating_add(1);
        entry.state = match self.before {
            None | Some(State::Abandoned { .. }) => State::Abandoned { beats: 0 },
            Some(_) => State::Live,
        };
        shard.dirty.insert(self.request);
        drop(shard);
        self.own.news.notify_one();
    }
}

#[cfg(test)]
mod tests;
