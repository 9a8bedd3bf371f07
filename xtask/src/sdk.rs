//! `cargo xtask test-sdk`: the providers' own SDKs as clients of the built program, with a mock of each provider behind it.
//! The SDKs are installed from PyPI and npm into the build directory.

use std::path::Path;
use std::process::Command;

use crate::dev::Running;
use crate::packages;
use crate::run::{Outcome, cargo_command, empty_directory, status, target_directory};

/// The tests, and the lists of the packages they need.
const SOURCES: &str = "bins/tokentracer/tests/sdk";

/// Installs the packages of a suite below a directory and returns the command that runs it.
type Suite = fn(&Path) -> Result<Command, String>;

/// Runs the suite that is named, or both.
pub(crate) fn test(arguments: &[String]) -> Outcome {
    let suites: &[Suite] = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => &[python, javascript],
        ["python"] => &[python],
        ["javascript"] => &[javascript],
        _ => return Err("python or javascript, or nothing for both".to_owned()),
    };
    let target = target_directory()?;
    let directory = target.join("sdk");
    status(&mut cargo_command(&["build", "--workspace", "--bins"]))?;
    let commands: Vec<_> = suites.iter().map(|install| install(&directory)).collect::<Result<_, _>>()?;

    let data = empty_directory(directory.join("data"))?;
    let binaries = target.join("debug");
    let running = Running::on_the_mock(&binaries, &data, &[])?;
    for mut command in commands {
        command
            .env("TOKENTRACER_URL", format!("http://{}", running.address()))
            .env("TOKENTRACER_API_KEY", running.api_key());
        status(&mut command)?;
    }
    Ok(())
}

/// pytest in a virtual environment.
fn python(directory: &Path) -> Result<Command, String> {
    let sources = Path::new(SOURCES).join("python");
    let python = packages::python(&directory.join("python"), &sources.join("requirements.txt"))?;
    let mut command = Command::new(&python);
    command.args(["-B", "-m", "pytest", "--quiet", "-p", "no:cacheprovider"]).arg(sources);
    Ok(command)
}

/// Node's own test runner.
fn javascript(directory: &Path) -> Result<Command, String> {
    let directory = directory.join("javascript");
    packages::npm_with_sources(&Path::new(SOURCES).join("javascript"), &directory)?;
    let mut command = Command::new("npm");
    command.args(["test", "--silent"]).current_dir(&directory);
    Ok(command)
}
