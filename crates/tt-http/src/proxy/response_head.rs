//! The head of an answer that a target served. It names the target, the route and the cost.

use http::StatusCode;
use http::header::{self, HeaderName, HeaderValue};
use tt_core::NanoUsd;
use tt_core::plan::Step;
use tt_providers::Framing;

use crate::edge::reply::{Reply, ReplyBody, bare_reply, json_reply};

const ALIAS: HeaderName = HeaderName::from_static("x-tokentracer-alias");
const PROVIDER: HeaderName = HeaderName::from_static("x-tokentracer-provider");
const MODEL: HeaderName = HeaderName::from_static("x-tokentracer-model");
const ATTEMPTS: HeaderName = HeaderName::from_static("x-tokentracer-attempts");
const ROUTE: HeaderName = HeaderName::from_static("x-tokentracer-route");
const CAPPED: HeaderName = HeaderName::from_static("x-tokentracer-budget-capped");
const COST: HeaderName = HeaderName::from_static("x-tokentracer-cost-usd");

/// A plain answer. `cost` is absent from its head when the price is unknown.
pub(super) fn plain(step: &Step, attempts: usize, capped: bool, cost: Option<NanoUsd>, body: ReplyBody) -> Reply {
    let mut reply = json_reply(StatusCode::OK, body);
    target(&mut reply, step, attempts, capped);
    if let Some(cost) = cost.and_then(|cost| HeaderValue::try_from(cost.to_string()).ok()) {
        reply.headers_mut().insert(COST, cost);
    }
    reply
}

/// A streamed answer, in the form that the client asked for.
pub(super) fn stream(step: &Step, attempts: usize, capped: bool, framing: Framing, body: ReplyBody) -> Reply {
    let mut reply = bare_reply(body);
    let headers = reply.headers_mut();
    let kind = match framing {
        Framing::Events => "text/event-stream; charset=utf-8",
        Framing::Array => "application/json; charset=utf-8",
    };
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // Tells a proxy in front that buffers by default, such as nginx, to pass the stream on at once.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    target(&mut reply, step, attempts, capped);
    reply
}

fn target(reply: &mut Reply, step: &Step, attempts: usize, capped: bool) {
    let headers = reply.headers_mut();
    if capped {
        headers.insert(CAPPED, HeaderValue::from_static("true"));
    }
    // Aliases and models are visible ASCII by their types.
    if let Ok(alias) = HeaderValue::from_str(&step.alias) {
        headers.insert(ALIAS, alias);
    }
    if let Ok(model) = HeaderValue::from_str(step.model.as_str()) {
        headers.insert(MODEL, model);
    }
    headers.insert(PROVIDER, HeaderValue::from_static(step.provider.as_str()));
    headers.insert(ATTEMPTS, HeaderValue::from(attempts));
    headers.insert(ROUTE, HeaderValue::from_static(step.route.as_str()));
}
