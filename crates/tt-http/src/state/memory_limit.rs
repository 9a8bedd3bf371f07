//! The memory that proxied requests hold in the whole process, and its limit (`MAX_BUFFERED_BYTES`).
//!
//! Everything that lives on behalf of a request is counted by the memory that it takes, not by the bytes that were sent:
//! the body, its decoded form, the request for the provider, the answer. One user holds at most a quarter of the limit.
//!
//! **Invariant:** a request gives back all that it holds when its [`RequestMemory`] is dropped.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tt_providers::UpstreamError;

/// Memory is taken from the limit in steps of this many bytes, so that a small request takes some once. The first step
/// covers what every request needs.
const STEP: usize = 16 * 1024;

/// The part of the limit that one user may hold: one in this many.
const USERS: usize = 4;

/// A part of a request that is under way may grow to this many bytes beyond the limit, so that no stream breaks for the
/// sake of a few bytes.
const SMALL: usize = 256 * 1024;

/// The bytes that all small parts together may take beyond the limit: one in this many of the limit's.
const BEYOND: usize = 8;

/// The reason why a request may not hold more memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MemoryLimitExceeded {
    /// Other requests hold the memory now.
    #[error("requests hold as much memory as they may")]
    Full,
    /// The request alone needs more than one user may hold.
    #[error("the request takes more memory than the requests of one user may")]
    TooLarge,
}

impl From<MemoryLimitExceeded> for UpstreamError {
    fn from(exceeded: MemoryLimitExceeded) -> Self {
        Self::Unread(exceeded.to_string())
    }
}

/// The memory that is held, and the most that may be held, in bytes.
#[derive(Debug, Clone)]
pub(crate) struct MemoryLimit(Arc<Total>);

#[derive(Debug)]
struct Total {
    held: AtomicUsize,
    most: usize,
}

/// The memory that the requests of one user hold, in bytes.
#[derive(Debug, Default)]
pub(crate) struct UserMemory(AtomicUsize);

impl MemoryLimit {
    /// Makes a limit of `most_bytes`, of which none is held.
    pub(crate) fn new(most_bytes: usize) -> Self {
        Self(Arc::new(Total { held: AtomicUsize::new(0), most: most_bytes }))
    }

    /// The bytes that are held now.
    pub(crate) fn held(&self) -> usize {
        self.0.held.load(Ordering::Relaxed)
    }

    /// The most bytes that may be held.
    pub(crate) fn most(&self) -> usize {
        self.0.most
    }

    /// The most bytes that one user may hold.
    pub(crate) fn most_of_user(&self) -> usize {
        self.0.most / USERS
    }

    /// The memory of a new request of `user`, which holds nothing yet.
    pub(crate) fn request(&self, user: Arc<UserMemory>) -> RequestMemory {
        RequestMemory { limit: self.clone(), user, held: Mutex::default() }
    }

    /// Takes `bytes` for `user`, or nothing. The limits may be passed by `beyond` bytes.
    fn take(&self, user: &UserMemory, bytes: usize, beyond: usize) -> Result<(), MemoryLimitExceeded> {
        let take = |held: &AtomicUsize, most: usize| {
            held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| {
                held.checked_add(bytes).filter(|grown| *grown <= most.saturating_add(beyond))
            })
        };
        take(&user.0, self.most_of_user()).map_err(|_| MemoryLimitExceeded::Full)?;
        take(&self.0.held, self.0.most).map_err(|_| {
            user.0.fetch_sub(bytes, Ordering::Relaxed);
            MemoryLimitExceeded::Full
        })?;
        Ok(())
    }

    fn give_back(&self, user: &UserMemory, bytes: usize) {
        user.0.fetch_sub(bytes, Ordering::Relaxed);
        self.0.held.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// A part of the memory of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// The body as the client sent it.
    Body,
    /// The decoded body, or the decoded answer: a request never holds both.
    Decoded,
    /// The request in the provider's words.
    Encoded,
    /// The answer: what has come of it, and what is kept of a stream.
    Answer,
}

/// The memory that one request holds.
#[derive(Debug)]
pub(crate) struct RequestMemory {
    limit: MemoryLimit,
    user: Arc<UserMemory>,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    /// The bytes of each [`Part`].
    parts: [usize; 4],
    /// The bytes that are taken from the limit: no fewer than the parts need.
    taken: usize,
}

impl Held {
    /// The bytes to take in all if `part` had `bytes`, in whole steps.
    fn needed(&self, part: Part, bytes: usize) -> usize {
        let others = self.parts.iter().enumerate().filter(|(other, _)| *other != part as usize);
        let sum = others.fold(bytes, |sum, (_, bytes)| sum.saturating_add(*bytes));
        sum.checked_next_multiple_of(STEP).unwrap_or(usize::MAX).max(STEP)
    }
}

impl RequestMemory {
    /// Counts `bytes` for `part`, in place of the bytes that were counted for it before. Fewer bytes are never refused.
    /// Once the request holds something, small parts may pass the limits a little.
    ///
    /// # Errors
    /// When the user or all users together would hold more than they may. The part then counts as it did before.
    pub(crate) fn hold(&self, part: Part, bytes: usize) -> Result<(), MemoryLimitExceeded> {
        let mut held = self.lock();
        let needed = held.needed(part, bytes);
        if let Some(more) = needed.checked_sub(held.taken).filter(|more| *more > 0) {
            let under_way = held.taken > 0 && bytes <= SMALL;
            let beyond = if under_way { self.limit.most() / BEYOND } else { 0 };
            if needed > self.limit.most_of_user().saturating_add(beyond) {
                return Err(MemoryLimitExceeded::TooLarge);
            }
            self.limit.take(&self.user, more, beyond)?;
            held.taken = needed;
        } else if held.taken - needed > STEP {
            // A request that wavers around the end of a step does not give it back and take it again.
            self.limit.give_back(&self.user, held.taken - needed);
            held.taken = needed;
        }
        if let Some(counted) = held.parts.get_mut(part as usize) {
            *counted = bytes;
        }
        Ok(())
    }

