//! The black-box harness: the program under test running on databases of the test's choice, a mock upstream behind it,
//! and users with keys. Every suite that tests the built program begins with a [`World`].
//!
//! It knows the program by its settings and its HTTP API only.
//!
//! ```no_run
//! use tt_core::Provider;
//! use tt_testkit::World;
//! use tt_testkit::redis::RedisServer;
//! use tt_testkit::world::{Backend, request_id};
//!
//! # async fn test() {
//! // In an integration test the program is env!("CARGO_BIN_EXE_tokentracer").
//! let setup = World::of("target/debug/tokentracer").env("RATE_LIMIT_MINUTE", "2");
//! let world = setup.backend(Backend::Postgres).redis(RedisServer::start()).processes(2).start().await;
//! let user = world.user().await;
//! user.alias("fast", Provider::OpenAi, "gpt-4o-mini").await;
//!
//! let answer = user.ask("fast", "hello").await.expect(200);
//! let row = user.log(&request_id(&answer)).await;
//! assert_eq!(row["usage_source"], "provider");
//! # }
//! ```

mod command;
mod elsewhere;
mod replicas;
mod user;
mod wait;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;
use tempfile::TempDir;
use tt_core::Provider;

pub use self::command::Ran;
pub use self::user::{ApiKey, PASSWORD, User, credentials, log_in};
pub use self::wait::{eventually, within};
use crate::client::{Client, Response, Trust};
use crate::database::TestDb;
use crate::mock::Seen;
use crate::process::{Launch, Program};
use crate::redis::RedisServer;
use crate::{MockUpstream, client};

/// Every provider, in the order in which a user's keys are made.
pub const PROVIDERS: [Provider; 3] = [Provider::OpenAi, Provider::Anthropic, Provider::Gemini];

/// The secret of processes that share a database.
const SECRET: &str = "a secret that all processes share";

/// The database that processes run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// The embedded database in the data directory of the one process.
    Sqlite,
    /// A PostgreSQL database of the test's own.
    Postgres,
}

impl Backend {
    /// The backend that the environment variable `variable` names: `sqlite` (also when it is unset or empty) or
    /// `postgres`.
    ///
    /// # Panics
    /// If the variable names another.
    pub fn chosen(variable: &str) -> Self {
        #[expect(clippy::disallowed_methods, reason = "the backend is named by whoever runs the tests")]
        let name = std::env::var(variable).unwrap_or_default();
        match name.as_str() {
            "" | "sqlite" => Self::Sqlite,
            "postgres" => Self::Postgres,
            other => panic!("{variable}: must be sqlite or postgres, not {other}"),
        }
    }
}

/// The settings of a [`World`] that is to be made.
#[derive(Debug)]
#[must_use]
pub struct Setup {
    binary: PathBuf,
    settings: Vec<(String, String)>,
    postgres: bool,
    redis: Option<RedisServer>,
    processes: usize,
    trust: Option<Trust>,
}

