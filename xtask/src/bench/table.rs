//! The rounds, summed up as a Markdown table.

use super::bed::{BARE, TOKENTRACER, UPSTREAM};
use super::samples::{Sample, Series};

const HEAD: &str = "\
| request | connections | | requests/s | p50 µs | p99 µs | CPU µs a request | requests/s ÷ bare | p50 ÷ bare | CPU ÷ bare |
|---|---:|---|---:|---:|---:|---:|---:|---:|---:|";

/// A row for each series and target.
pub(super) fn markdown(all: &[Series]) -> String {
    let mut table = HEAD.to_owned();
    for series in all {
        for (target, (name, _)) in series.targets.iter().enumerate().filter(|(_, (_, samples))| !samples.is_empty()) {
            table.push('\n');
            table.push_str(&row(series, target, name));
        }
    }
    table
}

/// A row for each of `others`, requests of other APIs, with their CPU time beside that of `chat`, of which there are the same
/// rounds.
pub(super) fn beside_chat(others: &[Series], chat: &[Series]) -> String {
    let mut table =
        "| request | connections | CPU µs a request | CPU ÷ Chat to OpenAI |\n|---|---:|---:|---:|".to_owned();
    for series in others {
        let mine = series.samples(TOKENTRACER);
        let chat = chat.iter().find(|chat| {
            chat.shape.stream == series.shape.stream && chat.shape.bytes == series.shape.bytes && chat.connections > 1
        });
        let chat = chat.map_or(&[][..], |chat| chat.samples(TOKENTRACER));
        let cpu = median(mine.iter().filter_map(|sample| sample.cpu_us));
        let ratio = median(mine.iter().zip(chat).filter_map(|(mine, chat)| Some(mine.cpu_us? / chat.cpu_us?)));
        let show = |value: Option<f64>, digits: usize| {
            value.map_or_else(|| "–".to_owned(), |value| format!("{value:.digits$}"))
        };
        table.push_str(&format!(
            "\n| {} | {} | {} | {} |",
            series.shape.name,
            series.connections,
            show(cpu, 1),
            show(ratio, 2)
        ));
    }
    table
}

fn row(series: &Series, target: usize, name: &str) -> String {
    let (samples, bare) = (series.samples(target), series.samples(BARE));
    let value = |of: &dyn Fn(&Sample) -> Option<f64>, digits: usize| {
        median(samples.iter().filter_map(of)).map_or_else(|| "–".to_owned(), |value| format!("{value:.digits$}"))
    };
    let ratio = |of: &dyn Fn(&Sample) -> Option<f64>| {
        if target == UPSTREAM {
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
pub(super) fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    let lower = if values.len().is_multiple_of(2) { *values.get(values.len() / 2 - 1)? } else { upper };
    Some(f64::midpoint(lower, upper))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::shape::{OF_OTHER_APIS, SHAPES};

    fn sample(per_second: f64, cpu_us: Option<f64>) -> Sample {
        Sample { per_second, p50_us: 1e6 / per_second, p99_us: 2e6 / per_second, cpu_us }
    }

    fn series(rounds: [Vec<Sample>; 3]) -> Series {
        let targets = ["upstream", "bare proxy", "TokenTracer"].map(str::to_owned).into_iter().zip(rounds).collect();
        Series { shape: SHAPES[0], connections: 64, targets }
    }

    #[test]
    fn requests_of_other_apis_stand_beside_those_of_chat() {
        let none = Vec::new;
        let chat = series([none(), none(), vec![sample(1.0, Some(50.0)), sample(1.0, Some(100.0))]]);
        let shape = OF_OTHER_APIS[0];
        let other = series([none(), none(), vec![sample(1.0, Some(60.0)), sample(1.0, Some(120.0))]]);
        let table = beside_chat(&[Series { shape, connections: 16, ..other }], &[chat]);
        assert!(table.ends_with("| 300 B, Responses to OpenAI | 16 | 90.0 | 1.20 |"), "{table}");
    }

    #[test]
    fn a_target_without_samples_has_no_row() {
        let one = vec![sample(1000.0, None)];
        assert_eq!(markdown(&[series([one.clone(), one, Vec::new()])]).lines().count(), 4);
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
        let row = row(&series([bare.clone(), bare, ours]), TOKENTRACER, "TokenTracer");
        assert_eq!(row, "| 300 B | 64 | TokenTracer | 3750 | 300 | 600 | 50.0 | 0.50 | 2.00 | 2.50 |");
    }

    #[test]
    fn cpu_time_that_nobody_tells_is_a_dash() {
        let one = vec![sample(1000.0, None)];
        let row = row(&series([one.clone(), one.clone(), one]), TOKENTRACER, "TokenTracer");
        assert!(row.ends_with("| – | 1.00 | 1.00 | – |"));
    }
}
