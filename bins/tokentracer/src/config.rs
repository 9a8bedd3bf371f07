//! The settings: read once from flags and environment, every bad value named at once.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, ArgMatches, Command};
use ipnet::IpNet;
use secrecy::SecretString;
use tt_core::BaseUrl;
use tt_core::caller::RequestLimits;
use tt_http::{HttpConfig, UpstreamConfig};
use tt_ledger::Fsync;
use tt_ratelimit::{RedisConfig, WithoutRedis};

/// How long a client's connection may idle between requests. Longer than the 60 s that balancers usually keep theirs for:
/// who closes first must be them, or a request meets a reset.
const CLIENT_IDLE_TIMEOUT: Duration = Duration::from_secs(75);

/// One setting: the variable, what it means, its default where it has one.
struct Setting {
    name: &'static str,
    help: &'static str,
    default: Option<&'static str>,
    secret: bool,
}

const fn setting(name: &'static str, default: &'static str, help: &'static str) -> Setting {
    Setting { name, help, default: Some(default), secret: false }
}

const fn optional(name: &'static str, help: &'static str) -> Setting {
    Setting { name, help, default: None, secret: false }
}

const fn secret(name: &'static str, help: &'static str) -> Setting {
    Setting { name, help, default: None, secret: true }
}

/// Every setting there is. A flag is the same name in kebab case.
#[rustfmt::skip]
const SETTINGS: &[Setting] = &[
    secret("DATABASE_URL", "sqlite://PATH or postgres://… [default: SQLite in the data directory]"),
    secret("JWT_SECRET", "Signs session tokens; 32 bytes or more [SQLite: made at first start]"),
    secret("ENCRYPTION_KEY", "Seals provider keys; 32 bytes or more [SQLite: made at first start]"),
    secret("ENCRYPTION_KEY_OLD", "The encryption key before, during a rotation"),
    optional("DATA_DIR", "Where SQLite, its secrets and the journal live [default: the platform's data directory]"),
    setting("HOST", "127.0.0.1", "The address to listen on"),
    setting("PORT", "8080", "The port to listen on; 0 picks a free one"),
    secret("REDIS_URL", "redis://… to share limits and budgets between processes [default: limits in this process]"),
    setting("LIMITS_WITHOUT_REDIS", "local", "What limits do while Redis is away: local or deny"),
    setting("RATE_LIMIT_MINUTE", "0", "Requests a user may make in any 60 seconds; 0 = unlimited"),
    setting("RATE_LIMIT_DAILY", "0", "Requests a user may make in a UTC day; 0 = unlimited"),
    setting("OPENAI_BASE_URL", "https://api.openai.com/v1", "OpenAI's address"),
    setting("ANTHROPIC_BASE_URL", "https://api.anthropic.com", "Anthropic's address"),
    setting("GEMINI_BASE_URL", "https://generativelanguage.googleapis.com", "Gemini's address"),
    setting("ALLOW_PRIVATE_UPSTREAMS", "false", "May a user's base_url be a private address?"),
    setting("SIGNUP", "open", "May anybody sign up? open or closed"),
    setting("MAX_BODY_BYTES", "33554432", "The largest body of a proxied request"),
    setting("MAX_BUFFERED_BYTES", "1073741824", "The most bytes of bodies held over all requests"),
    setting("MAX_CONNECTIONS", "10000", "The most connections"),
    setting("UPSTREAM_CONNECT_TIMEOUT", "5s", "Time to connect to a provider"),
    setting("UPSTREAM_FIRST_BYTE_TIMEOUT", "120s", "Time to the first event of a stream"),
    setting("UPSTREAM_TOTAL_TIMEOUT", "600s", "Time for a plain answer"),
    setting("UPSTREAM_IDLE_TIMEOUT", "300s", "The longest silence within an answer"),
    setting("CLIENT_HEADER_TIMEOUT", "10s", "Time a client has for its headers"),
    setting("CLIENT_BODY_IDLE_TIMEOUT", "30s", "The longest silence within a client's body"),
    optional("TRUSTED_PROXIES", "Addresses or networks (10.0.0.0/8) whose X-Forwarded-For is believed, by commas"),
    setting("DIRECTORY_MAX_STALE", "15m", "How long known callers are served while the store is away"),
    setting("MODEL_REFRESH_INTERVAL", "12h", "The age at which a provider key's list of models is fetched again"),
    setting("LOG_RETENTION_DAYS", "90", "Days request logs are kept; 0 = for ever"),
    setting("JOURNAL_FSYNC", "50ms", "When the journal is made durable: a time, always or never"),
    setting("MAX_JOURNAL_BYTES", "1073741824", "What the journals may take on disk"),
    setting("MAX_RETRIES", "1", "How often one target is tried again"),
    setting("SHUTDOWN_GRACE", "30s", "How long requests in flight may go on after a stop"),
    setting("LOG_FORMAT", "pretty", "pretty or json"),
    setting("RUST_LOG", "info", "What is logged, for example info or tt_http=debug"),
];

