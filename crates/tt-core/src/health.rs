//! The health of targets: which models of a provider key have failed so often that they rest, and when they are tried again.
//!
//! A target is a model of a provider key. The key has a breaker, and so has each of its models. A 401 or 402 concerns the
//! key and its account, so it opens the key's breaker, and every model of the key rests. A 403 may concern one model alone,
//! and so may time-outs, 429s, 5xx and broken connections: they open the breaker of their model. A target rests while
//! either breaker is open.
//!
//! The outcome of an attempt counts only for the state in which the attempt began: what was sent before a breaker opened or
//! closed says nothing about the state after that. A [`Ticket`] holds the moment, as a number of changes.
//!
//! Times are milliseconds of a clock that only goes forward.

use crate::ModelName;

mod breaker;
mod target;

pub use breaker::{BASE_REST_MS, FAILURES_IN_A_ROW, LONGEST_ASKED_MS, LONGEST_REST_MS, OLD_MS};

pub use target::{Fault, Rest, Standing, TargetSample, TargetState};

use breaker::{Breaker, Entry};

/// The most models of one key whose health is kept. When there are more, one that is well is forgotten; where none is, the
/// new one is not kept.
pub const MOST_MODELS: usize = 16;

/// The end of an attempt, as far as it says something about its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The target served.
    Served,
    /// The target failed.
    Failed(Fault),
    /// Nothing can be told: the caller's own error, the client's leaving, an answer that cannot be read.
    Neutral,
}

/// The right to one attempt. It is used up by [`KeyHealth::ended`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    /// The number of changes when the attempt began.
    at: u64,
    probes_key: bool,
    probes_model: bool,
}

impl Ticket {
    /// The ticket of an attempt at a target that is well after `changes` changes.
    pub const fn free(changes: u64) -> Self {
        Self { at: changes, probes_key: false, probes_model: false }
    }

    /// True if the attempt is the one that may try a target whose rest is over. Others wait for its end.
    pub const fn is_probe(self) -> bool {
        self.probes_key || self.probes_model
    }
}

/// A breaker has opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    /// The rest that has begun.
    pub rest: Rest,
    /// True if every model of the key rests.
    pub every_model: bool,
}

/// The health of one provider key and of the models that have failed with it.
#[derive(Debug, Clone, Default)]
pub struct KeyHealth {
    key: Breaker,
    models: Vec<(ModelName, Breaker)>,
    /// The number of times that one of the breakers has opened or closed.
    changes: u64,
}

impl KeyHealth {
    /// The number of times that one of the breakers has opened or closed.
    pub const fn changes(&self) -> u64 {
        self.changes
    }

    /// True if no target has failed since it last served: every attempt may begin with [`Ticket::free`], and one that is
    /// served changes nothing.
    pub fn is_well(&self) -> bool {
        self.key.is_well() && self.models.iter().all(|(_, breaker)| breaker.is_well())
    }

    /// The rest for which an attempt at `model` would be refused now; `None`: it may begin.
    pub fn rest(&self, model: &ModelName, now_ms: u64) -> Option<Rest> {
        self.key.rest(now_ms).or_else(|| self.find(model)?.rest(now_ms))
    }

    /// Begins an attempt at `model`.
    ///
    /// # Errors
    /// When the target rests, or another attempt tries it just now.
    pub fn enter(&mut self, model: &ModelName, now_ms: u64) -> Result<Ticket, Rest> {
        let probes_key = match self.key.enter(now_ms, &mut self.changes) {
            Entry::Free => false,
            Entry::Probe => true,
            Entry::Rests(rest) => {
                // So that the list of targets has those that rest with their key.
                let _kept = self.find_or_keep(model);
                return Err(rest);
            }
        };
        let place = self.models.iter_mut().find(|(name, _)| name == model);
        let probes_model = match place.map(|(_, breaker)| breaker.enter(now_ms, &mut self.changes)) {
            None | Some(Entry::Free) => false,
            Some(Entry::Probe) => true,
            Some(Entry::Rests(rest)) => {
                if probes_key {
                    self.key.given_back(self.changes);
                }
                return Err(rest);
            }
        };
        Ok(Ticket { at: self.changes, probes_key, probes_model })
    }

