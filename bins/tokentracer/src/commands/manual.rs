//! `tokentracer man DIRECTORY` and `tokentracer completions SHELL`: what a package of the program installs beside it.

use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::{Arg, ArgMatches, Command, value_parser};
use clap_complete::Shell;

/// The command lines.
pub(crate) fn commands() -> [Command; 2] {
    let directory = Arg::new("DIRECTORY").required(true).value_parser(value_parser!(PathBuf));
    let shell = Arg::new("SHELL").required(true).value_parser(value_parser!(Shell));
    [
        Command::new("man")
            .about("Write the manual pages into a directory")
            .arg(directory.help("The directory; it must exist")),
        Command::new("completions").about("Print the completions for a shell").arg(shell),
    ]
}

/// Writes a page for the program and one for each command of `whole`, the command line. Errors are one line each.
pub(crate) fn man(whole: Command, matches: &ArgMatches) -> Result<(), String> {
    let Some(directory) = matches.get_one::<PathBuf>("DIRECTORY") else {
        return Err("DIRECTORY is missing".to_owned());
    };
    clap_mangen::generate_to(whole, directory).map_err(|error| format!("{}: {error}", directory.display()))
}

/// Prints the completions of `whole`. Errors are one line each.
pub(crate) fn completions(mut whole: Command, matches: &ArgMatches) -> Result<(), String> {
    let Some(shell) = matches.get_one::<Shell>("SHELL") else { return Err("SHELL is missing".to_owned()) };
    let mut text = Vec::new();
    clap_complete::generate(*shell, &mut whole, "tokentracer", &mut text);
    io::stdout().write_all(&text).map_err(|error| format!("standard output: {error}"))
}
