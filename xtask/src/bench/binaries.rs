//! The programs of the benchmark.

use std::path::PathBuf;

use crate::run::{cargo_command, status, target_directory};

/// The profile that is measured unless another is asked for: optimised, and built in minutes.
pub(super) const PROFILE: &str = "quick";

/// Builds TokenTracer and the mock; the directory they are in.
pub(super) fn build(profile: &str) -> Result<PathBuf, String> {
    let packages = ["--package", "tokentracer", "--bin", "tokentracer", "--package", "tt-testkit", "--bin", "tt-mock"];
    status(cargo_command(&["build", "--profile", profile]).args(packages))?;
    Ok(target_directory()?.join(profile))
}

/// Builds the mock alone; its path.
pub(crate) fn mock() -> Result<PathBuf, String> {
    status(&mut cargo_command(&["build", "--profile", PROFILE, "--package", "tt-testkit", "--bin", "tt-mock"]))?;
    Ok(target_directory()?.join(PROFILE).join("tt-mock"))
}

/// As [`build`], with the examples that fill databases, in the directory `examples` there.
pub(super) fn build_with_examples(profile: &str) -> Result<PathBuf, String> {
    let packages = ["--package", "tokentracer", "--bin", "tokentracer", "--package", "tt-testkit", "--bin", "tt-mock"];
    let examples =
        ["--package", "tt-http", "--example", "fill_users", "--package", "tt-store", "--example", "usage_cost"];
    // In one command, so that all are built with the same features.
    status(cargo_command(&["build", "--profile", profile]).args(packages).args(examples))?;
    Ok(target_directory()?.join(profile))
}
