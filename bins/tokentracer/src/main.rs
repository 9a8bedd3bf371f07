//! The binary: reads settings, wires the crates, handles signals; nothing else.

use std::io::Write;
use std::process::ExitCode;

use clap::ArgMatches;

mod commands;
mod config;
mod logging;
mod secrets;
mod serve;
mod wire;

use config::Config;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Bad settings, or a command that failed.
const FAILED: u8 = 1;
const BAD_SETTINGS: u8 = 2;

fn main() -> ExitCode {
    let matches = config::command().get_matches();
    match run(&matches) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Settings(faults)) => {
            complain(&faults);
            ExitCode::from(BAD_SETTINGS)
        }
        Err(Failure::Start(error)) => {
            complain(&[error]);
            ExitCode::from(FAILED)
        }
    }
}

/// Why the program stops early.
enum Failure {
    /// A line for each bad setting.
    Settings(Vec<String>),
    /// One line.
    Start(String),
}

fn complain(lines: &[String]) {
    let mut stderr = std::io::stderr().lock();
    for line in lines {
        // Nobody is left to tell when this fails.
        let _unheard = writeln!(stderr, "tokentracer: {line}");
    }
}

fn run(matches: &ArgMatches) -> Result<(), Failure> {
    let config = Config::load(&config::lookup(matches)).map_err(Failure::Settings)?;
    wire::logging(&config);
    // TLS to providers, PostgreSQL and Redis takes the process's provider.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        tracing::debug!("a TLS provider was installed before");
    }
    let control = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("control")
        .enable_all()
        .build()
        .map_err(|error| Failure::Start(format!("cannot start threads: {error}")))?;
    let result = match matches.subcommand() {
        Some(("migrate", _)) => control.block_on(wire::migrate(&config, control.handle())),
        Some(("healthcheck", _)) => control.block_on(commands::healthcheck::ask(&config)),
        Some(("users", matches)) => control.block_on(commands::users::run(&config, matches, control.handle())),
        Some(("budgets", matches)) => control.block_on(commands::budgets::run(&config, matches, control.handle())),
        Some(("usage", matches)) => control.block_on(commands::usage_export::run(&config, matches, control.handle())),
        Some(("secrets", _)) => control.block_on(commands::rotate::run(&config, control.handle())),
        _ => control.block_on(serve::serve(config, control.handle())),
    };
    // Password hashes and counts that still run are nobody's any more.
    control.shutdown_timeout(std::time::Duration::from_secs(1));
    result.map_err(Failure::Start)
}
