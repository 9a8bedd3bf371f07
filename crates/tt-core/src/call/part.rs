//! What messages and answers are made of.

use super::cache::CacheTtl;
use super::citation::Citation;
use super::media::Media;
use super::origin::{Origin, Signature};
use super::tool::ToolCall;

/// A part of a message or of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// Text.
    Text(Text),
    /// A picture.
    Image(Image),
    /// Sound.
    Audio(Audio),
    /// A film (Gemini).
    Video(Video),
    /// A document.
    Document(Document),
    /// The model asks for a tool to be run.
    ToolCall(ToolCall),
    /// What a tool answered.
    ToolResult(ToolResult),
    /// Thinking.
    Thinking(Thinking),
    /// Thinking of which the provider shows nothing (Anthropic `redacted_thinking`).
    Redacted {
        /// Opaque; sent back as it came.
        data: String,
        /// Who can read it.
        of: Origin,
    },
    /// The model's refusal.
    Refusal {
        /// Its words.
        text: String,
    },
    /// Something that only one dialect has words for.
    Opaque(Opaque),
}

/// Text.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Text {
    /// The text; may be empty in what a client sends, and where only its signature counts.
    pub text: String,
    /// Cache up to and with this part?
    pub cache: Option<CacheTtl>,
    /// The provider's signature over it (Gemini puts some on text).
    pub signature: Option<Signature>,
    /// The sources it cites, in the order of the text.
    pub citations: Vec<Citation>,
    /// What the text is to the answer (Responses); `None`: not said.
    pub phase: Option<Phase>,
    /// The id of the output item that it belongs to (Responses `msg_…`).
    pub item: Option<String>,
}

/// What a text is to the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Said on the way (`commentary`).
    Commentary,
    /// The answer (`final_answer`).
    FinalAnswer,
}

/// A picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    /// Where it is.
    pub media: Media,
    /// OpenAI's `detail` (`low`, `high`, `auto`, `original`).
    pub detail: Option<String>,
    /// Cache up to and with this part?
    pub cache: Option<CacheTtl>,
    /// The provider's signature over a picture that it made (Gemini).
    pub signature: Option<Signature>,
}

/// Sound.
#[derive(Debug, Clone, PartialEq)]
pub struct Audio {
    /// Where it is. Chat Completions' `format` `wav` stands as `audio/wav`.
    pub media: Media,
    /// Its words, where the model made it.
    pub transcript: Option<String>,
    /// The provider's id of sound that the model made, by which a later message may speak of it (Chat Completions).
    pub id: Option<String>,
}

/// A film.
#[derive(Debug, Clone, PartialEq)]
pub struct Video {
    /// Where it is.
    pub media: Media,
    /// What of it is to be seen (Gemini `videoMetadata`: offsets and frames a second), as sent.
    pub metadata: Option<serde_json::Value>,
}

/// A document.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// Where it is.
    pub media: Media,
    /// Its name or title.
    pub title: Option<String>,
    /// What the model is told of it beside its contents (Anthropic `context`).
    pub context: Option<String>,
    /// The answer is to cite it (Anthropic `citations.enabled`).
    pub citations: bool,
    /// Cache up to and with this part?
    pub cache: Option<CacheTtl>,
}

/// What a tool answered.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ToolResult {
    /// The id of the call it answers.
    pub id: String,
    /// Text, images and documents.
    pub content: Vec<Part>,
    /// The tool failed.
    pub is_error: bool,
    /// Cache up to and with this part?
    pub cache: Option<CacheTtl>,
    /// It answers a call of a custom (free-form) tool.
    pub custom: bool,
}

/// Thinking. All of it may be empty but the signature, or the encrypted form.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Thinking {
    /// The thinking as the provider shows it.
    pub text: String,
    /// The parts of a summary that the provider gives beside or in place of it (Responses).
    pub summary: Vec<String>,
    /// The provider's signature over it, needed to send it back (Anthropic, Gemini).
    pub signature: Option<Signature>,
    /// The whole of it, encrypted by the provider (Responses `encrypted_content`): as opaque as a signature, and good
    /// where one is.
    pub encrypted: Option<Signature>,
    /// The id of the output item (Responses `rs_…`).
    pub item: Option<String>,
}

/// Something that only one dialect has words for: calls and results of the provider's own tools, compaction, MCP.
#[derive(Debug, Clone, PartialEq)]
pub struct Opaque {
    /// Who can read it.
    pub of: Origin,
    /// Its kind in the words of that dialect, for example `server_tool_use`.
    pub kind: String,
    /// The block or item as sent, JSON text.
    pub raw: String,
    /// The text in it, which is counted and logged; `None`: none.
    pub text: Option<String>,
    /// The provider waits to go on with it: a call of its own tool that has no result yet.
    pub pending: bool,
}

impl Part {
    /// A plain text part.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(Text { text: text.into(), ..Text::default() })
    }

    /// Thinking that nothing but its text is known of.
    pub fn thinking(text: impl Into<String>) -> Self {
        Self::Thinking(Thinking { text: text.into(), ..Thinking::default() })
    }

    /// Its mark of the cache; `None` too for a part that can have none.
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
            | Self::Refusal { .. }
            | Self::Opaque(_) => None,
        }
    }

    /// Is it a picture, sound, a film or a document?
    pub const fn is_media(&self) -> bool {
        matches!(self, Self::Image(_) | Self::Audio(_) | Self::Video(_) | Self::Document(_))
    }

    /// Is it thinking, shown or not?
    pub const fn is_thinking(&self) -> bool {
        matches!(self, Self::Thinking(_) | Self::Redacted { .. })
    }
}

impl Image {
    /// A picture of which nothing else is said.
    pub const fn new(media: Media) -> Self {
        Self { media, detail: None, cache: None, signature: None }
    }
}

impl Audio {
    /// Sound that a client sends.
    pub const fn new(media: Media) -> Self {
        Self { media, transcript: None, id: None }
    }
}

impl Document {
    /// A document of which nothing else is said.
    pub const fn new(media: Media) -> Self {
        Self { media, title: None, context: None, citations: false, cache: None }
    }
}

impl Thinking {
    /// All of it that can be read: the text, then the parts of the summary.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.text.as_str())
            .chain(self.summary.iter().map(String::as_str))
            .filter(|text| !text.is_empty())
    }
}
