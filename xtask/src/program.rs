//! A server of the project's own as a child process.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use crate::run::{Outcome, signal};

/// A child process that listens. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Program {
    name: String,
    child: Child,
    address: String,
}

impl Program {
    /// Starts `command` and waits for its first line, `listening on http://ADDRESS` or `https://ADDRESS`; what follows goes to
    /// the terminal.
    pub(crate) fn start(command: &mut Command) -> Result<Self, String> {
        let name = command.get_program().display().to_string();
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut child = spawned.map_err(|error| format!("{name}: {error}"))?;
        let Some(out) = child.stdout.take() else { return Err(format!("{name}: no standard output")) };
        let mut program = Self { name, child, address: String::new() };
        let mut lines = BufReader::new(out).lines();
        let first = match lines.next() {
            Some(Ok(line)) => line,
            Some(Err(error)) => return Err(format!("{}: {error}", program.name)),
            // The program has printed the reason on its standard error.
            None => return Err(format!("{} did not start", program.name)),
        };
        let listening = first.strip_prefix("listening on ");
        program.address = match listening.and_then(|url| url.strip_prefix("http://").or(url.strip_prefix("https://"))) {
            Some(address) => address.trim().to_owned(),
            None => return Err(format!("{}: its first line was {first:?}", program.name)),
        };
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                println!("{line}");
            }
        });
        Ok(program)
    }

    /// The address that it listens on: `host:port`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The id of the process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it ends by itself.
    pub(crate) fn wait(&mut self) -> Outcome {
        let status = self.child.wait().map_err(|error| format!("{}: {error}", self.name))?;
        if status.success() { Ok(()) } else { Err(format!("{} ended with {status}", self.name)) }
    }

    /// Asks it to end and waits until it has.
    pub(crate) fn stop(&mut self) {
        if signal("TERM", &self.child.id().to_string()) {
            // Waiting fails only for a child that is gone.
            let _ = self.child.wait();
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Both fail only for a child that is gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
