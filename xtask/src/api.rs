//! `cargo xtask test-api`: requests that schemathesis makes of the OpenAPI document, to the built program with a mock of each
//! provider behind it. Every answer must be one that the document names. `cargo xtask openapi` prints the document.
//! schemathesis is installed from PyPI into the build directory.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::dev::Running;
use crate::packages;
use crate::run::{Outcome, cargo_command, empty_directory, output, status, target_directory};

/// The list of the packages, the settings, and the hooks.
const SOURCES: &str = "bins/tokentracer/tests/api";

/// The checks of every answer.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_headers_conformance,response_schema_conformance,unsupported_method,ignored_auth";

/// The calls that end the session, or every other one.
const LAST: [&str; 3] = ["signOut", "changePassword", "endSession"];

/// One run of schemathesis, with a session of its own.
struct Run {
    /// The arguments that choose the calls.
    calls: Vec<String>,
    /// The examples of a call, beside those for each bound of a schema.
    examples: u32,
    /// True if a request that does not fit the document must be refused. Bodies of providers' APIs are described loosely.
    strict: bool,
    /// The most requests a minute: calls to `/auth` and `/manage` have a limit for each user, past which nothing is tested.
    rate: Option<u32>,
}

fn runs() -> [Run; 3] {
    let words = |option: &str, names: &[&str]| -> Vec<String> {
        names.iter().flat_map(|name| [option.to_owned(), (*name).to_owned()]).collect()
    };
    let most = [words("--include-tag", &["auth", "manage"]), words("--exclude-operation-id", &LAST)].concat();
    [
        Run { calls: words("--include-tag", &["proxy", "service"]), examples: 25, strict: false, rate: None },
        Run { calls: most, examples: 6, strict: true, rate: Some(500) },
        Run { calls: words("--include-operation-id", &LAST), examples: 3, strict: true, rate: None },
    ]
}

/// Builds the program, installs schemathesis, and runs it.
pub(crate) fn test(arguments: &[String]) -> Outcome {
    if !arguments.is_empty() {
        return Err("it takes no arguments".to_owned());
    }
    let target = target_directory()?;
    let directory = target.join("api");
    let sources = Path::new(SOURCES).canonicalize().map_err(|error| format!("{SOURCES}: {error}"))?;
    let python = packages::python(&directory.join("python"), &sources.join("requirements.txt"))?;
    status(&mut cargo_command(&["build", "--workspace", "--bins"]))?;

    let data = empty_directory(directory.join("data"))?;
    // schemathesis keeps a cache where it runs, which would change the next run.
    let schemathesis = Schemathesis { python, sources, directory: empty_directory(directory.join("run"))? };
    let binaries = target.join("debug");
    let running = Running::on_the_mock(&binaries, &data, &[])?;
    let mut promote = Command::new(binaries.join("tokentracer"));
    promote.args(["users", "promote", running.credentials().0]).env("DATA_DIR", &data).env("RUST_LOG", "error");
    status(&mut promote)?;
    let address = format!("http://{}", running.address());
    runs().iter().try_for_each(|run| status(&mut schemathesis.command(&address, &running.sign_in()?, run)))
}

/// The installed program.
struct Schemathesis {
    /// The Python of its environment.
    python: PathBuf,
    /// The directory of the settings and the hooks.
    sources: PathBuf,
    /// The directory to run in.
    directory: PathBuf,
}

impl Schemathesis {
    /// The command of a run, on the server at `address`.
    fn command(&self, address: &str, session: &str, run: &Run) -> Command {
        let mut command = Command::new(self.python.with_file_name("schemathesis"));
        let checks = if run.strict { format!("{CHECKS},negative_data_rejection") } else { CHECKS.to_owned() };
        command
            .current_dir(&self.directory)
            .arg("--config-file")
            .arg(self.sources.join("schemathesis.toml"))
            .args(["run", &format!("{address}/openapi.json"), "--header", &format!("Authorization: Bearer {session}")])
            .args(["--phases", "coverage,fuzzing", "--checks", &checks, "--continue-on-failure", "--warnings", "off"])
            // The same requests each time.
            .args(["--seed", "1", "--generation-database", "none", "--max-examples", &run.examples.to_string()])
            .args(&run.calls)
            .env("TOKENTRACER_URL", address)
            .env("TOKENTRACER_SESSION", session)
            .env("SCHEMATHESIS_HOOKS", "hooks")
            .env("PYTHONPATH", &self.sources)
            .env("PYTHONDONTWRITEBYTECODE", "1");
        if let Some(rate) = run.rate {
            command.args(["--rate-limit", &format!("{rate}/m")]);
        }
        command
    }
}

/// Prints the OpenAPI document that the built program has, in lines.
pub(crate) fn print(arguments: &[String]) -> Outcome {
    if !arguments.is_empty() {
        return Err("it takes no arguments".to_owned());
    }
    status(&mut cargo_command(&["build", "--quiet", "--workspace", "--bins"]))?;
    let text = output(Command::new(target_directory()?.join("debug/tokentracer")).arg("openapi"))?;
    let document: Value = serde_json::from_str(&text).map_err(|error| format!("the document is no JSON: {error}"))?;
    println!("{document:#}");
    Ok(())
}
