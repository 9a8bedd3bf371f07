//! The command line: the commands, and a flag for every setting.

use clap::{Arg, ArgMatches, Command};

use crate::commands;
use crate::settings::{SETTINGS, Setting, UNBUILT};

/// The whole command line. `serve` is the default command.
pub(crate) fn command_line() -> Command {
    Command::new("tokentracer")
        .about("An LLM proxy whose numbers match the bill")
        .version(env!("CARGO_PKG_VERSION"))
        .args(SETTINGS.iter().map(flag))
        .args(UNBUILT.iter().map(|name| named(name).hide(true)))
        .subcommand(Command::new("serve").about("Serve (the default)"))
        .subcommands(commands::command_lines())
        .subcommands(commands::manual::commands())
}

/// The flag of a setting: its name in kebab case. The environment variable stands in where the flag is not given.
fn flag(setting: &Setting) -> Arg {
    let value_name = if setting.secret { "SECRET" } else { "VALUE" };
    let flag = named(setting.name).value_name(value_name).help(setting.help);
    match setting.default {
        Some(default) => flag.default_value(default),
        None => flag,
    }
}

/// A flag, or an environment variable, of this name.
fn named(name: &'static str) -> Arg {
    let flag = name.to_lowercase().replace('_', "-");
    Arg::new(name).long(flag).env(name).hide_env_values(true).global(true)
}

/// Looks a setting up by its name: the flag, else the environment variable, else the default. An empty value counts as
/// not given.
pub(crate) fn lookup(matches: &ArgMatches) -> impl Fn(&str) -> Option<String> {
    let given = |name: &str| matches.get_one::<String>(name).filter(|text| !text.is_empty()).cloned();
    let value =
        |setting: &Setting| Some((setting.name, given(setting.name).or_else(|| setting.default.map(str::to_owned))?));
    let unbuilt = UNBUILT.iter().filter_map(|name| Some((*name, given(name)?)));
    let values: Vec<_> = SETTINGS.iter().filter_map(value).chain(unbuilt).collect();
    move |name| values.iter().find(|(known, _)| *known == name).map(|(_, text)| text.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clap_accepts_the_command_line() {
        command_line().debug_assert();
    }

    #[test]
    fn a_flag_goes_before_the_default_and_an_empty_one_does_not() {
        let port = |words: &[&str]| {
            let words = [&["tokentracer"], words].concat();
            lookup(&command_line().try_get_matches_from(words).unwrap())("PORT")
        };
        assert_eq!(port(&["--port", "1"]).as_deref(), Some("1"));
        assert_eq!(port(&["--port", ""]).as_deref(), Some("8080"));
    }
}
