//! The checks that must pass before a change is offered: formatting, lints, documentation, layers, the tests of threats,
//! the manifests of Kubernetes, the lock file of `fuzz/`, the crates in the tree, and the built dashboard. All are run; those that fail are named.

use crate::run::{Outcome, cargo, cargo_command, output, status};
use crate::{deny, layers, manifests, threats, web};

/// A check and its name.
type Check = (&'static str, fn() -> Outcome);

/// Runs every check.
pub(crate) fn all() -> Outcome {
    let checks: [Check; 9] = [
        ("fmt", format),
        ("lint", lint),
        ("doc", document),
        ("layers", layers::check),
        ("threats", threats::check),
        ("manifests", manifests::check),
        ("fuzz", fuzz),
        ("deny", deny::check),
        ("web", web::check),
    ];
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

/// Runs Clippy on everything, and on what `make run` builds. A warning is an error here, and nowhere else.
pub(crate) fn lint() -> Outcome {
    cargo(&["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"])?;
    let small = ["clippy", "--package", "tokentracer", "--package", "tt-testkit", "--bins", "--no-default-features"];
    cargo(&[&small[..], &["--", "--deny", "warnings"]].concat())
}

/// Builds the documentation; a warning (a link to nothing, for one) is an error here and nowhere else.
fn document() -> Outcome {
    status(cargo_command(&["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "--deny warnings"))
}

/// Checks that the lock file of `fuzz/`, a workspace of its own, fits the packages of this one, which it is built with.
fn fuzz() -> Outcome {
    let arguments = ["metadata", "--locked", "--format-version", "1", "--manifest-path", "fuzz/Cargo.toml"];
    output(&mut cargo_command(&arguments)).map(drop)
}
