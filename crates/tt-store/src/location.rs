//! Reads `DATABASE_URL`: the kind of database and its place.

use std::path::PathBuf;

use crate::error::{Result, StoreError};
#[cfg(feature = "postgres")]
use crate::pg::Address;

/// The place of the database.
pub(crate) enum Location {
    /// An SQLite file.
    Sqlite(PathBuf),
    /// A PostgreSQL server.
    #[cfg(feature = "postgres")]
    Postgres(Address),
}

impl Location {
    /// Reads `sqlite://PATH` (taken as it stands: `sqlite:///var/lib/x.db`, `sqlite://x.db`) or
    /// `postgres://…` as libpq writes it.
    pub(crate) fn parse(url: &str) -> Result<Self> {
        if let Some(path) = url.strip_prefix("sqlite://") {
            return Self::sqlite(path);
        }
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            #[cfg(feature = "postgres")]
            return Address::parse(url).map(Self::Postgres);
            #[cfg(not(feature = "postgres"))]
            return Err(StoreError::bad_url("names PostgreSQL, which this program was built without"));
        }
        Err(StoreError::bad_url("must begin with sqlite:// or postgres://"))
    }

    fn sqlite(path: &str) -> Result<Self> {
        if path.is_empty() || path == ":memory:" {
            return Err(StoreError::bad_url("sqlite:// must be followed by the path of a file"));
        }
        if path.contains(['?', '\0']) {
            return Err(StoreError::bad_url("sqlite:// takes a path and no parameters"));
        }
        Ok(Self::Sqlite(PathBuf::from(path)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqlite_paths_are_taken_as_they_stand() {
        for (url, path) in [("sqlite:///a b/c%20d.db", "/a b/c%20d.db"), ("sqlite://rel.db", "rel.db")] {
            assert!(
                matches!(Location::parse(url), Ok(Location::Sqlite(p)) if p == std::path::Path::new(path)),
                "{url}"
            );
        }
    }

    #[test]
    fn what_cannot_be_used_is_refused_without_repeating_it() {
        for url in [
            "",
            "mysql://u:secret@h/d",
            "sqlite://",
            "sqlite://:memory:",
            "sqlite://x.db?mode=ro",
            "postgres://u:secret@h/d?sslmode=sometimes",
            "postgres://u:secret@h:port/d",
            "postgres://u:secret@h/d?no_such_parameter=1",
        ] {
            let error = Location::parse(url).err().unwrap_or_else(|| panic!("{url} was taken"));
            assert!(matches!(error, StoreError::BadUrl(_)), "{url}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
