//! One attempt: the request in the target's words is sent, and its answer is taken until the client gets some of it.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::Response;
use http::header::CONTENT_TYPE;
use hyper::body::Incoming;
use tokio::time::{Instant, timeout, timeout_at};
use tt_core::call::embedding::EmbeddingReply;
use tt_core::plan::Step;
use tt_core::usage::Reported;
use tt_core::{Dialect, Provider, Usage};
use tt_providers::tally::Tally;
use tt_providers::upstream::account::Account;
use tt_providers::upstream::call;
use tt_providers::{Answer, Exchange, Target, UpstreamError, codec};

use super::accounting::{Failed, OpenAttempt, Received};
use super::held_body::HeldBody;
use super::ingress::{Inbound, Unread};
use super::relay::Relay;
use super::response_head;
use super::trace_parent;
use crate::edge::context::Context;
use crate::edge::reply::{Reply, ReplyBody};
use crate::state::directory::UserView;
use crate::state::memory_limit::Part;
use crate::state::target_health::{KeyHealth, Pass};

/// The largest plain answer that is taken from a provider, in bytes.
const LARGEST_ANSWER: usize = 64 * 1024 * 1024;

/// Answers larger than this, in bytes, are read on the threads for long computations.
const LARGE_TO_READ: usize = 64 * 1024;

/// A request that is ready to be sent to one target, once or several times.
#[derive(Clone)]
pub(super) struct Outbound {
    pub(super) exchange: Arc<Exchange>,
    dialect: Dialect,
    account: Arc<Account>,
    health: Arc<KeyHealth>,
    /// The most output tokens of each choice, if a budget pays for fewer than the client asked for.
    pub(super) cap: Option<u64>,
    inbound: Arc<Inbound>,
}

/// The reason why a request cannot be sent to a target.
#[derive(Debug)]
pub(super) enum Unready {
    /// The request cannot be put into the target's words.
    Request(Unread),
    /// The stored key cannot be opened.
    Key,
}

impl From<Unread> for Unready {
    fn from(unread: Unread) -> Self {
        Self::Request(unread)
    }
}

impl Unready {
    /// The reason in words, for the list of the targets that were tried.
    pub(super) fn reason(&self, inbound: &Inbound) -> String {
        match self {
            Self::Request(Unread::Request(error)) => inbound.request().describe(error),
            Self::Request(Unread::Memory(exceeded)) => exceeded.to_string(),
            Self::Request(Unread::Compute(error)) => error.to_string(),
            Self::Key => "its stored key cannot be opened; save the key again".to_owned(),
        }
    }
}

impl Outbound {
    /// Puts `inbound` into the step's words. `cap` takes the place of the most output tokens that the client asked for.
    pub(super) async fn prepare(
        cx: &Context,
        view: &UserView,
        inbound: &Arc<Inbound>,
        step: &Step,
        cap: Option<u64>,
    ) -> Result<Self, Unready> {
        let key = view.keys.get(&step.key).ok_or(Unready::Key)?;
        let dialect = inbound.dialect_at(step.provider)?;
        let made = (cx.arrived_at.millis() / 1000, cx.id.0);
        let exchange = if dialect == inbound.dialect() {
            let target = Target { model: step.model.as_str(), facts: None };
            inbound.splice(|request| Exchange::new(request, dialect, target, cap, made)).await?
        } else {
            let (prices, provider, model) = (cx.app.prices.load_full(), step.provider, step.model.clone());
            let write = move |request: &_| {
                let model = model.as_str();
                let target = Target { model, facts: prices.facts(provider, model) };
                Exchange::new(request, dialect, target, cap, made)
            };
            if inbound.is_large() {
                // A box, because the future of every request has room for this one.
                Box::pin(inbound.encode_elsewhere(write)).await?
            } else {
                inbound.encode_here(write)?
            }
        };
        let exchange = Arc::new(exchange);
        key.used.store(true, Ordering::Relaxed);
        let (account, health, inbound) = (Arc::clone(&key.account), Arc::clone(&key.health), Arc::clone(inbound));
        Ok(Self { exchange, dialect, account, health, cap, inbound })
    }

    /// The account that the request is sent for.
    pub(super) fn account(&self) -> &Account {
        &self.account
    }