/// The smallest journal that serves: a few segments for each worker.
const LEAST_JOURNAL_BYTES: u64 = 1 << 20;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For people.
    Pretty,
    /// For machines.
    Json,
}

/// Where the store is.
#[derive(Debug)]
pub(crate) enum Database {
    /// The embedded one, at this path.
    Sqlite(PathBuf),
    /// A PostgreSQL; the URL may hold a password.
    Postgres(SecretString),
}

/// All settings, checked.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) data_dir: PathBuf,
    pub(crate) database: Database,
    pub(crate) jwt_secret: Option<SecretString>,
    pub(crate) encryption_key: Option<SecretString>,
    pub(crate) encryption_key_old: Option<SecretString>,
    pub(crate) host: IpAddr,
    pub(crate) port: u16,
    pub(crate) log_format: LogFormat,
    pub(crate) log_filter: String,
    pub(crate) log_retention_days: u32,
    pub(crate) redis: Option<RedisConfig>,
    pub(crate) journal_fsync: Fsync,
    pub(crate) max_journal_bytes: u64,
    pub(crate) http: HttpConfig,
}

/// The command line: commands, and a flag for each setting.
pub(crate) fn command() -> Command {
    let flags = SETTINGS.iter().map(|setting| {
        let arg = Arg::new(setting.name)
            .long(setting.name.to_lowercase().replace('_', "-"))
            .env(setting.name)
            .hide_env_values(true)
            .value_name(if setting.secret { "SECRET" } else { "VALUE" })
            .global(true)
            .help(setting.help);
        match setting.default {
            Some(default) => arg.default_value(default),
            None => arg,
        }
    });
    Command::new("tokentracer")
        .about("An LLM proxy whose numbers match the bill")
        .version(env!("CARGO_PKG_VERSION"))
        .args(flags)
        .subcommand(Command::new("serve").about("Serve (the default)"))
        .subcommand(Command::new("migrate").about("Bring the database to this version's schema and stop"))
        .subcommand(Command::new("healthcheck").about("Ask a running server whether it is ready"))
        .subcommand(crate::commands::users::command())
        .subcommand(crate::commands::budgets::command())
        .subcommand(crate::commands::usage_export::command())
        .subcommand(crate::commands::rotate::command())
}

/// The values the command line and the environment give. An empty one counts as not given.
pub(crate) fn lookup(matches: &ArgMatches) -> impl Fn(&str) -> Option<String> {
    let value = |setting: &Setting| {
        let text = matches.get_one::<String>(setting.name).filter(|text| !text.is_empty()).cloned();
        Some((setting.name, text.or_else(|| setting.default.map(str::to_owned))?))
    };
    let values: Vec<_> = SETTINGS.iter().filter_map(value).collect();
    move |name| values.iter().find(|(known, _)| *known == name).map(|(_, text)| text.clone())
}

/// Reads one variable after the other and keeps every complaint.
struct Reader<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    faults: Vec<String>,
}

impl Reader<'_> {
    fn text(&self, name: &str) -> String {
        (self.lookup)(name).unwrap_or_default()
    }

    fn secret(&mut self, name: &'static str) -> Option<SecretString> {
        let value = SecretString::from((self.lookup)(name)?);
        match tt_crypto::check_secret(name, &value) {
            Ok(()) => Some(value),
            Err(error) => {
                self.faults.push(error.to_string());
                None
            }
        }
    }

    /// The parsed value; `T`'s stand-in when it is bad, which is never used.
    fn read<T>(&mut self, name: &str, must: &str, parse: impl FnOnce(&str) -> Option<T>, stand_in: T) -> T {
        let text = self.text(name);
        parse(text.trim()).unwrap_or_else(|| {
            let shown: String = text.chars().take(80).collect();
            self.faults.push(format!("{name}: must be {must}, not {shown:?}"));
            stand_in
        })
    }

    fn number<T: std::str::FromStr + Default>(&mut self, name: &str) -> T {
        self.read(name, "a whole number in range", |text| text.parse().ok(), T::default())
    }

    fn positive(&mut self, name: &str) -> usize {
        self.read(name, "a whole number of at least 1", |text| text.parse().ok().filter(|n| *n > 0), 1)
    }

    fn duration(&mut self, name: &str) -> Duration {
        self.read(name, "a time such as 500ms, 5s or 2m, above zero", parse_duration, Duration::from_secs(1))
    }

    fn base_url(&mut self, name: &str) -> Option<BaseUrl> {
        let parsed = BaseUrl::parse(self.text(name).trim());
        parsed.map_err(|error| self.faults.push(format!("{name}: {}", error.reason))).ok()
    }
}

