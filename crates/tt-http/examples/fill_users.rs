//! Fills an empty database with users, each with an API key, a key of OpenAI and aliases, for measurements with more users
//! than the HTTP API would make in a day.
//!
//! `ENCRYPTION_KEY=… cargo run --profile quick -p tt-http --example fill_users -- <URL of the database> <users> <aliases a user>
//! <model>` prints a line for each alias: a header with the API key, a tab, and the alias. These are the senders of
//! `tt-mock load --senders FILE`; the server needs the same `ENCRYPTION_KEY`.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a tool for a terminal")]

use std::sync::Arc;

use secrecy::SecretString;
use tokio::task::JoinSet;
use tt_core::caller::{RequestLimits, Scope};
use tt_core::routing::TargetModel;
use tt_core::{AliasName, Email, Provider, Timestamp};
use tt_crypto::{Aad, ApiKey, Keyring};
use tt_http::now;
use tt_store::{Author, NewAlias, NewApiKey, NewProviderKey, Store, StoreConfig};

/// The users that are made at the same time.
const AT_ONCE: usize = 16;

/// The key of every user, which the mock takes for one of OpenAI.
const PROVIDER_KEY: &str = "sk-mock-bench";

/// 2026-11-23.
const BY: Author = Author::operator(Timestamp::from_millis(1_795_392_000_000));

struct Fill {
    store: Store,
    keyring: Keyring,
    aliases: usize,
    model: String,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, users, aliases, model] = arguments.as_slice() else {
        panic!("the arguments are: the database's URL, users, aliases a user, a model");
    };
    #[expect(clippy::disallowed_methods, reason = "a secret is no argument, which every process could read")]
    let secret = SecretString::from(std::env::var("ENCRYPTION_KEY").unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let fill = Arc::new(Fill {
        store: Store::open(StoreConfig::new(url.as_str().into(), runtime.handle().clone())).unwrap(),
        keyring: Keyring::new(&secret, None).unwrap(),
        aliases: aliases.parse().unwrap(),
        model: model.clone(),
    });
    let users: usize = users.parse().unwrap();
    runtime.block_on(async {
        fill.store.migrate().await.unwrap();
        let mut tasks = JoinSet::new();
        for first in 0..AT_ONCE {
            let fill = Arc::clone(&fill);
            tasks.spawn(async move {
                let mut lines = Vec::new();
                for user in (first..users).step_by(AT_ONCE) {
                    fill.user(user, &mut lines).await;
                }
                lines
            });
        }
        tasks.join_all().await.into_iter().flatten().for_each(|line| println!("{line}"));
    });
    fill.store.close();
}

impl Fill {
    /// Makes a user, and the lines of the user's aliases.
    async fn user(&self, number: usize, lines: &mut Vec<String>) {
        let email = Email::parse(&format!("user{number}@example.org")).unwrap();
        // No password has this hash.
        let user = self.store.create_user(email, "$argon2id$x".into(), BY).await.unwrap();
        let token = ApiKey::generate().unwrap();
        let new = NewApiKey {
            key_hash: token.hash(),
            name: None,
            prefix: token.prefix(),
            scopes: vec![Scope::Proxy],
            allowed_aliases: None,
            limits: RequestLimits::default(),
            budget: None,
            expires_at: None,
        };
        self.store.create_api_key(user, new, BY).await.unwrap();
        let (provider, seal_id) = (Provider::OpenAi, tt_crypto::new_seal_id().unwrap());
        let aad =
            Aad { table: "provider_keys", seal_id: &seal_id, user_id: user, provider: Some(provider), base_url: None };
        let sealed = self.keyring.seal(&aad, &PROVIDER_KEY.into()).unwrap();
        let new = NewProviderKey { provider, label: None, base_url: None, seal_id, sealed };
        let provider_key_id = self.store.create_provider_key(user, new, BY).await.unwrap().key.id;
        // Without a recent list the server would fetch one for each key that is used, beside the measurement.
        self.store.save_models(user, provider_key_id, vec![self.model.clone()], now()).await.unwrap();
        for alias in 0..self.aliases {
            let new = NewAlias {
                name: AliasName::try_from(format!("alias-{alias}")).unwrap(),
                target_model: TargetModel::try_from(self.model.clone()).unwrap(),
                provider_key_id,
                fallback_alias_id: None,
                use_light_model: false,
                light_model_threshold: 0,
                light_model: None,
            };
            self.store.upsert_alias(user, new, BY).await.unwrap();
            lines.push(format!("authorization: Bearer {}\talias-{alias}", token.expose()));
        }
    }
}
