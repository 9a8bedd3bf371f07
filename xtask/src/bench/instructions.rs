//! `make bench ARGS=--instructions`: the number of instructions that TokenTracer executes for a request, as callgrind counts
//! them: on its workers, which is hardly changed by other work of the machine, so that two builds can be compared, and on
//! all its threads. The latter depends on the machine's speed, since rows cost less the more of them are stored together.
//!
//! The program runs under callgrind once. In every round it gets a short and a long run of each kind of request. The
//! difference between the two, divided by the difference in number, leaves out the cost of a run itself. The
//! instructions that the idle program executes are measured first and subtracted by time.

mod callgrind;
mod record;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::bed::Bed;
use super::binaries;
use super::shape::{OF_OTHER_APIS, Shape, counted};
use crate::run::Outcome;
use crate::test::tools::Tools;
use callgrind::{Counter, Counts};

const CONNECTIONS: usize = 1;

/// The requests of a short run; a long run has three times as many. Callgrind is slow: more would take many minutes.
const fn requests(shape: &Shape) -> u64 {
    match shape {
        Shape { stream: true, .. } => 50,
        Shape { bytes: 10_000.., .. } => 100,
        _ => 500,
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
    let program = options.binary.clone().unwrap_or_else(|| built.join("tokentracer"));
    let bed = Bed::under_callgrind(&built.join("tt-mock"), &program)?;
    let counter = Counter::new(&bed)?;
    counter.settle()?;
    let start = Instant::now();
    std::thread::sleep(IDLE);
    let idle = counter.take()?.per(start.elapsed().as_secs_f64());
    let found = options.measure(&counter, idle)?;

    println!("| request | workers | least | most | all threads | least | most |\n|---|---:|---:|---:|---:|---:|---:|");
    let mut medians = BTreeMap::new();
    for (shape, samples) in found {
        let [median, least, most] = spread(samples.iter().map(|counts| counts.workers));
        let [all, least_of_all, most_of_all] = spread(samples.iter().map(|counts| counts.all));
        println!(
            "| {} | {median:.0} | {least:.0} | {most:.0} | {all:.0} | {least_of_all:.0} | {most_of_all:.0} |",
            shape.name
        );
        #[expect(clippy::cast_possible_truncation, reason = "a number of instructions is far below 2^53")]
        let median = median.round() as u64;
        medians.insert(shape.name.to_owned(), median);
    }
    println!(
        "\n`{}`: instructions a request, medians of {} rounds, user space, {CONNECTIONS} connection; {:.0} a second on the \
         workers and {:.0} in all when nobody calls it, taken away.",
        program.display(),
        options.rounds,
        idle.workers,
        idle.all
    );
    match options.record {
        None => Ok(()),
        Some(Record::Write) => record::write(&medians),
        Some(Record::Check) => record::check(&medians),
    }
}

/// The median, the least and the greatest of some numbers.
fn spread(numbers: impl Iterator<Item = f64>) -> [f64; 3] {
    let mut sorted: Vec<f64> = numbers.collect();
    sorted.sort_by(f64::total_cmp);
    let at = |index: usize| sorted.get(index).copied().unwrap_or_default();
    [at(sorted.len() / 2), at(0), at(sorted.len().saturating_sub(1))]
}

impl Options {
    /// The instructions of each kind of request, in each round.
    fn measure(&self, counter: &Counter<'_>, idle: Counts) -> Result<Vec<(Shape, Vec<Counts>)>, String> {
        let shapes: Vec<Shape> = match self.record {
            Some(_) => counted().filter(|shape| RECORDED.contains(&shape.name)).collect(),
            None => counted().chain(OF_OTHER_APIS.into_iter().filter(|_| self.all)).collect(),
        };
        let mut found: Vec<_> = shapes.into_iter().map(|shape| (shape, Vec::new())).collect();
        for round in 1..=self.rounds {
            eprintln!("round {round} of {}", self.rounds);
            for (shape, samples) in &mut found {
                let requests = requests(shape);
                if round == 1 {
                    // The first requests of a kind fill pools and caches.
                    counter.load(*shape, CONNECTIONS, requests, idle)?;
                }
                let short = counter.load(*shape, CONNECTIONS, requests, idle)?;
                let long = counter.load(*shape, CONNECTIONS, 3 * requests, idle)?;
                samples.push((long - short).per((2 * requests) as f64));
            }
        }
        Ok(found)
    }

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

#[cfg(test)]
mod tests {
    use super::*;

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
