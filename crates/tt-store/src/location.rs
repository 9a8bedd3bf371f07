//! Reads `DATABASE_URL`: the kind of database, its place, and the way its connection is secured.

use std::path::PathBuf;
use std::time::Duration;

use tokio_postgres::config::SslMode;

use crate::error::{Result, StoreError};

/// The place of the database.
pub(crate) enum Location {
    /// An SQLite file.
    Sqlite(PathBuf),
    /// A PostgreSQL server.
    Postgres {
        /// The settings of a connection. Its `Debug` hides the password.
        config: Box<tokio_postgres::Config>,
        /// A PEM file of root certificates to trust instead of the built-in ones.
        root_certificates: Option<PathBuf>,
    },
}

impl Location {
    /// Reads `sqlite://PATH` (taken as it stands: `sqlite:///var/lib/x.db`, `sqlite://x.db`) or
    /// `postgres://…` as libpq writes it.
    ///
    /// TLS: without `sslmode`, or with `disable`, none; `allow` and `prefer`: where the server offers it; `require`,
    /// `verify-ca` and `verify-full`: always. Wherever TLS is used the server's certificate and host name are
    /// verified, which is stricter than libpq up to `verify-ca`: an encrypted connection to nobody in particular
    /// protects nothing. `sslrootcert=FILE` replaces the built-in roots.
    pub(crate) fn parse(url: &str) -> Result<Self> {
        if let Some(path) = url.strip_prefix("sqlite://") {
            return Self::sqlite(path);
        }
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Self::postgres(url);
        }
        Err(bad("must begin with sqlite:// or postgres://"))
    }

    fn sqlite(path: &str) -> Result<Self> {
        if path.is_empty() || path == ":memory:" {
            return Err(bad("sqlite:// must be followed by the path of a file"));
        }
        if path.contains(['?', '\0']) {
            return Err(bad("sqlite:// takes a path and no parameters"));
        }
        Ok(Self::Sqlite(PathBuf::from(path)))
    }

    fn postgres(url: &str) -> Result<Self> {
        let (address, query) = url.split_once('?').unwrap_or((url, ""));
        let mut mode = SslMode::Disable;
        let mut root_certificates = None;
        let mut rest = form_urlencoded::Serializer::new(String::new());
        // libpq takes a plus literally, form encoding takes it for a blank.
        for (name, value) in form_urlencoded::parse(query.replace('+', "%2B").as_bytes()) {
            match name.as_ref() {
                "sslmode" => {
                    mode = match value.as_ref() {
                        "disable" => SslMode::Disable,
                        "allow" | "prefer" => SslMode::Prefer,
                        "require" | "verify-ca" | "verify-full" => SslMode::Require,
                        _ => {
                            return Err(bad(
                                "sslmode must be disable, allow, prefer, require, verify-ca or verify-full",
                            ));
                        }
                    };
                }
                "sslrootcert" => root_certificates = (value != "system").then(|| PathBuf::from(value.as_ref())),
                _ => {
                    rest.append_pair(&name, &value);
                }
            }
        }
        let rest = rest.finish().replace('+', "%20");
        let mut config: tokio_postgres::Config = format!("{address}?{rest}")
            .parse()
            .map_err(|_| bad("must be postgres://USER:PASSWORD@HOST:PORT/DATABASE with parameters libpq knows"))?;
        if config.get_hosts().is_empty() {
            return Err(bad("must name a host"));
        }
        config.ssl_mode(mode);
        if config.get_application_name().is_none() {
            config.application_name("tokentracer");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(Duration::from_secs(5));
        }
        // If a server vanishes without closing the connection, a call must not be held for the quarter of an hour that
        // the kernel waits.
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(Duration::from_secs(30));
        }
        Ok(Self::Postgres { config: Box::new(config), root_certificates })
    }
}

fn bad(why: &str) -> StoreError {
    StoreError::BadUrl(why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn postgres(url: &str) -> (tokio_postgres::Config, Option<PathBuf>) {
        match Location::parse(url).unwrap() {
            Location::Postgres { config, root_certificates } => (*config, root_certificates),
            Location::Sqlite(_) => panic!("{url} is not PostgreSQL"),
        }
    }

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

    #[test]
    fn verified_modes_become_required_tls() {
        let (config, roots) = postgres("postgres://u:p@h/d?sslmode=verify-full&sslrootcert=%2Fetc%2Fca.pem");
        assert_eq!(config.get_ssl_mode(), SslMode::Require);
        assert_eq!(roots, Some(PathBuf::from("/etc/ca.pem")));
        assert_eq!(postgres("postgres://h/d?sslmode=verify-ca").0.get_ssl_mode(), SslMode::Require);
        assert_eq!(postgres("postgres://h/d?sslmode=prefer").0.get_ssl_mode(), SslMode::Prefer);
        assert_eq!(postgres("postgresql://h/d").0.get_ssl_mode(), SslMode::Disable);
        assert_eq!(postgres("postgres://h/d?sslrootcert=system").1, None);
    }

    #[test]
    fn other_parameters_reach_the_driver() {
        let (config, _) = postgres("postgres://h/d?application_name=my%20app+1&options=-c%20x%3D1&connect_timeout=9");
        assert_eq!(config.get_application_name(), Some("my app+1"));
        assert_eq!(config.get_options(), Some("-c x=1"));
        assert_eq!(config.get_connect_timeout(), Some(&Duration::from_secs(9)));
    }
}
