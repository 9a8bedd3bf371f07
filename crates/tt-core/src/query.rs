//! The questions that `/manage/usage` and `/manage/logs` can be asked, and their answers, before any SQL or JSON.

use crate::cost::CostByClass;
use crate::fee::Fee;
use crate::filters::Filters;
use crate::plan::Route;
use crate::record::Outcome;
use crate::usage::{Usage, UsageSource};
use crate::{ApiKeyId, Dialect, Invalid, NanoUsd, Provider, RequestId, Tags, Timestamp, UserId, Zone};

/// A dimension usage can be grouped by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum GroupBy {
    /// The provider of the last attempt.
    Provider,
    /// The alias that was asked for.
    Alias,
    /// The upstream model of the last attempt.
    Model,
    /// The API key of the request.
    ApiKey,
    /// The day in which the request arrived, in the time zone of the question.
    Day,
    /// The hour in which the request arrived, in UTC.
    Hour,
    /// The HTTP status that the client got.
    Status,
    /// `primary`, `light` or `fallback`.
    Route,
    /// The dialect that the client spoke.
    Dialect,
    /// The program that asked.
    Client,
    /// The session that the client says the request belongs to.
    Session,
    /// The value of a tag.
    Tag(String),
}

impl std::str::FromStr for GroupBy {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "provider" => Self::Provider,
            "alias" => Self::Alias,
            "model" => Self::Model,
            "api_key" => Self::ApiKey,
            "day" => Self::Day,
            "hour" => Self::Hour,
            "status" => Self::Status,
            "route" => Self::Route,
            "dialect" => Self::Dialect,
            "client" => Self::Client,
            "session" => Self::Session,
            tag => match tag.strip_prefix("tag:") {
                Some(name) if (1..=64).contains(&name.chars().count()) && !name.chars().any(char::is_control) => {
                    Self::Tag(name.to_owned())
                }
                _ => {
                    return Err(Invalid::new(
                        "group_by",
                        "must be a list of provider, alias, model, api_key, day, hour, status, route, dialect, client, session \
                         and tag:NAME",
                    ));
                }
            },
        })
    }
}

impl GroupBy {
    /// The field's name in the answer: `provider`, `alias`, …, `tag:NAME`.
    pub fn field(&self) -> String {
        match self {
            Self::Provider => "provider".into(),
            Self::Alias => "alias".into(),
            Self::Model => "model".into(),
            Self::ApiKey => "api_key".into(),
            Self::Day => "day".into(),
            Self::Hour => "hour".into(),
            Self::Status => "status".into(),
            Self::Route => "route".into(),
            Self::Dialect => "dialect".into(),
            Self::Client => "client".into(),
            Self::Session => "session".into(),
            Self::Tag(name) => format!("tag:{name}"),
        }
    }
}

/// A question for sums. Both ends of the range are exact to the millisecond.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageQuery {
    /// The first moment that counts.
    pub from: Timestamp,
    /// The moment at which counting ends; it does not count.
    pub to: Timestamp,
    /// The dimensions, in the order asked, each once; at most [`UsageQuery::MOST_TAGS`] tags.
    pub group_by: Vec<GroupBy>,
    /// The zone of [`GroupBy::Day`].
    pub zone: Zone,
    /// Only requests that pass these.
    pub filters: Filters,
    /// The rows of the log before this moment may be gone; `None`: all are kept.
    pub rows_since: Option<Timestamp>,
}

impl UsageQuery {
    /// The most tags in `group_by`.
    pub const MOST_TAGS: usize = 3;

    /// A question for all requests of a range, with days in UTC, to a log that keeps all rows.
    pub fn new(from: Timestamp, to: Timestamp, group_by: Vec<GroupBy>) -> Self {
        Self { from, to, group_by, zone: Zone::utc(), filters: Filters::default(), rows_since: None }
    }

