//! `cargo xtask test-agents`: coding agents run headless against the built program, with a mock of each provider behind it,
//! in a network namespace that has a loopback and nothing else. The agents are installed from npm into the build directory.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::dev::Running;
use crate::http::Server;
use crate::run::{Outcome, cargo_command, empty_directory, status, target_directory};

/// The half that runs inside the network namespace.
pub(crate) const INSIDE: &str = "test-agents-inside";

/// The list of the packages.
const SOURCES: &str = "bins/tokentracer/tests/agents";
/// The arguments of unshare.
const NAMESPACE: [&str; 2] = ["--net", "--map-root-user"];
/// Brings up the loopback of a new namespace and goes on as the arguments say.
const LOOPBACK: &str = r#"ip link set lo up && exec "$@""#;
/// The mock repeats what it was asked after these words.
const REPLY: &str = "mock reply to";
const PROVIDERS: [&str; 3] = ["openai", "anthropic", "gemini"];
/// The longest that an agent may take for an answer.
const PATIENCE: Duration = Duration::from_secs(120);

/// An agent, by the name that its rows have as `client`.
struct Agent {
    client: &'static str,
    /// The command that asks once, in a directory of its own that is its home too.
    command: fn(&Place<'_>) -> Result<Command, String>,
}

/// All that an agent's command needs to know.
struct Place<'a> {
    /// The directory of the agents' programs.
    programs: &'a Path,
    home: &'a Path,
    url: &'a str,
    api_key: &'a str,
    model: &'a str,
}

impl Place<'_> {
    /// The command of an agent, which knows nothing of this environment but the path of programs.
    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command
    }
}

const AGENTS: [Agent; 3] = [
    Agent { client: "claude-code", command: claude_code },
    Agent { client: "codex", command: codex },
    Agent { client: "gemini-cli", command: gemini_cli },
];

/// Builds the program, installs the agents, and goes on as [`inside`] where the system can make the namespace.
pub(crate) fn test() -> Outcome {
    let target = target_directory()?;
    let directory = target.join("agents");
    if let Err(problem) = status(Command::new("unshare").args(NAMESPACE).args(["sh", "-c", "ip link set lo up"])) {
        println!("SKIPPED: this system makes no network namespace, which needs unshare and ip: {problem}");
        return Ok(());
    }
    if let Err(problem) = install(&directory) {
        println!("SKIPPED: the agents cannot be installed here: {problem}");
        return Ok(());
    }
    // Before the build, which may put a new file of this program in its place.
    let this = std::env::current_exe().map_err(|error| format!("this program's own path: {error}"))?;
    status(&mut cargo_command(&["build", "--workspace", "--bins"]))?;
    let mut command = Command::new("unshare");
    command.args(NAMESPACE).args(["sh", "-c", LOOPBACK, "sh"]).arg(this).arg(INSIDE).arg(&target);
    status(&mut command)
}

