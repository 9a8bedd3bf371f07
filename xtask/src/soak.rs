//! `cargo xtask soak`: the long form of the tests that attack the ledger, half an hour of mixed load under which memory, files
//! and threads stay flat, and the tests of hostile tenants and of ten times the load that can be carried, against an optimised
//! build. Each test prints a line with its result last; those of the ledger print their seed first.

use crate::run::{Outcome, cargo_command, status};
use crate::test::with_servers;

/// An attack: the suite and the name of its tests, and the variables that make it long.
struct Attack {
    name: &'static str,
    suite: &'static str,
    test: &'static str,
    variables: &'static [(&'static str, &'static str)],
}

const ATTACKS: &[Attack] = &[
    on_the_ledger("kill", "kill::", &[("TT_SOAK_REQUESTS", "100000"), ("TT_SOAK_KILLS", "50")]),
    on_the_ledger("store", "store_away::", &[("TT_SOAK_SECONDS", "60")]),
    on_the_ledger("full", "full::", &[("TT_SOAK_TMPFS", "1")]),
    on_the_ledger("aborts", "aborts::", &[("TT_SOAK_ABORTS", "10000"), ("TT_SOAK_CLIENTS", "64")]),
    on_the_ledger("steady", "steady::", &[("TT_SOAK_SECONDS", "1800")]),
    Attack { name: "hostile", suite: "alone", test: "hostile::", variables: &[("TT_SOAK_ROUNDS", "5")] },
    Attack { name: "overload", suite: "alone", test: "overload::", variables: &[] },
];

const fn on_the_ledger(
    name: &'static str,
    test: &'static str,
    variables: &'static [(&'static str, &'static str)],
) -> Attack {
    Attack { name, suite: "durability", test, variables }
}

/// Runs one attack, or all of them when no name is given. The words after the name set variables: `TT_SOAK_SEED=1`,
/// `TT_SOAK_BACKEND=postgres`.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let (chosen, variables) = choose(arguments)?;
    with_servers(|servers| {
        for attack in &chosen {
            println!("--- {}", attack.name);
            let mut command = cargo_command(&["test", "--profile", "quick", "--package", "tokentracer"]);
            command.args(["--test", attack.suite, "--", "--nocapture", "--test-threads=1", attack.test]);
            command.envs(attack.variables.iter().copied()).envs(variables.iter().copied());
            status(servers(&mut command))?;
        }
        Ok(())
    })
}

/// The attacks named, and the variables given.
#[expect(clippy::type_complexity, reason = "two lists, used once")]
fn choose(arguments: &[String]) -> Result<(Vec<&'static Attack>, Vec<(&str, &str)>), String> {
    let (mut chosen, mut variables) = (Vec::new(), Vec::new());
    for argument in arguments {
        if let Some(variable) = argument.split_once('=').filter(|(name, _)| name.starts_with("TT_SOAK_")) {
            variables.push(variable);
            continue;
        }
        let names = ATTACKS.iter().map(|attack| attack.name).collect::<Vec<_>>().join(", ");
        let known = ATTACKS.iter().find(|attack| attack.name == argument);
        chosen.push(known.ok_or_else(|| format!("{argument} is none of {names} and no TT_SOAK_NAME=VALUE"))?);
    }
    if chosen.is_empty() {
        chosen.extend(ATTACKS);
    }
    Ok((chosen, variables))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attacks_are_chosen_by_name_and_all_without() {
        let names = |arguments: &[&str]| {
            let arguments: Vec<_> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
            choose(&arguments).map(|(chosen, _)| chosen.iter().map(|attack| attack.name).collect::<Vec<_>>())
        };
        assert_eq!(names(&["kill", "TT_SOAK_SEED=7"]).unwrap(), ["kill"]);
        assert_eq!(names(&["TT_SOAK_SEED=7"]).unwrap().len(), ATTACKS.len());
        assert!(names(&["sink"]).unwrap_err().contains("aborts"));
    }
}
