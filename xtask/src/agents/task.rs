//! A task of several turns: files each of which makes the model call a tool of the agent for the next one.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::table::Agent;

/// The requests that the task takes: two calls in the first answer, one in the second and one in the third.
pub(super) const TURNS: usize = 4;
/// The end of the task, which the model repeats.
pub(super) const END: &str = "every file has been shown";

/// Writes the files into the agent's home, and gives the words for the agent. The mock's model does what follows `call`.
/// A file is a script that prints its own task, so that a tool may show it or run it.
pub(super) fn write(agent: &Agent, home: &Path) -> Result<String, String> {
    let [tool, argument] = agent.tool;
    let call = |file: &str| format!("call {tool} {argument}={}", home.join(file).display());
    let files = [
        ("one", "nothing more to do here".to_owned()),
        ("two", call("three")),
        ("three", call("four")),
        ("four", END.to_owned()),
    ];
    for (file, words) in files {
        let path = home.join(file);
        let written = fs::write(&path, format!("#!/bin/sh\necho '{words}'\n"));
        written
            .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o755)))
            .map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(format!("{} and {}", call("one"), call("two")))
}
