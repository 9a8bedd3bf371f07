//! The processes under test: the mock upstream, a bare proxy before it, and TokenTracer before it with an account.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::shape::{SHAPES, Shape};
use crate::env::variable;
use crate::http::Server;
use crate::program::Program;

/// A limit too high to refuse anything, since a limit that is in force has a cost of its own.
const LIMIT: &str = "100000000";
const LOG_LINES: usize = 10;

/// All running processes of one measurement.
#[derive(Debug)]
pub(super) struct Bed {
    /// In the order of [`super::samples::TARGETS`].
    pub(super) targets: [Program; 3],
    /// TokenTracer's; the upstream takes any.
    api_key: String,
    /// The mock and the load generator.
    mock: PathBuf,
    directory: Directory,
}

impl Bed {
    /// Starts the programs in `binaries` and makes an account.
    pub(super) fn start(binaries: &Path) -> Result<Self, String> {
        Self::make(binaries, |_| Command::new(binaries.join("tokentracer")))
    }

    /// The same with `program` for TokenTracer, under callgrind, which writes to [`Bed::callgrind_directory`]. It obeys
    /// `vgdb --vgdb-prefix=DIRECTORY/vgdb`.
    pub(super) fn under_callgrind(binaries: &Path, program: &Path) -> Result<Self, String> {
        Self::make(binaries, |directory| {
            let mut command = Command::new("valgrind");
            command
                .args(["--tool=callgrind", "--fair-sched=try", "--quiet"])
                .arg(format!("--callgrind-out-file={}", directory.join("out").display()))
                .arg(format!("--vgdb-prefix={}", directory.join("vgdb").display()))
                .arg(program);
            command
        })
    }

    fn make(binaries: &Path, program: impl FnOnce(&Path) -> Command) -> Result<Self, String> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from).to_string();
        let directory = Directory::make()?;
        let mock = binaries.join("tt-mock");
        let upstream = Program::start(Command::new(&mock).args(["upstream", "--threads", &cores]))?;
        let url = format!("http://{}", upstream.address());
        let bare = Program::start(Command::new(&mock).args(["bare-proxy", "--threads", &cores, "--upstream", &url]))?;
        let log = File::create(directory.log()).map_err(|error| format!("{}: {error}", directory.log().display()))?;
        let mut command = program(&directory.0);
        command
            .arg("serve")
            // No setting of the developer's: the same run everywhere. PATH is for valgrind.
            .env_clear()
            .envs(variable("PATH").map(|path| ("PATH", path)))
            .env("PORT", "0")
            .env("DATA_DIR", directory.0.join("data"))
            .env("OPENAI_BASE_URL", format!("{url}/v1"))
            .env("ANTHROPIC_BASE_URL", &url)
            .env("GEMINI_BASE_URL", &url)
            .env("RATE_LIMIT_MINUTE", LIMIT)
            .env("RATE_LIMIT_DAILY", LIMIT)
            .stderr(log);
        let failed = |problem| format!("{problem}\n{}", directory.log_tail());
        let program = Program::start(&mut command).map_err(failed)?;
        let api_key = account(&Server::new(program.address())).map_err(failed)?;
        Ok(Self { targets: [upstream, bare, program], api_key, mock, directory })
    }

    /// A load of requests of one kind on one of the processes. The caller adds the number of requests or the time.
    pub(super) fn load(&self, on: &Program, shape: Shape, connections: usize) -> Command {
        let mut load = Command::new(&self.mock);
        load.args(["load", "--target", &format!("http://{}", on.address()), "--bearer", &self.api_key])
            .args(["--api", shape.api, "--model", shape.model, "--stream", if shape.stream { "true" } else { "false" }])
            .args(["--bytes", &shape.bytes.to_string(), "--connections", &connections.to_string()]);
        load
    }

    /// The directory in which callgrind writes its counts, in files named `out.N`.
    pub(super) fn callgrind_directory(&self) -> &Path {
        &self.directory.0
    }

    /// The last lines of TokenTracer's log.
    pub(super) fn log_tail(&self) -> String {
        self.directory.log_tail()
    }
}

/// Signs up, stores a key of each provider, names the models that pass through to OpenAI, and returns an API key.
fn account(server: &Server) -> Result<String, String> {
    let who = json!({"email": "bench@example.com", "password": "a password of the benchmark"});
    server.post("/auth/signup", None, &who)?.ok("sign up")?;
    let session = text(&server.post("/auth/login", None, &who)?.ok("sign in")?, "token")?;
    let store = |provider: &str| {
        let key = json!({"provider": provider, "api_key": "sk-mock-bench"});
        let stored = server.post("/manage/providers", Some(&session), &key)?.ok("store a provider key")?;
        stored.get("id").and_then(Value::as_u64).ok_or_else(|| "store a provider key: no id came".to_owned())
    };
    let id = store("openai")?;
    store("anthropic")?;
    store("gemini")?;
    for model in SHAPES.map(|shape| shape.model) {
        let alias = json!({"alias": model, "target_model": model, "provider_key_id": id});
        server.post("/manage/aliases", Some(&session), &alias)?.ok("make an alias")?;
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
struct Directory(PathBuf);

impl Directory {
    fn make() -> Result<Self, String> {
        let path = std::env::temp_dir().join(format!("tokentracer-bench-{}", std::process::id()));
        std::fs::create_dir(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self(path))
    }

    fn log(&self) -> PathBuf {
        self.0.join("log")
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