impl Setup {
    /// Sets an environment variable of every process. It goes before the world's own of that name.
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.settings.push((name.to_owned(), value.into()));
        self
    }

    /// Sets these variables.
    pub fn envs(self, settings: &[(&str, &str)]) -> Self {
        settings.iter().fold(self, |setup, (name, value)| setup.env(name, *value))
    }

    /// Runs on a new database of this kind; on the embedded one unless this is called.
    pub fn backend(mut self, backend: Backend) -> Self {
        self.postgres = backend == Backend::Postgres;
        self
    }

    /// Runs on the database at this address, which outlives the world.
    pub fn database_url(self, url: &str) -> Self {
        self.env("DATABASE_URL", url).env("JWT_SECRET", SECRET).env("ENCRYPTION_KEY", SECRET)
    }

    /// Shares limits and budgets through this Redis server, whether it runs or not.
    pub fn redis(mut self, redis: RedisServer) -> Self {
        self.redis = Some(redis);
        self
    }

    /// Speaks TLS with the certificate and the key in these files; clients trust it in this way.
    pub fn tls(mut self, (cert, key): (&Path, &Path), trust: Trust) -> Self {
        self.trust = Some(trust);
        self.env("TLS_CERT", cert.display().to_string()).env("TLS_KEY", key.display().to_string())
    }

    /// Starts so many processes, each with a data directory of its own; one unless this is called. Several need a
    /// database that they share.
    pub const fn processes(mut self, processes: usize) -> Self {
        self.processes = processes;
        self
    }

    /// Makes the databases, the data directories and the mock, and starts no process.
    ///
    /// # Panics
    /// If a database cannot be made.
    pub async fn stopped(mut self) -> World {
        let own = std::mem::take(&mut self.settings);
        let database = if self.postgres { Some(TestDb::postgres().await) } else { None };
        let mock = MockUpstream::start();
        for provider in PROVIDERS {
            self = self.env(&base_url_variable(provider), mock.base_url(provider));
        }
        if let Some(database) = &database {
            self = self.database_url(database.url());
        }
        if let Some(url) = self.redis.as_ref().map(RedisServer::url) {
            self = self.env("REDIS_URL", url);
        }
        // A busy machine must not make a test of something else fail.
        self = self.env("MAX_WORKER_LAG", "60s");
        // Of two settings with one name the last holds, so the test's own come last.
        self.settings.extend(own);
        let dir = || tempfile::tempdir().unwrap_or_else(|error| panic!("no temporary directory: {error}"));
        World {
            processes: (0..self.processes).map(|_| Process { program: None, dir: dir() }).collect(),
            mock,
            binary: self.binary,
            settings: self.settings,
            users: AtomicUsize::new(0),
            turn: AtomicUsize::new(0),
            trust: self.trust,
            redis: self.redis,
            database,
        }
    }

    /// The same with every process started.
    ///
    /// # Panics
    /// If a process does not start. The message holds its standard error.
    pub async fn start(self) -> World {
        let mut world = self.stopped().await;
        for number in 0..world.processes.len() {
            let program = world.launch_of(number).start();
            world.place(number).program = Some(program);
        }
        world
    }
}

/// The variable that names the address of a provider.
fn base_url_variable(provider: Provider) -> String {
    format!("{}_BASE_URL", provider.as_str().to_uppercase())
}

/// A process, and the directory that outlives it.
#[derive(Debug)]
struct Process {
    /// `None` while the process does not run.
    program: Option<Program>,
    dir: TempDir,
}

/// Processes of the program under test, their databases, a mock upstream and users. Dropping it ends all of them.
///
/// Methods that name no process are about the first one. The number of another counts from 0 and wraps around, so that
/// a test can send each call to another process by counting up.
#[derive(Debug)]
pub struct World {
    processes: Vec<Process>,
    /// The upstream that every process takes for each of the providers.
    pub mock: MockUpstream,
    binary: PathBuf,
    settings: Vec<(String, String)>,
    users: AtomicUsize,
    turn: AtomicUsize,
    trust: Option<Trust>,
    /// The databases come last: fields are dropped in order, and processes must end before what they use.
    redis: Option<RedisServer>,
    database: Option<TestDb>,
}

impl World {
    /// The setup of a world of this program: `env!("CARGO_BIN_EXE_…")` in an integration test.
    pub fn of(binary: impl AsRef<OsStr>) -> Setup {
        Setup {
            binary: PathBuf::from(binary.as_ref()),
            settings: Vec::new(),
            postgres: false,
            redis: None,
            processes: 1,
            trust: None,
        }
    }

    fn process(&self, number: usize) -> &Process {
        match self.processes.get(number % self.processes.len().max(1)) {
            Some(process) => process,
            None => panic!("this world has no processes"),
        }
    }

    fn place(&mut self, number: usize) -> &mut Process {
        let count = self.processes.len().max(1);
        match self.processes.get_mut(number % count) {
            Some(process) => process,
            None => panic!("this world has no processes"),
        }
    }

    /// The number of processes, running or not.
    pub const fn processes(&self) -> usize {
        self.processes.len()
    }

    /// The first process.
    ///
    /// # Panics
    /// If that process does not run.
    pub fn program(&self) -> &Program {
        self.program_of(0)
    }

    /// The process of this number.
    ///
    /// # Panics
    /// If that process does not run.
    pub fn program_of(&self, number: usize) -> &Program {
        self.process(number).program.as_ref().unwrap_or_else(|| panic!("process {number} does not run"))
    }

    /// The data directory of the first process. The program makes it at its first start.
    pub fn data_dir(&self) -> PathBuf {
        self.data_dir_of(0)
    }

