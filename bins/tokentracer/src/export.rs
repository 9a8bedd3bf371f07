//! `tokentracer usage export`: every request of the log in a line, for a spreadsheet or another program. It reads a page
//! after the other, so it takes no more memory for more rows, and may run beside a server.

use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, IsTerminal, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgMatches, Command};
use serde::Serialize;
use tokio::runtime::Handle;
use tt_core::query::{ExportQuery, ExportRow};
use tt_core::{Email, NanoUsd, Tags, Timestamp};
use tt_store::Store;

use crate::config::Config;
use crate::start::{explain, open_existing_store};

/// Rows read from the store at once.
const PAGE: u32 = 1000;

/// How often the terminal is told how far it is.
const TELL: Duration = Duration::from_millis(500);

/// The command and its own.
pub(crate) fn command() -> Command {
    let time = |name, help| Arg::new(name).long(name).value_name("TIME").help(help);
    let export = Command::new("export")
        .about("Print every request in a line, oldest first")
        .arg(
            Arg::new("format")
                .long("format")
                .value_name("FORMAT")
                .value_parser(PossibleValuesParser::new(["csv", "jsonl"]))
                .default_value("csv")
                .help("csv, with a line of names first, or jsonl, an object a line"),
        )
        .arg(time("from", "Requests from then on: RFC 3339, or a date in UTC [default: the first]"))
        .arg(time("to", "Requests before then [default: the last]"))
        .arg(Arg::new("user").long("user").value_name("EMAIL").help("Whose requests [default: everybody's]"))
        .arg(Arg::new("output").long("output").value_name("FILE").help("Where to [default: standard output]"));
    Command::new("usage").about("What was used").subcommand_required(true).subcommand(export)
}

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Csv,
    Jsonl,
}

/// Why it ends early.
enum Stop {
    /// Nobody reads on, which is their affair.
    NotRead,
    /// A line for the user.
    Failed(String),
}

/// Exports what `matches` says. Errors are one line each.
pub(crate) async fn run(config: &Config, matches: &ArgMatches, control: &Handle) -> Result<(), String> {
    let Some(("export", matches)) = matches.subcommand() else { return Err("usage: name what to do".to_owned()) };
    let text = |name: &str| matches.get_one::<String>(name).map(String::as_str);
    let format = if text("format") == Some("jsonl") { Format::Jsonl } else { Format::Csv };
    let time = |name: &'static str, default| {
        let flag = |invalid: tt_core::Invalid| format!("--{invalid}");
        text(name).map_or(Ok(Timestamp::from_millis(default)), |text| Timestamp::parse(name, text).map_err(flag))
    };
    let (from, to) = (time("from", 0)?, time("to", i64::MAX)?);
    let email = text("user").map(Email::parse).transpose().map_err(|invalid| format!("--user: {}", invalid.reason))?;
    let store = open_existing_store(config, control).await?;
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
    let sink: Box<dyn Write + Send> = match output {
        Some(path) => Box::new(File::create(path).map_err(|error| format!("{name}: {error}"))?),
        None => Box::new(io::stdout()),
    };
    let done = export(&store, query, format, BufWriter::with_capacity(1 << 16, sink), &name).await;
    store.close();
    match done {
        Ok(()) | Err(Stop::NotRead) => Ok(()),
        Err(Stop::Failed(line)) => Err(line),
    }
}

async fn export(
    store: &Store,
    mut query: ExportQuery,
    format: Format,
    mut out: impl Write,
    name: &str,
) -> Result<(), Stop> {
    let written = |result: io::Result<()>| match result {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Stop::NotRead),
        result => result.map_err(|error| Stop::Failed(format!("{name}: {error}"))),
    };
    let mut progress = Progress::new();
    if format == Format::Csv {
        written(out.write_all(head().as_bytes()))?;
    }
    loop {
        let page = store.export(query).await.map_err(|error| Stop::Failed(explain(&error)))?;
        let Some(last) = page.last() else { break };
        let last = &last.row;
        query.after = Some((last.created_at, last.request_id));
        for row in &page {
            let line = Line::of(row);
            let text = match format {
                Format::Csv => line.csv(),
                Format::Jsonl => line.json().map_err(|error| Stop::Failed(format!("a row as JSON: {error}")))?,
            };
            written(out.write_all(text.as_bytes()))?;
        }
        progress.tell(page.len(), last.created_at);
        if page.len() < PAGE as usize {
            break;
        }
    }
    written(out.flush())?;
    progress.end();
    Ok(())
}

/// A line on the terminal that is written over again and again; nothing where standard error is none.
struct Progress {
    terminal: bool,
    rows: usize,
    told: Instant,
}

impl Progress {
    fn new() -> Self {
        Self { terminal: io::stderr().is_terminal(), rows: 0, told: Instant::now() }
    }

