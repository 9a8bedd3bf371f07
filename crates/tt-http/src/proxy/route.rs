//! The plan of a request: the targets that are asked, in order, and the reason for each.

use std::sync::Arc;

use tt_core::plan::{self, InputTokens, Plan, Step};
use tt_core::record::PlannedStep;

use super::ingress::Inbound;
use crate::edge::error::ApiError;
use crate::state::directory::UserView;

/// Plans the request. Its input is counted only if the alias has a light model, and only as far as that model's
/// thresholds ask.
pub(super) async fn resolve(view: &UserView, inbound: &Arc<Inbound>) -> Result<Plan, ApiError> {
    let model = &inbound.facts().model;
    let input = match plan::thresholds(&view.routes, model) {
        Some(thresholds) => {
            let alias = view.routes.alias(model).ok_or_else(ApiError::internal)?;
            inbound.input_tokens(alias.provider, thresholds).await?
        }
        None => InputTokens::AtLeast(0),
    };
    let plan = plan::plan(&view.routes, model, input)?;
    // A request that will be translated is read now, so that a body that is no conversation is refused before it is
    // admitted.
    let ingress = inbound.dialect();
    if plan.steps.first().is_some_and(|step| step.provider.dialect_for(ingress) != ingress) {
        inbound.decode().await?;
    }
    Ok(plan)
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
