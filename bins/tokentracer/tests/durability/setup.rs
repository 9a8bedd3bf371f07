//! The world that each test begins with: the mock upstream plays all scenes, and a user has an alias for each of them.
//! Tests start and kill the program themselves, on a data directory and a database that outlive it.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tt_testkit::mock::Seen;
use tt_testkit::world::{Backend, Setup, User};
use tt_testkit::{Client, Program, World};

use crate::rows::{self, Row};
use crate::scenes::{self, SCENES};

/// The built program.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_tokentracer");

/// A process knows a caller for good this long after the last change to their things: changes are followed every second,
/// and a caller is forgotten once more when the change is met there. A store that goes away before leaves them unknown.
pub(crate) const KNOWN: Duration = Duration::from_secs(3);

/// The rows of a ledger that works are stored within this time, on a busy machine too.
const SETTLED: Duration = Duration::from_secs(30);

/// The database that the tests run on: `TT_SOAK_BACKEND` is `sqlite` (also when it is unset) or `postgres`.
pub(crate) fn backend() -> Backend {
    Backend::chosen("TT_SOAK_BACKEND")
}

/// The setup of the world, on the embedded database unless a test chooses another.
pub(crate) fn setup() -> Setup {
    World::of(BINARY).env("RUST_LOG", "error,tt_ledger=warn")
}

/// A world on `backend` in which no program runs yet.
pub(crate) async fn world_on(backend: Backend) -> World {
    stopped(setup().backend(backend)).await
}

/// A world in which no program runs yet.
pub(crate) async fn stopped(setup: Setup) -> World {
    let world = setup.stopped().await;
    scenes::play(&world.mock);
    world
}

/// Starts the program on the data of `world`, while the other tasks of this thread go on.
pub(crate) async fn start(world: &World) -> Program {
    let launch = world.launch();
    tokio::task::spawn_blocking(move || launch.start()).await.unwrap()
}

/// The credentials of the user whose requests are counted.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) api_key: String,
    token: String,
}

/// A user with an alias for each scene.
pub(crate) async fn caller(program: &Program) -> Caller {
    let user = User::sign_up(&program.client(), "soak").await;
    let api_key = user.new_api_key(&Value::Null).await.token;
    let mut keys = Vec::new();
    for provider in tt_testkit::world::PROVIDERS {
        keys.push((provider, user.add_provider_key(provider).await));
    }
    let mut aliases: Vec<(&str, i64)> = Vec::new();
    for scene in SCENES {
        let key = keys.iter().find(|(provider, _)| *provider == scene.provider).unwrap().1;
        let fallback = scene.fallback.map(|to| aliases.iter().find(|(alias, _)| *alias == to).unwrap().1);
        let body = json!({
            "alias": scene.alias, "target_model": scene.model, "provider_key_id": key, "fallback_alias_id": fallback,
        });
        aliases.push((scene.alias, user.save_alias(&body).await));
    }
    Caller { api_key, token: user.token }
}

impl Caller {
    /// A client of `program` with the session.
    pub(crate) fn session(&self, program: &Program) -> Client {
        Client::keeping_connections(program.url()).bearer(&self.token)
    }

    /// Every row of the log and every request that the upstream saw, once each of these has a row.
    ///
    /// A row reaches the store a moment after its client has left. One that does not come within [`SETTLED`] is left to
    /// the audit, which says what is lost.
    pub(crate) async fn settled(&self, program: &Program, world: &World) -> (Vec<Row>, Vec<Seen>) {
        let session = self.session(program);
        let until = Instant::now() + SETTLED;
        let mut pause = Duration::from_millis(50);
        loop {
            let seen = world.mock.requests();
            let rows = rows::all(&session).await;
            let stored: HashSet<usize> = rows.iter().map(|row| row.number).collect();
            if seen.iter().all(|one| stored.contains(&scenes::number(one))) || Instant::now() > until {
                return (rows, seen);
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }
}

/// The names of the journals on the disk: one for each process that has not been drained.
pub(crate) fn journals(world: &World) -> Vec<String> {
    let entries = std::fs::read_dir(world.data_dir().join("journal")).unwrap();
    entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}
