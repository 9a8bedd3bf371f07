//! What `/manage/usage` and `/manage/logs` can be asked, and what they answer, before any SQL or JSON.

use crate::fee::Fee;
use crate::plan::Route;
use crate::record::Outcome;
use crate::usage::{Usage, UsageSource};
use crate::{ApiKeyId, Dialect, Invalid, NanoUsd, Provider, RequestId, Tags, Timestamp, UserId};

/// A dimension usage can be grouped by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum GroupBy {
    /// The provider that served.
    Provider,
    /// The alias asked for.
    Alias,
    /// The upstream model.
    Model,
    /// The API key.
    ApiKey,
    /// The UTC day.
    Day,
    /// The hour.
    Hour,
    /// The status the client got.
    Status,
    /// `primary`, `light` or `fallback`.
    Route,
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
            tag => match tag.strip_prefix("tag:") {
                Some(name) if (1..=64).contains(&name.chars().count()) && !name.chars().any(char::is_control) => {
                    Self::Tag(name.to_owned())
                }
                _ => {
                    return Err(Invalid::new(
                        "group_by",
                        "must be a list of provider, alias, model, api_key, day, hour, status, route and tag:NAME",
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
            Self::Tag(name) => format!("tag:{name}"),
        }
    }
}

/// A question to the rollups. `from` and `to` lie on full hours; `to` is exclusive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageQuery {
    /// The first hour.
    pub from: Timestamp,
    /// The end.
    pub to: Timestamp,
    /// The dimensions, in the order asked, each once; at most one tag.
    pub group_by: Vec<GroupBy>,
}

/// One group of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageGroup {
    /// The group's values, in the order of `group_by`; `None` for a dimension a request had no value in.
    pub key: Vec<Option<String>>,
    /// Its sums.
    pub sums: UsageSums,
}

/// Sums over requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UsageSums {
    /// Requests admitted.
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
    /// What is known of the cost.
    pub cost: NanoUsd,
    /// Requests whose cost is not known (in full): the sum above leaves something out.
    pub unpriced: u64,
    /// What light models saved.
    pub saved: NanoUsd,
    /// Requests with outcome `error`.
    pub errors: u64,
    /// Requests with outcome `cancelled`.
    pub cancelled: u64,
}

/// Which log rows, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogQuery {
    /// At most so many.
    pub limit: u32,
    /// Only rows older than this one (its `created_at` and id).
    pub before: Option<(Timestamp, RequestId)>,
    /// Only this alias.
    pub alias: Option<String>,
    /// Only this provider.
    pub provider: Option<Provider>,
    /// Only this status.
    pub status: Option<u16>,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Before.
    pub to: Option<Timestamp>,
}

/// A row of the request log as read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRow {
    /// The request.
    pub request_id: RequestId,
    /// When it arrived.
    pub created_at: Timestamp,
    /// The alias asked for.
    pub alias: String,
    /// The route of the last attempt; `None` when nothing was tried.
    pub route: Option<Route>,
    /// The provider of the last attempt.
    pub provider: Option<Provider>,
    /// The upstream model of the last attempt.
    pub model: Option<String>,
    /// The API key, if it was one.
    pub api_key_id: Option<ApiKeyId>,
    /// Was a stream asked for?
    pub stream: bool,
    /// What the client got.
    pub status: Option<u16>,
    /// How it ended.
    pub outcome: Outcome,
    /// The API the client spoke.
    pub dialect: Dialect,
    /// The program that asked, by its `User-Agent`: a word of [`crate::client::Client`].
    pub client: Option<String>,
    /// The session that the client says the request belongs to.
    pub session: Option<String>,
    /// The agent within the session.
    pub agent: Option<String>,
    /// The trace that the client says the request belongs to.
    pub trace_id: Option<String>,
    /// Tokens over all attempts.
    pub usage: Usage,
    /// What was billed beside tokens, over all attempts.
    pub fees: Vec<Fee>,
    /// Where they come from.
    pub source: UsageSource,
    /// The known cost.
    pub cost: Option<NanoUsd>,
    /// What the light model saved.
    pub saved: NanoUsd,
    /// From arrival to the end.
    pub latency_ms: u64,
    /// From arrival to the first content byte.
    pub first_token_ms: Option<u64>,
    /// How many attempts.
    pub attempts: u32,
    /// What went wrong.
    pub error: Option<String>,
    /// The client's tags.
    pub tags: Tags,
}

/// Which rows to look for gaps in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GapQuery {
    /// Not before.
    pub from: Option<Timestamp>,
    /// Before.
    pub to: Option<Timestamp>,
    /// At most so many of each kind, the newest.
    pub limit: u32,
}

/// Rows whose numbers leave something out, by what it is, each list newest first. A row may be in several.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Gaps {
    /// The process died while they ran.
    pub interrupted: Vec<Gap>,
    /// Something was sent and nobody knows what it used.
    pub unknown_usage: Vec<Gap>,
    /// Tokens are known and their price is not.
    pub unpriced: Vec<Gap>,
}

/// Which request a gap is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The request.
    pub request_id: RequestId,
    /// When it arrived.
    pub created_at: Timestamp,
    /// The alias asked for.
    pub alias: String,
    /// The provider of the last attempt; `None` when nothing was tried.
    pub provider: Option<Provider>,
    /// The upstream model of the last attempt.
    pub model: Option<String>,
    /// The API key, if it was one.
    pub api_key_id: Option<ApiKeyId>,
    /// What the client got; `None` when interrupted.
    pub status: Option<u16>,
    /// How it ended.
    pub outcome: Outcome,
    /// Where its tokens come from.
    pub source: UsageSource,
    /// What is known of the cost.
    pub cost: Option<NanoUsd>,
    /// What went wrong.
    pub error: Option<String>,
}

/// A row of any user as it is exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportRow {
    /// Whose.
    pub user_id: UserId,
    /// Their address.
    pub email: Option<String>,
    /// The row.
    pub row: LogRow,
    /// Was the price of something it billed unknown?
    pub unpriced: bool,
}

/// A piece of an export, oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExportQuery {
    /// Only this user's rows.
    pub user: Option<UserId>,
    /// Only rows newer than this one (its `created_at` and id).
    pub after: Option<(Timestamp, RequestId)>,
    /// Not before.
    pub from: Timestamp,
    /// Before.
    pub to: Timestamp,
    /// At most so many.
    pub limit: u32,
}

/// One request in full: its row, and what was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogDetail {
    /// The row.
    pub row: LogRow,
    /// Why the first target was chosen.
    pub route_reason: String,
    /// The targets planned.
    pub chain: Vec<crate::record::PlannedStep>,
    /// The attempts.
    pub attempts: Vec<crate::record::Attempt>,
    /// What the targets could not express, over all attempts: each thing once.
    pub notes: Vec<crate::record::Note>,
}
