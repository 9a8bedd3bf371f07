//! The rounds, summed up as a Markdown table.

use super::samples::{BARE, Sample, Series, TARGETS};

const HEAD: &str = "\
| request | connections | | requests/s | p50 µs | p99 µs | CPU µs a request | requests/s ÷ bare | p50 ÷ bare | CPU ÷ bare |
|---|---:|---|---:|---:|---:|---:|---:|---:|---:|";

/// A row for each series and target.
pub(super) fn markdown(all: &[Series]) -> String {
    let mut table = HEAD.to_owned();
    for series in all {
        for (target, name) in TARGETS.iter().enumerate() {
            table.push('\n');
            table.push_str(&row(series, target, name));
        }
    }
    table
}

fn row(series: &Series, target: usize, name: &str) -> String {
    let samples = series.rounds.get(target).map_or(&[][..], Vec::as_slice);
    let bare = series.rounds.get(BARE).map_or(&[][..], Vec::as_slice);
    let value = |of: &dyn Fn(&Sample) -> Option<f64>, digits: usize| {
        median(samples.iter().filter_map(of)).map_or_else(|| "–".to_owned(), |value| format!("{value:.digits$}"))
    };
    let ratio = |of: &dyn Fn(&Sample) -> Option<f64>| {
        if target == 0 {
            return String::new();
        }
        let pairs = samples.iter().zip(bare).filter_map(|(mine, bare)| Some(of(mine)? / of(bare)?));
        median(pairs).map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2}"))
    };
    let (rate, p50, p99, cpu) = (
        &|sample: &Sample| Some(sample.per_second),
        &|sample: &Sample| Some(sample.p50_us),
        &|sample: &Sample| Some(sample.p99_us),
        &|sample: &Sample| sample.cpu_us,
    );
    format!(
        "| {} | {} | {name} | {} | {} | {} | {} | {} | {} | {} |",
        series.shape.name,
        series.connections,
        value(rate, 0),
        value(p50, 0),
        value(p99, 0),
        value(cpu, 1),
        ratio(rate),
        ratio(p50),
        ratio(cpu),
    )
}

/// The middle value, or the mean of the two in the middle.
fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    let lower = if values.len().is_multiple_of(2) { *values.get(values.len() / 2 - 1)? } else { upper };
    Some(f64::midpoint(lower, upper))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::shape::SHAPES;

    fn sample(per_second: f64, cpu_us: Option<f64>) -> Sample {
        Sample { per_second, p50_us: 1e6 / per_second, p99_us: 2e6 / per_second, cpu_us }
    }

    #[test]
    fn the_median_needs_no_odd_count() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), Some(2.0));
        assert_eq!(median([4.0, 1.0, 2.0, 3.0].into_iter()), Some(2.5));
        assert_eq!(median(std::iter::empty()), None);
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        // The machine was half as fast in the second round: each ratio is 0.5 all the same.
        let bare = vec![sample(10_000.0, Some(20.0)), sample(5_000.0, Some(20.0))];
        let ours = vec![sample(5_000.0, Some(50.0)), sample(2_500.0, Some(50.0))];
        let series = Series { shape: SHAPES[0], connections: 1, rounds: [bare.clone(), bare, ours] };
        let row = row(&series, 2, "TokenTracer");
        assert_eq!(row, "| 300 B | 1 | TokenTracer | 3750 | 300 | 600 | 50.0 | 0.50 | 2.00 | 2.50 |");
    }

    #[test]
    fn cpu_time_that_nobody_tells_is_a_dash() {
        let one = vec![sample(1000.0, None)];
        let series = Series { shape: SHAPES[0], connections: 1, rounds: [one.clone(), one.clone(), one] };
        assert!(row(&series, 2, "TokenTracer").ends_with("| – | 1.00 | 1.00 | – |"));
    }
}
