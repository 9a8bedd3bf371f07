//! What a request names that the provider keeps beyond the call, or does beside it.

use serde_json::Value;

use crate::Dialect;

/// The stateful fields of a request, in the words of one dialect: no other can express most of them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct State {
    /// Whose words the values of [`State::fields`] are; `None`: there are none.
    pub of: Option<Dialect>,
    /// Is the provider to keep the answer? (OpenAI `store`) `None`: its default.
    pub store: Option<bool>,
    /// The fields, as sent, in the client's order.
    pub fields: Vec<(StateField, Value)>,
}

/// A field that has to do with state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateField {
    /// Go on from an earlier answer (Responses `previous_response_id`).
    PreviousResponse,
    /// Go on with a conversation that the provider keeps (Responses `conversation`).
    Conversation,
    /// Answer later, to be fetched (Responses `background`).
    Background,
    /// What the answer is to hold beside the usual (Responses `include`).
    Include,
    /// A prompt that the provider keeps (Responses `prompt`).
    Prompt,
    /// Where hosted tools run, with its skills (Anthropic `container`).
    Container,
    /// Servers of tools that the provider asks (Anthropic `mcp_servers`).
    McpServers,
    /// How a long conversation is cut (Anthropic and Responses `context_management`).
    ContextManagement,
    /// Models to ask where this one fails (Anthropic `fallbacks`).
    Fallbacks,
    /// Features that are not yet for everyone (Anthropic `betas`).
    Betas,
    /// Contents that the provider keeps (Gemini `cachedContent`).
    CachedContent,
    /// What is filtered (Gemini `safetySettings`).
    SafetySettings,
}

impl StateField {
    /// Its name in the dialect that has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PreviousResponse => "previous_response_id",
            Self::Conversation => "conversation",
            Self::Background => "background",
            Self::Include => "include",
            Self::Prompt => "prompt",
            Self::Container => "container",
            Self::McpServers => "mcp_servers",
            Self::ContextManagement => "context_management",
            Self::Fallbacks => "fallbacks",
            Self::Betas => "betas",
            Self::CachedContent => "cachedContent",
            Self::SafetySettings => "safetySettings",
        }
    }

    /// Does the answer mean and cost the same without it? What does not must be refused where a target lacks it.
    pub const fn is_harmless(self) -> bool {
        match self {
            Self::Include | Self::ContextManagement | Self::Betas | Self::SafetySettings => true,
            Self::PreviousResponse
            | Self::Conversation
            | Self::Background
            | Self::Prompt
            | Self::Container
            | Self::McpServers
            | Self::Fallbacks
            | Self::CachedContent => false,
        }
    }
}

impl State {
    /// The value of a field.
    pub fn field(&self, field: StateField) -> Option<&Value> {
        self.fields.iter().find(|(known, _)| *known == field).map(|(_, value)| value)
    }

    /// The fields that a provider asked in `dialect` does not know.
    pub fn foreign_to(&self, dialect: Dialect) -> impl Iterator<Item = StateField> {
        let foreign = self.of != Some(dialect);
        self.fields.iter().filter(move |(_, value)| foreign && !value.is_null()).map(|(field, _)| *field)
    }
}
