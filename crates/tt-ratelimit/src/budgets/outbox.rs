//! The outbox: all charges of this process, and which of their changes Redis has not acknowledged. Redis is a copy of
//! it that can be made again when Redis has lost its data.
//!
//! The version of a charge grows with each change. If two changes arrive in the wrong order, Redis keeps the later.
//! A change is sent again until Redis has acknowledged it. Nothing here waits.
//!
//! **Invariant:** memory is bounded by the requests that have a budget and are not posted yet, which the journal
//! bounds, and by [`MOST_FOREIGN`].

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tt_core::budget::{Account, Spent};
use tt_core::{ApiKeyId, NanoUsd, RequestId, Timestamp, UserId};

use super::reservation::BudgetedRequest;

const SHARDS: usize = 16;

/// The most charges of other processes that may wait to be removed, in one shard. More wait only while Redis is down;
/// those that do not fit are found later among the stale charges.
const MOST_FOREIGN: usize = 8192;

/// The number of heartbeats after which a call that was sent before can no longer arrive.
const ABANDONED_FOR: u8 = 2;

/// A charge as it is sent to Redis.
///
/// The fields are those of `lua/common.lua`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Charge {
    pub(super) key: Option<ApiKeyId>,
    pub(super) counts_from: Timestamp,
    pub(super) settled: NanoUsd,
    pub(super) held: NanoUsd,
    pub(super) version: u64,
}

/// Changes of one user, to be sent to Redis.
#[derive(Debug, Default, Clone)]
pub(super) struct Update {
    /// Sums of the store.
    pub(super) spents: Vec<Spent>,
    pub(super) charges: Vec<(RequestId, Charge)>,
    /// Requests whose charges are to be removed.
    pub(super) removed: Vec<RequestId>,
}

impl Update {
    /// The same in pieces of at most `most` charges, to be sent in order. The sums of the store go first: for a moment
    /// money is then counted twice, which is better than not at all.
    pub(super) fn pieces(self, most: usize) -> Vec<Self> {
        if self.charges.len() + self.removed.len() <= most {
            return vec![self];
        }
        let mut pieces = vec![Self { spents: self.spents, ..Self::default() }];
        pieces.extend(self.charges.chunks(most).map(|part| Self { charges: part.to_vec(), ..Self::default() }));
        pieces.extend(self.removed.chunks(most).map(|part| Self { removed: part.to_vec(), ..Self::default() }));
        pieces
    }
}

/// The charges of this process, and what else is to be sent to Redis.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    shards: [Mutex<Shard>; SHARDS],
    spents: Mutex<HashMap<Account, Spent>>,
    /// The number of times that Redis has lost its data, as far as is known.
    losses: AtomicU64,
    /// Notified when there is something new to send.
    changed: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Shard {
    entries: HashMap<RequestId, Entry>,
    /// Entries with a change that Redis has not acknowledged.
    unacknowledged: HashSet<RequestId>,
    /// The number of entries that are [`State::Foreign`].
    foreign: usize,
    /// The number of entries that heartbeats have sent again in this round.
    resent: usize,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    user: UserId,
    charge: Charge,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// A reserve call is under way. Its answer decides what the charge is, so nothing is sent meanwhile.
    Reserving,
    /// The charge is as it says.
    Live,
    /// The caller did not wait for the answer to the only reserve call, which may still arrive in Redis. It is sent as
    /// holding nothing until that can no longer happen, and is removed then.
    Abandoned { heartbeats: u8 },
    /// It is to be removed.
    Removed,
    /// It belongs to another process and is to be removed.
    Foreign,
}

