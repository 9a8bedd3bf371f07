//! `make bench ARGS=--growth`: the cost of a request with few users, aliases and stored rows, and with many. For each number
//! there is a TokenTracer of its own on a database that is filled before; all run at once, and each gets the same load in
//! turn, in every round.
//!
//! Requests come from all users of a database in turn, so that all of them are in use.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::bed::{self, Directory};
use super::binaries;
use super::measure::{WARM_UP_MS, sample};
use super::samples::Sample;
use super::table::median;
use crate::program::Program;
use crate::run::{Outcome, output, status};
use crate::test::postgres::Postgres;
use crate::test::redis::Redis;
use crate::test::tools::Tools;

const CONNECTIONS: &str = "64";
const MODEL: &str = "mock-bench";
const SECRET: &str = "the secret of a benchmark, which keeps nothing";

/// The fewest users whose first requests take long enough to be measured.
const MANY: usize = 1000;

/// The contents of a database.
#[derive(Debug, Clone, Copy)]
struct Size {
    users: usize,
    /// Of each user: a thousand at most.
    aliases: usize,
    /// Rows of the log that are there before; `None`: as many as the options say.
    rows: Option<u64>,
}

/// The comparisons: the first of each group with the others of it.
const GROUPS: [(&str, &[Size]); 3] = [
    ("users", &[size(1, 1), size(100, 1), size(10_000, 1)]),
    ("aliases of ten users", &[size(10, 1), size(10, 1000)]),
    ("rows", &[Size { rows: Some(10_000), ..size(1, 1) }, Size { rows: None, ..size(1, 1) }]),
];

const fn size(users: usize, aliases: usize) -> Size {
    Size { users, aliases, rows: Some(0) }
}

#[derive(Debug, PartialEq)]
struct Options {
    rounds: u64,
    millis: u64,
    /// The rows of the largest log.
    rows: u64,
    databases: bool,
}

/// A TokenTracer on one database, and what was measured there.
struct Place {
    group: &'static str,
    what: String,
    program: Program,
    senders: PathBuf,
    /// CPU time of the first request of each user, in microseconds, where they are many.
    first_us: Option<f64>,
    samples: Vec<Sample>,
}

/// Fills, measures and prints a Markdown table. `--rounds N`, `--millis N`; `--rows N` for a log of other than ten million
/// rows; `--databases` for PostgreSQL and Redis.
pub(super) fn run(arguments: &[String]) -> Outcome {
    let options = Options::parse(arguments)?;
    let built = binaries::build_with_examples(binaries::PROFILE)?;
    let servers = if options.databases {
        let tools = Tools::find_or_install()?;
        Some((Postgres::start(&tools)?, Redis::start(&tools)?, tools))
    } else {
        None
    };
    let directory = Directory::make()?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from).to_string();
    let mut mock = Command::new(built.join("tt-mock"));
    let upstream = Program::start(mock.args(["upstream", "--threads", &cores]))?;
    let mut places = Vec::new();
    for (group, size) in GROUPS.iter().flat_map(|(group, sizes)| sizes.iter().map(move |size| (*group, *size))) {
        let own = directory.path().join(places.len().to_string());
        std::fs::create_dir(&own).map_err(|error| format!("{}: {error}", own.display()))?;
        let mut settings = vec![("JWT_SECRET", SECRET.to_owned()), ("ENCRYPTION_KEY", SECRET.to_owned())];
        let url = match &servers {
            Some((postgres, redis, tools)) => {
                settings.push(("REDIS_URL", redis.url()));
                postgres.database(tools, &format!("growth{}", places.len()))?
            }
            None => format!("sqlite://{}", own.join("growth.db").display()),
        };
        settings.push(("DATABASE_URL", url));
        places.push(options.place(&built, group, size, &own, &settings, &upstream)?);
    }
    for round in 1..=options.rounds {
        eprintln!("round {round} of {}", options.rounds);
        for place in &mut places {
            let taken = place.measure(&built, options.millis)?;
            place.samples.push(taken);
        }
    }
    println!("{}", table(&places));
    println!(
        "\n{} rounds of {} ms each, profile `{}`, {}, {CONNECTIONS} connections, 300 B; medians of the rounds, ratios within a \
         round.",
        options.rounds,
        options.millis,
        binaries::PROFILE,
        if options.databases { "PostgreSQL and Redis" } else { "SQLite" },
    );
    Ok(())
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut options = Self { rounds: 7, millis: 1000, rows: 10_000_000, databases: false };
        let mut rest = arguments.iter();
        while let Some(name) = rest.next() {
            let mut number = || {
                let number = rest.next().and_then(|text| text.parse().ok()).filter(|number| *number > 0);
                number.ok_or_else(|| format!("{name} needs a number above 0"))
            };
            match name.as_str() {
                "--rounds" => options.rounds = number()?,
                "--millis" => options.millis = number()?,
                "--rows" => options.rows = number()?,
                "--databases" => options.databases = true,
                _ => return Err("--growth takes --rounds N, --millis N, --rows N and --databases".to_owned()),
            }
        }
        Ok(options)
    }

    /// Fills a database, starts TokenTracer on it, and makes the first request of each user.
    fn place(
        &self,
        built: &Path,
        group: &'static str,
        size: Size,
        own: &Path,
        settings: &[(&str, String)],
        upstream: &Program,
    ) -> Result<Place, String> {
        let rows = size.rows.unwrap_or(self.rows);
        let what = match group {
            "rows" => format!("{rows} rows"),
            _ => format!("{} users, {} aliases", size.users, size.users * size.aliases),
        };
        eprintln!("filling: {what}");
        let url = settings.iter().find(|(name, _)| *name == "DATABASE_URL").map_or("", |(_, url)| url);
        let [users, aliases] = [size.users, size.aliases].map(|number| number.to_string());
        let examples = built.join("examples");
        let mut fill = Command::new(examples.join("fill_users"));
        let lines = output(fill.env("ENCRYPTION_KEY", SECRET).args([url, &users, &aliases, MODEL]))?;
        let senders = own.join("senders");
        std::fs::write(&senders, lines).map_err(|error| format!("{}: {error}", senders.display()))?;
        if rows > 0 {
            let mut fill = Command::new(examples.join("usage_cost"));
            status(fill.args(["fill", &rows.to_string(), url]).stdout(Stdio::null()))?;
        }
        let log = own.join("log");
        let file = File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
        let mut command = Command::new(built.join("tokentracer"));
        command.env_clear().envs(settings.iter().map(|(name, value)| (name, value)));
        bed::serve(&mut command, &format!("http://{}", upstream.address()), &own.join("data"));
        // The rows are of a certain day, and however old they are by now, they stay.
        let program = Program::start(command.env("LOG_RETENTION_DAYS", "0").stderr(file))
            .map_err(|problem| format!("{problem}\n{}", std::fs::read_to_string(&log).unwrap_or_default()))?;
        let mut place = Place { group, what, program, senders, first_us: None, samples: Vec::new() };
        let everybody = size.users * size.aliases;
        let mut first = place.load(built);
        first.args(["--requests", &everybody.to_string(), "--warm-up", "0"]);
        let taken = sample(&mut first, Some(place.program.id()))?;
        place.first_us = taken.cpu_us.filter(|_| size.users >= MANY);
        Ok(place)
    }
}

