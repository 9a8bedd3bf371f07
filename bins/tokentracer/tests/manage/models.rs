//! Lists of models, and the test of a provider key.

use std::time::Duration;

use serde_json::{Value, json};
use tt_core::Provider;
use tt_testkit::mock::{Behaviour, Matcher, Seen};
use tt_testkit::world::{Backend, User, error_code, eventually, log_in, question};
use tt_testkit::{Client, MockUpstream};

use crate::setup::{setup, world};

/// The models that the mock lists for OpenAI, in order.
const OPENAI: [&str; 6] = ["gpt-4o", "gpt-4o-mini", "mock-large", "mock-small", "o3-mini", "text-embedding-3-small"];

fn lists() -> Matcher {
    Matcher::when(Seen::is_list)
}

fn fetches(mock: &MockUpstream) -> usize {
    mock.lists().len()
}

async fn of_key(client: &Client, id: i64) -> Vec<String> {
    client.get(&format!("/manage/providers/{id}/models")).send().await.expect(200).parse()
}

#[tokio::test]
async fn a_saved_keys_models_are_fetched_once_and_remembered() {
    let world = world().await;
    let ann = world.sign_up("ann").await;
    let id = ann.add_provider_key(Provider::OpenAi).await;
    eventually("the list is the provider's", async || of_key(&ann.session, id).await == OPENAI).await;
    for _ in 0..20 {
        assert_eq!(of_key(&ann.session, id).await, OPENAI);
    }
    assert_eq!(fetches(&world.mock), 1);
    assert_eq!(world.mock.lists()[0].header("authorization"), Some("Bearer sk-mock"));

    // Another key may call other models: what was known of the old one does not hold.
    let path = format!("/manage/providers/{id}");
    ann.session.patch(&path).json(&json!({"label": "x"})).send().await.expect(200);
    ann.session.patch(&path).json(&json!({"api_key": "sk-mock-2"})).send().await.expect(200);
    eventually("the new key's list is fetched", async || fetches(&world.mock) == 2).await;
    assert_eq!(world.mock.lists()[1].header("authorization"), Some("Bearer sk-mock-2"));
}

#[tokio::test]
async fn until_a_list_is_fetched_a_built_in_one_stands_in() {
    let world = world().await;
    world.mock.on(lists(), Behaviour::status(500));
    let ann = world.sign_up("ann").await;
    let empty = json!({"openai": [], "anthropic": [], "gemini": []});
    assert_eq!(ann.session.get("/manage/models").send().await.expect(200).json(), empty);
    let id = ann.add_provider_key(Provider::Anthropic).await;
    eventually("the fetch has failed", async || world.program().stderr().contains("could not be fetched")).await;
    let built_in = of_key(&ann.session, id).await;
    assert!(built_in.iter().any(|model| model == "claude-sonnet-4-5"), "{built_in:?}");
    assert!(built_in.is_sorted() && built_in.iter().all(|model| model.starts_with("claude")), "{built_in:?}");
    let all = ann.session.get("/manage/models").send().await.expect(200).json();
    assert_eq!((all["anthropic"].as_array().unwrap().len(), &all["openai"]), (built_in.len(), &json!([])));
    assert_eq!(fetches(&world.mock), 1, "a failure is not tried again at once");
    let (log, mark) = (world.program().stderr(), "could not be fetched");
    assert_eq!(log.matches(mark).count(), 1, "{log}");
    assert!(!log.contains(MockUpstream::key(Provider::Anthropic)), "{log}");
}

#[tokio::test]
async fn all_models_are_the_union_over_the_callers_keys() {
    let world = world().await;
    let (ann, bob) = (world.sign_up("ann").await, world.sign_up("bob").await);
    for provider in [Provider::OpenAi, Provider::OpenAi, Provider::Gemini] {
        ann.add_provider_key(provider).await;
    }
    let anthropic = bob.add_provider_key(Provider::Anthropic).await;
    let gemini = ["gemini-2.5-flash", "gemini-2.5-pro", "gemini-3-pro-preview", "gemini-embedding-001"];
    let gemini: Vec<&str> = gemini.into_iter().chain(["mock-large", "mock-small"]).collect();
    let expected = json!({"openai": OPENAI, "anthropic": [], "gemini": gemini});
    eventually("all lists are fetched", async || {
        ann.session.get("/manage/models").send().await.expect(200).json() == expected
    })
    .await;
    eventually("bob's is fetched", async || of_key(&bob.session, anthropic).await.contains(&"mock-small".into())).await;
    assert_eq!(fetches(&world.mock), 4);
    for id in [anthropic.to_string(), "999".to_owned(), "x".to_owned()] {
        for (method, rest) in [("GET", "models"), ("POST", "test")] {
            let path = format!("/manage/providers/{id}/{rest}");
            let refused = ann.session.call(method.parse().unwrap(), &path).send().await.expect(404).json();
            assert_eq!(error_code(&refused), "provider_key_not_found", "{path}");
        }
    }
    let proxy_only = ann.new_api_key(&json!({})).await.client;
    proxy_only.get("/manage/models").send().await.expect(403);
}