fn install(directory: &Path) -> Outcome {
    fs::create_dir_all(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    for name in ["package.json", "package-lock.json"] {
        fs::copy(Path::new(SOURCES).join(name), directory.join(name)).map_err(|error| format!("{name}: {error}"))?;
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--silent", "--no-audit", "--no-fund"]).current_dir(directory);
    status(&mut npm).map_err(|problem| if problem.is_empty() { "npm ci failed".to_owned() } else { problem })
}

/// Runs each agent with a model of each provider, and looks at the rows of its requests.
pub(crate) fn inside(arguments: &[String]) -> Outcome {
    let [target] = arguments else { return Err("start it with: cargo xtask test-agents".to_owned()) };
    let (target, directory) = (Path::new(target), Path::new(target).join("agents"));
    let binaries = target.join("debug");
    let data = empty_directory(directory.join("data"))?;
    let running = Running::on_the_mock(&binaries, &data)?;
    let server = Server::new(running.address());
    let url = format!("http://{}", running.address());
    let mut failed = 0;
    for agent in &AGENTS {
        for provider in PROVIDERS {
            let model = format!("{provider}/mock-small");
            let home = empty_directory(directory.join("home"))?;
            let programs = directory.join("node_modules/.bin");
            let place =
                Place { programs: &programs, home: &home, url: &url, api_key: running.api_key(), model: &model };
            let result = ask(agent, &place).and_then(|()| rows(&server, running.api_key(), agent.client, &model));
            match result {
                Ok(rows) => println!("{} to {provider}: answered, {rows} rows", agent.client),
                Err(problem) => {
                    failed += 1;
                    println!("{} to {provider}: FAILED: {problem}", agent.client);
                }
            }
        }
    }
    if failed == 0 { Ok(()) } else { Err(format!("{failed} failed")) }
}

/// Asks once, and looks for the mock's reply.
fn ask(agent: &Agent, place: &Place<'_>) -> Outcome {
    let mut command = (agent.command)(place)?;
    command.current_dir(place.home).env("HOME", place.home);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.map_err(|error| format!("{}: {error}", command.get_program().display()))?;
    let output = wait(child)?;
    let text = String::from_utf8_lossy(&output.stdout);
    if output.status.success() && text.contains(REPLY) {
        return Ok(());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(format!("{}\n{}\n{}", output.status, text.trim(), errors.trim()))
}

/// Waits until the agent ends, and ends it when it takes too long.
fn wait(mut child: Child) -> Result<Output, String> {
    let until = Instant::now() + PATIENCE;
    while child.try_wait().map_err(|error| error.to_string())?.is_none() {
        if Instant::now() > until {
            // It fails only for a child that is gone.
            let _ = child.kill();
            return Err(format!("no answer in {} s", PATIENCE.as_secs()));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    child.wait_with_output().map_err(|error| error.to_string())
}

/// The number of rows of the agent for the model. All of its requests were served.
fn rows(server: &Server, api_key: &str, client: &str, model: &str) -> Result<usize, String> {
    let page = server.get("/manage/logs?limit=500", api_key)?.ok("read the log")?;
    let all = page.get("data").and_then(Value::as_array).ok_or("the log has no rows")?;
    let is = |row: &Value, field: &str, value: &str| row.get(field).is_some_and(|found| found == value);
    let own: Vec<_> = all.iter().filter(|row| is(row, "client", client) && is(row, "alias", model)).collect();
    if own.is_empty() {
        return Err("it has no row".to_owned());
    }
    match own.iter().find(|row| !is(row, "outcome", "ok")) {
        Some(row) => Err(format!("a request failed: {row}")),
        None => Ok(own.len()),
    }
}

fn claude_code(place: &Place<'_>) -> Result<Command, String> {
    let mut command = place.program("claude");
    command.env("ANTHROPIC_BASE_URL", place.url).env("ANTHROPIC_API_KEY", place.api_key);
    command.env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1");
    command.args(["--print", "Say hello", "--model", place.model]);
    Ok(command)
}

fn codex(place: &Place<'_>) -> Result<Command, String> {
    write(&place.home.join(".codex/config.toml"), &format!("openai_base_url = \"{}/v1\"\n", place.url))?;
    let mut command = place.program("codex");
    command.env("CODEX_API_KEY", place.api_key);
    command.args(["exec", "--skip-git-repo-check", "--model", place.model, "Say hello"]);
    Ok(command)
}

fn gemini_cli(place: &Place<'_>) -> Result<Command, String> {
    let settings = r#"{"security":{"auth":{"selectedType":"gemini-api-key"}}}"#;
    write(&place.home.join(".gemini/settings.json"), settings)?;
    let mut command = place.program("gemini");
    command.env("GOOGLE_GEMINI_BASE_URL", place.url).env("GEMINI_API_KEY", place.api_key);
    command.env("GEMINI_CLI_TRUST_WORKSPACE", "true");
    command.args(["--prompt", "Say hello", "--model", place.model]);
    Ok(command)
}

fn write(path: &Path, text: &str) -> Outcome {
    let made = path.parent().map_or(Ok(()), fs::create_dir_all);
    made.and_then(|()| fs::write(path, text)).map_err(|error| format!("{}: {error}", path.display()))
}
