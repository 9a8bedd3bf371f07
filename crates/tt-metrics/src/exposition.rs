//! The metrics as text, in one of the two formats that scrapers read.

use std::fmt;

use prometheus_client::encoding::{prometheus_text, text};
use prometheus_client::registry::Registry;

use crate::Metrics;
use crate::money;
use crate::readings::{BUDGET_FAMILIES, Readings};

/// A format of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The text format of Prometheus, version 0.0.4.
    Text,
    /// OpenMetrics, version 1.0.0.
    OpenMetrics,
}

impl Format {
    /// The content type of the format.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Text => prometheus_text::CONTENT_TYPE,
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// The format for a client that accepts `accept`: OpenMetrics if the client names it, else text, which every
    /// scraper reads.
    pub fn accepted(accept: &str) -> Self {
        let named = |kind: &str| {
            let mut parts = kind.split(';').map(str::trim);
            let is_named = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/openmetrics-text"));
            is_named && !parts.any(|part| matches!(part, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
        };
        if accept.split(',').any(named) { Self::OpenMetrics } else { Self::Text }
    }

    fn write(self, out: &mut String, registry: &Registry) -> fmt::Result {
        match self {
            Self::Text => prometheus_text::encode(out, registry),
            Self::OpenMetrics => text::encode_registry(out, registry),
        }
    }
}

impl Metrics {
    /// All metrics as text. It takes time in proportion to the number of series.
    ///
    /// # Errors
    /// None in practice: a string takes every text.
    pub fn exposition(&self, readings: &Readings, format: Format) -> Result<String, fmt::Error> {
        let (mut out, known) = (String::new(), self.known.load());
        format.write(&mut out, &self.families.registry)?;
        self.families.cost.write(&mut out, format)?;
        self.families.saved.write(&mut out, format)?;
        format.write(&mut out, &readings.registry(&known))?;
        for (name, help, amount) in BUDGET_FAMILIES {
            let sums: Vec<_> = readings.budgets.iter().map(|sum| (sum.labels(), amount(sum))).collect();
            money::write_gauges(&mut out, name, help, sums.iter().map(|(labels, amount)| (labels, *amount)))?;
        }
        if format == Format::OpenMetrics {
            text::encode_eof(&mut out)?;
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openmetrics_is_for_those_who_name_it() {
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.6,application/openmetrics-text;\
                          version=0.0.1;q=0.5,text/plain;version=0.0.4;q=0.4,*/*;q=0.1";
        assert_eq!(Format::accepted(prometheus), Format::OpenMetrics);
        for other in ["", "*/*", "text/plain", "text/html, */*;q=0.1", "application/openmetrics-text;q=0"] {
            assert_eq!(Format::accepted(other), Format::Text, "{other}");
        }
    }
}
