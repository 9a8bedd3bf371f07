//! The health of the targets of all users: which models of a provider key rest.
//!
//! [`tt_core::health`] decides; this file keeps its state where requests find it without a search, and tells of openings.
//! The health of a key lies beside the key in the directory's view of a user, and is handed on from one view to the next
//! while the stored key stays the same. Another key under the same id begins anew, on every process. Each process has its
//! own.
//!
//! A request whose target is well reads one atomic number when it begins and one when it is served. No lock is held across
//! an await.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use tokio::sync::mpsc;
use tt_core::health::{self, Fault, Outcome, Rest, Standing, TargetState, Ticket};
use tt_core::{ModelName, Provider, ProviderKeyId, SealId, Timestamp, UserId};
use tt_store::SealedKey;

use crate::clock::now;

/// The openings that wait for a slow watcher. When there are more, further ones are not told.
const MOST_UNTOLD: usize = 256;

/// A target began to rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetOpened {
    /// The user whose provider key it is.
    pub user_id: UserId,
    /// The provider key.
    pub provider_key_id: ProviderKeyId,
    /// The provider of that key.
    pub provider: Provider,
    /// The model whose failure began the rest.
    pub model: ModelName,
    /// True if every model of the key rests.
    pub every_model: bool,
    /// The failure: a status, `connection` or `timeout`.
    pub cause: String,
    /// The end of the rest.
    pub until: Timestamp,
}

/// The parts that the health of all targets share: the clock, and the watcher of openings.
#[derive(Debug)]
pub(crate) struct HealthClock {
    started: Instant,
    watcher: OnceLock<mpsc::Sender<TargetOpened>>,
}

impl HealthClock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { started: Instant::now(), watcher: OnceLock::new() })
    }

    /// The openings of breakers from now on, for the one watcher that there may be; `None` if there is one already.
    pub(crate) fn watch(&self) -> Option<mpsc::Receiver<TargetOpened>> {
        let (told, watched) = mpsc::channel(MOST_UNTOLD);
        self.watcher.set(told).ok().map(|()| watched)
    }

    /// Milliseconds since the start, by a clock that cannot be set.
    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The time of day at `at_ms`.
    fn time_of_day(&self, at_ms: u64) -> Timestamp {
        let (at, now_ms) = (i64::try_from(at_ms).unwrap_or(i64::MAX), i64::try_from(self.now_ms()).unwrap_or(i64::MAX));
        now().plus_millis(at.saturating_sub(now_ms))
    }

    fn tell(&self, opened: TargetOpened) {
        let TargetOpened { provider_key_id, provider, model, every_model, cause, until, .. } = &opened;
        let until = until.rfc3339();
        tracing::warn!(provider_key = %provider_key_id, %provider, %model, every_model, cause, until, "a target rests");
        if let Some(watcher) = self.watcher.get()
            && watcher.try_send(opened).is_err()
        {
            tracing::warn!("the watcher of targets is behind, so an opening was not told");
        }
    }
}

/// The health of a user's provider keys, which outlives the views of the user.
#[derive(Debug, Default)]
pub(crate) struct UserHealth(Mutex<HashMap<ProviderKeyId, Arc<KeyHealth>>>);

impl UserHealth {
    fn lock(&self) -> MutexGuard<'_, HashMap<ProviderKeyId, Arc<KeyHealth>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the health of these keys, and of no others: as it was where the stored key is the same.
    pub(crate) fn keep(&self, user: UserId, keys: &[SealedKey], clock: &Arc<HealthClock>) {
        let mut known = self.lock();
        let before = std::mem::take(&mut *known);
        known.extend(keys.iter().map(|stored| {
            let id = stored.key.id;
            let same = before.get(&id).filter(|health| health.seal_id == stored.seal_id);
            (id, same.map_or_else(|| Arc::new(KeyHealth::new(user, stored, Arc::clone(clock))), Arc::clone))
        }));
    }

