//! The licences of everything that is in the program: of the crates, by what cargo knows of them and the texts in their
//! sources, and of what the dashboard is built of.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::run::{cargo_command, output};

/// The beginnings of the names of files that hold a licence or a notice, in lower case.
const NAMES: [&str; 5] = ["license", "licence", "copying", "notice", "unlicense"];

/// The libraries in the built dashboard, whose sources are not here.
const DASHBOARD: &str = "The dashboard in the program is built of preact and @preact/signals (MIT, Copyright (c) 2015-present Jason Miller \
     and Copyright (c) 2022-present Preact Team) and of uPlot (MIT, Copyright (c) Leon Sorokin).";

/// A crate in the program.
struct Package {
    name: String,
    licence: String,
    origin: String,
    /// The texts that its sources hold.
    texts: Vec<String>,
}

/// The whole file, for a program that is built for `system`.
pub(super) fn text(system: &str) -> Result<String, String> {
    let packages = packages(system)?;
    let mut out = format!(
        "tokentracer contains the works of others under these licences.\n\n{DASHBOARD}\nSQLite, which is built in, is in the \
         public domain.\n\n"
    );
    for package in &packages {
        let _ = writeln!(out, "{}: {} ({})", package.name, package.licence, package.origin);
    }
    // A text is printed once, with the crates that it is of.
    let mut texts: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in &packages {
        for text in &package.texts {
            texts.entry(text).or_default().insert(&package.name);
        }
    }
    let line = "-".repeat(80);
    for (text, names) in texts {
        let names: Vec<&str> = names.into_iter().collect();
        let _ = writeln!(out, "\n{line}\n{}\n{line}\n\n{text}", names.join(", "));
    }
    Ok(out)
}

/// The crates from outside that are compiled into the program for `system`.
fn packages(system: &str) -> Result<Vec<Package>, String> {
    let mut tree =
        cargo_command(&["tree", "--locked", "--package", "tokentracer", "--edges", "normal", "--target", system]);
    let listed = output(tree.args(["--prefix", "none", "--format", "{p}"]))?;
    // A line is `name v1.2.3`, with a path or a mark behind it.
    let used: BTreeSet<(&str, &str)> = listed
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            Some((words.next()?, words.next()?.strip_prefix('v')?))
        })
        .collect();
    let metadata =
        output(&mut cargo_command(&["metadata", "--locked", "--format-version", "1", "--filter-platform", system]))?;
    let metadata: Value = serde_json::from_str(&metadata).map_err(|error| format!("cargo metadata: {error}"))?;
    let mut found = Vec::new();
    for package in metadata["packages"].as_array().map_or(&[][..], Vec::as_slice) {
        let text = |field: &str| package[field].as_str().unwrap_or_default();
        if package["source"].is_null() || !used.contains(&(text("name"), text("version"))) {
            continue;
        }
        let licence = if text("license").is_empty() { "see its text" } else { text("license") };
        let directory = Path::new(text("manifest_path")).parent().unwrap_or(Path::new("."));
        found.push(Package {
            name: format!("{} {}", text("name"), text("version")),
            licence: licence.to_owned(),
            origin: if text("repository").is_empty() { "crates.io" } else { text("repository") }.to_owned(),
            texts: texts(directory)?,
        });
    }
    if found.is_empty() { Err("cargo names no crates".to_owned()) } else { Ok(found) }
}

/// The texts of licences and notices in a directory of sources.
fn texts(directory: &Path) -> Result<Vec<String>, String> {
    let problem = |error: std::io::Error| format!("{}: {error}", directory.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(problem)? {
        let entry = entry.map_err(problem)?;
        let name = entry.file_name().to_string_lossy().to_lowercase();
        if NAMES.iter().any(|begin| name.starts_with(begin)) && entry.path().is_file() {
            let bytes = fs::read(entry.path()).map_err(problem)?;
            found.push(String::from_utf8_lossy(&bytes).replace("\r\n", "\n").trim_end().to_owned());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_crate_of_the_program_is_named_with_its_licence() {
        let system = "x86_64-unknown-linux-gnu";
        let packages = packages(system).unwrap();
        for name in ["hyper ", "rustls ", "ring ", "tokio ", "diesel "] {
            let package = packages.iter().find(|package| package.name.starts_with(name)).expect(name);
            assert!(!package.licence.is_empty() && !package.texts.is_empty(), "{name}");
        }
        assert!(!packages.iter().any(|package| package.name.starts_with("rcgen ")), "it is for tests only");
        let text = text(system).unwrap();
        assert!(text.contains("preact") && text.contains("MIT License"));
    }
}
