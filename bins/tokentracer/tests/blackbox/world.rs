//! What a test begins with: the program running, a mock upstream behind it, and users with keys.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tempfile::TempDir;
use tt_core::Provider;
use tt_testkit::client::{Client, EventStream, Response};
use tt_testkit::database::TestDb;
use tt_testkit::mock::Seen;
use tt_testkit::process::Launch;
use tt_testkit::redis::RedisServer;
use tt_testkit::{MockUpstream, Program};

/// The built program.
const BINARY: &str = env!("CARGO_BIN_EXE_tokentracer");

pub(crate) const PROVIDERS: [Provider; 3] = [Provider::OpenAi, Provider::Anthropic, Provider::Gemini];

pub(crate) const PASSWORD: &str = "correct horse battery";

/// What the tests run on: one process with its embedded database, or several that share PostgreSQL and Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backend {
    Sqlite,
    Postgres { processes: usize },
}

impl Backend {
    /// `TT_BLACKBOX_BACKEND`: `sqlite` (also when unset) or `postgres`.
    pub(crate) fn chosen() -> Self {
        #[expect(clippy::disallowed_methods, reason = "the backend is named by whoever runs the tests")]
        match std::env::var("TT_BLACKBOX_BACKEND").as_deref() {
            Err(_) | Ok("sqlite") => Self::Sqlite,
            Ok("postgres") => Self::Postgres { processes: 2 },
            Ok(other) => panic!("TT_BLACKBOX_BACKEND: sqlite or postgres, not {other}"),
        }
    }

    const fn processes(self) -> usize {
        match self {
            Self::Sqlite => 1,
            Self::Postgres { processes } => processes,
        }
    }
}

/// A launch of the program with nothing set but a free port and a data directory.
pub(crate) fn program() -> Launch {
    Program::launch(BINARY)
}

/// One process, and where its data lies.
struct Process {
    /// `None` while it is stopped.
    program: Option<Program>,
    data: TempDir,
}