    /// The names of the tags in `group_by`, in order.
    pub fn tags(&self) -> impl Iterator<Item = &str> {
        self.group_by.iter().filter_map(|by| match by {
            GroupBy::Tag(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// True if the answer is computed from the rows of the log: the hourly sums know no session, no outcome, and of the
    /// tags of a request one at a time.
    pub fn needs_rows(&self) -> bool {
        let filtered = self.filters.tag.as_ref().map(|tag| tag.name.as_str());
        let mut names = self.tags().chain(filtered);
        let first = names.next();
        self.group_by.contains(&GroupBy::Session) || self.filters.needs_rows() || names.any(|name| Some(name) != first)
    }
}

/// One group of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageGroup {
    /// The group's values, in the order of `group_by`; `None` for a dimension a request had no value in.
    pub key: Vec<Option<String>>,
    /// The sums over the requests of the group.
    pub sums: UsageSums,
}

/// Sums over requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UsageSums {
    /// The number of requests that were admitted.
    pub requests: u64,
    /// All input tokens, caches included.
    pub input_tokens: u64,
    /// The part read from a cache.
    pub cached_input_tokens: u64,
    /// The part written to a cache.
    pub cache_write_tokens: u64,
    /// Output tokens, reasoning included.
    pub output_tokens: u64,
    /// The part that is reasoning.
    pub reasoning_tokens: u64,
    /// The sum of the known costs.
    pub cost: NanoUsd,
    /// The number of requests whose cost is not known, or not in full: `cost` leaves something of them out.
    pub unpriced: u64,
    /// The money that light models saved.
    pub saved: NanoUsd,
    /// The number of requests with outcome `error`.
    pub errors: u64,
    /// The number of requests with outcome `cancelled`.
    pub cancelled: u64,
    /// The parts of `cost` by class, as far as they are known. The rest of `cost` was recorded by versions that kept no
    /// parts.
    pub by_class: CostByClass,
    /// The number of requests that `details` covers. It is less than `requests` where sums are older than those, and
    /// the rows they were made of are gone.
    pub detailed: u64,
    /// Sums that versions before did not keep.
    pub details: UsageDetails,
}

/// Sums over requests that are known from some version on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UsageDetails {
    /// The number of requests whose tokens were counted here, since the provider sent no usage.
    pub estimated: u64,
    /// The number of requests whose tokens were counted here as far as their stream came.
    pub partial: u64,
    /// The number of requests that were sent and whose usage is not known.
    pub unknown: u64,
    /// The number of requests of whose cost nothing is known.
    pub costless: u64,
    /// The number of requests whose process died while they ran.
    pub interrupted: u64,
    /// The sum of the milliseconds from the arrival of a request to its end.
    pub latency_ms: u64,
    /// The sum of the milliseconds from the arrival of a request to the first content byte for the client.
    pub first_token_ms: u64,
    /// The number of requests that had a first content byte.
    pub first_tokens: u64,
}

impl UsageSums {
    /// The sums that some versions did not keep; `None` where they do not cover every request.
    pub fn whole_details(&self) -> Option<UsageDetails> {
        (self.detailed == self.requests).then_some(self.details)
    }

    /// The part of the cost that is of no known class.
    pub fn unclassified(&self) -> NanoUsd {
        self.cost.minus(self.by_class.total())
    }

    /// The sum of the known costs; `None` where requests have a cost and none of it is known.
    pub fn known_cost(&self) -> Option<NanoUsd> {
        let nothing_known = self.cost == NanoUsd::ZERO && self.unpriced > 0 && self.unpriced >= self.requests;
        (!nothing_known).then_some(self.cost)
    }
}

/// A tag that requests had, and its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagSeen {
    /// The name of the tag.
    pub name: String,
    /// Values, in the order of their code points; at most some hundreds.
    pub values: Vec<String>,
}

/// A question for rows of the request log, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogQuery {
    /// The largest number of rows to return.
    pub limit: u32,
    /// Only rows older than this one (its `created_at` and id).
    pub before: Option<(Timestamp, RequestId)>,
    /// Only rows that pass these.
    pub filters: Filters,
    /// Only rows of requests that arrived at this moment or later.
    pub from: Option<Timestamp>,
    /// Only rows of requests that arrived before this moment.
    pub to: Option<Timestamp>,
}

