//! `tokentracer usage export`: prints the request log, a line for each request, for a spreadsheet or another program.
//! It reads the log page by page, so its memory does not grow with the log, and it may run beside a server.

mod line;

use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, IsTerminal, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgMatches, Command};
use tokio::runtime::Handle;
use tt_core::query::ExportQuery;
use tt_core::{Email, Timestamp};
use tt_store::Store;

use crate::config::Config;
use crate::store::{explain, open_existing};
use line::{Line, NAMES};

/// The number of rows that are read from the store at once.
const PAGE: u32 = 1000;

/// The number of bytes that are collected before they are written.
const BUFFER: usize = 1 << 16;

/// The time after which the progress on the terminal is renewed.
const PROGRESS_EVERY: Duration = Duration::from_millis(500);

/// The command line.
pub(crate) fn command() -> Command {
    let time = |name, help| Arg::new(name).long(name).value_name("TIME").help(help);
    let export = Command::new("export")
        .about("Print a line for each request, oldest first")
        .arg(
            Arg::new("format")
                .long("format")
                .value_name("FORMAT")
                .value_parser(PossibleValuesParser::new(["csv", "jsonl"]))
                .default_value("csv")
                .help("csv, which begins with a line of names, or jsonl, an object on each line"),
        )
        .arg(time("from", "Requests from then on: RFC 3339, or a date in UTC [default: the first]"))
        .arg(time("to", "Requests before then [default: the last]"))
        .arg(Arg::new("user").long("user").value_name("EMAIL").help("Whose requests [default: everybody's]"))
        .arg(Arg::new("output").long("output").value_name("FILE").help("Where to [default: standard output]"));
    Command::new("usage").about("Export the request log").subcommand_required(true).subcommand(export)
}

/// The reason why an export ends early.
enum Stop {
    /// The reader has closed the pipe, as `head` does. This is no error.
    NotRead,
    /// A line for the user.
    Failed(String),
}

/// Exports as the flags in `matches` say. Errors are one line each.
pub(crate) async fn run(config: &Config, matches: &ArgMatches, control: &Handle) -> Result<(), String> {
    let Some(("export", matches)) = matches.subcommand() else {
        return Err("usage: a subcommand is missing".to_owned());
    };
    let text = |name: &str| matches.get_one::<String>(name).map(String::as_str);
    let time = |name: &'static str, default| {
        let flag = |invalid: tt_core::Invalid| format!("--{invalid}");
        text(name).map_or(Ok(Timestamp::from_millis(default)), |text| Timestamp::parse(name, text).map_err(flag))
    };
    let (from, to) = (time("from", 0)?, time("to", i64::MAX)?);
    let email = text("user").map(Email::parse).transpose().map_err(|invalid| format!("--user: {}", invalid.reason))?;
    let store = open_existing(config, control).await?;
    let user = match email {
        None => None,
        Some(email) => {
            let found = store.user_by_email(email.clone()).await.map_err(|error| explain(&error))?;
            Some(found.ok_or_else(|| format!("there is no user {email}"))?.id)
        }
    };
    let query = ExportQuery { user, after: None, from, to, limit: PAGE };
    let output = text("output").map(Path::new);
    let name = output.map_or_else(|| "standard output".to_owned(), |path| path.display().to_string());
    let target: Box<dyn Write + Send> = match output {
        Some(path) => Box::new(File::create(path).map_err(|error| format!("{name}: {error}"))?),
        None => Box::new(io::stdout()),
    };
    let writer = if text("format") == Some("jsonl") { Writer::jsonl(target) } else { Writer::csv(target) };
    let done = export(&store, query, writer, &name).await;
    store.close();
    match done {
        Ok(()) | Err(Stop::NotRead) => Ok(()),
        Err(Stop::Failed(line)) => Err(line),
    }
}

async fn export(store: &Store, mut query: ExportQuery, mut writer: Writer, name: &str) -> Result<(), Stop> {
    let written = |result: io::Result<()>| match result {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Stop::NotRead),
        result => result.map_err(|error| Stop::Failed(format!("{name}: {error}"))),
    };
    let mut progress = Progress::new();
    written(writer.head())?;
    loop {
        let page = store.export(query).await.map_err(|error| Stop::Failed(explain(&error)))?;
        let Some(last) = page.last() else { break };
        let last = &last.row;
        query.after = Some((last.created_at, last.request_id));
        for row in &page {
            written(writer.line(&Line::of(row)))?;
        }
        progress.add(page.len(), last.created_at);
        if page.len() < PAGE as usize {
            break;
        }
    }
    written(writer.flush())?;
    progress.end();
    Ok(())
}

/// Writes lines in one of the formats.
enum Writer {
    /// Records as RFC 4180 has them, the first of names.
    Csv(Box<csv::Writer<Box<dyn Write + Send>>>),
    /// An object on each line.
    Jsonl(BufWriter<Box<dyn Write + Send>>),
}

impl Writer {
    fn csv(target: Box<dyn Write + Send>) -> Self {
        let mut builder = csv::WriterBuilder::new();
        builder.terminator(csv::Terminator::CRLF).buffer_capacity(BUFFER);
        Self::Csv(Box::new(builder.from_writer(target)))
    }

    fn jsonl(target: Box<dyn Write + Send>) -> Self {
        Self::Jsonl(BufWriter::with_capacity(BUFFER, target))
    }

    fn head(&mut self) -> io::Result<()> {
        match self {
            Self::Csv(csv) => csv.write_record(NAMES).map_err(io_error),
            Self::Jsonl(_) => Ok(()),
        }
    }

    fn line(&mut self, line: &Line<'_>) -> io::Result<()> {
        match self {
            Self::Csv(csv) => csv.write_record(line.cells().iter().map(|cell| cell.as_bytes())).map_err(io_error),
            Self::Jsonl(out) => {
                serde_json::to_writer(&mut *out, line)?;
                out.write_all(b"\n")
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Csv(csv) => csv.flush(),
            Self::Jsonl(out) => out.flush(),
        }
    }
}

/// The error of the file below, so that a closed pipe can be told from other errors.
fn io_error(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

/// One line on the terminal that is overwritten as the export goes on. It writes nothing where standard error is not a
/// terminal.
struct Progress {
    terminal: bool,
    rows: usize,
    shown: Instant,
}

impl Progress {
    fn new() -> Self {
        Self { terminal: io::stderr().is_terminal(), rows: 0, shown: Instant::now() }
    }

    fn add(&mut self, rows: usize, at: Timestamp) {
        self.rows += rows;
        if self.terminal && self.shown.elapsed() >= PROGRESS_EVERY {
            self.shown = Instant::now();
            self.write(&format!("\r{} requests, up to {}", self.rows, at.rfc3339()));
        }
    }

    fn end(&self) {
        if self.terminal {
            self.write(&format!("\r{} requests{:40}\n", self.rows, ""));
        }
    }

    fn write(&self, text: &str) {
        let mut stderr = io::stderr().lock();
        // The export goes on where its progress cannot be shown.
        let _ignored = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
    }
}
