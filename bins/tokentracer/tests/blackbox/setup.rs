//! The world that each test begins with. `TT_BLACKBOX_BACKEND` names what it runs on: `sqlite` (also when it is unset),
//! one process with its embedded database, or `postgres`, two processes that share PostgreSQL and Redis.

use tt_testkit::process::Launch;
use tt_testkit::redis::RedisServer;
use tt_testkit::world::{Backend, Setup};
use tt_testkit::{Program, World};

/// The built program.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_tokentracer");

/// The backend that the tests run on.
pub(crate) fn backend() -> Backend {
    Backend::chosen("TT_BLACKBOX_BACKEND")
}

/// A launch of the program with nothing set but a free port and a data directory.
pub(crate) fn program() -> Launch {
    Program::launch(BINARY)
}

/// The program running with its default settings.
pub(crate) async fn world() -> World {
    world_with(&[]).await
}

/// The program running with these settings.
pub(crate) async fn world_with(settings: &[(&str, &str)]) -> World {
    setup().envs(settings).start().await
}

/// The world of a program that the test starts itself.
pub(crate) async fn world_stopped() -> World {
    setup().stopped().await
}

/// The setup of a world that speaks TLS: one process, since a test asks it alone.
pub(crate) fn tls_setup() -> Setup {
    World::of(BINARY)
}

fn setup() -> Setup {
    let setup = World::of(BINARY);
    match backend() {
        Backend::Sqlite => setup,
        Backend::Postgres => setup.backend(Backend::Postgres).redis(RedisServer::start()).processes(2),
    }
}
