//! Licences, bans, sources and advisories of all crates in the tree: cargo-deny on `deny.toml`, installed below the
//! target directory where it is missing.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::run::{Outcome, cargo_command, status, target_directory};

/// The version that is installed where none is. Any version that is there is used.
const VERSION: &str = "0.20.2";
/// The longest that fetching the advisories may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Fails on a licence, a crate, a source or an advisory that `deny.toml` does not allow. Advisories are looked at only
/// where their database can be reached: it is a git repository on another host than the crates.
pub(crate) fn check() -> Outcome {
    let program = find_or_install()?;
    let mut checks = vec!["bans", "licenses", "sources"];
    if fetched(deny(&program).args(["fetch", "db"])) {
        checks.push("advisories");
    } else {
        println!("advisories are not checked: their database, github.com/RustSec/advisory-db, cannot be reached");
    }
    status(deny(&program).args(["check", "--hide-inclusion-graph"]).args(checks))
}

fn deny(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.arg("--locked");
    command
}

/// The program, on the search path or below the target directory, where it is put if need be.
fn find_or_install() -> Result<PathBuf, String> {
    let ours = target_directory()?.join("tools");
    let installed = ours.join("bin/cargo-deny");
    for program in [PathBuf::from("cargo-deny"), installed.clone()] {
        let asked = Command::new(&program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        if asked.is_ok_and(|status| status.success()) {
            return Ok(program);
        }
    }
    println!("installing cargo-deny {VERSION}; this takes some minutes, once");
    // Unoptimised and without debugging information: it runs for a second, and is built in a third of the time.
    let mut install =
        cargo_command(&["install", "--quiet", "--locked", "--debug", "cargo-deny", "--version", VERSION, "--root"]);
    status(install.arg(&ours).env("CARGO_PROFILE_DEV_DEBUG", "false"))
        .map_err(|_| "cargo-deny could not be installed".to_owned())?;
    Ok(installed)
}

/// Runs a download; returns false if it fails or takes too long. Its output is not shown, since the task goes on
/// without it.
fn fetched(command: &mut Command) -> bool {
    let Ok(mut child) = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn() else { return false };
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) => std::thread::sleep(Duration::from_millis(100)),
            Err(_) => return false,
        }
    }
    // Both fail only for a child that is gone.
    let _ = child.kill();
    let _ = child.wait();
    false
}
