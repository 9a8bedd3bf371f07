//! `/manage/ledger/gaps`: the requests that the caller's sums leave out, and those that are not in the log yet.

use schemars::JsonSchema;
use serde::Serialize;
use tt_core::query::{Gap, GapQuery};
use tt_core::record::Outcome;
use tt_core::{ApiKeyId, NanoUsd, Provider, RequestId, Timestamp, UsageSource};

use crate::edge::context::Context;
use crate::edge::error::ApiError;
use crate::edge::fields::moment;
use crate::edge::reply::Json;
use crate::state::directory::KnownCaller;

/// The rows of a list, the newest first. A caller gets older ones with `to` set to the time of the last.
const MOST: u32 = 500;

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "GapRow")]
pub(crate) struct Row {
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

/// The requests of all callers that this process has settled and not yet stored. All callers are counted, since a
/// caller's own settlements wait behind the others.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Journal {
    pending: usize,
    /// The time when the request that waits longest was settled, to the second.
    oldest: Option<Timestamp>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Gaps")]
pub(crate) struct View {
    /// The caller's requests that this process has admitted and not yet stored: they are being served, or are settled and
    /// wait. Not counted are those of other processes, and those in a journal that a dead process left and that has not
    /// been read yet.
    open: usize,
    interrupted: Vec<Row>,
    unknown_usage: Vec<Row>,
    unpriced: Vec<Row>,
    journal: Journal,
}

/// `GET /manage/ledger/gaps`: the newest requests of each kind of gap.
pub(crate) async fn gaps(cx: Box<Context>, caller: KnownCaller) -> Result<Json<View>, ApiError> {
    let ([from, to], filters) = cx.query_and_filters(["from", "to"])?;
    let query = GapQuery {
        filters,
        from: from.map(|text| moment("from", &text)).transpose()?,
        to: to.map(|text| moment("to", &text)).transpose()?,
        limit: MOST,
    };
    cx.app.wait_for_drain().await;
    let ledger = &cx.app.ledger;
    // They are counted before the rows are read: a request that is stored in between shows in both places, never in
    // neither.
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
