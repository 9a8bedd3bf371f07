//! `POST /manage/route`: the routing decision for a request that is not sent.

use serde_json::{Value, json};
use tt_core::Provider;
use tt_testkit::World;
use tt_testkit::world::{User, error_code, question, with_fields};

use crate::setup::setup;

async fn stage() -> (World, User) {
    let world = setup().env("MAX_BODY_BYTES", "1000000").start().await;
    let ann = world.sign_up("ann").await;
    (world, ann)
}

async fn decide(person: &User, body: &Value) -> Value {
    person.session.post("/manage/route").json(body).send().await.expect(200).json()
}

#[tokio::test]
async fn the_decision_is_the_one_a_call_takes() {
    let (world, ann) = stage().await;
    let openai = ann.add_provider_key(Provider::OpenAi).await;
    let anthropic = ann.add_provider_key(Provider::Anthropic).await;
    let last = json!({"alias": "last", "target_model": "claude-sonnet-4-5", "provider_key_id": anthropic});
    let last = ann.save_alias(&last).await;
    ann.save_alias(&json!({
        "alias": "smart", "target_model": "gpt-4o", "provider_key_id": openai, "fallback_alias_id": last,
        "use_light_model": true, "light_model": "gpt-4o-mini", "light_model_threshold": 12,
    }))
    .await;
    let long = "one two three four five six seven eight nine ten eleven twelve";
    for (model, text, route, tokens) in [
        ("smart", "hello world", "light", 2),
        ("smart", "one two three four five six seven eight nine ten eleven", "light", 11),
        ("smart", long, "primary", 12),
        ("last", "hello world", "primary", 2),
        ("anthropic/claude-haiku-4-5", "hello world", "primary", 2),
    ] {
        let body = question(model, text);
        let decision = decide(&ann, &body).await;
        assert_eq!((&decision["route"], &decision["input_tokens"]), (&json!(route), &json!(tokens)), "{decision}");
        let answer = ann.session.post("/v1/chat/completions").json(&body).send().await.expect(200);
        for field in ["alias", "route", "provider", "model"] {
            assert_eq!(
                decision[field].as_str(),
                answer.header(&format!("x-tokentracer-{field}")),
                "{field} of {model}"
            );
        }
        assert_eq!(decision["chain"][0]["model"], decision["model"]);
        assert_eq!(decision["chain"][0]["reason"], decision["reason"]);
    }
    let decision = decide(&ann, &question("smart", "hello world")).await;
    let chain = decision["chain"].as_array().unwrap();
    assert_eq!(chain.len(), 2);
    assert_eq!((&chain[1]["alias"], &chain[1]["route"]), (&json!("last"), &json!("fallback")));
    assert_eq!(chain[1]["provider"], "anthropic");

    // Only the five calls were sent and recorded.
    assert_eq!(world.mock.requests().len(), 5);
    let logs = ann.session.get("/manage/logs").send().await.expect(200).json();
    assert_eq!(logs["data"].as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn the_estimate_is_exact_by_the_price_list() {
    let (_world, ann) = stage().await;
    let key = ann.add_provider_key(Provider::OpenAi).await;
    ann.save_alias(&json!({"alias": "a", "target_model": "gpt-4o", "provider_key_id": key})).await;
    let cost = async |more: Value| {
        let body = with_fields(question("a", "hello world"), &more);
        let text = ann.session.post("/manage/route").json(&body).send().await.expect(200).text();
        let rest = text.split("\"estimated_cost_usd\":").nth(1).unwrap().to_owned();
        rest.split(',').next().unwrap().to_owned()
    };
    // Two tokens at 2.50 and the cap at 10 dollars a million; 4.25 and 17 in the priority tier.
    assert_eq!(cost(json!({"max_tokens": 100})).await, "0.001005");
    assert_eq!(cost(json!({"max_completion_tokens": 7})).await, "0.000075");
    assert_eq!(cost(json!({"max_tokens": 100, "n": 3})).await, "0.003005");
    assert_eq!(cost(json!({"max_tokens": 100, "service_tier": "priority"})).await, "0.0017085");
    assert_eq!(cost(json!({})).await, "0.010005");
    let body = json!({"model": "a", "max_tokens": 1, "messages": [{"role": "user", "content": [
        {"type": "text", "text": "hello world"},
        {"type": "image_url", "image_url": {"url": "https://example.org/x.png"}},
    ]}]});
    let decision = decide(&ann, &body).await;
    assert_eq!(decision["input_tokens"], 767);
    assert_eq!(decide(&ann, &question("openai/nobody-knows-this", "x")).await["estimated_cost_usd"], Value::Null);
}

#[tokio::test]
async fn alternatives_are_the_callers_others_and_the_cheapest_come_first() {
    let (world, ann) = stage().await;
    let bob = world.sign_up("bob").await;
    let key = ann.add_provider_key(Provider::OpenAi).await;
    let bobs = bob.add_provider_key(Provider::OpenAi).await;
    bob.save_alias(&json!({"alias": "bobs", "target_model": "gpt-4.1-nano", "provider_key_id": bobs})).await;
    for (alias, model) in [("a", "gpt-4o"), ("b", "gpt-4o-mini"), ("c", "gpt-4.1-nano"), ("d", "unpriced-model")] {
        ann.save_alias(&json!({"alias": alias, "target_model": model, "provider_key_id": key})).await;
    }
    let names = |decision: &Value| {
        let alternatives = decision["alternatives"].as_array().unwrap();
        alternatives.iter().map(|a| a["alias"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let decision = decide(&ann, &question("a", "hello world")).await;
    assert_eq!(names(&decision), ["c", "b", "d"]);
    assert_eq!(decision["alternatives"][1]["model"], "gpt-4o-mini");
    assert_eq!(decision["alternatives"][2]["estimated_cost_usd"], Value::Null);
    assert_eq!(names(&decide(&bob, &question("bobs", "x")).await), Vec::<String>::new());

    let few = ann.new_api_key(&json!({"scopes": ["manage"], "allowed_aliases": ["a", "d"]})).await.client;
    let decision = few.post("/manage/route").json(&question("a", "x")).send().await.expect(200).json();
    assert_eq!(names(&decision), ["d"]);
    for other in ["b", "bobs", "openai/gpt-4o", "nothing"] {
        let refused = few.post("/manage/route").json(&question(other, "x")).send().await.expect(403).json();
        assert_eq!(error_code(&refused), "alias_not_allowed");
    }
    for n in 0..12 {
        ann.save_alias(&json!({"alias": format!("more-{n}"), "target_model": "gpt-4o-mini", "provider_key_id": key}))
            .await;
    }
    assert_eq!(names(&decide(&ann, &question("a", "x")).await).len(), 10);
}

#[tokio::test]
async fn a_request_without_a_route_is_refused_as_a_call_would_be() {
    let (world, ann) = stage().await;
    ann.add_provider_key(Provider::Anthropic).await;
    let post = |body: Vec<u8>| ann.session.post("/manage/route").header("content-type", "application/json").body(body);
    for (body, status, expected) in [
        ("{".to_owned(), 400, "invalid_json"),
        ("{}".to_owned(), 400, "missing_field"),
        (json!({"model": "anthropic/claude-haiku-4-5"}).to_string(), 400, "missing_field"),
        (json!({"model": "anthropic/claude-haiku-4-5", "messages": "x"}).to_string(), 400, "invalid_field"),
        (question("nothing", "x").to_string(), 404, "model_not_found"),
        (question("openai/gpt-4o", "x").to_string(), 404, "model_not_found"),
        (r#"{"model":"a","model":"b","messages":[]}"#.to_owned(), 400, "invalid_field"),
        ("x".repeat(1_000_001), 413, "body_too_large"),
    ] {
        let answer = post(body.clone().into_bytes()).send().await;
        let shown: String = body.chars().take(80).collect();
        assert_eq!((answer.status.as_u16(), error_code(&answer.json())), (status, expected), "{shown}");
    }
    let proxy_only = ann.new_api_key(&json!({})).await.client;
    proxy_only.post("/manage/route").json(&question("anthropic/claude-haiku-4-5", "x")).send().await.expect(403);
    world.client().post("/manage/route").json(&question("a", "x")).send().await.expect(401);
    // A long prompt is counted in full, off the worker.
    let long = "word ".repeat(150_000);
    let decision = decide(&ann, &question("anthropic/claude-haiku-4-5", &long)).await;
    assert!(decision["input_tokens"].as_u64().unwrap() >= 150_000, "{}", decision["input_tokens"]);
    assert!(world.mock.requests().is_empty());
}
