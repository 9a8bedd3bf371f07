//! A price set on one process holds on the other within five seconds.

use serde_json::json;
use tt_testkit::world::within;

use crate::setup::{SEEN_WITHIN, ask, chat_user, two};

#[tokio::test]
async fn a_price_set_on_one_process_is_charged_by_the_other() {
    let cluster = two(&[]).await;
    let user = chat_user(&cluster, "ann").await;
    let key = user.new_api_key(&json!({})).await.token;
    let costs = async |process: usize| {
        let answer = ask(&cluster.client_of(process), &key).await.expect(200);
        answer.header("x-tokentracer-cost-usd").map(str::to_owned)
    };
    for process in 0..2 {
        assert_eq!(costs(process).await, None);
    }
    cluster.command(&["users", "promote", &user.email]).expect(0);
    let session = cluster.client_of(0).bearer(&user.token);
    within(SEEN_WITHIN, "she is an administrator", async || session.get("/manage/users").send().await.status == 200)
        .await;
    for price in ["1000000", "2000000"] {
        let body = format!(
            r#"{{"usd_per_million": {{"input": 0, "output": 0, "cache_read": {price}}}, "effective_from": "2026-01-01"}}"#
        );
        let put = session.put("/manage/prices/openai/mock-one-cached-4");
        put.header("content-type", "application/json").body(body).send().await.expect(200);
        let alias = json!({"target_model": "mock-one-cached-4"});
        session.patch("/manage/aliases/chat").json(&alias).send().await.expect(200);
        let cost = costs(0).await;
        assert!(cost.as_deref().is_some_and(|cost| cost != "0"), "{cost:?}");
        within(SEEN_WITHIN, "the other charges the same", async || costs(1).await == cost).await;
    }
    let versions = async |process: usize| {
        cluster.client_of(process).bearer(&user.token).get("/manage/prices").send().await.expect(200).json()["version"]
            .clone()
    };
    assert_eq!(versions(0).await, versions(1).await);
}