    /// The health of a key that was kept.
    pub(crate) fn of(&self, key: ProviderKeyId) -> Option<Arc<KeyHealth>> {
        self.lock().get(&key).cloned()
    }

    /// Forgets a key that was deleted.
    pub(crate) fn forget(&self, key: ProviderKeyId) {
        self.lock().remove(&key);
    }

    /// Adds the targets that have failed to `samples`.
    pub(crate) fn sample(&self, samples: &mut HashMap<(Provider, ModelName, TargetState), u64>) {
        for health in self.lock().values().filter(|health| health.has_failed()) {
            let now_ms = health.clock.now_ms();
            for (model, standing) in health.lock().targets(now_ms) {
                *samples.entry((health.provider, model.clone(), standing.state)).or_default() += 1;
            }
        }
    }
}

/// The health of one provider key and its models.
#[derive(Debug)]
pub(crate) struct KeyHealth {
    user: UserId,
    id: ProviderKeyId,
    provider: Provider,
    /// The name of the stored secret, which another secret does not have.
    seal_id: SealId,
    clock: Arc<HealthClock>,
    /// Twice the number of changes, and one more while a target is not well.
    word: AtomicU64,
    state: Mutex<health::KeyHealth>,
}

/// The standing of a target, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ShownStanding {
    pub(crate) state: TargetState,
    /// The end of the rest, or of the last one; `None` if the target is closed.
    pub(crate) until: Option<Timestamp>,
    /// The failure that it rests for; `None` if it is closed.
    pub(crate) cause: Option<String>,
}

impl KeyHealth {
    fn new(user: UserId, stored: &SealedKey, clock: Arc<HealthClock>) -> Self {
        Self {
            user,
            id: stored.key.id,
            provider: stored.key.provider,
            seal_id: stored.seal_id.clone(),
            clock,
            word: AtomicU64::new(0),
            state: Mutex::default(),
        }
    }

    /// The changes so far, if every target is well.
    fn well(&self) -> Option<u64> {
        let word = self.word.load(Ordering::Acquire);
        word.is_multiple_of(2).then_some(word / 2)
    }

    /// True if a target has ever failed.
    fn has_failed(&self) -> bool {
        self.word.load(Ordering::Relaxed) > 0
    }

    fn lock(&self) -> MutexGuard<'_, health::KeyHealth> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state.
    fn change<T>(&self, act: impl FnOnce(&mut health::KeyHealth, u64) -> T) -> T {
        let mut state = self.lock();
        let done = act(&mut state, self.clock.now_ms());
        self.word.store(2 * state.changes() + u64::from(!state.is_well()), Ordering::Release);
        done
    }

    /// Begins an attempt at `model`.
    ///
    /// # Errors
    /// When the target rests, or another attempt tries it just now.
    pub(crate) fn enter(self: &Arc<Self>, model: &ModelName) -> Result<Pass, Rest> {
        let ticket = match self.well() {
            Some(changes) => Ticket::free(changes),
            None => self.change(|state, now_ms| state.enter(model, now_ms))?,
        };
        Ok(self.pass(ticket, model))
    }

    /// Begins an attempt at `model` though it may rest, because no other target can serve.
    pub(crate) fn enter_all_the_same(self: &Arc<Self>, model: &ModelName) -> Pass {
        let ticket = match self.well() {
            Some(changes) => Ticket::free(changes),
            None => self.change(|state, now_ms| state.enter_all_the_same(model, now_ms)),
        };
        self.pass(ticket, model)
    }

    fn pass(self: &Arc<Self>, ticket: Ticket, model: &ModelName) -> Pass {
        Pass { of: Arc::clone(self), ticket, probes: ticket.is_probe().then(|| model.clone()) }
    }

