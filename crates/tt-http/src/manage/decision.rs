//! `POST /manage/route`: the plan for a chat completion and an estimate of its cost, without sending it.

use schemars::JsonSchema;
use serde::Serialize;
use tt_core::call::conversation::Conversation;
use tt_core::health::TargetState;
use tt_core::plan::{self, InputTokens, Plan, Route, Step};
use tt_core::price::PriceTable;
use tt_core::routing::{Alias, Routes};
use tt_core::usage::{Reported, Usage};
use tt_core::{Caller, Dialect, NanoUsd, Provider, Timestamp, tokens};
use tt_providers::Facts;

use crate::edge::context::Context;
use crate::edge::error::ApiError;
use crate::edge::reply::Json;
use crate::proxy::ingress::Inbound;
use crate::proxy::route::Resting;
use crate::state::directory::{KnownCaller, UserView};

/// The output that an estimate assumes when the request sets no cap: the length of a long answer in a chat, or the most
/// that the model can write when that is less.
const ASSUMED_OUTPUT_TOKENS: u64 = 1000;

/// The most alternatives in a reply.
const MOST_ALTERNATIVES: usize = 10;

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "RouteDecision")]
pub(crate) struct Decision {
    alias: String,
    route: Route,
    provider: Provider,
    model: String,
    input_tokens: u64,
    reason: String,
    chain: Vec<ChainStep>,
    estimated_cost_usd: Option<NanoUsd>,
    alternatives: Vec<Alternative>,
}

/// A target of the chain, with its state.
#[derive(Debug, Serialize, JsonSchema)]
struct ChainStep {
    alias: String,
    route: Route,
    provider: Provider,
    model: String,
    reason: String,
    state: TargetState,
    /// The end of the target's rest; null if it is closed.
    until: Option<Timestamp>,
}

impl ChainStep {
    fn of(step: &Step, view: &UserView) -> Self {
        let standing = view.keys.get(&step.key).map(|key| key.health.standing(&step.model));
        let (state, until) = standing.map_or((TargetState::Closed, None), |standing| (standing.state, standing.until));
        Self {
            alias: step.alias.clone(),
            route: step.route,
            provider: step.provider,
            model: step.model.to_string(),
            reason: step.reason.clone(),
            state,
            until,
        }
    }
}

#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "RouteAlternative")]
pub(crate) struct Alternative {
    alias: String,
    model: String,
    estimated_cost_usd: Option<NanoUsd>,
}

/// `POST /manage/route`: the plan that `POST /v1/chat/completions` would follow, made by the same functions. The input is
/// counted in full. The decision is the first target that does not rest. Whether the target would accept the request's parameters is not checked.
pub(crate) async fn route(mut cx: Box<Context>, caller: KnownCaller) -> Result<Json<Decision>, ApiError> {
    let body = cx.counted_bytes(&caller).await?;
    let inbound =
        Inbound::read(Dialect::OpenAiChat, &cx.parts, body, cx.app.thinking_of(&caller), &cx.app.compute).await?;
    let asked = &inbound.facts().model;
    let view = cx.app.directory.view(&caller).await?;
    if !caller.may_name(&view.routes, asked) {
        return Err(ApiError::alias_not_allowed());
    }
    // Pictures are counted by the rule of the named alias's provider, as the proxy counts them.
    let provider = first(&plan::plan(&view.routes, asked, InputTokens::AtLeast(0))?)?.provider;
    let input = inbound.count(move |conversation| Input::of(conversation, provider)).await?;

    let mut plan = plan::plan(&view.routes, asked, InputTokens::Exact(input.tokens(provider)))?;
    let resting = Resting::note(&view, &mut plan);
    let step = resting.first(&plan).ok_or_else(ApiError::internal)?;
    let prices = cx.app.prices.load();
    let estimate = Estimate {
        prices: &prices,
        input: &input,
        ingress: inbound.dialect(),
        facts: inbound.facts(),
        at: cx.arrived_at,
    };
    Ok(Json(Decision {
        alias: step.alias.clone(),
        route: step.route,
        provider: step.provider,
        model: step.model.to_string(),
        input_tokens: input.tokens(provider),
        reason: step.reason.clone(),
        chain: plan.steps.iter().map(|step| ChainStep::of(step, &view)).collect(),
        estimated_cost_usd: estimate.cost(step.provider, step.model.as_str()),
        alternatives: alternatives(&estimate, &view.routes, &caller, asked),
    }))
}

