//! Providers whose certificate comes from an authority of the operator's own.

use serde_json::json;
use tt_core::Provider::OpenAi;
use tt_testkit::World;
use tt_testkit::client::Protocol;
use tt_testkit::world::User;

use crate::expect::error;
use crate::setup::{program, tls_setup};
use crate::start::one_line;
use crate::tls::world_with_tls;

/// A user of a world that runs with these settings, whose alias `far` leads to a model of that name at `base_url`.
async fn user_of(settings: &[(&str, &str)], base_url: &str, api_key: &str) -> (World, User) {
    let world = tls_setup().env("ALLOW_PRIVATE_UPSTREAMS", "true").envs(settings).start().await;
    let user = world.user().await;
    let key = json!({"provider": "openai", "api_key": api_key, "base_url": base_url});
    let key = user.save_provider_key(&key).await;
    user.save_alias(&json!({"alias": "far", "target_model": "far", "provider_key_id": key})).await;
    (world, user)
}

#[tokio::test]
async fn a_provider_of_a_private_authority_is_called_where_that_is_trusted() {
    // The provider is a program like that under test, which serves TLS.
    let (authority, _files, provider) = world_with_tls(Protocol::Http1, &[]).await;
    let at_provider = provider.user().await;
    at_provider.alias("far", OpenAi, "gpt-4o-mini").await;
    let base_url = format!("{}/v1", provider.program().url());

    let (_strict, stranger) = user_of(&[], &base_url, at_provider.api_key()).await;
    let refused = stranger.ask("far", "hello").await;
    let message = error(&refused, 502, "all_attempts_failed")["message"].to_string();
    assert!(message.contains("cannot connect"), "{message}");

    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("authorities.pem").display().to_string();
    std::fs::write(&file, authority.pem()).unwrap();
    let (_trusting, user) = user_of(&[("EXTRA_CA_CERTS", &file)], &base_url, at_provider.api_key()).await;
    let answer = user.ask("far", "hello").await.expect(200).json();
    assert_eq!(answer["choices"][0]["message"]["content"], "mock reply to: hello");
    at_provider.row_when(|row| row["alias"] == "far").await;
}

#[test]
fn a_file_of_authorities_that_cannot_be_used_stops_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("authorities.pem").display().to_string();
    let with = || program().env("EXTRA_CA_CERTS", file.as_str());
    one_line(with(), &["EXTRA_CA_CERTS: ", "cannot be read"]);
    std::fs::write(&file, "nonsense").unwrap();
    one_line(with(), &["EXTRA_CA_CERTS: ", "holds no certificate"]);
    // Another command does not need it.
    assert!(with().argument("migrate").output().status.success());
}
