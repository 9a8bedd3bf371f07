//! `cargo xtask web`: builds the dashboard from its source, after its lints, types and tests. The built files are committed, so
//! that cargo needs no Node.js; the check builds them again beside and compares.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::packages;
use crate::run::{Outcome, empty_directory, status, target_directory};

/// The source.
const SOURCE: &str = "crates/tt-dashboard/web";

/// Builds the dashboard into the crate, and the types of the API from its description.
pub(crate) fn build() -> Outcome {
    npm(&["run", "types"])?;
    inspect()?;
    npm(&["run", "build"])
}

/// Fails where the committed files are not what the source builds. Where there is no Node.js, nothing is looked at.
pub(crate) fn check() -> Outcome {
    let node = Command::new("npm").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !node.is_ok_and(|status| status.success()) {
        println!("the dashboard is not checked: there is no Node.js");
        return Ok(());
    }
    npm(&["run", "types", "--", "--check"])?;
    inspect()?;
    let built = empty_directory(target_directory()?.join("web"))?;
    let built = built.display().to_string();
    npm(&["exec", "--", "vite", "build", "--logLevel", "warn", "--emptyOutDir", "--outDir", &built])?;
    npm(&["run", "compare", "--", &built])
}

/// Installs the packages of the lock file and runs lints, types and tests.
fn inspect() -> Outcome {
    packages::npm(Path::new(SOURCE))?;
    ["lint", "typecheck", "test"].iter().try_for_each(|script| npm(&["run", script]))
}

fn npm(arguments: &[&str]) -> Outcome {
    let outcome = status(Command::new("npm").arg("--silent").args(arguments).current_dir(SOURCE));
    outcome.map_err(|problem| if problem.is_empty() { format!("npm {} failed", arguments.join(" ")) } else { problem })
}