/// `500ms`, `5s`, `2m`, `1h`; more than zero, at most a day.
fn parse_duration(text: &str) -> Option<Duration> {
    let split = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().ok()?;
    let millis = match unit.trim() {
        "ms" => number,
        "s" => number.checked_mul(1000)?,
        "m" => number.checked_mul(60_000)?,
        "h" => number.checked_mul(3_600_000)?,
        _ => return None,
    };
    (1..=86_400_000).contains(&millis).then(|| Duration::from_millis(millis))
}

fn parse_networks(text: &str) -> Option<Vec<IpNet>> {
    let parse = |item: &str| item.parse::<IpNet>().ok().or_else(|| item.parse::<IpAddr>().ok().map(IpNet::from));
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(parse).collect()
}

impl Config {
    /// Reads every setting through `lookup`.
    ///
    /// # Errors
    /// One line for each bad value, naming it.
    pub(crate) fn load(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, Vec<String>> {
        let mut r = Reader { lookup, faults: Vec::new() };
        let data_dir = match lookup("DATA_DIR") {
            Some(dir) => PathBuf::from(dir),
            None => match directories::BaseDirs::new() {
                Some(base) => base.data_dir().join("tokentracer"),
                None => {
                    r.faults.push("DATA_DIR: must be set, since this user has no home directory".to_owned());
                    PathBuf::new()
                }
            },
        };
        let database = database(&mut r, &data_dir);
        let (jwt_secret, encryption_key) = (r.secret("JWT_SECRET"), r.secret("ENCRYPTION_KEY"));
        if matches!(database, Database::Postgres(_)) {
            for name in ["JWT_SECRET", "ENCRYPTION_KEY"] {
                if lookup(name).is_none() {
                    r.faults.push(format!("{name}: must be set with PostgreSQL, to 32 bytes or more"));
                }
            }
        }
        let encryption_key_old = r.secret("ENCRYPTION_KEY_OLD");
        let address = "an IP address such as 127.0.0.1 or ::";
        let host = r.read("HOST", address, |text| text.parse().ok(), std::net::Ipv4Addr::LOCALHOST.into());
        let port = r.number("PORT");
        let log_format = r.read(
            "LOG_FORMAT",
            "pretty or json",
            |text| match text {
                "pretty" => Some(LogFormat::Pretty),
                "json" => Some(LogFormat::Json),
                _ => None,
            },
            LogFormat::Pretty,
        );
        let log_filter = r.read(
            "RUST_LOG",
            "a log filter such as info or tt_http=debug",
            |text| tracing_subscriber::EnvFilter::try_new(text).is_ok().then(|| text.to_owned()),
            String::new(),
        );
        let log_retention_days = r.number("LOG_RETENTION_DAYS");
        let without = r.read(
            "LIMITS_WITHOUT_REDIS",
            "local or deny",
            |text| match text {
                "local" => Some(WithoutRedis::Local),
                "deny" => Some(WithoutRedis::Deny),
                _ => None,
            },
            WithoutRedis::Deny,
        );
        let redis = lookup("REDIS_URL").and_then(|url| {
            let parsed = RedisConfig::parse("REDIS_URL", &url, without);
            parsed.map_err(|error| r.faults.push(error.to_string())).ok()
        });
        let fsync = |text: &str| match text {
            "always" => Some(Fsync::Always),
            "never" => Some(Fsync::Never),
            time => parse_duration(time).map(Fsync::Every),
        };
        let journal_fsync = r.read("JOURNAL_FSYNC", "a time such as 50ms, always or never", fsync, Fsync::Always);
        let least = format!("a whole number of at least {LEAST_JOURNAL_BYTES}");
        let enough = |text: &str| text.parse().ok().filter(|bytes| *bytes >= LEAST_JOURNAL_BYTES);
        let max_journal_bytes = r.read("MAX_JOURNAL_BYTES", &least, enough, LEAST_JOURNAL_BYTES);
        let http = http(&mut r, without == WithoutRedis::Deny);
        match (http, r.faults.is_empty()) {
            (Some(http), true) => Ok(Self {
                data_dir,
                database,
                jwt_secret,
                encryption_key,
                encryption_key_old,
                host,
                port,
                log_format,
                log_filter,
                log_retention_days,
                redis,
                journal_fsync,
                max_journal_bytes,
                http,
            }),
            (_, _) => Err(r.faults),
        }
    }
}

fn database(r: &mut Reader<'_>, data_dir: &std::path::Path) -> Database {
    let Some(url) = (r.lookup)("DATABASE_URL") else { return Database::Sqlite(data_dir.join("tokentracer.db")) };
    if let Some(path) = url.strip_prefix("sqlite://").filter(|path| !path.is_empty()) {
        return Database::Sqlite(PathBuf::from(path));
    }
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        // Never quoted: it may hold a password.
        r.faults.push("DATABASE_URL: must be sqlite://PATH or postgres://USER:PASSWORD@HOST/DATABASE".to_owned());
    }
    Database::Postgres(SecretString::from(url))
}

