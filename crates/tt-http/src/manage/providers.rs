//! `/manage/providers`: the caller's provider keys.

use http::StatusCode;
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tt_core::health::TargetState;
use tt_core::{BaseUrl, Label, ModelName, Provider, ProviderKeyId, Timestamp};
use tt_store::{NewProviderKey, ProviderKeyInfo, ProviderKeyPatch};

use crate::edge::context::Context;
use crate::edge::error::ApiError;
use crate::edge::fields;
use crate::edge::json::nullable;
use crate::edge::reply::Json;
use crate::state::app::App;
use crate::state::directory::{KnownCaller, UserView};
use crate::state::sealing;
use crate::state::target_health::ShownStanding;

/// The longest key of a provider, in bytes.
const LONGEST_KEY: usize = 4096;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewProviderKey")]
pub(crate) struct NewProvider {
    #[schemars(with = "Provider")]
    provider: String,
    #[schemars(with = "String")]
    api_key: SecretString,
    label: Option<String>,
    base_url: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ProviderKey")]
pub(crate) struct ProviderView {
    id: ProviderKeyId,
    provider: Provider,
    label: Option<Label>,
    base_url: Option<BaseUrl>,
    created_at: Timestamp,
    /// The models that have failed, or rest with their key, as this process knows them.
    targets: Vec<TargetView>,
}

/// A model of a provider key that has failed.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TargetHealth")]
pub(crate) struct TargetView {
    model: ModelName,
    state: TargetState,
    /// The end of the rest; null if the target is closed.
    until: Option<Timestamp>,
    /// The failure that it rests for: a status, `connection` or `timeout`; null if the target is closed.
    cause: Option<String>,
}

impl ProviderView {
    /// A key as it is shown to its user, whose view is `view`.
    fn of(info: ProviderKeyInfo, view: &UserView) -> Self {
        let targets = view.keys.get(&info.key.id).map_or_else(Vec::new, |key| key.health.targets());
        let target = |(model, ShownStanding { state, until, cause })| TargetView { model, state, until, cause };
        Self {
            targets: targets.into_iter().map(target).collect(),
            id: info.key.id,
            provider: info.key.provider,
            label: info.label,
            base_url: info.key.base_url,
            created_at: info.created_at,
        }
    }
}

/// `POST /manage/providers`: stores a provider key. It is sealed, and no call ever shows it.
pub(crate) async fn create(
    mut cx: Box<Context>,
    caller: KnownCaller,
) -> Result<(StatusCode, Json<ProviderView>), ApiError> {
    let NewProvider { provider, api_key, label: name, base_url } = cx.json().await?;
    let provider: Provider = provider.parse()?;
    let api_key = provider_secret(api_key)?;
    let name = name.map(|text| fields::label("label", text)).transpose()?;
    let base_url = match base_url {
        Some(text) => Some(address(&cx.app, &text).await?),
        None => None,
    };
    let (seal_id, sealed) = sealing::seal(&cx.app.keyring, caller.user_id, provider, base_url.as_ref(), &api_key)?;
    let new = NewProviderKey { provider, label: name, base_url, seal_id, sealed };
    let info = cx.app.store.create_provider_key(caller.user_id, new, cx.author(&caller)).await?;
    cx.app.directory.forget(caller.user_id);
    cx.app.model_refresh.saved(caller.user_id, info.key.id);
    let view = cx.app.directory.view(&caller).await?;
    Ok((StatusCode::CREATED, Json(ProviderView::of(info, &view))))
}

/// A provider's key, without the blanks that copying may have added. It must be visible ASCII, since it is sent in a
/// header.
fn provider_secret(text: SecretString) -> Result<SecretString, ApiError> {
    let trimmed = text.expose_secret().trim();
    if trimmed.is_empty() || trimmed.len() > LONGEST_KEY || !trimmed.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(ApiError::invalid_field("api_key", "must be 1 to 4096 visible ASCII characters"));
    }
    Ok(SecretString::from(trimmed))
}