fn first(plan: &Plan) -> Result<&plan::Step, ApiError> {
    plan.steps.first().ok_or_else(ApiError::internal)
}

/// The tokens of the input for each provider. They count text alike, but pictures, sound and documents by rules of their
/// own.
#[derive(Debug, Clone, Copy)]
struct Input([(Provider, u64); 3]);

impl Input {
    /// Counts the whole conversation, for the provider `asked` exactly as the proxy does. Takes 10 ms for 100 KB.
    fn of(conversation: &Conversation, asked: Provider) -> Self {
        let media = |provider| {
            conversation.media().fold(0_u64, |sum, part| sum.saturating_add(tokens::media_tokens(part, provider)))
        };
        let text = conversation.input_up_to(asked, u64::MAX).counted().saturating_sub(media(asked));
        Self(Provider::ALL.map(|provider| (provider, text.saturating_add(media(provider)))))
    }

    fn tokens(&self, provider: Provider) -> u64 {
        self.0.iter().find(|(of, _)| *of == provider).map_or(0, |(_, tokens)| *tokens)
    }
}

/// The estimated cost of a request on any model.
struct Estimate<'a> {
    prices: &'a PriceTable,
    input: &'a Input,
    ingress: Dialect,
    facts: &'a Facts,
    at: Timestamp,
}

impl Estimate<'_> {
    /// The cost of all input at the price of uncached input, and of the output cap (or [`ASSUMED_OUTPUT_TOKENS`]) for each
    /// of the `n` choices. `None` when the model has no price.
    fn cost(&self, provider: Provider, model: &str) -> Option<NanoUsd> {
        let most = self.prices.facts(provider, model).and_then(|facts| facts.max_output).unwrap_or(u64::MAX);
        let cap = self.facts.max_output_tokens.unwrap_or(ASSUMED_OUTPUT_TOKENS.min(most));
        let output = cap.saturating_mul(self.facts.choices.unwrap_or(1).max(1));
        let usage = Usage { input: self.input.tokens(provider), output, ..Usage::default() };
        // Only a provider that speaks the client's dialect is sent the tier that was asked for as it is.
        let as_it_is = provider.dialect_for(self.ingress) == self.ingress;
        let service_tier = self.facts.service_tier.clone().filter(|_| as_it_is);
        let reported = Reported { usage, service_tier, ..Reported::default() };
        self.prices.price(provider, model, None, &reported, self.at)
    }
}

/// The caller's other aliases and the models they would send this request to, the cheapest first and those without a
/// price last.
fn alternatives(estimate: &Estimate<'_>, routes: &Routes, caller: &Caller, asked: &str) -> Vec<Alternative> {
    let chosen = routes.alias(asked).map(|alias| alias.id);
    let others =
        routes.aliases().filter(|alias| Some(alias.id) != chosen && caller.may_name(routes, alias.name.as_str()));
    let alternative = |alias: &Alias| {
        let model = alias.target_model.of(asked).ok()?;
        Some(Alternative {
            alias: alias.name.to_string(),
            estimated_cost_usd: estimate.cost(alias.provider, model.as_str()),
            model: model.to_string(),
        })
    };
    let mut all: Vec<_> = others.filter_map(alternative).collect();
    all.sort_by(|a, b| {
        let cost = |of: &Alternative| (of.estimated_cost_usd.is_none(), of.estimated_cost_usd);
        cost(a).cmp(&cost(b)).then_with(|| a.alias.cmp(&b.alias))
    });
    all.truncate(MOST_ALTERNATIVES);
    all
}
