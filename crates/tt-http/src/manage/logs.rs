//! `/manage/logs`: the caller's requests, a row each, the newest first; and everything recorded of one request.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;
use tt_core::plan::Route;
use tt_core::price::{CostLine, PicoPerToken};
use tt_core::query::{LogDetail, LogQuery, LogRow};
use tt_core::record::{Attempt, Note, Outcome, PlannedStep};
use tt_core::{ApiKeyId, NanoUsd, Provider, RequestId, Tags, Timestamp, Usage, UsageSource};

use crate::edge::context::Context;
use crate::edge::error::ApiError;
use crate::edge::fields::{moment, page_size};
use crate::edge::reply::Json;
use crate::state::directory::KnownCaller;

/// Token counts as the API names them.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Tokens {
    input_tokens: u64,
    cached_input_tokens: u64,
    cache_write_tokens: u64,
    output_tokens: u64,
    reasoning_tokens: u64,
}

impl From<&Usage> for Tokens {
    fn from(usage: &Usage) -> Self {
        Self {
            input_tokens: usage.total_input(),
            cached_input_tokens: usage.cache_read,
            cache_write_tokens: usage.cache_write(),
            output_tokens: usage.output,
            reasoning_tokens: usage.reasoning.unwrap_or(0),
        }
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "LogRow")]
pub(crate) struct Row {
    request_id: RequestId,
    created_at: Timestamp,
    alias: String,
    route: Option<Route>,
    provider: Option<Provider>,
    model: Option<String>,
    api_key_id: Option<ApiKeyId>,
    stream: bool,
    status: Option<u16>,
    outcome: Outcome,
    dialect: &'static str,
    client: Option<String>,
    session: Option<String>,
    agent: Option<String>,
    trace_id: Option<String>,
    #[serde(flatten)]
    tokens: Tokens,
    usage_source: UsageSource,
    cost_usd: Option<NanoUsd>,
    saved_usd: NanoUsd,
    latency_ms: u64,
    first_token_ms: Option<u64>,
    attempts: u32,
    error: Option<String>,
    tags: Tags,
}

impl From<LogRow> for Row {
    fn from(row: LogRow) -> Self {
        Self {
            request_id: row.request_id,
            created_at: row.created_at,
            alias: row.alias,
            route: row.route,
            provider: row.provider,
            model: row.model,
            api_key_id: row.api_key_id,
            stream: row.stream,
            status: row.status,
            outcome: row.outcome,
            dialect: row.dialect.as_str(),
            client: row.client,
            session: row.session,
            agent: row.agent,
            trace_id: row.trace_id,
            tokens: Tokens::from(&row.usage),
            usage_source: row.source,
            cost_usd: row.cost,
            saved_usd: row.saved,
            latency_ms: row.latency_ms,
            first_token_ms: row.first_token_ms,
            attempts: row.attempts,
            error: row.error,
            tags: row.tags,
        }
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "LogPage")]
pub(crate) struct Page {
    data: Vec<Row>,
    next_cursor: Option<String>,
}

/// `GET /manage/logs`: a page of rows that match the filters of the query.
pub(crate) async fn list(cx: Box<Context>, caller: KnownCaller) -> Result<Json<Page>, ApiError> {
    let ([limit, cursor, from, to], filters) = cx.query_and_filters(["limit", "cursor", "from", "to"])?;
    let limit = page_size(limit)?;
    let query = LogQuery {
        // One row more than the page holds tells whether there is a next page.
        limit: limit + 1,
        before: cursor.map(|text| position(&text)).transpose()?,
        filters,
        from: from.map(|text| moment("from", &text)).transpose()?,
        to: to.map(|text| moment("to", &text)).transpose()?,
    };
    cx.app.wait_for_drain().await;
    let mut rows = cx.app.store.logs(caller.user_id, query).await?;
    let page = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = rows.len() > page;
    rows.truncate(page);
    let next_cursor = rows.last().filter(|_| more).map(|row| row.request_id.to_string());
    let data = rows.into_iter().map(Row::from).collect();
    Ok(Json(Page { data, next_cursor }))
}

