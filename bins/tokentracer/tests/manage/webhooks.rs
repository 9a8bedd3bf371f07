//! `/manage/webhooks`: what a webhook may be, and what its receiver gets.

use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Value, json};
use tt_core::Provider;
use tt_testkit::receiver::{Mood, Received, Receiver};
use tt_testkit::world::{User, error_code, eventually, question};
use tt_testkit::{Client, World};

use crate::setup::{setup, world};

const SOON: Duration = Duration::from_secs(20);

/// A world in which webhooks may lead to this machine.
async fn open_world() -> World {
    setup().env("ALLOW_PRIVATE_UPSTREAMS", "true").start().await
}

async fn hook(person: &User, url: &str, events: &[&str]) -> Value {
    let body = json!({"url": url, "events": events});
    person.session.post("/manage/webhooks").json(&body).send().await.expect(201).json()
}

/// Checks that a request is signed as its receiver may expect.
#[track_caller]
fn signed(received: &Received, hook: &Value) {
    let secret = SecretString::from(hook["secret"].as_str().unwrap());
    let seconds: i64 = received.header("webhook-timestamp").parse().unwrap();
    let id = received.header("webhook-id");
    let expected = tt_crypto::webhook::sign(&secret, id, seconds, received.body.as_bytes()).unwrap();
    assert_eq!(received.header("webhook-signature"), expected);
    assert!((tt_http::now().millis() / 1000 - seconds).abs() < 60, "the time is that of the attempt");
    let body = received.json();
    assert_eq!((&body["id"], &body["event"]), (&json!(id), &json!(received.header("x-tokentracer-event"))));
    assert_eq!(received.header("content-type"), "application/json");
}

/// Those of an event, without those that came again.
fn of<'a>(received: &'a [Received], event: &str) -> Vec<&'a Received> {
    let mut ids = std::collections::HashSet::new();
    let wanted = received.iter().filter(|one| one.taken && one.header("x-tokentracer-event") == event);
    wanted.filter(|one| ids.insert(one.header("webhook-id").to_owned())).collect()
}

async fn deliveries(person: &User, hook: &Value) -> Vec<Value> {
    let path = format!("/manage/webhooks/{}/deliveries", hook["id"]);
    let page = person.session.get(&path).send().await.expect(200).json();
    page["data"].as_array().unwrap().clone()
}

async fn ask(key: &Client, model: &str) -> tt_testkit::client::Response {
    key.post("/v1/chat/completions").json(&question(model, "hello")).send().await
}

#[tokio::test]
async fn a_webhook_is_made_shown_changed_and_deleted() {
    let world = open_world().await;
    let (admin, ann, bob) = (world.admin("admin").await, world.sign_up("ann").await, world.sign_up("bob").await);
    let body =
        json!({"url": "https://hooks.example/a?token=t", "events": ["ledger.gap", "budget.threshold"], "label": "ops"});
    let made = ann.session.post("/manage/webhooks").json(&body).send().await.expect(201).json();
    let secret = made["secret"].as_str().unwrap().to_owned();
    assert!(secret.starts_with("whsec_"), "{secret}");
    let mut shown = made.clone();
    shown.as_object_mut().unwrap().remove("secret");
    assert_eq!((&shown["events"], &shown["scope"]), (&json!(["budget.threshold", "ledger.gap"]), &json!("own")));
    assert_eq!((&shown["active"], &shown["label"]), (&json!(true), &json!("ops")));
    let path = format!("/manage/webhooks/{}", made["id"]);
    assert_eq!(ann.session.get(&path).send().await.expect(200).json(), shown);
    assert_eq!(ann.session.get("/manage/webhooks").send().await.expect(200).json(), json!([shown]));

    let change = json!({"label": null, "active": false, "events": ["key.expiring"]});
    let changed = ann.session.patch(&path).json(&change).send().await.expect(200).json();
    assert_eq!((&changed["label"], &changed["active"]), (&Value::Null, &json!(false)));
    assert_eq!((&changed["events"], &changed["url"]), (&json!(["key.expiring"]), &shown["url"]));
    let rotated = ann.session.post(&format!("{path}/rotate")).send().await.expect(200).json();
    assert_ne!(rotated["secret"].as_str().unwrap(), secret);

    // Somebody else's is like one that does not exist.
    for other in [&bob, &admin] {
        other.session.get(&path).send().await.expect(404);
        other.session.patch(&path).json(&change).send().await.expect(404);
        other.session.delete(&path).send().await.expect(404);
        for call in ["rotate", "test", "deliveries/1/redeliver"] {
            let error = other.session.post(&format!("{path}/{call}")).send().await.expect(404).json();
            assert_eq!(error_code(&error), "webhook_not_found", "{call}");
        }
        other.session.get(&format!("{path}/deliveries")).send().await.expect(404);
    }
    ann.session.delete(&path).send().await.expect(204);
    ann.session.get(&path).send().await.expect(404);

    let audit = ann.session.get("/manage/audit").send().await.expect(200).json().to_string();
    for action in ["webhook.created", "webhook.updated", "webhook.rotated", "webhook.deleted"] {
        assert!(audit.contains(action), "{action}: {audit}");
    }
    assert!(!audit.contains("token=t") && !audit.contains("whsec_"), "{audit}");
}

