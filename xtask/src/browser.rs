//! `cargo xtask test-browser`: the dashboard in a real browser, with the built program and a mock of each provider behind it.
//! playwright-core and axe-core are installed from npm into the build directory; the browser is the system's Chromium.
//! Screenshots of every page are left in the build directory.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::apt;
use crate::clock::Clock;
use crate::dev::Running;
use crate::env;
use crate::packages;
use crate::run::{Outcome, cargo_command, empty_directory, status, target_directory};

/// The tests, and the list of the packages they need.
const SOURCES: &str = "bins/tokentracer/tests/browser";
/// The names of Chromium's program.
const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// The package of Debian.
const PACKAGE: &str = "chromium";

/// Builds the program, installs the packages, and runs the tests. The arguments name files of tests; without any, all are run.
pub(crate) fn test(arguments: &[String]) -> Outcome {
    let browser = find_or_install()?;
    let target = target_directory()?;
    let directory = target.join("browser");
    packages::npm_with_sources(Path::new(SOURCES), &directory)?;
    status(&mut cargo_command(&["build", "--workspace", "--bins"]))?;

    let data = empty_directory(directory.join("data"))?;
    empty_directory(directory.join("screenshots"))?;
    let clock = Clock::build(&directory)?;
    let binaries = target.join("debug");
    let variables = clock.as_ref().map(Clock::variables).unwrap_or_default();
    let running = Running::on_the_mock(&binaries, &data, &variables)?;
    // Without a clock that can be set, the tests look at requests of today alone.
    clock.as_ref().map_or(Ok(()), |clock| running.fill(clock))?;
    let (email, password) = running.credentials();
    let mut node = Command::new("npm");
    node.args(["test", "--silent", "--"]).args(arguments).current_dir(&directory);
    node.env("TOKENTRACER_URL", format!("http://{}", running.address()));
    node.env("TOKENTRACER_BINARY", binaries.join("tokentracer")).env("DATA_DIR", &data).env("CHROMIUM", browser);
    node.env("TOKENTRACER_EMAIL", email).env("TOKENTRACER_PASSWORD", password);
    status(&mut node)?;
    println!("screenshots: {}", directory.join("screenshots").display());
    Ok(())
}

/// The browser, installed first where it is missing, this is Debian, and we are root.
fn find_or_install() -> Result<PathBuf, String> {
    if let Some(browser) = find() {
        return Ok(browser);
    }
    if apt::can_install() {
        println!("installing {PACKAGE}");
        apt::install(&[PACKAGE])?;
    }
    let missing = format!(
        "there is no Chromium: install it (on Debian: apt-get install {PACKAGE}), or name its program in CHROMIUM"
    );
    find().ok_or(missing)
}

/// The path of the browser that `CHROMIUM` names, or of one on the search path.
fn find() -> Option<PathBuf> {
    let directories = env::variable("PATH").unwrap_or_default();
    let found = std::env::split_paths(&directories).flat_map(|directory| BROWSERS.map(|name| directory.join(name)));
    let mut known = env::variable("CHROMIUM").map(PathBuf::from).into_iter().chain(found);
    known.find(|program| answers(program))
}

fn answers(program: &Path) -> bool {
    let asked = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}
