//! The commands beside `serve`: work that an operator does on a database, with a server running on it or without one.
//! Each file holds one command: its command line and its run.

mod backup;
mod budgets;
mod healthcheck;
pub(crate) mod manual;
mod migrate;
mod openapi;
mod prices;
mod rotate;
mod usage_export;
mod users;

use clap::{ArgMatches, Command};
use tokio::runtime::Handle;

use crate::config::Config;

/// The command line of every command.
pub(crate) fn command_lines() -> [Command; 9] {
    [
        migrate::command(),
        healthcheck::command(),
        backup::command(),
        users::command(),
        budgets::command(),
        usage_export::command(),
        prices::command(),
        rotate::command(),
        openapi::command(),
    ]
}

/// Runs the command called `name`. Errors are one line each.
pub(crate) async fn run(name: &str, config: &Config, matches: &ArgMatches, control: &Handle) -> Result<(), String> {
    match name {
        "migrate" => migrate::run(config, control).await,
        "healthcheck" => healthcheck::run(config).await,
        "backup" => backup::run(config, matches, control).await,
        "users" => users::run(config, matches, control).await,
        "budgets" => budgets::run(config, matches, control).await,
        "prices" => prices::run(config, matches, control).await,
        "usage" => usage_export::run(config, matches, control).await,
        "openapi" => openapi::run(),
        "secrets" => rotate::run(config, control).await,
        _ => Err(format!("there is no command {name}")),
    }
}
