//! What the ledger records of a request, and the row it becomes: a pure sum over its attempts.
//!
//! Journals hold these as arrays of their fields, and may be read by a later version: new fields go to the end of their
//! type, each with a default, and none is skipped.

use serde::{Deserialize, Serialize};

use crate::fee::Fee;
use crate::plan::Route;
use crate::usage::{Reported, Usage, UsageSource};
use crate::{ApiKeyId, Dialect, NanoUsd, Provider, ProviderKeyId, RequestId, Tags, Timestamp, UserId};

pub mod bounds;

/// Written before anything is sent upstream: a request was admitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// The request.
    pub request_id: RequestId,
    /// When it arrived: the millisecond inside `request_id`.
    pub created_at: Timestamp,
    /// Whose it is.
    pub user_id: UserId,
    /// The API key it came with, if it was one.
    pub api_key_id: Option<ApiKeyId>,
    /// The alias, or `provider/model`, that was asked for.
    pub alias: String,
    /// The API the client spoke.
    pub dialect: Dialect,
    /// Did it ask for a stream?
    pub stream: bool,
    /// Why the first target was chosen, in words.
    pub route_reason: String,
    /// The targets planned, first to last.
    pub chain: Vec<PlannedStep>,
    /// The client's tags.
    pub tags: Tags,
    /// The program that asked, by its `User-Agent`: a word of [`crate::client::Client`].
    #[serde(default)]
    pub client: Option<String>,
    /// The session or conversation that the client says the request belongs to.
    #[serde(default)]
    pub session: Option<String>,
    /// The agent within the session that the client says it asks for.
    #[serde(default)]
    pub agent: Option<String>,
    /// The trace that the client says the request belongs to: 32 hexadecimal digits.
    #[serde(default)]
    pub trace_id: Option<String>,
}

/// One planned target, as the record keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedStep {
    /// The alias it comes from.
    pub alias: String,
    /// What kind of step.
    pub route: Route,
    /// Whose API.
    pub provider: Provider,
    /// The upstream model.
    pub model: String,
    /// Why, in words.
    pub reason: String,
}

/// Written before an attempt is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptStarted {
    /// The alias it serves.
    pub alias: String,
    /// What kind of step.
    pub route: Route,
    /// Whose API.
    pub provider: Provider,
    /// With which key.
    pub provider_key_id: ProviderKeyId,
    /// The upstream model asked for.
    pub model: String,
    /// When.
    pub started_at: Timestamp,
    /// What the target could not express, and what became of it.
    #[serde(default)]
    pub notes: Vec<Note>,
}

/// Something of a request that was not sent to a target as the client wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The parameter, as the client wrote it.
    pub param: String,
    /// What became of it.
    pub what: Change,
    /// Why, in words; empty where nothing more is to be said.
    pub why: String,
}

/// What became of a parameter that the target could not express.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It was left out.
    Dropped,
    /// It was sent as something near it.
    Changed,
}

/// Written when an attempt is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptEnded {
    /// The provider's HTTP status; `None` when none came.
    pub status: Option<u16>,
    /// What went wrong, in words without secrets; `None` when nothing did.
    pub error: Option<String>,
    /// From sending to the end.
    pub latency_ms: u64,
    /// Where the numbers come from.
    pub source: UsageSource,
    /// The numbers, with the provider's own object where there is one.
    pub usage: Reported,
    /// The model the provider says answered.
    pub served_model: Option<String>,
    /// What it cost; `None`: the price is unknown.
    pub cost: Option<NanoUsd>,
    /// What the target model would have cost for the same tokens less `cost`, where a light model stood in.
    pub saved: Option<NanoUsd>,
    /// The version of the price table that priced it.
    pub price_version: Option<String>,
    /// The target model a light model stood in for: without it `saved` could not be computed again.
    #[serde(default)]
    pub instead_of: Option<String>,
}

impl AttemptEnded {
    /// An attempt that billed nothing: never sent, or answered with an error status.
    pub fn unbilled(status: Option<u16>, error: impl Into<String>, latency_ms: u64) -> Self {
        Self {
            status,
            error: Some(error.into()),
            latency_ms,
            source: UsageSource::None,
            usage: Reported::default(),
            served_model: None,
            cost: Some(NanoUsd::ZERO),
            saved: None,
            instead_of: None,
            price_version: None,
        }
    }

