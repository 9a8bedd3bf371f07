//! `make bench ARGS=--instructions`: the number of instructions that TokenTracer executes for a request, over all its
//! threads, as callgrind counts them. They depend little on other work of the machine, so that two builds can be
//! compared.
//!
//! The program runs under callgrind once. In every round it gets a short and a long run of each kind of request. The
//! difference between the two, divided by the difference in number, leaves out the cost of a run itself. The
//! instructions that the idle program executes are measured first and subtracted by time.

mod record;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use super::bed::{Bed, Target};
use super::binaries;
use super::cpu;
use super::shape::{OF_OTHER_APIS, Shape, counted};
use crate::run::{Outcome, output};
use crate::test::tools::Tools;

const CONNECTIONS: usize = 1;

/// The requests of a short run; a long run has three times as many. Callgrind is slow: more would take many minutes.
const fn requests(shape: &Shape) -> u64 {
    match shape {
        Shape { stream: true, .. } => 100,
        Shape { bytes: 10_000.., .. } => 300,
        _ => 2000,
    }
}

/// The time for which the program is left idle, to count the instructions it executes by itself.
const IDLE: Duration = Duration::from_secs(10);

/// The options of the command line.
#[derive(Debug)]
struct Options {
    /// A program to measure instead of building one, for example of another version.
    binary: Option<PathBuf>,
    rounds: u64,
    /// True to measure the requests of other clients, and to other providers, too.
    all: bool,
    record: Option<Record>,
}

/// The use of the recorded numbers of instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Record {
    Write,
    Check,
}

/// The requests whose instructions are recorded.
const RECORDED: [&str; 2] = ["300 B", "200 chunks"];

/// Builds, measures and prints a Markdown table. `--binary PATH` measures that program instead of this tree's; load and
/// mock are always this tree's. `--rounds N` says how often. `--all` measures requests of every API, and translated ones.
/// `--write` records the numbers of two requests, and `--check` fails if one has become greater than recorded.
pub(super) fn run(arguments: &[String]) -> Outcome {
    let options = Options::parse(arguments)?;
    match (Tools::valgrind(), options.record) {
        (Err(problem), Some(Record::Check)) => {
            println!("skipped: {problem}");
            return Ok(());
        }
        (found, _) => found?,
    }
    // Both at once even where only the mock is needed: alone it would be built with fewer features, and anew.
    let built = binaries::build(binaries::PROFILE)?;
    let program = options.binary.unwrap_or_else(|| built.join("tokentracer"));
    let bed = Bed::under_callgrind(&built, &program)?;
    let target = bed.tokentracer().ok_or("TokenTracer is not among the targets")?;
    let counter = Counter { bed: &bed, target, process: target.process().ok_or("TokenTracer has no process")? };
    cpu::spent_when_quiet(counter.process);
    counter.take()?;
    let start = Instant::now();
    std::thread::sleep(IDLE);
    let idle = counter.take()? as f64 / start.elapsed().as_secs_f64();

    let shapes: Vec<Shape> = match options.record {
        Some(_) => counted().filter(|shape| RECORDED.contains(&shape.name)).collect(),
        None => counted().chain(OF_OTHER_APIS.into_iter().filter(|_| options.all)).collect(),
    };
    let mut found: Vec<_> = shapes.into_iter().map(|shape| (shape, Vec::new())).collect();
    for round in 1..=options.rounds {
        eprintln!("round {round} of {}", options.rounds);
        for (shape, samples) in &mut found {
            let requests = requests(shape);
            if round == 1 {
                // The first requests of a kind fill pools and caches.
                counter.load(*shape, requests, idle)?;
            }
            let short = counter.load(*shape, requests, idle)?;
            let long = counter.load(*shape, 3 * requests, idle)?;
            samples.push((long - short) / (2 * requests) as f64);
        }
    }
    println!("| request | instructions a request | least | most |\n|---|---:|---:|---:|");
    let mut medians = BTreeMap::new();
    for (shape, mut samples) in found {
        samples.sort_by(f64::total_cmp);
        let at = |index: usize| samples.get(index).copied().unwrap_or_default();
        println!("| {} | {:.0} | {:.0} | {:.0} |", shape.name, at(samples.len() / 2), at(0), at(samples.len() - 1));
        #[expect(clippy::cast_possible_truncation, reason = "a number of instructions is far below 2^53")]
        let median = at(samples.len() / 2).round() as u64;
        medians.insert(shape.name.to_owned(), median);
    }
    println!(
        "\n`{}`: medians of {} rounds, all threads, user space, {CONNECTIONS} connection; {idle:.0} a second when nobody \
         calls it, taken away.",
        program.display(),
        options.rounds
    );
    match options.record {
        None => Ok(()),
        Some(Record::Write) => record::write(&medians),
        Some(Record::Check) => record::check(&medians),
    }
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut options = Self { binary: None, rounds: 5, all: false, record: None };
        let mut rest = arguments.iter();
        while let Some(name) = rest.next() {
            match name.as_str() {
                "--all" => options.all = true,
                "--check" => options.record = Some(Record::Check),
                "--write" => options.record = Some(Record::Write),
                _ => options.valued(name, rest.next())?,
            }
        }
        Ok(options)
    }

    fn valued(&mut self, name: &str, value: Option<&String>) -> Outcome {
        match (name, value) {
            ("--binary", Some(path)) => self.binary = Some(PathBuf::from(path)),
            ("--rounds", Some(text)) => {
                let rounds = text.parse().ok().filter(|rounds| *rounds > 0);
                self.rounds = rounds.ok_or("--rounds needs a number above 0")?;
            }
            _ => return Err("--instructions takes --binary PATH, --rounds N, --all, --check and --write".to_owned()),
        }
        Ok(())
    }
}

