//! What must hold before a change is offered: formatting, lints, layers, what is in the tree. All are run; those that fail are named.

use crate::run::{Outcome, cargo};
use crate::{deny, layers};

/// A check and its name.
type Check = (&'static str, fn() -> Outcome);

/// Runs every check.
pub(crate) fn all() -> Outcome {
    let checks: [Check; 4] = [("fmt", format), ("lint", lint), ("layers", layers::check), ("deny", deny::check)];
    let mut failed = Vec::new();
    for (name, check) in checks {
        println!("==> {name}");
        if let Err(problem) = check() {
            if !problem.is_empty() {
                eprintln!("{problem}");
            }
            failed.push(name);
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", failed.join(", "))) }
}

fn format() -> Outcome {
    cargo(&["fmt", "--all", "--check"])
}

/// Clippy on everything; a warning is an error here and nowhere else.
pub(crate) fn lint() -> Outcome {
    cargo(&["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"])
}
