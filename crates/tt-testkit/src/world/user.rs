//! A user of the program under test, and the calls that tests make through the HTTP API as this user.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;
use tt_core::Provider;

use super::elsewhere::Elsewhere;
use super::wait::TICK;
use super::{question, streamed_question, with_fields};
use crate::MockUpstream;
use crate::client::{Client, EventStream, Response};

/// The password of every user.
pub const PASSWORD: &str = "correct horse battery";

/// The time that a test waits for a row of the log.
const PATIENCE: Duration = Duration::from_secs(10);

/// A user who has signed up and logged in.
#[derive(Debug, Clone)]
pub struct User {
    /// The user's id.
    pub id: i64,
    /// The email address: `name@example.org`.
    pub email: String,
    /// The session token.
    pub token: String,
    /// A client with the session token.
    pub session: Client,
    /// The API key that tests call with, where one was made.
    pub(super) key: Option<ApiKey>,
    /// The number of the process that the user's calls go to.
    pub(super) process: usize,
    pub(super) elsewhere: Option<Arc<Elsewhere>>,
    pub(super) provider_keys: Vec<(Provider, i64)>,
}

/// An API key.
#[derive(Debug, Clone)]
pub struct ApiKey {
    /// The key's id.
    pub id: i64,
    /// The key itself.
    pub token: String,
    /// A client with the key.
    pub client: Client,
}

/// The body of a sign-up or a login.
pub fn credentials(email: &str) -> Value {
    json!({"email": email, "password": PASSWORD})
}

/// Logs in; the session token.
///
/// # Panics
/// If the login is refused.
pub async fn log_in(client: &Client, email: &str) -> String {
    let login = client.post("/auth/login").json(&credentials(email)).send().await.expect(200).json();
    text(&login, "token")
}

impl User {
    /// Signs up `name@example.org` and logs in, through `client`.
    ///
    /// # Panics
    /// If the sign-up or the login is refused.
    pub async fn sign_up(client: &Client, name: &str) -> Self {
        let email = format!("{name}@example.org");
        let made = client.post("/auth/signup").json(&credentials(&email)).send().await.expect(201).json();
        let token = log_in(client, &email).await;
        Self {
            id: id(&made),
            email,
            session: client.clone().bearer(&token),
            token,
            key: None,
            process: 0,
            elsewhere: None,
            provider_keys: Vec::new(),
        }
    }

    /// A client of the user's process, without credentials.
    pub fn anonymous(&self) -> Client {
        self.session.anonymous()
    }

    /// Makes another API key with these fields; null: with none.
    ///
    /// # Panics
    /// If the server refuses it.
    pub async fn new_api_key(&self, body: &Value) -> ApiKey {
        let call = self.session.post("/auth/key");
        let call = if body.is_null() { call } else { call.json(body) };
        let made = call.send().await.expect(200).json();
        let token = text(&made, "token");
        ApiKey { id: id(&made), client: self.anonymous().bearer(&token), token }
    }

    fn key(&self) -> &ApiKey {
        self.key.as_ref().unwrap_or_else(|| panic!("{} has no API key", self.email))
    }

    /// A client with the user's API key.
    ///
    /// # Panics
    /// If the user has no API key.
    pub fn api(&self) -> &Client {
        &self.key().client
    }

    /// The user's API key.
    ///
    /// # Panics
    /// If the user has no API key.
    pub fn api_key(&self) -> &str {
        &self.key().token
    }

    /// The id of the user's API key.
    ///
    /// # Panics
    /// If the user has no API key.
    pub fn api_key_id(&self) -> i64 {
        self.key().id
    }

    /// Saves a key of `provider` that the mock accepts; its id.
    ///
    /// # Panics
    /// If the server refuses it.
    pub async fn add_provider_key(&self, provider: Provider) -> i64 {
        self.save_provider_key(&json!({"provider": provider.as_str(), "api_key": MockUpstream::key(provider)})).await
    }

    /// Saves a provider key with these fields; its id.
    ///
    /// # Panics
    /// If the server refuses it.
    pub async fn save_provider_key(&self, body: &Value) -> i64 {
        id(&self.session.post("/manage/providers").json(body).send().await.expect(201).json())
    }

    /// The id of the key of `provider` that the user began with (see [`super::World::user`]).
    ///
    /// # Panics
    /// If the user began with no such key.
    pub fn provider_key(&self, provider: Provider) -> i64 {
        let mine = self.provider_keys.iter().find(|(known, _)| *known == provider);
        mine.unwrap_or_else(|| panic!("{} has no key of {provider}", self.email)).1
    }

