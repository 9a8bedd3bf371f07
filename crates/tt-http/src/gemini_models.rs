//! `/v1beta/models`: the models that the caller may name, in the shape of Gemini's API.

use schemars::JsonSchema;
use serde::Serialize;
use tt_core::plan::{self, InputTokens};
use tt_core::price::PriceTable;
use tt_core::routing::Routes;

use crate::edge::context::Context;
use crate::edge::error::ApiError;
use crate::edge::reply::Json;
use crate::state::directory::KnownCaller;

/// The methods that a model of any provider can be called with, and those of a model that makes embeddings.
const METHODS: [&str; 3] = ["generateContent", "streamGenerateContent", "countTokens"];
const EMBEDDING_METHODS: [&str; 2] = ["embedContent", "batchEmbedContents"];

/// [The model resource](https://ai.google.dev/api/models#Model). The limits are those of the target, in tokens; a model that
/// the price table does not list has none.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "GeminiModel")]
pub(crate) struct Model {
    name: String,
    display_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_token_limit: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_token_limit: Option<u64>,
    supported_generation_methods: &'static [&'static str],
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "GeminiModels")]
pub(crate) struct Models {
    models: Vec<Model>,
}

/// `GET /v1beta/models`: the caller's aliases, on one page. An alias that catches names is no name of a model, and is not
/// listed.
pub(crate) async fn list(cx: Box<Context>, caller: KnownCaller) -> Result<Json<Models>, ApiError> {
    let view = cx.app.directory.view(&caller).await?;
    let exact = view.routes.aliases().filter(|alias| alias.name.catches().is_none());
    let mut aliases: Vec<_> = exact.filter(|alias| caller.may_name(&view.routes, alias.name.as_str())).collect();
    aliases.sort_by_key(|alias| alias.id);
    let prices = cx.app.prices.load();
    let models = aliases.into_iter().map(|alias| model(&view.routes, alias.name.as_str(), &prices));
    Ok(Json(Models { models: models.collect::<Result<_, _>>()? }))
}

/// `GET /v1beta/models/{name}`: an alias, or a `provider/model` for whose provider the caller has a key.
pub(crate) async fn show(cx: Box<Context>, caller: KnownCaller) -> Result<Json<Model>, ApiError> {
    let name = cx.param(0);
    let view = cx.app.directory.view(&caller).await?;
    if !caller.may_name(&view.routes, name) {
        return Err(ApiError::alias_not_allowed());
    }
    Ok(Json(model(&view.routes, name, &cx.app.prices.load())?))
}

/// The model that `name` leads to. The light model has no say, since it is for small requests only.
fn model(routes: &Routes, name: &str, prices: &PriceTable) -> Result<Model, ApiError> {
    let plan = plan::plan(routes, name, InputTokens::Exact(u64::MAX))?;
    let target = plan.steps.first().ok_or_else(ApiError::internal)?;
    let facts = prices.facts(target.provider, target.model.as_str());
    let embeds = prices.makes_embeddings(target.provider, target.model.as_str());
    Ok(Model {
        name: format!("models/{name}"),
        display_name: name.to_owned(),
        input_token_limit: facts.and_then(|facts| facts.context_window),
        output_token_limit: facts.and_then(|facts| facts.max_output),
        supported_generation_methods: if embeds { &EMBEDDING_METHODS } else { &METHODS },
    })
}
