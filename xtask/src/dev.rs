//! `make run`: the program on its embedded default, ready to be called. With no provider key in the environment it gets
//! the mock upstream, so that the first chat completion needs no account anywhere.

mod account;
mod demo;
mod providers;

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::clock::Clock;
use crate::env::Settings;
use crate::http::Server;
use crate::program::Program;
use crate::run::{Outcome, cargo_command, empty_directory, status, target_directory};
use account::Account;
use providers::{PROVIDERS, Provider, ProviderKey, mock_keys, provider_keys};

/// The second half of `dev`, which the first half starts in its own place.
pub(crate) const SERVE: &str = "dev-serve";

/// The argument that asks for a demonstration: the mock, and requests of two months in a data directory of its own.
const DEMO: &str = "--demo";

/// The profile that a fresh clone is built with soonest.
const PROFILE: &str = "local";

/// Builds what is needed and goes on as [`serve`], in the same process, with interrupts ignored: the terminal's Ctrl-C
/// reaches the program, which ends in its own time, and this waits for it.
pub(crate) fn build_and_serve(arguments: &[String]) -> Outcome {
    if arguments.iter().any(|argument| argument != DEMO) {
        return Err(format!("it takes {DEMO} or nothing"));
    }
    let settings = Settings::load()?;
    let mock = !arguments.is_empty() || provider_keys(&settings).iter().any(|key| key.mock);
    let target = target_directory()?;
    if !target.join(PROFILE).join("tokentracer").exists() {
        println!("The first build takes some minutes, later ones seconds.");
    }
    build(&settings, mock)?;
    let this = std::env::current_exe().map_err(|error| format!("this program's own path: {error}"))?;
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", r#"trap "" INT; exec "$@""#, "sh"])
        .arg(this)
        .arg(SERVE)
        .arg(target.join(PROFILE))
        .args(arguments);
    // It comes back only where it failed.
    Err(format!("/bin/sh: {}", command.exec()))
}

/// Settings that ask for OpenTelemetry.
const OTEL: [&str; 5] = [
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
    "OTEL_TRACES_EXPORTER",
    "OTEL_METRICS_EXPORTER",
];

/// Builds the program, and the mock where it is wanted. PostgreSQL, Redis and OpenTelemetry are left out unless the settings
/// name them: that saves a quarter of the time.
fn build(settings: &Settings, mock: bool) -> Outcome {
    let mut build = cargo_command(&["build", "--profile", PROFILE, "--package", "tokentracer", "--bin", "tokentracer"]);
    if mock {
        build.args(["--package", "tt-testkit", "--bin", "tt-mock"]);
    }
    build.arg("--no-default-features");
    if settings.value("DATABASE_URL").is_some_and(|url| url.starts_with("postgres")) {
        build.args(["--features", "tokentracer/postgres"]);
    }
    if settings.value("REDIS_URL").is_some() {
        build.args(["--features", "tokentracer/redis"]);
    }
    if OTEL.iter().any(|name| settings.value(name).is_some()) {
        build.args(["--features", "tokentracer/otel"]);
    }
    status(&mut build)
}

/// Starts the mock, where it is wanted, and the program; makes an account to use it with; prints how; waits.
pub(crate) fn serve(arguments: &[String]) -> Outcome {
    let [binaries, demo @ ..] = arguments else { return Err("start it with: cargo xtask dev".to_owned()) };
    let settings = Settings::load()?;
    if !demo.is_empty() {
        return serve_demo(Path::new(binaries), &settings);
    }
    let data = data_directory(&settings)?;
    if settings.value("TLS_CERT").is_some() {
        println!("TLS_CERT and TLS_KEY are left out: make run speaks plain HTTP. tokentracer serve takes them.");
    }
    let mut command = Command::new(Path::new(binaries).join("tokentracer"));
    command.envs(settings.additions());
    let own_url = |provider: &Provider| settings.value(provider.url_variable).is_some();
    let mut running = Running::start(command, Path::new(binaries), &data, &provider_keys(&settings), own_url)
        .map_err(|problem| format!("{problem}. Is the port taken? PORT=0 make run takes a free one."))?;
    println!("{}", running.account.welcome(running.program.address(), running.mock.is_some(), &data));
    running.program.wait()
}

