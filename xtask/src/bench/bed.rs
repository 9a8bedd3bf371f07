//! The processes under test: the mock upstream, a bare proxy before it, and TokenTracer before it with an account.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use super::shape::{SHAPES, Shape};
use crate::env::variable;
use crate::http::Server;
use crate::program::Program;
use crate::run::{Outcome, output};

/// A limit too high to refuse anything, since a limit that is in force has a cost of its own.
const LIMIT: &str = "100000000";
const LOG_LINES: usize = 10;
/// The account that the requests count for.
const EMAIL: &str = "bench@example.com";
const PASSWORD: &str = "a password of the benchmark";
/// A key that the mock takes for one of OpenAI.
const MOCK_KEY: &str = "sk-mock-bench";

/// A server that gets the load.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) name: String,
    /// `host:port`.
    address: String,
    /// The header with the credential, as a line.
    credential: String,
    /// The model that stands for every model here; `None` for a server that knows them by their names.
    model: Option<String>,
    /// `None` for a server that the benchmark has not started.
    process: Option<Program>,
}

impl Target {
    /// The id of its process.
    pub(super) fn process(&self) -> Option<u32> {
        self.process.as_ref().map(Program::id)
    }

    /// `host:port`.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// The credential without the name of its header and of its kind.
    pub(super) fn key(&self) -> &str {
        self.credential.rsplit_once(' ').map_or(&self.credential, |(_, key)| key)
    }

    /// True if it is another gateway, which knows one model and no streams of 200 chunks.
    pub(super) fn is_foreign(&self) -> bool {
        self.model.is_some()
    }
}

/// Another gateway, from `URL,HEADER,MODEL`: an address of OpenAI's API without TLS, the header that it wants, and its name
/// for a model of the upstream.
pub(super) fn gateway(text: &str) -> Result<Target, String> {
    let mut parts = text.splitn(3, ',').map(str::trim);
    let (Some(url), Some(header), Some(model)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(format!("{text:?} is not URL,HEADER,MODEL"));
    };
    let address = url.strip_prefix("http://").map(|rest| rest.trim_end_matches('/'));
    let address = address.filter(|address| !address.contains('/'));
    let address = address.ok_or_else(|| format!("{url:?} is not http://HOST:PORT"))?;
    if !header.contains(':') {
        return Err(format!("{header:?} is not NAME: VALUE"));
    }
    Ok(Target {
        name: address.to_owned(),
        address: address.to_owned(),
        credential: header.to_owned(),
        model: Some(model.to_owned()),
        process: None,
    })
}

/// All running processes of one measurement.
#[derive(Debug)]
pub(super) struct Bed {
    /// The upstream, the bare proxy and TokenTracer, and other gateways behind them.
    pub(super) targets: Vec<Target>,
    /// The mock and the load generator.
    mock: PathBuf,
    directory: Directory,
}

/// The positions of the benchmark's own processes among the targets.
pub(super) const UPSTREAM: usize = 0;
pub(super) const BARE: usize = 1;
pub(super) const TOKENTRACER: usize = 2;

impl Bed {
    /// Starts the mock, on `port` (0: a free one), the bare proxy and `program`, which is TokenTracer, and makes an account.
    /// `settings` are variables for TokenTracer, which may name databases in the place of SQLite.
    pub(super) fn start(mock: &Path, program: &Path, port: u16, settings: &[(&str, String)]) -> Result<Self, String> {
        Self::make(mock, port, program, settings, |_| Command::new(program))
    }

    /// The same under callgrind, which writes to [`Bed::directory`]. It obeys
    /// `vgdb --vgdb-prefix=DIRECTORY/vgdb`.
    pub(super) fn under_callgrind(mock: &Path, program: &Path) -> Result<Self, String> {
        Self::make(mock, 0, program, &[], |directory| {
            let mut command = Command::new("valgrind");
            command
                .args(["--tool=callgrind", "--separate-threads=yes", "--fair-sched=try", "--quiet"])
                .arg(format!("--callgrind-out-file={}", directory.join("out").display()))
                .arg(format!("--vgdb-prefix={}", directory.join("vgdb").display()))
                .arg(program);
            command
        })
    }

