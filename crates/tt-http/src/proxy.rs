//! The life of a proxied request: resolve, admit, attempt, relay, account.
//!
//! `route` plans it, `admit` admits it or refuses it, `attempt` asks one target, `relay` passes a stream on, and
//! `accounting` records and settles what happens. This file leads from one to the next.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tt_core::backoff::backoff;
use tt_core::plan::{Plan, Step};
use tt_core::record::{Change, Note};
use tt_providers::{Disposition, UpstreamError};

use crate::edge::context::Context;
use crate::edge::error::{ApiError, LONGEST_MESSAGE, shortened};
use crate::edge::reply::{Reply, ReplyBody, limit_headers};
use crate::state::directory::{KnownCaller, UserView};

mod accounting;
mod admit;
mod attempt;
mod held_body;
pub(crate) mod ingress;
mod relay;
mod request_budget;
mod response_head;
pub(crate) mod route;
mod trace_parent;
mod worst_case;

use accounting::{Accounting, Failed};
use attempt::{Outbound, Unready};
use ingress::Inbound;
use request_budget::NotReserved;
use route::Resting;

/// The pause before the first retry at the same target. It doubles with each retry, up to the longest; up to as much again
/// is added at random.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_millis(6400);

/// `POST /v1beta/models/{model}:generateContent`, `:streamGenerateContent`, `:countTokens`, `:embedContent` and
/// `:batchEmbedContents`, and those of `/v1beta/{provider}/{model}`.
pub(crate) async fn generate_content(cx: Box<Context>, caller: KnownCaller) -> Result<Reply, ApiError> {
    let method = cx.param(0).rsplit_once(':').map_or("", |(_, method)| method);
    if !matches!(
        method,
        "generateContent" | "streamGenerateContent" | "countTokens" | "embedContent" | "batchEmbedContents"
    ) {
        return Err(ApiError::route_not_found());
    }
    complete(cx, caller).await
}

/// A call of a model: `POST /v1/chat/completions`, `POST /v1/embeddings`, `POST /v1/messages`,
/// `POST /v1/messages/count_tokens` and those of Gemini, each in the dialect of its path.
pub(crate) async fn complete(mut cx: Box<Context>, caller: KnownCaller) -> Result<Reply, ApiError> {
    let dialect = cx.dialect.ok_or_else(ApiError::internal)?;
    let tags = admit::tags(cx.headers())?;
    let reading = Instant::now();
    let body = cx.counted_bytes(&caller).await?;
    let body_wait = reading.elapsed();
    let inbound = Inbound::read(dialect, &cx.parts, body, cx.app.thinking_of(&caller), &cx.app.compute).await?;
    let view = cx.app.directory.view(&caller).await?;
    if !caller.may_name(&view.routes, &inbound.facts().model) {
        return Err(ApiError::alias_not_allowed());
    }
    let mut plan = route::resolve(&view, &inbound).await?;
    let resting = Resting::note(&view, &mut plan);
    let told = (tags, body_wait);
    let (accounting, standing) = admit::admit(&cx, &caller, &view, &inbound, (&plan, &resting), told).await?;
    let run = Run { cx, view, inbound, resting, failures: Vec::new(), passed_over: Vec::new() };
    match (run.serve(plan, accounting).await, standing) {
        (Ok(mut reply), Some(standing)) => {
            limit_headers(reply.headers_mut(), standing);
            Ok(reply)
        }
        (Ok(reply), None) => Ok(reply),
        (Err(error), standing) => Err(error.standing(standing)),
    }
}

/// An admitted request on its way through its plan.
struct Run {
    cx: Box<Context>,
    view: Arc<UserView>,
    inbound: Arc<Inbound>,
    /// The steps that are passed over because their targets rested when the request was planned.
    resting: Resting,
    failures: Vec<Failure>,
    /// The steps that were skipped since the last attempt, to be noted with the next one.
    passed_over: Vec<Note>,
}

/// A step of the plan that did not serve.
struct Failure {
    step: String,
    why: Why,
}

/// The reason why a step did not serve.
enum Why {
    /// The provider failed, or the connection to it failed.
    Failed(UpstreamError),
    /// The request was not sent, because the target cannot serve it or the target's key cannot be opened.
    Unready(String),
    /// The request was not sent, because no money could be reserved for it.
    NotReserved(NotReserved),
    /// The request was not sent, because the target rests.
    Rests(String),
}

impl Why {
    fn reason(&self) -> String {
        match self {
            Self::Failed(error) => error.public_reason(),
            Self::Unready(reason) | Self::Rests(reason) => reason.clone(),
            Self::NotReserved(none) => none.reason(),
        }
    }
}

