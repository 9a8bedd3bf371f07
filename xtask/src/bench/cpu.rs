//! The processor time and the memory of a process, as Linux shows them under `/proc`. On other systems there are none.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::run::number;

/// The time between two looks at a process.
const TICK: Duration = Duration::from_millis(150);
const PATIENCE: Duration = Duration::from_secs(10);

/// User and system time of all threads of a process, ended ones included. It waits until the process is at rest, so
/// that work put off (a batch for the database) counts for the load that made it.
pub(super) fn spent_when_quiet(process: u32) -> Option<Duration> {
    let until = Instant::now() + PATIENCE;
    let ticks_a_second = number(Command::new("getconf").arg("CLK_TCK"))?;
    let mut last = ticks(process)?;
    loop {
        std::thread::sleep(TICK);
        let now = ticks(process)?;
        // A tick now and then is its timers.
        if now - last <= 1 || Instant::now() > until {
            return Some(Duration::from_nanos(now * 1_000_000_000 / u64::from(ticks_a_second)));
        }
        last = now;
    }
}

/// Memory that is resident, in KiB.
pub(super) fn resident_kib(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}

fn ticks(process: u32) -> Option<u64> {
    used(&std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?)
}

/// `utime` and `stime`, the 14th and 15th field; the second, the name, is in parentheses and may hold anything.
fn used(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut times = fields.split(' ').skip(11).take(2).map(str::parse::<u64>);
    Some(times.next()?.ok()? + times.next()?.ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_times_are_found_behind_any_name() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194560 100 0 0 0 17 25 0 0 20 0 4 0 9 0 0";
        assert_eq!(used(stat), Some(42));
        assert_eq!(used("42 (a"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_uses_time_and_memory() {
        let before = ticks(std::process::id()).unwrap();
        let until = Instant::now() + Duration::from_secs(30);
        while ticks(std::process::id()).unwrap() == before && Instant::now() < until {}
        assert!(ticks(std::process::id()).unwrap() > before);
        assert!(resident_kib(std::process::id()).unwrap() > 0);
    }
}
