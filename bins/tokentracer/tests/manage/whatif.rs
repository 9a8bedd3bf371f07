//! `GET /manage/whatif`: the cost of recorded requests on another model.

use serde::Deserialize;
use serde_json::json;
use tt_core::{NanoUsd, Provider, Usage};
use tt_testkit::world::{User, error_code, question};
use tt_testkit::{Behaviour, World};

use crate::setup::world;

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct WhatIf {
    requests: u64,
    input_tokens: u64,
    cached_input_tokens: u64,
    cache_write_tokens: u64,
    output_tokens: u64,
    reasoning_tokens: u64,
    cost_usd: Option<NanoUsd>,
    unpriced: u64,
    model: String,
    whatif_cost_usd: Option<NanoUsd>,
    whatif_unpriced: u64,
}

/// Two requests to gpt-4o, the second with a long context, and one to a model without a price.
async fn stage() -> (World, User) {
    let world = world().await;
    let usage = |input, cache_read, output, reasoning| {
        Behaviour::ok().usage(Usage { input, cache_read, output, reasoning, ..Usage::default() })
    };
    world.mock.once("gpt-4o", usage(1000, 500, 300, Some(200)));
    world.mock.once("gpt-4o", usage(150_000, 50_001, 1000, None));
    world.mock.on("new-model", usage(40, 0, 2, None));
    let ann = world.sign_up("ann").await;
    let key = ann.add_provider_key(Provider::OpenAi).await;
    ann.save_alias(&json!({"alias": "smart", "target_model": "gpt-4o", "provider_key_id": key})).await;
    for model in ["smart", "smart", "openai/new-model"] {
        ann.session.post("/v1/chat/completions").json(&question(model, "hello")).send().await.expect(200);
    }
    (world, ann)
}

async fn ask(person: &User, query: &str) -> WhatIf {
    person.session.get(&format!("/manage/whatif?{query}")).send().await.expect(200).parse()
}

#[tokio::test]
async fn the_recorded_tokens_are_priced_request_by_request() {
    let (_world, ann) = stage().await;
    let smart = ask(&ann, "alias=smart&model=gemini/gemini-2.5-pro").await;
    let expected = WhatIf {
        requests: 2,
        input_tokens: 201_501,
        cached_input_tokens: 50_501,
        cache_write_tokens: 0,
        output_tokens: 1300,
        reasoning_tokens: 200,
        // 1000 × 2.50 + 500 × 1.25 + 300 × 10, and 150 000 × 2.50 + 50 001 × 1.25 + 1000 × 10 dollars a million
        cost_usd: Some(NanoUsd(6_125_000 + 447_501_250)),
        unpriced: 0,
        model: "gemini/gemini-2.5-pro".to_owned(),
        // 1000 × 1.25 + 500 × 0.125 + 300 × 10; above 200 000 tokens 150 000 × 2.50 + 50 001 × 0.25 + 1000 × 15
        whatif_cost_usd: Some(NanoUsd(4_312_500 + 402_500_250)),
        whatif_unpriced: 0,
    };
    assert_eq!(smart, expected);
    let all = ask(&ann, "model=openai/gpt-4o-mini").await;
    // gpt-4o-mini: 0.15, 0.075 and 0.60; the third request 40 × 0.15 + 2 × 0.60
    let mini = 367_500 + 26_850_075 + 7_200;
    assert_eq!((all.requests, all.unpriced, all.cost_usd), (3, 1, expected.cost_usd));
    assert_eq!((all.whatif_cost_usd, all.whatif_unpriced), (Some(NanoUsd(mini)), 0));
    let direct = ask(&ann, "alias=openai/new-model&model=openai/gpt-4o-mini").await;
    assert_eq!((direct.cost_usd, direct.whatif_cost_usd), (None, Some(NanoUsd(7_200))));
    let none = ask(&ann, "to=2026-01-01&model=openai/gpt-4o-mini").await;
    assert_eq!((none.requests, none.cost_usd, none.whatif_cost_usd), (0, Some(NanoUsd::ZERO), Some(NanoUsd::ZERO)));
    assert_eq!(ask(&ann, "from=2026-01-01&to=2999-01-01&model=openai/gpt-4o-mini").await, all);
}

#[tokio::test]
async fn a_price_set_today_holds_for_what_came_before_there_was_one() {
    let (world, ann) = stage().await;
    let admin = world.admin("admin").await;
    let refused = ann.session.get("/manage/whatif?model=openai/new-model").send().await.expect(404).json();
    assert_eq!(error_code(&refused), "model_not_found");
    let price = json!({"usd_per_million": {"input": 1, "output": 2, "cache_read": 0}});
    admin.session.put("/manage/prices/openai/new-model").json(&price).send().await.expect(200);
    let there = ask(&ann, "alias=smart&model=openai/new-model").await;
    assert_eq!(there.whatif_cost_usd, Some(NanoUsd(1_600_000 + 152_000_000)));
}

#[tokio::test]
async fn it_sees_the_callers_own_requests_and_refuses_what_makes_no_sense() {
    let (world, ann) = stage().await;
    let bob = world.sign_up("bob").await;
    let his = ask(&bob, "model=openai/gpt-4o").await;
    assert_eq!((his.requests, his.input_tokens, his.cost_usd), (0, 0, Some(NanoUsd::ZERO)));
    let ask = async |query: &str, status: u16| {
        let refused = ann.session.get(&format!("/manage/whatif?{query}")).send().await.expect(status).json();
        (error_code(&refused).to_owned(), refused["error"]["param"].as_str().unwrap_or_default().to_owned())
    };
    for (query, code, field) in [
        ("", "missing_field", "model"),
        ("model=", "invalid_field", "model"),
        ("model=gpt-4o", "invalid_field", "model"),
        ("model=openai/gpt-4o&model=openai/gpt-4o", "invalid_field", "model"),
        ("model=openai/gpt-4o&from=noon", "invalid_field", "from"),
        ("model=openai/gpt-4o&to=2026-13-01", "invalid_field", "to"),
        ("model=openai/gpt-4o&alias=a%00b", "invalid_field", "alias"),
        ("model=openai/gpt-4o&user_id=1", "invalid_field", "user_id"),
    ] {
        assert_eq!(ask(query, 400).await, (code.to_owned(), field.to_owned()), "{query}");
    }
    for model in ["openai/nobody-lists-this", "nobody/gpt-4o", "anthropic/gpt-4o"] {
        let expected = ("model_not_found".to_owned(), "model".to_owned());
        assert_eq!(ask(&format!("model={model}"), 404).await, expected, "{model}");
    }
    ann.new_api_key(&json!({})).await.client.get("/manage/whatif?model=openai/gpt-4o").send().await.expect(403);
    world.client().get("/manage/whatif?model=openai/gpt-4o").send().await.expect(401);
}