/// The outcome of a step.
enum Tried {
    /// The target serves.
    Served(Reply),
    /// The request is over with this error, and has settled.
    Refused(ApiError),
    /// The target does not serve. The next one may.
    Failed(Box<Accounting>),
    /// The target was not asked, because it rests. The next one may serve.
    Rests(Box<Accounting>),
}

impl Run {
    /// Tries the plan's steps until one serves. The request settles on every way out.
    async fn serve(mut self, plan: Plan, mut accounting: Box<Accounting>) -> Result<Reply, ApiError> {
        // A target that rests is passed over. It is asked all the same if no other could be asked, or if its rest has begun
        // since the plan was made: perhaps with this request, whose earlier step had the same key.
        let (mut must, mut passed_over) = (self.resting.leaves_no_other(&plan), None::<Vec<usize>>);
        loop {
            let (mut rested, mut rest) = (Vec::new(), Vec::new());
            for (position, step) in plan.steps.iter().enumerate() {
                if passed_over.as_ref().is_some_and(|positions| !positions.contains(&position)) {
                    continue;
                }
                if let Some(why) = self.resting.passes_over(position).filter(|_| !must).map(str::to_owned) {
                    self.skipped(step, Why::Rests(why));
                    rested.push(position);
                    continue;
                }
                if self.inbound.counts_here(step.provider) {
                    return self.counted(step, accounting).await;
                }
                let outbound = match self.prepare(step, accounting.reserved_cap()).await {
                    Ok(outbound) => outbound,
                    // The client is told what the first target cannot do. A fallback that cannot do it is skipped, and so is
                    // any target whose key cannot be opened.
                    Err(Unready::Request(unread)) if position == 0 => {
                        return Err(give_up(accounting, self.inbound.error(unread)).await);
                    }
                    Err(unready) => {
                        self.skipped(step, Why::Unready(unready.reason(&self.inbound)));
                        continue;
                    }
                };
                accounting = match self.ask(step, must, outbound, accounting).await {
                    Tried::Served(reply) => return Ok(reply),
                    Tried::Refused(error) => return Err(error),
                    Tried::Failed(accounting) => accounting,
                    Tried::Rests(accounting) => {
                        rest.push(position);
                        accounting
                    }
                };
            }
            if accounting.attempts() == 0 {
                rest.append(&mut rested);
            }
            if must || rest.is_empty() {
                break;
            }
            let again: Vec<String> = rest.iter().filter_map(|at| plan.steps.get(*at)).map(skipped_name).collect();
            self.failures.retain(|failure| !(matches!(failure.why, Why::Rests(_)) && again.contains(&failure.step)));
            (must, passed_over) = (true, Some(rest));
        }
        let error = self.all_failed();
        Err(give_up(accounting, error).await)
    }

    /// Asks the step's target, several times where that may help; also while it rests if it `must`.
    async fn ask(&mut self, step: &Step, must: bool, mut outbound: Outbound, mut accounting: Box<Accounting>) -> Tried {
        let mut retries = 0;
        loop {
            let pass = match outbound.enter(step, must) {
                Ok(pass) => pass,
                Err(why) if retries == 0 => {
                    self.skipped(step, Why::Rests(why));
                    return Tried::Rests(accounting);
                }
                Err(_) => break,
            };
            if !self.reserve(step, &mut accounting, &mut outbound).await {
                break;
            }
            let prices = self.cx.app.prices.load_full();
            let notes = self.passed_over.drain(..).chain(outbound.exchange.notes().iter().cloned()).collect();
            let started = accounting.attempt_started(step, outbound.account().region(), notes, prices, pass).await;
            let attempt = match started {
                Ok(attempt) => attempt,
                Err((accounting, error)) => {
                    return Tried::Refused(give_up(accounting, error.into()).await);
                }
            };
            let error = match attempt::send(&self.cx, outbound.clone(), step, attempt).await {
                Ok(reply) => return Tried::Served(reply),
                Err(failed) => {
                    let Failed { accounting: returned, error } = *failed;
                    accounting = returned;
                    error
                }
            };
            let disposition = error.disposition();
            if let (Disposition::Answer, UpstreamError::Refused(refused)) = (disposition, &error) {
                return Tried::Refused(give_up(accounting, ApiError::refused(refused)).await);
            }
            self.failures.push(Failure { step: name(step), why: Why::Failed(error) });
            match disposition {
                Disposition::Retry(wait) if retries < self.cx.app.config.upstream.max_retries => {
                    let pausing = Instant::now();
                    tokio::time::sleep(wait.unwrap_or_else(|| self.pause(retries))).await;
                    accounting.waited(pausing.elapsed());
                    retries += 1;
                }
                Disposition::Retry(_) | Disposition::FallBack | Disposition::Answer => break,
            }
        }
        Tried::Failed(accounting)
    }

