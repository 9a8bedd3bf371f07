//! The request log: read by page, by id, and dropped by day.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use tt_core::query::{LogDetail, LogQuery, LogRow};
use tt_core::usage::Usage;
use tt_core::{ApiKeyId, NanoUsd, RequestId, Timestamp, UserId};

use super::Conn;
use crate::decode::{self, count};
use crate::error::{Result, StoreError};
use crate::schema::{request_details, request_logs};

#[derive(Queryable, Selectable)]
#[diesel(table_name = request_logs)]
struct Row {
    created_at: i64,
    request_id: String,
    api_key_id: Option<i64>,
    alias: String,
    route: Option<String>,
    provider: Option<String>,
    model: Option<String>,
    stream: bool,
    status: Option<i64>,
    outcome: String,
    input_tokens: i64,
    cache_read_tokens: i64,
    cache_write_5m_tokens: i64,
    cache_write_1h_tokens: i64,
    output_tokens: i64,
    reasoning_tokens: Option<i64>,
    audio_input_tokens: i64,
    audio_output_tokens: i64,
    tool_prompt_tokens: i64,
    web_searches: i64,
    usage_source: String,
    cost_nano: Option<i64>,
    saved_nano: i64,
    latency_ms: i64,
    first_token_ms: Option<i64>,
    attempts: i64,
    error: Option<String>,
}

fn log_row(row: Row, tags: &str) -> Result<LogRow> {
    Ok(LogRow {
        request_id: decode::parsed(&row.request_id)?,
        created_at: Timestamp::from_millis(row.created_at),
        alias: row.alias,
        route: row.route.as_deref().map(decode::route).transpose()?,
        provider: row.provider.as_deref().map(decode::parsed).transpose()?,
        model: row.model,
        api_key_id: row.api_key_id.map(ApiKeyId),
        stream: row.stream,
        status: row.status.map(decode::status).transpose()?,
        outcome: decode::outcome(&row.outcome)?,
        usage: Usage {
            input: count(row.input_tokens),
            cache_read: count(row.cache_read_tokens),
            cache_write_5m: count(row.cache_write_5m_tokens),
            cache_write_1h: count(row.cache_write_1h_tokens),
            output: count(row.output_tokens),
            reasoning: row.reasoning_tokens.map(count),
            audio_input: count(row.audio_input_tokens),
            audio_output: count(row.audio_output_tokens),
            tool_prompt: count(row.tool_prompt_tokens),
            web_searches: count(row.web_searches),
        },
        source: decode::source(&row.usage_source)?,
        cost: row.cost_nano.map(NanoUsd),
        saved: NanoUsd(row.saved_nano),
        latency_ms: count(row.latency_ms),
        first_token_ms: row.first_token_ms.map(count),
        attempts: u32::try_from(row.attempts).map_err(StoreError::corrupt)?,
        error: row.error,
        tags: decode::from_json(tags)?,
    })
}

macro_rules! with_details {
    () => {
        request_logs::table.inner_join(
            request_details::table.on(request_details::created_at
                .eq(request_logs::created_at)
                .and(request_details::request_id.eq(request_logs::request_id))),
        )
    };
}

/// The user's requests that `query` asks for, newest first.
pub(crate) async fn list(c: &mut Conn, user: UserId, query: LogQuery) -> Result<Vec<LogRow>> {
    use request_logs::{alias, created_at, provider, request_id, status};
    let mut rows = with_details!().filter(request_logs::user_id.eq(user.0)).into_boxed();
    if let Some((at, id)) = query.before {
        let at = at.millis();
        // The first condition says less than the second; it is the one an index serves.
        rows = rows.filter(created_at.le(at)).filter(created_at.lt(at).or(request_id.lt(id.to_string())));
    }
    if let Some(from) = query.from {
        rows = rows.filter(created_at.ge(from.millis()));
    }
    if let Some(to) = query.to {
        rows = rows.filter(created_at.lt(to.millis()));
    }
    if let Some(wanted) = query.alias {
        rows = rows.filter(alias.eq(wanted));
    }
    if let Some(wanted) = query.provider {
        rows = rows.filter(provider.eq(wanted.as_str()));
    }
    if let Some(wanted) = query.status {
        rows = rows.filter(status.eq(i64::from(wanted)));
    }
    let rows: Vec<(Row, String)> = rows
        .order((created_at.desc(), request_id.desc()))
        .limit(i64::from(query.limit))
        .select((Row::as_select(), request_details::tags))
        .load(c)
        .await?;
    rows.into_iter().map(|(row, tags)| log_row(row, &tags)).collect()
}

/// One of the user's requests in full.
pub(crate) async fn detail(c: &mut Conn, user: UserId, id: RequestId) -> Result<Option<LogDetail>> {
    let Some(at) = id.created_at() else { return Ok(None) };
    let row: Option<(Row, (String, String, String, String))> = with_details!()
        .filter(request_logs::created_at.eq(at.millis()))
        .filter(request_logs::request_id.eq(id.to_string()))
        .filter(request_logs::user_id.eq(user.0))
        .select((
            Row::as_select(),
            (request_details::route_reason, request_details::chain, request_details::attempts, request_details::tags),
        ))
        .first(c)
        .await
        .optional()?;
    row.map(|(row, (route_reason, chain, attempts, tags))| {
        Ok(LogDetail {
            row: log_row(row, &tags)?,
            route_reason,
            chain: decode::from_json(&chain)?,
            attempts: decode::from_json(&attempts)?,
        })
    })
    .transpose()
}

/// How many requests the user (with that key) has made since `since`.
pub(crate) async fn requests_of(c: &mut Conn, user: UserId, key: Option<ApiKeyId>, since: Timestamp) -> Result<u64> {
    let mut rows = request_logs::table
        .filter(request_logs::user_id.eq(user.0))
        .filter(request_logs::created_at.ge(since.millis()))
        .into_boxed();
    if let Some(key) = key {
        rows = rows.filter(request_logs::api_key_id.eq(key.0));
    }
    let requests: i64 = rows.count().get_result(c).await?;
    Ok(count(requests))
}

/// Deletes about `chunk` of the oldest rows that lie before the UTC day of `before`; how many, 0 when none is left.
pub(crate) async fn prune(c: &mut Conn, before: Timestamp, chunk: u32) -> Result<usize> {
    use request_logs::created_at;
    let day = before.day().millis();
    tx!(c, {
        let last: Option<i64> = request_logs::table
            .filter(created_at.lt(day))
            .order(created_at)
            .offset(i64::from(chunk.max(1)) - 1)
            .select(created_at)
            .first(c)
            .await
            .optional()?;
        // To the last of the chunk with all of its millisecond, or all there is.
        let end = last.map_or(day, |at| at + 1);
        diesel::delete(request_details::table.filter(request_details::created_at.lt(end))).execute(c).await?;
        let gone = diesel::delete(request_logs::table.filter(created_at.lt(end))).execute(c).await?;
        if last.is_none() {
            super::tags::prune(c, day).await?;
        }
        Ok(gone)
    })
}
