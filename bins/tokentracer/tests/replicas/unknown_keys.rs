//! Keys that nobody has. The store alone knows that, and is asked no oftener than need be.

use std::time::{Duration, Instant};

use tt_crypto::ApiKey;
use tt_testkit::world::Backend;

use crate::setup::{alone, ask, chat_user};

#[tokio::test]
async fn a_key_that_nobody_has_is_looked_up_once() {
    let world = alone().backend(Backend::Postgres).start().await;
    let made_up = ApiKey::generate().unwrap();
    ask(&world.client(), made_up.expose()).await.expect(401);
    // Without its table every query fails.
    world.database().run("ALTER TABLE api_keys RENAME TO api_keys_away").await;
    ask(&world.client(), made_up.expose()).await.expect(401);
    let another = ApiKey::generate().unwrap();
    assert!(ask(&world.client(), another.expose()).await.status.is_server_error(), "the table is still there");
}

#[tokio::test]
async fn who_makes_up_keys_waits_and_others_at_the_same_address_do_not() {
    let world = alone().start().await;
    let user = chat_user(&world, "ann").await;
    let key = user.new_api_key(&serde_json::Value::Null).await.token;
    let client = tt_testkit::Client::keeping_connections(world.client().base());
    ask(&client, &key).await.expect(200);
    let begun = Instant::now();
    for _ in 0..400 {
        ask(&client, ApiKey::generate().unwrap().expose()).await.expect(401);
    }
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(1_500), "400 made-up keys were looked up within {took:?}");
    let begun = Instant::now();
    ask(&client, &key).await.expect(200);
    let new = user.new_api_key(&serde_json::Value::Null).await.token;
    ask(&client, &new).await.expect(200);
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(2), "an honest user waited {took:?}");
}
