//! The life of a proxied request: resolve, admit, attempt, relay, meter. Reads top to bottom.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use tt_core::client::AskedBy;
use tt_core::limits::{self, Decision, Standing};
use tt_core::plan::{self, InputTokens, Plan, Step};
use tt_core::record::{AttemptStarted, Intent, Note, Outcome, PlannedStep, Settled};
use tt_core::{Dialect, NanoUsd, Tags, Timestamp};
use tt_ledger::{Durable, Guard};
use tt_providers::{Disposition, UpstreamError};

use crate::clock::now;
use crate::edge::context::Context;
use crate::edge::error::ApiError;
use crate::edge::reply::{Reply, limit_headers};
use crate::state::directory::{KnownCaller, UserView};

pub(crate) mod attempt;

pub(crate) mod accounting;
pub(crate) mod ingress;
pub(crate) mod relay;
mod request_budget;
mod response_head;
mod worst_case;

use accounting::meter::millis;
use attempt::{Failed, Outbound, Unready};
use ingress::Inbound;
use request_budget::{Hold, RequestBudget};

/// The shortest pause before the same target is tried again; up to as much again is added at random.
const BACK_OFF: Duration = Duration::from_millis(100);

/// `POST /v1/chat/completions`.
pub(crate) async fn chat_completions(mut cx: Context, caller: KnownCaller) -> Result<Reply, ApiError> {
    let tags = tags(cx.headers())?;
    let body = cx.bytes().await?;
    let inbound = Arc::new(Inbound::read(Dialect::OpenAiChat, &cx.parts, body, &cx.app.control).await?);
    if !caller.may_name(&inbound.facts().model) {
        return Err(ApiError::alias_not_allowed());
    }
    let view = cx.app.directory.view(&caller).await?;
    let plan = resolve(&cx, &view, &inbound).await?;
    // Before the limits, which would count what a budget refuses; what they refuse gives its money back.
    let (mut budget, hold) = RequestBudget::open(&cx, &caller, &inbound, &plan).await?.unzip();
    let standing = admit(&cx, &caller).await?;
    let intent = intent(&cx, &caller, &inbound, &plan, tags);
    let mut guard = cx.worker.ledger.open(intent).map_err(|error| ApiError::from(error).standing(standing))?;
    if let Some(budget) = &mut budget {
        budget.watch(&mut guard);
    }
    match (Run { cx, view, inbound, budget, failures: Vec::new() }.go(plan, hold, guard).await, standing) {
        (Ok(mut reply), Some(standing)) => {
            limit_headers(reply.headers_mut(), standing);
            Ok(reply)
        }
        (Ok(reply), None) => Ok(reply),
        (Err(error), standing) => Err(error.standing(standing)),
    }
}

/// Counts the request against the caller's limits, or refuses it.
async fn admit(cx: &Context, caller: &KnownCaller) -> Result<Option<Standing>, ApiError> {
    let rules = limits::rules(caller, cx.app.config.default_limits);
    match cx.worker.limits.check(&rules, cx.arrived_at).await {
        Decision::Admit { nearest } => Ok(nearest),
        Decision::Deny { rule, limit, retry_after } => Err(ApiError::rate_limited(rule, limit, retry_after)),
        Decision::Unavailable => Err(ApiError::limits_unavailable()),
    }
}

fn tags(headers: &HeaderMap) -> Result<Tags, ApiError> {
    // A header that stands twice means both, as if they were one list.
    let values = headers.get_all("x-tokentracer-tags").iter().map(|value| std::str::from_utf8(value.as_bytes()));
    let values: Vec<&str> =
        values.collect::<Result<_, _>>().map_err(|_| ApiError::invalid_field("x-tokentracer-tags", "must be UTF-8"))?;
    if values.is_empty() { Ok(Tags::default()) } else { Ok(Tags::parse(&values.join(","))?) }
}