    /// Makes an alias with these fields; its id.
    ///
    /// # Panics
    /// If the server refuses it.
    pub async fn save_alias(&self, body: &Value) -> i64 {
        id(&self.session.post("/manage/aliases").json(body).send().await.expect(200).json())
    }

    /// Makes an alias for `model` of `provider`; its id.
    ///
    /// # Panics
    /// If the server refuses it, or the user has no key of `provider`.
    pub async fn alias(&self, alias: &str, provider: Provider, model: &str) -> i64 {
        self.alias_with(alias, provider, model, json!({})).await
    }

    /// As [`Self::alias`], with the fields of the object `more`.
    ///
    /// # Panics
    /// If the server refuses it, or the user has no key of `provider`.
    pub async fn alias_with(&self, alias: &str, provider: Provider, model: &str, more: Value) -> i64 {
        let body = json!({"alias": alias, "target_model": model, "provider_key_id": self.provider_key(provider)});
        self.save_alias(&with_fields(body, &more)).await
    }

    /// Makes aliases for `models`, named `a0`, `a1` and so on; each falls back to the next.
    ///
    /// # Panics
    /// If the server refuses one.
    pub async fn chain(&self, models: &[(Provider, &str)]) {
        let mut next = Value::Null;
        for (number, (provider, model)) in models.iter().enumerate().rev() {
            let more = json!({"fallback_alias_id": next});
            next = json!(self.alias_with(&format!("a{number}"), *provider, model, more).await);
        }
    }

    /// A chat completion with one user message, through the API key.
    pub async fn ask(&self, model: &str, text: &str) -> Response {
        self.complete(&question(model, text)).await
    }

    /// A chat completion, through the API key. Where there are several processes, every other call goes through another
    /// one, unless the user has changed something since that was first asked. Its row is in the store when this
    /// returns, as it would be after a call to the user's own process.
    pub async fn complete(&self, body: &Value) -> Response {
        let elsewhere = self.elsewhere.as_ref().filter(|elsewhere| elsewhere.has_its_turn(self.session.writes()));
        let api = elsewhere.map_or(self.api(), |elsewhere| &elsewhere.api);
        let answer = api.post("/v1/chat/completions").json(body).send().await;
        if let Some(elsewhere) = elsewhere {
            // A process that is asked for its log first stores the requests that have ended on it.
            elsewhere.session.get("/manage/logs?limit=1").send().await;
        }
        answer
    }

    /// As [`Self::ask`], streamed.
    pub async fn ask_stream(&self, model: &str, text: &str) -> EventStream {
        self.complete_stream(&streamed_question(model, text)).await
    }

    /// A chat completion whose `body` asks for a stream, through the API key.
    pub async fn complete_stream(&self, body: &Value) -> EventStream {
        self.api().post("/v1/chat/completions").json(body).stream().await
    }

    /// The row of the request with this id, once it is stored: the server waits for that for half a second only, which a
    /// busy machine may exceed.
    ///
    /// # Panics
    /// If there is no such row within ten seconds.
    pub async fn log(&self, request_id: &str) -> Value {
        let until = Instant::now() + PATIENCE;
        loop {
            let answer = self.session.get(&format!("/manage/logs/{request_id}")).send().await;
            if answer.status != 404 || Instant::now() >= until {
                return answer.expect(200).json();
            }
        }
    }

    /// The newest rows of the log, newest first, at most 500.
    ///
    /// # Panics
    /// If the log cannot be read.
    pub async fn logs(&self) -> Vec<Value> {
        let page = self.session.get("/manage/logs?limit=500").send().await.expect(200).json();
        page["data"].as_array().unwrap_or_else(|| panic!("no rows: {page}")).clone()
    }

    /// The newest row for which `wanted` holds, once there is one: a request whose client has left is settled later.
    ///
    /// # Panics
    /// If there is none within ten seconds. The message shows the rows that there are.
    pub async fn row_when(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + PATIENCE;
        loop {
            let rows = self.logs().await;
            if let Some(row) = rows.iter().find(|row| wanted(row)) {
                return row.clone();
            }
            assert!(Instant::now() < until, "no such row within {PATIENCE:?}; there are {rows:#?}");
            tokio::time::sleep(TICK).await;
        }
    }
}

fn id(made: &Value) -> i64 {
    made["id"].as_i64().unwrap_or_else(|| panic!("no id: {made}"))
}

fn text(made: &Value, field: &str) -> String {
    made[field].as_str().unwrap_or_else(|| panic!("no {field}: {made}")).to_owned()
}
