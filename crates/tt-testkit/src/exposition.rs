//! Reads metrics in the text formats of Prometheus, for tests that hold them against something.

use std::collections::{BTreeMap, BTreeSet};

/// One series of one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// The name, with suffixes such as `_total` and `_bucket`.
    pub name: String,
    /// The labels.
    pub labels: BTreeMap<String, String>,
    /// The value as it was written.
    pub value: String,
}

impl Sample {
    fn has(&self, labels: &[(&str, &str)]) -> bool {
        labels.iter().all(|(name, value)| self.labels.get(*name).is_some_and(|is| is == value))
    }

    fn whole(&self) -> i64 {
        self.value.parse().unwrap_or_else(|_| panic!("no whole number: {self:?}"))
    }

    fn nanos(&self) -> i64 {
        let (text, sign) = self.value.strip_prefix('-').map_or((&*self.value, 1), |rest| (rest, -1));
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        assert!(fraction.len() <= 9, "finer than a nano-dollar: {self:?}");
        let digits = format!("{whole}{fraction:0<9}");
        sign * digits.parse::<i64>().unwrap_or_else(|_| panic!("no amount of money: {self:?}"))
    }
}

/// The metrics of one scrape.
#[derive(Debug, Clone, Default)]
pub struct Exposition {
    /// All series.
    pub samples: Vec<Sample>,
    /// The type of each family, by the name that its description gives.
    pub types: BTreeMap<String, String>,
}

impl Exposition {
    /// Reads metrics.
    ///
    /// # Panics
    /// At a line that is none of the format.
    pub fn parse(text: &str) -> Self {
        let mut all = Self::default();
        for line in text.lines().filter(|line| !line.is_empty()) {
            match line.strip_prefix("# TYPE ") {
                Some(described) => {
                    let (name, kind) = described.split_once(' ').unwrap_or_else(|| panic!("no type: {line}"));
                    all.types.insert(name.to_owned(), kind.to_owned());
                }
                None if line.starts_with('#') => {}
                None => all.samples.push(sample(line).unwrap_or_else(|| panic!("no sample: {line}"))),
            }
        }
        all
    }

    /// The series of this name that have these labels, and maybe others.
    pub fn of<'a>(&'a self, name: &'a str, labels: &'a [(&'a str, &'a str)]) -> impl Iterator<Item = &'a Sample> {
        self.samples.iter().filter(move |sample| sample.name == name && sample.has(labels))
    }

    /// The sum of whole numbers over the series of this name that have these labels.
    ///
    /// # Panics
    /// If a value is none.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> i64 {
        self.of(name, labels).map(Sample::whole).sum()
    }

    /// The sum of money over the series of this name that have these labels, in nano-dollars.
    ///
    /// # Panics
    /// If a value is no amount of money.
    pub fn nanos(&self, name: &str, labels: &[(&str, &str)]) -> i64 {
        self.of(name, labels).map(Sample::nanos).sum()
    }

    /// The sum of numbers, of times for example, over the series of this name.
    ///
    /// # Panics
    /// If a value is no number.
    pub fn total(&self, name: &str) -> f64 {
        let value = |sample: &Sample| sample.value.parse::<f64>().unwrap_or_else(|_| panic!("no number: {sample:?}"));
        self.of(name, &[]).map(value).sum()
    }

    /// The names of all series, each with its labels.
    pub fn labels(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        let mut labels: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for sample in &self.samples {
            labels.entry(&sample.name).or_default().extend(sample.labels.keys().map(String::as_str));
        }
        labels
    }
}

fn sample(line: &str) -> Option<Sample> {
    let name_end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(name_end);
    let mut labels = BTreeMap::new();
    if let Some(listed) = rest.strip_prefix('{') {
        rest = listed;
        while !rest.starts_with('}') {
            let (label, quoted) = rest.split_once("=\"")?;
            let (value, after) = unquoted(quoted)?;
            labels.insert(label.to_owned(), value);
            rest = after.strip_prefix(',').unwrap_or(after);
        }
        rest = rest.strip_prefix('}')?;
    }
    let value = rest.strip_prefix(' ')?.to_owned();
    Some(Sample { name: name.to_owned(), labels, value })
}

/// The text up to the closing quote, and what follows it.
fn unquoted(quoted: &str) -> Option<(String, &str)> {
    let mut text = String::new();
    let mut letters = quoted.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((text, quoted.get(at + 1..)?)),
            '\\' => match letters.next()?.1 {
                'n' => text.push('\n'),
                other => text.push(other),
            },
            other => text.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_read_with_their_labels_and_values() {
        let read = Exposition::parse(
            "# HELP a_total About a.\n# TYPE a_total counter\na_total{x=\"1\",y=\"q\\\"},\\n\"} 7\na_total{x=\"2\"} 5\nb 0.5\n# EOF\n",
        );
        assert_eq!(read.types.get("a_total").map(String::as_str), Some("counter"));
        assert_eq!((read.sum("a_total", &[]), read.sum("a_total", &[("x", "1"), ("y", "q\"},\n")])), (12, 7));
        assert_eq!((read.nanos("b", &[]), read.total("b")), (500_000_000, 0.5));
        assert_eq!(read.labels()["a_total"].iter().copied().collect::<Vec<_>>(), ["x", "y"]);
    }
}