    /// The rest for which an attempt at `model` would be refused now.
    pub(crate) fn rest(&self, model: &ModelName) -> Option<Rest> {
        if self.well().is_some() {
            return None;
        }
        self.lock().rest(model, self.clock.now_ms())
    }

    /// The provider has taken the stored key in a call that was no attempt.
    pub(crate) fn key_was_taken(&self) {
        if self.well().is_none() {
            self.change(|state, _| state.key_was_taken());
        }
    }

    /// A rest in words: until when, and after which failure.
    pub(crate) fn describe(&self, rest: Rest) -> String {
        let cause = match rest.cause {
            Fault::Key(_) | Fault::Forbidden => format!("{} for the stored key", rest.cause),
            other => format!("{} failures in a row, the last: {other}", health::FAILURES_IN_A_ROW),
        };
        if self.clock.now_ms() < rest.until_ms {
            format!("it rests until {} after {cause}", self.clock.time_of_day(rest.until_ms).rfc3339())
        } else {
            format!("it has rested after {cause}, and another request tries it")
        }
    }

    /// The standing of `model`.
    pub(crate) fn standing(&self, model: &ModelName) -> ShownStanding {
        let standing = self.lock().standing(model, self.clock.now_ms());
        self.shown(standing)
    }

    /// The targets that have failed, or rest with their key, by name.
    pub(crate) fn targets(&self) -> Vec<(ModelName, ShownStanding)> {
        let state = self.lock();
        let shown = |(name, standing): (&ModelName, Standing)| (name.clone(), self.shown(standing));
        let mut targets: Vec<_> = state.targets(self.clock.now_ms()).map(shown).collect();
        targets.sort_by(|(one, _), (other, _)| one.cmp(other));
        targets
    }

    fn shown(&self, standing: Standing) -> ShownStanding {
        ShownStanding {
            state: standing.state,
            until: standing.rest.map(|rest| self.clock.time_of_day(rest.until_ms)),
            cause: standing.rest.map(|rest| rest.cause.to_string()),
        }
    }

    fn tell(&self, opened: health::Opened, model: &ModelName) {
        self.clock.tell(TargetOpened {
            user_id: self.user,
            provider_key_id: self.id,
            provider: self.provider,
            model: model.clone(),
            every_model: opened.every_model,
            cause: opened.rest.cause.to_string(),
            until: self.clock.time_of_day(opened.rest.until_ms),
        });
    }
}

/// The right to one attempt at a target, and the place where its end is told. One that is dropped without an end says
/// nothing about the target: a probe gives its place to the next.
#[derive(Debug)]
pub(crate) struct Pass {
    of: Arc<KeyHealth>,
    ticket: Ticket,
    /// The model, while this is the probe of a target whose rest is over.
    probes: Option<ModelName>,
}

impl Pass {
    /// The first content of the answer has come. It closes the breaker of a target that was not well.
    pub(crate) fn began(&mut self, model: &ModelName) {
        if self.of.well().is_none() {
            self.ticket = self.of.change(|state, _| state.began(self.ticket, model));
            if !self.ticket.is_probe() {
                self.probes = None;
            }
        }
    }

    /// The target has served the attempt.
    pub(crate) fn served(self, model: &ModelName) {
        if self.of.well().is_none() {
            self.end(model, Outcome::Served);
        }
    }

    /// The attempt has failed. `None`: that says nothing about the target.
    pub(crate) fn failed(self, model: &ModelName, fault: Option<Fault>) {
        if let Some(fault) = fault {
            self.end(model, Outcome::Failed(fault));
        }
    }

    fn end(mut self, model: &ModelName, outcome: Outcome) {
        self.probes = None;
        let opened = self.of.change(|state, now_ms| state.ended(self.ticket, model, outcome, now_ms));
        if let Some(opened) = opened {
            self.of.tell(opened, model);
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if let Some(model) = self.probes.take() {
            self.of.change(|state, now_ms| state.ended(self.ticket, &model, Outcome::Neutral, now_ms));
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
