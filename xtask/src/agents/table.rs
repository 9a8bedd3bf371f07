//! The agents: what each is named in the ledger, the tool that its model calls, and the command that starts it.

use std::process::Command;

use super::commands::{Place, aider, claude_code, cline, codex, gemini_cli, opencode, qwen_code};
use super::task::Work;

/// An agent that speaks one dialect.
pub(super) struct Agent {
    /// The name by which it is chosen. An agent that speaks several dialects stands in the list once for each.
    pub(super) name: &'static str,
    /// Its program, below the directory of the agents.
    pub(super) program: &'static str,
    /// The name that its rows have as `client`.
    pub(super) client: &'static str,
    /// The dialect that its rows have.
    pub(super) dialect: &'static str,
    /// True if its requests name a session.
    pub(super) session: bool,
    /// The model that it is given, which is an alias of the provider's; `None`: the provider's under its own name.
    pub(super) alias: Option<&'static str>,
    /// True if it can limit its answers by `max_tokens` alone, which OpenAI refuses for models that think. It is given one
    /// that does not.
    pub(super) only_max_tokens: bool,
    pub(super) work: Work,
    /// The command that gives it a task, in a directory of its own that is its home too.
    pub(super) command: fn(&Place<'_>) -> Result<Command, String>,
}

/// A model of a provider.
pub(super) struct Model {
    pub(super) provider: &'static str,
    pub(super) name: &'static str,
    /// True if it thinks when it is asked to.
    pub(super) thinks: bool,
}

const GPT: Model = Model { provider: "openai", name: "gpt-5.4", thinks: true };
/// A model of OpenAI that takes `max_tokens`, and does not think.
const GPT_4: Model = Model { provider: "openai", name: "gpt-4.1", thinks: false };
const CLAUDE: Model = Model { provider: "anthropic", name: "claude-sonnet-4-5", thinks: true };
const GEMINI: Model = Model { provider: "gemini", name: "gemini-3-flash-preview", thinks: true };

impl Agent {
    /// The models that it is given the task with, one of each provider.
    pub(super) const fn models(&self) -> [Model; 3] {
        [if self.only_max_tokens { GPT_4 } else { GPT }, CLAUDE, GEMINI]
    }
}

pub(super) const AGENTS: &[Agent] = &[
    Agent {
        name: "claude-code",
        program: "node_modules/.bin/claude",
        client: "claude-code",
        dialect: "anthropic_messages",
        session: true,
        // It drops the thinking of answers that name another model than it asked for, which Anthropic then refuses.
        alias: Some("claude-sonnet-4-5"),
        only_max_tokens: false,
        work: Work::Calls { tool: "Bash", argument: "command" },
        command: claude_code,
    },
    Agent {
        name: "codex",
        program: "node_modules/.bin/codex",
        client: "codex",
        dialect: "openai_responses",
        session: true,
        alias: None,
        only_max_tokens: false,
        work: Work::Calls { tool: "exec_command", argument: "cmd" },
        command: codex,
    },
    Agent {
        name: "gemini-cli",
        program: "node_modules/.bin/gemini",
        client: "gemini-cli",
        dialect: "gemini",
        session: false,
        // It asks for thinking where it knows the model.
        alias: Some("gemini-2.5-pro"),
        only_max_tokens: false,
        work: Work::Calls { tool: "read_file", argument: "file_path" },
        command: gemini_cli,
    },
    Agent {
        dialect: "openai_responses",
        command: |place| opencode(place, "@ai-sdk/openai", "/v1", r#"{"reasoningEffort":"low"}"#),
        ..OPENCODE
    },
    Agent {
        dialect: "anthropic_messages",
        command: |place| {
            let thinking = r#"{"thinking":{"type":"enabled","budgetTokens":4000}}"#;
            opencode(place, "@ai-sdk/anthropic", "/v1", thinking)
        },
        ..OPENCODE
    },
    Agent {
        dialect: "gemini",
        command: |place| {
            let thinking = r#"{"thinkingConfig":{"includeThoughts":true,"thinkingLevel":"low"}}"#;
            opencode(place, "@ai-sdk/google", "/v1beta", thinking)
        },
        ..OPENCODE
    },
    Agent { only_max_tokens: true, ..OPENCODE },
    QWEN_CODE,
    Agent {
        dialect: "openai_responses",
        session: true,
        command: |place| qwen_code(place, "openai-responses", "/v1", QWEN_CODE_THINKS),
        ..QWEN_CODE
    },
    Agent { dialect: "gemini", command: |place| qwen_code(place, "gemini", "", QWEN_CODE_THINKS), ..QWEN_CODE },
    CLINE,
    // In these two dialects it asks for thinking where it knows the model.
    Agent {
        dialect: "openai_responses",
        alias: Some("gpt-5.4"),
        command: |place| cline(place, "openai-native", "/v1"),
        ..CLINE
    },
    Agent {
        dialect: "gemini",
        alias: Some("gemini-3.1-pro-preview"),
        command: |place| cline(place, "gemini", "/v1beta"),
        ..CLINE
    },
    AIDER,
    Agent {
        client: "litellm",
        dialect: "anthropic_messages",
        alias: Some("claude-sonnet-4-5"),
        command: |place| aider(place, "anthropic/claude-sonnet-4-5", ["--thinking-tokens", "2000"]),
        ..AIDER
    },
    Agent {
        client: "litellm",
        dialect: "gemini",
        alias: Some("gemini-2.5-pro"),
        command: |place| aider(place, "gemini/gemini-2.5-pro", ["--thinking-tokens", "2000"]),
        ..AIDER
    },
];

/// OpenCode with the package of the AI SDK for hosts that speak Chat Completions.
const OPENCODE: Agent = Agent {
    name: "opencode",
    program: "node_modules/.bin/opencode",
    client: "opencode",
    dialect: "openai_chat",
    session: true,
    alias: None,
    only_max_tokens: false,
    work: Work::Calls { tool: "read", argument: "filePath" },
    command: |place| opencode(place, "@ai-sdk/openai-compatible", "/v1", r#"{"reasoningEffort":"low"}"#),
};

/// Qwen Code with its kind of provider for hosts that speak Chat Completions. A limit among its parameters of sampling
/// replaces `max_tokens`. Its kind for Messages is not here: it calls itself Claude Code, and moves the thinking that stands
/// between calls, which Anthropic refuses.
const QWEN_CODE: Agent = Agent {
    name: "qwen-code",
    program: "node_modules/.bin/qwen",
    client: "qwen-code",
    dialect: "openai_chat",
    session: false,
    alias: None,
    only_max_tokens: false,
    work: Work::Calls { tool: "read_file", argument: "file_path" },
    command: |place| {
        let sampling = r#"{"samplingParams":{"max_completion_tokens":16000,"reasoning_effort":"low"}}"#;
        qwen_code(place, "openai", "/v1", sampling)
    },
};
const QWEN_CODE_THINKS: &str = r#"{"reasoning":{"effort":"low"}}"#;

/// Cline with its provider for hosts that speak Chat Completions. It does not name itself in its requests, which the AI SDK
/// sends. Its provider for Messages is not here: it drops the thinking of answers, so that behind Anthropic only its first
/// request thinks. The package `cline` only starts this program, and brings three hundred others with it.
const CLINE: Agent = Agent {
    name: "cline",
    program: "node_modules/.bin/cline",
    client: "ai-sdk",
    dialect: "openai_chat",
    session: false,
    alias: None,
    only_max_tokens: false,
    work: Work::Calls { tool: "run_commands", argument: "commands" },
    command: |place| cline(place, "openai-compatible", "/v1"),
};

/// Aider over Chat Completions. It does not name itself in its requests, which LiteLLM or OpenAI's library sends. It limits
/// its history by what it knows of the model, and asks for thinking in the way that it knows.
const AIDER: Agent = Agent {
    name: "aider",
    program: "python/bin/aider",
    client: "openai-python",
    dialect: "openai_chat",
    session: false,
    alias: Some("gpt-5"),
    only_max_tokens: false,
    work: Work::Edits,
    command: |place| aider(place, "openai/gpt-5", ["--reasoning-effort", "low"]),
};
