//! Opens the database that the settings name. Every error is one line.

use secrecy::{ExposeSecret, SecretString};
use tokio::runtime::Handle;
use tt_core::Causes;
use tt_store::{Store, StoreConfig};

use crate::config::{Config, Database};

/// Opens the store and migrates its schema to the one of this version. An SQLite file is made where there is none.
pub(crate) async fn open(config: &Config, control: &Handle) -> Result<Store, String> {
    let store = connect(config, control)?;
    store.migrate().await.map_err(|error| explain(&error))?;
    Ok(store)
}

fn connect(config: &Config, control: &Handle) -> Result<Store, String> {
    let url = match &config.database {
        Database::Sqlite(path) => SecretString::from(format!("sqlite://{}", path.display())),
        Database::Postgres(url) => SecretString::from(url.expose_secret()),
    };
    Store::open(StoreConfig::new(url, control.clone())).map_err(|error| explain(&error))
}

/// As [`open`], but an SQLite file that does not exist is an error: a command with a mistyped data directory must not
/// work on an empty database.
pub(crate) async fn open_existing(config: &Config, control: &Handle) -> Result<Store, String> {
    exists(config)?;
    open(config, control).await
}

/// As [`open_existing`], and the schema stays as it is: a server of another version may be running.
pub(crate) fn open_as_it_is(config: &Config, control: &Handle) -> Result<Store, String> {
    exists(config)?;
    connect(config, control)
}

fn exists(config: &Config) -> Result<(), String> {
    match &config.database {
        Database::Sqlite(path) if !path.is_file() => {
            Err(format!("there is no database at {}; a server makes it at its first start", path.display()))
        }
        _ => Ok(()),
    }
}

/// The name by which this installation is told from others that share its Redis.
pub(crate) async fn installation(store: &Store) -> Result<String, String> {
    store.installation().await.map_err(|error| explain(&error))
}

/// An error of the store and its causes, in one line.
pub(crate) fn explain(error: &dyn std::error::Error) -> String {
    format!("the store: {}", Causes(error)).replace('\n', " ")
}
