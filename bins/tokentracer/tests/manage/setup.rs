//! The world that each test begins with: one process, which logs warnings and errors only.

use tt_testkit::process::Launch;
use tt_testkit::world::Setup;
use tt_testkit::{Program, World};

/// The built program.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_tokentracer");

/// The setup of the world, on the embedded database unless a test chooses another.
pub(crate) fn setup() -> Setup {
    World::of(BINARY).env("RUST_LOG", "warn")
}

/// The program running with its default settings.
pub(crate) async fn world() -> World {
    setup().start().await
}

/// A launch of the program without settings, for its commands.
pub(crate) fn program() -> Launch {
    Program::launch(BINARY).env("RUST_LOG", "warn")
}
