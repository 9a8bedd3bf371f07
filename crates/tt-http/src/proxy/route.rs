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
