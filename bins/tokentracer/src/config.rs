//! The checked settings: every bad value is named at once, and each part is in the shape that its crate takes.

mod authorities;
mod http;
pub(crate) mod reader;
mod tls;

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use tt_http::HttpConfig;
use tt_ledger::Fsync;
use tt_ratelimit::{RedisConfig, WithoutRedis};

use self::reader::{Reader, parse_duration};
pub(crate) use self::tls::TlsFiles;
use crate::otel;
use crate::settings::UNBUILT;

/// The least that `MAX_JOURNAL_BYTES` may be: room for a few segments of each worker.
const LEAST_JOURNAL_BYTES: u64 = 1 << 20;

/// All settings, checked.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) data_dir: PathBuf,
    pub(crate) database: Database,
    pub(crate) secrets: GivenSecrets,
    pub(crate) host: IpAddr,
    pub(crate) port: u16,
    /// The certificate of the server; `None` for plain HTTP.
    pub(crate) tls: Option<TlsFiles>,
    pub(crate) log: LogConfig,
    /// Days that request logs are kept; 0: for ever.
    pub(crate) log_retention_days: u32,
    pub(crate) redis: Option<RedisConfig>,
    pub(crate) journal_fsync: Fsync,
    /// The most bytes that the journals may take on disk.
    pub(crate) max_journal_bytes: u64,
    pub(crate) http: HttpConfig,
    /// The spans and metrics for OpenTelemetry; `None` for none.
    pub(crate) otel: Option<otel::Config>,
}

/// The place of the store.
#[derive(Debug)]
pub(crate) enum Database {
    /// The embedded one, at this path.
    Sqlite(PathBuf),
    /// A PostgreSQL server; its URL may hold a password.
    Postgres(SecretString),
}

/// The secrets that the settings give, each at least 32 bytes long. Those that are missing come from the data
/// directory; with PostgreSQL the first two are never missing.
#[derive(Debug)]
pub(crate) struct GivenSecrets {
    pub(crate) jwt_secret: Option<SecretString>,
    pub(crate) encryption_key: Option<SecretString>,
    pub(crate) encryption_key_old: Option<SecretString>,
}

/// The format and the filter of the program's log.
#[derive(Debug)]
pub(crate) struct LogConfig {
    pub(crate) format: LogFormat,
    /// A filter that `tracing_subscriber` accepts, such as `info` or `tt_http=debug`.
    pub(crate) filter: String,
}

/// The format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// Text for people.
    Pretty,
    /// JSON for programs.
    Json,
}

impl Config {
    /// Reads every setting through `lookup`, which yields a setting's value, or its default, by its name. If `serves` is
    /// true, what only a server needs is checked as well.
    ///
    /// # Errors
    /// One line for each bad value, beginning with its name.
    pub(crate) fn load(lookup: &dyn Fn(&str) -> Option<String>, serves: bool) -> Result<Self, Vec<String>> {
        let mut r = Reader::new(lookup);
        for name in UNBUILT {
            if r.given(name).is_some() {
                r.fault(format!("{name}: this version does not know it yet; leave it unset"));
            }
        }
        let data_dir = data_dir(&mut r);
        let database = database(&mut r, &data_dir);
        let secrets = secrets(&mut r, &database);
        let host = r.read("HOST", "an IP address such as 127.0.0.1 or ::", parse, Ipv4Addr::LOCALHOST.into());
        let port = r.number("PORT");
        let tls = tls::tls(&mut r, serves);
        let log = log(&mut r);
        let log_retention_days = r.number("LOG_RETENTION_DAYS");
        let (redis, without_redis) = redis(&mut r);
        let (journal_fsync, max_journal_bytes) = journal(&mut r);
        let authorities = authorities::authorities(&mut r, serves);
        let (otel, propagate) = otel::read(&mut r, tls.is_some(), &authorities);
        let http = http::http(&mut r, without_redis == WithoutRedis::Deny, propagate, authorities);
        let Some(http) = http.filter(|_| r.faults.is_empty()) else { return Err(r.faults) };
        Ok(Self {
            data_dir,
            database,
            secrets,
            host,
            port,
            tls,
            log,
            log_retention_days,
            redis,
            journal_fsync,
            max_journal_bytes,
            http,
            otel,
        })
    }
}

fn parse<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

fn data_dir(r: &mut Reader<'_>) -> PathBuf {
    if let Some(dir) = r.given("DATA_DIR") {
        return PathBuf::from(dir);
    }
    let Some(base) = directories::BaseDirs::new() else {
        r.fault("DATA_DIR: must be set, since this user has no home directory");
        return PathBuf::new();
    };
    base.data_dir().join("tokentracer")
}

fn database(r: &mut Reader<'_>, data_dir: &Path) -> Database {
    let Some(url) = r.given("DATABASE_URL") else { return Database::Sqlite(data_dir.join("tokentracer.db")) };
    if let Some(path) = url.strip_prefix("sqlite://").filter(|path| !path.is_empty()) {
        return Database::Sqlite(PathBuf::from(path));
    }
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        // The fault does not quote the value, since it may hold a password.
        r.fault("DATABASE_URL: must be sqlite://PATH or postgres://USER:PASSWORD@HOST/DATABASE");
    }
    Database::Postgres(SecretString::from(url))
}