    /// Begins an attempt at `model` though it may rest, because no other target can serve.
    pub fn enter_all_the_same(&mut self, model: &ModelName, now_ms: u64) -> Ticket {
        self.enter(model, now_ms).unwrap_or(Ticket::free(self.changes))
    }

    /// Notes the first content of an answer of `model`. A breaker that is open closes: nobody needs to wait for the end of
    /// a long answer. Returns the ticket for the rest of the attempt.
    pub fn began(&mut self, ticket: Ticket, model: &ModelName) -> Ticket {
        let before = self.changes;
        let changes = &mut self.changes;
        self.key.began(ticket.at, changes);
        if let Some((_, breaker)) = self.models.iter_mut().find(|(name, _)| name == model) {
            breaker.began(ticket.at, changes);
        }
        if self.changes == before { ticket } else { Ticket::free(self.changes) }
    }

    /// Ends an attempt at `model`. Returns the rest that begins with it.
    pub fn ended(&mut self, ticket: Ticket, model: &ModelName, outcome: Outcome, now_ms: u64) -> Option<Opened> {
        let Ticket { at, probes_key, probes_model } = ticket;
        let opened = match outcome {
            Outcome::Served => {
                self.key.served(at, &mut self.changes);
                let changes = &mut self.changes;
                if let Some((_, breaker)) = self.models.iter_mut().find(|(name, _)| name == model) {
                    breaker.served(at, changes);
                }
                return None;
            }
            Outcome::Failed(fault @ Fault::Key(_)) => {
                let _kept = self.find_or_keep(model);
                let rest = self.key.failed((at, probes_key), fault, now_ms, &mut self.changes);
                rest.map(|rest| Opened { rest, every_model: true })
            }
            Outcome::Failed(fault) => {
                let mut changes = self.changes;
                let breaker = self.find_or_keep(model);
                let rest = breaker.and_then(|b| b.failed((at, probes_model), fault, now_ms, &mut changes));
                self.changes = changes;
                rest.map(|rest| Opened { rest, every_model: false })
            }
            Outcome::Neutral => None,
        };
        // A probe that has said nothing about a breaker gives its place to the next.
        if probes_key {
            self.key.given_back(at);
        }
        if probes_model && let Some((_, breaker)) = self.models.iter_mut().find(|(name, _)| name == model) {
            breaker.given_back(at);
        }
        opened
    }

    /// The provider has taken the stored key in a call that was no attempt: the key's breaker closes. Those of its models stay
    /// as they are.
    pub fn key_was_taken(&mut self) {
        let at = self.changes;
        self.key.served(at, &mut self.changes);
    }

    /// The targets that have failed, or rest with their key.
    pub fn targets(&self, now_ms: u64) -> impl Iterator<Item = (&ModelName, Standing)> {
        self.models.iter().map(move |(name, breaker)| {
            let (key, model) = (self.key.standing(now_ms), breaker.standing(now_ms));
            (name, if key.state == TargetState::Closed { model } else { key })
        })
    }

    /// The standing of `model`.
    pub fn standing(&self, model: &ModelName, now_ms: u64) -> Standing {
        let key = self.key.standing(now_ms);
        match self.find(model) {
            Some(breaker) if key.state == TargetState::Closed => breaker.standing(now_ms),
            _ => key,
        }
    }

    fn find(&self, model: &ModelName) -> Option<&Breaker> {
        self.models.iter().find(|(name, _)| name == model).map(|(_, breaker)| breaker)
    }

    /// The breaker of `model`, which is made if there is room for it.
    fn find_or_keep(&mut self, model: &ModelName) -> Option<&mut Breaker> {
        let place = match self.models.iter().position(|(name, _)| name == model) {
            Some(place) => place,
            None if self.models.len() < MOST_MODELS => {
                self.models.push((model.clone(), Breaker::default()));
                self.models.len() - 1
            }
            None => {
                let place = self.models.iter().position(|(_, breaker)| breaker.is_well())?;
                *self.models.get_mut(place)? = (model.clone(), Breaker::default());
                place
            }
        };
        self.models.get_mut(place).map(|(_, breaker)| breaker)
    }
}

#[cfg(test)]
mod tests;
