//! `cargo xtask manifests`: checks the manifests of `deploy/kubernetes` against the schemas of Kubernetes. A field that Kubernetes
//! does not know is an error. The schemas come with kubernetes-validate, from PyPI, installed below the build directory.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::packages;
use crate::run::{Outcome, status, target_directory};

/// The directory of the manifests, and of the list of packages.
const SOURCES: &str = "deploy/kubernetes";

/// Checks every manifest.
pub(crate) fn check() -> Outcome {
    let sources = Path::new(SOURCES);
    let python =
        packages::python(&target_directory()?.join("manifests").join("python"), &sources.join("requirements.txt"))?;
    let mut validate = Command::new(python.with_file_name("kubernetes-validate"));
    validate.args(["--strict", "--quiet"]).args(manifests(sources)?);
    status(&mut validate)
        .map_err(|problem| if problem.is_empty() { format!("{SOURCES} is not valid") } else { problem })
}

fn manifests(sources: &Path) -> Result<Vec<PathBuf>, String> {
    let problem = |error: std::io::Error| format!("{}: {error}", sources.display());
    let mut found = Vec::new();
    for entry in std::fs::read_dir(sources).map_err(problem)? {
        let path = entry.map_err(problem)?.path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            found.push(path);
        }
    }
    found.sort();
    if found.is_empty() { Err(format!("{}: there are no manifests", sources.display())) } else { Ok(found) }
}