/// The position that a cursor stands for. A cursor is the id of the last row shown, and as a UUIDv7 it holds the time too.
fn position(cursor: &str) -> Result<(Timestamp, RequestId), ApiError> {
    let junk = || ApiError::invalid_field("cursor", "is not one that this call gave out");
    let id: RequestId = cursor.parse().map_err(|_| junk())?;
    Ok((id.created_at().ok_or_else(junk)?, id))
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "LogDetail")]
pub(crate) struct Detail {
    #[serde(flatten)]
    row: Row,
    route_reason: String,
    chain: Vec<PlannedStep>,
    #[schemars(with = "Option<serde_json::Value>")]
    usage_raw: Option<Box<RawValue>>,
    price_version: Option<String>,
    /// The things that the targets could not express, over all attempts: each thing once.
    notes: Vec<Note>,
    /// The lines that add up to the cost. It is empty where no cost is known, and where prices have changed since.
    cost_lines: Vec<LineView>,
    attempt_list: Vec<AttemptView>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CostLine")]
pub(crate) struct LineView {
    class: &'static str,
    tokens: u64,
    usd_per_million: PicoPerToken,
    usd: NanoUsd,
}

impl From<CostLine> for LineView {
    fn from(line: CostLine) -> Self {
        Self { class: line.class, tokens: line.count, usd_per_million: line.price, usd: line.cost }
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Attempt")]
pub(crate) struct AttemptView {
    alias: String,
    route: Route,
    provider: Provider,
    model: String,
    served_model: Option<String>,
    status: Option<u16>,
    error: Option<String>,
    started_at: Timestamp,
    latency_ms: Option<u64>,
    usage_source: UsageSource,
    usage: Tokens,
    cost_usd: Option<NanoUsd>,
}

impl From<Attempt> for AttemptView {
    fn from(attempt: Attempt) -> Self {
        let Attempt { started, ended } = attempt;
        let usage = ended.as_ref().map(|ended| ended.usage.total()).unwrap_or_default();
        Self {
            alias: started.alias,
            route: started.route,
            provider: started.provider,
            model: started.model,
            started_at: started.started_at,
            status: ended.as_ref().and_then(|ended| ended.status),
            latency_ms: ended.as_ref().map(|ended| ended.latency_ms),
            usage_source: ended.as_ref().map_or(UsageSource::Unknown, |ended| ended.source),
            usage: Tokens::from(&usage),
            cost_usd: ended.as_ref().and_then(|ended| ended.cost),
            served_model: ended.as_ref().and_then(|ended| ended.served_model.clone()),
            error: ended.and_then(|ended| ended.error),
        }
    }
}

/// `GET /manage/logs/{request_id}`: a request with its plan and its attempts.
pub(crate) async fn show(cx: Box<Context>, caller: KnownCaller) -> Result<Json<Detail>, ApiError> {
    let id: RequestId = cx.param(0).parse().map_err(|_| ApiError::not_found("request"))?;
    cx.app.wait_for_drain().await;
    let found = cx.app.store.log_detail(caller.user_id, id).await?;
    let LogDetail { row, route_reason, chain, attempts, notes } =
        found.ok_or_else(|| ApiError::not_found("request"))?;
    let lines = cx.app.prices.load().cost_lines(&attempts);
    let last = attempts.last().and_then(|attempt| attempt.ended.as_ref());
    Ok(Json(Detail {
        row: Row::from(row),
        usage_raw: last.and_then(|ended| RawValue::from_string(ended.usage.raw.clone()).ok()),
        price_version: last.and_then(|ended| ended.price_version.clone()),
        route_reason,
        chain,
        notes,
        cost_lines: lines.unwrap_or_default().into_iter().map(LineView::from).collect(),
        attempt_list: attempts.into_iter().map(AttemptView::from).collect(),
    }))
}
