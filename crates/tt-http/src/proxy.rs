//! The life of a proxied request: resolve, admit, attempt, relay, account.
//!
//! `route` plans it, `admit` admits it or refuses it, `attempt` asks one target, `relay` passes a stream on, and
//! `accounting` records and settles what happens. This file leads from one to the next.

use std::sync::Arc;
use std::time::Duration;

use tt_core::Dialect;
use tt_core::backoff::backoff;
use tt_core::plan::{Plan, Step};
use tt_providers::{Disposition, UpstreamError};

use crate::edge::context::Context;
use crate::edge::error::ApiError;
use crate::edge::reply::{Reply, limit_headers};
use crate::state::directory::{KnownCaller, UserView};

mod accounting;
mod admit;
mod attempt;
pub(crate) mod ingress;
mod relay;
mod request_budget;
mod response_head;
pub(crate) mod route;
mod worst_case;

use accounting::{Accounting, Failed};
use attempt::{Outbound, Unready};
use ingress::Inbound;
use request_budget::NotReserved;

/// The pause before the first retry at the same target. It doubles with each retry, up to the longest; up to as much again
/// is added at random.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_millis(6400);

/// `POST /v1/chat/completions`.
pub(crate) async fn chat_completions(mut cx: Context, caller: KnownCaller) -> Result<Reply, ApiError> {
    let tags = admit::tags(cx.headers())?;
    let body = cx.bytes().await?;
    let inbound = Arc::new(Inbound::read(Dialect::OpenAiChat, &cx.parts, body, &cx.app.control).await?);
    if !caller.may_name(&inbound.facts().model) {
        return Err(ApiError::alias_not_allowed());
    }
    let view = cx.app.directory.view(&caller).await?;
    let plan = route::resolve(&cx, &view, &inbound).await?;
    let (accounting, standing) = admit::admit(&cx, &caller, &view, &inbound, &plan, tags).await?;
    match (Run { cx, view, inbound, failures: Vec::new() }.serve(plan, accounting).await, standing) {
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
    cx: Context,
    view: Arc<UserView>,
    inbound: Arc<Inbound>,
    failures: Vec<Failure>,
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
}

impl Run {
    /// Tries the plan's steps until one serves. The request settles on every way out.
    async fn serve(mut self, plan: Plan, mut accounting: Accounting) -> Result<Reply, ApiError> {
        for (position, step) in plan.steps.iter().enumerate() {
            let mut outbound = match self.prepare(step, accounting.reserved_cap()) {
                Ok(outbound) => outbound,
                // The client is told what the first target cannot do. A fallback that cannot do it is skipped.
                Err(unready) if position == 0 => {
                    return Err(give_up(accounting, unready.into_error(&self.inbound)).await);
                }
                Err(unready) => {
                    self.skipped(step, Why::Unready(unready.reason(&self.inbound)));
                    continue;
                }
            };
            let mut retries = 0;
            while self.reserve(step, &mut accounting, &mut outbound).await {
                let (prices, notes) = (self.cx.app.prices.load_full(), outbound.exchange.notes().to_vec());
                let attempt = match accounting.attempt_started(step, outbound.base_url(), notes, prices) {
                    Ok(attempt) => attempt,
                    Err(refused) => {
                        let (accounting, error) = *refused;
                        return Err(give_up(accounting, error.into()).await);
                    }
                };
                let error = match attempt::send(&self.cx, outbound.clone(), step, attempt).await {
                    Ok(reply) => return Ok(reply),
                    Err(failed) => {
                        let Failed { accounting: returned, error } = *failed;
                        accounting = returned;
                        error
                    }
                };
                let disposition = error.disposition();
                if let (Disposition::Answer, UpstreamError::Refused(refused)) = (disposition, &error) {
                    return Err(give_up(accounting, ApiError::refused(refused)).await);
                }
                let step_name = format!("{} {}", step.provider, step.model);
                self.failures.push(Failure { step: step_name, why: Why::Failed(error) });
                match disposition {
                    Disposition::Retry(wait) if retries < self.cx.app.config.upstream.max_retries => {
                        tokio::time::sleep(wait.unwrap_or_else(|| self.pause(retries))).await;
                        retries += 1;
                    }
                    Disposition::Retry(_) | Disposition::FallBack | Disposition::Answer => break,
                }
            }
        }
        let error = self.all_failed();
        Err(give_up(accounting, error).await)
    }

    /// Puts the request into the step's words, with the key that it needs.
    fn prepare(&self, step: &Step, cap: Option<u64>) -> Result<Outbound, Unready> {
        Outbound::prepare(&self.cx, &self.view, &self.inbound, step, cap)
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
        if cap != outbound.cap {
            match self.prepare(step, cap) {
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
        self.failures.push(Failure { step: format!("{} {} skipped", step.provider, step.model), why });
    }

    /// The pause after `retries` earlier retries. Its random part comes from the random bits of the request id.
    fn pause(&self, retries: u32) -> Duration {
        let random = u16::try_from(self.cx.id.0.as_u128() & 0xffff).unwrap_or(0);
        backoff(retries, FIRST_PAUSE, LONGEST_PAUSE, random)
    }

    fn all_failed(self) -> ApiError {
        let mut tried: Vec<String> = Vec::with_capacity(self.failures.len());
        for Failure { step, why } in &self.failures {
            let reason = match why {
                Why::Failed(error) => error.public_reason(),
                Why::Unready(reason) => reason.clone(),
                Why::NotReserved(none) => none.reason(),
            };
            tried.push(format!("{step}: {reason}"));
        }
        // A step for which no money could be reserved does not decide the answer's status, unless it was so with all.
        let last = self.failures.iter().rev().find_map(|failure| match &failure.why {
            Why::Failed(error) => Some(Some(error)),
            Why::Unready(_) => Some(None),
            Why::NotReserved(_) => None,
        });
        if let Some(last) = last {
            return ApiError::all_attempts_failed(&tried.join("; "), last);
        }
        let first = self.failures.into_iter().find_map(|failure| match failure.why {
            Why::NotReserved(none) => Some(none),
            Why::Failed(_) | Why::Unready(_) => None,
        });
        first.map_or_else(ApiError::internal, ApiError::from)
    }
}

/// Settles a request that nothing served, and gives back the error for the client.
async fn give_up(accounting: Accounting, error: ApiError) -> ApiError {
    accounting.nothing_served(&error).await;
    error
}
