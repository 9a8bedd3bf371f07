//! The worlds that tests begin with: two processes that share PostgreSQL and Redis, or one process alone. They log
//! warnings and errors only.

use std::time::Duration;

use serde_json::json;
use tt_core::Provider;
use tt_testkit::client::Response;
use tt_testkit::redis::RedisServer;
use tt_testkit::world::{Backend, Setup, User, question};
use tt_testkit::{Client, World};

/// The time within which a change made on one process must hold on the others.
pub(crate) const SEEN_WITHIN: Duration = Duration::from_secs(5);

/// The setup of a world of one process on its embedded database.
pub(crate) fn alone() -> Setup {
    World::of(env!("CARGO_BIN_EXE_tokentracer")).env("RUST_LOG", "warn")
}

/// Two processes with these settings, once all of them count in Redis.
pub(crate) async fn two(settings: &[(&str, &str)]) -> World {
    let world = two_with(RedisServer::start(), settings).await;
    world.redis_is("ok", Duration::from_secs(30)).await;
    world
}

/// Two processes with these settings, whether `redis` runs or not.
pub(crate) async fn two_with(redis: RedisServer, settings: &[(&str, &str)]) -> World {
    alone().backend(Backend::Postgres).redis(redis).processes(2).envs(settings).start().await
}

/// A new user with a key of OpenAI and the alias `chat`.
pub(crate) async fn chat_user(world: &World, name: &str) -> User {
    let user = world.sign_up(name).await;
    let id = user.add_provider_key(Provider::OpenAi).await;
    user.save_alias(&json!({"alias": "chat", "target_model": "mock-one", "provider_key_id": id})).await;
    user
}

/// A chat completion with the alias `chat`.
pub(crate) async fn ask(client: &Client, token: &str) -> Response {
    client.post("/v1/chat/completions").bearer(token).json(&question("chat", "hello")).send().await
}