    /// Begins an attempt at the step's model, also while it rests if it `must`.
    ///
    /// # Errors
    /// When the target rests, in words.
    pub(super) fn enter(&self, step: &Step, must: bool) -> Result<Pass, String> {
        if must {
            return Ok(self.health.enter_all_the_same(&step.model));
        }
        self.health.enter(&step.model).map_err(|rest| self.health.describe(rest))
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

/// Sends the request of the attempt with this number and takes the answer's head.
async fn head(cx: &Context, outbound: &Outbound, number: usize) -> Result<Response<Incoming>, UpstreamError> {
    let Outbound { exchange, dialect, account, .. } = outbound;
    let mut request = account.call(exchange.path(), exchange.body().clone())?;
    if exchange.passes_through() {
        account.pass_on(cx.headers(), &mut request);
    }
    if let Some(sampler) = cx.app.config.upstream.propagate {
        trace_parent::add(cx, number, sampler, &mut request);
    }
    let asked = call::ask(&cx.worker.client, codec(*dialect).egress, account, request).await;
    asked.map_err(|error| for_client(error, exchange))
}

/// The error without the provider's own words, unless the client speaks the provider's dialect.
fn for_client(error: UpstreamError, exchange: &Exchange) -> UpstreamError {
    if exchange.passes_through() { error } else { error.without_original() }
}

async fn plain(cx: &Context, outbound: Outbound, step: &Step, mut attempt: OpenAttempt) -> Result<Reply, Box<Failed>> {
    let upstream = &cx.app.config.upstream;
    let mut received = Received::Nothing;
    let number = attempt.number();
    let whole = async {
        let response = head(cx, &outbound, number).await?;
        received = Received::Head;
        let hold = |bytes| outbound.inbound.memory().hold(Part::Answer, bytes).map_err(UpstreamError::from);
        call::collect(response.into_body(), LARGEST_ANSWER, upstream.idle_timeout, hold).await
    };
    let body = match timeout(upstream.total_timeout, whole).await {
        Ok(Ok(body)) => body,
        Ok(Err(error)) => return Err(attempt.failed(error, received)),
        Err(_) => return Err(attempt.failed(UpstreamError::Timeout(upstream.total_timeout), received)),
    };
    attempt.answered();
    let read = |exchange: &Exchange, body| exchange.reply(body);
    let (answer, is_counted) = match read_answer(cx, &outbound, step.provider, body, read).await {
        Ok(answer) => answer,
        Err(error) => {
            let error = call::error_without_secret(error, outbound.account.secret());
            return Err(attempt.failed(for_client(error, &outbound.exchange), Received::Head));
        }
    };
    let Answer { body, usage, served_model, tally, .. } = answer;
    let (attempts, tally) = (attempt.number(), Tally { usage, served_model, ..tally });
    let body = HeldBody::of_answer(body, outbound.inbound.memory());
    let settling = if outbound.inbound.request().count().is_some() {
        attempt.counted()
    } else if is_counted {
        attempt.whole_by_count(tally)
    } else {
        attempt.whole(Cow::Owned(tally))
    };
    Ok(response_head::plain(step, attempts, outbound.cap.is_some(), settling.await, body))
}

/// Reads a whole answer and writes it for the client, both by `read`. True beside it if its usage was counted here.
async fn read_answer(
    cx: &Context,
    outbound: &Outbound,
    provider: Provider,
    body: Bytes,
    read: impl FnOnce(&Exchange, Bytes) -> Result<Answer, UpstreamError> + Send + 'static,
) -> Result<(Answer, bool), UpstreamError> {
    let mut answer = if body.len() > LARGE_TO_READ {
        let (exchange, inbound) = (Arc::clone(&outbound.exchange), Arc::clone(&outbound.inbound));
        let work = move || {
            // The decoded answer and the one for the client live beside the one that was received.
            inbound.memory().hold(Part::Decoded, exchange.answer_bytes(&body))?;
            let answer = read(&exchange, body);
            inbound.memory().release(Part::Decoded);
            answer
        };
        Box::pin(cx.app.compute.run(outbound.inbound.user(), work)).await.map_err(UpstreamError::from).flatten()?
    } else {
        read(&outbound.exchange, body)?
    };
    let uncounted = answer.uncounted.take();
    let is_counted = uncounted.is_some();
    if let Some(reply) = uncounted {
        // A box, because few answers are counted.
        answer = Box::pin(counted(outbound, provider, reply)).await?;
    }
    outbound.inbound.memory().hold(Part::Answer, answer.body.len())?;
    Ok((answer, is_counted))
}

/// Writes embeddings with a count of the input's tokens, which their provider did not tell.
async fn counted(outbound: &Outbound, provider: Provider, mut reply: EmbeddingReply) -> Result<Answer, UpstreamError> {
    let exchange = Arc::clone(&outbound.exchange);
    let write = move |tokens| {
        let usage = Usage { input: tokens, ..Usage::default() };
        reply.usage = Some(Reported { usage, ..Reported::default() });
        exchange.embeddings(reply)
    };
    let written = outbound.inbound.count_and(provider, write).await;
    written.map_err(|error| UpstreamError::Unread(error.message.clone()))
}

async fn stream(cx: &Context, outbound: Outbound, step: &Step, attempt: OpenAttempt) -> Result<Reply, Box<Failed>> {
    let limit = cx.app.config.upstream.first_byte_timeout;
    let deadline = Instant::now() + limit;
    let response = match timeout_at(deadline, head(cx, &outbound, attempt.number())).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => return Err(attempt.failed(error, Received::Nothing)),
        Err(_) => return Err(attempt.failed(UpstreamError::Timeout(limit), Received::Nothing)),
    };
    let says_json = is_json(&response);
    let (mut body, mut begun) = (response.into_body(), Bytes::new());
    if says_json {
        // Some hosts say so of their streams too.
        let first = Box::pin(timeout_at(deadline, call::first_piece(&mut body, limit))).await;
        begun = match first {
            Ok(Ok(begun)) => begun,
            Ok(Err(error)) => return Err(attempt.failed(error, Received::Head)),
            Err(_) => return Err(attempt.failed(UpstreamError::Timeout(limit), Received::Head)),
        };
        if begun.trim_ascii_start().starts_with(b"{") {
            return Box::pin(whole_for_stream(cx, outbound, step, attempt, (begun, body))).await;
        }
    }
    let Outbound { exchange, inbound, account, cap, .. } = outbound;
    let (attempts, framing) = (attempt.number(), inbound.request().framing());
    let idle_timeout = cx.app.config.upstream.idle_timeout;
    let relay = Relay::new((begun, body), &exchange, attempt, inbound, (cx.id, account), idle_timeout);
    let relay = relay.open(deadline, limit).await?;
    Ok(response_head::stream(step, attempts, cap.is_some(), framing, ReplyBody::Stream(relay)))
}

/// True if an answer says that it is JSON. Streams are events.
fn is_json(response: &Response<Incoming>) -> bool {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| {
        kind.trim_start().get(..16).is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"))
    })
}

