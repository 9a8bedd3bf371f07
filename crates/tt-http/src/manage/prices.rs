//! `/manage/prices`: the price list, prices that override the shipped ones, and pricing recorded requests anew.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tt_core::price::{self, Listed, Override, PicoPerToken};
use tt_core::{ModelName, NanoUsd, Provider, Timestamp};
use tt_store::{Action, Repriced, Rerate, StoreError};

use crate::clock::now;
use crate::edge::context::Context;
use crate::edge::credentials::admins_only;
use crate::edge::error::ApiError;
use crate::edge::json::object;
use crate::edge::reply::Json;
use crate::state::directory::KnownCaller;

/// Requests that are priced anew in one transaction.
const STEP: u32 = 500;

/// The most models that a reply lists, and the name under which it sums up the rest: any user can make up model names.
const MOST_MODELS: usize = 1000;
const OTHER: &str = "(other)";

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PriceList {
    version: String,
    as_of: String,
    prices: Vec<Entry>,
}

/// The prices of a model, in dollars per million tokens. `null` means that no price is known.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Price")]
pub(crate) struct Entry {
    provider: Provider,
    model: String,
    usd_per_million: PerMillion,
    #[serde(rename = "override")]
    is_override: bool,
    effective_from: Option<Timestamp>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PricesPerMillion")]
pub(crate) struct PerMillion {
    input: Option<PicoPerToken>,
    output: Option<PicoPerToken>,
    cache_read: Option<PicoPerToken>,
    cache_write_5m: Option<PicoPerToken>,
    cache_write_1h: Option<PicoPerToken>,
}

impl From<Listed<'_>> for Entry {
    fn from(listed: Listed<'_>) -> Self {
        Self {
            provider: listed.provider,
            model: listed.model.to_owned(),
            usd_per_million: PerMillion {
                input: listed.input,
                output: listed.output,
                cache_read: listed.cache_read,
                cache_write_5m: listed.cache_write_5m,
                cache_write_1h: listed.cache_write_1h,
            },
            is_override: listed.effective_from.is_some(),
            effective_from: listed.effective_from,
        }
    }
}

impl From<&Override> for Entry {
    fn from(set: &Override) -> Self {
        let cache = |price: Option<PicoPerToken>| Some(price.unwrap_or(set.input));
        Self {
            provider: set.provider,
            model: set.model.clone(),
            usd_per_million: PerMillion {
                input: Some(set.input),
                output: Some(set.output),
                cache_read: cache(set.cache_read),
                cache_write_5m: cache(set.cache_write_5m),
                cache_write_1h: cache(set.cache_write_1h),
            },
            is_override: true,
            effective_from: Some(set.effective_from),
        }
    }
}

/// `GET /manage/prices`: the prices of the standard tier that are in force, and the overrides that will be.
pub(crate) async fn list(cx: Box<Context>, _: KnownCaller) -> Result<Json<PriceList>, ApiError> {
    let [] = cx.query([])?;
    let table = cx.app.prices.load_full();
    let prices = table.listed(cx.arrived_at).map(Entry::from).collect();
    Ok(Json(PriceList { version: table.version().to_owned(), as_of: table.as_of().to_owned(), prices }))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "PriceWish")]
pub(crate) struct NewPrices {
    #[serde(deserialize_with = "object")]
    usd_per_million: NewPerMillion,
    effective_from: Option<Timestamp>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "PricesPerMillionWish")]
pub(crate) struct NewPerMillion {
    input: PicoPerToken,
    output: PicoPerToken,
    cache_read: Option<PicoPerToken>,
    cache_write_5m: Option<PicoPerToken>,
    cache_write_1h: Option<PicoPerToken>,
}

