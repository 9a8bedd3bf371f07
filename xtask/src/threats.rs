//! Checks that the tests exist that the section on threats in `crates/README.md` names: a defence whose test has been
//! renamed or removed must not go on being listed as tested.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::run::Outcome;

const PAGE: &str = "crates/README.md";
const SECTION: &str = "\n## Threats\n";

/// The directories of the sources and the tests.
const TREES: [&str; 2] = ["crates", "bins"];

pub(crate) fn check() -> Outcome {
    let page = fs::read_to_string(PAGE).map_err(|error| format!("{PAGE}: {error}"))?;
    let section = page.split_once(SECTION).map(|(_, rest)| rest.split("\n## ").next().unwrap_or(rest));
    let names = named(section.ok_or_else(|| format!("{PAGE}: there is no section Threats"))?);
    let mut functions = BTreeSet::new();
    for tree in TREES {
        read(Path::new(tree), &mut functions).map_err(|error| format!("{tree}: {error}"))?;
    }
    let missing: Vec<&str> = names.into_iter().filter(|name| !functions.contains(*name)).collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(format!("{PAGE} names tests that there are not: {}", missing.join(", ")))
    }
}

/// The names of tests in a text: the last segments of what stands between backticks, where they are several words.
fn named(text: &str) -> BTreeSet<&str> {
    let quoted = text.split('`').skip(1).step_by(2);
    let last = quoted.map(|quoted| quoted.rsplit("::").next().unwrap_or(quoted));
    let is_name = |name: &&str| {
        name.matches('_').count() > 2 && name.bytes().all(|b| b == b'_' || b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    last.filter(is_name).collect()
}

/// Adds the names of all functions in the Rust files below `dir`.
fn read(dir: &Path, functions: &mut BTreeSet<String>) -> std::io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            read(&path, functions)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path)?;
            let names = text.split("fn ").skip(1).filter_map(|rest| rest.split(['(', '<']).next());
            functions.extend(names.map(str::to_owned));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_tests_are_told_from_other_words() {
        let text = "| `tt-http edge::tests::a_body_that_drips`, `it_is_cut_too` | `state/login_throttle_of_all.rs`, \
                    `MAX_BODY_BYTES_OF_ALL`, `base_url`, `blackbox::isolation::*` |";
        assert_eq!(named(text).into_iter().collect::<Vec<_>>(), ["a_body_that_drips", "it_is_cut_too"]);
    }
}
