//! `/manage/models`, `/manage/providers/{id}/models` and `/manage/providers/{id}/test`: the models that provider keys may
//! call.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use schemars::JsonSchema;
use serde::Serialize;
use tt_core::{Provider, ProviderKeyId};
use tt_providers::UpstreamError;
use tt_store::ModelList;

use crate::edge::context::Context;
use crate::edge::error::ApiError;
use crate::edge::reply::Json;
use crate::model_list::ModelSource;
use crate::state::app::App;
use crate::state::directory::KnownCaller;

/// `GET /manage/providers/{id}/models`: the list as last fetched, or the provider's models in the price table when none has
/// been fetched yet.
pub(crate) async fn of_key(cx: Box<Context>, caller: KnownCaller) -> Result<Json<Vec<String>>, ApiError> {
    let id = ProviderKeyId(cx.id_param(0, "provider_key")?);
    let keys = cx.app.store.provider_keys(caller.user_id).await?;
    let info = keys.into_iter().find(|info| info.key.id == id).ok_or_else(|| ApiError::not_found("provider_key"))?;
    cx.app.model_refresh.listed(caller.user_id, id);
    let lists = cx.app.store.model_lists(caller.user_id).await?;
    Ok(Json(models(&cx.app, id, info.key.provider, &lists)))
}

fn models(app: &App, key: ProviderKeyId, provider: Provider, lists: &[ModelList]) -> Vec<String> {
    match lists.iter().find(|list| list.provider_key_id == key) {
        Some(list) => list.models.clone(),
        None => app.prices.load().models(provider).map(str::to_owned).collect(),
    }
}

/// Models by provider. A provider for which the caller has no key has none.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[schemars(rename = "ModelsByProvider")]
pub(crate) struct ByProvider {
    openai: BTreeSet<String>,
    anthropic: BTreeSet<String>,
    gemini: BTreeSet<String>,
}

/// `GET /manage/models`: the models of all the caller's keys together.
pub(crate) async fn of_all(cx: Box<Context>, caller: KnownCaller) -> Result<Json<ByProvider>, ApiError> {
    let keys = cx.app.store.provider_keys(caller.user_id).await?;
    let lists = cx.app.store.model_lists(caller.user_id).await?;
    let mut all = ByProvider::default();
    for info in keys {
        cx.app.model_refresh.listed(caller.user_id, info.key.id);
        let names = models(&cx.app, info.key.id, info.key.provider, &lists);
        match info.key.provider {
            Provider::OpenAi => all.openai.extend(names),
            Provider::Anthropic => all.anthropic.extend(names),
            Provider::Gemini => all.gemini.extend(names),
        }
    }
    Ok(Json(all))
}

/// The outcome of a test.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ProviderTest")]
pub(crate) struct Tested {
    ok: bool,
    /// The status that the provider answered with; `None` when it did not answer.
    status: Option<u16>,
    latency_ms: u64,
    message: String,
}

/// `POST /manage/providers/{id}/test`: asks the provider for its list of models with the stored key. If the provider takes the
/// key, models that rest with it rest no longer.
pub(crate) async fn test(cx: Box<Context>, caller: KnownCaller) -> Result<Json<Tested>, ApiError> {
    let id = ProviderKeyId(cx.id_param(0, "provider_key")?);
    let stored = cx.app.store.sealed_key(caller.user_id, id).await?;
    let stored = stored.ok_or_else(|| ApiError::not_found("provider_key"))?;
    let Ok(asked) = ModelSource::open(&cx.app.keyring, &cx.app.config.upstream, caller.user_id, &stored) else {
        let message = "The stored key cannot be opened; save it again.".to_owned();
        return Ok(Json(Tested { ok: false, status: None, latency_ms: 0, message }));
    };
    let (begun, asked) = (Instant::now(), Arc::new(asked));
    let page = asked.page(&cx.worker.client, None).await;
    let latency_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let page = match page {
        Ok(page) => {
            let source = Arc::clone(&asked);
            let read = cx.app.compute.run(caller.user_id, move || source.read(&page)).await;
            read.map_err(UpstreamError::from).flatten()
        }
        Err(error) => Err(error),
    };
    let (ok, status, message) = match page {
        Ok(page) => {
            cx.app.model_refresh.listed(caller.user_id, id);
            if let Some(key) = cx.app.directory.view(&caller).await?.keys.get(&id) {
                key.health.key_was_taken();
            }
            (true, Some(200), format!("The provider took the key and listed {} models.", page.names.len()))
        }
        Err(error) => {
            let status = match &error {
                UpstreamError::Refused(refused) => Some(refused.status),
                _ => None,
            };
            (false, status, format!("The test failed: {}.", asked.reason(&error)))
        }
    };
    Ok(Json(Tested { ok, status, latency_ms, message }))
}
