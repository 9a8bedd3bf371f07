//! The program's log: lines on standard error, since standard output carries the answers of commands.

mod one_line;

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use crate::config::{LogConfig, LogFormat};
use one_line::OneLine;

/// Starts logging. Only the first call of a process has an effect.
pub(crate) fn start(config: &LogConfig) {
    let filter = EnvFilter::new(&config.filter);
    let colours = io::stderr().is_terminal();
    let lines =
        tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(|| OneLine(io::stderr()));
    let started = match config.format {
        LogFormat::Pretty => lines.try_init(),
        LogFormat::Json => lines.json().try_init(),
    };
    if started.is_err() {
        tracing::debug!("logging was started before");
    }
}