/// `PUT /manage/prices/{provider}/{model}`: overrides the prices of a model, in this process at once, in others as soon as
/// they read the change from the store.
pub(crate) async fn set(mut cx: Box<Context>, caller: KnownCaller) -> Result<Json<Entry>, ApiError> {
    admins_only(&caller)?;
    let provider: Provider = cx.param(0).parse()?;
    let model = ModelName::try_from(cx.param(1).to_owned())?;
    let NewPrices { usd_per_million: prices, effective_from } = cx.json().await?;
    let new = Override {
        provider,
        model: price::bare(provider, model.as_str()).to_owned(),
        input: prices.input,
        output: prices.output,
        cache_read: prices.cache_read,
        cache_write_5m: prices.cache_write_5m,
        cache_write_1h: prices.cache_write_1h,
        effective_from: effective_from.unwrap_or_else(now),
    };
    let entry = Entry::from(&new);
    cx.app.store.set_price(new, cx.author(&caller)).await?;
    cx.app.prices.outdate();
    match cx.app.refresh_prices().await {
        // The price is stored. The task that follows changes reads it as soon as the store answers again.
        Ok(()) | Err(StoreError::Unavailable(_)) => Ok(Json(entry)),
        Err(error) => Err(error.into()),
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RerateWish")]
pub(crate) struct Span {
    from: Timestamp,
    to: Timestamp,
    #[serde(default)]
    dry_run: bool,
}

#[derive(Debug, Default, Serialize, JsonSchema)]
#[schemars(rename = "Rerated")]
pub(crate) struct Rerating {
    models: Vec<ModelCost>,
    before_usd: Option<NanoUsd>,
    after_usd: Option<NanoUsd>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "RerateModel")]
pub(crate) struct ModelCost {
    provider: Option<Provider>,
    model: Option<String>,
    requests: u64,
    before_usd: Option<NanoUsd>,
    after_usd: Option<NanoUsd>,
}

/// `POST /manage/prices/rerate`: prices the requests of all users in a span of time anew, by this process's price table.
/// It goes in steps, each a transaction: when the caller leaves, the finished steps stay, and the call may be repeated. A
/// request that is stored only after its step has passed keeps the price that it was settled with.
pub(crate) async fn rerate(mut cx: Box<Context>, caller: KnownCaller) -> Result<Json<Rerating>, ApiError> {
    admins_only(&caller)?;
    let Span { from, to, dry_run } = cx.json().await?;
    if to < from {
        return Err(ApiError::invalid_field("to", "must not lie before `from`"));
    }
    cx.app.wait_for_drain().await;
    let prices = cx.app.prices.load_full();
    let mut sums = Sums::default();
    let mut after = None;
    loop {
        let step = Rerate { from, to, after, limit: STEP, now: now() };
        let rerated = if dry_run {
            cx.app.store.rerate_preview(prices.clone(), step).await?
        } else {
            cx.app.store.rerate(prices.clone(), step).await?
        };
        rerated.requests.into_iter().for_each(|request| sums.add(request));
        after = rerated.next;
        if after.is_none() {
            break;
        }
    }
    if !dry_run {
        let object = format!("requests from {} to {}", from.rfc3339(), to.rfc3339());
        let by = cx.author(&caller);
        cx.app.store.note_action(by, Action::PricesRerated, object, String::new()).await?;
        cx.app.budget_accounts.repriced().await?;
    }
    Ok(Json(sums.into()))
}

/// The costs before and after, by model.
#[derive(Default)]
struct Sums(BTreeMap<(Option<Provider>, Option<String>), Sum>);

#[derive(Default)]
struct Sum {
    requests: u64,
    before: Option<NanoUsd>,
    after: Option<NanoUsd>,
}

impl Sums {
    fn add(&mut self, request: Repriced) {
        let Repriced { provider, model, before, after } = request;
        let mut key = (provider, model);
        if self.0.len() >= MOST_MODELS && !self.0.contains_key(&key) {
            key.1 = Some(OTHER.to_owned());
        }
        let sum = self.0.entry(key).or_default();
        sum.requests += 1;
        sum.before = known_sum(sum.before, before);
        sum.after = known_sum(sum.after, after);
    }
}

/// The sum of two costs, either of which may be unknown; `None` when both are.
fn known_sum(a: Option<NanoUsd>, b: Option<NanoUsd>) -> Option<NanoUsd> {
    match (a, b) {
        (None, None) => None,
        (a, b) => Some(a.unwrap_or_default().plus(b.unwrap_or_default())),
    }
}

impl From<Sums> for Rerating {
    fn from(Sums(by_model): Sums) -> Self {
        // The cost of no requests is known: 0.
        let none = by_model.is_empty().then_some(NanoUsd::ZERO);
        let mut whole = Self { models: Vec::with_capacity(by_model.len()), before_usd: none, after_usd: none };
        for ((provider, model), Sum { requests, before, after }) in by_model {
            whole.before_usd = known_sum(whole.before_usd, before);
            whole.after_usd = known_sum(whole.after_usd, after);
            whole.models.push(ModelCost { provider, model, requests, before_usd: before, after_usd: after });
        }
        whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repriced(model: &str, before: Option<i64>, after: Option<i64>) -> Repriced {
        Repriced {
            provider: Some(Provider::OpenAi),
            model: Some(model.to_owned()),
            before: before.map(NanoUsd),
            after: after.map(NanoUsd),
        }
    }

    fn text(requests: impl IntoIterator<Item = Repriced>) -> String {
        let mut sums = Sums::default();
        requests.into_iter().for_each(|request| sums.add(request));
        serde_json::to_string(&Rerating::from(sums)).unwrap()
    }

    #[test]
    fn what_is_not_known_is_null_and_never_0() {
        assert_eq!(
            text([repriced("a", None, Some(7)), repriced("a", None, Some(8))]),
            r#"{"models":[{"provider":"openai","model":"a","requests":2,"before_usd":null,"after_usd":0.000000015}],"#
                .to_owned()
                + r#""before_usd":null,"after_usd":0.000000015}"#
        );
        assert!(
            text([repriced("a", None, None), repriced("b", Some(1), None)])
                .ends_with(r#""before_usd":0.000000001,"after_usd":null}"#)
        );
        assert_eq!(text([]), r#"{"models":[],"before_usd":0,"after_usd":0}"#);
    }

    #[test]
    fn models_beyond_the_bound_are_one() {
        let mut sums = Sums::default();
        (0..MOST_MODELS + 5).for_each(|n| sums.add(repriced(&format!("m{n}"), Some(1), Some(2))));
        let other = (Some(Provider::OpenAi), Some(OTHER.to_owned()));
        assert_eq!((sums.0.len(), sums.0[&other].requests), (MOST_MODELS + 1, 5));
    }
}
