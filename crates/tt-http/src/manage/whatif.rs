//! `GET /manage/whatif`: the cost of recorded requests, and their cost if another model had served them.

use schemars::JsonSchema;
use serde::Serialize;
use tt_core::fee::Fee;
use tt_core::price::PriceTable;
use tt_core::usage::Reported;
use tt_core::{NanoUsd, Provider, Timestamp, Usage, UsageSource};
use tt_store::{RecordedUsage, UsageScope};

use crate::clock::now;
use crate::edge::context::Context;
use crate::edge::error::ApiError;
use crate::edge::fields::moment;
use crate::edge::filters::FILTERS;
use crate::edge::reply::Json;
use crate::manage::logs::Tokens;
use crate::state::directory::KnownCaller;

/// Requests read at a time.
const PAGE: u32 = 2000;

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct WhatIf {
    requests: u64,
    #[serde(flatten)]
    tokens: Tokens,
    cost_usd: Option<NanoUsd>,
    /// Requests whose cost is not known in full, so that `cost_usd` is too low.
    unpriced: u64,
    model: String,
    whatif_cost_usd: Option<NanoUsd>,
    /// Requests whose cost on the other model is not known; they are not in `whatif_cost_usd`.
    whatif_unpriced: u64,
}

/// `GET /manage/whatif`. Each request is priced by itself, since a long context has a price of its own: at the prices of
/// the standard tier when the request was made, or today's when the model had no price then.
///
/// The sums are computed from the rows of the log, so only requests of the last `LOG_RETENTION_DAYS` are in either sum;
/// `requests` says how many those are. `from` and `to` are exact to the millisecond.
pub(crate) async fn whatif(cx: Box<Context>, caller: KnownCaller) -> Result<Json<WhatIf>, ApiError> {
    let ([from, to, model], filters) = cx.query_and_filters_as(["from", "to", "model"], filter_names())?;
    let today = now();
    let scope = UsageScope {
        from: from.map_or(Ok(Timestamp::from_millis(0)), |text| moment("from", &text))?,
        to: to.map_or(Ok(today.plus_millis(1)), |text| moment("to", &text))?,
        filters,
    };
    let name = model.ok_or_else(|| ApiError::missing_field("model"))?;
    let prices = cx.app.prices.load_full();
    let other = Other::find(&prices, &name, today)?;
    cx.app.wait_for_drain().await;
    let mut sums = Sums::default();
    let mut after = None;
    loop {
        let page = cx.app.store.usage_by_request(caller.user_id, scope.clone(), after, PAGE).await?;
        page.iter().for_each(|request| sums.add(request, &other));
        after = page.last().map(|last| (last.created_at, last.request_id));
        if page.len() < PAGE as usize {
            return Ok(Json(sums.shown(name)));
        }
    }
}

/// The names of the filters. `model` is the other model, so that the filter by model has another name.
pub(crate) fn filter_names() -> [&'static str; FILTERS.len()] {
    FILTERS.map(|name| if name == "model" { "recorded_model" } else { name })
}

/// The model compared with.
struct Other<'a> {
    prices: &'a PriceTable,
    provider: Provider,
    model: &'a str,
    today: Timestamp,
}

impl<'a> Other<'a> {
    fn find(prices: &'a PriceTable, name: &'a str, today: Timestamp) -> Result<Self, ApiError> {
        let (provider, model) = name
            .split_once('/')
            .filter(|(_, model)| !model.is_empty())
            .ok_or_else(|| ApiError::invalid_field("model", "must be provider/model, as in openai/gpt-4o"))?;
        let unpriced = || ApiError::model_not_found("No price is known for that model: see GET /manage/prices.");
        let other = Self { prices, provider: provider.parse().map_err(|_| unpriced())?, model, today };
        let one_each = Usage { input: 1, output: 1, ..Usage::default() };
        other.cost(one_each, &[], today).map(|_| other).ok_or_else(unpriced)
    }

