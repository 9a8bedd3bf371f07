//! `/v1/models`: the models that the caller may name, in the shape of OpenAI's API, or in that of another one for a client
//! whose headers belong to it.

use http::HeaderName;
use http::request::Parts;
use schemars::JsonSchema;
use serde::Serialize;
use tt_core::plan::{self, InputTokens};
use tt_core::{Dialect, Provider, Timestamp};

use crate::edge::context::Context;
use crate::edge::error::ApiError;
use crate::edge::reply::{IntoReply, Json, Reply};
use crate::gemini_models;
use crate::state::directory::{KnownCaller, UserView};

/// The beginning of the paths of requests for models.
const MODELS: &str = "/v1/models";

/// The header of every request to Anthropic's API.
const ANTHROPIC_VERSION: HeaderName = HeaderName::from_static("anthropic-version");

/// The models on a page of Anthropic's list: where the client does not say, and the most that it may ask for.
const PAGE: usize = 20;
const LARGEST_PAGE: usize = 1000;

/// The header that holds the key of every request to Gemini's API.
const GOOGLE_KEY: HeaderName = HeaderName::from_static("x-goog-api-key");

/// The dialect of the API that the headers of a request for models belong to; `None` where they belong to no certain one, and
/// for other requests, whose path says it.
pub(crate) fn asked_for(Parts { uri, headers, .. }: &Parts) -> Option<Dialect> {
    if !uri.path().starts_with(MODELS) {
        return None;
    }
    if headers.contains_key(ANTHROPIC_VERSION) {
        return Some(Dialect::AnthropicMessages);
    }
    headers.contains_key(GOOGLE_KEY).then_some(Dialect::Gemini)
}

/// A model that the caller may name.
struct Named<'a> {
    name: &'a str,
    provider: Provider,
    created_at: Timestamp,
}

/// [The model object](https://platform.openai.com/docs/api-reference/models/object) of OpenAI.
#[derive(Serialize, JsonSchema)]
pub(crate) struct OpenAiModel<'a> {
    id: &'a str,
    object: &'static str,
    /// Seconds since the epoch.
    created: i64,
    owned_by: Provider,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct OpenAiModels<'a> {
    object: &'static str,
    data: Vec<OpenAiModel<'a>>,
}

/// [The model object](https://docs.anthropic.com/en/api/models-list) of Anthropic.
#[derive(Serialize, JsonSchema)]
pub(crate) struct AnthropicModel<'a> {
    r#type: &'static str,
    id: &'a str,
    display_name: &'a str,
    created_at: String,
}

/// A page of Anthropic's list.
#[derive(Serialize, JsonSchema)]
pub(crate) struct AnthropicModels<'a> {
    data: Vec<AnthropicModel<'a>>,
    has_more: bool,
    first_id: Option<&'a str>,
    last_id: Option<&'a str>,
}

impl<'a> Named<'a> {
    fn of_openai(&self) -> OpenAiModel<'a> {
        let Self { name: id, provider: owned_by, created_at } = *self;
        OpenAiModel { id, object: "model", created: created_at.millis() / 1000, owned_by }
    }

    fn of_anthropic(&self) -> AnthropicModel<'a> {
        let created_at = self.created_at.rfc3339();
        AnthropicModel { r#type: "model", id: self.name, display_name: self.name, created_at }
    }
}

/// `GET /v1/models`: the caller's aliases, in the order in which they were made.
pub(crate) async fn list(cx: Box<Context>, caller: KnownCaller) -> Result<Reply, ApiError> {
    if cx.dialect == Some(Dialect::Gemini) {
        return Ok(gemini_models::list(cx, caller).await?.into_reply());
    }
    let view = cx.app.directory.view(&caller).await?;
    let models = aliases(&view, &caller);
    if cx.dialect != Some(Dialect::AnthropicMessages) {
        let data = models.iter().map(Named::of_openai).collect();
        return Ok(Json(OpenAiModels { object: "list", data }).into_reply());
    }
    // `beta` chooses the beta API, whose list is the same here.
    let [limit, after_id, before_id, _beta] = cx.query(["limit", "after_id", "before_id", "beta"])?;
    let (page, has_more) = page(&models, limit, after_id.as_deref(), before_id.as_deref())?;
    let ids = |model: Option<&Named<'_>>| model.map(|model| model.name.to_owned());
    let (first, last) = (ids(page.first()), ids(page.last()));
    let data = page.iter().map(Named::of_anthropic).collect();
    Ok(Json(AnthropicModels { data, has_more, first_id: first.as_deref(), last_id: last.as_deref() }).into_reply())
}

/// An alias that catches names is no name of a model, and is not listed.
fn aliases<'a>(view: &'a UserView, caller: &KnownCaller) -> Vec<Named<'a>> {
    let exact = view.routes.aliases().filter(|alias| alias.name.catches().is_none());
    let mut aliases: Vec<_> = exact.filter(|alias| caller.may_name(&view.routes, alias.name.as_str())).collect();
    aliases.sort_by_key(|alias| alias.id);
    let named = aliases.into_iter().map(|alias| Named {
        name: alias.name.as_str(),
        provider: alias.provider,
        created_at: alias.created_at,
    });
    named.collect()
}

