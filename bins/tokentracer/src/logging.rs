//! The program's log: lines on standard error, since standard output carries the answers of commands.

mod one_line;
mod queue;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, IsTerminal, Write};
use std::panic::{self, PanicHookInfo};
use std::thread;
use std::time::Duration;

use tracing_subscriber::EnvFilter;

use crate::config::{LogConfig, LogFormat};
use one_line::OneLine;
use queue::Queue;

/// The longest time that the end of the program waits for its last lines to be written, and that a panic waits for its
/// own. An output that nobody reads takes none.
const LAST_LINES: Duration = Duration::from_secs(1);
const PANIC_LINE: Duration = Duration::from_millis(100);

/// The log of the process.
pub(crate) struct Log(Queue);

/// Starts logging, and the log of panics. Only the first call of a process has an effect.
///
/// # Errors
/// When the system has no thread.
pub(crate) fn start(config: &LogConfig) -> io::Result<Log> {
    let queue = Queue::start(io::stderr(), |lost| {
        tracing::error!(lost, "log lines were lost, because standard error did not take them in time");
    })?;
    let (writer, panics) = (queue.clone(), queue.clone());
    let lines = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(&config.filter))
        .with_ansi(io::stderr().is_terminal())
        .with_writer(move || OneLine(writer.clone()));
    let started = match config.format {
        LogFormat::Pretty => lines.try_init(),
        LogFormat::Json => lines.json().try_init(),
    };
    if started.is_err() {
        tracing::debug!("logging was started before");
    }
    // The standard hook writes to standard error on the thread that panicked, which may be a worker.
    panic::set_hook(Box::new(move |info| {
        panics.push(panic_line(info).as_bytes());
        panics.flush(PANIC_LINE);
    }));
    Ok(Log(queue))
}

/// The text of the standard hook, on one line.
fn panic_line(info: &PanicHookInfo<'_>) -> String {
    let thread = thread::current();
    let mut text = format!("thread '{}' {info}", thread.name().unwrap_or("<unnamed>"));
    let trace = Backtrace::capture();
    if trace.status() == BacktraceStatus::Captured {
        text.push_str(&format!("\n{trace}"));
    }
    let mut line = Vec::new();
    // A vector takes every write.
    let _written = OneLine(&mut line).write_all(format!("{text}\n").as_bytes());
    String::from_utf8_lossy(&line).into_owned()
}

impl Log {
    /// Adds lines about the end of the program, and waits until all lines are written, a second at the longest.
    pub(crate) fn finish(&self, last: &[String]) {
        for line in last {
            self.0.push(format!("tokentracer: {line}\n").as_bytes());
        }
        self.0.flush(LAST_LINES);
    }
}
