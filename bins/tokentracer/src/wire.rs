//! What comes before serving: logging, the data directory, the store. Every failure is one line.

use std::fs::{self, File, TryLockError};
use std::io::IsTerminal;
use std::path::Path;

use secrecy::{ExposeSecret, SecretString};
use tokio::runtime::Handle;
use tracing_subscriber::EnvFilter;
use tt_store::{Store, StoreConfig};

use crate::config::{Config, Database, LogFormat};
use crate::logging::one_line::OneLine;
use crate::secrets::{self, Secrets};

/// Log lines go to standard error: standard output is for what the program answers.
pub(crate) fn logging(config: &Config) {
    let filter = EnvFilter::new(&config.log_filter);
    let colours = std::io::stderr().is_terminal();
    let lines =
        tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(|| OneLine(std::io::stderr()));
    let set = match config.log_format {
        LogFormat::Pretty => lines.try_init(),
        LogFormat::Json => lines.json().try_init(),
    };
    if set.is_err() {
        tracing::debug!("a logger was set before");
    }
}

/// Makes the data directory, for this user only; one that is there keeps its permissions.
pub(crate) fn make_data_dir(dir: &Path) -> Result<(), String> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).map_err(|error| failed("make", dir, &error))
}

/// Locks the data directory of an embedded installation for the life of the process: a second server on the same
/// files would count limits apart.
pub(crate) fn lock_data_dir(dir: &Path) -> Result<File, String> {
    let lock = File::create(dir.join("lock")).map_err(|error| failed("write to", dir, &error))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(format!("DATA_DIR: another tokentracer is running on {}", dir.display())),
        Err(TryLockError::Error(error)) => Err(failed("lock", dir, &error)),
    }
}

fn failed(what: &str, dir: &Path, error: &std::io::Error) -> String {
    format!("DATA_DIR: cannot {what} {}: {error}", dir.display())
}

/// The secrets given, or those of the data directory, made where there are none yet.
pub(crate) fn secrets(config: &Config) -> Result<Secrets, String> {
    secrets_from(config, secrets::load_or_make)
}

/// The secrets given, or those of the data directory; none are made.
pub(crate) fn existing_secrets(config: &Config) -> Result<Secrets, String> {
    secrets_from(config, secrets::load)
}

fn secrets_from(config: &Config, file: fn(&Path) -> std::io::Result<Secrets>) -> Result<Secrets, String> {
    let kept = match (&config.database, &config.jwt_secret, &config.encryption_key) {
        (Database::Postgres(_), Some(_), Some(_)) => None,
        // What the file holds is then no more than the key before.
        (Database::Sqlite(_), Some(_), Some(_)) => secrets::load(&config.data_dir).ok(),
        _ => Some(
            file(&config.data_dir)
                .map_err(|error| format!("DATA_DIR: {}/secrets: {error}", config.data_dir.display()))?,
        ),
    };
    Ok(choose(config, kept))
}

/// A secret that is given goes before the file's. Where another encryption key is given than the file's, the file's is
/// the one before.
fn choose(config: &Config, kept: Option<Secrets>) -> Secrets {
    let (jwt_kept, key_kept, old_kept) = match kept {
        Some(kept) => (Some(kept.jwt_secret), Some(kept.encryption_key), kept.encryption_key_old),
        None => (None, None, None),
    };
    let given = &config.encryption_key;
    let replaced = match (given, &key_kept) {
        (Some(given), Some(kept)) if given.expose_secret() != kept.expose_secret() => Some(kept.clone()),
        _ => None,
    };
    Secrets {
        jwt_secret: config.jwt_secret.clone().or(jwt_kept).unwrap_or_default(),
        encryption_key: given.clone().or(key_kept).unwrap_or_default(),
        encryption_key_old: config.encryption_key_old.clone().or(replaced).or(old_kept),
    }
}

/// Opens the store and brings it to this version's schema.
pub(crate) async fn open_store(config: &Config, control: &Handle) -> Result<Store, String> {
    let url = match &config.database {
        Database::Sqlite(path) => SecretString::from(format!("sqlite://{}", path.display())),
        Database::Postgres(url) => SecretString::from(url.expose_secret()),
    };
    let store = Store::open(StoreConfig::new(url, control.clone())).map_err(|error| explain(&error))?;
    store.migrate().await.map_err(|error| explain(&error))?;
    Ok(store)
}

/// Opens a store that is there already, for commands that work on it beside a server.
pub(crate) async fn open_existing_store(config: &Config, control: &Handle) -> Result<Store, String> {
    if let Database::Sqlite(path) = &config.database
        && !path.is_file()
    {
        return Err(format!("there is no database at {}; a server makes it at its first start", path.display()));
    }
    open_store(config, control).await
}

/// An error with its causes in one line.
pub(crate) fn explain(error: &dyn std::error::Error) -> String {
    let mut text = format!("the store: {error}");
    let mut cause = error.source();
    while let Some(source) = cause {
        let more = source.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = source.source();
    }
    text.replace('\n', " ")
}

/// `tokentracer migrate`.
pub(crate) async fn migrate(config: &Config, control: &Handle) -> Result<(), String> {
    if matches!(config.database, Database::Sqlite(_)) {
        fs::create_dir_all(&config.data_dir).map_err(|error| format!("DATA_DIR: {error}"))?;
    }
    let store = open_store(config, control).await?;
    store.close();
    Ok(())
}
