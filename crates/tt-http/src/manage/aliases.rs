//! `/manage/aliases`: names that stand for a provider key and a model.

use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tt_core::routing::{Alias, DEFAULT_LIGHT_THRESHOLD, TargetModel};
use tt_core::{AliasId, AliasName, ModelName, Provider, ProviderKeyId, Timestamp};
use tt_store::{AliasPatch, NewAlias};

use crate::edge::context::Context;
use crate::edge::error::ApiError;
use crate::edge::json::nullable;
use crate::edge::reply::Json;
use crate::state::directory::KnownCaller;

/// The largest threshold: the largest that the store can hold.
const LARGEST_THRESHOLD: u64 = i64::MAX.unsigned_abs();

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AliasWish {
    alias: String,
    target_model: String,
    provider_key_id: i64,
    fallback_alias_id: Option<i64>,
    use_light_model: Option<bool>,
    light_model_threshold: Option<u64>,
    light_model: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Alias")]
pub(crate) struct AliasView {
    id: AliasId,
    alias: AliasName,
    target_model: TargetModel,
    provider_key_id: ProviderKeyId,
    provider: Provider,
    fallback_alias_id: Option<AliasId>,
    use_light_model: bool,
    light_model_threshold: u64,
    light_model: Option<ModelName>,
    created_at: Timestamp,
}

impl From<Alias> for AliasView {
    fn from(alias: Alias) -> Self {
        Self {
            id: alias.id,
            alias: alias.name,
            target_model: alias.target_model,
            provider_key_id: alias.provider_key_id,
            provider: alias.provider,
            fallback_alias_id: alias.fallback_alias_id,
            use_light_model: alias.use_light_model,
            light_model_threshold: alias.light_model_threshold,
            light_model: alias.light_model,
            created_at: alias.created_at,
        }
    }
}

fn target_model(text: String) -> Result<TargetModel, ApiError> {
    TargetModel::try_from(text).map_err(|invalid| ApiError::invalid_field("target_model", invalid.reason))
}

/// The light model of a body. Both `""` and `null` mean none.
fn light_model(text: Option<String>) -> Result<Option<ModelName>, ApiError> {
    let named = text.filter(|text| !text.is_empty()).map(ModelName::try_from).transpose();
    named.map_err(|invalid| ApiError::invalid_field("light_model", invalid.reason))
}

/// The fallback of a body. Both 0 and `null` mean none.
fn fallback(id: Option<i64>) -> Option<AliasId> {
    id.filter(|id| *id != 0).map(AliasId)
}

fn threshold(tokens: u64) -> Result<u64, ApiError> {
    if tokens <= LARGEST_THRESHOLD {
        Ok(tokens)
    } else {
        Err(ApiError::invalid_field("light_model_threshold", "is out of range"))
    }
}

/// `POST /manage/aliases`: creates an alias, or replaces the one of that name.
pub(crate) async fn put(mut cx: Box<Context>, caller: KnownCaller) -> Result<Json<AliasView>, ApiError> {
    let wish: AliasWish = cx.json().await?;
    let new = NewAlias {
        name: AliasName::try_from(wish.alias)?,
        target_model: target_model(wish.target_model)?,
        provider_key_id: ProviderKeyId(wish.provider_key_id),
        fallback_alias_id: fallback(wish.fallback_alias_id),
        use_light_model: wish.use_light_model.unwrap_or(false),
        light_model_threshold: threshold(wish.light_model_threshold.unwrap_or(DEFAULT_LIGHT_THRESHOLD))?,
        light_model: light_model(wish.light_model)?,
    };
    let alias = cx.app.store.upsert_alias(caller.user_id, new, cx.author(&caller)).await?;
    cx.app.directory.forget(caller.user_id);
    Ok(Json(alias.into()))
}

/// `GET /manage/aliases`: the caller's aliases.
pub(crate) async fn list(cx: Box<Context>, caller: KnownCaller) -> Result<Json<Vec<AliasView>>, ApiError> {
    let aliases = cx.app.store.aliases(caller.user_id).await?;
    Ok(Json(aliases.into_iter().map(AliasView::from).collect()))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AliasPatch")]
pub(crate) struct AliasChange {
    alias: Option<String>,
    target_model: Option<String>,
    provider_key_id: Option<i64>,
    #[serde(default, deserialize_with = "nullable")]
    fallback_alias_id: Option<Option<i64>>,
    use_light_model: Option<bool>,
    light_model_threshold: Option<u64>,
    #[serde(default, deserialize_with = "nullable")]
    light_model: Option<Option<String>>,
}

/// `PATCH /manage/aliases/{alias}`: changes the fields that the body names.
pub(crate) async fn update(mut cx: Box<Context>, caller: KnownCaller) -> Result<Json<AliasView>, ApiError> {
    let change: AliasChange = cx.json().await?;
    let name = named(&cx)?;
    let patch = AliasPatch {
        name: change.alias.map(AliasName::try_from).transpose()?,
        target_model: change.target_model.map(target_model).transpose()?,
        provider_key_id: change.provider_key_id.map(ProviderKeyId),
        fallback_alias_id: change.fallback_alias_id.map(fallback),
        use_light_model: change.use_light_model,
        light_model_threshold: change.light_model_threshold.map(threshold).transpose()?,
        light_model: change.light_model.map(light_model).transpose()?,
    };
    if patch == AliasPatch::default() {
        return Err(ApiError::missing_field("target_model"));
    }
    let alias = cx.app.store.patch_alias(caller.user_id, name, patch, cx.author(&caller)).await?;
    cx.app.directory.forget(caller.user_id);
    Ok(Json(alias.into()))
}

/// `DELETE /manage/aliases/{alias}`: deletes an alias.
pub(crate) async fn delete(cx: Box<Context>, caller: KnownCaller) -> Result<StatusCode, ApiError> {
    let name = named(&cx)?;
    cx.app.store.delete_alias(caller.user_id, name, cx.author(&caller)).await?;
    cx.app.directory.forget(caller.user_id);
    Ok(StatusCode::NO_CONTENT)
}

/// The alias that the path names. A text that cannot be an alias's name is answered like an unknown one.
fn named(cx: &Context) -> Result<AliasName, ApiError> {
    AliasName::try_from(cx.param(0).to_owned()).map_err(|_| ApiError::not_found("alias"))
}
