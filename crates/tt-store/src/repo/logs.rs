//! The request log: read by page, by id, and dropped by day.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use tt_core::query::{ExportQuery, ExportRow, LogDetail, LogQuery, LogRow};
use tt_core::{ApiKeyId, NanoUsd, RequestId, Timestamp, UserId};

use super::Conn;
use crate::classes::Classes;
use crate::decode::{self, count};
use crate::details::{Details, Shown};
use crate::error::{Result, StoreError};
use crate::schema::{request_logs, users};
use crate::view::Pruned;

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
    #[diesel(embed)]
    classes: Classes,
    usage_source: String,
    cost_nano: Option<i64>,
    saved_nano: i64,
    latency_ms: i64,
    first_token_ms: Option<i64>,
    attempts: i64,
    error: Option<String>,
    dialect: String,
    client: Option<String>,
    session: Option<String>,
    tags: Option<String>,
    details: String,
}

fn log_row(row: Row) -> Result<LogRow> {
    let (usage, fees) = row.classes.used()?;
    let shown: Shown = decode::from_json(&row.details)?;
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
        dialect: decode::dialect(&row.dialect)?,
        client: row.client,
        session: row.session,
        agent: shown.agent,
        trace_id: shown.trace_id,
        usage,
        fees,
        source: decode::source(&row.usage_source)?,
        cost: row.cost_nano.map(NanoUsd),
        saved: NanoUsd(row.saved_nano),
        latency_ms: count(row.latency_ms),
        first_token_ms: row.first_token_ms.map(count),
        attempts: u32::try_from(row.attempts).map_err(StoreError::corrupt)?,
        error: row.error,
        tags: row.tags.as_deref().map(decode::from_json).transpose()?.unwrap_or_default(),
    })
}

/// The user's requests that match `query`, newest first.
pub(crate) async fn list(c: &mut Conn, user: UserId, query: LogQuery) -> Result<Vec<LogRow>> {
    use request_logs::{created_at, request_id};
    let mut rows = request_logs::table.filter(request_logs::user_id.eq(user.0)).into_boxed();
    if let Some((at, id)) = query.before {
        let at = at.millis();
        // The second condition alone would do. The first, which is weaker, is the one that an index serves.
        rows = rows.filter(created_at.le(at)).filter(created_at.lt(at).or(request_id.lt(id.to_string())));
    }
    if let Some(from) = query.from {
        rows = rows.filter(created_at.ge(from.millis()));
    }
    if let Some(to) = query.to {
        rows = rows.filter(created_at.lt(to.millis()));
    }
    let rows: Vec<Row> = super::filters::fitting(rows, query.filters)
        .order((created_at.desc(), request_id.desc()))
        .limit(i64::from(query.limit))
        .select(Row::as_select())
        .load(c)
        .await?;
    rows.into_iter().map(log_row).collect()
}

/// One of the user's requests with its plan, attempts and notes.
pub(crate) async fn detail(c: &mut Conn, user: UserId, id: RequestId) -> Result<Option<LogDetail>> {
    let Some(at) = id.created_at() else { return Ok(None) };
    let row: Option<Row> = request_logs::table
        .filter(request_logs::created_at.eq(at.millis()))
        .filter(request_logs::request_id.eq(id.to_string()))
        .filter(request_logs::user_id.eq(user.0))
        .select(Row::as_select())
        .first(c)
        .await
        .optional()?;
    row.map(|row| {
        let details: Details = decode::from_json(&row.details)?;
        let row = log_row(row)?;
        Ok(LogDetail {
            chain: details.chain_of(&row),
            route_reason: details.reason,
            attempts: details.attempts,
            notes: details.notes.unwrap_or_default(),
            row,
        })
    })
    .transpose()
}

/// Requests of all users or of one, each with its user, oldest first.
pub(crate) async fn export(c: &mut Conn, query: ExportQuery) -> Result<Vec<ExportRow>> {
    use request_logs::{created_at, request_id, unpriced, user_id};
    let mut rows = request_logs::table
        .left_join(users::table.on(users::id.eq(user_id)))
        .filter(created_at.ge(query.from.millis()))
        .filter(created_at.lt(query.to.millis()))
        .into_boxed();
    if let Some((at, id)) = query.after {
        let at = at.millis();
        // As in `list`: the first condition is for an index.
        rows = rows.filter(created_at.ge(at)).filter(created_at.gt(at).or(request_id.gt(id.to_string())));
    }
    if let Some(user) = query.user {
        rows = rows.filter(user_id.eq(user.0));
    }
    let rows: Vec<(Row, i64, bool, Option<String>)> = rows
        .order((created_at.asc(), request_id.asc()))
        .limit(i64::from(query.limit))
        .select((Row::as_select(), user_id, unpriced, users::email.nullable()))
        .load(c)
        .await?;
    rows.into_iter()
        .map(|(row, user, no_price, email)| {
            Ok(ExportRow { user_id: UserId(user), email, row: log_row(row)?, unpriced: no_price })
        })
        .collect()
}

/// Drops a part of the rows before the UTC day of `before`: a whole day where the log is kept by day.
pub(crate) async fn prune(c: &mut Conn, before: Timestamp, chunk: u32) -> Result<Pruned> {
    let pruned = super::native::prune_logs(c, before, chunk).await?;
    if pruned == Pruned::Nothing {
        super::tags::prune(c, before.day().millis()).await?;
    }
    Ok(pruned)
}

/// Makes partitions ahead for rows of these times; returns the number of days that were made.
pub(crate) async fn make_days(c: &mut Conn, times: Vec<Timestamp>) -> Result<usize> {
    super::native::make_days(c, times).await
}
