//! Money: counters of whole nano-dollars, and families of amounts that are written as exact decimals. The library writes
//! numbers as 64-bit floats or integers only.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tt_core::NanoUsd;

use crate::exposition::Format;
use crate::labels::MoneyLabels;

/// A sum of nano-dollars that only grows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Money(Arc<AtomicU64>);

impl Money {
    pub(crate) fn add(&self, nanos: u64) {
        self.0.fetch_add(nanos, Ordering::Relaxed);
    }

    fn amount(&self) -> NanoUsd {
        NanoUsd(i64::try_from(self.0.load(Ordering::Relaxed)).unwrap_or(i64::MAX))
    }
}

/// Counters of money that differ by their labels.
#[derive(Debug)]
pub(crate) struct MoneyFamily<L> {
    name: &'static str,
    help: &'static str,
    series: Mutex<BTreeMap<L, Money>>,
}

impl<L: MoneyLabels> MoneyFamily<L> {
    /// A family without series. `name` is without `_total`.
    pub(crate) fn new(name: &'static str, help: &'static str) -> Self {
        Self { name, help, series: Mutex::default() }
    }

    /// The counter with these labels.
    pub(crate) fn of(&self, labels: L) -> Money {
        let mut series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        series.entry(labels).or_default().clone()
    }

    pub(crate) fn write(&self, out: &mut String, format: Format) -> fmt::Result {
        let series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        let amounts = series.iter().map(|(labels, money)| (labels, money.amount()));
        let described = match format {
            Format::OpenMetrics => self.name.to_owned(),
            Format::Text => format!("{}_total", self.name),
        };
        write_family(out, &described, "counter", self.help, &format!("{}_total", self.name), amounts)
    }
}

/// Writes gauges of money that differ by their labels.
pub(crate) fn write_gauges<'a, L: MoneyLabels + 'a>(
    out: &mut String,
    name: &str,
    help: &str,
    amounts: impl Iterator<Item = (&'a L, NanoUsd)>,
) -> fmt::Result {
    write_family(out, name, "gauge", help, name, amounts)
}

/// Writes a family: `described` is its name in the lines that describe it, `name` that of its series. A family without
/// series is not written, as the library does it.
fn write_family<'a, L: MoneyLabels + 'a>(
    out: &mut String,
    described: &str,
    kind: &str,
    help: &str,
    name: &str,
    amounts: impl Iterator<Item = (&'a L, NanoUsd)>,
) -> fmt::Result {
    let mut amounts = amounts.peekable();
    if amounts.peek().is_none() {
        return Ok(());
    }
    writeln!(out, "# HELP {described} {help}")?;
    writeln!(out, "# TYPE {described} {kind}")?;
    for (labels, amount) in amounts {
        out.push_str(name);
        for (position, (label, value)) in labels.pairs().enumerate() {
            write!(out, "{}{label}=\"", if position == 0 { '{' } else { ',' })?;
            write_escaped(out, value);
            out.push('"');
        }
        writeln!(out, "}} {amount}")?;
    }
    Ok(())
}

fn write_escaped(out: &mut String, value: &str) {
    for letter in value.chars() {
        match letter {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::SavedLabels;

    fn labels(model: &str) -> SavedLabels {
        SavedLabels { provider: "openai", model: model.into(), sign: "positive" }
    }

    fn written(family: &MoneyFamily<SavedLabels>, format: Format) -> String {
        let mut out = String::new();
        family.write(&mut out, format).unwrap();
        out
    }

    #[test]
    fn amounts_are_exact_beyond_what_a_float_holds() {
        let family = MoneyFamily::new("tokentracer_saved_usd", "Money.");
        let money = family.of(labels("m"));
        // 2^53 + 1, the first whole number that no float is.
        money.add(9_007_199_254_740_992);
        family.of(labels("m")).add(1);
        assert_eq!(
            written(&family, Format::Text),
            "# HELP tokentracer_saved_usd_total Money.\n\
             # TYPE tokentracer_saved_usd_total counter\n\
             tokentracer_saved_usd_total{provider=\"openai\",model=\"m\",sign=\"positive\"} 9007199.254740993\n"
        );
    }

    #[test]
    fn the_two_formats_name_a_counter_differently_and_its_series_alike() {
        let family = MoneyFamily::new("tokentracer_saved_usd", "Money.");
        assert_eq!(written(&family, Format::OpenMetrics), "", "a family without series is not written");
        family.of(labels("a\"b\\c\n")).add(1);
        assert_eq!(
            written(&family, Format::OpenMetrics),
            "# HELP tokentracer_saved_usd Money.\n\
             # TYPE tokentracer_saved_usd counter\n\
             tokentracer_saved_usd_total{provider=\"openai\",model=\"a\\\"b\\\\c\\n\",sign=\"positive\"} 0.000000001\n"
        );
    }
}