/// Takes the whole answer of a host that was asked for a stream and knows none, of which the first piece has come. The client
/// gets it as a stream.
async fn whole_for_stream(
    cx: &Context,
    outbound: Outbound,
    step: &Step,
    mut attempt: OpenAttempt,
    (begun, body): (Bytes, Incoming),
) -> Result<Reply, Box<Failed>> {
    let upstream = &cx.app.config.upstream;
    let made = (cx.arrived_at.millis() / 1000, cx.id.0);
    let whole = async {
        let hold = |bytes| outbound.inbound.memory().hold(Part::Answer, bytes).map_err(UpstreamError::from);
        let body = call::collect_rest(begun, body, LARGEST_ANSWER, upstream.idle_timeout, hold).await?;
        let read = move |exchange: &Exchange, body: Bytes| exchange.reply_as_stream(&body, made);
        read_answer(cx, &outbound, step.provider, body, read).await
    };
    let read = timeout(upstream.total_timeout, whole).await;
    let Answer { body, usage, served_model, tally, .. } = match read {
        Ok(Ok((answer, _))) => answer,
        Ok(Err(error)) => {
            let error = call::error_without_secret(error, outbound.account.secret());
            return Err(attempt.failed(for_client(error, &outbound.exchange), Received::Head));
        }
        Err(_) => return Err(attempt.failed(UpstreamError::Timeout(upstream.total_timeout), Received::Head)),
    };
    attempt.first_content();
    let (attempts, framing) = (attempt.number(), outbound.inbound.request().framing());
    let body = HeldBody::of_answer(body, outbound.inbound.memory());
    let _cost = attempt.whole(Cow::Owned(Tally { usage, served_model, ..tally })).await;
    Ok(response_head::stream(step, attempts, outbound.cap.is_some(), framing, body))
}
