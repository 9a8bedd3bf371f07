//! The agents: what each is named in the ledger, the tool that its model calls, and the command that starts it.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::run::Outcome;

/// An agent, by the name that its rows have as `client`.
pub(super) struct Agent {
    pub(super) client: &'static str,
    /// The dialect that its rows have.
    pub(super) dialect: &'static str,
    /// True if its requests name a session.
    pub(super) session: bool,
    /// The model that it is given, which is an alias of the provider's; `None`: the provider's under its own name.
    pub(super) alias: Option<&'static str>,
    /// A tool of the agent that shows a file or runs it, with the name of the argument that takes the file's path.
    pub(super) tool: [&'static str; 2],
    /// The command that gives it a task, in a directory of its own that is its home too.
    pub(super) command: fn(&Place<'_>) -> Result<Command, String>,
}

/// All that an agent's command needs to know.
pub(super) struct Place<'a> {
    /// The directory of the agents' programs.
    pub(super) programs: &'a Path,
    pub(super) home: &'a Path,
    pub(super) url: &'a str,
    pub(super) api_key: &'a str,
    pub(super) model: &'a str,
    pub(super) task: &'a str,
}

impl Place<'_> {
    /// The command of an agent, which knows nothing of this environment but the path of programs.
    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command
    }

    /// Writes a file of the agent's settings.
    fn write(&self, path: &str, text: &str) -> Outcome {
        let path = self.home.join(path);
        let made = path.parent().map_or(Ok(()), fs::create_dir_all);
        made.and_then(|()| fs::write(&path, text)).map_err(|error| format!("{}: {error}", path.display()))
    }
}

pub(super) const AGENTS: &[Agent] = &[
    Agent {
        client: "claude-code",
        dialect: "anthropic_messages",
        session: true,
        // It drops the thinking of answers that name another model than it asked for, which Anthropic then refuses.
        alias: Some("claude-sonnet-4-5"),
        tool: ["Bash", "command"],
        command: claude_code,
    },
    Agent {
        client: "codex",
        dialect: "openai_responses",
        session: true,
        alias: None,
        tool: ["exec_command", "cmd"],
        command: codex,
    },
    Agent {
        client: "gemini-cli",
        dialect: "gemini",
        session: false,
        // It asks for thinking where it knows the model.
        alias: Some("gemini-2.5-pro"),
        tool: ["read_file", "file_path"],
        command: gemini_cli,
    },
];

fn claude_code(place: &Place<'_>) -> Result<Command, String> {
    let mut command = place.program("claude");
    command.env("ANTHROPIC_BASE_URL", place.url).env("ANTHROPIC_API_KEY", place.api_key);
    command.env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1").env("MAX_THINKING_TOKENS", "4000");
    command.args(["--print", place.task, "--model", place.model, "--allowedTools", "Bash"]);
    Ok(command)
}

fn codex(place: &Place<'_>) -> Result<Command, String> {
    let settings = format!(
        "openai_base_url = \"{}/v1\"\nmodel_reasoning_effort = \"low\"\nmodel_supports_reasoning_summaries = true\n",
        place.url
    );
    place.write(".codex/config.toml", &settings)?;
    let mut command = place.program("codex");
    command.env("CODEX_API_KEY", place.api_key);
    command.args(["exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"]);
    command.args(["--model", place.model, place.task]);
    Ok(command)
}

fn gemini_cli(place: &Place<'_>) -> Result<Command, String> {
    place.write(".gemini/settings.json", r#"{"security":{"auth":{"selectedType":"gemini-api-key"}}}"#)?;
    let mut command = place.program("gemini");
    command.env("GOOGLE_GEMINI_BASE_URL", place.url).env("GEMINI_API_KEY", place.api_key);
    command.env("GEMINI_CLI_TRUST_WORKSPACE", "true");
    command.args(["--prompt", place.task, "--model", place.model, "--approval-mode", "yolo"]);
    Ok(command)
}
