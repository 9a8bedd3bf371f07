//! One attempt: the request in the target's words is sent, and its answer is taken until the client gets some of it.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::Response;
use hyper::body::Incoming;
use secrecy::SecretString;
use tokio::time::{Instant, timeout, timeout_at};
use tt_core::plan::Step;
use tt_core::{BaseUrl, Dialect};
use tt_providers::tally::Tally;
use tt_providers::upstream::{call, endpoint};
use tt_providers::{Answer, Exchange, RequestError, Target, Trust, UpstreamError, codec};

use super::accounting::{Failed, OpenAttempt, Received};
use super::ingress::Inbound;
use super::relay::Relay;
use super::response_head;
use crate::edge::context::Context;
use crate::edge::error::ApiError;
use crate::edge::reply::{Reply, ReplyBody};
use crate::state::directory::UserView;

/// The largest plain answer that is taken from a provider, in bytes.
const LARGEST_ANSWER: usize = 64 * 1024 * 1024;

/// A request that is ready to be sent to one target, once or several times.
#[derive(Clone)]
pub(super) struct Outbound {
    pub(super) exchange: Exchange,
    dialect: Dialect,
    base_url: BaseUrl,
    trust: Trust,
    secret: SecretString,
    /// The most output tokens of each choice, if a budget pays for fewer than the client asked for.
    pub(super) cap: Option<u64>,
    inbound: Arc<Inbound>,
}

/// The reason why a request cannot be sent to a target.
#[derive(Debug)]
pub(super) enum Unready {
    /// The target cannot serve the request.
    Request(RequestError),
    /// The stored key cannot be opened.
    Key,
}

impl From<RequestError> for Unready {
    fn from(error: RequestError) -> Self {
        Self::Request(error)
    }
}

impl Unready {
    /// The reason in words, for the list of the targets that were tried.
    pub(super) fn reason(&self, inbound: &Inbound) -> String {
        match self {
            Self::Request(error) => inbound.request().describe(error),
            Self::Key => "its stored key cannot be opened; save the key again".to_owned(),
        }
    }

    /// The error for the client, if this is the first target of the plan.
    pub(super) fn into_error(self, inbound: &Inbound) -> ApiError {
        match self {
            Self::Request(error) => inbound.malformed(error),
            Self::Key => ApiError::internal(),
        }
    }
}

impl Outbound {
    /// Puts `inbound` into the step's words. `cap` takes the place of the most output tokens that the client asked for.
    pub(super) fn prepare(
        cx: &Context,
        view: &UserView,
        inbound: &Arc<Inbound>,
        step: &Step,
        cap: Option<u64>,
    ) -> Result<Self, Unready> {
        let key = view.keys.get(&step.key).ok_or(Unready::Key)?;
        let dialect = step.provider.dialect_for(inbound.dialect());
        let prices = cx.app.prices.load();
        let model = step.model.as_str();
        // A request that passes through is not encoded for its target.
        let facts = if dialect == inbound.dialect() { None } else { prices.facts(step.provider, model) };
        let target = Target { model, facts };
        let made = (cx.arrived_at.millis() / 1000, cx.id.0);
        let exchange = Exchange::new(inbound.request(), dialect, target, cap, made)?;
        key.used.store(true, Ordering::Relaxed);
        let (base_url, trust) = cx.app.config.upstream.address(step.provider, key.base_url.as_ref());
        let (secret, inbound) = (key.secret.clone(), Arc::clone(inbound));
        Ok(Self { exchange, dialect, base_url, trust, secret, cap, inbound })
    }

    /// The address that the request is sent to.
    pub(super) fn base_url(&self) -> &str {
        self.base_url.as_str()
    }
}

/// Sends `outbound` and answers the client from what comes back.
///
/// # Errors
/// When the attempt did not serve. The client has got nothing then, so another attempt may follow.
pub(super) async fn send(
    cx: &Context,
    outbound: Outbound,
    step: &Step,
    attempt: OpenAttempt,
) -> Result<Reply, Box<Failed>> {
    // Each future is a box, so that the futures around this one, which are moved several times, stay small.
    if outbound.inbound.facts().stream {
        Box::pin(stream(cx, outbound, step, attempt)).await
    } else {
        Box::pin(plain(cx, outbound, step, attempt)).await
    }
}

/// Sends the request and takes the answer's head.
async fn head(cx: &Context, outbound: &Outbound, step: &Step) -> Result<Response<Incoming>, UpstreamError> {
    let Outbound { exchange, dialect, base_url, trust, secret, .. } = outbound;
    let (path, body) = (exchange.path(), exchange.body().clone());
    let request = endpoint::call_request(step.provider, base_url.as_str(), path, secret, body)?;
    call::ask(&cx.worker.client, codec(*dialect).egress, *trust, secret, request).await
}

async fn plain(cx: &Context, outbound: Outbound, step: &Step, attempt: OpenAttempt) -> Result<Reply, Box<Failed>> {
    let upstream = &cx.app.config.upstream;
    let mut received = Received::Nothing;
    let whole = async {
        let response = head(cx, &outbound, step).await?;
        received = Received::Head;
        call::collect(response.into_body(), LARGEST_ANSWER, upstream.idle_timeout).await
    };
    let body = match timeout(upstream.total_timeout, whole).await {
        Ok(Ok(body)) => body,
        Ok(Err(error)) => return Err(attempt.failed(error, received)),
        Err(_) => return Err(attempt.failed(UpstreamError::Timeout(upstream.total_timeout), received)),
    };
    let Answer { body, usage, served_model, tally } = match outbound.exchange.reply(body) {
        Ok(answer) => answer,
        Err(error) => return Err(attempt.failed(error, Received::Head)),
    };
    let (attempts, tally) = (attempt.number(), Tally { usage, served_model, ..tally });
    let cost = attempt.whole(Cow::Owned(tally)).await;
    Ok(response_head::plain(step, attempts, outbound.cap.is_some(), cost, body))
}

async fn stream(cx: &Context, outbound: Outbound, step: &Step, attempt: OpenAttempt) -> Result<Reply, Box<Failed>> {
    let limit = cx.app.config.upstream.first_byte_timeout;
    let deadline = Instant::now() + limit;
    let response = match timeout_at(deadline, head(cx, &outbound, step)).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => return Err(attempt.failed(error, Received::Nothing)),
        Err(_) => return Err(attempt.failed(UpstreamError::Timeout(limit), Received::Nothing)),
    };
    let Outbound { exchange, inbound, secret, cap, .. } = outbound;
    let attempts = attempt.number();
    let idle_timeout = cx.app.config.upstream.idle_timeout;
    let relay = Relay::new(response.into_body(), exchange.stream(), attempt, inbound, secret, idle_timeout);
    let relay = relay.open(deadline, limit).await?;
    Ok(response_head::stream(step, attempts, cap.is_some(), ReplyBody::Stream(relay)))
}
