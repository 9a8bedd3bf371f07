//! What a test begins with: processes that share their stores, a mock upstream behind them, and people who use them.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tt_core::Provider;
use tt_testkit::client::Response;
use tt_testkit::database::TestDb;
use tt_testkit::process::Launch;
use tt_testkit::redis::RedisServer;
use tt_testkit::{Client, MockUpstream, Program};

pub(crate) const PROVIDERS: [Provider; 3] = [Provider::OpenAi, Provider::Anthropic, Provider::Gemini];

pub(crate) const PASSWORD: &str = "correct horse battery";

/// How soon a change made on one process must hold on the others.
pub(crate) const SEEN_WITHIN: Duration = Duration::from_secs(5);

const SECRET: &str = "a secret that all processes share";

/// The program, its providers all played by `mock`, saying only what is wrong.
pub(crate) fn program(mock: &MockUpstream) -> Launch {
    let launch = Program::launch(env!("CARGO_BIN_EXE_tokentracer")).env("RUST_LOG", "warn");
    PROVIDERS.iter().fold(launch, |launch, provider| {
        launch.env(&format!("{}_BASE_URL", provider.as_str().to_uppercase()), mock.base_url(*provider))
    })
}

/// The same on `database`.
pub(crate) fn on(database: &TestDb, mock: &MockUpstream) -> Launch {
    program(mock).env("DATABASE_URL", database.url()).env("JWT_SECRET", SECRET).env("ENCRYPTION_KEY", SECRET)
}

/// Processes on one PostgreSQL and one Redis.
pub(crate) struct Cluster {
    pub(crate) processes: Vec<Program>,
    pub(crate) mock: MockUpstream,
    pub(crate) redis: RedisServer,
    settings: Vec<(String, String)>,
    turn: AtomicUsize,
    /// Dropped after the processes that use it.
    database: TestDb,
}

impl Cluster {
    /// Two processes with these variables set, once all count in Redis.
    pub(crate) async fn of_two(settings: &[(&str, &str)]) -> Self {
        let cluster = Self::started(RedisServer::start(), settings).await;
        cluster.redis_is("ok", Duration::from_secs(30)).await;
        cluster
    }

    /// Two processes, however it is with `redis`.
    pub(crate) async fn started(redis: RedisServer, settings: &[(&str, &str)]) -> Self {
        let mut cluster = Self {
            processes: Vec::new(),
            mock: MockUpstream::start(),
            redis,
            settings: settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            turn: AtomicUsize::new(0),
            database: TestDb::postgres().await,
        };
        cluster.processes = (0..2).map(|_| cluster.launch().start()).collect();
        cluster
    }

    /// A launch like that of its processes.
    pub(crate) fn launch(&self) -> Launch {
        let launch = on(&self.database, &self.mock).env("REDIS_URL", self.redis.url());
        self.settings.iter().fold(launch, |launch, (name, value)| launch.env(name, value.as_str()))
    }

    /// The database that they share.
    pub(crate) fn database(&self) -> &TestDb {
        &self.database
    }

