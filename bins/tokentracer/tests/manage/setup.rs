//! A running program in front of the mock provider, and the people who use it.

use std::future::Future;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tt_core::Provider;
use tt_testkit::process::Launch;
use tt_testkit::{Client, MockUpstream, Program};

pub(crate) const PASSWORD: &str = "correct horse battery";

/// The program on an embedded store, its providers all played by `mock`.
pub(crate) fn launch(mock: &MockUpstream) -> Launch {
    binary()
        .env("OPENAI_BASE_URL", mock.base_url(Provider::OpenAi))
        .env("ANTHROPIC_BASE_URL", mock.base_url(Provider::Anthropic))
        .env("GEMINI_BASE_URL", mock.base_url(Provider::Gemini))
}

/// The program as it is, for its commands.
pub(crate) fn binary() -> Launch {
    Program::launch(env!("CARGO_BIN_EXE_tokentracer")).env("RUST_LOG", "warn")
}

/// Runs a command beside `program`, on the same data directory.
pub(crate) fn command(program: &Program, words: &[&str]) -> Ran {
    words.iter().fold(binary().data_dir(program.data_dir()), |launch, word| launch.argument(word)).into()
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Launch> for Ran {
    fn from(launch: Launch) -> Self {
        let output = launch.output();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }
}

impl Ran {
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{} {}", self.out, self.err);
        self
    }
}

/// Somebody who is signed in.
#[derive(Debug)]
pub(crate) struct Person {
    pub(crate) id: i64,
    pub(crate) email: String,
    pub(crate) client: Client,
}

impl Person {
    pub(crate) async fn sign_up(program: &Program, name: &str) -> Self {
        let email = format!("{name}@example.org");
        let client = program.client();
        let credentials = json!({"email": email, "password": PASSWORD});
        let id = client.post("/auth/signup").json(&credentials).send().await.expect(201).json()["id"].as_i64().unwrap();
        Self { id, client: log_in(program, &email).await, email }
    }

    /// The first administrator is made by the command line.
    pub(crate) async fn admin(program: &Program, name: &str) -> Self {
        let person = Self::sign_up(program, name).await;
        command(program, &["users", "promote", &person.email]).expect(0);
        eventually("the promotion is seen", async || {
            person.client.get("/auth/me").send().await.json()["role"] == "admin"
                && person.client.get("/manage/users").send().await.status == 200
        })
        .await;
        person
    }

    /// Stores a key that the mock takes; its id.
    pub(crate) async fn provider_key(&self, provider: Provider) -> i64 {
        self.save_key(&json!({"provider": provider, "api_key": MockUpstream::key(provider)})).await
    }

    pub(crate) async fn save_key(&self, body: &Value) -> i64 {
        self.client.post("/manage/providers").json(body).send().await.expect(201).json()["id"].as_i64().unwrap()
    }

    /// Makes an alias; its id.
    pub(crate) async fn alias(&self, body: Value) -> i64 {
        self.client.post("/manage/aliases").json(&body).send().await.expect(200).json()["id"].as_i64().unwrap()
    }

    /// A client with a new API key.
    pub(crate) async fn api_key(&self, program: &Program, body: &Value) -> Client {
        let made = self.client.post("/auth/key").json(body).send().await.expect(200).json();
        program.client().bearer(made["token"].as_str().unwrap())
    }
}

pub(crate) async fn log_in(program: &Program, email: &str) -> Client {
    let credentials = json!({"email": email, "password": PASSWORD});
    let answer = program.client().post("/auth/login").json(&credentials).send().await.expect(200).json();
    program.client().bearer(answer["token"].as_str().unwrap())
}

pub(crate) fn chat(model: &str, text: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": text}]})
}

/// The code of an error answer.
pub(crate) fn code(answer: &Value) -> &str {
    answer["error"]["code"].as_str().unwrap_or_default()
}

/// Asks again until `holds`, for at most ten seconds.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, holds: impl Fn() -> F) {
    let until = Instant::now() + Duration::from_secs(10);
    while !holds().await {
        assert!(Instant::now() < until, "not within ten seconds: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
