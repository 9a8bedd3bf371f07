//! Running other programs.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::env;

/// The result of a task. The error is the text for the user, or empty where the failed program has printed its own.
pub(crate) type Outcome = Result<(), String>;

/// Runs cargo with its output on the terminal.
pub(crate) fn cargo(arguments: &[&str]) -> Outcome {
    status(&mut cargo_command(arguments))
}

/// A cargo command, in the environment that a cargo by hand would have.
pub(crate) fn cargo_command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::variable("CARGO").unwrap_or_else(|| "cargo".to_owned()));
    command.args(arguments);
    // Removes the variables that `cargo run` sets for this program. Build scripts that watch them (ring's does) would
    // see a difference between cargo below xtask and cargo by hand, and rebuild half of the tree at each turn.
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| OWN_VARIABLES.iter().any(|own| name.starts_with(own))) {
            command.env_remove(name);
        }
    }
    command
}

/// The prefixes of the variables that cargo sets for the package it runs.
const OWN_VARIABLES: [&str; 2] = ["CARGO_PKG_", "CARGO_MANIFEST_"];

/// Runs a command with its output on the terminal. The command prints its own errors.
pub(crate) fn status(command: &mut Command) -> Outcome {
    let status = command.status().map_err(|error| format!("{}: {error}", command.get_program().display()))?;
    if status.success() { Ok(()) } else { Err(String::new()) }
}

/// Runs a command and returns its standard output.
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let program = command.get_program().display().to_string();
    let output = command.stderr(Stdio::inherit()).output().map_err(|error| format!("{program}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{program}: {}", output.status));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Sends a signal to a process, or to a process group by its number with a minus sign. True if it was sent. The shell sends
/// it, since the standard library cannot.
pub(crate) fn signal(name: &str, process: &str) -> bool {
    let mut kill = Command::new("/bin/sh");
    kill.args(["-c", r#"kill -s "$1" -- "$2""#, "sh", name, process]).stderr(Stdio::null());
    kill.status().is_ok_and(|status| status.success())
}

/// Runs a command that prints a number, and nothing where it cannot.
pub(crate) fn number(command: &mut Command) -> Option<u32> {
    let output = command.stderr(Stdio::null()).output().ok()?;
    String::from_utf8_lossy(&output.stdout).trim().parse().ok()
}

/// The facts of `cargo metadata` about the workspace's own crates.
pub(crate) fn metadata() -> Result<Value, String> {
    let text = output(&mut cargo_command(&["metadata", "--format-version", "1", "--no-deps", "--offline"]))?;
    serde_json::from_str(&text).map_err(|error| format!("cargo metadata: {error}"))
}

/// The directory that cargo builds to with a profile. That of `dev` has another name.
pub(crate) fn profile_directory(profile: &str) -> &str {
    if profile == "dev" { "debug" } else { profile }
}

/// The directory, made anew.
pub(crate) fn empty_directory(directory: PathBuf) -> Result<PathBuf, String> {
    let problem = |error| format!("{}: {error}", directory.display());
    if directory.exists() {
        std::fs::remove_dir_all(&directory).map_err(problem)?;
    }
    std::fs::create_dir_all(&directory).map_err(problem)?;
    Ok(directory)
}

/// The directory that cargo builds to.
pub(crate) fn target_directory() -> Result<PathBuf, String> {
    let metadata = metadata()?;
    let path =
        metadata.get("target_directory").and_then(Value::as_str).ok_or("cargo metadata names no target directory")?;
    Ok(PathBuf::from(path))
}
