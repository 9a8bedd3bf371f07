//! The column `details` of a request's row: JSON of the parts of its record that are only shown, so that a request is one
//! row of few columns.

use serde::Deserialize;
use tt_core::query::LogRow;
use tt_core::record::{Attempt, Note, PlannedStep, Settlement};

use crate::error::Result;
use crate::{json, stored_attempts};

/// The column as it is written. Most requests have one target, which the row's other columns name; their chain is left out.
struct Written<'a> {
    reason: &'a str,
    chain: Option<&'a [PlannedStep]>,
    attempts: &'a [Attempt],
    agent: Option<&'a str>,
    trace_id: Option<&'a str>,
    notes: &'a [&'a Note],
}

impl Written<'_> {
    fn json(&self) -> Result<String> {
        json::object(|to| {
            to.value("reason", self.reason)?;
            if let Some(chain) = self.chain {
                to.value("chain", &chain)?;
            }
            to.objects("attempts", self.attempts, stored_attempts::write)?;
            to.maybe("agent", self.agent)?;
            to.maybe("trace_id", self.trace_id)?;
            to.values("notes", self.notes)
        })
    }
}

/// The column as it is read.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Details {
    pub(crate) reason: String,
    chain: Option<Vec<PlannedStep>>,
    pub(crate) attempts: Vec<Attempt>,
    agent: Option<String>,
    trace_id: Option<String>,
    pub(crate) notes: Option<Vec<Note>>,
}

/// The part of the column that a list of requests shows.
#[derive(Debug, Deserialize)]
pub(crate) struct Shown {
    pub(crate) agent: Option<String>,
    pub(crate) trace_id: Option<String>,
}

/// The column of a request.
pub(crate) fn json_of(settlement: &Settlement) -> Result<String> {
    let intent = &settlement.intent;
    let written = Written {
        reason: &intent.route_reason,
        chain: (!is_in_columns(settlement)).then_some(&intent.chain),
        attempts: &settlement.attempts,
        agent: intent.agent.as_deref(),
        trace_id: intent.trace_id.as_deref(),
        notes: &notes(&settlement.attempts),
    };
    written.json()
}

/// True if the chain is the one step that [`Details::chain_of`] makes of the columns.
fn is_in_columns(settlement: &Settlement) -> bool {
    let intent = &settlement.intent;
    let ([step], Some(last)) = (&intent.chain[..], settlement.last()) else { return false };
    let last = &last.started;
    step.alias == intent.alias
        && step.reason == intent.route_reason
        && (step.route, step.provider, &step.model) == (last.route, last.provider, &last.model)
}

/// The notes of all attempts, each listed once: a second attempt at the same target has the same notes again.
fn notes(attempts: &[Attempt]) -> Vec<&Note> {
    let mut notes: Vec<&Note> = Vec::new();
    for note in attempts.iter().flat_map(|attempt| &attempt.started.notes) {
        if !notes.contains(&note) {
            notes.push(note);
        }
    }
    notes
}

impl Details {
    /// The column again, after the attempts have changed.
    pub(crate) fn json(&self) -> Result<String> {
        let written = Written {
            reason: &self.reason,
            chain: self.chain.as_deref(),
            attempts: &self.attempts,
            agent: self.agent.as_deref(),
            trace_id: self.trace_id.as_deref(),
            notes: &self.notes.iter().flatten().collect::<Vec<_>>(),
        };
        written.json()
    }

    /// The targets planned for the request whose other columns are `row`.
    pub(crate) fn chain_of(&self, row: &LogRow) -> Vec<PlannedStep> {
        let of_columns = || {
            let (route, provider, model) = (row.route?, row.provider?, row.model.clone()?);
            Some(PlannedStep { alias: row.alias.clone(), route, provider, model, reason: self.reason.clone() })
        };
        self.chain.clone().unwrap_or_else(|| of_columns().into_iter().collect())
    }
}