#[tokio::test]
async fn a_webhook_that_makes_no_sense_is_refused_and_the_field_is_named() {
    let world = world().await;
    let (admin, ann) = (world.admin("admin").await, world.sign_up("ann").await);
    let refused = async |body: Value, code: &str, field: &str| {
        let error = ann.session.post("/manage/webhooks").json(&body).send().await.expect(400).json();
        assert_eq!((error_code(&error), &error["error"]["param"]), (code, &json!(field)), "{body}");
    };
    let events = json!(["ledger.gap"]);
    for url in [
        "http://8.8.8.8/x",
        "https://127.0.0.1/x",
        "https://localhost/x",
        "https://u:p@8.8.8.8/",
        "https://8.8.8.8/#x",
        "ftp://8.8.8.8",
        "",
    ] {
        refused(json!({"url": url, "events": events}), "invalid_field", "url").await;
    }
    let url = "https://8.8.8.8/x";
    refused(json!({"events": events}), "missing_field", "url").await;
    refused(json!({"url": url}), "missing_field", "events").await;
    refused(json!({"url": url, "events": []}), "invalid_field", "events").await;
    refused(json!({"url": url, "events": ["everything"]}), "invalid_field", "events").await;
    refused(json!({"url": url, "events": ["journal.behind"]}), "invalid_field", "events").await;
    refused(json!({"url": url, "events": events, "secret": "x"}), "invalid_field", "secret").await;
    refused(json!({"url": url, "events": events, "scope": "all"}), "invalid_field", "scope").await;
    let of_all = json!({"url": url, "events": ["journal.behind"], "scope": "installation"});
    ann.session.post("/manage/webhooks").json(&of_all).send().await.expect(403);
    let made = admin.session.post("/manage/webhooks").json(&of_all).send().await.expect(201).json();
    let path = format!("/manage/webhooks/{}", made["id"]);
    for body in [json!({}), json!({"scope": "own"}), json!({"events": ["budget.refused"]})] {
        admin.session.patch(&path).json(&body).send().await.expect(400);
    }
    // Only a session, or a key of the scope.
    ann.new_api_key(&json!({})).await.client.get("/manage/webhooks").send().await.expect(403);
}

