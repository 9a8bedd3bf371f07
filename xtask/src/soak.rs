//! `cargo xtask soak`: the long form of the tests that attack the ledger, against an optimised build. Each test prints
//! its seed first and a line with its result last.

use crate::run::{Outcome, cargo_command, status};
use crate::test::with_servers;

/// An attack: the test's name, and the variables that make it long.
struct Attack {
    name: &'static str,
    test: &'static str,
    variables: &'static [(&'static str, &'static str)],
}

const ATTACKS: &[Attack] = &[
    Attack { name: "kill", test: "kill::", variables: &[("TT_SOAK_REQUESTS", "100000"), ("TT_SOAK_KILLS", "50")] },
    Attack { name: "store", test: "store_away::", variables: &[("TT_SOAK_SECONDS", "60")] },
    Attack { name: "full", test: "full::", variables: &[("TT_SOAK_TMPFS", "1")] },
    Attack { name: "aborts", test: "aborts::", variables: &[("TT_SOAK_ABORTS", "10000"), ("TT_SOAK_CLIENTS", "64")] },
];

/// Runs one attack, or all of them when no name is given. The words after the name set variables: `TT_SOAK_SEED=1`,
/// `TT_SOAK_BACKEND=postgres`.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let (chosen, variables) = choose(arguments)?;
    with_servers(|servers| {
        for attack in &chosen {
            println!("--- {}", attack.name);
            let mut command = cargo_command(&["test", "--profile", "quick", "--package", "tokentracer"]);
            command.args(["--test", "durability", "--", "--nocapture", "--test-threads=1", attack.test]);
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
