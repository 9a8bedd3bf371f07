//! Tools: the tools of a request, the rule for calling them, and the calls that a model makes.

use serde_json::Value;

use super::cache::CacheTtl;
use super::origin::Signature;
use crate::Dialect;

/// A tool that the model may call.
#[derive(Debug, Clone, PartialEq)]
pub enum Tool {
    /// A function that the client runs, with JSON arguments. Every dialect has functions.
    Function(Function),
    /// A tool that the client runs, with free text as input (OpenAI).
    Custom(CustomTool),
    /// A tool that the provider runs itself, or that only one dialect knows: web search, code execution, MCP, computer
    /// use.
    Hosted(HostedTool),
}

/// A function that the client runs.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Function {
    /// The name by which the model calls it.
    pub name: String,
    /// The purpose of the function, for the model to read.
    pub description: Option<String>,
    /// The JSON Schema of its arguments; `None`: none were declared.
    pub parameters: Option<Value>,
    /// The JSON Schema of its result (Gemini `responseJsonSchema`).
    pub response: Option<Value>,
    /// True if the provider must force the arguments to keep to the schema. `None`: the provider's default.
    pub strict: Option<bool>,
    /// The cache mark on this tool; `None`: no mark.
    pub cache: Option<CacheTtl>,
    /// True if the model sees the tool only after it has searched for tools (Anthropic and Responses `defer_loading`).
    pub defer_loading: bool,
    /// The callers that may call it, such as the provider's code execution (Anthropic `allowed_callers`). Empty: the
    /// provider's default.
    pub allowed_callers: Vec<String>,
    /// Examples of arguments, each a JSON object (Anthropic `input_examples`).
    pub input_examples: Vec<Value>,
}

/// A tool that the client runs, with free text as input.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CustomTool {
    /// The name by which the model calls it.
    pub name: String,
    /// The purpose of the tool, for the model to read.
    pub description: Option<String>,
    /// The `format` object of Chat Completions: any text, or a grammar.
    pub format: Option<Value>,
    /// The cache mark on this tool; `None`: no mark.
    pub cache: Option<CacheTtl>,
}

/// A tool that only one dialect knows.
#[derive(Debug, Clone, PartialEq)]
pub struct HostedTool {
    /// The dialect that the tool is written in.
    pub of: Dialect,
    /// The type of the tool in that dialect: `web_search_20250305`, `googleSearch`, `mcp`.
    pub kind: String,
    /// The whole entry in the list of tools, as sent.
    pub raw: Value,
}

impl Tool {
    /// The name by which the model calls the tool; `None` for a hosted tool.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Function(function) => Some(&function.name),
            Self::Custom(custom) => Some(&custom.name),
            Self::Hosted(_) => None,
        }
    }

    /// The purpose of the tool, for the model to read; `None` where the client gave none.
    pub fn description(&self) -> Option<&str> {
        match self {
            Self::Function(function) => function.description.as_deref(),
            Self::Custom(custom) => custom.description.as_deref(),
            Self::Hosted(_) => None,
        }
    }

    /// The cache mark on the tool. `None` for a hosted tool, whose raw form holds its mark.
    pub const fn cache(&self) -> Option<CacheTtl> {
        match self {
            Self::Function(function) => function.cache,
            Self::Custom(custom) => custom.cache,
            Self::Hosted(_) => None,
        }
    }

    /// True for a custom tool, which takes free text.
    pub const fn is_custom(&self) -> bool {
        matches!(self, Self::Custom(_))
    }

    /// True for a hosted tool that is written in another dialect than `dialect`.
    pub fn is_foreign_to(&self, dialect: Dialect) -> bool {
        matches!(self, Self::Hosted(hosted) if hosted.of != dialect)
    }
}

/// The rule for calling tools.
#[derive(Debug, Clone, PartialEq)]
pub enum ToolChoice {
    /// The model decides whether to call a tool.
    Auto,
    /// The model must not call a tool.
    None,
    /// The model must call at least one tool.
    Required,
    /// The model must call the function or custom tool of this name.
    Named(String),
    /// The model may call only some of the tools (OpenAI `allowed_tools`).
    Allowed {
        /// The names of those tools.
        names: Vec<String>,
        /// True if the model must call at least one of them.
        required: bool,
        /// True if the model may search the web too, where such a search is among the hosted tools.
        search: bool,
    },
    /// The model must call a certain hosted tool.
    Hosted {
        /// The dialect that the rule is written in.
        of: Dialect,
        /// The rule as sent.
        raw: Value,
    },
}

/// A call of a function or custom tool that the client runs.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ToolCall {
    /// The id by which the result refers to the call: the provider's, or a random one where it gives none.
    pub id: String,
    /// The id of the output item that holds the call (Responses `fc_…`), which differs from the id of the call.
    pub item: Option<String>,
    /// The name of the tool.
    pub name: String,
    /// The namespace of the tool (Responses); `None`: no namespace.
    pub namespace: Option<String>,
    /// The arguments as JSON text, exactly as the model wrote them (a custom tool: its free-form input).
    pub arguments: String,
    /// True if the tool is a custom (free-form) tool, false if it is a function.
    pub custom: bool,
    /// The provider's signature that must come back with the call (Gemini 3).
    pub signature: Option<Signature>,
    /// The cache mark on this call (Anthropic); `None`: no mark.
    pub cache: Option<CacheTtl>,
    /// The caller, where the model did not call the tool itself but from code that the provider runs (Anthropic
    /// `caller`), as sent.
    pub caller: Option<Value>,
}
