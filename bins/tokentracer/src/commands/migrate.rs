//! `tokentracer migrate`: brings the database to the schema of this version, and ends.

use std::fs;

use clap::Command;
use tokio::runtime::Handle;

use crate::config::{Config, Database};
use crate::store;

/// The command line.
pub(crate) fn command() -> Command {
    Command::new("migrate").about("Bring the database to this version's schema and stop")
}

/// Migrates. Errors are one line each.
pub(crate) async fn run(config: &Config, control: &Handle) -> Result<(), String> {
    if matches!(config.database, Database::Sqlite(_)) {
        fs::create_dir_all(&config.data_dir).map_err(|error| format!("DATA_DIR: {error}"))?;
    }
    store::open(config, control).await?.close();
    Ok(())
}
