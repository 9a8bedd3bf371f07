//! `/v1/models`: the models that the caller may name, in the shape of OpenAI's API.

use serde::Serialize;
use tt_core::Provider;
use tt_core::plan::{self, InputTokens};

use crate::edge::context::Context;
use crate::edge::error::ApiError;
use crate::edge::reply::Json;
use crate::state::directory::KnownCaller;

/// [The model object](https://platform.openai.com/docs/api-reference/models/object).
#[derive(Serialize)]
pub(crate) struct Model {
    id: String,
    object: &'static str,
    /// Seconds since the epoch.
    created: i64,
    owned_by: Provider,
}

#[derive(Serialize)]
pub(crate) struct Models {
    object: &'static str,
    data: Vec<Model>,
}

/// `GET /v1/models`: the caller's aliases.
pub(crate) async fn list(cx: Context, caller: KnownCaller) -> Result<Json<Models>, ApiError> {
    let view = cx.app.directory.view(&caller).await?;
    let mut aliases: Vec<_> = view.routes.aliases().filter(|alias| caller.may_name(alias.name.as_str())).collect();
    aliases.sort_by_key(|alias| alias.id);
    let data = aliases.into_iter().map(|alias| model(alias.name.as_str(), alias.provider, alias.created_at)).collect();
    Ok(Json(Models { object: "list", data }))
}

/// `GET /v1/models/{id}`: an alias, or a `provider/model` for whose provider the caller has a key.
pub(crate) async fn show(cx: Context, caller: KnownCaller) -> Result<Json<Model>, ApiError> {
    let name = cx.param(0);
    if !caller.may_name(name) {
        return Err(ApiError::alias_not_allowed());
    }
    let view = cx.app.directory.view(&caller).await?;
    if let Some(alias) = view.routes.alias(name) {
        return Ok(Json(model(name, alias.provider, alias.created_at)));
    }
    let plan = plan::plan(&view.routes, name, InputTokens::Exact(0))?;
    let provider = plan.steps.first().map(|step| step.provider).ok_or_else(ApiError::internal)?;
    Ok(Json(model(name, provider, tt_core::Timestamp::from_millis(0))))
}

fn model(id: &str, provider: Provider, created_at: tt_core::Timestamp) -> Model {
    Model { id: id.to_owned(), object: "model", created: created_at.millis() / 1000, owned_by: provider }
}
