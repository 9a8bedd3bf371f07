//! The metrics as text.

use std::fmt;

use prometheus_client::encoding::text;

use crate::format::Format;
use crate::metrics::Metrics;
use crate::money;
use crate::readings::{BUDGET_FAMILIES, Readings};

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
