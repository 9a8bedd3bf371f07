//! Providers, and the dialects their APIs speak.

use serde::{Deserialize, Serialize};

use crate::Invalid;

/// A company whose models can be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// OpenAI, or a host that speaks its API.
    OpenAi,
    /// Anthropic.
    Anthropic,
    /// Google's Gemini API (not Vertex).
    Gemini,
}

impl Provider {
    /// Every provider, in the order they are listed to users.
    pub const ALL: [Self; 3] = [Self::OpenAi, Self::Anthropic, Self::Gemini];

    /// The name in the API, the store and the price table.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
        }
    }
}

impl std::fmt::Display for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Provider {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|p| p.as_str() == text)
            .ok_or_else(|| Invalid::new("provider", "must be openai, anthropic or gemini"))
    }
}

/// An API we speak, on either side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// OpenAI Chat Completions.
    OpenAiChat,
    /// Anthropic Messages.
    AnthropicMessages,
    /// Gemini `generateContent` / `streamGenerateContent`.
    Gemini,
}

impl Dialect {
    /// Every dialect.
    pub const ALL: [Self; 3] = [Self::OpenAiChat, Self::AnthropicMessages, Self::Gemini];

    /// The name in the API and the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OpenAiChat => "openai_chat",
            Self::AnthropicMessages => "anthropic_messages",
            Self::Gemini => "gemini",
        }
    }

    /// The dialect in which a provider is asked for a chat completion.
    pub const fn of(provider: Provider) -> Self {
        match provider {
            Provider::OpenAi => Self::OpenAiChat,
            Provider::Anthropic => Self::AnthropicMessages,
            Provider::Gemini => Self::Gemini,
        }
    }
}