    /// Counts nothing for `part` any more.
    pub(crate) fn release(&self, part: Part) {
        // Fewer bytes are never refused.
        let _never_refused = self.hold(part, 0);
    }

    /// Takes `part` out of the request, as the memory of something that outlives it.
    pub(crate) fn split_off(&self, part: Part) -> Self {
        let mut held = self.lock();
        let bytes = held.parts.get_mut(part as usize).map(std::mem::take).unwrap_or_default();
        let mut own = Held::default();
        if let Some(counted) = own.parts.get_mut(part as usize) {
            *counted = bytes;
        }
        own.taken = own.needed(part, bytes).min(held.taken);
        held.taken -= own.taken;
        Self { limit: self.limit.clone(), user: Arc::clone(&self.user), held: Mutex::new(own) }
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for RequestMemory {
    fn drop(&mut self) {
        let taken = self.lock().taken;
        if taken > 0 {
            self.limit.give_back(&self.user, taken);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    fn user() -> Arc<UserMemory> {
        Arc::default()
    }

    #[test]
    fn parts_add_up_and_are_given_back() {
        let limit = MemoryLimit::new(64 * MIB);
        let request = limit.request(user());
        request.hold(Part::Body, MIB).unwrap();
        request.hold(Part::Decoded, 4 * MIB).unwrap();
        assert_eq!(limit.held(), 5 * MIB);
        request.hold(Part::Decoded, MIB).unwrap();
        assert_eq!(limit.held(), 2 * MIB);
        request.release(Part::Decoded);
        assert_eq!(limit.held(), MIB);
        drop(request);
        assert_eq!(limit.held(), 0);
    }

    #[test]
    fn a_user_holds_a_quarter_and_all_users_the_whole() {
        let limit = MemoryLimit::new(64 * MIB);
        let ann = user();
        let hers: Vec<_> = (0..4).map(|_| limit.request(Arc::clone(&ann))).collect();
        hers.iter().for_each(|request| request.hold(Part::Body, 4 * MIB).unwrap());
        assert_eq!(limit.request(Arc::clone(&ann)).hold(Part::Body, 1), Err(MemoryLimitExceeded::Full));
        let others: Vec<_> = (0..3).map(|_| limit.request(user())).collect();
        others.iter().for_each(|request| request.hold(Part::Body, 16 * MIB).unwrap());
        assert_eq!(limit.request(user()).hold(Part::Body, 1), Err(MemoryLimitExceeded::Full));
        assert_eq!(limit.held(), 64 * MIB, "a refused request holds nothing");
        drop(hers);
        limit.request(ann).hold(Part::Body, 16 * MIB).unwrap();
    }

    #[test]
    fn a_request_that_can_never_fit_is_told_apart() {
        let limit = MemoryLimit::new(64 * MIB);
        let request = limit.request(user());
        request.hold(Part::Body, MIB).unwrap();
        assert_eq!(request.hold(Part::Decoded, 16 * MIB), Err(MemoryLimitExceeded::TooLarge));
        assert_eq!(request.hold(Part::Decoded, usize::MAX), Err(MemoryLimitExceeded::TooLarge));
        assert_eq!(limit.held(), MIB, "a refused part counts as it did before");
    }

    #[test]
    fn streams_that_are_under_way_grow_a_little_though_the_limit_is_reached() {
        let limit = MemoryLimit::new(16 * MIB);
        let (ann, others) = (user(), [(); 4].map(|()| limit.request(user())));
        let streams: Vec<_> = (0..9).map(|_| limit.request(Arc::clone(&ann))).collect();
        streams.iter().for_each(|stream| stream.hold(Part::Body, 100).unwrap());
        others.iter().take(3).for_each(|request| request.hold(Part::Body, 4 * MIB).unwrap());
        others[3].hold(Part::Body, 4 * MIB - 9 * STEP).unwrap();
        assert_eq!(limit.held(), limit.most());
        // An eighth of the limit is room for eight of them.
        let grown = streams.iter().filter(|stream| stream.hold(Part::Answer, SMALL - 100).is_ok()).count();
        assert_eq!(grown, 8);
        assert_eq!(streams[0].hold(Part::Answer, SMALL + 1), Err(MemoryLimitExceeded::Full));
        assert_eq!(limit.request(user()).hold(Part::Body, 1), Err(MemoryLimitExceeded::Full), "a new request");
        drop((streams, others));
        assert_eq!(limit.held(), 0);
    }

    #[test]
    fn a_small_request_takes_its_memory_once() {
        let limit = MemoryLimit::new(64 * MIB);
        let request = limit.request(user());
        for (part, bytes) in [(Part::Body, 300), (Part::Decoded, 9000), (Part::Encoded, 400), (Part::Answer, 2000)] {
            request.hold(part, bytes).unwrap();
            assert_eq!(limit.held(), STEP);
        }
        request.hold(Part::Answer, STEP).unwrap();
        request.hold(Part::Answer, 0).unwrap();
        assert_eq!(limit.held(), 2 * STEP, "a step is kept, in case it is needed again");
    }
}