#[tokio::test]
async fn a_soft_budget_warns_and_refuses_nothing() {
    let world = open_world().await;
    let receiver = Receiver::start();
    let ann = world.sign_up("ann").await;
    ann.add_provider_key(Provider::OpenAi).await;
    let hook = hook(&ann, &receiver.url("/ann"), &["budget.threshold", "budget.refused"]).await;
    let key = ann.new_api_key(&json!({"budget_usd": 1e-9, "budget_period": "day", "budget_soft": true})).await;
    let soft = json!({"limit_usd": 1e-9, "period": "total", "soft": true});
    ann.session.put("/manage/budgets").json(&soft).send().await.expect(200);
    for _ in 0..3 {
        ask(&key.client, "openai/gpt-4o-mini").await.expect(200);
    }
    let received = receiver.wait(SOON, |received| of(received, "budget.threshold").len() >= 6).await;
    let found = of(&received, "budget.threshold");
    let mut crossed: Vec<(String, i64)> = Vec::new();
    for one in &found {
        signed(one, &hook);
        let data = &one.json()["data"];
        assert_eq!((&data["soft"], data["limit_usd"].to_string().as_str()), (&json!(true), "1e-9"), "{data}");
        let scope = data["scope"].as_str().unwrap().to_owned();
        let of_key = if scope == "key" { json!(key.id) } else { Value::Null };
        assert_eq!(data["api_key_id"], of_key);
        crossed.push((scope, data["threshold_percent"].as_i64().unwrap()));
    }
    crossed.sort();
    let expected = [("key", 50), ("key", 80), ("key", 100), ("user", 50), ("user", 80), ("user", 100)];
    assert_eq!(crossed, expected.map(|(scope, percent)| (scope.to_owned(), percent)));

    let shown = ann.session.get("/manage/budgets").send().await.expect(200).json();
    assert_eq!((&shown["soft"], &shown["held_usd"]), (&json!(true), &json!(0)));
    assert!(shown["spent_usd"].as_f64() > Some(0.0), "{shown}");
    let standing = key.client.get("/v1/key").send().await.expect(200).json();
    let budgets = standing["budgets"].as_array().unwrap();
    assert_eq!(budgets.len(), 2, "{standing}");
    assert!(budgets.iter().all(|budget| budget["soft"] == true && budget["spent_usd"].as_f64() > Some(0.0)));

    // A model without a price is called under a soft budget too. The hard one refuses, and says so once.
    ask(&key.client, "openai/mystery-1").await.expect(200);
    let hard = json!({"limit_usd": 1e-9, "period": "total"});
    ann.session.put("/manage/budgets").json(&hard).send().await.expect(200);
    for _ in 0..3 {
        ask(&key.client, "openai/gpt-4o-mini").await.expect(429);
    }
    let received = receiver.wait(SOON, |received| !of(received, "budget.refused").is_empty()).await;
    let refused = of(&received, "budget.refused");
    signed(refused[0], &hook);
    let data = &refused[0].json()["data"];
    assert_eq!((refused.len(), &data["scope"], &data["soft"]), (1, &json!("user"), &json!(false)), "{data}");
    assert!(!refused[0].body.contains("hello"), "no alert holds a prompt");
}

#[tokio::test]
async fn a_model_without_a_price_is_told_once_a_day_also_to_administrators() {
    let world = open_world().await;
    let receiver = Receiver::start();
    let (admin, ann) = (world.admin("admin").await, world.sign_up("ann").await);
    ann.add_provider_key(Provider::OpenAi).await;
    hook(&ann, &receiver.url("/ann"), &["price.missing"]).await;
    let of_all = json!({"url": receiver.url("/admin"), "events": ["price.missing"], "scope": "installation"});
    admin.session.post("/manage/webhooks").json(&of_all).send().await.expect(201);
    hook(&admin, &receiver.url("/own"), &["price.missing"]).await;
    let key = ann.new_api_key(&json!({})).await.client;
    for model in ["openai/mystery-1", "openai/mystery-1", "openai/mystery-2", "openai/gpt-4o-mini"] {
        ask(&key, model).await.expect(200);
    }
    let received = receiver.wait(SOON, |received| of(received, "price.missing").len() >= 4).await;
    let mut told: Vec<(String, String)> = Vec::new();
    for one in of(&received, "price.missing") {
        let data = one.json()["data"].clone();
        told.push((one.path.clone(), data["model"].as_str().unwrap().to_owned()));
        assert_eq!(data["request_id"].is_string(), one.path == "/ann", "{data}");
    }
    told.sort();
    let expected = [("/admin", "mystery-1"), ("/admin", "mystery-2"), ("/ann", "mystery-1"), ("/ann", "mystery-2")];
    assert_eq!(told, expected.map(|(path, model)| (path.to_owned(), model.to_owned())));
}

