//! The client's own account of itself, from its headers: the program, its session, the agent within it, the trace.
//!
//! It sorts and finds requests. Nothing is allowed or refused by it, since a client can claim anything.

use crate::trace::{ParentSpan, TRACEPARENT, TraceParent};

/// The longest session, agent or trace id that is kept, in characters.
pub const LONGEST_ID: usize = 128;

/// The number of words of a `User-Agent` that are read: programs put their own name among the first.
const WORDS: usize = 16;

/// Headers that name a session. The first that holds a usable id counts: what the user sets for us, then what coding
/// agents send by themselves.
const SESSION: [&str; 6] = [
    "x-tokentracer-session",
    "x-claude-code-session-id",
    "session-id",
    "session_id",
    "x-opencode-session",
    "x-session-id",
];

/// The header that names the agent within a session.
const AGENT: &str = "x-claude-code-agent-id";

/// The program that sent a request, by its `User-Agent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Client {
    /// Claude Code, Anthropic's coding agent.
    ClaudeCode,
    /// Codex, OpenAI's coding agent.
    Codex,
    /// Gemini CLI, Google's coding agent.
    GeminiCli,
    /// Qwen Code, Alibaba's coding agent.
    QwenCode,
    /// opencode, a coding agent for the terminal.
    OpenCode,
    /// Aider, a coding agent for the terminal.
    Aider,
    /// Cline, a coding agent in the editor.
    Cline,
    /// LangChain, in any language.
    LangChain,
    /// LiteLLM, a library and proxy.
    LiteLlm,
    /// The AI SDK of Vercel.
    AiSdk,
    /// OpenAI's library for Python.
    OpenAiPython,
    /// OpenAI's library for JavaScript.
    OpenAiNode,
    /// Anthropic's library for Python.
    AnthropicPython,
    /// Anthropic's library for JavaScript.
    AnthropicNode,
    /// Google's library for the Gemini API, in any language.
    GoogleGenAi,
    /// A program that is not in this list.
    Other,
}

/// The beginning of a word of the `User-Agent`, in lower case, that each client is recognised by. Programs come before
/// the frameworks they are built with, and those before the libraries of the providers.
const MARKS: [(Client, &str); 21] = [
    (Client::ClaudeCode, "claude-cli/"),
    (Client::ClaudeCode, "claude-code/"),
    (Client::Codex, "codex_"),
    (Client::Codex, "codex-"),
    (Client::Codex, "codex/"),
    (Client::GeminiCli, "geminicli"),
    (Client::QwenCode, "qwencode"),
    (Client::OpenCode, "opencode/"),
    (Client::Aider, "aider/"),
    (Client::Cline, "cline/"),
    (Client::LangChain, "langchain"),
    (Client::LiteLlm, "litellm/"),
    (Client::AiSdk, "ai-sdk"),
    (Client::OpenAiPython, "openai/python"),
    (Client::OpenAiPython, "asyncopenai/python"),
    (Client::OpenAiNode, "openai/js"),
    (Client::AnthropicPython, "anthropic/python"),
    (Client::AnthropicPython, "asyncanthropic/python"),
    (Client::AnthropicNode, "anthropic/js"),
    (Client::GoogleGenAi, "google-genai"),
    (Client::GoogleGenAi, "google-generativeai"),
];

impl Client {
    /// The name in the API and the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClaudeCode => "claude-code",
            Self::Codex => "codex",
            Self::GeminiCli => "gemini-cli",
            Self::QwenCode => "qwen-code",
            Self::OpenCode => "opencode",
            Self::Aider => "aider",
            Self::Cline => "cline",
            Self::LangChain => "langchain",
            Self::LiteLlm => "litellm",
            Self::AiSdk => "ai-sdk",
            Self::OpenAiPython => "openai-python",
            Self::OpenAiNode => "openai-node",
            Self::AnthropicPython => "anthropic-python",
            Self::AnthropicNode => "anthropic-node",
            Self::GoogleGenAi => "google-genai",
            Self::Other => "other",
        }
    }

    /// The program that sends this `User-Agent`.
    ///
    /// ```
    /// use tt_core::client::Client;
    ///
    /// let agent = "opencode/1.18.33 ai-sdk/provider-utils/4.0.46 runtime/bun/1.3.14";
    /// assert_eq!(Client::of(agent), Client::OpenCode);
    /// assert_eq!(Client::of("curl/8.5.0"), Client::Other);
    /// ```
    pub fn of(user_agent: &str) -> Self {
        let begins = |mark: &&(Self, &str)| {
            let mut words = user_agent.split_ascii_whitespace().take(WORDS);
            words.any(|word| word.get(..mark.1.len()).is_some_and(|head| head.eq_ignore_ascii_case(mark.1)))
        };
        MARKS.iter().find(begins).map_or(Self::Other, |(client, _)| *client)
    }
}

