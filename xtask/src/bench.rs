//! `make bench`: measures the time that TokenTracer adds to a request, beside a bare proxy that only passes requests
//! on, and the mock upstream itself. All three are processes, as is the load on them, and all are measured in turn in
//! every round of one run, so that other work of the machine meets them alike. Other gateways may be added to the rounds.

mod bed;
mod binaries;
mod cpu;
mod databases;
mod growth;
mod instructions;
mod measure;
mod samples;
mod shape;
mod table;
mod training;

use std::path::PathBuf;

use crate::run::Outcome;
use bed::{Bed, TOKENTRACER, Target};
use databases::Databases;
use measure::measure;
use samples::Series;
use shape::{OF_OTHER_APIS, SHAPES, Shape};

pub(crate) use binaries::mock;
pub(crate) use training::train;

#[derive(Debug)]
struct Options {
    profile: &'static str,
    rounds: u64,
    millis: u64,
    /// A program to measure in the place of the one that is built.
    binary: Option<PathBuf>,
    /// The upstream's port; 0 for a free one.
    port: u16,
    /// True to measure requests of other APIs, and to other providers, too.
    all: bool,
    /// True to keep accounts in PostgreSQL and limits in Redis.
    databases: bool,
    /// Other gateways, as [`bed::gateway`] reads them.
    against: Vec<String>,
}

/// Builds, measures and prints Markdown tables.
///
/// `--release` takes the profile that ships, whose link takes minutes; `--rounds N` and `--millis N` say how often and how
/// long. `--all` adds the requests of other clients and to other providers. `--databases` starts PostgreSQL and Redis and
/// uses them. `--binary PATH` measures that program in the place of the one that is built. `--against URL,HEADER,MODEL`,
/// which may be given several times, adds another gateway that passes requests on to the upstream, which then needs a known
/// port: `--port N`. `--instructions` counts instructions instead, and `--growth` compares small installations with large
/// ones.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    if let Some((first, rest)) = arguments.split_first()
        && let Some(run) = match first.as_str() {
            "--instructions" => Some(instructions::run as fn(&[String]) -> Outcome),
            "--growth" => Some(growth::run as fn(&[String]) -> Outcome),
            _ => None,
        }
    {
        return run(rest);
    }
    let options = Options::parse(arguments)?;
    let binaries = binaries::build(options.profile)?;
    let program = options.binary.clone().unwrap_or_else(|| binaries.join("tokentracer"));
    let start = |settings: &[(&str, String)]| Bed::start(&binaries.join("tt-mock"), &program, options.port, settings);
    if !options.databases {
        return options.run(start(&[])?);
    }
    let databases = Databases::start()?;
    options.run(start(&databases.settings())?)
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut options = Self {
            profile: binaries::PROFILE,
            rounds: 7,
            millis: 1000,
            binary: None,
            port: 0,
            all: false,
            databases: false,
            against: Vec::new(),
        };
        let mut rest = arguments.iter();
        while let Some(name) = rest.next() {
            let mut value = || rest.next().cloned().ok_or_else(|| format!("{name} needs a value"));
            let mut number = || {
                let number = value()?.parse().ok().filter(|n| *n > 0);
                number.ok_or_else(|| format!("{name} needs a number above 0"))
            };
            match name.as_str() {
                "--release" => options.profile = "release",
                "--all" => options.all = true,
                "--databases" => options.databases = true,
                "--rounds" => options.rounds = number()?,
                "--millis" => options.millis = number()?,
                "--port" => options.port = number()?.try_into().map_err(|_| "--port needs a port".to_owned())?,
                "--binary" => options.binary = Some(value()?.into()),
                "--against" => options.against.push(value()?),
                _ => {
                    return Err(format!(
                        "{name} is none of --release, --rounds N, --millis N, --all, --databases, --binary PATH, --port N, \
                         --against URL,HEADER,MODEL, and no --instructions or --growth before all others"
                    ));
                }
            }
        }
        Ok(options)
    }

    /// Measures and prints.
    fn run(&self, mut bed: Bed) -> Outcome {
        for gateway in &self.against {
            bed.targets.push(bed::gateway(gateway)?);
        }
        let idle = bed.tokentracer().and_then(Target::process).and_then(cpu::resident_kib);
        let mut chat = series(&bed, &SHAPES);
        let mut others = if self.all { series(&bed, &OF_OTHER_APIS) } else { Vec::new() };
        for round in 1..=self.rounds {
            eprintln!("round {round} of {}", self.rounds);
            for series in chat.iter_mut().chain(&mut others) {
                self.round(&bed, series)?;
            }
        }
        println!("{}", table::markdown(&chat));
        if self.all {
            println!("\n{}", table::beside_chat(&others, &chat));
        }
        println!("\n{}", self.footer(idle));
        Ok(())
    }

    /// Puts one load on each target that gets it, one after the other.
    fn round(&self, bed: &Bed, series: &mut Series) -> Outcome {
        let (shape, connections) = (series.shape, series.connections);
        for (position, (target, (name, samples))) in bed.targets.iter().zip(&mut series.targets).enumerate() {
            // The bare proxy and the upstream do not translate, and another gateway's model has no streams of its own.
            let skipped = (!shape.is_chat() && position != TOKENTRACER) || (target.is_foreign() && !shape.is_plain());
            if !skipped {
                let sample = measure(bed, target, shape, connections, self.millis);
                samples.push(sample.map_err(|problem| format!("{name}: {problem}"))?);
            }
        }
        Ok(())
    }

    /// The notes below the tables: profile, rounds, cores and memory of the measurement.
    fn footer(&self, idle: Option<u64>) -> String {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let Self { profile, rounds, millis, .. } = self;
        let program =
            self.binary.as_ref().map_or_else(|| format!("profile `{profile}`"), |path| format!("`{}`", path.display()));
        let store = if self.databases { "PostgreSQL and Redis" } else { "SQLite" };
        let mut text = format!(
            "{rounds} rounds of {millis} ms each (longer for slow streams), {program}, {store}, {cores} cores shared by load, \
             upstream and the process under test. Figures are medians of the rounds; what is relative is compared within a \
             round."
        );
        if let Some(kib) = idle {
            text.push_str(&format!(" TokenTracer before the load: {:.1} MiB resident.", kib as f64 / 1024.0));
        }
        if !cfg!(target_os = "linux") {
            text.push_str(" CPU time is read from /proc, which only Linux has.");
        }
        text
    }
}

/// A series without samples for each of `shapes` with each of its numbers of connections.
fn series(bed: &Bed, shapes: &[Shape]) -> Vec<Series> {
    let targets = || bed.targets.iter().map(|target| (target.name.clone(), Vec::new())).collect();
    let of = |shape: &Shape| {
        let shape = *shape;
        shape.connections.iter().map(move |connections| Series { shape, connections: *connections, targets: targets() })
    };
    shapes.iter().flat_map(of).collect()
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
        assert_eq!(parse(&["--binary", "a/program"]).unwrap().binary, Some("a/program".into()));
        assert!(parse(&["--rounds", "0"]).is_err());
        assert!(parse(&["--rounds"]).is_err());
        assert!(parse(&["--fast"]).unwrap_err().contains("--fast"));
    }
}
