//! `cargo xtask test-agents`: coding agents run headless against the built program, with a mock of each provider behind it,
//! in a network namespace that has a loopback and nothing else. Each does a task of three rounds of tool calls, with thinking.
//! The agents are installed from npm and PyPI into the build directory. An agent that is not to be had for this machine is
//! skipped.

mod commands;
mod rows;
mod table;
mod task;

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::dev::Running;
use crate::http::Server;
use crate::packages;
use crate::run::{Outcome, cargo_command, empty_directory, signal, status, target_directory};
use commands::Place;
use table::{AGENTS, Agent, Model};

/// The half that runs inside the network namespace.
pub(crate) const INSIDE: &str = "test-agents-inside";

/// The lists of the packages.
const SOURCES: &str = "bins/tokentracer/tests/agents";
/// The arguments of unshare.
const NAMESPACE: [&str; 2] = ["--net", "--map-root-user"];
/// Brings up the loopback of a new namespace and goes on as the arguments say.
const LOOPBACK: &str = r#"ip link set lo up && exec "$@""#;
/// The directory of the agents' homes and of what they print, below that of the agents.
const RUNS: &str = "runs";
/// The longest that an agent may take for its task.
const PATIENCE: Duration = Duration::from_secs(240);

/// Builds the program, installs the agents, and goes on as [`inside`] where the system can make the namespace.
/// The arguments name agents; without any, all are run.
pub(crate) fn test(arguments: &[String]) -> Outcome {
    if let Some(unknown) = arguments.iter().find(|name| AGENTS.iter().all(|agent| agent.name != **name)) {
        return Err(format!("{unknown} is no agent"));
    }
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

/// Installs the agents. Aider alone may be missing, since it needs a Python of certain versions.
fn install(directory: &Path) -> Outcome {
    fs::create_dir_all(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    for name in ["package.json", "package-lock.json"] {
        fs::copy(Path::new(SOURCES).join(name), directory.join(name)).map_err(|error| format!("{name}: {error}"))?;
    }
    let (environment, requirements) = (directory.join("python"), Path::new(SOURCES).join("requirements.txt"));
    std::thread::scope(|threads| {
        threads.spawn(|| {
            if let Err(problem) = packages::python(&environment, &requirements) {
                println!("Aider cannot be installed here: {problem}");
            }
        });
        packages::npm(directory)
    })
}

/// Gives each agent the task with a model of each provider, and looks at the rows of its requests.
pub(crate) fn inside(arguments: &[String]) -> Outcome {
    let [target, wanted @ ..] = arguments else { return Err("start it with: cargo xtask test-agents".to_owned()) };
    let (target, directory) = (Path::new(target), Path::new(target).join("agents"));
    let data = empty_directory(directory.join("data"))?;
    empty_directory(directory.join(RUNS))?;
    let running = Running::on_the_mock(&target.join("debug"), &data, &[])?;
    let server = Server::new(running.address());
    let mut failed = 0;
    for agent in AGENTS.iter().filter(|agent| wanted.is_empty() || wanted.iter().any(|name| name == agent.name)) {
        let program = directory.join(agent.program);
        if !program.exists() {
            println!("SKIPPED: {} is not installed: there is no {}", agent.name, program.display());
            continue;
        }
        for model in agent.models() {
            let started = Instant::now();
            let result = try_with(agent, &model, &running, &server, &directory);
            let (seconds, what) = (started.elapsed().as_secs(), format!("{} over {}", agent.name, agent.dialect));
            match result {
                Ok(rows) => println!("{what} to {}: done in {seconds} s, {rows} rows", model.provider),
                Err(problem) => {
                    failed += 1;
                    println!("{what} to {}: FAILED in {seconds} s: {problem}", model.provider);
                }
            }
        }
    }
    if failed == 0 { Ok(()) } else { Err(format!("{failed} failed")) }
}

/// Gives the agent the task with the model, and counts the rows of its requests.
fn try_with(
    agent: &Agent,
    model: &Model,
    running: &Running,
    server: &Server,
    directory: &Path,
) -> Result<usize, String> {
    let alias = agent.alias.map_or_else(|| format!("{}/{}", model.provider, model.name), str::to_owned);
    if agent.alias.is_some() {
        make_alias(server, running.api_key(), &alias, model)?;
    }
    run(agent, model, running, directory, &alias)?;
    rows::wait_for(server, running.api_key(), agent, model, &alias)
}

/// Makes the alias, or points it to another model.
fn make_alias(server: &Server, api_key: &str, alias: &str, model: &Model) -> Outcome {
    let key = server.provider_key(api_key, model.provider)?;
    let body = json!({"alias": alias, "target_model": model.name, "provider_key_id": key});
    server.post("/manage/aliases", Some(api_key), &body)?.ok("make an alias").map(drop)
}

/// Gives the agent the task, and looks for its end in what the agent prints.
fn run(agent: &Agent, model: &Model, running: &Running, directory: &Path, alias: &str) -> Outcome {
    // Each has a directory of its own, since a program that an agent leaves behind may write for another moment.
    let run = directory.join(RUNS).join(format!("{}-{}-{}", agent.name, agent.dialect, model.provider));
    let (home, outputs) = (empty_directory(run.join("home"))?, ["stdout", "stderr"].map(|name| run.join(name)));
    let (program, url) = (directory.join(agent.program), format!("http://{}", running.address()));
    let mut command = (agent.command)(&Place {
        program: &program,
        home: &home,
        url: &url,
        api_key: running.api_key(),
        model: alias,
        thinks: model.thinks,
        task: &task::write(&agent.work, &home)?,
    })?;
    // To files: a pipe that is full, or that a program left behind holds open, would keep the agent from its end.
    let [stdout, stderr] = outputs.each_ref().map(File::create);
    let child = stdout.and_then(|out| {
        command.process_group(0).stdin(Stdio::null()).stdout(out).stderr(stderr?);
        command.spawn()
    });
    let child = child.map_err(|error| format!("{}: {error}", program.display()))?;
    let ended = wait(child);
    let [text, errors] = outputs.map(|path| fs::read(path).unwrap_or_default());
    let [text, errors] = [String::from_utf8_lossy(&text), String::from_utf8_lossy(&errors)];
    match ended {
        Ok(status) if status.success() && text.contains(task::END) => Ok(()),
        Ok(status) => Err(format!("{status}\n{}\n{}", text.trim(), errors.trim())),
        Err(problem) => Err(format!("{problem}\n{}\n{}", text.trim(), errors.trim())),
    }
}

/// Waits until the agent ends, and ends it when it takes too long. Programs that it has left running end with it.
fn wait(mut child: Child) -> Result<ExitStatus, String> {
    let until = Instant::now() + PATIENCE;
    let ended = loop {
        match child.try_wait() {
            Ok(None) if Instant::now() > until => break Err(format!("no answer in {} s", PATIENCE.as_secs())),
            Ok(None) => std::thread::sleep(Duration::from_millis(50)),
            Ok(Some(status)) => break Ok(status),
            Err(error) => break Err(error.to_string()),
        }
    };
    // These fail only where all of them are gone.
    signal("KILL", &format!("-{}", child.id()));
    let _ = child.wait();
    ended
}
