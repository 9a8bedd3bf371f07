//! `/manage/ledger/gaps`: what the caller's numbers leave out, and what has not come to the log yet.

use serde::Serialize;
use tt_core::query::{Gap, GapQuery};
use tt_core::record::Outcome;
use tt_core::{ApiKeyId, NanoUsd, Provider, RequestId, Timestamp, UsageSource};

use crate::edge::context::Context;
use crate::edge::error::ApiError;
use crate::edge::reply::Json;
use crate::state::directory::KnownCaller;

/// Rows a list, the newest; with `to` at the last one's time, a caller gets to older ones.
const MOST: u32 = 500;

#[derive(Serialize)]
struct Row {
    request_id: RequestId,
    created_at: Timestamp,
    alias: String,
    provider: Option<Provider>,
    model: Option<String>,
    api_key_id: Option<ApiKeyId>,
    status: Option<u16>,
    outcome: Outcome,
    usage_source: UsageSource,
    cost_usd: Option<NanoUsd>,
    error: Option<String>,
}

impl From<Gap> for Row {
    fn from(gap: Gap) -> Self {
        Self {
            request_id: gap.request_id,
            created_at: gap.created_at,
            alias: gap.alias,
            provider: gap.provider,
            model: gap.model,
            api_key_id: gap.api_key_id,
            status: gap.status,
            outcome: gap.outcome,
            usage_source: gap.source,
            cost_usd: gap.cost,
            error: gap.error,
        }
    }
}

/// What this process has settled and the store has not taken, of all callers: a caller's own settlements wait behind
/// others'.
#[derive(Serialize)]
struct Journal {
    pending: usize,
    /// When the one that waits longest settled, to the second.
    oldest: Option<Timestamp>,
}

#[derive(Serialize)]
pub(crate) struct View {
    /// The caller's requests that this process has admitted and the store does not have: they run, or have settled and
    /// wait. Those of other processes, and of one that died and whose journal nobody has read yet, are not counted.
    open: usize,
    interrupted: Vec<Row>,
    unknown_usage: Vec<Row>,
    unpriced: Vec<Row>,
    journal: Journal,
}

/// `GET /manage/ledger/gaps`.
pub(crate) async fn gaps(cx: Context, caller: KnownCaller) -> Result<Json<View>, ApiError> {
    let [from, to] = cx.query(["from", "to"])?;
    let query = GapQuery {
        from: from.map(|text| Timestamp::parse("from", &text)).transpose()?,
        to: to.map(|text| Timestamp::parse("to", &text)).transpose()?,
        limit: MOST,
    };
    cx.app.wait_for_drain().await;
    let ledger = &cx.app.ledger;
    // Before the rows are read: a request that comes to the log meanwhile is then in both, and never in neither.
    let (open, backlog) = (ledger.open_of(caller.user_id), ledger.backlog());
    let found = cx.app.store.gaps(caller.user_id, query).await?;
    let rows = |gaps: Vec<Gap>| gaps.into_iter().map(Row::from).collect();
    Ok(Json(View {
        open,
        interrupted: rows(found.interrupted),
        unknown_usage: rows(found.unknown_usage),
        unpriced: rows(found.unpriced),
        journal: Journal { pending: backlog.unstored, oldest: backlog.oldest },
    }))
}