    /// `served` gives the command that runs `program`.
    fn make(
        mock: &Path,
        port: u16,
        program: &Path,
        settings: &[(&str, String)],
        served: impl FnOnce(&Path) -> Command,
    ) -> Result<Self, String> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from).to_string();
        let directory = Directory::make()?;
        let port = port.to_string();
        let upstream = Program::start(Command::new(mock).args(["upstream", "--port", &port, "--threads", &cores]))?;
        let url = format!("http://{}", upstream.address());
        let bare = Program::start(Command::new(mock).args(["bare-proxy", "--threads", &cores, "--upstream", &url]))?;
        let running = directory.start(served(&directory.0), &url, settings)?;
        let mut promote = Command::new(program);
        promote.env_clear().envs(settings.iter().cloned()).env("DATA_DIR", directory.data());
        let api_key = account(&Server::new(running.address()), promote.args(["users", "promote", EMAIL]))
            .map_err(|problem| directory.with_log_tail(&problem))?;
        let target = |name: &str, process: Program, key: &str| Target {
            name: name.to_owned(),
            address: process.address().to_owned(),
            credential: format!("authorization: Bearer {key}"),
            model: None,
            process: Some(process),
        };
        let targets = vec![
            target("upstream", upstream, MOCK_KEY),
            target("bare proxy", bare, MOCK_KEY),
            target("TokenTracer", running, &api_key),
        ];
        Ok(Self { targets, mock: mock.to_owned(), directory })
    }

    /// TokenTracer's process.
    pub(super) fn tokentracer(&self) -> Option<&Target> {
        self.targets.get(TOKENTRACER)
    }

    /// Asks TokenTracer to end, and waits until it has.
    pub(super) fn stop_tokentracer(&mut self) {
        if let Some(process) = self.targets.get_mut(TOKENTRACER).and_then(|target| target.process.as_mut()) {
            process.stop();
        }
    }

    /// Ends TokenTracer, and starts `program` in its place, on its data and with these variables. It may speak TLS now.
    pub(super) fn start_again(&mut self, program: &Path, settings: &[(&str, String)]) -> Outcome {
        self.stop_tokentracer();
        let upstream = self.targets.get(UPSTREAM).map(Target::address).unwrap_or_default();
        let running = self.directory.start(Command::new(program), &format!("http://{upstream}"), settings)?;
        if let Some(target) = self.targets.get_mut(TOKENTRACER) {
            running.address().clone_into(&mut target.address);
            target.process = Some(running);
        }
        Ok(())
    }

    /// TokenTracer's API, and a session of the account there.
    pub(super) fn session(&self) -> Result<(Server, String), String> {
        let server = Server::new(self.tokentracer().map(Target::address).unwrap_or_default());
        let who = json!({"email": EMAIL, "password": PASSWORD});
        let session = text(&server.post("/auth/login", None, &who)?.ok("sign in")?, "token")?;
        Ok((server, session))
    }

    /// A load of requests of one kind on one of the targets. The caller adds the number of requests or the time.
    pub(super) fn load(&self, on: &Target, shape: Shape, connections: usize) -> Command {
        let mut load = Command::new(&self.mock);
        let model = on.model.as_deref().unwrap_or(shape.model);
        load.args(["load", "--target", &format!("http://{}", on.address), "--credential", &on.credential])
            .args(["--api", shape.api, "--model", model, "--stream", if shape.stream { "true" } else { "false" }])
            .args(["--bytes", &shape.bytes.to_string(), "--connections", &connections.to_string()]);
        load
    }

    /// The directory of this bed, which is removed with it. Callgrind writes its counts there, in files named `out.N-THREAD`.
    pub(super) fn directory(&self) -> &Path {
        &self.directory.0
    }

    /// The last lines of TokenTracer's log.
    pub(super) fn log_tail(&self) -> String {
        self.directory.log_tail()
    }
}

/// Completes a command of TokenTracer: it serves on a free port, with its data in `data` and the upstream at `url`.
pub(super) fn serve(command: &mut Command, url: &str, data: &Path) {
    command
        .arg("serve")
        // For valgrind.
        .envs(variable("PATH").map(|path| ("PATH", path)))
        .env("PORT", "0")
        .env("DATA_DIR", data)
        .env("OPENAI_BASE_URL", format!("{url}/v1"))
        .env("ANTHROPIC_BASE_URL", url)
        .env("GEMINI_BASE_URL", url)
        .env("RATE_LIMIT_MINUTE", LIMIT)
        .env("RATE_LIMIT_DAILY", LIMIT)
        .env("MAX_WORKER_LAG", "60s");
}

