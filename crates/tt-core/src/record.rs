//! The record of a request in the ledger, and the sums over its attempts that its row shows.
//!
//! The journal holds these types as arrays of their fields, and a later version may read them. So new fields go to the
//! end of their type, each with a default, and no field is skipped.

use serde::{Deserialize, Serialize};

use crate::cost::CostByClass;
use crate::fee::Fee;
use crate::plan::Route;
use crate::trace::ParentSpan;
use crate::usage::{Reported, Usage, UsageSource};
use crate::{ApiKeyId, Dialect, NanoUsd, Provider, ProviderKeyId, RequestId, Tags, Timestamp, UserId};

pub mod bounds;

/// Written before anything is sent upstream: a request was admitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// The id of the request.
    pub request_id: RequestId,
    /// The arrival of the request: the millisecond inside `request_id`.
    pub created_at: Timestamp,
    /// The user who sent the request.
    pub user_id: UserId,
    /// The API key that the request came with; `None` for a session.
    pub api_key_id: Option<ApiKeyId>,
    /// The alias, or the `provider/model`, that the client asked for.
    pub alias: String,
    /// The dialect that the client spoke.
    pub dialect: Dialect,
    /// True if the client asked for a stream.
    pub stream: bool,
    /// The reason why the first target was chosen, in words.
    pub route_reason: String,
    /// The targets planned, first to last.
    pub chain: Vec<PlannedStep>,
    /// The tags that the client gave the request.
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
    /// The span within that trace that sent the request.
    #[serde(default)]
    pub parent_span: Option<ParentSpan>,
    /// The kind of answer that the request asks for.
    #[serde(default)]
    pub operation: Operation,
}

/// The kind of answer that a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// A reply of a model. Records of earlier versions say so of every request.
    #[default]
    Chat,
    /// Embeddings of texts.
    Embeddings,
    /// A count of tokens, which is free.
    CountTokens,
}

/// One planned target, as the record keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PlannedStep {
    /// The alias it comes from.
    pub alias: String,
    /// The kind of the step.
    pub route: Route,
    /// The provider to call.
    pub provider: Provider,
    /// The upstream model.
    pub model: String,
    /// The reason for the step, in words.
    pub reason: String,
}

/// Written before an attempt is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptStarted {
    /// The alias that the attempt serves.
    pub alias: String,
    /// The kind of the step that led to the attempt.
    pub route: Route,
    /// The provider called.
    pub provider: Provider,
    /// The provider key used.
    pub provider_key_id: ProviderKeyId,
    /// The upstream model asked for.
    pub model: String,
    /// The moment the attempt was sent.
    pub started_at: Timestamp,
    /// The parts of the request that the target cannot express, each with what was done about it.
    #[serde(default)]
    pub notes: Vec<Note>,
    /// The money that the caller's budgets hold for the attempt, which is the most that it can cost. `None` for a
    /// caller without a budget.
    #[serde(default)]
    pub held: Option<NanoUsd>,
}

/// A part of a request that was not sent to a target as the client wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Note {
    /// The parameter, as the client wrote it.
    pub param: String,
    /// The treatment: left out, or changed.
    pub what: Change,
    /// The reason, in words; empty where there is nothing more to say.
    pub why: String,
}

/// The treatment of a parameter that the target cannot express.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// The parameter was left out.
    Dropped,
    /// The parameter was sent in another form that comes near to it.
    Changed,
}

/// Written when an attempt is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptEnded {
    /// The HTTP status of the provider's answer; `None` when there was no answer.
    pub status: Option<u16>,
    /// The error, in words without secrets; `None` for an attempt without one.
    pub error: Option<String>,
    /// Milliseconds from sending the request to the end of the answer.
    pub latency_ms: u64,
    /// The origin of the numbers in `usage`.
    pub source: UsageSource,
    /// The usage, with the provider's own usage object where it sent one.
    pub usage: Reported,
    /// The model that the provider says answered.
    pub served_model: Option<String>,
    /// The cost of the attempt; `None` when the price is unknown.
    pub cost: Option<NanoUsd>,
    /// The money that a light model saved: the cost of the same tokens on the target model, less `cost`. `None` where
    /// no light model stood in, or a price is unknown.
    pub saved: Option<NanoUsd>,
    /// The version of the price table that `cost` was computed with.
    pub price_version: Option<String>,
    /// The target model that a light model stood in for. Without it `saved` could not be computed again.
    #[serde(default)]
    pub instead_of: Option<String>,
    /// The parts of `cost` by class, which add up to it. `None` where the cost is not known, and in records of earlier
    /// versions.
    #[serde(default)]
    pub cost_by_class: Option<CostByClass>,
}

