//! Usage and cost of requests, row by row. The caller computes from them the cost on another model.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use tt_core::{NanoUsd, Timestamp, UserId};

use super::Conn;
use crate::classes::Classes;
use crate::decode;
use crate::error::Result;
use crate::rerate::Place;
use crate::schema::request_logs;
use crate::view::{RecordedUsage, UsageScope};

#[derive(Queryable, Selectable)]
#[diesel(table_name = request_logs)]
struct Row {
    created_at: i64,
    request_id: String,
    #[diesel(embed)]
    classes: Classes,
    usage_source: String,
    cost_nano: Option<i64>,
    unpriced: bool,
}

/// The user's requests in `scope`, oldest first, beginning after `after`; at most `limit`.
pub(crate) async fn usage_by_request(
    c: &mut Conn,
    user: UserId,
    scope: UsageScope,
    after: Option<Place>,
    limit: u32,
) -> Result<Vec<RecordedUsage>> {
    use request_logs::{created_at, request_id, user_id};
    let mut rows = request_logs::table
        .filter(user_id.eq(user.0))
        .filter(created_at.ge(scope.from.millis()))
        .filter(created_at.lt(scope.to.millis()))
        .into_boxed();
    if let Some((at, id)) = after {
        let at = at.millis();
        // The second condition alone would do. The first, which is weaker, is the one that an index serves.
        rows = rows.filter(created_at.ge(at)).filter(created_at.gt(at).or(request_id.gt(id.to_string())));
    }
    let rows: Vec<Row> = super::filters::fitting(rows, scope.filters)
        .order((created_at, request_id))
        .limit(i64::from(limit))
        .select(Row::as_select())
        .load(c)
        .await?;
    rows.into_iter().map(recorded).collect()
}

fn recorded(row: Row) -> Result<RecordedUsage> {
    let (usage, fees) = row.classes.used()?;
    Ok(RecordedUsage {
        created_at: Timestamp::from_millis(row.created_at),
        request_id: decode::parsed(&row.request_id)?,
        usage,
        fees,
        source: decode::source(&row.usage_source)?,
        cost: row.cost_nano.map(NanoUsd),
        unpriced: row.unpriced,
    })
}