/// The program running on the chosen backend, with a mock upstream.
pub(crate) struct World {
    processes: Vec<Process>,
    pub(crate) mock: MockUpstream,
    settings: Vec<(String, String)>,
    users: AtomicUsize,
    /// Dropped after the processes that use them.
    _shared: Option<(TestDb, RedisServer)>,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::with(&[]).await
    }

    /// With these variables set; they go before the world's own.
    pub(crate) async fn with(settings: &[(&str, &str)]) -> Self {
        let backend = Backend::chosen();
        let mock = MockUpstream::start();
        let mut all: Vec<(String, String)> = PROVIDERS
            .iter()
            .map(|provider| (format!("{}_BASE_URL", provider.as_str().to_uppercase()), mock.base_url(*provider)))
            .collect();
        let shared = match backend {
            Backend::Sqlite => None,
            Backend::Postgres { .. } => {
                let (database, redis) = (TestDb::postgres().await, RedisServer::start());
                let secret = "a secret that all processes share";
                for (name, value) in [
                    ("DATABASE_URL", database.url()),
                    ("REDIS_URL", &redis.url()),
                    ("JWT_SECRET", secret),
                    ("ENCRYPTION_KEY", secret),
                ] {
                    all.push((name.to_owned(), value.to_owned()));
                }
                Some((database, redis))
            }
        };
        all.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let processes = (0..backend.processes())
            .map(|_| {
                let data = tempfile::tempdir().unwrap();
                Process { program: Some(launch(&all, &data).start()), data }
            })
            .collect();
        Self { processes, mock, settings: all, users: AtomicUsize::new(0), _shared: shared }
    }

    fn process(&self, number: usize) -> &Process {
        self.processes.get(number % self.processes.len()).unwrap()
    }

    /// The first process.
    pub(crate) fn program(&self) -> &Program {
        self.process(0).program.as_ref().unwrap()
    }

    /// A launch like that of the first process, on the same data.
    pub(crate) fn launch(&self) -> Launch {
        launch(&self.settings, &self.process(0).data)
    }

    /// Asks the first process to stop, and waits until it has; its standard error.
    pub(crate) fn stop(&mut self) -> String {
        let mut program = self.processes.first_mut().and_then(|process| process.program.take()).unwrap();
        program.terminate();
        let status = program.wait();
        assert!(status.success(), "{status}: {}", program.stderr());
        program.stderr()
    }

    /// Ends the first process at once, as a crash does.
    pub(crate) fn kill(&mut self) {
        let mut program = self.processes.first_mut().and_then(|process| process.program.take()).unwrap();
        program.kill();
    }

    /// Starts the first process again, on its data.
    pub(crate) fn start_again(&mut self) {
        let program = self.launch().start();
        if let Some(process) = self.processes.first_mut() {
            process.program = Some(program);
        }
    }

    /// A client without credentials, of the first process.
    pub(crate) fn client(&self) -> Client {
        self.program().client()
    }

    /// What has been sent to the mock on behalf of clients, oldest first: without the lists of models that the program
    /// asks for by itself.
    pub(crate) fn sent(&self) -> Vec<Seen> {
        sent(&self.mock)
    }

    /// A new user with an API key and a key of each provider. Users are spread over the processes, so that what two of
    /// them must not see of each other is asked across processes too. Where there are several, a user's plain chat
    /// completions go through another process in turn (see [`User::complete`]); all else stays on their own, as behind a
    /// balancer with sticky sessions.
    pub(crate) async fn user(&self) -> User {
        let mut user = self.bare_user().await;
        for provider in PROVIDERS {
            let key = MockUpstream::key(provider);
            let body = json!({"provider": provider.as_str(), "api_key": key});
            let id = user.session.post("/manage/providers").json(&body).send().await.expect(201).json()["id"].as_i64();
            user.provider_keys.push((provider, id.unwrap()));
        }
        user
    }

    /// A new user with an API key and nothing else.
    pub(crate) async fn bare_user(&self) -> User {
        let number = self.users.fetch_add(1, Ordering::Relaxed);
        let process = number % self.processes.len();
        let client = self.client_of(process);
        let email = format!("user{number}@example.org");
        let credentials = json!({"email": email, "password": PASSWORD});
        let created = client.post("/auth/signup").json(&credentials).send().await.expect(201).json();
        let login = client.post("/auth/login").json(&credentials).send().await.expect(200).json();
        let token = login["token"].as_str().unwrap().to_owned();
        let session = client.clone().bearer(&token);
        let key = session.post("/auth/key").send().await.expect(200).json();
        let api_key = key["token"].as_str().unwrap().to_owned();
        User {
            process,
            id: created["id"].as_i64().unwrap(),
            email,
            api: client.bearer(&api_key),
            elsewhere: self.elsewhere(process, &token, &api_key),
            api_key,
            api_key_id: key["id"].as_i64().unwrap(),
            session,
            token,
            provider_keys: Vec::new(),
        }
    }

    fn client_of(&self, process: usize) -> Client {
        self.process(process).program.as_ref().unwrap().client()
    }

    /// The process after this one, where there is one.
    fn elsewhere(&self, process: usize, token: &str, api_key: &str) -> Option<Elsewhere> {
        (self.processes.len() > 1).then(|| {
            let client = self.client_of(process + 1);
            Elsewhere {
                api: client.clone().bearer(api_key),
                session: client.bearer(token),
                turn: AtomicUsize::new(0),
                knows: OnceLock::new(),
            }
        })
    }
}

fn launch(settings: &[(String, String)], data: &TempDir) -> Launch {
    settings
        .iter()
        .fold(program().data_dir(data.path().join("data")), |launch, (name, value)| launch.env(name, value.as_str()))
}

/// What has been sent to `mock` on behalf of clients.
pub(crate) fn sent(mock: &MockUpstream) -> Vec<Seen> {
    mock.requests().into_iter().filter(|seen| seen.method == http::Method::POST).collect()
}

/// Another process than a user's own.
struct Elsewhere {
    session: Client,
    api: Client,
    turn: AtomicUsize,
    /// How often the user had changed something when it was first asked: it may not see later changes for five seconds.
    knows: OnceLock<usize>,
}

impl Elsewhere {
    /// Is it its turn, and does it know all there is to know?
    fn has_its_turn(&self, writes: usize) -> bool {
        self.turn.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) && *self.knows.get_or_init(|| writes) == writes
    }
}

/// Somebody who has signed up.
pub(crate) struct User {
    process: usize,
    elsewhere: Option<Elsewhere>,
    pub(crate) id: i64,
    pub(crate) email: String,
    /// The session token.
    pub(crate) token: String,
    /// With the session token.
    pub(crate) session: Client,
    pub(crate) api_key: String,
    pub(crate) api_key_id: i64,
    /// With the API key.
    pub(crate) api: Client,
    provider_keys: Vec<(Provider, i64)>,
}

