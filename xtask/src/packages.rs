//! Packages of npm and PyPI for the tests that need them, installed below the build directory.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{Outcome, status};

/// Installs the packages of the lock file in `directory`.
pub(crate) fn npm(directory: &Path) -> Outcome {
    let mut npm = Command::new("npm");
    npm.args(["ci", "--silent", "--no-audit", "--no-fund"]).current_dir(directory);
    named(status(&mut npm), "npm ci")
}

/// Copies the files of `sources` to `directory`, and installs the packages of their lock file there. Node looks for packages
/// above the file that imports them.
pub(crate) fn npm_with_sources(sources: &Path, directory: &Path) -> Outcome {
    let problem = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    fs::create_dir_all(directory).map_err(|error| problem(directory, error))?;
    for entry in fs::read_dir(sources).map_err(|error| problem(sources, error))? {
        let entry = entry.map_err(|error| problem(sources, error))?;
        let to = directory.join(entry.file_name());
        fs::copy(entry.path(), &to).map_err(|error| problem(&to, error))?;
    }
    npm(directory)
}

/// Installs the packages of the list in a virtual environment, and returns its Python.
pub(crate) fn python(environment: &Path, requirements: &Path) -> Result<PathBuf, String> {
    let python = environment.join("bin").join("python");
    if !python.exists() {
        named(status(Command::new("python3").args(["-m", "venv"]).arg(environment)), "python3 -m venv")?;
    }
    let mut install = Command::new(&python);
    // Python compiles a module when it is first imported; most are never.
    install.args(["-m", "pip", "install", "--no-compile", "--quiet", "--disable-pip-version-check", "--requirement"]);
    named(status(install.arg(requirements)), "pip install")?;
    Ok(python)
}

/// The same, where an error without text names the command.
fn named(outcome: Outcome, command: &str) -> Outcome {
    outcome.map_err(|problem| if problem.is_empty() { format!("{command} failed") } else { problem })
}
