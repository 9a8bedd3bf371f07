//! The column `details` of a request's row: JSON of the parts of its record that are only shown, so that a request is one
//! row of few columns.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tt_core::query::LogRow;
use tt_core::record::{Attempt, Note, PlannedStep, Settlement};

use crate::decode;
use crate::error::Result;
use crate::stored_attempts::{Attempts, as_json};

/// The column as it is written. Most requests have one target, which the row's other columns name; their chain is left out.
#[derive(Serialize)]
struct Written<'a> {
    reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    chain: Option<&'a [PlannedStep]>,
    attempts: Attempts<'a>,
    /// The usage object of each attempt as the provider sent it; `None` where it stands in the attempt. It is JSON itself, and
    /// would take more time as an escaped text than all else here together.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    raws: Vec<Option<&'a RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    notes: &'a [&'a Note],
}

/// The column as it is read.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "Read")]
pub(crate) struct Details {
    pub(crate) reason: String,
    chain: Option<Vec<PlannedStep>>,
    pub(crate) attempts: Vec<Attempt>,
    agent: Option<String>,
    trace_id: Option<String>,
    pub(crate) notes: Option<Vec<Note>>,
}

/// The column before the usage objects are put back into their attempts.
#[derive(Deserialize)]
struct Read {
    reason: String,
    chain: Option<Vec<PlannedStep>>,
    attempts: Vec<Attempt>,
    #[serde(default)]
    raws: Vec<Option<Box<RawValue>>>,
    agent: Option<String>,
    trace_id: Option<String>,
    notes: Option<Vec<Note>>,
}

impl From<Read> for Details {
    fn from(read: Read) -> Self {
        let Read { reason, chain, mut attempts, raws, agent, trace_id, notes } = read;
        for (attempt, raw) in attempts.iter_mut().zip(raws) {
            if let (Some(ended), Some(raw)) = (&mut attempt.ended, raw) {
                ended.usage.raw = Box::<str>::from(raw).into();
            }
        }
        Self { reason, chain, attempts, agent, trace_id, notes }
    }
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
    decode::json(&Written {
        reason: &intent.route_reason,
        chain: (!is_in_columns(settlement)).then_some(&intent.chain),
        attempts: Attempts(&settlement.attempts),
        raws: raws(&settlement.attempts),
        agent: intent.agent.as_deref(),
        trace_id: intent.trace_id.as_deref(),
        notes: &notes(&settlement.attempts),
    })
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

/// The usage objects of the attempts; empty where there is none.
fn raws(attempts: &[Attempt]) -> Vec<Option<&RawValue>> {
    let raws: Vec<_> = attempts.iter().map(|attempt| as_json(&attempt.ended.as_ref()?.usage.raw)).collect();
    if raws.iter().any(Option::is_some) { raws } else { Vec::new() }
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
        decode::json(&Written {
            reason: &self.reason,
            chain: self.chain.as_deref(),
            attempts: Attempts(&self.attempts),
            raws: raws(&self.attempts),
            agent: self.agent.as_deref(),
            trace_id: self.trace_id.as_deref(),
            notes: &self.notes.iter().flatten().collect::<Vec<_>>(),
        })
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

#[cfg(test)]
mod tests {
    use tt_core::plan::Route;
    use tt_core::record::{AttemptEnded, AttemptStarted};
    use tt_core::{Provider, ProviderKeyId, Timestamp};

    use super::*;

    fn attempt(raw: &str) -> Attempt {
        let started = AttemptStarted {
            alias: "prod".to_owned(),
            route: Route::Primary,
            provider: Provider::OpenAi,
            provider_key_id: ProviderKeyId(1),
            model: "gpt".to_owned(),
            started_at: Timestamp::from_millis(0),
            notes: Vec::new(),
            held: None,
        };
        let mut ended = AttemptEnded::unanswered("", 1);
        ended.usage.raw = raw.to_owned();
        Attempt { started, ended: Some(ended) }
    }

    #[test]
    fn usage_objects_are_kept_to_the_byte_and_not_escaped() {
        let open = Attempt { ended: None, ..attempt("") };
        let raws = [r#"{ "a":1.50,"a":"\u00e9" }"#, "", r#"{"cut":"#, " {}", "é"];
        let attempts: Vec<Attempt> = raws.into_iter().map(attempt).chain([open]).collect();
        let details =
            Details { reason: "r".to_owned(), chain: None, attempts, agent: None, trace_id: None, notes: None };
        let text = details.json().unwrap();
        assert!(text.contains(raws[0]), "{text}");
        assert_eq!(decode::from_json::<Details>(&text).unwrap(), details);
    }

    #[test]
    fn a_column_of_before_is_read_and_one_without_usage_has_no_list_of_them() {
        let before = r#"{"reason":"r","attempts":[{"started":{"alias":"prod","route":"primary","provider":"openai",
            "provider_key_id":1,"model":"gpt","started_at":"1970-01-01T00:00:00.000Z"},"ended":{"latency_ms":1,
            "source":"unknown","error":"","usage":{"usage":{},"raw":"{\"a\":1}"}}}]}"#;
        let read: Details = decode::from_json(before).unwrap();
        assert_eq!(read.attempts, [attempt(r#"{"a":1}"#)]);
        let text = Details { attempts: vec![attempt("")], ..read }.json().unwrap();
        assert!(!text.contains("raws"), "{text}");
    }
}
