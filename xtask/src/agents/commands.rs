//! The commands that start the agents, each with the settings that its user would make.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::task::TEST;
use crate::run::Outcome;

/// All that an agent's command needs to know.
pub(super) struct Place<'a> {
    /// The agent's program.
    pub(super) program: &'a Path,
    pub(super) home: &'a Path,
    pub(super) url: &'a str,
    pub(super) api_key: &'a str,
    pub(super) model: &'a str,
    /// True if the agent is to ask the model to think.
    pub(super) thinks: bool,
    pub(super) task: &'a str,
}

impl Place<'_> {
    /// The agent without arguments, which knows nothing of this environment but the path of programs.
    fn command(&self) -> Command {
        let mut command = Command::new(self.program);
        command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        // OpenCode leaves a library there at each start.
        command.current_dir(self.home).env("HOME", self.home).env("TMPDIR", self.home);
        command
    }

    /// Writes a file of the agent's settings.
    fn write(&self, path: &str, text: &str) -> Outcome {
        let path = self.home.join(path);
        let made = path.parent().map_or(Ok(()), fs::create_dir_all);
        made.and_then(|()| fs::write(&path, text)).map_err(|error| format!("{}: {error}", path.display()))
    }
}

pub(super) fn claude_code(place: &Place<'_>) -> Result<Command, String> {
    let mut command = place.command();
    command.env("ANTHROPIC_BASE_URL", place.url).env("ANTHROPIC_API_KEY", place.api_key);
    command.env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1").env("MAX_THINKING_TOKENS", "4000");
    command.args(["--print", place.task, "--model", place.model, "--allowedTools", "Bash"]);
    Ok(command)
}

pub(super) fn codex(place: &Place<'_>) -> Result<Command, String> {
    let settings = format!(
        "openai_base_url = \"{}/v1\"\nmodel_reasoning_effort = \"low\"\nmodel_supports_reasoning_summaries = true\n",
        place.url
    );
    place.write(".codex/config.toml", &settings)?;
    let mut command = place.command();
    command.env("CODEX_API_KEY", place.api_key);
    command.args(["exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"]);
    command.args(["--model", place.model, place.task]);
    Ok(command)
}

pub(super) fn gemini_cli(place: &Place<'_>) -> Result<Command, String> {
    place.write(".gemini/settings.json", r#"{"security":{"auth":{"selectedType":"gemini-api-key"}}}"#)?;
    let mut command = place.command();
    command.env("GOOGLE_GEMINI_BASE_URL", place.url).env("GEMINI_API_KEY", place.api_key);
    command.env("GEMINI_CLI_TRUST_WORKSPACE", "true");
    command.args(["--prompt", place.task, "--model", place.model, "--approval-mode", "yolo"]);
    Ok(command)
}

/// `package` is one of the AI SDK, which decides the dialect; `thinking` has that package's words for it, in JSON.
pub(super) fn opencode(place: &Place<'_>, package: &str, path: &str, thinking: &str) -> Result<Command, String> {
    let thinking: Value = serde_json::from_str(thinking).map_err(|error| format!("{thinking}: {error}"))?;
    let options = if place.thinks { thinking } else { json!({}) };
    let settings = json!({"provider": {"tokentracer": {
        "npm": package,
        "options": {"baseURL": format!("{}{path}", place.url), "apiKey": place.api_key},
        "models": {place.model: {"reasoning": place.thinks, "options": options}},
    }}});
    place.write("opencode.json", &settings.to_string())?;
    let mut command = place.command();
    // Without a title, it would ask for one beside the task, and might not wait for the answer.
    command.args(["run", "--title", "Files", "--model", &format!("tokentracer/{}", place.model), place.task]);
    Ok(command)
}

/// `kind` is a kind of provider, which decides the dialect; `generation` has the settings of its requests, in JSON.
pub(super) fn qwen_code(place: &Place<'_>, kind: &str, path: &str, generation: &str) -> Result<Command, String> {
    let generation: Value = serde_json::from_str(generation).map_err(|error| format!("{generation}: {error}"))?;
    let url = format!("{}{path}", place.url);
    let settings = json!({
        "security": {"auth": {"selectedType": kind, "apiKey": place.api_key, "baseUrl": url}},
        "model": {"name": place.model, "generationConfig": generation},
        // It would ask for memories to keep when it has done the task, and not wait for the answer.
        "memory": {"enableManagedAutoMemory": false, "enableManagedAutoDream": false},
    });
    place.write(".qwen/settings.json", &settings.to_string())?;
    let mut command = place.command();
    command.arg(place.task);
    Ok(command)
}

/// `provider` is one of its own, which decides the dialect.
pub(super) fn cline(place: &Place<'_>, provider: &str, path: &str) -> Result<Command, String> {
    let url = format!("{}{path}", place.url);
    let settings = json!({"provider": provider, "apiKey": place.api_key, "model": place.model, "baseUrl": url});
    let known = json!({"version": 1, "lastUsedProvider": provider, "providers": {provider: {
        "settings": settings,
        "updatedAt": "2026-01-01T00:00:00.000Z",
        "tokenSource": "manual",
    }}});
    place.write("cline/settings/providers.json", &known.to_string())?;
    let mut command = place.command();
    // With a directory of its own it starts no server that outlives the task.
    command.arg("--data-dir").arg(place.home.join("cline")).args(["--thinking", "low", place.task]);
    Ok(command)
}

/// `model` has the name of the provider's kind before it, which decides the dialect.
pub(super) fn aider(place: &Place<'_>, model: &str, thinking: [&str; 2]) -> Result<Command, String> {
    let mut command = place.command();
    for (kind, path) in [("OPENAI", "/v1"), ("ANTHROPIC", ""), ("GEMINI", "/v1beta")] {
        command.env(format!("{kind}_API_BASE"), format!("{}{path}", place.url));
        command.env(format!("{kind}_API_KEY"), place.api_key);
    }
    command.args(["--model", model]).args(thinking).args(["--message", place.task]);
    // Its histories would go to the root of the repository that it lies in.
    for history in ["chat", "input"] {
        command.arg(format!("--{history}-history-file")).arg(place.home.join(format!("aider.{history}.history")));
    }
    command.args(["--edit-format", "diff", "--auto-test", "--test-cmd"]).arg(place.home.join(TEST));
    // A longer history would be summed up by requests beside the task, for whose answers it would not wait.
    command.args(["--max-chat-history-tokens", "100000"]);
    command.args(["--yes-always", "--no-git", "--no-pretty", "--no-fancy-input"]);
    command.args(["--no-check-update", "--no-show-release-notes", "--no-show-model-warnings", "--analytics-disable"]);
    Ok(command)
}
