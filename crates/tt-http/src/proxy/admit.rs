//! The admission of a request: its budget, its limits, and its intent in the ledger, in this order.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName};
use tt_core::Tags;
use tt_core::client::AskedBy;
use tt_core::limits::{self, Decision, Rules, Standing};
use tt_core::plan::Plan;
use tt_core::record::{Intent, Operation};
use tt_metrics::{Decided, Metrics};
use tt_providers::ClientRequest;

use super::accounting::{Accounting, OwnShare};
use super::ingress::Inbound;
use super::request_budget::RequestBudget;
use super::route::{Resting, planned};
use crate::edge::context::Context;
use crate::edge::error::ApiError;
use crate::state::directory::{KnownCaller, UserView};

/// Admits a request or refuses it. `body_wait` is the time in which its body came. Returns its account, and the part that is
/// left of the caller's nearest limit, if it has one.
pub(super) async fn admit(
    cx: &Context,
    caller: &KnownCaller,
    view: &Arc<UserView>,
    inbound: &Arc<Inbound>,
    (plan, resting): (&Plan, &Resting),
    (tags, body_wait): (Tags, Duration),
) -> Result<(Box<Accounting>, Option<Standing>), ApiError> {
    // The budget comes first, because a request that it refuses must not count against the limits. If the limits refuse,
    // the budget is dropped, which voids the reservation.
    let budget = match inbound.request().count() {
        // A count costs nothing.
        Some(_) => None,
        None => RequestBudget::open(cx, caller, view, inbound, (plan, resting)).await?,
    };
    let standing = count(cx, caller).await?;
    let intent = intent(cx, caller, inbound, plan, tags);
    let guard = cx.worker.ledger.open(intent).map_err(|error| ApiError::from(error).standing(standing))?;
    let own_share = OwnShare::new(Arc::clone(&cx.app.metrics), cx.arrived, body_wait);
    let call = cx.worker.load.begin();
    let accounting = Accounting::new(guard, call, budget, Arc::clone(inbound), own_share, cx.reader.clone());
    Ok((accounting, standing))
}

/// The header with the tags of a request.
const TAGS: HeaderName = HeaderName::from_static("x-tokentracer-tags");

/// The tags of a request.
pub(super) fn tags(headers: &HeaderMap) -> Result<Tags, ApiError> {
    // If the header is given several times, its values count as one list.
    let values = headers.get_all(TAGS).iter().map(|value| std::str::from_utf8(value.as_bytes()));
    let values: Vec<&str> =
        values.collect::<Result<_, _>>().map_err(|_| ApiError::invalid_field("x-tokentracer-tags", "must be UTF-8"))?;
    if values.is_empty() { Ok(Tags::default()) } else { Ok(Tags::parse(&values.join(","))?) }
}

/// Counts the request against the caller's limits, or refuses it.
async fn count(cx: &Context, caller: &KnownCaller) -> Result<Option<Standing>, ApiError> {
    let rules = limits::rules(caller, cx.app.config.default_limits);
    let decision = cx.worker.limits.check(&rules, cx.arrived_at).await;
    note(&cx.app.metrics, &rules, decision);
    match decision {
        Decision::Admit { nearest } => Ok(nearest),
        Decision::Deny { rule, limit, retry_after } => Err(ApiError::rate_limited(rule, limit, retry_after)),
        Decision::Unavailable => Err(ApiError::limits_unavailable()),
    }
}

/// Notes a decision in the metrics: of every rule if all of them agree, else of the one that refused.
fn note(metrics: &Metrics, rules: &Rules, decision: Decision) {
    let all = match decision {
        Decision::Admit { .. } => Decided::Admit,
        Decision::Unavailable => Decided::Unavailable,
        Decision::Deny { rule, .. } => return metrics.limited(rule, Decided::Deny),
    };
    rules.iter().for_each(|rule| metrics.limited(rule.kind, all));
}

fn intent(cx: &Context, caller: &KnownCaller, inbound: &Inbound, plan: &Plan, tags: Tags) -> Intent {
    let headers = cx.headers().iter().map(|(name, value)| (name.as_str(), value));
    let asked_by = AskedBy::from_headers(headers, |value| value.to_str().ok());
    Intent {
        request_id: cx.id,
        created_at: cx.arrived_at,
        user_id: caller.user_id,
        api_key_id: caller.api_key_id(),
        // An alias that catches names stands for all of them, so that usage adds up by it.
        alias: plan.steps.first().map_or_else(|| inbound.facts().model.clone(), |step| step.alias.clone()),
        dialect: inbound.dialect(),
        stream: inbound.facts().stream,
        route_reason: plan.steps.first().map(|step| step.reason.clone()).unwrap_or_default(),
        chain: plan.steps.iter().map(planned).collect(),
        tags,
        client: asked_by.client.map(|client| client.as_str().to_owned()),
        session: asked_by.session.or_else(|| inbound.facts().session.clone()),
        agent: asked_by.agent,
        trace_id: asked_by.trace_id,
        parent_span: asked_by.parent_span,
        operation: operation(inbound.request()),
    }
}

/// The kind of answer that a request asks for.
fn operation(request: &ClientRequest) -> Operation {
    if request.asks_for_embeddings() {
        return Operation::Embeddings;
    }
    request.count().map_or(Operation::Chat, |_| Operation::CountTokens)
}