fn secrets(r: &mut Reader<'_>, database: &Database) -> GivenSecrets {
    let (jwt_secret, encryption_key) = (r.secret("JWT_SECRET"), r.secret("ENCRYPTION_KEY"));
    if matches!(database, Database::Postgres(_)) {
        for name in ["JWT_SECRET", "ENCRYPTION_KEY"] {
            if r.given(name).is_none() {
                r.fault(format!("{name}: must be set with PostgreSQL, to 32 bytes or more"));
            }
        }
    }
    GivenSecrets { jwt_secret, encryption_key, encryption_key_old: r.secret("ENCRYPTION_KEY_OLD") }
}

fn log(r: &mut Reader<'_>) -> LogConfig {
    let formats = [("pretty", LogFormat::Pretty), ("json", LogFormat::Json)];
    let filter = |text: &str| tracing_subscriber::EnvFilter::try_new(text).is_ok().then(|| text.to_owned());
    LogConfig {
        format: r.one_of("LOG_FORMAT", "pretty or json", &formats, LogFormat::Pretty),
        filter: r.read("RUST_LOG", "a log filter such as info or tt_http=debug", filter, String::new()),
    }
}

/// The shared counters, and how limits are decided while they cannot be reached.
fn redis(r: &mut Reader<'_>) -> (Option<RedisConfig>, WithoutRedis) {
    let ways = [("local", WithoutRedis::Local), ("deny", WithoutRedis::Deny)];
    let without = r.one_of("LIMITS_WITHOUT_REDIS", "local or deny", &ways, WithoutRedis::Deny);
    let redis = r.given("REDIS_URL").and_then(|url| {
        let parsed = RedisConfig::parse("REDIS_URL", &url, without);
        parsed.map_err(|error| r.fault(error.to_string())).ok()
    });
    (redis, without)
}

/// The settings of the journal: the times at which it is made durable, and the most bytes that it may take.
fn journal(r: &mut Reader<'_>) -> (Fsync, u64) {
    let fsync = |text: &str| match text {
        "always" => Some(Fsync::Always),
        "never" => Some(Fsync::Never),
        time => parse_duration(time).map(Fsync::Every),
    };
    let fsync = r.read("JOURNAL_FSYNC", "a time such as 50ms, always or never", fsync, Fsync::Always);
    let must = format!("a whole number of at least {LEAST_JOURNAL_BYTES}");
    let enough = |text: &str| parse(text).filter(|bytes| *bytes >= LEAST_JOURNAL_BYTES);
    (fsync, r.read("MAX_JOURNAL_BYTES", &must, enough, LEAST_JOURNAL_BYTES))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::SETTINGS;

    fn load(given: &[(&str, &str)]) -> Result<Config, Vec<String>> {
        let lookup = |name: &str| {
            let given = given.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned());
            let default = SETTINGS.iter().find(|s| s.name == name).and_then(|s| s.default);
            given.or_else(|| default.map(str::to_owned))
        };
        Config::load(&lookup, true)
    }

    #[test]
    fn the_defaults_are_good() {
        let config = load(&[("DATA_DIR", "/tmp/x")]).unwrap();
        assert_eq!(config.port, 8080);
        assert!(matches!(config.database, Database::Sqlite(path) if path.ends_with("tokentracer.db")));
        assert_eq!(config.http.upstream.first_byte_timeout, std::time::Duration::from_secs(120));
    }

    #[test]
    fn every_bad_value_is_named_in_a_line_of_its_own() {
        let faults = load(&[
            ("DATA_DIR", "/tmp/x"),
            ("PORT", "70000"),
            ("SIGNUP", "maybe"),
            ("UPSTREAM_IDLE_TIMEOUT", "soon"),
            ("OPENAI_BASE_URL", "ftp://x"),
            ("JWT_SECRET", "short"),
            ("RATE_LIMIT_DAILY", "-1"),
        ])
        .unwrap_err();
        for name in ["PORT", "SIGNUP", "UPSTREAM_IDLE_TIMEOUT", "OPENAI_BASE_URL", "JWT_SECRET", "RATE_LIMIT_DAILY"] {
            assert_eq!(faults.iter().filter(|line| line.starts_with(name)).count(), 1, "{name} in {faults:?}");
        }
        assert_eq!(faults.len(), 6, "{faults:?}");
        assert!(faults.iter().all(|line| !line.contains("short\"")), "a secret was shown: {faults:?}");
    }

    #[test]
    fn postgresql_needs_its_secrets() {
        let faults = load(&[("DATA_DIR", "/tmp/x"), ("DATABASE_URL", "postgres://u:pw@h/d")]).unwrap_err();
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert!(faults.iter().all(|line| !line.contains("pw")));
    }
}