/// Serves a demonstration, whose data are made anew each time.
fn serve_demo(binaries: &Path, settings: &Settings) -> Outcome {
    let usual = settings.data_directory()?;
    let mut name = usual.file_name().unwrap_or_default().to_owned();
    name.push("-demo");
    let data = private_directory(&empty_directory(usual.with_file_name(name))?)?;
    let clock =
        Clock::build(&data.join("clock"))?.ok_or("the demonstration needs Linux, where the clock can be moved")?;
    let mut command = Command::new(binaries.join("tokentracer"));
    command.envs(settings.additions()).envs(clock.variables());
    let mut running = Running::start(command, binaries, &data, &mock_keys(), |_| false)?;
    println!("The requests of two months are being made; this takes half a minute.");
    running.fill(&clock)?;
    println!("{}", running.account.welcome(running.program.address(), true, &data));
    running.program.wait()
}

/// The programs of `make run`, ready for use. Dropping it ends them.
#[derive(Debug)]
pub(crate) struct Running {
    mock: Option<Program>,
    program: Program,
    account: Account,
}

impl Running {
    /// Starts the program on a free port, with variables of its own and a mock of every provider. Tests choose the mock's
    /// answers by the names of models, so that no alias catches them all.
    pub(crate) fn on_the_mock(
        binaries: &Path,
        data: &Path,
        variables: &[(&'static str, OsString)],
    ) -> Result<Self, String> {
        let mut command = Command::new(binaries.join("tokentracer"));
        command.env("PORT", "0").env("RUST_LOG", "error").envs(variables.iter().cloned());
        let running = Self::start(command, binaries, data, &mock_keys(), |_| false)?;
        let server = Server::new(running.address());
        server.call("DELETE", "/manage/aliases/*", Some(running.api_key()), None)?.ok("delete the alias *")?;
        Ok(running)
    }

    /// Starts the mock where a key is the mock's, `command` on it but for the providers that have an address of their own,
    /// and makes the account.
    fn start(
        mut command: Command,
        binaries: &Path,
        data: &Path,
        keys: &[ProviderKey],
        own_url: impl Fn(&Provider) -> bool,
    ) -> Result<Self, String> {
        let mock = if keys.iter().any(|key| key.mock) {
            Some(Program::start(Command::new(binaries.join("tt-mock")).arg("upstream"))?)
        } else {
            None
        };
        // An empty setting counts as none: what is made ready here speaks plain HTTP, to this machine.
        command.arg("serve").env("DATA_DIR", data).env("TLS_CERT", "").env("TLS_KEY", "");
        if let Some(mock) = &mock {
            for provider in PROVIDERS.iter().filter(|provider| !own_url(provider)) {
                command.env(provider.url_variable, format!("http://{}{}", mock.address(), provider.mock_path));
            }
        }
        let mut program = Program::start(&mut command)?;
        match Account::ready(&Server::new(program.address()), data, keys) {
            Ok(account) => Ok(Self { mock, program, account }),
            Err(problem) => {
                program.stop();
                Err(problem)
            }
        }
    }

    /// Makes the requests of a demonstration.
    pub(crate) fn fill(&self, clock: &Clock) -> Outcome {
        demo::fill(&Server::new(self.address()), &self.account, clock)
    }

    /// The email and the password of the account.
    pub(crate) fn credentials(&self) -> (&str, &str) {
        self.account.credentials()
    }

    /// Signs the account in; returns the session token.
    pub(crate) fn sign_in(&self) -> Result<String, String> {
        self.account.sign_in(&Server::new(self.address()))
    }

    /// The address of the program: `host:port`.
    pub(crate) fn address(&self) -> &str {
        self.program.address()
    }

    /// An API key for the proxy and for `/manage`.
    pub(crate) fn api_key(&self) -> &str {
        &self.account.api_key
    }
}

/// `make db-migrate`: the program's own command, with the same settings.
pub(crate) fn migrate(arguments: &[String]) -> Outcome {
    let settings = Settings::load()?;
    build(&settings, false)?;
    let mut command = Command::new(target_directory()?.join(PROFILE).join("tokentracer"));
    command.arg("migrate").args(arguments).envs(settings.additions()).env("DATA_DIR", data_directory(&settings)?);
    status(&mut command)
}

/// The data directory, made if need be, readable by its owner only.
fn data_directory(settings: &Settings) -> Result<PathBuf, String> {
    private_directory(&settings.data_directory()?)
}

/// The directory, made if need be, readable by its owner only.
fn private_directory(directory: &Path) -> Result<PathBuf, String> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
    let private = made.and_then(|()| fs::set_permissions(directory, Permissions::from_mode(0o700)));
    private.and_then(|()| directory.canonicalize()).map_err(|error| format!("{}: {error}", directory.display()))
}