    fn tell(&mut self, rows: usize, at: Timestamp) {
        self.rows += rows;
        if self.terminal && self.told.elapsed() >= TELL {
            self.told = Instant::now();
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
        // The export goes on where nobody can be told of it.
        let _unheard = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
    }
}

/// A request as it is exported: the row of the log by its names there. Money is an exact decimal.
#[derive(Serialize)]
struct Line<'a> {
    request_id: String,
    created_at: String,
    user_id: i64,
    user: Option<&'a str>,
    api_key_id: Option<i64>,
    alias: &'a str,
    route: Option<&'static str>,
    provider: Option<&'static str>,
    model: Option<&'a str>,
    stream: bool,
    status: Option<u16>,
    outcome: &'static str,
    input_tokens: u64,
    cached_input_tokens: u64,
    cache_write_tokens: u64,
    output_tokens: u64,
    reasoning_tokens: u64,
    usage_source: &'static str,
    cost_usd: Option<NanoUsd>,
    unpriced: bool,
    saved_usd: NanoUsd,
    latency_ms: u64,
    first_token_ms: Option<u64>,
    attempts: u32,
    error: Option<&'a str>,
    tags: &'a Tags,
    dialect: &'static str,
    client: Option<&'a str>,
    session: Option<&'a str>,
    agent: Option<&'a str>,
    trace_id: Option<&'a str>,
}

impl<'a> Line<'a> {
    fn of(export: &'a ExportRow) -> Self {
        let row = &export.row;
        Self {
            request_id: row.request_id.to_string(),
            created_at: row.created_at.rfc3339(),
            user_id: export.user_id.0,
            user: export.email.as_deref(),
            api_key_id: row.api_key_id.map(|id| id.0),
            alias: &row.alias,
            route: row.route.map(|route| route.as_str()),
            provider: row.provider.map(|provider| provider.as_str()),
            model: row.model.as_deref(),
            stream: row.stream,
            status: row.status,
            outcome: row.outcome.as_str(),
            input_tokens: row.usage.total_input(),
            cached_input_tokens: row.usage.cache_read,
            cache_write_tokens: row.usage.cache_write(),
            output_tokens: row.usage.output,
            reasoning_tokens: row.usage.reasoning.unwrap_or(0),
            usage_source: row.source.as_str(),
            cost_usd: row.cost,
            unpriced: export.unpriced,
            saved_usd: row.saved,
            latency_ms: row.latency_ms,
            first_token_ms: row.first_token_ms,
            attempts: row.attempts,
            error: row.error.as_deref(),
            tags: &row.tags,
            dialect: row.dialect.as_str(),
            client: row.client.as_deref(),
            session: row.session.as_deref(),
            agent: row.agent.as_deref(),
            trace_id: row.trace_id.as_deref(),
        }
    }

    fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string(self).map(|text| text + "\n")
    }

    fn csv(&self) -> String {
        fn shown(value: Option<impl ToString>) -> String {
            value.map(|value| value.to_string()).unwrap_or_default()
        }
        // An object of strings, which always has its JSON.
        let tags = serde_json::to_string(self.tags).unwrap_or_default();
        let cells = [
            self.request_id.clone(),
            self.created_at.clone(),
            self.user_id.to_string(),
            cell(self.user.unwrap_or_default()),
            shown(self.api_key_id),
            cell(self.alias),
            shown(self.route),
            shown(self.provider),
            cell(self.model.unwrap_or_default()),
            self.stream.to_string(),
            shown(self.status),
            self.outcome.to_owned(),
            self.input_tokens.to_string(),
            self.cached_input_tokens.to_string(),
            self.cache_write_tokens.to_string(),
            self.output_tokens.to_string(),
            self.reasoning_tokens.to_string(),
            self.usage_source.to_owned(),
            shown(self.cost_usd),
            self.unpriced.to_string(),
            self.saved_usd.to_string(),
            self.latency_ms.to_string(),
            shown(self.first_token_ms),
            self.attempts.to_string(),
            cell(self.error.unwrap_or_default()),
            cell(&tags),
            self.dialect.to_owned(),
            cell(self.client.unwrap_or_default()),
            cell(self.session.unwrap_or_default()),
            cell(self.agent.unwrap_or_default()),
            cell(self.trace_id.unwrap_or_default()),
        ];
        cells.join(",") + "\r\n"
    }
}

/// The first line of a CSV: the fields of [`Line`], in its order.
const NAMES: [&str; 31] = [
    "request_id",
    "created_at",
    "user_id",
    "user",
    "api_key_id",
    "alias",
    "route",
    "provider",
    "model",
    "stream",
    "status",
    "outcome",
    "input_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "usage_source",
    "cost_usd",
    "unpriced",
    "saved_usd",
    "latency_ms",
    "first_token_ms",
    "attempts",
    "error",
    "tags",
    "dialect",
    "client",
    "session",
    "agent",
    "trace_id",
];

fn head() -> String {
    NAMES.join(",") + "\r\n"
}

/// RFC 4180 quoting; a text that a spreadsheet would run as a formula is kept from that.
fn cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let guarded = if formula { format!("'{text}") } else { text.to_owned() };
    if guarded.contains([',', '"', '\r', '\n']) { format!("\"{}\"", guarded.replace('"', "\"\"")) } else { guarded }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_never_formulas() {
        assert_eq!(cell("a,b"), "\"a,b\"");
        assert_eq!(cell("say \"x\"\n"), "\"say \"\"x\"\"\n\"");
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)"] {
            assert_eq!(cell(formula), format!("'{formula}"));
        }
    }
}
