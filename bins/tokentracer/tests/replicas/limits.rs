//! Limits that hold across processes through one Redis.

use std::time::Duration;

use serde_json::json;
use tt_testkit::client::Response;
use tt_testkit::world::within;

use crate::setup::{SEEN_WITHIN, chat_user, two};
use crate::storm::{exactly, storm};

const CONNECTIONS: usize = 16;
/// Rounds of which one must not lose Redis.
const ROUNDS: usize = 10;

#[tokio::test]
async fn a_users_own_limit_goes_before_the_servers_and_a_keys_own_holds_besides() {
    let cluster = two(&[("RATE_LIMIT_MINUTE", "5")]).await;
    for round in 0.. {
        assert!(round < ROUNDS, "Redis was lost in each of {round} rounds");
        cluster.redis_is("ok", Duration::from_secs(30)).await;
        let user = chat_user(&cluster, &format!("user{round}")).await;
        cluster.command(&["users", "limit", &user.email, "--minute", "30"]).expect(0);
        within(SEEN_WITHIN, "both processes know the limit", async || {
            let mut known = 0;
            for process in 0..2 {
                let me = cluster.client_of(process).bearer(&user.token).get("/auth/me").send().await.expect(200).json();
                known += usize::from(me["rate_limit_minute"] == 30);
            }
            known == 2
        })
        .await;
        let narrow = user.new_api_key(&json!({"rate_limit_minute": 10})).await.token;
        let wide = user.new_api_key(&json!({})).await.token;
        let losses = cluster.losses();
        let through_narrow = storm(&cluster, &narrow, 40, CONNECTIONS).await;
        let through_wide = storm(&cluster, &wide, 40, CONNECTIONS).await;
        if cluster.losses() > losses {
            continue;
        }
        exactly(10, &through_narrow);
        // A request that the key's own limit refused does not count for the user.
        let admitted = through_wide.iter().filter(|answer| answer.status == 200).count();
        assert_eq!(admitted, 20, "of the user's 30, 10 went through the other key");
        for answer in &through_wide {
            assert_eq!(answer.number("x-ratelimit-limit-requests"), 30);
        }
        let said = |answers: &[Response], whose: &str| {
            let refused = answers.iter().find(|answer| answer.status == 429).unwrap();
            assert!(refused.text().contains(whose), "{}", refused.text());
        };
        said(&through_narrow, "this API key");
        said(&through_wide, "your account");
        return;
    }
}