/// A row of the request log, read back from the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRow {
    /// The id of the request.
    pub request_id: RequestId,
    /// The arrival of the request.
    pub created_at: Timestamp,
    /// The alias, or the `provider/model`, that the client asked for.
    pub alias: String,
    /// The route of the last attempt; `None` when nothing was tried.
    pub route: Option<Route>,
    /// The provider of the last attempt.
    pub provider: Option<Provider>,
    /// The upstream model of the last attempt.
    pub model: Option<String>,
    /// The API key that the request came with; `None` for a session.
    pub api_key_id: Option<ApiKeyId>,
    /// True if the client asked for a stream.
    pub stream: bool,
    /// The HTTP status that the client got; `None` when the request was interrupted.
    pub status: Option<u16>,
    /// The end that the client saw.
    pub outcome: Outcome,
    /// The dialect that the client spoke.
    pub dialect: Dialect,
    /// The program that asked, by its `User-Agent`: a word of [`crate::client::Client`].
    pub client: Option<String>,
    /// The session that the client says the request belongs to.
    pub session: Option<String>,
    /// The agent within the session that the client says it asks for.
    pub agent: Option<String>,
    /// The trace that the client says the request belongs to.
    pub trace_id: Option<String>,
    /// Tokens over all attempts.
    pub usage: Usage,
    /// The fees billed beside tokens, over all attempts.
    pub fees: Vec<Fee>,
    /// The origin of the numbers in `usage`.
    pub source: UsageSource,
    /// The sum of the known costs; `None` where none is known.
    pub cost: Option<NanoUsd>,
    /// The money that the light model saved.
    pub saved: NanoUsd,
    /// Milliseconds from the arrival of the request to its end.
    pub latency_ms: u64,
    /// Milliseconds from the arrival to the first content byte for the client.
    pub first_token_ms: Option<u64>,
    /// The number of attempts.
    pub attempts: u32,
    /// The error, in words without secrets; `None` for a request without one.
    pub error: Option<String>,
    /// The tags that the client gave the request.
    pub tags: Tags,
}

/// A question for the rows with gaps: those whose numbers leave something out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GapQuery {
    /// Only rows that pass these.
    pub filters: Filters,
    /// Only rows of requests that arrived at this moment or later.
    pub from: Option<Timestamp>,
    /// Only rows of requests that arrived before this moment.
    pub to: Option<Timestamp>,
    /// The largest number of rows of each kind; the newest are returned.
    pub limit: u32,
}

/// Rows whose numbers leave something out, by the kind of gap, each list newest first. A row may be in several.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Gaps {
    /// Requests whose process died while they ran.
    pub interrupted: Vec<Gap>,
    /// Requests with an attempt that was sent and whose usage is not known.
    pub unknown_usage: Vec<Gap>,
    /// Requests with known tokens whose price is not known.
    pub unpriced: Vec<Gap>,
}

/// A request with a gap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The id of the request.
    pub request_id: RequestId,
    /// The arrival of the request.
    pub created_at: Timestamp,
    /// The alias, or the `provider/model`, that the client asked for.
    pub alias: String,
    /// The provider of the last attempt; `None` when nothing was tried.
    pub provider: Option<Provider>,
    /// The upstream model of the last attempt.
    pub model: Option<String>,
    /// The API key that the request came with; `None` for a session.
    pub api_key_id: Option<ApiKeyId>,
    /// The HTTP status that the client got; `None` when the request was interrupted.
    pub status: Option<u16>,
    /// The end that the client saw.
    pub outcome: Outcome,
    /// The origin of the request's token counts.
    pub source: UsageSource,
    /// The sum of the known costs; `None` where none is known.
    pub cost: Option<NanoUsd>,
    /// The error, in words without secrets; `None` for a request without one.
    pub error: Option<String>,
}

/// A row of the export, which covers all users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportRow {
    /// The user who sent the request.
    pub user_id: UserId,
    /// The e-mail address of the user; `None` when the user was deleted.
    pub email: Option<String>,
    /// The row of the request log.
    pub row: LogRow,
    /// True if the request billed something whose price is unknown.
    pub unpriced: bool,
}

/// A question for one page of an export, oldest rows first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExportQuery {
    /// Only this user's rows.
    pub user: Option<UserId>,
    /// Only rows newer than this one (its `created_at` and id).
    pub after: Option<(Timestamp, RequestId)>,
    /// Only rows of requests that arrived at this moment or later.
    pub from: Timestamp,
    /// Only rows of requests that arrived before this moment.
    pub to: Timestamp,
    /// The largest number of rows to return.
    pub limit: u32,
}

/// One request in full: its row, the plan and the attempts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogDetail {
    /// The row of the request log.
    pub row: LogRow,
    /// The reason why the first target was chosen, in words.
    pub route_reason: String,
    /// The targets planned, first to last.
    pub chain: Vec<crate::record::PlannedStep>,
    /// The attempts, in order.
    pub attempts: Vec<crate::record::Attempt>,
    /// The parts of the request that targets cannot express, over all attempts, each listed once.
    pub notes: Vec<crate::record::Note>,
}