/// The models of a page, and whether there are more in the direction of the page.
///
/// # Errors
/// When the limit is no number from 1 to 1000, both ends are given, or an end is not in the list.
fn page<'m, 'a>(
    models: &'m [Named<'a>],
    limit: Option<String>,
    after: Option<&str>,
    before: Option<&str>,
) -> Result<(&'m [Named<'a>], bool), ApiError> {
    let limit = match limit.map(|limit| limit.parse()) {
        None => PAGE,
        Some(Ok(limit @ 1..=LARGEST_PAGE)) => limit,
        Some(_) => return Err(ApiError::invalid_field("limit", format!("must be from 1 to {LARGEST_PAGE}"))),
    };
    let place = |field, id: &str| {
        let found = models.iter().position(|model| model.name == id);
        found.ok_or_else(|| ApiError::invalid_field(field, "is no model of the list"))
    };
    let (from, to) = match (after, before) {
        (None, None) => (0, limit.min(models.len())),
        (Some(after), None) => {
            let from = place("after_id", after)? + 1;
            (from, from.saturating_add(limit).min(models.len()))
        }
        (None, Some(before)) => {
            let to = place("before_id", before)?;
            (to.saturating_sub(limit), to)
        }
        (Some(_), Some(_)) => return Err(ApiError::invalid_field("before_id", "cannot stand beside after_id")),
    };
    let more = if before.is_some() { from > 0 } else { to < models.len() };
    Ok((models.get(from..to).unwrap_or_default(), more))
}

/// `GET /v1/models/{id}`: an alias, or a `provider/model` for whose provider the caller has a key.
pub(crate) async fn show(cx: Box<Context>, caller: KnownCaller) -> Result<Reply, ApiError> {
    if cx.dialect == Some(Dialect::Gemini) {
        return Ok(gemini_models::show(cx, caller).await?.into_reply());
    }
    let name = cx.param(0);
    let view = cx.app.directory.view(&caller).await?;
    if !caller.may_name(&view.routes, name) {
        return Err(ApiError::alias_not_allowed());
    }
    let model = match view.routes.alias(name) {
        Some(alias) => Named { name, provider: alias.provider, created_at: alias.created_at },
        None => {
            let plan = plan::plan(&view.routes, name, InputTokens::Exact(0))?;
            let provider = plan.steps.first().map(|step| step.provider).ok_or_else(ApiError::internal)?;
            Named { name, provider, created_at: Timestamp::from_millis(0) }
        }
    };
    Ok(if cx.dialect == Some(Dialect::AnthropicMessages) {
        Json(model.of_anthropic()).into_reply()
    } else {
        Json(model.of_openai()).into_reply()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn models(names: &[&'static str]) -> Vec<Named<'static>> {
        let named =
            |name: &&'static str| Named { name, provider: Provider::Anthropic, created_at: Timestamp::from_millis(0) };
        names.iter().map(named).collect()
    }

    fn names(limit: Option<&str>, after: Option<&str>, before: Option<&str>) -> Result<(String, bool), String> {
        let all = models(&["a", "b", "c", "d", "e"]);
        let found = page(&all, limit.map(str::to_owned), after, before);
        found
            .map_err(|error| error.message.clone())
            .map(|(page, more)| (page.iter().map(|model| model.name).collect(), more))
    }

    #[test]
    fn a_page_begins_behind_one_model_or_ends_before_one() {
        for (limit, after, before, expected, more) in [
            (None, None, None, "abcde", false),
            (Some("5"), None, None, "abcde", false),
            (Some("2"), None, None, "ab", true),
            (Some("2"), Some("b"), None, "cd", true),
            (Some("2"), Some("c"), None, "de", false),
            (Some("2"), Some("e"), None, "", false),
            (Some("2"), None, Some("d"), "bc", true),
            (Some("3"), None, Some("d"), "abc", false),
            (Some("2"), None, Some("a"), "", false),
        ] {
            assert_eq!(names(limit, after, before), Ok((expected.to_owned(), more)), "{limit:?} {after:?} {before:?}");
        }
    }

    #[test]
    fn a_page_that_is_nowhere_is_refused() {
        for (limit, after, before, field) in [
            (Some("0"), None, None, "`limit`"),
            (Some("1001"), None, None, "`limit`"),
            (Some("x"), None, None, "`limit`"),
            (None, Some("z"), None, "`after_id`"),
            (None, None, Some("z"), "`before_id`"),
            (None, Some("a"), Some("b"), "`before_id`"),
        ] {
            assert!(names(limit, after, before).is_err_and(|why| why.starts_with(field)), "{field}");
        }
    }
}
