//! Golden snapshots: the result for every fixture, in `snapshots/`.
//!
//! A snapshot that changes fails its test. Read the difference; where it is meant, accept it with
//! `INSTA_UPDATE=always cargo test -p tt-providers --test suite golden`, and name it in the commit.

mod answers;
pub(crate) mod client_side;
mod embeddings;
mod errors;
mod generate_content;
mod messages;
mod requests;
mod responses;
mod streams;
pub(crate) mod text;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// The snapshots of one folder: all are compared before the first difference fails the test.
struct Golden {
    folder: &'static str,
    seen: BTreeSet<String>,
    changed: Vec<String>,
}

impl Golden {
    fn new(folder: &'static str) -> Self {
        Self { folder, seen: BTreeSet::new(), changed: Vec::new() }
    }

    /// Compares `text` with the snapshot `name`.
    fn check(&mut self, name: &str, text: &str) {
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(format!("snapshots/{}", self.folder));
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        let compared = catch_unwind(AssertUnwindSafe(|| settings.bind(|| insta::assert_snapshot!(name, text))));
        if compared.is_err() {
            self.changed.push(name.to_owned());
        }
        assert!(self.seen.insert(name.to_owned()), "two fixtures are named {name}");
    }

    /// Fails for what differed, and for snapshots of fixtures that are gone.
    fn finish(self) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/snapshots").join(self.folder);
        let entries = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        let there: BTreeSet<String> = entries
            .filter(|path| path.extension().is_some_and(|extension| extension == "snap"))
            .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        assert_eq!(self.changed, Vec::<String>::new(), "these snapshots changed");
        let stale: Vec<&String> = there.difference(&self.seen).collect();
        assert!(stale.is_empty(), "these snapshots belong to no fixture: {stale:?}");
    }
}