impl AttemptEnded {
    /// The end of an attempt that billed nothing: it was never sent, or was answered with an error status.
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
            cost_by_class: None,
        }
    }

    /// The end of an attempt that was sent and not answered, so that its usage is unknown.
    pub fn unanswered(error: impl Into<String>, latency_ms: u64) -> Self {
        Self { source: UsageSource::Unknown, cost: None, ..Self::unbilled(None, error, latency_ms) }
    }
}

/// One attempt: its start and its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The start, recorded before the attempt was sent.
    pub started: AttemptStarted,
    /// The end; `None` when the process died before it.
    pub ended: Option<AttemptEnded>,
}

impl Attempt {
    /// The amount that the attempt takes from budgets: its cost, or, where that is not known, what was held for it. So
    /// an attempt that was sent and not answered is not free to its caller, although its cost stays unknown.
    pub fn charged(&self) -> NanoUsd {
        let cost = self.ended.as_ref().and_then(|ended| ended.cost);
        cost.or(self.started.held).unwrap_or_default()
    }
}

/// The end of a request, as the client saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The client got a whole answer.
    Ok,
    /// The client got an error, or a stream that broke.
    Error,
    /// The client closed the connection before the end of the answer.
    Cancelled,
    /// The process died while the request ran.
    Interrupted,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 4] = [Self::Ok, Self::Error, Self::Cancelled, Self::Interrupted];

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
    /// The status that the client got: 200 also for a stream that broke later, 499 when the client left, `None` when
    /// the request was interrupted.
    pub status: Option<u16>,
    /// The end that the client saw.
    pub outcome: Outcome,
    /// The error, in words without secrets; `None` for a request without one.
    pub error: Option<String>,
    /// Milliseconds from the arrival of the request to its end.
    pub latency_ms: u64,
    /// Milliseconds from the arrival to the first content byte for the client; `None` when there was none.
    pub first_token_ms: Option<u64>,
}

/// A whole request, from its intent to its end. The drain moves it to the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settlement {
    /// The request as it was admitted.
    pub intent: Intent,
    /// The attempts, in order.
    pub attempts: Vec<Attempt>,
    /// The end of the request.
    pub settled: Settled,
}

/// The position up to which a journal has been drained. The store writes it in the same transaction as the rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalCursor {
    /// The name of the journal, unique among all instances and workers.
    pub journal: String,
    /// The number of the segment that holds the next record.
    pub segment: u64,
    /// The offset of the next record in that segment, in bytes; at most `i64::MAX`.
    pub offset: u64,
}

/// The sums over a request's attempts that its row shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Totals {
    /// The tokens of all attempts.
    pub usage: Usage,
    /// The weakest source among the billed attempts.
    pub source: UsageSource,
    /// The sum of the known costs; `None` where none is known.
    pub cost: Option<NanoUsd>,
    /// The parts of `cost` by class, as far as they are known: the sum of the parts may be less than the cost.
    pub by_class: CostByClass,
    /// The amount that the request takes from budgets: [`Attempt::charged`] of all attempts.
    pub charged: NanoUsd,
    /// The sum of the money that light models saved.
    pub saved: NanoUsd,
    /// True if an attempt billed tokens or fees whose price is unknown.
    pub unpriced: bool,
    /// The fees billed beside tokens, over all attempts.
    pub fees: Vec<Fee>,
}

impl Totals {
    /// The sums over `attempts`. An attempt that billed nothing counts 0; one that was sent and not answered makes the
    /// source unknown and adds nothing but its charge.
    pub fn of(attempts: &[Attempt]) -> Self {
        let mut totals = Self {
            usage: Usage::default(),
            source: UsageSource::None,
            cost: None,
            by_class: CostByClass::default(),
            charged: NanoUsd::ZERO,
            saved: NanoUsd::ZERO,
            unpriced: false,
            fees: Vec::new(),
        };
        for attempt in attempts {
            totals.charged = totals.charged.plus(attempt.charged());
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
                Some(cost) => {
                    totals.cost = Some(totals.cost.unwrap_or_default().plus(cost));
                    totals.by_class = totals.by_class.plus(&ended.cost_by_class.unwrap_or_default());
                }
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
    /// The sums over the attempts of this request.
    pub fn totals(&self) -> Totals {
        Totals::of(&self.attempts)
    }

    /// The moment the request ended.
    pub fn settled_at(&self) -> Timestamp {
        self.intent.created_at.plus_millis(i64::try_from(self.settled.latency_ms).unwrap_or(i64::MAX))
    }

    /// The last attempt, which served the request or was the last to fail. The request's row is about it.
    pub fn last(&self) -> Option<&Attempt> {
        self.attempts.last()
    }
}

#[cfg(test)]
mod tests;