/// Plans the request, its input counted only as far as a light model's threshold asks.
async fn resolve(cx: &Context, view: &UserView, inbound: &Arc<Inbound>) -> Result<Plan, ApiError> {
    let model = &inbound.facts().model;
    let input = match plan::thresholds(&view.routes, model) {
        Some(thresholds) => {
            let alias = view.routes.alias(model).ok_or_else(ApiError::internal)?;
            inbound.input_tokens(alias.provider, thresholds, &cx.app.control).await?
        }
        None => InputTokens::AtLeast(0),
    };
    let plan = plan::plan(&view.routes, model, input)?;
    // What will be translated is read now, so that a body that is no conversation is refused before it is admitted.
    let ingress = inbound.dialect();
    if plan.steps.first().is_some_and(|step| step.provider.dialect_for(ingress) != ingress) {
        inbound.conversation(&cx.app.control).await?;
    }
    Ok(plan)
}

fn intent(cx: &Context, caller: &KnownCaller, inbound: &Inbound, plan: &Plan, tags: Tags) -> Intent {
    let asked_by = AskedBy::from_headers(|name| cx.headers().get(name)?.to_str().ok());
    Intent {
        request_id: cx.id,
        created_at: cx.arrived_at,
        user_id: caller.user_id,
        api_key_id: caller.api_key_id(),
        alias: inbound.facts().model.clone(),
        dialect: inbound.dialect(),
        stream: inbound.facts().stream,
        route_reason: plan.steps.first().map(|step| step.reason.clone()).unwrap_or_default(),
        chain: plan.steps.iter().map(planned).collect(),
        tags,
        client: asked_by.client.map(|client| client.as_str().to_owned()),
        session: asked_by.session,
        agent: asked_by.agent,
        trace_id: asked_by.trace_id,
    }
}

/// A step as it is recorded and shown.
pub(crate) fn planned(step: &Step) -> PlannedStep {
    PlannedStep {
        alias: step.alias.clone(),
        route: step.route,
        provider: step.provider,
        model: step.model.to_string(),
        reason: step.reason.clone(),
    }
}

fn started(step: &Step, sent_at: Timestamp, notes: Vec<Note>) -> AttemptStarted {
    AttemptStarted {
        alias: step.alias.clone(),
        route: step.route,
        provider: step.provider,
        provider_key_id: step.key,
        model: step.model.to_string(),
        started_at: sent_at,
        notes,
    }
}

/// Waits until a settlement is as durable as `JOURNAL_FSYNC` asks. It is in the journal whatever comes of it.
async fn durable(settled: Durable) {
    if let Err(error) = settled.wait().await {
        tracing::error!(%error, "a settlement could not be made durable");
    }
}

/// A step that did not serve.
struct Failure {
    step: String,
    why: Why,
}

/// Why it did not.
enum Why {
    /// A provider, or the way to it, failed.
    Failed(UpstreamError),
    /// It was not sent: the target cannot serve the request, or its key cannot be opened.
    Unready(String),
    /// It was not sent: what it may cost cannot be held.
    NotHeld(String),
}

/// An admitted request on its way through its plan.
struct Run {
    cx: Context,
    view: Arc<UserView>,
    inbound: Arc<Inbound>,
    /// `None`: no budget holds for the caller.
    budget: Option<RequestBudget>,
    failures: Vec<Failure>,
}

