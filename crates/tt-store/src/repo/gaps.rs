//! Rows whose numbers leave something out. Each kind has an index that holds only its few rows.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use diesel_async::RunQueryDsl;
use tt_core::query::{Gap, GapQuery, Gaps};
use tt_core::{ApiKeyId, NanoUsd, Timestamp, UserId};

use super::Conn;
use crate::decode;
use crate::error::Result;
use crate::schema::request_logs;

/// The conditions in the words of the indexes. They are text, since a planner cannot use an index's condition with a
/// bound value.
const INTERRUPTED: &str = "outcome = 'interrupted'";
const UNKNOWN: &str = "usage_source = 'unknown'";
const UNPRICED: &str = "unpriced";

#[derive(Queryable, Selectable)]
#[diesel(table_name = request_logs)]
struct Row {
    created_at: i64,
    request_id: String,
    api_key_id: Option<i64>,
    alias: String,
    provider: Option<String>,
    model: Option<String>,
    status: Option<i64>,
    outcome: String,
    usage_source: String,
    cost_nano: Option<i64>,
    error: Option<String>,
}

impl Row {
    fn gap(self) -> Result<Gap> {
        Ok(Gap {
            request_id: decode::parsed(&self.request_id)?,
            created_at: Timestamp::from_millis(self.created_at),
            alias: self.alias,
            provider: self.provider.as_deref().map(decode::parsed).transpose()?,
            model: self.model,
            api_key_id: self.api_key_id.map(ApiKeyId),
            status: self.status.map(decode::status).transpose()?,
            outcome: decode::outcome(&self.outcome)?,
            source: decode::source(&self.usage_source)?,
            cost: self.cost_nano.map(NanoUsd),
            error: self.error,
        })
    }
}

/// The user's gaps, as of one moment.
pub(crate) async fn gaps(c: &mut Conn, user: UserId, query: GapQuery) -> Result<Gaps> {
    snapshot!(c, {
        Ok(Gaps {
            interrupted: rows(c, user, &query, INTERRUPTED).await?,
            unknown_usage: rows(c, user, &query, UNKNOWN).await?,
            unpriced: rows(c, user, &query, UNPRICED).await?,
        })
    })
}

async fn rows(c: &mut Conn, user: UserId, query: &GapQuery, what: &'static str) -> Result<Vec<Gap>> {
    use request_logs::{created_at, request_id, user_id};
    let mut rows = request_logs::table.filter(user_id.eq(user.0)).filter(sql::<Bool>(what)).into_boxed();
    if let Some(from) = query.from {
        rows = rows.filter(created_at.ge(from.millis()));
    }
    if let Some(to) = query.to {
        rows = rows.filter(created_at.lt(to.millis()));
    }
    let rows: Vec<Row> = super::filters::fitting(rows, query.filters.clone())
        .order((created_at.desc(), request_id.desc()))
        .limit(i64::from(query.limit))
        .select(Row::as_select())
        .load(c)
        .await?;
    rows.into_iter().map(Row::gap).collect()
}
