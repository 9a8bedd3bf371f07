//! Reads `postgres://…`: the place of the server, and the way its connection is secured.

use std::path::PathBuf;
use std::time::Duration;

use tokio_postgres::config::SslMode;

use crate::error::{Result, StoreError};

/// The address of a PostgreSQL server.
pub(crate) struct Address {
    /// The settings of a connection. Its `Debug` hides the password.
    pub(crate) config: Box<tokio_postgres::Config>,
    /// A PEM file of root certificates to trust instead of the built-in ones.
    pub(crate) root_certificates: Option<PathBuf>,
}

impl Address {
    /// Reads `url` as libpq does, but for TLS.
    ///
    /// Without `sslmode`, or with `disable`, there is none; `allow` and `prefer`: where the server offers it; `require`,
    /// `verify-ca` and `verify-full`: always. Wherever TLS is used the server's certificate and host name are
    /// verified, which is stricter than libpq up to `verify-ca`: an encrypted connection to nobody in particular
    /// protects nothing. `sslrootcert=FILE` replaces the built-in roots.
    pub(crate) fn parse(url: &str) -> Result<Self> {
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
                            return Err(StoreError::bad_url(
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
        let mut config: tokio_postgres::Config = format!("{address}?{rest}").parse().map_err(|_| {
            StoreError::bad_url("must be postgres://USER:PASSWORD@HOST:PORT/DATABASE with parameters libpq knows")
        })?;
        if config.get_hosts().is_empty() {
            return Err(StoreError::bad_url("must name a host"));
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
        Ok(Self { config: Box::new(config), root_certificates })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> (tokio_postgres::Config, Option<PathBuf>) {
        let Address { config, root_certificates } = Address::parse(url).unwrap();
        (*config, root_certificates)
    }

    #[test]
    fn verified_modes_become_required_tls() {
        let (config, roots) = parsed("postgres://u:p@h/d?sslmode=verify-full&sslrootcert=%2Fetc%2Fca.pem");
        assert_eq!(config.get_ssl_mode(), SslMode::Require);
        assert_eq!(roots, Some(PathBuf::from("/etc/ca.pem")));
        assert_eq!(parsed("postgres://h/d?sslmode=verify-ca").0.get_ssl_mode(), SslMode::Require);
        assert_eq!(parsed("postgres://h/d?sslmode=prefer").0.get_ssl_mode(), SslMode::Prefer);
        assert_eq!(parsed("postgresql://h/d").0.get_ssl_mode(), SslMode::Disable);
        assert_eq!(parsed("postgres://h/d?sslrootcert=system").1, None);
    }

    #[test]
    fn other_parameters_reach_the_driver() {
        let (config, _) = parsed("postgres://h/d?application_name=my%20app+1&options=-c%20x%3D1&connect_timeout=9");
        assert_eq!(config.get_application_name(), Some("my app+1"));
        assert_eq!(config.get_options(), Some("-c x=1"));
        assert_eq!(config.get_connect_timeout(), Some(&Duration::from_secs(9)));
    }
}
