//! Tools: those offered to the model, the choice among them, and the calls of them.

use serde_json::Value;

use super::cache::CacheTtl;
use super::origin::Signature;
use crate::Dialect;

/// A tool that the model may call.
#[derive(Debug, Clone, PartialEq)]
pub enum Tool {
    /// A function of the client's, with JSON arguments. Every dialect has them.
    Function(Function),
    /// A tool of the client's that takes free text (OpenAI).
    Custom(CustomTool),
    /// A tool that the provider runs itself, or whose shape only one dialect knows: searches, code execution, MCP,
    /// computer use.
    Hosted(HostedTool),
}

/// A function.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// The JSON Schema of its arguments; `None`: none were declared.
    pub parameters: Option<Value>,
    /// The JSON Schema of what it answers (Gemini `responseJsonSchema`).
    pub response: Option<Value>,
    /// Must arguments keep to the schema?
    pub strict: Option<bool>,
    /// Cache up to and with this tool?
    pub cache: Option<CacheTtl>,
    /// The model is told of it only when it searches for tools (Anthropic and Responses `defer_loading`).
    pub defer_loading: bool,
    /// Who may call it beside the model itself (Anthropic `allowed_callers`); empty: the provider's default.
    pub allowed_callers: Vec<String>,
    /// Examples of arguments (Anthropic `input_examples`), objects.
    pub input_examples: Vec<Value>,
}

/// A tool that takes free text.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CustomTool {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// OpenAI's `format` object, as sent: any text, or a grammar.
    pub format: Option<Value>,
    /// Cache up to and with this tool?
    pub cache: Option<CacheTtl>,
}

/// A tool in the words of one dialect.
#[derive(Debug, Clone, PartialEq)]
pub struct HostedTool {
    /// Whose words.
    pub of: Dialect,
    /// Its kind in those words: `web_search_20250305`, `googleSearch`, `mcp`.
    pub kind: String,
    /// The entry of the list of tools, as sent.
    pub raw: Value,
}

impl Tool {
    /// Its name; `None` for a hosted tool, which the client gives none.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Function(function) => Some(&function.name),
            Self::Custom(custom) => Some(&custom.name),
            Self::Hosted(_) => None,
        }
    }

    /// What it is for.
    pub fn description(&self) -> Option<&str> {
        match self {
            Self::Function(function) => function.description.as_deref(),
            Self::Custom(custom) => custom.description.as_deref(),
            Self::Hosted(_) => None,
        }
    }

    /// Its mark of the cache. A hosted tool's stands in its own words.
    pub const fn cache(&self) -> Option<CacheTtl> {
        match self {
            Self::Function(function) => function.cache,
            Self::Custom(custom) => custom.cache,
            Self::Hosted(_) => None,
        }
    }

    /// Does it take free text?
    pub const fn is_custom(&self) -> bool {
        matches!(self, Self::Custom(_))
    }

    /// Is it a hosted tool in the words of another dialect than `dialect`?
    pub fn is_foreign_to(&self, dialect: Dialect) -> bool {
        matches!(self, Self::Hosted(hosted) if hosted.of != dialect)
    }
}

/// Whether and which tool must be called.
#[derive(Debug, Clone, PartialEq)]
pub enum ToolChoice {
    /// The model decides.
    Auto,
    /// No tool.
    None,
    /// Some tool.
    Required,
    /// The function or custom tool of this name.
    Named(String),
    /// One of these; `required` as above.
    Allowed {
        /// Their names.
        names: Vec<String>,
        /// Must one be called?
        required: bool,
    },
    /// A hosted tool.
    Hosted {
        /// Whose words.
        of: Dialect,
        /// The choice, as sent.
        raw: Value,
    },
}

/// A call of a tool of the client's.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ToolCall {
    /// The provider's id, by which the result names it, or one made up where the provider gives none.
    pub id: String,
    /// The id of the output item (Responses `fc_…`), which differs from the call's.
    pub item: Option<String>,
    /// The tool.
    pub name: String,
    /// The group that the tool belongs to (Responses).
    pub namespace: Option<String>,
    /// The arguments as JSON text, exactly as the model wrote them (a custom tool: its free-form input).
    pub arguments: String,
    /// A custom (free-form) tool rather than a function.
    pub custom: bool,
    /// The provider's signature that must come back with the call (Gemini 3).
    pub signature: Option<Signature>,
    /// Cache up to and with this call? (Anthropic)
    pub cache: Option<CacheTtl>,
    /// Who called it, where that was not the model itself (Anthropic `caller`), as sent.
    pub caller: Option<Value>,
}
