//! The plan of a request: the targets that are asked, in order, and the reason for each.

use std::sync::Arc;

use tt_core::plan::{self, InputTokens, Plan, Step};
use tt_core::record::PlannedStep;

use super::ingress::Inbound;
use crate::edge::error::ApiError;
use crate::state::directory::UserView;

/// Plans the request. The input of a chat is counted only if the alias has a light model, and only as far as that model's
/// thresholds ask. Embeddings are asked of target models alone.
pub(super) async fn resolve(view: &UserView, inbound: &Arc<Inbound>) -> Result<Plan, ApiError> {
    let model = &inbound.facts().model;
    let plan = if inbound.request().asks_for_embeddings() {
        plan::without_light(&view.routes, model)?
    } else {
        plan::plan(&view.routes, model, input_tokens(view, inbound).await?)?
    };
    // A request that will be translated is read now, so that a body that no dialect can read, or that the first target
    // does not serve, is refused before it is admitted.
    if let Some(first) = plan.steps.first() {
        let dialect = inbound.dialect_at(first.provider).map_err(|unread| inbound.error(unread))?;
        if dialect != inbound.dialect() {
            inbound.decode().await?;
        }
    }
    Ok(plan)
}

/// The input of a chat, counted as far as the plan needs it.
async fn input_tokens(view: &UserView, inbound: &Arc<Inbound>) -> Result<InputTokens, ApiError> {
    let model = &inbound.facts().model;
    let Some(thresholds) = plan::thresholds(&view.routes, model) else { return Ok(InputTokens::AtLeast(0)) };
    let alias = view.routes.alias(model).ok_or_else(ApiError::internal)?;
    inbound.input_tokens(alias.provider, thresholds).await
}

/// The steps of a plan that are passed over, because their targets rest and another one does not.
#[derive(Debug, Default)]
pub(crate) struct Resting {
    /// The rest of each step in words; empty if none is passed over.
    rests: Vec<Option<String>>,
    /// True if every target rests.
    all: bool,
}

impl Resting {
    /// The steps of `plan` that rest now. The reason of each says so, until when and after which failure.
    pub(crate) fn note(view: &UserView, plan: &mut Plan) -> Self {
        let rest = |step: &Step| {
            let health = &view.keys.get(&step.key)?.health;
            Some((health, health.rest(&step.model)?))
        };
        if plan.steps.iter().all(|step| rest(step).is_none()) {
            return Self::default();
        }
        let words = |step: &Step| rest(step).map(|(health, rest)| health.describe(rest));
        let rests: Vec<Option<String>> = plan.steps.iter().map(words).collect();
        let all = rests.iter().all(Option::is_some);
        for (step, why) in plan.steps.iter_mut().zip(&rests) {
            if let Some(why) = why {
                let but = if all { "; asked though " } else { "; passed over: " };
                step.reason.push_str(but);
                step.reason.push_str(why);
            }
        }
        Self { rests: if all { Vec::new() } else { rests }, all }
    }

    /// True if `plan` has no other target than those that rest, or only one in all.
    pub(crate) fn leaves_no_other(&self, plan: &Plan) -> bool {
        self.all || plan.steps.len() == 1
    }

    /// The reason for which the step at this position is passed over, in words.
    pub(crate) fn passes_over(&self, position: usize) -> Option<&str> {
        self.rests.get(position)?.as_deref()
    }

    /// The first step of `plan` that is asked.
    pub(crate) fn first<'a>(&self, plan: &'a Plan) -> Option<&'a Step> {
        plan.steps.iter().enumerate().find(|(position, _)| self.passes_over(*position).is_none()).map(|(_, step)| step)
    }
}

/// A step as it is recorded and shown.
pub(super) fn planned(step: &Step) -> PlannedStep {
    PlannedStep {
        alias: step.alias.clone(),
        route: step.route,
        provider: step.provider,
        model: step.model.to_string(),
        reason: step.reason.clone(),
    }
}