/// The client's account of itself. A field is `None` when the client does not state it, or states it in a form that
/// cannot be kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AskedBy {
    /// The program; `None` when the request has no `User-Agent`.
    pub client: Option<Client>,
    /// The session or conversation that the request belongs to.
    pub session: Option<String>,
    /// The agent within the session that sent the request.
    pub agent: Option<String>,
    /// The trace that the request belongs to: 32 hexadecimal digits in lower case.
    pub trace_id: Option<String>,
    /// The span within that trace that sent the request.
    pub parent_span: Option<ParentSpan>,
}

impl AskedBy {
    /// Reads the headers of a request, names in lower case with values of which `text` gives the text, in one pass. Of
    /// several with one name the first counts.
    pub fn from_headers<'a, V>(
        headers: impl IntoIterator<Item = (&'a str, V)>,
        text: impl Fn(V) -> Option<&'a str>,
    ) -> Self {
        let (mut user_agent, mut agent, mut trace) = (None, None, None);
        let mut sessions = [const { None }; SESSION.len()];
        for (name, value) in headers {
            let found = match name {
                "user-agent" => Some(&mut user_agent),
                AGENT => Some(&mut agent),
                TRACEPARENT => Some(&mut trace),
                _ => SESSION.iter().zip(&mut sessions).find(|(known, _)| **known == name).map(|(_, found)| found),
            };
            if let Some(found) = found {
                found.get_or_insert(value);
            }
        }
        let trace = trace.and_then(&text).and_then(TraceParent::parse);
        Self {
            client: user_agent.and_then(&text).filter(|agent| !agent.trim().is_empty()).map(Client::of),
            session: sessions.into_iter().flatten().find_map(|value| identifier(text(value)?)),
            agent: agent.and_then(&text).and_then(identifier),
            trace_id: trace.map(|trace| trace.trace_id.to_owned()),
            parent_span: trace.map(|trace| trace.parent),
        }
    }
}