    fn data_dir_of(&self, number: usize) -> PathBuf {
        self.process(number).dir.path().join("data")
    }

    /// A launch with the settings and the data directory of the first process.
    pub fn launch(&self) -> Launch {
        self.launch_of(0)
    }

    /// A launch with the settings and the data directory of the process of this number.
    pub fn launch_of(&self, number: usize) -> Launch {
        self.launch_by(Program::launch(&self.binary)).data_dir(self.data_dir_of(number))
    }

    /// As [`Self::launch`], by way of another program, which is to run the one under test.
    pub fn launch_by(&self, program: Launch) -> Launch {
        let launch = program.data_dir(self.data_dir());
        let launch = self.trust.iter().fold(launch, |launch, trust| launch.trust(trust.clone()));
        self.settings.iter().fold(launch, |launch, (name, value)| launch.env(name, value.as_str()))
    }

    /// Asks the first process to stop, and waits until it has; returns its standard error.
    ///
    /// # Panics
    /// If the process does not end with success.
    pub fn stop(&mut self) -> String {
        self.stop_of(0)
    }

    /// As [`Self::stop`], for the process of this number.
    ///
    /// # Panics
    /// If the process does not end with success.
    pub fn stop_of(&mut self, number: usize) -> String {
        let mut program = self.take(number);
        program.terminate();
        let status = program.wait();
        assert!(status.success(), "{status}: {}", program.stderr());
        program.stderr()
    }

    /// Ends the first process at once, as a crash does.
    pub fn kill(&mut self) {
        self.take(0).kill();
    }

    /// Starts the first process, on its data.
    ///
    /// # Panics
    /// If the process runs already, or does not start.
    pub fn start_again(&mut self) {
        self.start_again_of(0);
    }

    /// As [`Self::start_again`], for the process of this number.
    ///
    /// # Panics
    /// If the process runs already, or does not start.
    pub fn start_again_of(&mut self, number: usize) {
        assert!(self.process(number).program.is_none(), "process {number} runs already");
        let program = self.launch_of(number).start();
        self.place(number).program = Some(program);
    }

    /// Changes a setting of processes that are started from now on. The program takes an empty one as not given.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.settings.push((name.to_owned(), value.into()));
    }

    fn take(&mut self, number: usize) -> Program {
        self.place(number).program.take().unwrap_or_else(|| panic!("process {number} does not run"))
    }

    /// A client of the first process, without credentials.
    pub fn client(&self) -> Client {
        self.client_of(0)
    }

    /// A client of the process of this number, without credentials.
    pub fn client_of(&self, number: usize) -> Client {
        self.program_of(number).client()
    }

    /// The PostgreSQL database that the processes share.
    ///
    /// # Panics
    /// If the processes run on the embedded database.
    pub fn database(&self) -> &TestDb {
        self.database.as_ref().unwrap_or_else(|| panic!("this world runs on no database of its own"))
    }

    /// The Redis server that the processes share.
    ///
    /// # Panics
    /// If the world has no Redis server.
    pub fn redis(&mut self) -> &mut RedisServer {
        self.redis.as_mut().unwrap_or_else(|| panic!("this world has no Redis"))
    }

    /// The requests that the mock was sent on behalf of clients, oldest first.
    pub fn sent(&self) -> Vec<Seen> {
        sent(&self.mock)
    }

    /// A new user with an API key and a key of each provider. Users are spread over the processes, so that isolation
    /// between two of them is tested across processes too. Where there are several, a user's plain chat completions go
    /// through another process in turn (see [`User::complete`]); all other calls stay on the user's own process, as
    /// behind a load balancer with sticky sessions.
    pub async fn user(&self) -> User {
        let mut user = self.bare_user().await;
        for provider in PROVIDERS {
            let id = user.add_provider_key(provider).await;
            user.provider_keys.push((provider, id));
        }
        user
    }

    /// A new user with an API key and nothing else, spread as by [`Self::user`].
    pub async fn bare_user(&self) -> User {
        let number = self.users.fetch_add(1, Ordering::Relaxed);
        let mut user = User::sign_up(&self.client_of(number), &format!("user{number}")).await;
        user.process = number;
        user.key = Some(user.new_api_key(&Value::Null).await);
        user.elsewhere = self.elsewhere(&user);
        user
    }

    /// A new user `name@example.org` of the first process, without an API key.
    pub async fn sign_up(&self, name: &str) -> User {
        User::sign_up(&self.client(), name).await
    }

    /// A client of the first process with a new session of the user with this email address.
    pub async fn log_in(&self, email: &str) -> Client {
        let client = self.client();
        let token = log_in(&client, email).await;
        client.bearer(&token)
    }

    /// A new administrator. It is made on the command line, the only place where the first one can be made.
    pub async fn admin(&self, name: &str) -> User {
        let user = self.sign_up(name).await;
        self.command(&["users", "promote", &user.email]).expect(0);
        eventually("the promotion is seen", async || {
            user.session.get("/auth/me").send().await.json()["role"] == "admin"
                && user.session.get("/manage/users").send().await.status == 200
        })
        .await;
        user
    }

    /// Runs a command of the program with the settings and the data directory of the first process.
    pub fn command(&self, words: &[&str]) -> Ran {
        words.iter().fold(self.launch(), |launch, word| launch.argument(word)).into()
    }
}