impl Outbox {
    /// Notes that a reserve call is about to be sent. Its answer must be given to what this returns.
    pub(super) fn begin_reserve(&self, request: &BudgetedRequest<'_>, settled: NanoUsd) -> ReserveInFlight<'_> {
        let mut shard = self.shard(request.id);
        let before = shard.entries.get(&request.id).copied().filter(|entry| entry.state != State::Foreign);
        let version = before.map_or(1, |entry| entry.charge.version.saturating_add(1));
        let zero = NanoUsd::ZERO;
        let charge = Charge { key: request.key, counts_from: request.created_at, settled: zero, held: zero, version };
        let charge = before.map_or(charge, |entry| Charge { version, ..entry.charge });
        if before.is_none() {
            shard.remove(request.id);
        }
        // It stays unacknowledged if it was: if Redis refuses the call, the earlier change must still be sent.
        shard.entries.insert(request.id, Entry { user: request.user, charge, state: State::Reserving });
        ReserveInFlight {
            outbox: self,
            request: request.id,
            settled,
            before: before.map(|entry| entry.state),
            losses: self.losses.load(Ordering::Acquire),
            is_answered: false,
        }
    }

    /// Changes a charge if there is one.
    pub(super) fn settle(&self, request: RequestId, settled: NanoUsd, held: NanoUsd) {
        let mut shard = self.shard(request);
        let Some(entry) = shard.entries.get_mut(&request).filter(|entry| entry.state == State::Live) else { return };
        (entry.charge.settled, entry.charge.held) = (settled, held);
        entry.charge.version = entry.charge.version.saturating_add(1);
        shard.unacknowledged.insert(request);
        drop(shard);
        self.changed.notify_one();
    }

    /// Removes a charge. Returns whether there was one of this process.
    pub(super) fn void(&self, request: RequestId) -> bool {
        let mut shard = self.shard(request);
        let Some(entry) = shard.entries.get_mut(&request).filter(|entry| entry.state != State::Foreign) else {
            return false;
        };
        entry.state = State::Removed;
        shard.unacknowledged.insert(request);
        drop(shard);
        self.changed.notify_one();
        true
    }

    /// Removes charges, whichever process made them, and takes sums of the store.
    pub(super) fn post(&self, requests: &[(UserId, RequestId)], spents: &[Spent]) {
        for (user, request) in requests {
            if !self.void(*request) {
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
        self.changed.notify_one();
    }

    /// Notified when there is something new to send.
    pub(super) fn changed(&self) -> Arc<Notify> {
        Arc::clone(&self.changed)
    }

    /// True if there is no charge of `request` here.
    pub(super) fn is_unknown(&self, request: RequestId) -> bool {
        !self.shard(request).entries.contains_key(&request)
    }

    /// Makes everything be sent again, because Redis has lost its data.
    pub(super) fn resend_all(&self) {
        self.losses.fetch_add(1, Ordering::AcqRel);
        for shard in &self.shards {
            let mut shard = lock(shard);
            let all: Vec<_> = shard.entries.keys().copied().collect();
            shard.unacknowledged.extend(all);
        }
    }

    /// Notes a heartbeat: up to `most` charges are sent again although Redis has acknowledged them, in turn, and
    /// charges that were abandoned long enough ago are removed.
    pub(super) fn heartbeat(&self, most: usize) {
        for shard in &self.shards {
            let mut shard = lock(shard);
            let again: Vec<_> = shard.entries.keys().copied().skip(shard.resent).take(most / SHARDS).collect();
            shard.resent = if again.is_empty() { 0 } else { shard.resent + again.len() };
            shard.unacknowledged.extend(again);
            let Shard { entries, unacknowledged, .. } = &mut *shard;
            for (request, entry) in entries {
                if let State::Abandoned { heartbeats } = &mut entry.state {
                    *heartbeats += 1;
                    if *heartbeats >= ABANDONED_FOR {
                        entry.state = State::Removed;
                        unacknowledged.insert(*request);
                    }
                }
            }
        }
    }

    /// The changes that Redis has not acknowledged, by user.
    pub(super) fn unsent(&self) -> BTreeMap<UserId, Update> {
        let mut by_user: BTreeMap<UserId, Update> = BTreeMap::new();
        for spent in self.spents().values() {
            by_user.entry(spent.account.user).or_default().spents.push(*spent);
        }
        for shard in &self.shards {
            let shard = lock(shard);
            for request in &shard.unacknowledged {
                let Some(entry) = shard.entries.get(request) else { continue };
                match entry.state {
                    State::Reserving => {}
                    State::Live | State::Abandoned { .. } => {
                        by_user.entry(entry.user).or_default().charges.push((*request, entry.charge));
                    }
                    State::Removed | State::Foreign => by_user.entry(entry.user).or_default().removed.push(*request),
                }
            }
        }
        by_user
    }

    /// Notes that Redis has taken `update`. Changes since it was made stay unacknowledged.
    pub(super) fn acknowledged(&self, update: &Update) {
        let mut spents = self.spents();
        for spent in &update.spents {
            if spents.get(&spent.account) == Some(spent) {
                spents.remove(&spent.account);
            }
        }
        drop(spents);
        for (request, charge) in &update.charges {
            let mut shard = self.shard(*request);
            if shard.entries.get(request).is_some_and(|entry| entry.charge == *charge && entry.is_sent_as_charge()) {
                shard.unacknowledged.remove(request);
            }
        }
        for request in &update.removed {
            let mut shard = self.shard(*request);
            if shard.entries.get(request).is_some_and(|e| matches!(e.state, State::Removed | State::Foreign)) {
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
    // A poisoned lock is taken all the same: nothing panics in the middle of a change, so entries are consistent.
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Entry {
    /// True if the charge itself is sent, false if its removal is.
    fn is_sent_as_charge(&self) -> bool {
        matches!(self.state, State::Live | State::Abandoned { .. })
    }
}

impl Shard {
    fn put_foreign(&mut self, user: UserId, request: RequestId) {
        if self.foreign >= MOST_FOREIGN || self.entries.contains_key(&request) {
            return;
        }
        let zero = NanoUsd::ZERO;
        let charge =
            Charge { key: None, counts_from: Timestamp::from_millis(0), settled: zero, held: zero, version: 0 };
        self.entries.insert(request, Entry { user, charge, state: State::Foreign });
        self.foreign += 1;
        self.unacknowledged.insert(request);
    }

    fn remove(&mut self, request: RequestId) {
        self.unacknowledged.remove(&request);
        if self.entries.remove(&request).is_some_and(|entry| entry.state == State::Foreign) {
            self.foreign -= 1;
        }
    }
}

/// A reserve call under way. If it is dropped without an answer, because none came or nobody waits for it any more,
/// the charge holds nothing.
#[derive(Debug)]
pub(super) struct ReserveInFlight<'a> {
    outbox: &'a Outbox,
    request: RequestId,
    settled: NanoUsd,
    /// The state before the call, or `None` if there was no charge of this request.
    before: Option<State>,
    losses: u64,
    is_answered: bool,
}

impl ReserveInFlight<'_> {
    /// The version to send with the call.
    pub(super) fn version(&self) -> u64 {
        self.outbox.shard(self.request).entries.get(&self.request).map_or(1, |entry| entry.charge.version)
    }

    /// Redis holds `held`.
    pub(super) fn held(mut self, held: NanoUsd, counts_from: Timestamp) {
        self.is_answered = true;
        let mut shard = self.outbox.shard(self.request);
        let is_lost = self.outbox.losses.load(Ordering::Acquire) != self.losses;
        let Some(entry) = shard.entries.get_mut(&self.request) else { return };
        let version = entry.charge.version;
        entry.charge = Charge { settled: self.settled, held, counts_from, version, ..entry.charge };
        // In any other state it has been voided or posted meanwhile.
        if entry.state == State::Reserving {
            entry.state = State::Live;
            if is_lost {
                shard.unacknowledged.insert(self.request);
            } else {
                shard.unacknowledged.remove(&self.request);
            }
        }
    }

    /// Redis has changed nothing.
    pub(super) fn unchanged(mut self) {
        self.is_answered = true;
        let mut shard = self.outbox.shard(self.request);
        let Some(entry) = shard.entries.get_mut(&self.request).filter(|e| e.state == State::Reserving) else { return };
        match self.before {
            Some(state) => entry.state = state,
            None => shard.remove(self.request),
        }
        let is_unsent = shard.unacknowledged.contains(&self.request);
        drop(shard);
        if is_unsent {
            self.outbox.changed.notify_one();
        }
    }
}

impl Drop for ReserveInFlight<'_> {
    fn drop(&mut self) {
        if self.is_answered {
            return;
        }
        let mut shard = self.outbox.shard(self.request);
        let Some(entry) = shard.entries.get_mut(&self.request).filter(|e| e.state == State::Reserving) else { return };
        (entry.charge.settled, entry.charge.held) = (self.settled, NanoUsd::ZERO);
        entry.charge.version = entry.charge.version.saturating_add(1);
        entry.state = match self.before {
            None | Some(State::Abandoned { .. }) => State::Abandoned { heartbeats: 0 },
            Some(_) => State::Live,
        };
        shard.unacknowledged.insert(self.request);
        drop(shard);
        self.outbox.changed.notify_one();
    }
}

#[cfg(test)]
mod tests;