/// An address that a user gives. It must be a public one over TLS, unless the operator allows others; the check of the host is repeated at
/// every connection, since a name may resolve to another address by then.
async fn address(app: &App, text: &str) -> Result<BaseUrl, ApiError> {
    let url = BaseUrl::parse(text)?;
    if app.config.upstream.allow_private {
        return Ok(url);
    }
    if !url.is_https() {
        return Err(ApiError::invalid_field("base_url", "must begin with https://, since the key is sent there"));
    }
    // A name that does not exist and one with a private address are answered alike, so that nobody learns the names of an
    // inner network.
    match tt_providers::upstream::address::resolve_public(&app.resolver, url.as_str()).await {
        Ok(()) => Ok(url),
        Err(_) => Err(ApiError::invalid_field("base_url", "must name a host with a public address")),
    }
}

/// `GET /manage/providers`: the caller's provider keys, without the keys themselves.
pub(crate) async fn list(cx: Box<Context>, caller: KnownCaller) -> Result<Json<Vec<ProviderView>>, ApiError> {
    let keys = cx.app.store.provider_keys(caller.user_id).await?;
    let view = cx.app.directory.view(&caller).await?;
    Ok(Json(keys.into_iter().map(|info| ProviderView::of(info, &view)).collect()))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ProviderKeyPatch")]
pub(crate) struct ProviderChange {
    #[serde(default, deserialize_with = "nullable")]
    label: Option<Option<String>>,
    #[schemars(with = "Option<String>")]
    api_key: Option<SecretString>,
    #[serde(default, deserialize_with = "nullable")]
    base_url: Option<Option<String>>,
}

/// `PATCH /manage/providers/{id}`. The address can be changed only together with the key: otherwise whoever holds a session
/// could have the stored key sent to a server of theirs.
pub(crate) async fn update(mut cx: Box<Context>, caller: KnownCaller) -> Result<Json<ProviderView>, ApiError> {
    let id = ProviderKeyId(cx.id_param(0, "provider_key")?);
    let change: ProviderChange = cx.json().await?;
    let before =
        cx.app.store.sealed_key(caller.user_id, id).await?.ok_or_else(|| ApiError::not_found("provider_key"))?;
    if change.label.is_none() && change.api_key.is_none() && change.base_url.is_none() {
        return Err(ApiError::missing_field("label"));
    }
    let mut patch = ProviderKeyPatch {
        label: match change.label {
            Some(Some(text)) => Some(Some(fields::label("label", text)?)),
            Some(None) => Some(None),
            None => None,
        },
        ..ProviderKeyPatch::default()
    };
    match (change.api_key, change.base_url) {
        (None, Some(_)) => return Err(ApiError::missing_field("api_key")),
        (None, None) => {}
        (Some(api_key), base_url) => {
            let api_key = provider_secret(api_key)?;
            let base_url = match base_url {
                None => before.key.base_url,
                Some(None) => None,
                Some(Some(text)) => Some(address(&cx.app, &text).await?),
            };
            let provider = before.key.provider;
            patch.secret = Some(sealing::seal(&cx.app.keyring, caller.user_id, provider, base_url.as_ref(), &api_key)?);
            patch.base_url = Some(base_url);
        }
    }
    let another_secret = patch.secret.is_some();
    let info = cx.app.store.update_provider_key(caller.user_id, id, patch, cx.author(&caller)).await?;
    cx.app.directory.forget(caller.user_id);
    if another_secret {
        cx.app.model_refresh.saved(caller.user_id, id);
    }
    let view = cx.app.directory.view(&caller).await?;
    Ok(Json(ProviderView::of(info, &view)))
}

/// `DELETE /manage/providers/{id}`: deletes a provider key.
pub(crate) async fn delete(cx: Box<Context>, caller: KnownCaller) -> Result<StatusCode, ApiError> {
    let id = ProviderKeyId(cx.id_param(0, "provider_key")?);
    cx.app.store.delete_provider_key(caller.user_id, id, cx.author(&caller)).await?;
    cx.app.directory.forget_key(caller.user_id, id);
    Ok(StatusCode::NO_CONTENT)
}
