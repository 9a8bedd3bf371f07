//! Running other programs.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::env;

/// How a task ended; the error is what to tell the user, empty where that has been done.
pub(crate) type Outcome = Result<(), String>;

/// Runs cargo with its output on the terminal.
pub(crate) fn cargo(arguments: &[&str]) -> Outcome {
    status(&mut cargo_command(arguments))
}

/// A cargo command, in the environment that a cargo by hand would have.
pub(crate) fn cargo_command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::variable("CARGO").unwrap_or_else(|| "cargo".to_owned()));
    command.args(arguments);
    // What `cargo run` told this program about itself. Build scripts that watch these (ring's does) would take a cargo
    // below xtask and one by hand for a change, and rebuild half of the tree at each turn.
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| OWN_VARIABLES.iter().any(|own| name.starts_with(own))) {
            command.env_remove(name);
        }
    }
    command
}

/// Beginnings of the variables that cargo sets for the package it runs.
const OWN_VARIABLES: [&str; 2] = ["CARGO_PKG_", "CARGO_MANIFEST_"];

/// Runs a command with its output on the terminal. It says itself what went wrong.
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

/// What `cargo metadata` says about the workspace's own crates.
pub(crate) fn metadata() -> Result<Value, String> {
    let text = output(&mut cargo_command(&["metadata", "--format-version", "1", "--no-deps", "--offline"]))?;
    serde_json::from_str(&text).map_err(|error| format!("cargo metadata: {error}"))
}

/// Where cargo builds to.
pub(crate) fn target_directory() -> Result<PathBuf, String> {
    let metadata = metadata()?;
    let path =
        metadata.get("target_directory").and_then(Value::as_str).ok_or("cargo metadata names no target directory")?;
    Ok(PathBuf::from(path))
}
