//! The fields of a request that name data or services at the provider, which outlive the call.

use serde_json::Value;

use crate::Dialect;

/// The stateful fields of a request, written in one dialect. No other dialect can express most of them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct State {
    /// The dialect that the values of [`State::fields`] are written in; `None` where there are none.
    pub of: Option<Dialect>,
    /// True if the provider is to keep the answer (OpenAI `store`). `None`: the provider's default.
    pub store: Option<bool>,
    /// The fields and their values as sent, in the order of the client.
    pub fields: Vec<(StateField, Value)>,
}

/// A stateful field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StateField {
    /// The id of an earlier answer to continue (Responses `previous_response_id`).
    PreviousResponse,
    /// An item of an earlier answer, named by its id (Responses `item_reference`). The value is the id.
    StoredItem,
    /// A conversation at the provider to continue (Responses `conversation`).
    Conversation,
    /// The switch for answering in the background; the client fetches the answer later (Responses `background`).
    Background,
    /// The additional data that the answer is to hold (Responses `include`).
    Include,
    /// A prompt template at the provider (Responses `prompt`).
    Prompt,
    /// The container in which hosted tools run, with its skills (Anthropic `container`).
    Container,
    /// The MCP servers whose tools the provider calls (Anthropic `mcp_servers`).
    McpServers,
    /// The rules by which the provider shortens a long conversation (Anthropic and Responses `context_management`).
    ContextManagement,
    /// The models that the provider tries when this one fails (Anthropic `fallbacks`).
    Fallbacks,
    /// A conversation that the provider keeps, of which the client sends only the new messages (Anthropic `thread`).
    Thread,
    /// The preview features to switch on (Anthropic `betas`).
    Betas,
    /// The name of cached contents at the provider (Gemini `cachedContent`).
    CachedContent,
    /// The thresholds of the content filters (Gemini `safetySettings`).
    SafetySettings,
}

impl StateField {
    /// The name of the field in the dialect that has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PreviousResponse => "previous_response_id",
            Self::Conversation => "conversation",
            Self::Background => "background",
            Self::StoredItem => "input",
            Self::Include => "include",
            Self::Prompt => "prompt",
            Self::Container => "container",
            Self::McpServers => "mcp_servers",
            Self::ContextManagement => "context_management",
            Self::Fallbacks => "fallbacks",
            Self::Thread => "thread",
            Self::Betas => "betas",
            Self::CachedContent => "cachedContent",
            Self::SafetySettings => "safetySettings",
        }
    }

    /// True if the answer means and costs the same without the field. A target that lacks any other field must refuse
    /// the request.
    pub const fn is_harmless(self) -> bool {
        match self {
            Self::Include | Self::ContextManagement | Self::Betas | Self::SafetySettings => true,
            Self::PreviousResponse
            | Self::StoredItem
            | Self::Conversation
            | Self::Background
            | Self::Prompt
            | Self::Container
            | Self::McpServers
            | Self::Fallbacks
            | Self::Thread
            | Self::CachedContent => false,
        }
    }
}

impl State {
    /// The value of `field`; `None` where the request does not have it.
    pub fn field(&self, field: StateField) -> Option<&Value> {
        self.fields.iter().find(|(known, _)| *known == field).map(|(_, value)| value)
    }

    /// The fields that a provider called in `dialect` does not know. Fields that are null are not listed.
    pub fn foreign_to(&self, dialect: Dialect) -> impl Iterator<Item = StateField> {
        let foreign = self.of != Some(dialect);
        self.fields.iter().filter(move |(_, value)| foreign && !value.is_null()).map(|(field, _)| *field)
    }
}
