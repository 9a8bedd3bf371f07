//! A task of several turns. Its words are in its files, and the mock's model follows them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::run::Outcome;

/// The requests that the task takes: three rounds of tool calls or edits, and the one before them.
pub(super) const TURNS: usize = 4;
/// The end of the task, which the model repeats.
pub(super) const END: &str = "every file has been shown";
/// The test that an agent runs after each edit.
pub(super) const TEST: &str = "check";

/// The way in which an agent works.
pub(super) enum Work {
    /// Its model calls tools. This one shows a file or runs it, and the argument takes the file's path.
    Calls { tool: &'static str, argument: &'static str },
    /// It edits files as the text of an answer says, runs a test, and tells the model what the test has printed.
    Edits,
}

/// Writes the files into the agent's home, and gives the words for the agent.
pub(super) fn write(work: &Work, home: &Path) -> Result<String, String> {
    match work {
        Work::Calls { tool, argument } => calls(tool, argument, home),
        Work::Edits => edits(home),
    }
}

/// Files each of which makes the model call a tool of the agent for the next one: two calls in the first answer, one in the
/// second and one in the third. The mock's model does what follows `call`. A file is a script that prints its own task, so
/// that a tool may show it or run it.
fn calls(tool: &str, argument: &str, home: &Path) -> Result<String, String> {
    let call = |file: &str| format!("call {tool} {argument}={}", home.join(file).display());
    let files = [
        ("one", "nothing more to do here".to_owned()),
        ("two", call("three")),
        ("three", call("four")),
        ("four", END.to_owned()),
    ];
    for (file, words) in files {
        script(&home.join(file), &format!("echo '{words}'"))?;
    }
    Ok(format!("{} and {}", call("one"), call("two")))
}

/// A test that fails until three files are there, and prints the edit that makes the next one. The mock's model repeats
/// it, as it repeats the words for the first file.
fn edits(home: &Path) -> Result<String, String> {
    let edit = |file: &str, words: &str| format!("{file}\n<<<<<<< SEARCH\n=======\n{words}\n>>>>>>> REPLACE");
    let step = |(file, words)| format!("test -e {file} || {{ echo '{}'; exit 1; }}\n", edit(file, words));
    let steps = [("two", "the second"), ("three", "the third"), ("four", END)].map(step).concat();
    script(&home.join(TEST), &format!("cd '{}'\n{steps}", home.display()))?;
    Ok(format!("Make this file:\n{}", edit("one", "the first")))
}

fn script(path: &Path, commands: &str) -> Outcome {
    let written = fs::write(path, format!("#!/bin/sh\n{commands}\n"));
    written
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o755)))
        .map_err(|error| format!("{}: {error}", path.display()))
}