    /// An attempt that was sent and never answered: nobody knows what it billed.
    pub fn unanswered(error: impl Into<String>, latency_ms: u64) -> Self {
        Self { source: UsageSource::Unknown, cost: None, ..Self::unbilled(None, error, latency_ms) }
    }
}

/// One attempt: what was sent and how it ended. `ended` is `None` when the process died in between.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// What was sent.
    pub started: AttemptStarted,
    /// How it ended.
    pub ended: Option<AttemptEnded>,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The client got a whole answer.
    Ok,
    /// The client got an error, or a stream that broke.
    Error,
    /// The client left.
    Cancelled,
    /// The process died while it ran.
    Interrupted,
}

impl Outcome {
    /// The word in the API and the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
        }
    }
}

/// Written before the client is given the end of the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// What the client got: 200 for a stream that broke later, 499 when it left, `None` when interrupted.
    pub status: Option<u16>,
    /// How it ended.
    pub outcome: Outcome,
    /// What went wrong, in words without secrets.
    pub error: Option<String>,
    /// From arrival to the end.
    pub latency_ms: u64,
    /// From arrival to the first content byte to the client, where there was one.
    pub first_token_ms: Option<u64>,
}

/// A request from its intent to its end: what the drain moves to the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settlement {
    /// What was admitted.
    pub intent: Intent,
    /// What was tried, in order.
    pub attempts: Vec<Attempt>,
    /// How it ended.
    pub settled: Settled,
}

/// How far a chain of the journal has been drained: written in the transaction of the rows it stands behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalCursor {
    /// The chain's name, unique among all instances and workers.
    pub journal: String,
    /// The segment the next record lies in.
    pub segment: u64,
    /// Bytes from that segment's beginning; at most `i64::MAX`.
    pub offset: u64,
}

/// The sums over a request's attempts that its row shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Totals {
    /// Tokens over all attempts.
    pub usage: Usage,
    /// The weakest source of its billed attempts.
    pub source: UsageSource,
    /// The sum of what is known; `None` where nothing is.
    pub cost: Option<NanoUsd>,
    /// What the light model saved.
    pub saved: NanoUsd,
    /// Did an attempt bill tokens or fees whose price is unknown?
    pub unpriced: bool,
    /// What was billed beside tokens, over all attempts.
    pub fees: Vec<Fee>,
}

impl Totals {
    /// The sums over `attempts`. An attempt that billed nothing counts 0; one that was sent and not answered makes the
    /// source unknown and adds nothing.
    pub fn of(attempts: &[Attempt]) -> Self {
        let mut totals = Self {
            usage: Usage::default(),
            source: UsageSource::None,
            cost: None,
            saved: NanoUsd::ZERO,
            unpriced: false,
            fees: Vec::new(),
        };
        for attempt in attempts {
            let Some(ended) = &attempt.ended else {
                totals.source = UsageSource::Unknown;
                continue;
            };
            if ended.source == UsageSource::None {
                continue;
            }
            totals.source = totals.source.max(ended.source);
            totals.usage = totals.usage.plus(&ended.usage.total());
            totals.saved = totals.saved.plus(ended.saved.unwrap_or_default());
            ended.usage.fees.iter().for_each(|fee| fee.add_to(&mut totals.fees));
            match ended.cost {
                Some(cost) => totals.cost = Some(totals.cost.unwrap_or_default().plus(cost)),
                None => totals.unpriced |= ended.source != UsageSource::Unknown,
            }
        }
        if totals.source == UsageSource::None {
            totals.cost = Some(NanoUsd::ZERO);
        }
        totals
    }
}

impl Settlement {
    /// The sums over its attempts.
    pub fn totals(&self) -> Totals {
        Totals::of(&self.attempts)
    }

    /// When it ended.
    pub fn settled_at(&self) -> Timestamp {
        self.intent.created_at.plus_millis(i64::try_from(self.settled.latency_ms).unwrap_or(i64::MAX))
    }

    /// The attempt the row is about: the last one, which served or failed last.
    pub fn last(&self) -> Option<&Attempt> {
        self.attempts.last()
    }
}

#[cfg(test)]
mod tests;
