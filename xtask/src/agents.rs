//! `cargo xtask test-agents`: coding agents run headless against the built program, with a mock of each provider behind it,
//! in a network namespace that has a loopback and nothing else. Each does a task of three rounds of tool calls, with thinking.
//! The agents are installed from npm into the build directory.

mod rows;
mod table;
mod task;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::dev::Running;
use crate::http::Server;
use crate::run::{Outcome, cargo_command, empty_directory, status, target_directory};
use table::{AGENTS, Agent, Place};

/// The half that runs inside the network namespace.
pub(crate) const INSIDE: &str = "test-agents-inside";

/// The list of the packages.
const SOURCES: &str = "bins/tokentracer/tests/agents";
/// The arguments of unshare.
const NAMESPACE: [&str; 2] = ["--net", "--map-root-user"];
/// Brings up the loopback of a new namespace and goes on as the arguments say.
const LOOPBACK: &str = r#"ip link set lo up && exec "$@""#;
/// A provider, and a model of it that thinks and signs its thinking.
const MODELS: [(&str, &str); 3] =
    [("openai", "gpt-5.4"), ("anthropic", "claude-sonnet-4-5"), ("gemini", "gemini-3-flash-preview")];
/// The longest that an agent may take for its task.
const PATIENCE: Duration = Duration::from_secs(120);

/// Builds the program, installs the agents, and goes on as [`inside`] where the system can make the namespace.
/// The arguments name agents; without any, all are run.
pub(crate) fn test(arguments: &[String]) -> Outcome {
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
    command.args(NAMESPACE).args(["sh", "-c", LOOPBACK, "sh"]).arg(this).arg(INSIDE).arg(&target).args(arguments);
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

/// Gives each agent the task with a model of each provider, and looks at the rows of its requests.
pub(crate) fn inside(arguments: &[String]) -> Outcome {
    let [target, wanted @ ..] = arguments else { return Err("start it with: cargo xtask test-agents".to_owned()) };
    let (target, directory) = (Path::new(target), Path::new(target).join("agents"));
    let data = empty_directory(directory.join("data"))?;
    let running = Running::on_the_mock(&target.join("debug"), &data)?;
    let server = Server::new(running.address());
    let mut failed = 0;
    for agent in AGENTS.iter().filter(|agent| wanted.is_empty() || wanted.iter().any(|name| name == agent.client)) {
        for (provider, model) in MODELS {
            let started = Instant::now();
            let alias = agent.alias.map_or_else(|| format!("{provider}/{model}"), str::to_owned);
            let result = agent
                .alias
                .map_or(Ok(()), |alias| make_alias(&server, running.api_key(), alias, provider, model))
                .and_then(|()| run(agent, &running, &directory, &alias))
                .and_then(|()| rows::check(&server, running.api_key(), agent, provider, &alias));
            let seconds = started.elapsed().as_secs();
            match result {
                Ok(rows) => println!("{} to {provider}: done in {seconds} s, {rows} rows", agent.client),
                Err(problem) => {
                    failed += 1;
                    println!("{} to {provider}: FAILED in {seconds} s: {problem}", agent.client);
                }
            }
        }
    }
    if failed == 0 { Ok(()) } else { Err(format!("{failed} failed")) }
}

/// Makes the alias, or points it to another model.
fn make_alias(server: &Server, api_key: &str, alias: &str, provider: &str, model: &str) -> Outcome {
    let keys = server.get("/manage/providers", api_key)?.ok("list provider keys")?;
    let mut keys = keys.as_array().into_iter().flatten();
    let key = keys.find(|key| key.get("provider").is_some_and(|name| name == provider)).and_then(|key| key.get("id"));
    let body = json!({"alias": alias, "target_model": model, "provider_key_id": key});
    server.post("/manage/aliases", Some(api_key), &body)?.ok("make an alias").map(drop)
}

/// Gives the agent the task, and looks for its end in what the agent prints.
fn run(agent: &Agent, running: &Running, directory: &Path, model: &str) -> Outcome {
    let home = empty_directory(directory.join("home"))?;
    let (programs, url) = (directory.join("node_modules/.bin"), format!("http://{}", running.address()));
    let task = task::write(agent, &home)?;
    let place = Place { programs: &programs, home: &home, url: &url, api_key: running.api_key(), model, task: &task };
    let mut command = (agent.command)(&place)?;
    command.current_dir(&home).env("HOME", &home);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.map_err(|error| format!("{}: {error}", command.get_program().display()))?;
    let output = wait(child)?;
    let text = String::from_utf8_lossy(&output.stdout);
    if output.status.success() && text.contains(task::END) {
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