/// The requests that `mock` was sent on behalf of clients, oldest first.
pub fn sent(mock: &MockUpstream) -> Vec<Seen> {
    mock.requests().into_iter().filter(|seen| seen.method == http::Method::POST).collect()
}

/// The body of a chat completion with one user message.
pub fn question(model: &str, text: &str) -> Value {
    serde_json::json!({"model": model, "messages": [{"role": "user", "content": text}]})
}

/// As [`question`], to be answered as a stream.
pub fn streamed_question(model: &str, text: &str) -> Value {
    let mut body = question(model, text);
    body["stream"] = Value::Bool(true);
    body
}

/// The JSON object `body` with the fields of the object `more`, which take the place of those of the same name.
///
/// # Panics
/// If `more` is no object.
#[track_caller]
pub fn with_fields(mut body: Value, more: &Value) -> Value {
    for (name, value) in more.as_object().unwrap_or_else(|| panic!("no object: {more}")) {
        body[name] = value.clone();
    }
    body
}

/// The head of a chat completion with a body of `length` bytes, for a bare socket.
pub fn chat_head(token: &str, length: usize) -> String {
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    )
}

/// The id of a request, which its answer carries.
///
/// # Panics
/// If the answer has no id.
#[track_caller]
pub fn request_id(response: &Response) -> String {
    match response.header("x-request-id") {
        Some(id) => id.to_owned(),
        None => panic!("no x-request-id: {:?}", response.headers),
    }
}

/// The code in the body of an error, or an empty text.
pub fn error_code(body: &Value) -> &str {
    client::error_code(body)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;
    use std::time::Duration;

    use super::*;

    /// A program that prints three variables after its first line, and runs until it is told to end.
    fn program(dir: &Path) -> PathBuf {
        let path = dir.join("program");
        let script = "#!/bin/sh\ntrap 'exit 0' TERM\necho listening on http://127.0.0.1:7\n\
                      echo \"$DATA_DIR $OPENAI_BASE_URL $RUST_LOG\"\nwhile :; do sleep 0.01; done\n";
        std::fs::write(&path, script).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
        path
    }

    #[tokio::test]
    async fn the_settings_of_the_test_go_before_those_of_the_world() {
        let dir = tempfile::tempdir().unwrap();
        let setup = World::of(program(dir.path())).env("RUST_LOG", "warn").env("OPENAI_BASE_URL", "mine");
        let mut world = setup.start().await;
        let line = |world: &World| world.program().next_line(Duration::from_secs(60)).unwrap();
        let first = line(&world);
        assert_eq!(first, format!("{} mine warn", world.data_dir().display()));
        world.stop();
        world.start_again();
        assert_eq!(line(&world), first, "the same data and settings");
    }

    #[tokio::test]
    async fn every_process_has_data_of_its_own_and_the_same_mock() {
        let dir = tempfile::tempdir().unwrap();
        let world = World::of(program(dir.path())).processes(2).start().await;
        assert_ne!(world.data_dir_of(0), world.data_dir_of(1));
        assert_eq!(world.data_dir_of(2), world.data_dir_of(0));
        for number in 0..2 {
            let line = world.program_of(number).next_line(Duration::from_secs(60)).unwrap();
            assert!(line.contains(&world.mock.base_url(Provider::OpenAi)), "{line}");
        }
    }
}