/// Signs up, stores a key of each provider, names the models that pass through to OpenAI, sets the prices of all models,
/// which takes an administrator (`promote` makes one), and returns an API key.
fn account(server: &Server, promote: &mut Command) -> Result<String, String> {
    let who = json!({"email": EMAIL, "password": PASSWORD});
    server.post("/auth/signup", None, &who)?.ok("sign up")?;
    output(promote)?;
    let session = text(&server.post("/auth/login", None, &who)?.ok("sign in")?, "token")?;
    let store = |provider: &str, key: &str| {
        let key = json!({"provider": provider, "api_key": key});
        let stored = server.post("/manage/providers", Some(&session), &key)?.ok("store a provider key")?;
        stored.get("id").and_then(Value::as_u64).ok_or_else(|| "store a provider key: no id came".to_owned())
    };
    let id = store("openai", MOCK_KEY)?;
    store("anthropic", "sk-ant-mock-bench")?;
    store("gemini", "AIzaMockBench")?;
    let price = json!({"usd_per_million": {"input": 0.15, "output": 0.6}});
    for model in SHAPES.map(|shape| shape.model).into_iter().collect::<BTreeSet<_>>() {
        let alias = json!({"alias": model, "target_model": model, "provider_key_id": id});
        server.post("/manage/aliases", Some(&session), &alias)?.ok("make an alias")?;
        for provider in ["openai", "anthropic", "gemini"] {
            let path = format!("/manage/prices/{provider}/{model}");
            server.call("PUT", &path, Some(&session), Some(&price))?.ok("set a price")?;
        }
    }
    let made = server.post("/auth/key", Some(&session), &json!({"name": "bench"}))?.ok("make an API key")?;
    text(&made, "token")
}

fn text(value: &Value, name: &str) -> Result<String, String> {
    let text = value.get(name).and_then(Value::as_str);
    text.map(str::to_owned).ok_or_else(|| format!("an answer has no {name}"))
}

/// A directory for this run; dropping it removes it.
#[derive(Debug)]
pub(super) struct Directory(PathBuf);

impl Directory {
    pub(super) fn make() -> Result<Self, String> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("tokentracer-bench-{}-{number}", std::process::id()));
        std::fs::create_dir(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    fn data(&self) -> PathBuf {
        self.0.join("data")
    }

    fn log(&self) -> PathBuf {
        self.0.join("log")
    }

    /// Starts TokenTracer by `command`, with these variables, its data and its log in this directory and the upstream at `url`.
    /// No setting of the developer's is in its environment.
    fn start(&self, mut command: Command, url: &str, settings: &[(&str, String)]) -> Result<Program, String> {
        let log = File::create(self.log()).map_err(|error| format!("{}: {error}", self.log().display()))?;
        command.env_clear().envs(settings.iter().cloned()).stderr(log);
        serve(&mut command, url, &self.data());
        Program::start(&mut command).map_err(|problem| self.with_log_tail(&problem))
    }

    fn with_log_tail(&self, problem: &str) -> String {
        format!("{problem}\n{}", self.log_tail())
    }

    fn log_tail(&self) -> String {
        let log = std::fs::read_to_string(self.log()).unwrap_or_default();
        let mut lines: Vec<&str> = log.lines().rev().take(LOG_LINES).collect();
        lines.reverse();
        lines.join("\n")
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("{} is left behind: {error}", self.0.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_gateway_is_named_by_address_header_and_model() {
        let target = gateway("http://127.0.0.1:4000/, x-api-key: sk-1, openai/gpt-4o").unwrap();
        assert_eq!((target.address.as_str(), target.credential.as_str()), ("127.0.0.1:4000", "x-api-key: sk-1"));
        assert_eq!((target.model.as_deref(), target.process()), (Some("openai/gpt-4o"), None));
        for wrong in
            ["", "http://h:1", "http://h:1,a: b", "https://h:1,a: b,m", "http://h:1/v1,a: b,m", "http://h:1,a,m"]
        {
            assert!(gateway(wrong).is_err(), "{wrong}");
        }
    }
}
