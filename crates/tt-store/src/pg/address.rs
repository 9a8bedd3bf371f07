//! Reads `postgres://…`: the place of the server, and the way its connection is secured.

use std::path::PathBuf;
use std::time::Duration;

use tokio_postgres::config::SslMode;

use crate::error::{Result, StoreError};
use crate::tls::{Check, Roots};

/// The address of a PostgreSQL server.
pub(crate) struct Address {
    /// The settings of a connection. Its `Debug` hides the password.
    pub(crate) config: Box<tokio_postgres::Config>,
    /// The check of the server's certificate, where TLS is used.
    pub(crate) check: Check,
}

impl Address {
    /// Reads `url` as libpq does.
    ///
    /// | `sslmode` | TLS | checked of the server's certificate |
    /// |---|---|---|
    /// | `disable`, or none | never | |
    /// | `allow`, `prefer` | where the server offers it | with `sslrootcert`, its authority |
    /// | `require` | always | with `sslrootcert`, its authority |
    /// | `verify-ca` | always | its authority |
    /// | `verify-full` | always | its authority and the host name |
    ///
    /// `sslrootcert=FILE` names the authorities that are trusted. Without it, or with `system`, these are the public ones.
    /// `system` goes with `verify-full` alone, which is then the default: a certificate of a public authority is easily had.
    pub(crate) fn parse(url: &str) -> Result<Self> {
        let (address, query) = url.split_once('?').unwrap_or((url, ""));
        let mut mode: Option<String> = None;
        let mut root_certificates: Option<String> = None;
        let mut rest = form_urlencoded::Serializer::new(String::new());
        // libpq takes a plus literally, form encoding takes it for a blank.
        for (name, value) in form_urlencoded::parse(query.replace('+', "%2B").as_bytes()) {
            match name.as_ref() {
                "sslmode" => mode = Some(value.into_owned()),
                "sslrootcert" => root_certificates = Some(value.into_owned()).filter(|file| !file.is_empty()),
                _ => {
                    rest.append_pair(&name, &value);
                }
            }
        }
        let (mode, check) = tls(mode.as_deref(), root_certificates)?;
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
        Ok(Self { config: Box::new(config), check })
    }
}

/// When TLS is used, and what is checked of the server then.
fn tls(mode: Option<&str>, root_certificates: Option<String>) -> Result<(SslMode, Check)> {
    let system = root_certificates.as_deref() == Some("system");
    let mode = mode.unwrap_or(if system { "verify-full" } else { "disable" });
    if system && mode != "verify-full" {
        return Err(StoreError::bad_url("sslrootcert=system needs sslmode=verify-full"));
    }
    let file = root_certificates.filter(|_| !system).map(|file| Roots::File(PathBuf::from(file)));
    let given = || file.clone().map_or(Check::Nothing, Check::Authority);
    let roots = || file.clone().unwrap_or(Roots::Public);
    Ok(match mode {
        "disable" => (SslMode::Disable, Check::Nothing),
        "allow" | "prefer" => (SslMode::Prefer, given()),
        "require" => (SslMode::Require, given()),
        "verify-ca" => (SslMode::Require, Check::Authority(roots())),
        "verify-full" => (SslMode::Require, Check::Name(roots())),
        _ => {
            let modes = "sslmode must be disable, allow, prefer, require, verify-ca or verify-full";
            return Err(StoreError::bad_url(modes));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> (tokio_postgres::Config, Check) {
        let Address { config, check } = Address::parse(url).unwrap();
        (*config, check)
    }

    #[test]
    fn each_mode_checks_what_it_does_in_libpq() {
        let file = || Roots::File(PathBuf::from("/etc/ca.pem"));
        for (query, mode, check) in [
            ("", SslMode::Disable, Check::Nothing),
            ("?sslmode=disable&sslrootcert=/etc/ca.pem", SslMode::Disable, Check::Nothing),
            ("?sslmode=allow", SslMode::Prefer, Check::Nothing),
            ("?sslmode=prefer&sslrootcert=/etc/ca.pem", SslMode::Prefer, Check::Authority(file())),
            ("?sslmode=require", SslMode::Require, Check::Nothing),
            ("?sslmode=require&sslrootcert=%2Fetc%2Fca.pem", SslMode::Require, Check::Authority(file())),
            ("?sslmode=verify-ca", SslMode::Require, Check::Authority(Roots::Public)),
            ("?sslrootcert=/etc/ca.pem&sslmode=verify-full", SslMode::Require, Check::Name(file())),
            ("?sslmode=verify-full&sslrootcert=", SslMode::Require, Check::Name(Roots::Public)),
            ("?sslrootcert=system", SslMode::Require, Check::Name(Roots::Public)),
        ] {
            let (config, found) = parsed(&format!("postgres://u:p@h/d{query}"));
            assert_eq!((config.get_ssl_mode(), found), (mode, check), "{query}");
        }
        for bad in ["?sslmode=verify", "?sslmode=require&sslrootcert=system"] {
            assert!(matches!(Address::parse(&format!("postgres://h/d{bad}")), Err(StoreError::BadUrl(_))), "{bad}");
        }
    }

    #[test]
    fn other_parameters_reach_the_driver() {
        let (config, _) = parsed("postgres://h/d?application_name=my%20app+1&options=-c%20x%3D1&connect_timeout=9");
        assert_eq!(config.get_application_name(), Some("my app+1"));
        assert_eq!(config.get_options(), Some("-c x=1"));
        assert_eq!(config.get_connect_timeout(), Some(&Duration::from_secs(9)));
    }
}