/// An id as it is kept: 1 to [`LONGEST_ID`] visible ASCII characters, without the blanks around them. `None` where it
/// is anything else: a piece of an id would be another id.
pub fn identifier(text: &str) -> Option<String> {
    let text = text.trim();
    let usable = (1..=LONGEST_ID).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    usable.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_known_by_the_user_agents_they_send() {
        let sent = [
            (Client::ClaudeCode, "claude-cli/2.1.332 (external, sdk-cli)"),
            (Client::ClaudeCode, "claude-code/2.1.332"),
            (Client::Codex, "codex_exec/0.169.0 (Debian 12.0.0; x86_64) xterm-256color (codex_exec; 0.169.0)"),
            (Client::GeminiCli, "GeminiCLI-tui/0.61.0/gemini-3.1-pro-preview (linux; x64; terminal)"),
            (Client::GeminiCli, "GeminiCLI-tui/0.61.0/gemini-2.5-pro (linux; x64; terminal)"),
            (Client::QwenCode, "QwenCode/0.24.4 (linux; x64)"),
            (Client::QwenCode, "QwenCode-Preconnect/1.0"),
            // Qwen Code calls itself so where it speaks Messages to a host that is not Anthropic's.
            (Client::ClaudeCode, "claude-cli/0.24.4 (external, cli)"),
            (Client::OpenCode, "opencode/1.18.33 ai-sdk/provider-utils/4.0.46 runtime/bun/1.3.14"),
            (Client::AiSdk, "ai/7.0.173 ai-sdk-provider-utils/5.0.81 node.js/22"),
            (Client::AiSdk, "ai-sdk-anthropic/4.0.105 ai-sdk-provider-utils/5.0.81 node.js/22"),
            (Client::AiSdk, "ai-sdk-openai-compatible/3.0.92 ai-sdk-provider-utils/5.0.81 node.js/22"),
            // Cline asks by way of the AI SDK and does not name itself, Aider by way of LiteLLM.
            (Client::AiSdk, "ai-sdk/openai/4.0.47 ai-sdk/provider-utils/5.0.30 runtime/bun/1.3.13"),
            (Client::LiteLlm, "litellm/1.81.10"),
            (Client::OpenAiPython, "OpenAI/Python 2.54.0"),
            (Client::OpenAiPython, "AsyncOpenAI/Python 2.54.0"),
            (Client::OpenAiNode, "OpenAI/JS 7.57.0"),
            (Client::AnthropicPython, "Anthropic/Python 2.12.0"),
            (Client::AnthropicNode, "Anthropic/JS 1.14.0"),
            (Client::GoogleGenAi, "google-genai-sdk/2.34.0+afc+chat gl-python/3.11.7"),
            (Client::GoogleGenAi, "google-genai-sdk/3.3.0 gl-node/v22.23.3"),
            (Client::GoogleGenAi, "google-genai-sdk/2.34.0 gl-python/3.11.7 pydantic-ai/2.68.0"),
            (Client::LangChain, "langchain-anthropic/1.7.10"),
            (
                Client::LangChain,
                "google-genai-sdk/2.34.0 gl-python/3.11.7 langchain-google-genai/4.4.3-ChatGoogleGenerativeAI",
            ),
            (Client::Aider, "aider/0.86.1"),
            (Client::Cline, "Cline/3.34.0"),
            (Client::Other, "llama-index/0.14.25"),
            (Client::Other, "pydantic-ai/2.68.0"),
            (Client::Other, "Agents/Python 0.24.0"),
            (Client::Other, "lm15/stdlib"),
            (Client::Other, "Bun/1.4.6"),
            (Client::Other, "curl/8.5.0"),
            (Client::Other, "ünïcode/1"),
            (Client::Other, "my-openai/python"),
        ];
        for (client, agent) in sent {
            assert_eq!(Client::of(agent), client, "{agent}");
        }
    }

    fn asked(headers: &[(&str, &'static str)]) -> AskedBy {
        AskedBy::from_headers(headers.iter().copied(), Some)
    }

    #[test]
    fn the_headers_of_an_agent_say_who_asked() {
        let all = asked(&[
            ("user-agent", "claude-cli/2.1.332 (external, sdk-cli)"),
            ("x-claude-code-session-id", "00000000-0000-7000-8000-000000000004"),
            ("x-claude-code-agent-id", "a52f61009ff6ba7be"),
            ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ]);
        assert_eq!(all.client, Some(Client::ClaudeCode));
        assert_eq!(all.session.as_deref(), Some("00000000-0000-7000-8000-000000000004"));
        assert_eq!(all.agent.as_deref(), Some("a52f61009ff6ba7be"));
        assert_eq!(all.trace_id.as_deref(), Some("0af7651916cd43dd8448eb211c80319c"));
        assert_eq!(all.parent_span, Some(ParentSpan { span_id: 0xb7ad_6b71_6920_3331, sampled: true }));
        assert_eq!(asked(&[]), AskedBy::default());
        assert_eq!(asked(&[("user-agent", "  ")]).client, None);
        assert_eq!(asked(&[("user-agent", "x")]).client, Some(Client::Other));
    }

    #[test]
    fn the_first_usable_session_counts() {
        let both = [("session-id", "theirs"), ("x-tokentracer-session", "mine")];
        assert_eq!(asked(&both).session.as_deref(), Some("mine"));
        for name in ["session-id", "session_id", "x-opencode-session", "x-session-id", "x-claude-code-session-id"] {
            assert_eq!(asked(&[(name, "ses_1")]).session.as_deref(), Some("ses_1"), "{name}");
        }
        assert_eq!(asked(&[("x-tokentracer-session", "two words"), ("session_id", "s")]).session.as_deref(), Some("s"));
    }

    #[test]
    fn an_id_is_short_and_visible_or_absent() {
        assert_eq!(identifier(" abc ").as_deref(), Some("abc"));
        assert_eq!(identifier(&"x".repeat(128)).map(|id| id.len()), Some(128));
        for bad in ["", "  ", "a b", "a\tb", "a\u{0}b", "é", &"x".repeat(129)] {
            assert_eq!(identifier(bad), None, "{bad:?}");
        }
    }
}
