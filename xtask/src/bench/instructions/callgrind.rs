//! Asks callgrind for the instructions that a program has executed, thread by thread.

use std::collections::BTreeSet;
use std::ops::Sub;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::bench::bed::{Bed, Target};
use crate::bench::cpu;
use crate::bench::shape::Shape;
use crate::run::output;

/// The beginning of the names that TokenTracer gives its workers' threads.
const WORKER: &str = "worker-";

/// Instructions.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Counts {
    /// Of the threads that serve requests.
    pub(super) workers: f64,
    /// Of all threads.
    pub(super) all: f64,
}

impl Counts {
    /// The counts for each of so many seconds or requests.
    pub(super) fn per(self, number: f64) -> Self {
        Self { workers: self.workers / number, all: self.all / number }
    }
}

impl Sub for Counts {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self { workers: self.workers - other.workers, all: self.all - other.all }
    }
}

/// TokenTracer under callgrind.
pub(super) struct Counter<'a> {
    bed: &'a Bed,
    target: &'a Target,
    process: u32,
    /// The workers' threads, by valgrind's numbers.
    workers: BTreeSet<u32>,
}

impl<'a> Counter<'a> {
    /// Finds the workers of the TokenTracer of a bed.
    pub(super) fn new(bed: &'a Bed) -> Result<Self, String> {
        let target = bed.tokentracer().ok_or("TokenTracer is not among the targets")?;
        let process = target.process().ok_or("TokenTracer has no process")?;
        let mut counter = Self { bed, target, process, workers: BTreeSet::new() };
        let named = |system: u32| {
            let name = std::fs::read_to_string(format!("/proc/{process}/task/{system}/comm"));
            name.is_ok_and(|name| name.starts_with(WORKER))
        };
        let told = counter.ask("v.info scheduler")?;
        counter.workers = threads(&told).filter(|(_, system)| named(*system)).map(|(thread, _)| thread).collect();
        if counter.workers.is_empty() {
            return Err(format!("valgrind names no thread whose name begins with {WORKER}:\n{told}"));
        }
        Ok(counter)
    }

    /// Waits until the program is at rest, and leaves out what it has executed so far.
    pub(super) fn settle(&self) -> Result<(), String> {
        cpu::spent_when_quiet(self.process);
        self.take().map(|_| ())
    }

    /// Sends so many requests and returns the instructions executed for them, those of an idle program, which are given for
    /// a second, taken away.
    pub(super) fn load(&self, shape: Shape, connections: usize, requests: u64, idle: Counts) -> Result<Counts, String> {
        let start = Instant::now();
        let mut load = self.bed.load(self.target, shape, connections);
        output(load.args(["--requests", &requests.to_string(), "--warm-up", "0"]))
            .map_err(|problem| format!("{problem}\n{}", self.bed.log_tail()))?;
        // Rows are on their way to the database.
        cpu::spent_when_quiet(self.process);
        let counts = self.take()?;
        let seconds = start.elapsed().as_secs_f64();
        Ok(counts - Counts { workers: idle.workers * seconds, all: idle.all * seconds })
    }

    /// The instructions executed since this was last called.
    pub(super) fn take(&self) -> Result<Counts, String> {
        let before = self.dumps()?;
        self.ask("dump")?;
        let mut counts = Counts::default();
        let mut workers = 0;
        for path in self.dumps()?.difference(&before) {
            let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
            let (thread, instructions) =
                thread_and_total(&text).ok_or_else(|| format!("{}: it has no thread or no total", path.display()))?;
            counts.all += instructions as f64;
            if self.workers.contains(&thread) {
                counts.workers += instructions as f64;
                workers += 1;
            }
        }
        if workers == self.workers.len() {
            Ok(counts)
        } else {
            Err(format!("callgrind wrote the counts of {workers} workers, and there are {}", self.workers.len()))
        }
    }

    /// The answer of valgrind to one of its commands.
    fn ask(&self, command: &str) -> Result<String, String> {
        let prefix = format!("--vgdb-prefix={}", self.bed.directory().join("vgdb").display());
        let mut vgdb = Command::new("vgdb");
        vgdb.args([&prefix, &format!("--pid={}", self.process)]).args(command.split(' '));
        let asked = vgdb.output().map_err(|error| format!("vgdb, which comes with valgrind: {error}"))?;
        if !asked.status.success() {
            return Err(format!("vgdb: {}", String::from_utf8_lossy(&asked.stderr)));
        }
        Ok(String::from_utf8_lossy(&asked.stdout).into_owned())
    }

    /// The files that callgrind has written so far: one for each thread, each time.
    fn dumps(&self) -> Result<BTreeSet<PathBuf>, String> {
        let directory = self.bed.directory();
        let entries = std::fs::read_dir(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
        let is_dump = |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("out."));
        Ok(entries.filter_map(Result::ok).map(|entry| entry.path()).filter(|path| is_dump(path)).collect())
    }
}

/// The threads that valgrind lists, each by its number there and the system's: lines
/// `Thread 2: status = VgTs_Runnable (lwpid 24431)`.
fn threads(told: &str) -> impl Iterator<Item = (u32, u32)> + '_ {
    told.lines().filter_map(|line| {
        let (thread, rest) = line.trim().strip_prefix("Thread ")?.split_once(':')?;
        let (_, system) = rest.split_once("lwpid ")?;
        Some((thread.parse().ok()?, system.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()?))
    })
}

/// The thread that a dump is of, from its line `thread: N`, and the sum of its instructions, from its line `totals: N`, or in
/// old versions `summary: N`.
fn thread_and_total(dump: &str) -> Option<(u32, u64)> {
    let thread = dump.lines().find_map(|line| line.strip_prefix("thread:")?.trim().parse().ok())?;
    let total = |name: &str| dump.lines().rev().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    Some((thread, total("totals:").or_else(|| total("summary:"))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thread_and_the_total_of_a_dump_are_found() {
        let dump = "pid: 7\npart: 1\nthread: 2\nevents: Ir\nsummary: 41\n";
        assert_eq!(thread_and_total(&format!("{dump}fn=(1)\n3 4\ntotals: 42\n")), Some((2, 42)));
        assert_eq!(thread_and_total(dump), Some((2, 41)));
        assert_eq!(thread_and_total("thread: 2\nfn=(1)\n3 4\n"), None);
        assert_eq!(thread_and_total("totals: 42\n"), None, "of all threads");
    }

    #[test]
    fn threads_are_told_by_valgrinds_number_and_the_systems() {
        let told = "sched status:\n  running_tid=2\n\nThread 1: status = VgTs_WaitSys syscall 34 (lwpid 24396)\n\
                    ==24396==    at 0x4918DF2: pause (pause.c:29)\nThread 12: status = VgTs_Runnable (lwpid 24431)\n";
        assert_eq!(threads(told).collect::<Vec<_>>(), [(1, 24396), (12, 24431)]);
    }
}
