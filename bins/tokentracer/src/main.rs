//! The program: reads the settings, wires the crates together, and handles signals. Requests are the work of
//! the other crates.

mod allocator;
mod cli;
mod commands;
mod config;
mod data_dir;
mod logging;
mod low_priority;
mod open_files;
mod otel;
mod prices;
mod secrets;
mod serve;
mod settings;
mod store;
mod wire;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::ArgMatches;

use config::Config;
use wire::Runtimes;

/// The exit code of a command, or of a server, that failed.
const FAILED: u8 = 1;
/// The exit code where a setting is bad. `clap` ends with the same code where it refuses the command line.
const BAD_SETTINGS: u8 = 2;

fn main() -> ExitCode {
    allocator::give_memory_back_soon();
    let matches = cli::command_line().get_matches();
    // These describe the program, and need none of its settings.
    let described = match matches.subcommand() {
        Some(("man", matches)) => Some(commands::manual::man(cli::command_line(), matches)),
        Some(("completions", matches)) => Some(commands::manual::completions(cli::command_line(), matches)),
        _ => None,
    };
    match described {
        Some(Ok(())) => return ExitCode::SUCCESS,
        Some(Err(error)) => {
            complain(&[error]);
            return ExitCode::from(FAILED);
        }
        None => {}
    }
    let serves = matches!(matches.subcommand_name(), None | Some("serve"));
    let config = match Config::load(&cli::lookup(&matches), serves) {
        Ok(config) => config,
        Err(faults) => {
            complain(&faults);
            return ExitCode::from(BAD_SETTINGS);
        }
    };
    let log = match logging::start(&config.log) {
        Ok(log) => log,
        Err(error) => {
            complain(&[no_threads(&error)]);
            return ExitCode::from(FAILED);
        }
    };
    match run(config, &matches) {
        Ok(()) => {
            log.finish(&[]);
            ExitCode::SUCCESS
        }
        Err(error) => {
            log.finish(&[error]);
            ExitCode::from(FAILED)
        }
    }
}

/// Writes lines to standard error before there is a log.
fn complain(lines: &[String]) {
    let mut stderr = std::io::stderr().lock();
    for line in lines {
        // An error here is ignored: there is no other place to report it to.
        let _ignored = writeln!(stderr, "tokentracer: {line}");
    }
}

fn no_threads(error: &std::io::Error) -> String {
    format!("cannot start threads: {error}")
}

/// Runs the command in `matches`. Errors are one line each.
fn run(config: Config, matches: &ArgMatches) -> Result<(), String> {
    // TLS to providers, PostgreSQL and Redis uses the default provider of the process.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        tracing::debug!("a TLS provider was installed before");
    }
    let control = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("control")
        .enable_all()
        .build()
        .map_err(|error| no_threads(&error))?;
    let result = match matches.subcommand() {
        None | Some(("serve", _)) => {
            let low_priority = low_priority::runtime().map_err(|error| no_threads(&error))?;
            let runtimes = Runtimes { control: control.handle(), low_priority: low_priority.handle() };
            control.block_on(serve::serve(config, runtimes))
        }
        Some((name, matches)) => control.block_on(commands::run(name, &config, matches, control.handle())),
    };
    // Password hashes and token counts may still run. Nobody waits for their results any more.
    control.shutdown_timeout(Duration::from_secs(1));
    result
}