impl User {
    /// The same user after their process has started again, on another port.
    pub(crate) fn found_again(&mut self, world: &World) {
        let client = world.client_of(self.process);
        self.elsewhere = world.elsewhere(self.process, &self.token, &self.api_key);
        // What the other process knows by now is not known here.
        if let Some(elsewhere) = &self.elsewhere {
            let _ = elsewhere.knows.set(usize::MAX);
        }
        self.session = client.clone().bearer(&self.token);
        self.api = client.bearer(&self.api_key);
    }

    /// A client of their process without credentials.
    pub(crate) fn anonymous(&self) -> Client {
        Client::new(self.session.base())
    }

    /// The id of their key of `provider`.
    pub(crate) fn provider_key(&self, provider: Provider) -> i64 {
        self.provider_keys.iter().find(|(known, _)| *known == provider).map(|(_, id)| *id).unwrap()
    }

    /// Makes an alias for `model` of `provider`; its id.
    pub(crate) async fn alias(&self, alias: &str, provider: Provider, model: &str) -> i64 {
        self.alias_with(alias, provider, model, json!({})).await
    }

    /// The same with further fields.
    pub(crate) async fn alias_with(&self, alias: &str, provider: Provider, model: &str, more: Value) -> i64 {
        let mut body = json!({
            "alias": alias, "target_model": model, "provider_key_id": self.provider_key(provider),
        });
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        let made = self.session.post("/manage/aliases").json(&body).send().await.expect(200).json();
        made["id"].as_i64().unwrap()
    }

    /// Aliases for `models`, each falling back to the next, named `a0`, `a1` …
    pub(crate) async fn chain(&self, models: &[(Provider, &str)]) {
        let mut next = Value::Null;
        for (number, (provider, model)) in models.iter().enumerate().rev() {
            let more = json!({"fallback_alias_id": next});
            next = json!(self.alias_with(&format!("a{number}"), *provider, model, more).await);
        }
    }

    /// A chat completion with one user message, through the API key.
    pub(crate) async fn ask(&self, model: &str, text: &str) -> Response {
        self.complete(&question(model, text)).await
    }

    /// A chat completion, through the API key. Every other one goes through another process, unless the user has changed
    /// something since that was first asked; its row is in the store when this returns, as it would be on their own.
    pub(crate) async fn complete(&self, body: &Value) -> Response {
        let elsewhere = self.elsewhere.as_ref().filter(|elsewhere| elsewhere.has_its_turn(self.session.writes()));
        let api = elsewhere.map_or(&self.api, |elsewhere| &elsewhere.api);
        let answer = api.post("/v1/chat/completions").json(body).send().await;
        if let Some(elsewhere) = elsewhere {
            // Who reads the log of a process finds there what has settled on it.
            elsewhere.session.get("/manage/logs?limit=1").send().await;
        }
        answer
    }

    /// The same streamed.
    pub(crate) async fn ask_stream(&self, model: &str, text: &str) -> EventStream {
        let mut body = question(model, text);
        body["stream"] = json!(true);
        self.complete_stream(&body).await
    }

    /// The same streamed; `body` says so.
    pub(crate) async fn complete_stream(&self, body: &Value) -> EventStream {
        self.api.post("/v1/chat/completions").json(body).stream().await
    }

    /// All that is known of the request with this id.
    pub(crate) async fn log(&self, request_id: &str) -> Value {
        self.session.get(&format!("/manage/logs/{request_id}")).send().await.expect(200).json()
    }

    /// The log's rows, newest first.
    pub(crate) async fn logs(&self) -> Vec<Value> {
        let page = self.session.get("/manage/logs?limit=500").send().await.expect(200).json();
        page["data"].as_array().unwrap().clone()
    }

    /// The newest row once there is one for which `wanted` holds: a request that nobody waits for settles when it does.
    pub(crate) async fn row_when(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        let until = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
        loop {
            let rows = self.logs().await;
            if let Some(row) = rows.iter().find(|row| wanted(row)) {
                return row.clone();
            }
            assert!(tokio::time::Instant::now() < until, "no such row; there are {rows:#?}");
        }
    }
}

/// A chat completion's body with one user message.
pub(crate) fn question(model: &str, text: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": text}]})
}

/// The id a response was answered under.
pub(crate) fn request_id(response: &Response) -> String {
    response.header("x-request-id").unwrap().to_owned()
}
