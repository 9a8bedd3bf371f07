//! The number of objects that a user may have.

use serde_json::json;
use tt_testkit::world::error_code;

use crate::setup::{setup, world};

#[tokio::test]
async fn past_a_quota_is_a_conflict_until_something_is_deleted() {
    let world = world().await;
    let (ann, bob) = (world.sign_up("ann").await, world.sign_up("bob").await);
    let body = json!({"provider": "openai", "api_key": "k"});
    let mut last = 0;
    for _ in 0..200 {
        last = ann.save_provider_key(&body).await;
    }
    let refused = ann.session.post("/manage/providers").json(&body).send().await.expect(409).json();
    assert_eq!((error_code(&refused), &refused["error"]["type"]), ("quota_exceeded", &json!("conflict_error")));
    assert!(refused["error"]["message"].as_str().unwrap().contains("200 provider keys"), "{refused}");
    bob.save_provider_key(&body).await;
    ann.session.delete(&format!("/manage/providers/{last}")).send().await.expect(204);
    ann.save_provider_key(&body).await;
}

#[tokio::test]
async fn a_user_has_at_most_twenty_webhooks() {
    let world = setup().env("ALLOW_PRIVATE_UPSTREAMS", "true").start().await;
    let ann = world.sign_up("ann").await;
    let make = || {
        let body = json!({"url": "https://hooks.example/x", "events": ["ledger.gap"]});
        ann.session.post("/manage/webhooks").json(&body).send()
    };
    for _ in 0..20 {
        make().await.expect(201);
    }
    let refused = make().await.expect(409).json();
    assert_eq!(error_code(&refused), "quota_exceeded");
    assert!(refused["error"]["message"].as_str().unwrap().contains("20 webhooks"), "{refused}");
    ann.session.delete("/manage/webhooks/1").send().await.expect(204);
    make().await.expect(201);
}
