//! Redis over TLS: it is used where its certificate leads to an authority that the system trusts, for its name.

use std::time::Duration;

use tt_testkit::World;
use tt_testkit::certificates::Authority;
use tt_testkit::redis::RedisServer;
use tt_testkit::world::eventually;

use crate::setup::{alone, ask, chat_user};

/// One process that trusts `authority` and nobody else, with Redis at `url`.
async fn world(authority: &Authority, url: &str) -> (tempfile::TempDir, World) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("authorities.pem");
    std::fs::write(&file, authority.pem()).unwrap();
    let world = alone().env("REDIS_URL", url).env("SSL_CERT_FILE", file.display().to_string()).start().await;
    (dir, world)
}

#[tokio::test]
async fn a_redis_that_proves_its_name_is_used_and_no_other() {
    let (right, wrong) = (Authority::new(), Authority::new());
    let redis = RedisServer::with_tls(&right.issue(&["localhost"]));
    let (_dir, good) = world(&right, &redis.tls_url("localhost")).await;
    good.redis_is("ok", Duration::from_secs(30)).await;
    let user = chat_user(&good, "ann").await;
    let key = user.new_api_key(&serde_json::json!({"rate_limit_minute": 2})).await;
    let mut admitted = 0;
    for _ in 0..4 {
        admitted += usize::from(ask(&good.client(), &key.token).await.status == 200);
    }
    assert_eq!(admitted, 2);
    for (authority, host) in [(&wrong, "localhost"), (&right, "127.0.0.1")] {
        let (_dir, bad) = world(authority, &redis.tls_url(host)).await;
        eventually("the log says why", async || bad.program().stderr().contains("certificate")).await;
        let state = bad.client().get("/health/ready").send().await.json()["redis"].clone();
        assert_ne!(state, "ok", "{host}");
    }
}
