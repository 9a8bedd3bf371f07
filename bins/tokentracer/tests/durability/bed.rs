//! What a run stands on: a data directory and a database that outlive the program, a mock upstream that outlives it
//! too, and a user with an alias for each scene.

use serde_json::{Value, json};
use tempfile::TempDir;
use tt_core::Provider;
use tt_testkit::client::Client;
use tt_testkit::database::TestDb;
use tt_testkit::process::Launch;
use tt_testkit::{MockUpstream, Program};

use crate::rows::{self, Row};
use crate::scenes::{self, SCENES};
use crate::size;

const PROVIDERS: [Provider; 3] = [Provider::OpenAi, Provider::Anthropic, Provider::Gemini];
const EMAIL: &str = "soak@example.org";
const PASSWORD: &str = "correct horse battery";
const SECRET: &str = "a secret that outlives the program";

/// Where the rows go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backend {
    Sqlite,
    Postgres,
}

impl Backend {
    /// `TT_SOAK_BACKEND`: `sqlite` (also when unset) or `postgres`.
    pub(crate) fn chosen() -> Self {
        match size::text("TT_SOAK_BACKEND").as_deref() {
            None | Some("sqlite") => Self::Sqlite,
            Some("postgres") => Self::Postgres,
            Some(other) => panic!("TT_SOAK_BACKEND: sqlite or postgres, not {other}"),
        }
    }
}

/// What outlives the program.
pub(crate) struct Bed {
    pub(crate) mock: MockUpstream,
    settings: Vec<(String, String)>,
    pub(crate) data: TempDir,
    /// Dropped after the programs that use it.
    _database: Option<TestDb>,
}

/// Who asks.
#[derive(Debug, Clone)]
pub(crate) struct User {
    pub(crate) api_key: String,
    pub(crate) token: String,
}

impl Bed {
    /// With these variables set; they go before the bed's own.
    pub(crate) async fn new(backend: Backend, settings: &[(&str, &str)]) -> Self {
        let database = match backend {
            Backend::Sqlite => None,
            Backend::Postgres => Some(TestDb::postgres().await),
        };
        let url = database.as_ref().map(|database| database.url().to_owned());
        Self { _database: database, ..Self::on(url.as_deref(), settings) }
    }

    /// The same on the database at this address.
    pub(crate) fn on(database_url: Option<&str>, settings: &[(&str, &str)]) -> Self {
        let mock = MockUpstream::start();
        scenes::play(&mock);
        let mut all: Vec<(String, String)> = PROVIDERS
            .iter()
            .map(|provider| (format!("{}_BASE_URL", provider.as_str().to_uppercase()), mock.base_url(*provider)))
            .collect();
        let own = [("RUST_LOG", "error,tt_ledger=warn"), ("JWT_SECRET", SECRET), ("ENCRYPTION_KEY", SECRET)];
        let database = database_url.map(|url| ("DATABASE_URL", url));
        for (name, value) in own.iter().chain(&database).chain(settings) {
            all.push(((*name).to_owned(), (*value).to_owned()));
        }
        Self { mock, settings: all, data: tempfile::tempdir().unwrap(), _database: None }
    }

    /// How the program is started; as often as one likes, on the same data.
    pub(crate) fn launch(&self) -> Launch {
        self.launch_of(Program::launch(env!("CARGO_BIN_EXE_tokentracer")))
    }

    /// Starts it, while what else lives on this thread goes on.
    pub(crate) async fn start(&self) -> Program {
        let launch = self.launch();
        tokio::task::spawn_blocking(move || launch.start()).await.unwrap()
    }

    /// The same by way of another program.
    pub(crate) fn launch_of(&self, program: Launch) -> Launch {
        let launch = program.data_dir(self.data.path());
        self.settings.iter().fold(launch, |launch, (name, value)| launch.env(name, value.as_str()))
    }

    /// A user with an alias for each scene.
    pub(crate) async fn user(&self, program: &Program) -> User {
        let client = program.client();
        let credentials = json!({"email": EMAIL, "password": PASSWORD});
        client.post("/auth/signup").json(&credentials).send().await.expect(201);
        let text = |answer: Value| answer["token"].as_str().unwrap().to_owned();
        let token = text(client.post("/auth/login").json(&credentials).send().await.expect(200).json());
        let session = client.bearer(&token);
        let api_key = text(session.post("/auth/key").send().await.expect(200).json());
        let mut keys = Vec::new();
        for provider in PROVIDERS {
            let body = json!({"provider": provider.as_str(), "api_key": MockUpstream::key(provider)});
            let made = session.post("/manage/providers").json(&body).send().await.expect(201).json();
            keys.push((provider, made["id"].clone()));
        }
        let mut aliases: Vec<(&str, Value)> = Vec::new();
        for scene in SCENES {
            let key = keys.iter().find(|(provider, _)| *provider == scene.provider).unwrap().1.clone();
            let fallback = scene.fallback.map(|to| aliases.iter().find(|(alias, _)| *alias == to).unwrap().1.clone());
            let body = json!({
                "alias": scene.alias, "target_model": scene.model, "provider_key_id": key,
                "fallback_alias_id": fallback,
            });
            let made = session.post("/manage/aliases").json(&body).send().await.expect(200).json();
            aliases.push((scene.alias, made["id"].clone()));
        }
        User { api_key, token }
    }

    /// The names of the journals there are: one for each process that has not been drained.
    pub(crate) fn journals(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.data.path().join("journal")).unwrap();
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
    }
}

impl User {
    /// A client of `program` with the session.
    pub(crate) fn session(&self, program: &Program) -> Client {
        Client::keeping_connections(program.url()).bearer(&self.token)
    }

    /// Every row there is.
    pub(crate) async fn rows(&self, program: &Program) -> Vec<Row> {
        rows::all(&self.session(program)).await
    }
}
