//! The recorded numbers of instructions, with which later ones are compared.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::run::Outcome;

/// The instructions of each request, by its name.
type Numbers = BTreeMap<String, u64>;

/// The part by which a number may be greater than recorded, in thousandths. A run varies by a tenth of it beside any other
/// work of the machine.
const TOLERANCE: u64 = 30;

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("instructions.json")
}

/// Records `numbers`.
pub(super) fn write(numbers: &Numbers) -> Outcome {
    let path = file();
    let mut text = serde_json::to_string_pretty(numbers).map_err(|error| error.to_string())?;
    text.push('\n');
    std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
}

/// Compares `numbers` with the recorded ones.
///
/// # Errors
/// When one has grown by more than the tolerance, or is not recorded.
pub(super) fn check(numbers: &Numbers) -> Outcome {
    let path = file();
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let recorded: Numbers = serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    for note in fallen(&recorded, numbers) {
        println!("{note}");
    }
    let problems = grown(&recorded, numbers);
    if problems.is_empty() {
        println!("no request takes more instructions than recorded");
        return Ok(());
    }
    Err(format!(
        "{}\nIf the growth is worth it, `make bench ARGS='--instructions --write'` records it.",
        problems.join("\n")
    ))
}

fn grown(recorded: &Numbers, numbers: &Numbers) -> Vec<String> {
    let problem = |(name, now): (&String, &u64)| match recorded.get(name) {
        Some(before) if now.saturating_mul(1000) <= before.saturating_mul(1000 + TOLERANCE) => None,
        Some(before) => Some(format!("{name}: {now} instructions a request, {before} recorded")),
        None => Some(format!("{name}: no number is recorded")),
    };
    numbers.iter().filter_map(problem).collect()
}

/// Notes on requests that take so much less than recorded that later growth would go unnoticed.
fn fallen(recorded: &Numbers, numbers: &Numbers) -> Vec<String> {
    let note = |(name, now): (&String, &u64)| {
        let before = recorded.get(name)?;
        let much_less = now.saturating_mul(1000) < before.saturating_mul(1000 - TOLERANCE);
        much_less.then(|| {
            format!(
                "{name}: {now} instructions a request, far fewer than the {before} recorded: record them anew with \
                 `make bench ARGS='--instructions --write'`"
            )
        })
    };
    numbers.iter().filter_map(note).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_by_more_than_three_percent_is_told() {
        let numbers = |number: u64| Numbers::from([("300 B".to_owned(), number)]);
        for fine in [0, 100_000, 103_000] {
            assert_eq!(grown(&numbers(100_000), &numbers(fine)), Vec::<String>::new());
        }
        let told = grown(&numbers(100_000), &numbers(103_001));
        assert_eq!(told, ["300 B: 103001 instructions a request, 100000 recorded"]);
        assert_eq!(grown(&Numbers::new(), &numbers(1)).len(), 1);
    }

    #[test]
    fn a_fall_by_more_than_three_percent_is_noted_and_no_problem() {
        let numbers = |number: u64| Numbers::from([("300 B".to_owned(), number)]);
        for near in [97_000, 100_000, 110_000] {
            assert_eq!(fallen(&numbers(100_000), &numbers(near)), Vec::<String>::new());
        }
        let noted = fallen(&numbers(100_000), &numbers(96_999));
        assert!(noted.len() == 1 && noted[0].starts_with("300 B: 96999 "), "{noted:?}");
        assert_eq!(grown(&numbers(100_000), &numbers(96_999)), Vec::<String>::new());
    }

    #[test]
    fn the_file_has_the_requests_that_are_checked() {
        let recorded: Numbers = serde_json::from_str(&std::fs::read_to_string(file()).unwrap()).unwrap();
        assert_eq!(recorded.keys().collect::<Vec<_>>(), ["200 chunks", "300 B"]);
    }
}