    /// Runs a command on the same database.
    #[track_caller]
    pub(crate) fn command(&self, words: &[&str]) {
        let launch = words.iter().fold(self.launch(), |launch, word| launch.argument(word));
        let output = launch.output();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// A client of one process.
    pub(crate) fn client(&self, process: usize) -> Client {
        self.processes.get(process % self.processes.len()).unwrap().client()
    }

    /// A client of the process whose turn it is.
    pub(crate) fn next(&self) -> Client {
        self.client(self.turn.fetch_add(1, Ordering::Relaxed))
    }

    /// The same with a credential.
    pub(crate) fn next_as(&self, token: &str) -> Client {
        self.next().bearer(token)
    }

    /// Waits until every process says this of Redis; how long that took.
    pub(crate) async fn redis_is(&self, state: &str, most: Duration) -> Duration {
        within(most, &format!("Redis is {state} to every process"), async || {
            for process in 0..self.processes.len() {
                if self.readiness(process).await.json()["redis"] != state {
                    return false;
                }
            }
            true
        })
        .await
    }

    /// What a process says about itself.
    pub(crate) async fn readiness(&self, process: usize) -> Response {
        self.client(process).get("/health/ready").send().await
    }

    /// How often a process has lost Redis so far: none waits 50 ms for it in vain without saying so.
    pub(crate) fn losses(&self) -> usize {
        self.processes.iter().map(|program| program.stderr().matches("Redis does not answer").count()).sum()
    }

    /// How many chat completions have reached the upstream: lists of models are asked for in the background.
    pub(crate) fn sent(&self) -> usize {
        self.mock.requests().iter().filter(|seen| seen.path.ends_with("/chat/completions")).count()
    }

    /// A new user with a key of the mock OpenAI and the alias `chat`.
    pub(crate) async fn user(&self, name: &str) -> User {
        let client = self.client(0);
        let user = User::sign_up(&client, name).await;
        let session = client.bearer(&user.token);
        let id = session
            .post("/manage/providers")
            .json(&json!({"provider": "openai", "api_key": MockUpstream::key(Provider::OpenAi)}))
            .send()
            .await
            .expect(201)
            .json()["id"]
            .clone();
        let alias = json!({"alias": "chat", "target_model": "mock-one", "provider_key_id": id});
        session.post("/manage/aliases").json(&alias).send().await.expect(200);
        user
    }

    /// A new API key of `user`; its id and its token.
    pub(crate) async fn api_key(&self, user: &User, body: &Value) -> (i64, String) {
        let made = self.client(0).bearer(&user.token).post("/auth/key").json(body).send().await.expect(200).json();
        (made["id"].as_i64().unwrap(), made["token"].as_str().unwrap().to_owned())
    }

    /// A chat completion through one process.
    pub(crate) async fn ask(&self, process: usize, token: &str) -> Response {
        ask(&self.client(process), token).await
    }
}

/// A chat completion with the alias `chat`.
pub(crate) async fn ask(client: &Client, token: &str) -> Response {
    client.post("/v1/chat/completions").bearer(token).json(&question("chat", "hello")).send().await
}

/// Somebody who is signed in.
#[derive(Debug)]
pub(crate) struct User {
    pub(crate) email: String,
    /// The session token.
    pub(crate) token: String,
}

impl User {
    pub(crate) async fn sign_up(client: &Client, name: &str) -> Self {
        let email = format!("{name}@example.org");
        client.post("/auth/signup").json(&credentials(&email)).send().await.expect(201);
        Self { token: log_in(client, &email).await, email }
    }
}

pub(crate) fn credentials(email: &str) -> Value {
    json!({"email": email, "password": PASSWORD})
}

pub(crate) async fn log_in(client: &Client, email: &str) -> String {
    let login = client.post("/auth/login").json(&credentials(email)).send().await.expect(200).json();
    login["token"].as_str().unwrap().to_owned()
}

/// A chat completion's body with one user message.
pub(crate) fn question(model: &str, text: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": text}]})
}

/// Asks again until `holds`; how long that took. It must not take longer than `most`.
pub(crate) async fn within<F: Future<Output = bool>>(most: Duration, what: &str, holds: impl Fn() -> F) -> Duration {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < most, "not within {most:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    begun.elapsed()
}

/// A whole number in a header.
#[track_caller]
pub(crate) fn number(response: &Response, header: &str) -> u64 {
    let text = response.header(header).unwrap_or_else(|| panic!("no {header}: {:?}", response.headers));
    text.parse().unwrap_or_else(|_| panic!("{header}: {text}"))
}

/// The code of an error answer.
pub(crate) fn code(response: &Response) -> String {
    response.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
}

/// A data directory and the program on the embedded database in it.
pub(crate) struct Alone {
    pub(crate) program: Program,
    pub(crate) mock: MockUpstream,
    data: TempDir,
    settings: Vec<(String, String)>,
}

impl Alone {
    pub(crate) fn start(settings: &[(&str, &str)]) -> Self {
        let mock = MockUpstream::start();
        let data = tempfile::tempdir().unwrap();
        let settings: Vec<_> = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let program = Self::launch(&mock, &data, &settings).start();
        Self { program, mock, data, settings }
    }

    fn launch(mock: &MockUpstream, data: &TempDir, settings: &[(String, String)]) -> Launch {
        let launch = program(mock).data_dir(data.path());
        settings.iter().fold(launch, |launch, (name, value)| launch.env(name, value.as_str()))
    }

    /// Starts it again on its data, after it has ended.
    pub(crate) fn start_again(&mut self) {
        self.program = Self::launch(&self.mock, &self.data, &self.settings).start();
    }
}
