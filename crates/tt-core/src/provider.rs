//! Providers, and the dialects their APIs speak.

use serde::{Deserialize, Serialize};

use crate::Invalid;

/// A company whose models can be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// OpenAI, or a host that speaks its API.
    OpenAi,
    /// Anthropic and its Messages API.
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

    /// The dialects in which its models chat, the preferred one first.
    pub const fn dialects(self) -> &'static [Dialect] {
        match self {
            Self::OpenAi => &[Dialect::OpenAiChat, Dialect::OpenAiResponses],
            Self::Anthropic => &[Dialect::AnthropicMessages],
            Self::Gemini => &[Dialect::Gemini],
        }
    }

    /// The dialect in which a chat that came in `ingress` is sent: the same one if the provider speaks it, so that
    /// the request can pass through, else the provider's first.
    pub fn dialect_for(self, ingress: Dialect) -> Dialect {
        let spoken = self.dialects();
        match spoken.first() {
            Some(first) if !spoken.contains(&ingress) => *first,
            _ => ingress,
        }
    }

    /// The dialect in which its embeddings are asked for; `None` for a provider that has none.
    pub const fn embeddings_dialect(self) -> Option<Dialect> {
        match self {
            Self::OpenAi => Some(Dialect::OpenAiEmbeddings),
            Self::Anthropic => None,
            Self::Gemini => Some(Dialect::Gemini),
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

/// A wire format of requests and answers: a client speaks one, a provider one or more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// OpenAI Chat Completions (`/v1/chat/completions`).
    OpenAiChat,
    /// Anthropic Messages (`/v1/messages`).
    AnthropicMessages,
    /// Gemini: `generateContent` and `streamGenerateContent`, `embedContent` and `batchEmbedContents`.
    Gemini,
    /// OpenAI Responses (`/v1/responses`).
    OpenAiResponses,
    /// OpenAI Embeddings (`/v1/embeddings`).
    OpenAiEmbeddings,
}

impl Dialect {
    /// Every dialect, in the order of their declaration.
    pub const ALL: [Self; 5] =
        [Self::OpenAiChat, Self::AnthropicMessages, Self::Gemini, Self::OpenAiResponses, Self::OpenAiEmbeddings];

    /// The name in the API and the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OpenAiChat => "openai_chat",
            Self::AnthropicMessages => "anthropic_messages",
            Self::Gemini => "gemini",
            Self::OpenAiResponses => "openai_responses",
            Self::OpenAiEmbeddings => "openai_embeddings",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_is_asked_in_the_clients_dialect_where_it_speaks_it() {
        for provider in Provider::ALL {
            for dialect in Dialect::ALL {
                let asked = provider.dialect_for(dialect);
                assert!(provider.dialects().contains(&asked), "{provider} {asked:?}");
                assert_eq!(asked == dialect, provider.dialects().contains(&dialect));
            }
        }
        assert_eq!(Provider::Anthropic.dialect_for(Dialect::OpenAiChat), Dialect::AnthropicMessages);
        assert_eq!(Provider::OpenAi.dialect_for(Dialect::Gemini), Dialect::OpenAiChat);
    }
}
