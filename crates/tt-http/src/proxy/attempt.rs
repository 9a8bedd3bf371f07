//! One attempt: the request in the target's words, sent, and its answer taken up to the point of no return.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::Response;
use hyper::body::Incoming;
use secrecy::SecretString;
use tokio::time::{Instant, timeout, timeout_at};
use tt_core::plan::Step;
use tt_core::record::{AttemptEnded, Outcome, Settled, Totals};
use tt_core::{BaseUrl, Dialect, Timestamp, UsageSource};
use tt_ledger::Guard;
use tt_providers::upstream::{call, endpoint};
use tt_providers::{Answer, Exchange, RequestError, Target, Trust, UpstreamError, codec};

use super::accounting::estimate::estimate;
use super::accounting::meter::{Measured, Meter, millis};
use super::durable;
use super::ingress::Inbound;
use super::relay::Relay;
use super::response_head;
use crate::edge::context::Context;
use crate::edge::error::ApiError;
use crate::edge::reply::Reply;
use crate::state::directory::UserView;

/// The largest plain answer taken from a provider.
const LARGEST_ANSWER: usize = 64 * 1024 * 1024;

/// A request ready to be sent to one target, as often as it takes.
#[derive(Clone)]
pub(crate) struct Outbound {
    pub(crate) exchange: Exchange,
    dialect: Dialect,
    base_url: BaseUrl,
    trust: Trust,
    secret: SecretString,
    /// The most output tokens of each choice, where a budget pays for fewer than the client asked for.
    pub(crate) cap: Option<u64>,
    inbound: Arc<Inbound>,
}

/// The reason for which a request cannot be sent to a target.
#[derive(Debug)]
pub(crate) enum Unready {
    /// The target cannot serve it.
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
    /// The reason, for the list of what was tried.
    pub(crate) fn reason(&self, inbound: &Inbound) -> String {
        match self {
            Self::Request(error) => inbound.request().describe(error),
            Self::Key => "its stored key cannot be opened; save the key again".to_owned(),
        }
    }

    /// The answer to the client, where it is the first target that cannot be asked.
    pub(crate) fn into_error(self, inbound: &Inbound) -> ApiError {
        match self {
            Self::Request(error) => inbound.malformed(error),
            Self::Key => ApiError::internal(),
        }
    }
}