impl Place {
    fn load(&self, built: &Path) -> Command {
        let mut load = Command::new(built.join("tt-mock"));
        let target = format!("http://{}", self.program.address());
        load.args(["load", "--target", &target, "--connections", CONNECTIONS, "--senders"]).arg(&self.senders);
        load
    }

    fn measure(&self, built: &Path, millis: u64) -> Result<Sample, String> {
        let mut load = self.load(built);
        load.args(["--duration", &millis.to_string(), "--warm-up", &WARM_UP_MS.to_string()]);
        sample(&mut load, Some(self.program.id())).map_err(|problem| format!("{}: {problem}", self.what))
    }
}

/// A row for each database, compared with the first of its group.
fn table(places: &[Place]) -> String {
    let mut table = "\
| | requests/s | CPU µs a request | requests/s ÷ first | CPU ÷ first | CPU µs of a user's first request |
|---|---:|---:|---:|---:|---:|"
        .to_owned();
    let shown = |value: Option<f64>, digits: usize| value.map_or_else(String::new, |value| format!("{value:.digits$}"));
    for place in places {
        let first = places.iter().find(|first| first.group == place.group);
        let first = first.map_or(&[][..], |first| first.samples.as_slice());
        let pairs = || place.samples.iter().zip(first);
        let rate = median(place.samples.iter().map(|sample| sample.per_second));
        let cpu = median(place.samples.iter().filter_map(|sample| sample.cpu_us));
        let rates = median(pairs().map(|(sample, first)| sample.per_second / first.per_second));
        let cpus = median(pairs().filter_map(|(sample, first)| Some(sample.cpu_us? / first.cpu_us?)));
        table.push_str(&format!(
            "\n| {}: {} | {} | {} | {} | {} | {} |",
            place.group,
            place.what,
            shown(rate, 0),
            shown(cpu, 1),
            shown(rates, 2),
            shown(cpus, 2),
            shown(place.first_us, 0)
        ));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_checked() {
        let parse = |arguments: &[&str]| {
            Options::parse(&arguments.iter().map(|argument| (*argument).to_owned()).collect::<Vec<_>>())
        };
        let options = parse(&["--rounds", "3", "--rows", "1000", "--databases"]).unwrap();
        assert_eq!(options, Options { rounds: 3, millis: 1000, rows: 1000, databases: true });
        assert!(parse(&["--rows", "0"]).is_err() && parse(&["--users"]).is_err());
    }

    #[test]
    fn no_user_has_more_aliases_than_one_may() {
        assert!(GROUPS.iter().flat_map(|(_, sizes)| sizes.iter()).all(|size| size.aliases <= 1000));
    }
}