#[tokio::test]
async fn what_a_receiver_does_not_take_is_sent_again_and_on_request() {
    let world = open_world().await;
    let receiver = Receiver::start();
    let ann = world.sign_up("ann").await;
    ann.add_provider_key(Provider::OpenAi).await;
    receiver.be("/ann", Mood::Redirects(receiver.url("/elsewhere")));
    let hook = hook(&ann, &receiver.url("/ann"), &["price.missing"]).await;
    let key = ann.new_api_key(&json!({})).await.client;
    ask(&key, "openai/mystery-1").await.expect(200);
    let refused = receiver.wait(SOON, |received| !received.is_empty()).await;
    eventually("the failure is shown", async || deliveries(&ann, &hook).await[0]["last_status"] == 302).await;
    let pending = deliveries(&ann, &hook).await.remove(0);
    assert_eq!((&pending["status"], &pending["delivered_at"]), (&json!("pending"), &Value::Null));
    assert!(pending["next_attempt_at"].is_string() && pending["attempts"].as_i64() >= Some(1), "{pending}");
    assert!(pending["last_error"].as_str().unwrap().contains("redirects are not followed"), "{pending}");
    receiver.be("/ann", Mood::BreaksOff);
    receiver.wait(SOON, |received| received.len() > refused.len()).await;
    receiver.be("/ann", Mood::Takes);
    let received = receiver.wait(SOON, |received| received.iter().any(|one| one.taken)).await;
    eventually("the delivery is shown", async || deliveries(&ann, &hook).await[0]["status"] == "delivered").await;
    let delivered = deliveries(&ann, &hook).await.remove(0);
    assert_eq!((&delivered["last_error"], &delivered["next_attempt_at"]), (&Value::Null, &Value::Null));

    let path = format!("/manage/webhooks/{}/deliveries/{}/redeliver", hook["id"], delivered["id"]);
    let again = ann.session.post(&path).send().await.expect(202).json();
    assert_eq!((&again["status"], &again["event_id"]), (&json!("pending"), &delivered["event_id"]));
    let all = receiver.wait(SOON, |all| all.len() > received.len()).await;
    for one in &all {
        assert_eq!((&one.body, one.path.as_str()), (&all[0].body, "/ann"), "always the same body, and nowhere else");
        signed(one, &hook);
    }
    let unknown = format!("/manage/webhooks/{}/deliveries/999/redeliver", hook["id"]);
    let error = ann.session.post(&unknown).send().await.expect(404).json();
    assert_eq!(error_code(&error), "delivery_not_found");
    // A webhook that is switched off gets nothing.
    let switched = format!("/manage/webhooks/{}", hook["id"]);
    ann.session.patch(&switched).json(&json!({"active": false})).send().await.expect(200);
    let error = ann.session.post(&path).send().await.expect(409).json();
    assert_eq!(error_code(&error), "webhook_not_active");
}

#[tokio::test]
async fn a_test_is_sent_at_once_and_is_no_delivery() {
    let world = open_world().await;
    let receiver = Receiver::start();
    let ann = world.sign_up("ann").await;
    let hook = hook(&ann, &receiver.url("/ann?t=1"), &["ledger.gap"]).await;
    let test = format!("/manage/webhooks/{}/test", hook["id"]);
    let tested = ann.session.post(&test).send().await.expect(200).json();
    assert_eq!((&tested["ok"], &tested["status"]), (&json!(true), &json!(204)), "{tested}");
    let received = receiver.received();
    signed(&received[0], &hook);
    assert_eq!((received[0].header("x-tokentracer-event"), received[0].path.as_str()), ("webhook.test", "/ann?t=1"));
    receiver.be("/ann", Mood::Answers(500));
    let tested = ann.session.post(&test).send().await.expect(200).json();
    assert_eq!((&tested["ok"], &tested["status"]), (&json!(false), &json!(500)), "{tested}");
    assert_eq!(deliveries(&ann, &hook).await, [Value::Null; 0]);
}

#[tokio::test]
async fn a_receiver_that_hangs_keeps_nobody_else_waiting() {
    let world = open_world().await;
    let receiver = Receiver::start();
    receiver.be("/ann", Mood::Hangs);
    let (ann, bob) = (world.sign_up("ann").await, world.sign_up("bob").await);
    for person in [&ann, &bob] {
        person.add_provider_key(Provider::OpenAi).await;
    }
    for number in 0..5 {
        hook(&ann, &receiver.url(&format!("/ann/{number}")), &["price.missing"]).await;
    }
    hook(&bob, &receiver.url("/bob"), &["price.missing"]).await;
    let key = ann.new_api_key(&json!({})).await.client;
    for number in 0..4 {
        ask(&key, &format!("openai/mystery-{number}")).await.expect(200);
    }
    receiver.wait(SOON, |received| received.len() >= 8).await;
    ask(&bob.new_api_key(&json!({})).await.client, "openai/mystery-9").await.expect(200);
    // Less than the time that one call of a receiver may take.
    receiver.wait(Duration::from_secs(8), |received| received.iter().any(|one| one.path == "/bob")).await;
}