    fn cost(&self, usage: Usage, fees: &[Fee], at: Timestamp) -> Option<NanoUsd> {
        let reported = Reported { usage, fees: fees.to_vec(), ..Reported::default() };
        let price = |at| self.prices.price(self.provider, self.model, None, &reported, at);
        price(at).or_else(|| price(self.today))
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Sums {
    requests: u64,
    usage: Usage,
    cost: NanoUsd,
    unpriced: u64,
    there: NanoUsd,
    there_unpriced: u64,
}

impl Sums {
    fn add(&mut self, request: &RecordedUsage, other: &Other<'_>) {
        // The usage of such a request is not known, so its cost on the other model is not either.
        let unknown = request.source == UsageSource::Unknown;
        let there = other.cost(request.usage, &request.fees, request.created_at);
        self.requests += 1;
        self.usage = self.usage.plus(&request.usage);
        self.cost = self.cost.plus(request.cost.unwrap_or_default());
        self.unpriced += u64::from(unknown || request.unpriced || request.cost.is_none());
        self.there = self.there.plus(there.unwrap_or_default());
        self.there_unpriced += u64::from(unknown || there.is_none());
    }

    fn shown(self, model: String) -> WhatIf {
        // A sum of costs of which none is known is not 0 but unknown.
        let known = |sum: NanoUsd, unpriced: u64| {
            let nothing = sum == NanoUsd::ZERO && unpriced > 0 && unpriced >= self.requests;
            (!nothing).then_some(sum)
        };
        WhatIf {
            requests: self.requests,
            tokens: Tokens::from(&self.usage),
            cost_usd: known(self.cost, self.unpriced),
            unpriced: self.unpriced,
            model,
            whatif_cost_usd: known(self.there, self.there_unpriced),
            whatif_unpriced: self.there_unpriced,
        }
    }
}

#[cfg(test)]
mod tests {
    use tt_core::RequestId;
    use tt_core::fee::{FeeKind, FeeUnit};

    use super::*;

    fn at() -> Timestamp {
        Timestamp::parse("t", "2026-11-23T12:00:00Z").unwrap()
    }

    fn request(usage: Usage, source: UsageSource, cost: Option<i64>) -> RecordedUsage {
        let request_id: RequestId = "01937000-0000-7000-8000-000000000000".parse().unwrap();
        RecordedUsage {
            created_at: at(),
            request_id,
            usage,
            fees: Vec::new(),
            source,
            cost: cost.map(NanoUsd),
            unpriced: cost.is_none(),
        }
    }

    fn shown(model: &str, requests: &[RecordedUsage]) -> serde_json::Value {
        let prices = PriceTable::builtin().unwrap();
        let other = Other::find(&prices, model, at()).unwrap();
        let mut sums = Sums::default();
        requests.iter().for_each(|request| sums.add(request, &other));
        serde_json::to_value(sums.shown(model.to_owned())).unwrap()
    }

    #[test]
    fn the_long_context_price_is_each_requests_own() {
        let half = Usage { input: 100_000, cache_read: 50_000, output: 1000, ..Usage::default() };
        let long = Usage { input: 150_000, cache_read: 50_001, output: 1000, ..Usage::default() };
        let known = |usage| request(usage, UsageSource::Provider, Some(1_000_000_000));
        let both = shown("gemini/gemini-2.5-pro", &[known(half), known(half)]);
        // 100 000 × 1.25 + 50 000 × 0.125 + 1000 × 10 dollars a million, twice: together they would be long.
        assert_eq!(both["whatif_cost_usd"].to_string(), "0.2825");
        // 150 000 × 2.50 + 50 001 × 0.25 + 1000 × 15
        assert_eq!(shown("gemini/gemini-2.5-pro", &[known(long)])["whatif_cost_usd"].to_string(), "0.40250025");
        assert_eq!((&both["requests"], &both["cost_usd"]), (&2.into(), &2.into()));
        assert_eq!((&both["input_tokens"], &both["cached_input_tokens"]), (&300_000.into(), &100_000.into()));
    }

    #[test]
    fn what_is_not_known_is_left_out_and_counted() {
        let tokens = Usage { input: 1000, ..Usage::default() };
        let maps = Fee { kind: FeeKind::Maps, count: 1, unit: FeeUnit::Query };
        let mapped = RecordedUsage { fees: vec![maps], ..request(tokens, UsageSource::Provider, Some(9)) };
        let unpriced = request(tokens, UsageSource::Provider, None);
        let unknown = request(Usage::default(), UsageSource::Unknown, None);
        let only = shown("openai/gpt-4o", std::slice::from_ref(&unknown));
        assert_eq!((&only["cost_usd"], &only["whatif_cost_usd"]), (&().into(), &().into()));
        let mixed = shown("openai/gpt-3.5-turbo", &[unknown, unpriced, mapped]);
        assert_eq!((&mixed["unpriced"], &mixed["whatif_unpriced"]), (&2.into(), &2.into()), "{mixed}");
        // gpt-3.5-turbo: 1000 × 0.50; no price of maps is listed for it.
        assert_eq!(
            (mixed["cost_usd"].to_string(), mixed["whatif_cost_usd"].to_string()),
            ("9e-9".to_owned(), "0.0005".to_owned())
        );
        let nothing = shown("openai/gpt-4o", &[]);
        assert_eq!((&nothing["cost_usd"], &nothing["whatif_cost_usd"]), (&0.into(), &0.into()));
    }

    #[test]
    fn a_model_without_a_price_is_not_found() {
        let prices = PriceTable::builtin().unwrap();
        let code = |name| Other::find(&prices, name, at()).map(|_| ()).unwrap_err().code.clone();
        for name in ["openai/nobody-lists-this", "nobody/gpt-4o", "gemini/gpt-4o"] {
            assert_eq!(code(name), "model_not_found", "{name}");
        }
        for name in ["", "gpt-4o", "openai/"] {
            assert_eq!(code(name), "invalid_field", "{name}");
        }
    }
}