    /// Answers with a count of the request's tokens that is made here, as the step's provider would count them.
    async fn counted(self, step: &Step, accounting: Box<Accounting>) -> Result<Reply, ApiError> {
        let attempts = accounting.attempts();
        match self.inbound.token_count(step.provider).await {
            Ok(body) => {
                let cost = accounting.counted().await;
                Ok(response_head::plain(step, attempts, false, cost, ReplyBody::full(body)))
            }
            Err(error) => Err(give_up(accounting, error).await),
        }
    }

    /// Puts the request into the step's words, with the key that it needs.
    async fn prepare(&self, step: &Step, cap: Option<u64>) -> Result<Outbound, Unready> {
        Outbound::prepare(&self.cx, &self.view, &self.inbound, step, cap).await
    }

    /// Reserves what the next attempt may cost, and prepares the attempt again if that pays for fewer tokens than
    /// before. Returns false if the step is skipped.
    async fn reserve(&mut self, step: &Step, accounting: &mut Accounting, outbound: &mut Outbound) -> bool {
        let cap = match accounting.reserve(step, outbound.exchange.encoded_text_bytes()).await {
            Ok(cap) => cap,
            Err(none) => {
                self.skipped(step, Why::NotReserved(none));
                return false;
            }
        };
        if cap == outbound.cap {
            // A count of the tokens may have decoded the request again.
            self.inbound.forget_decoded().await;
        } else {
            match self.prepare(step, cap).await {
                Ok(capped) => *outbound = capped,
                Err(unready) => {
                    self.skipped(step, Why::Unready(unready.reason(&self.inbound)));
                    return false;
                }
            }
        }
        true
    }

    fn skipped(&mut self, step: &Step, why: Why) {
        let (Step { provider, model, .. }, reason) = (step, why.reason());
        let why_not = format!("{provider} {model} was passed over: {reason}");
        self.passed_over.push(Note { param: "model".to_owned(), what: Change::Changed, why: why_not });
        self.failures.push(Failure { step: skipped_name(step), why });
    }

    /// The pause after `retries` earlier retries. Its random part comes from the random bits of the request id.
    fn pause(&self, retries: u32) -> Duration {
        let random = u16::try_from(self.cx.id.0.as_u128() & 0xffff).unwrap_or(0);
        backoff(retries, FIRST_PAUSE, LONGEST_PAUSE, random)
    }

    fn all_failed(self) -> ApiError {
        let mut tried: Vec<String> = Vec::with_capacity(self.failures.len());
        // The words of all providers together are no longer than those of one may be: they may quote the request.
        let most = LONGEST_MESSAGE / self.failures.len().max(1);
        for Failure { step, why } in &self.failures {
            let reason = match why {
                Why::Failed(error @ UpstreamError::Refused(_)) => shortened(error.public_reason(), most),
                why => why.reason(),
            };
            tried.push(format!("{step}: {reason}"));
        }
        // A step for which no money could be reserved does not decide the answer's status, unless it was so with all.
        let last = self.failures.iter().rev().find_map(|failure| match &failure.why {
            Why::Failed(error) => Some(Some(error)),
            Why::Unready(_) => Some(None),
            Why::NotReserved(_) | Why::Rests(_) => None,
        });
        if let Some(last) = last {
            return ApiError::all_attempts_failed(&tried.join("; "), last);
        }
        let first = self.failures.into_iter().find_map(|failure| match failure.why {
            Why::NotReserved(none) => Some(none),
            Why::Failed(_) | Why::Unready(_) | Why::Rests(_) => None,
        });
        first.map_or_else(ApiError::internal, ApiError::from)
    }
}

/// The name of a step in the list of those that did not serve.
fn name(step: &Step) -> String {
    format!("{} {}", step.provider, step.model)
}

/// As [`name`], of a step that was not asked.
fn skipped_name(step: &Step) -> String {
    format!("{} skipped", name(step))
}

/// Settles a request that nothing served, and gives back the error for the client.
async fn give_up(accounting: Box<Accounting>, error: ApiError) -> ApiError {
    accounting.nothing_served(&error).await;
    error
}