#[tokio::test]
async fn an_old_list_is_fetched_again_while_requests_use_the_key() {
    let world = setup().env("MODEL_REFRESH_INTERVAL", "1s").start().await;
    let ann = world.sign_up("ann").await;
    ann.add_provider_key(Provider::OpenAi).await;
    eventually("the list is fetched", async || fetches(&world.mock) == 1).await;
    eventually("the list is fetched again", async || {
        let call = ann.session.post("/v1/chat/completions").json(&question("openai/mock-small", "hello"));
        call.send().await.expect(200);
        fetches(&world.mock) >= 2
    })
    .await;
}

#[tokio::test]
async fn of_several_processes_one_fetches() {
    let world = setup().backend(Backend::Postgres).processes(2).start().await;
    world.mock.on(lists(), Behaviour::ok().delay(Duration::from_millis(500)));
    let ann = world.sign_up("ann").await;
    let other = world.client_of(1);
    let elsewhere = other.clone().bearer(&log_in(&other, &ann.email).await);
    let id = ann.add_provider_key(Provider::OpenAi).await;
    of_key(&elsewhere, id).await;
    eventually("both show the list", async || {
        of_key(&ann.session, id).await == OPENAI && of_key(&elsewhere, id).await == OPENAI
    })
    .await;
    assert_eq!(fetches(&world.mock), 1);
}

async fn tested(person: &User, id: i64) -> Value {
    person.session.post(&format!("/manage/providers/{id}/test")).send().await.expect(200).json()
}

#[tokio::test]
async fn a_test_says_what_the_provider_said_and_never_the_key() {
    let world = setup().env("ALLOW_PRIVATE_UPSTREAMS", "true").env("RUST_LOG", "debug").start().await;
    let ann = world.sign_up("ann").await;
    for provider in Provider::ALL {
        let id = ann.add_provider_key(provider).await;
        let result = tested(&ann, id).await;
        assert_eq!((&result["ok"], &result["status"]), (&json!(true), &json!(200)), "{result}");
        assert!(result["latency_ms"].is_u64(), "{result}");

        let wrong = ann.save_provider_key(&json!({"provider": provider, "api_key": "wrong-7f3a91"})).await;
        let result = tested(&ann, wrong).await;
        assert_eq!((&result["ok"], &result["status"]), (&json!(false), &json!(401)), "{provider}: {result}");
        assert!(!result.to_string().contains("7f3a91"), "{result}");
    }
    // A host that quotes what it was sent, one that does not answer, one that answers nonsense.
    let own =
        json!({"provider": "openai", "api_key": "sk-mock-7f3a91", "base_url": world.mock.base_url(Provider::OpenAi)});
    let quoting = ann.save_provider_key(&own).await;
    let ours = |path: &'static str| {
        Matcher::when(move |seen| {
            seen.path.ends_with(path) && seen.header("authorization") == Some("Bearer sk-mock-7f3a91")
        })
    };
    let quote = r#"{"error":{"message":"no account for sk-mock-7f3a91","type":"server_error"}}"#;
    world.mock.on(ours("/models"), Behaviour::status_with_body(500, quote));
    let result = tested(&ann, quoting).await;
    assert_eq!((&result["ok"], &result["status"]), (&json!(false), &json!(500)), "{result}");
    assert!(!result.to_string().contains("7f3a91"), "{result}");
    world.mock.on(ours("/models"), Behaviour::garbage());
    let result = tested(&ann, quoting).await;
    assert_eq!((&result["ok"], &result["status"]), (&json!(false), &Value::Null), "{result}");
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = json!({"provider": "openai", "api_key": "sk-7f3a91", "base_url": format!("http://{closed}/v1")});
    let nobody = ann.save_provider_key(&nobody).await;
    let result = tested(&ann, nobody).await;
    assert_eq!((&result["ok"], &result["status"]), (&json!(false), &Value::Null), "{result}");
    assert!(!world.program().stderr().contains("7f3a91"), "the log quotes a key");
}

#[tokio::test]
async fn a_key_for_a_private_address_is_not_sent_there() {
    let mut world = setup().env("ALLOW_PRIVATE_UPSTREAMS", "true").start().await;
    let own =
        json!({"provider": "openai", "api_key": "sk-mock-own", "base_url": world.mock.base_url(Provider::OpenAi)});
    let ann = world.sign_up("ann").await;
    let id = ann.save_provider_key(&own).await;
    eventually("the list is fetched", async || of_key(&ann.session, id).await == OPENAI).await;
    // The operator has changed their mind.
    world.kill();
    let before = fetches(&world.mock);
    world.set("ALLOW_PRIVATE_UPSTREAMS", "false");
    world.set("MODEL_REFRESH_INTERVAL", "1ms");
    world.start_again();
    let client = world.log_in("ann@example.org").await;
    client.post("/manage/providers").json(&own).send().await.expect(400);
    let result = client.post(&format!("/manage/providers/{id}/test")).send().await.expect(200).json();
    assert_eq!((&result["ok"], &result["status"]), (&json!(false), &Value::Null), "{result}");
    assert_eq!(of_key(&client, id).await, OPENAI, "what was fetched stays");
    eventually("the background has tried", async || world.program().stderr().contains("could not be fetched")).await;
    assert_eq!(fetches(&world.mock), before, "nothing was sent");
}
