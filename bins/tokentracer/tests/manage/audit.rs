//! `/manage/audit`: who signed in, or failed to, and who changed what.

use serde_json::{Value, json};
use tt_core::Provider;
use tt_testkit::Client;
use tt_testkit::world::{PASSWORD, error_code};

use crate::setup::world;

async fn entries(client: &Client, query: &str) -> Vec<Value> {
    let page = client.get(&format!("/manage/audit{query}")).send().await.expect(200).json();
    page["data"].as_array().unwrap().clone()
}

fn actions(entries: &[Value]) -> Vec<&str> {
    entries.iter().map(|entry| entry["action"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_users_changes_are_theirs_to_read_and_an_administrators() {
    let world = world().await;
    let admin = world.admin("admin").await;
    let (ann, bob) = (world.sign_up("ann").await, world.sign_up("bob").await);
    ann.add_provider_key(Provider::OpenAi).await;
    let key = ann.new_api_key(&json!({"name": "ci", "scopes": ["manage"]})).await;
    key.client.put("/manage/budgets").json(&json!({"limit_usd": 5, "period": "month"})).send().await.expect(200);
    ann.session.post(&format!("/auth/keys/{}/rotate", key.id)).send().await.expect(200);
    let path = format!("/manage/users/{}", ann.id);
    admin.session.patch(&path).json(&json!({"rate_limit_minute": 7})).send().await.expect(200);

    let own = entries(&ann.session, "").await;
    let expected =
        ["api_key.rotated", "budget.set", "api_key.created", "provider_key.created", "login", "user.signed_up"];
    assert_eq!(actions(&own), expected);
    for entry in &own {
        let mut fields: Vec<&str> = entry.as_object().unwrap().keys().map(String::as_str).collect();
        fields.sort_unstable();
        assert_eq!(fields, ["action", "actor", "address", "at", "detail", "object"]);
        assert_eq!((&entry["actor"], &entry["address"]), (&json!("ann@example.org"), &json!("127.0.0.1")), "{entry}");
    }
    assert_eq!(own[1]["detail"], format!("budget 5 USD, period month; by api_key {}", key.id));
    assert_eq!(actions(&entries(&bob.session, "").await), ["login", "user.signed_up"]);

    let all = entries(&admin.session, "?limit=500").await;
    let of = |actor: &str| all.iter().filter(|entry| entry["actor"] == actor).count();
    assert_eq!((of("ann@example.org"), of("bob@example.org"), of("cli")), (6, 2, 1));
    assert_eq!(all[0]["action"], "user.updated");
    assert_eq!(all[0]["detail"], "ann@example.org: rate_limit_minute 7");
    // Neither keys nor passwords are in it.
    let text = Value::from(all).to_string();
    for secret in [PASSWORD, &key.token, &ann.token, tt_testkit::MockUpstream::key(Provider::OpenAi)] {
        assert!(!text.contains(secret));
    }
}

/// The failures that entries count. Those of one account are one entry, or two where the entries were written between.
fn tries<'a>(entries: impl Iterator<Item = &'a Value>) -> u64 {
    let of = |entry: &Value| entry["detail"].as_str()?.split(' ').next()?.parse::<u64>().ok();
    entries.map(|entry| of(entry).unwrap_or_else(|| panic!("no number of tries: {entry}"))).sum()
}

#[tokio::test]
async fn failed_logins_are_counted_by_account_and_address() {
    let world = world().await;
    let admin = world.admin("admin").await;
    let ann = world.sign_up("ann").await;
    for (email, times) in [("ann@example.org", 3), ("nobody@example.org", 2), ("a text", 1)] {
        for _ in 0..times {
            let body = json!({"email": email, "password": "wrong-password"});
            world.client().post("/auth/login").json(&body).send().await.expect(401);
        }
    }
    let change = json!({"current_password": "wrong-password", "new_password": "another-password"});
    ann.session.post("/auth/password").json(&change).send().await.expect(400);
    let own = entries(&ann.session, "?limit=500").await;
    let of = |action: &str| tries(own.iter().filter(|entry| entry["action"] == action));
    assert_eq!((of("login.failed"), of("password.change_failed")), (3, 1));
    let all = entries(&admin.session, "?limit=500").await;
    let strangers: Vec<&Value> = all.iter().filter(|entry| entry["actor"].is_null()).collect();
    assert_eq!(tries(strangers.iter().copied()), 3, "{all:?}");
    let unknown = |entry: &&Value| entry["object"] == "an unknown account";
    assert!(strangers.iter().all(unknown), "the name that a stranger gave is not kept: it may be a password");
    assert!(!Value::from(all.clone()).to_string().contains("nobody@"));
}

#[tokio::test]
async fn pages_meet_and_ranges_are_exact() {
    let world = world().await;
    let ann = world.sign_up("ann").await;
    for _ in 0..5 {
        let budget = json!({"limit_usd": null, "period": "day"});
        ann.session.put("/manage/budgets").json(&budget).send().await.expect(200);
    }
    let whole = entries(&ann.session, "").await;
    let (mut pages, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = ann.session.get(&format!("/manage/audit?limit=2{cursor}")).send().await.expect(200).json();
        pages.extend(page["data"].as_array().unwrap().clone());
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!((pages.len(), &pages), (7, &whole));
    let third = whole[3]["at"].as_str().unwrap();
    let (before, after) =
        (entries(&ann.session, &format!("?to={third}")).await, entries(&ann.session, &format!("?from={third}")).await);
    assert_eq!([after, before].concat(), whole);
    for junk in ["?limit=0", "?cursor=x", "?from=yesterday", "?to=1", "?user=1"] {
        let refused = ann.session.get(&format!("/manage/audit{junk}")).send().await.expect(400).json();
        assert_eq!(error_code(&refused), "invalid_field", "{junk}");
    }
    ann.new_api_key(&json!({})).await.client.get("/manage/audit").send().await.expect(403);
}