/// A program under callgrind.
struct Counter<'a> {
    bed: &'a Bed,
    target: &'a Target,
    process: u32,
}

impl Counter<'_> {
    /// Sends so many requests and returns the instructions executed for them, those of an idle program taken away.
    fn load(&self, shape: Shape, requests: u64, idle: f64) -> Result<f64, String> {
        let start = Instant::now();
        let mut load = self.bed.load(self.target, shape, CONNECTIONS);
        output(load.args(["--requests", &requests.to_string(), "--warm-up", "0"]))
            .map_err(|problem| format!("{problem}\n{}", self.bed.log_tail()))?;
        // Rows are on their way to the database.
        cpu::spent_when_quiet(self.process);
        Ok(self.take()? as f64 - idle * start.elapsed().as_secs_f64())
    }

    /// The instructions executed since this was last called.
    fn take(&self) -> Result<u64, String> {
        let before = self.dumps()?;
        let prefix = format!("--vgdb-prefix={}", self.bed.callgrind_directory().join("vgdb").display());
        let mut dump = Command::new("vgdb");
        dump.args([&prefix, &format!("--pid={}", self.process), "dump"]);
        let asked = dump.output().map_err(|error| format!("vgdb, which comes with valgrind: {error}"))?;
        if !asked.status.success() {
            return Err(format!("vgdb: {}", String::from_utf8_lossy(&asked.stderr)));
        }
        let new = self.dumps()?.into_iter().find(|path| !before.contains(path));
        let path = new.ok_or("callgrind wrote no counts")?;
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        total(&text).ok_or_else(|| format!("{}: it has no total", path.display()))
    }

    fn dumps(&self) -> Result<Vec<PathBuf>, String> {
        let directory = self.bed.callgrind_directory();
        let entries = std::fs::read_dir(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
        let paths = entries.filter_map(Result::ok).map(|entry| entry.path());
        Ok(paths
            .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("out.")))
            .collect())
    }
}

/// The sum of a dump, which stands in its line `totals: N`, or in old versions in `summary: N`.
fn total(dump: &str) -> Option<u64> {
    let of = |name: &str| dump.lines().rev().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    of("totals:").or_else(|| of("summary:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_of_a_dump_is_found() {
        assert_eq!(total("events: Ir\nsummary: 41\nfn=(1)\n3 4\ntotals: 42\n"), Some(42));
        assert_eq!(total("events: Ir\nsummary: 41\n"), Some(41));
        assert_eq!(total("fn=(1)\n3 4\n"), None);
    }

    #[test]
    fn another_program_and_the_rounds_can_be_named() {
        let parse = |arguments: &[&str]| {
            Options::parse(&arguments.iter().map(|argument| (*argument).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(parse(&[]).unwrap().binary, None);
        let options = parse(&["--all", "--binary", "a/b", "--rounds", "3"]).unwrap();
        assert_eq!((options.binary, options.rounds, options.all), (Some(PathBuf::from("a/b")), 3, true));
        assert!(parse(&["--rounds", "0"]).is_err());
        assert!(parse(&["--binary"]).is_err());
    }
}