fn http(r: &mut Reader<'_>, limits_need_redis: bool) -> Option<HttpConfig> {
    let bases = [r.base_url("OPENAI_BASE_URL"), r.base_url("ANTHROPIC_BASE_URL"), r.base_url("GEMINI_BASE_URL")];
    let flag = |text: &str| match text {
        "true" | "1" | "yes" => Some(true),
        "false" | "0" | "no" => Some(false),
        _ => None,
    };
    let open = |text: &str| match text {
        "open" => Some(true),
        "closed" => Some(false),
        _ => None,
    };
    let allow_private = r.read("ALLOW_PRIVATE_UPSTREAMS", "true or false", flag, false);
    let signup_open = r.read("SIGNUP", "open or closed", open, false);
    let default_limits = RequestLimits { minute: r.number("RATE_LIMIT_MINUTE"), day: r.number("RATE_LIMIT_DAILY") };
    let max_body_bytes = r.positive("MAX_BODY_BYTES");
    let max_buffered_bytes = r.positive("MAX_BUFFERED_BYTES");
    let max_connections = r.positive("MAX_CONNECTIONS");
    let connect_timeout = r.duration("UPSTREAM_CONNECT_TIMEOUT");
    let first_byte_timeout = r.duration("UPSTREAM_FIRST_BYTE_TIMEOUT");
    let total_timeout = r.duration("UPSTREAM_TOTAL_TIMEOUT");
    let idle_timeout = r.duration("UPSTREAM_IDLE_TIMEOUT");
    let client_header_timeout = r.duration("CLIENT_HEADER_TIMEOUT");
    let client_body_idle_timeout = r.duration("CLIENT_BODY_IDLE_TIMEOUT");
    let directory_max_stale = r.duration("DIRECTORY_MAX_STALE");
    let model_refresh_interval = r.duration("MODEL_REFRESH_INTERVAL");
    let shutdown_grace = r.duration("SHUTDOWN_GRACE");
    let networks = "addresses or networks such as 10.0.0.0/8, separated by commas";
    let trusted_proxies = r.read("TRUSTED_PROXIES", networks, parse_networks, Vec::new());
    let few = |text: &str| text.parse().ok().filter(|n| *n <= 10);
    let max_retries = r.read("MAX_RETRIES", "a whole number from 0 to 10", few, 0);
    let [Some(openai_base_url), Some(anthropic_base_url), Some(gemini_base_url)] = bases else { return None };
    Some(HttpConfig {
        signup_open,
        max_body_bytes,
        max_buffered_bytes,
        max_connections,
        client_header_timeout,
        client_idle_timeout: CLIENT_IDLE_TIMEOUT,
        client_body_idle_timeout,
        shutdown_grace,
        upstream: UpstreamConfig {
            openai_base_url,
            anthropic_base_url,
            gemini_base_url,
            allow_private,
            connect_timeout,
            first_byte_timeout,
            total_timeout,
            idle_timeout,
            max_retries,
        },
        default_limits,
        limits_need_redis,
        directory_max_stale,
        trusted_proxies,
        model_refresh_interval,
        workers: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(given: &[(&str, &str)]) -> Result<Config, Vec<String>> {
        let lookup = |name: &str| {
            let given = given.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned());
            let default = SETTINGS.iter().find(|s| s.name == name).and_then(|s| s.default);
            given.or_else(|| default.map(str::to_owned))
        };
        Config::load(&lookup)
    }

    #[test]
    fn the_defaults_are_good() {
        let config = load(&[("DATA_DIR", "/tmp/x")]).unwrap();
        assert_eq!(config.port, 8080);
        assert!(matches!(config.database, Database::Sqlite(path) if path.ends_with("tokentracer.db")));
        assert_eq!(config.http.upstream.first_byte_timeout, Duration::from_secs(120));
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

    #[test]
    fn times_have_units() {
        for (text, millis) in [("500ms", 500), ("5s", 5000), ("2m", 120_000), ("1h", 3_600_000)] {
            assert_eq!(parse_duration(text), Some(Duration::from_millis(millis)));
        }
        for bad in ["5", "s", "0s", "-1s", "5d", "", "99999999999999999999s", "25h"] {
            assert_eq!(parse_duration(bad), None, "{bad}");
        }
    }
}