impl Run {
    /// Tries the plan's steps until one serves; `hold` is what is held for the first attempt. The guard settles on
    /// every way out.
    async fn go(mut self, plan: Plan, mut hold: Option<Hold>, mut guard: Guard) -> Result<Reply, ApiError> {
        for (position, step) in plan.steps.iter().enumerate() {
            let mut outbound = match self.prepare(step, hold.and_then(|hold| hold.cap)) {
                Ok(outbound) => outbound,
                // The first target's limits are the caller's to know; a fallback's are a reason to go on.
                Err(unready) if position == 0 => {
                    let error = unready.into_error(&self.inbound);
                    return Err(self.give_up(guard, error).await);
                }
                Err(unready) => {
                    self.skipped(step, Why::Unready(unready.reason(&self.inbound)));
                    continue;
                }
            };
            let mut retries = 0;
            loop {
                let settled = self.budget.as_ref().map_or(NanoUsd::ZERO, |_| request_budget::settled(guard.attempts()));
                if !self.hold(step, &mut hold, &mut outbound, settled).await {
                    break;
                }
                let sent_at = now();
                if let Err(error) = guard.attempt_started(started(step, sent_at, outbound.exchange.notes().to_vec())) {
                    return Err(self.give_up(guard, error.into()).await);
                }
                let attempt = attempt::send(&self.cx, outbound.clone(), step, guard, sent_at);
                let Failed { guard: returned, error } = match attempt.await {
                    Ok(reply) => return Ok(reply),
                    Err(failed) => *failed,
                };
                guard = returned;
                let disposition = error.disposition();
                if let (Disposition::Answer, UpstreamError::Refused(refused)) = (disposition, &error) {
                    return Err(self.give_up(guard, ApiError::refused(refused)).await);
                }
                let step_name = format!("{} {}", step.provider, step.model);
                self.failures.push(Failure { step: step_name, why: Why::Failed(error) });
                match disposition {
                    Disposition::Retry(wait) if retries < self.cx.app.config.upstream.max_retries => {
                        retries += 1;
                        tokio::time::sleep(wait.unwrap_or_else(|| self.back_off(retries))).await;
                    }
                    Disposition::Retry(_) | Disposition::FallBack | Disposition::Answer => break,
                }
            }
        }
        let error = self.all_failed();
        Err(self.give_up(guard, error).await)
    }

    /// The request in the step's words, with the key it needs.
    fn prepare(&self, step: &Step, cap: Option<u64>) -> Result<Outbound, Unready> {
        Outbound::prepare(&self.cx, &self.view, &self.inbound, step, cap)
    }

    /// Sees to it that what the next attempt may cost is held: `first` is, for the first. False: the step is skipped.
    async fn hold(&mut self, step: &Step, first: &mut Option<Hold>, outbound: &mut Outbound, settled: NanoUsd) -> bool {
        let Some(budget) = &self.budget else { return true };
        let cap = match first.take() {
            Some(hold) => hold.cap,
            None => match budget.reserve(step, settled).await {
                Ok(hold) => hold.cap,
                Err(none) => {
                    self.skipped(step, Why::NotHeld(none.reason()));
                    return false;
                }
            },
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

    /// Doubles with each retry; the random part comes from the request id's random bits.
    fn back_off(&self, retries: u32) -> Duration {
        let random = u32::try_from(self.cx.id.0.as_u128() & 0xffff).unwrap_or(0);
        let base = BACK_OFF.saturating_mul(1 << retries.saturating_sub(1).min(6));
        base + base.saturating_mul(random) / 0xffff
    }

    fn all_failed(&self) -> ApiError {
        let mut tried: Vec<String> = Vec::with_capacity(self.failures.len());
        for Failure { step, why } in &self.failures {
            let reason = match why {
                Why::Failed(error) => error.public_reason(),
                Why::Unready(reason) | Why::NotHeld(reason) => reason.clone(),
            };
            tried.push(format!("{step}: {reason}"));
        }
        // A target for which no money was held says nothing about the answer's status.
        let last = self.failures.iter().rev().find_map(|failure| match &failure.why {
            Why::Failed(error) => Some(Some(error)),
            Why::Unready(_) => Some(None),
            Why::NotHeld(_) => None,
        });
        last.map_or_else(ApiError::internal, |last| ApiError::all_attempts_failed(&tried.join("; "), last))
    }

    /// Settles a request that nothing served, with what the client is told.
    async fn give_up(&self, guard: Guard, error: ApiError) -> ApiError {
        let settled = guard.settle(Settled {
            status: Some(error.status.as_u16()),
            outcome: Outcome::Error,
            error: Some(error.message.clone()),
            latency_ms: millis(self.cx.arrived),
            first_token_ms: None,
        });
        durable(settled).await;
        error
    }
}
