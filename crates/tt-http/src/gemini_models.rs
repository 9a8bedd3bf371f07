//! `/v1beta/models`: the models that the caller may name, in the shape of Gemini's API.

use serde::Serialize;
use tt_core::Provider;
use tt_core::plan::{self, InputTokens};
use tt_core::price::PriceTable;

use crate::edge::context::Context;
use crate::edge::error::ApiError;
use crate::edge::reply::Json;
use crate::state::directory::KnownCaller;

/// The methods that a model of any provider can be called with.
const METHODS: [&str; 3] = ["generateContent", "streamGenerateContent", "countTokens"];

/// [The model resource](https://ai.google.dev/api/models#Model). The limits are those of the target, in tokens; a model that
/// the price table does not list has none.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Model {
    name: String,
    display_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_token_limit: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_token_limit: Option<u64>,
    supported_generation_methods: [&'static str; 3],
}

#[derive(Serialize)]
pub(crate) struct Models {
    models: Vec<Model>,
}

/// `GET /v1beta/models`: the caller's aliases, on one page.
pub(crate) async fn list(cx: Context, caller: KnownCaller) -> Result<Json<Models>, ApiError> {
    let view = cx.app.directory.view(&caller).await?;
    let mut aliases: Vec<_> = view.routes.aliases().filter(|alias| caller.may_name(alias.name.as_str())).collect();
    aliases.sort_by_key(|alias| alias.id);
    let prices = cx.app.prices.load();
    let models = aliases
        .into_iter()
        .map(|alias| model(alias.name.as_str(), alias.provider, alias.target_model.as_str(), &prices))
        .collect();
    Ok(Json(Models { models }))
}

/// `GET /v1beta/models/{name}`: an alias, or a `provider/model` for whose provider the caller has a key.
pub(crate) async fn show(cx: Context, caller: KnownCaller) -> Result<Json<Model>, ApiError> {
    let name = cx.param(0);
    if !caller.may_name(name) {
        return Err(ApiError::alias_not_allowed());
    }
    let view = cx.app.directory.view(&caller).await?;
    let plan = plan::plan(&view.routes, name, InputTokens::Exact(u64::MAX))?;
    let target = plan.steps.first().ok_or_else(ApiError::internal)?;
    Ok(Json(model(name, target.provider, target.model.as_str(), &cx.app.prices.load())))
}

fn model(name: &str, provider: Provider, target: &str, prices: &PriceTable) -> Model {
    let facts = prices.facts(provider, target);
    Model {
        name: format!("models/{name}"),
        display_name: name.to_owned(),
        input_token_limit: facts.and_then(|facts| facts.context_window),
        output_token_limit: facts.and_then(|facts| facts.max_output),
        supported_generation_methods: METHODS,
    }
}
