//! The parts that messages and answers consist of.

use super::cache::CacheTtl;
use super::citation::Citation;
use super::media::Media;
use super::origin::{Origin, Signature};
use super::tool::ToolCall;

/// One part of a message or of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// Text that can be read: instructions, questions, answers.
    Text(Text),
    /// A picture, sent by the client or made by the model.
    Image(Image),
    /// Sound, sent by the client or made by the model.
    Audio(Audio),
    /// A film. Only Gemini takes one.
    Video(Video),
    /// A document: PDF or plain text.
    Document(Document),
    /// A call of a tool that the model asks the client to run.
    ToolCall(ToolCall),
    /// The result of such a call.
    ToolResult(ToolResult),
    /// The thinking of the model, with the signature by which its maker knows it again.
    Thinking(Thinking),
    /// Thinking that the provider hides completely (Anthropic `redacted_thinking`).
    Redacted {
        /// The encrypted thinking, to be sent back as it came.
        data: String,
        /// The maker, who alone can read it.
        of: Origin,
    },
    /// The refusal of the model to answer (OpenAI `refusal`).
    Refusal {
        /// The words of the refusal.
        text: String,
    },
    /// A search of the web that the provider ran for the answer.
    WebSearch {
        /// The words that were searched for.
        query: String,
    },
    /// A block that only one dialect knows.
    Opaque(Opaque),
}

/// Text of a message or an answer.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Text {
    /// The text. It may be empty: clients send empty texts, and Gemini signs some.
    pub text: String,
    /// The cache mark on this part; `None`: no mark.
    pub cache: Option<CacheTtl>,
    /// The provider's signature over the text. Only Gemini signs text.
    pub signature: Option<Signature>,
    /// The citations in the text, in its order.
    pub citations: Vec<Citation>,
    /// The role of the text within the answer (Responses); `None`: the provider does not say.
    pub phase: Option<Phase>,
    /// The id of the output item that holds the text (Responses `msg_…`).
    pub item: Option<String>,
}

/// The role of a text within the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// A remark of the model while it works (`commentary`).
    Commentary,
    /// The answer itself (`final_answer`).
    FinalAnswer,
}

/// A picture of a message or an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    /// The source of the picture.
    pub media: Media,
    /// The resolution at which the model sees it, in OpenAI's words (`detail`: `low`, `high`, `auto`, `original`).
    pub detail: Option<String>,
    /// The cache mark on this part; `None`: no mark.
    pub cache: Option<CacheTtl>,
    /// The provider's signature over a picture that it made (Gemini).
    pub signature: Option<Signature>,
}

/// Sound of a message or an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Audio {
    /// The source of the sound. The `format` of Chat Completions becomes a media type: `wav` is `audio/wav`.
    pub media: Media,
    /// The words spoken in it, where the model made the sound.
    pub transcript: Option<String>,
    /// The provider's id of sound that the model made, by which a later message may refer to it (Chat
    /// Completions).
    pub id: Option<String>,
}

/// A film of a message.
#[derive(Debug, Clone, PartialEq)]
pub struct Video {
    /// The source of the film.
    pub media: Media,
    /// The section that the model sees and its frames a second (Gemini `videoMetadata`), as sent.
    pub metadata: Option<serde_json::Value>,
}

/// A document of a message.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// The source of the document.
    pub media: Media,
    /// The title or file name of the document.
    pub title: Option<String>,
    /// Words about the document that the model reads beside its contents (Anthropic `context`).
    pub context: Option<String>,
    /// True if the answer is to cite the document (Anthropic `citations.enabled`).
    pub citations: bool,
    /// The cache mark on this part; `None`: no mark.
    pub cache: Option<CacheTtl>,
}

/// The result of a tool call.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ToolResult {
    /// The id of the call that it answers.
    pub id: String,
    /// The contents of the result: text, pictures and documents.
    pub content: Vec<Part>,
    /// True if the tool failed; the contents then describe the failure.
    pub is_error: bool,
    /// The cache mark on this part; `None`: no mark.
    pub cache: Option<CacheTtl>,
    /// True if it answers a call of a custom (free-form) tool.
    pub custom: bool,
}

/// The thinking of a model. The text may be empty where there is a signature or the encrypted form.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Thinking {
    /// The text of the thinking, as far as the provider shows it.
    pub text: String,
    /// The paragraphs of a summary that the provider gives beside the text or in its place (Responses).
    pub summary: Vec<String>,
    /// The provider's signature over the thinking, without which it cannot be sent back (Anthropic, Gemini).
    pub signature: Option<Signature>,
    /// The whole thinking, encrypted by the provider (Responses `encrypted_content`). Like a signature it may go back
    /// only to its maker.
    pub encrypted: Option<Signature>,
    /// The id of the output item that holds the thinking (Responses `rs_…`).
    pub item: Option<String>,
}

/// A block that only one dialect knows: a call or result of the provider's own tools, a compaction, MCP.
#[derive(Debug, Clone, PartialEq)]
pub struct Opaque {
    /// The maker, who alone can read it.
    pub of: Origin,
    /// The type of the block in that dialect, for example `server_tool_use`.
    pub kind: String,
    /// The block or item as sent, JSON text.
    pub raw: String,
    /// The readable text in it, which is counted as tokens and logged; `None`: it has no text.
    pub text: Option<String>,
    /// True for a call of a provider's own tool without a result. The provider continues it when the conversation is
    /// sent again.
    pub pending: bool,
}

impl Part {
    /// A text without cache mark, signature or citations.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(Text { text: text.into(), ..Text::default() })
    }

    /// Thinking without signature or summary.
    pub fn thinking(text: impl Into<String>) -> Self {
        Self::Thinking(Thinking { text: text.into(), ..Thinking::default() })
    }

    /// The cache mark on the part; `None` where it has none or can have none.
    pub const fn cache(&self) -> Option<CacheTtl> {
        match self {
            Self::Text(Text { cache, .. })
            | Self::Image(Image { cache, .. })
            | Self::Document(Document { cache, .. })
            | Self::ToolCall(ToolCall { cache, .. })
            | Self::ToolResult(ToolResult { cache, .. }) => *cache,
            Self::Audio(_)
            | Self::Video(_)
            | Self::Thinking(_)
            | Self::Redacted { .. }
            | Self::WebSearch { .. }
            | Self::Refusal { .. }
            | Self::Opaque(_) => None,
        }
    }

    /// True for pictures, sound, films and documents.
    pub const fn is_media(&self) -> bool {
        matches!(self, Self::Image(_) | Self::Audio(_) | Self::Video(_) | Self::Document(_))
    }

    /// True for thinking, shown or hidden.
    pub const fn is_thinking(&self) -> bool {
        matches!(self, Self::Thinking(_) | Self::Redacted { .. })
    }
}

impl Image {
    /// A picture without detail, cache mark or signature.
    pub const fn new(media: Media) -> Self {
        Self { media, detail: None, cache: None, signature: None }
    }
}

impl Audio {
    /// Sound that a client sends: without transcript or id.
    pub const fn new(media: Media) -> Self {
        Self { media, transcript: None, id: None }
    }
}

impl Document {
    /// A document without title, context, citations or cache mark.
    pub const fn new(media: Media) -> Self {
        Self { media, title: None, context: None, citations: false, cache: None }
    }
}

impl Thinking {
    /// All readable texts of it that are not empty: the text, then the paragraphs of the summary.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.text.as_str())
            .chain(self.summary.iter().map(String::as_str))
            .filter(|text| !text.is_empty())
    }
}
