//! All tests, with the PostgreSQL and Redis they need: found or installed, started for the run, stopped after it.

pub(crate) mod postgres;
pub(crate) mod redis;
pub(crate) mod tools;

use std::process::Command;

use crate::run::{Outcome, cargo, cargo_command, status};
use postgres::Postgres;
use tools::Tools;

/// The variable that chooses the databases of the black-box tests.
const BACKEND: &str = "TT_BLACKBOX_BACKEND";

/// Runs `cargo test`, on the whole workspace unless the arguments choose a package. Without arguments the black-box
/// tests run a second time, on two processes that share PostgreSQL and Redis.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let mut command = cargo_command(&["test"]);
    if !arguments.iter().any(|argument| argument == "-p" || argument.starts_with("--package")) {
        command.arg("--workspace");
    }
    command.args(arguments);
    with_servers(|servers| {
        let mut outcome = status(servers(&mut command));
        if arguments.is_empty() {
            // Of the whole workspace, so that nothing is built anew for another choice of features.
            println!("==> the black-box tests on two processes with PostgreSQL and Redis");
            let mut again = cargo_command(&["test", "--workspace", "--test", "blackbox"]);
            outcome = outcome.and(status(servers(again.env(BACKEND, "postgres"))));
        }
        outcome
    })
}

/// Runs `work` while the servers that tests need are running. `work` gets a function that tells a command their
/// addresses.
pub(crate) fn with_servers(work: impl FnOnce(&dyn Fn(&mut Command) -> &mut Command) -> Outcome) -> Outcome {
    let tools = Tools::find_or_install()?;
    let postgres = Postgres::start(&tools)?;
    let outcome = work(&|command| {
        // Tests start Redis servers of their own.
        command.env("TT_TEST_POSTGRES_URL", postgres.url()).env("TT_TEST_REDIS_SERVER", &tools.redis_server)
    });
    drop(postgres);
    outcome
}

/// Reports the tools that are there, installs the missing ones, and fetches the crates.
pub(crate) fn install() -> Outcome {
    let tools = Tools::find_or_install()?;
    println!("postgres      {}", tools.postgres.display());
    println!("initdb        {}", tools.initdb.display());
    println!("redis-server  {}", tools.redis_server.display());
    cargo(&["fetch", "--locked"])
}
