//! `cargo xtask test-browser`: the dashboard in a real browser, with the built program and a mock of each provider behind it.
//! playwright-core and axe-core are installed from npm into the build directory; the browser is the system's Chromium.
//! Screenshots of every page are left in the build directory.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::dev::Running;
use crate::env;
use crate::packages;
use crate::run::{Outcome, cargo_command, empty_directory, status, target_directory};

/// The tests, and the list of the packages they need.
const SOURCES: &str = "bins/tokentracer/tests/browser";
/// A library that moves the wall clock of the program it is preloaded into.
const CLOCK: &str = "bins/tokentracer/tests/fixtures/clock.c";
/// The names of Chromium's program.
const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// Builds the program, installs the packages, and runs the tests. The arguments name files of tests; without any, all are run.
pub(crate) fn test(arguments: &[String]) -> Outcome {
    let browser = browser()?;
    let target = target_directory()?;
    let directory = target.join("browser");
    packages::npm_with_sources(Path::new(SOURCES), &directory)?;
    status(&mut cargo_command(&["build", "--workspace", "--bins"]))?;

    let data = empty_directory(directory.join("data"))?;
    empty_directory(directory.join("screenshots"))?;
    let clock = clock(&directory)?;
    let binaries = target.join("debug");
    let running = Running::on_the_mock(&binaries, &data, &clock)?;
    let mut node = Command::new("npm");
    node.args(["test", "--silent", "--"]).args(arguments).current_dir(&directory);
    node.env("TOKENTRACER_URL", format!("http://{}", running.address()));
    node.env("TOKENTRACER_BINARY", binaries.join("tokentracer")).env("DATA_DIR", &data).env("CHROMIUM", browser);
    if let Some((_, file)) = clock.iter().find(|(name, _)| *name == "CLOCK_OFFSET") {
        node.env("TOKENTRACER_CLOCK", file);
    }
    status(&mut node)?;
    println!("screenshots: {}", directory.join("screenshots").display());
    Ok(())
}

/// The path of the browser that `CHROMIUM` names, or of one on the search path.
fn browser() -> Result<PathBuf, String> {
    let directories = env::variable("PATH").unwrap_or_default();
    let found = std::env::split_paths(&directories).flat_map(|directory| BROWSERS.map(|name| directory.join(name)));
    let mut known = env::variable("CHROMIUM").map(PathBuf::from).into_iter().chain(found);
    known.find(|program| answers(program)).ok_or_else(|| {
        "there is no Chromium: install it (on Debian: apt-get install chromium), or name its program in CHROMIUM"
            .to_owned()
    })
}

fn answers(program: &Path) -> bool {
    let asked = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}

/// The variables by which the tests move the program's clock, so that they can make requests of past days. There are none
/// where libraries cannot be preloaded; the tests then make requests of today alone.
fn clock(directory: &Path) -> Result<Vec<(&'static str, OsString)>, String> {
    if !cfg!(target_os = "linux") {
        return Ok(Vec::new());
    }
    let (library, offset) = (directory.join("clock.so"), directory.join("clock-offset"));
    status(Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(CLOCK))
        .map_err(|_| "the clock of the tests was not compiled".to_owned())?;
    std::fs::write(&offset, "0").map_err(|error| format!("{}: {error}", offset.display()))?;
    Ok(vec![("LD_PRELOAD", library.into()), ("CLOCK_OFFSET", offset.into())])
}
