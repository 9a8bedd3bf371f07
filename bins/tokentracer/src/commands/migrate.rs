//! `tokentracer migrate`: brings the database to the schema of this version, and ends.

use clap::Command;
use tokio::runtime::Handle;

use crate::config::{Config, Database};
use crate::{data_dir, store};

/// The command line.
pub(crate) fn command() -> Command {
    Command::new("migrate").about("Bring the database to this version's schema and stop")
}

/// Migrates. Errors are one line each.
pub(crate) async fn run(config: &Config, control: &Handle) -> Result<(), String> {
    if matches!(config.database, Database::Sqlite(_)) {
        data_dir::make(&config.data_dir)?;
    }
    store::open(config, control).await?.close();
    Ok(())
}
