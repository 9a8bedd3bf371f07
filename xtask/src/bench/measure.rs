//! One measurement: a load, and the processor time of the process under it.

use std::process::Command;

use serde_json::Value;

use super::bed::{Bed, Target};
use super::cpu;
use super::samples::Sample;
use super::shape::Shape;
use crate::run::output;

/// The time at the start of each measurement that is not counted, in milliseconds.
pub(super) const WARM_UP_MS: u64 = 200;

/// Runs a load, and waits until the process under it has finished the work that it puts off.
pub(super) fn sample(load: &mut Command, process: Option<u32>) -> Result<Sample, String> {
    let spent = || process.and_then(cpu::spent_when_quiet);
    let before = spent();
    let printed = output(load)?;
    let after = spent();
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

/// Puts one load on one target, and waits until its process has finished the work that it puts off.
pub(super) fn measure(
    bed: &Bed,
    target: &Target,
    shape: Shape,
    connections: usize,
    millis: u64,
) -> Result<Sample, String> {
    let mut load = bed.load(target, shape, connections);
    let millis = millis * shape.times_as_long;
    load.args(["--duration", &millis.to_string(), "--warm-up", &WARM_UP_MS.to_string()]);
    sample(&mut load, target.process()).map_err(|problem| format!("{problem}\n{}", bed.log_tail()))
}
