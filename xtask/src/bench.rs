//! `make bench`: measures the time that TokenTracer adds to a request, beside a bare proxy that only passes requests
//! on, and the mock upstream itself. All three are processes, as is the load on them, and all are measured in turn in
//! every round of one run, so that other work of the machine meets them alike.

mod bed;
mod binaries;
mod cpu;
mod instructions;
mod samples;
mod shape;
mod table;

use serde_json::Value;

use crate::run::{Outcome, output};
use bed::Bed;
use samples::{Sample, Series, TARGETS};
use shape::{SHAPES, Shape};

const CONNECTIONS: [usize; 2] = [1, 64];

/// The time at the start of each measurement that is not counted, in milliseconds.
const WARM_UP_MS: u64 = 200;

#[derive(Debug)]
struct Options {
    profile: &'static str,
    rounds: u64,
    millis: u64,
}

/// Builds, measures and prints a Markdown table. `--release` takes the profile that ships, whose link takes minutes;
/// `--rounds N` and `--millis N` say how often and how long. `--instructions` counts instructions instead.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    if let Some((first, rest)) = arguments.split_first()
        && first == "--instructions"
    {
        return instructions::run(rest);
    }
    let options = Options::parse(arguments)?;
    let bed = Bed::start(&binaries::build(options.profile)?)?;
    let idle = cpu::resident_kib(bed.targets[2].id());
    let mut all: Vec<Series> = SHAPES
        .into_iter()
        .flat_map(|shape| CONNECTIONS.map(|connections| Series { shape, connections, rounds: Default::default() }))
        .collect();
    for round in 1..=options.rounds {
        eprintln!("round {round} of {}", options.rounds);
        for series in &mut all {
            for (target, samples) in series.rounds.iter_mut().enumerate() {
                let sample = measure(&bed, target, series.shape, series.connections, options.millis);
                samples.push(sample.map_err(|problem| format!("{}: {problem}", name(target)))?);
            }
        }
    }
    println!("{}", table::markdown(&all));
    println!("{}", footer(&options, idle));
    Ok(())
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut options = Self { profile: binaries::PROFILE, rounds: 7, millis: 1000 };
        let mut rest = arguments.iter();
        while let Some(name) = rest.next() {
            let mut number = || {
                let value = rest.next().and_then(|text| text.parse().ok()).filter(|n| *n > 0);
                value.ok_or_else(|| format!("{name} needs a number above 0"))
            };
            match name.as_str() {
                "--release" => options.profile = "release",
                "--rounds" => options.rounds = number()?,
                "--millis" => options.millis = number()?,
                _ => {
                    return Err(format!(
                        "{name} is none of --release, --rounds N, --millis N, and no --instructions before all others"
                    ));
                }
            }
        }
        Ok(options)
    }
}

fn name(target: usize) -> &'static str {
    TARGETS.get(target).copied().unwrap_or_default()
}

/// Puts one load on one process, and waits until it has finished the work that it puts off.
fn measure(bed: &Bed, target: usize, shape: Shape, connections: usize, millis: u64) -> Result<Sample, String> {
    let process = bed.targets.get(target).ok_or("no such target")?;
    let mut load = bed.load(process, shape, connections);
    load.args(["--duration", &millis.to_string(), "--warm-up", &WARM_UP_MS.to_string()]);
    let before = cpu::spent_when_quiet(process.id());
    let printed = output(&mut load).map_err(|problem| format!("{problem}\n{}", bed.log_tail()))?;
    let after = cpu::spent_when_quiet(process.id());
    let report: Value = serde_json::from_str(&printed).map_err(|error| format!("tt-mock load: {error}"))?;
    let number = |name: &str| {
        let value = report.get(name).and_then(Value::as_f64);
        value.ok_or_else(|| format!("tt-mock load reports no {name}"))
    };
    let sent = number("sent")?;
    let spent = before.zip(after).map(|(before, after)| after.saturating_sub(before).as_secs_f64() * 1e6);
    Ok(Sample {
        per_second: number("requests_per_second")?,
        p50_us: number("p50_us")?,
        p99_us: number("p99_us")?,
        cpu_us: spent.map(|spent| spent / sent),
    })
}

/// The notes below the table: profile, rounds, cores and memory of the measurement.
fn footer(options: &Options, idle: Option<u64>) -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let Options { profile, rounds, millis } = options;
    let mut text = format!(
        "{rounds} rounds of {millis} ms each, profile `{profile}`, {cores} cores shared by load, upstream and the process \
         under test. Figures are medians of the rounds; what is relative is compared within a round."
    );
    if let Some(kib) = idle {
        text.push_str(&format!(" TokenTracer before the load: {:.1} MiB resident.", kib as f64 / 1024.0));
    }
    if !cfg!(target_os = "linux") {
        text.push_str(" CPU time is read from /proc, which only Linux has.");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Options, String> {
        Options::parse(&arguments.iter().map(|argument| (*argument).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn options_are_checked() {
        let options = parse(&["--release", "--rounds", "5", "--millis", "100"]).unwrap();
        assert_eq!((options.profile, options.rounds, options.millis), ("release", 5, 100));
        assert!(parse(&["--rounds", "0"]).is_err());
        assert!(parse(&["--rounds"]).is_err());
        assert!(parse(&["--fast"]).unwrap_err().contains("--fast"));
    }
}