impl Outbound {
    /// Puts `inbound` into the step's words. `cap` takes the place of the most output tokens that the client asked for.
    pub(crate) fn prepare(
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
}

/// An attempt that did not serve: the guard back, with the attempt ended in it.
pub(crate) struct Failed {
    pub(crate) guard: Guard,
    pub(crate) error: UpstreamError,
}

/// Sends `outbound` and answers the client from what comes back.
pub(crate) async fn send(
    cx: &Context,
    outbound: Outbound,
    step: &Step,
    guard: Guard,
    sent_at: Timestamp,
) -> Result<Reply, Box<Failed>> {
    let meter = Meter::start(cx.app.prices.load_full(), step, sent_at).at(outbound.base_url.as_str());
    if outbound.inbound.facts().stream {
        stream(cx, outbound, step, guard, meter).await
    } else {
        plain(cx, outbound, step, guard, meter).await
    }
}

/// Ends the attempt in the guard with what is known of a failure.
fn fail(mut guard: Guard, meter: &Meter, error: UpstreamError, answered: bool) -> Box<Failed> {
    let reason = error.public_reason();
    let elapsed = meter.elapsed_ms();
    guard.attempt_ended(match &error {
        UpstreamError::Refused(refused) => AttemptEnded::unbilled(Some(refused.status), reason, elapsed),
        UpstreamError::BadAnswer { usage, .. } => meter.ended(Measured {
            status: Some(200),
            error: Some(reason),
            source: UsageSource::Provider,
            usage: (**usage).clone(),
            served_model: None,
        }),
        UpstreamError::Protocol(_) | UpstreamError::Broken(_) if answered => {
            AttemptEnded { status: Some(200), ..AttemptEnded::unanswered(reason, elapsed) }
        }
        UpstreamError::Timeout(_) | UpstreamError::Protocol(_) | UpstreamError::Broken(_) => {
            AttemptEnded::unanswered(reason, elapsed)
        }
        UpstreamError::Connect(_) => AttemptEnded::unbilled(None, reason, elapsed),
    });
    Box::new(Failed { guard, error })
}

/// Sends the request and takes the answer's head.
async fn head(cx: &Context, outbound: &Outbound, step: &Step) -> Result<Response<Incoming>, UpstreamError> {
    let Outbound { exchange, dialect, base_url, trust, secret, .. } = outbound;
    let (path, body) = (exchange.path(), exchange.body().clone());
    let request = endpoint::call_request(step.provider, base_url.as_str(), path, secret, body)?;
    call::ask(&cx.worker.client, codec(*dialect).egress, *trust, secret, request).await
}

async fn plain(
    cx: &Context,
    outbound: Outbound,
    step: &Step,
    guard: Guard,
    meter: Meter,
) -> Result<Reply, Box<Failed>> {
    let upstream = &cx.app.config.upstream;
    let mut answered = false;
    let whole = async {
        let response = head(cx, &outbound, step).await?;
        answered = true;
        call::collect(response.into_body(), LARGEST_ANSWER, upstream.idle_timeout).await
    };
    let body = match timeout(upstream.total_timeout, whole).await {
        Ok(Ok(body)) => body,
        Ok(Err(error)) => return Err(fail(guard, &meter, error, answered)),
        Err(_) => return Err(fail(guard, &meter, UpstreamError::Timeout(upstream.total_timeout), answered)),
    };
    let answer = match outbound.exchange.reply(body) {
        Ok(answer) => answer,
        Err(error) => return Err(fail(guard, &meter, error, true)),
    };
    Ok(serve(cx, &outbound, step, guard, &meter, answer).await)
}

/// Settles a whole answer and hands it out.
async fn serve(
    cx: &Context,
    outbound: &Outbound,
    step: &Step,
    mut guard: Guard,
    meter: &Meter,
    answer: Answer,
) -> Reply {
    let Answer { body, usage, served_model, tally } = answer;
    let (source, usage) = match usage {
        Some(usage) => (UsageSource::Provider, usage),
        None => {
            let (done, counted) = tokio::sync::oneshot::channel();
            let (request, provider) = (Arc::clone(outbound.inbound.request()), meter.provider());
            cx.app.token_counter.run(move |precision| {
                // When the client has left, the guard has settled, and nothing waits for the count.
                let _gone = done.send(estimate(&request, provider, &tally, precision));
            });
            (UsageSource::Estimated, counted.await.unwrap_or_default())
        }
    };
    guard.last_attempt_ended(meter.ended(Measured { status: Some(200), error: None, source, usage, served_model }));
    let attempts = guard.attempts().len();
    let totals = Totals::of(guard.attempts());
    let cost = totals.cost.filter(|_| !totals.unpriced);
    let settled = guard.settle(Settled {
        status: Some(200),
        outcome: Outcome::Ok,
        error: None,
        latency_ms: millis(cx.arrived),
        first_token_ms: None,
    });
    durable(settled).await;
    response_head::plain(step, attempts, outbound.cap.is_some(), cost, body)
}

async fn stream(
    cx: &Context,
    outbound: Outbound,
    step: &Step,
    guard: Guard,
    meter: Meter,
) -> Result<Reply, Box<Failed>> {
    let upstream = &cx.app.config.upstream;
    let deadline = Instant::now() + upstream.first_byte_timeout;
    let response = match timeout_at(deadline, head(cx, &outbound, step)).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => return Err(fail(guard, &meter, error, false)),
        Err(_) => return Err(fail(guard, &meter, UpstreamError::Timeout(upstream.first_byte_timeout), false)),
    };
    let answer = outbound.exchange.stream();
    let (attempts, capped) = (guard.attempts().len(), outbound.cap.is_some());
    let relay = Relay::new(cx, response.into_body(), answer, guard, meter, outbound.inbound, outbound.secret);
    match relay.open(deadline, upstream.first_byte_timeout).await {
        Ok(relay) => Ok(response_head::stream(step, attempts, capped, relay)),
        Err(failed) => Err(failed),
    }
}
