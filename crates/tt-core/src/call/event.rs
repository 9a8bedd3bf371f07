//! A streamed answer, in no provider's words.

use crate::call::conversation::Signature;
use crate::call::reply::Finish;
use crate::usage::Reported;

/// One step of a streamed answer. `choice` is the answer's index (0 where the provider knows only one); `call` counts
/// the tool calls of that answer from 0.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The stream began.
    Start {
        /// The provider's id of the answer.
        id: String,
        /// The model it says answers.
        model: String,
        /// Seconds since the epoch, where the provider says.
        created: Option<i64>,
    },
    /// More text.
    Text {
        /// Whose.
        choice: u32,
        /// The piece.
        text: String,
        /// Gemini puts signatures on some text parts, empty ones too.
        signature: Option<Signature>,
    },
    /// More thinking.
    Thinking {
        /// Whose.
        choice: u32,
        /// The piece.
        text: String,
    },
    /// The thinking block so far is complete and signed.
    ThinkingSigned {
        /// Whose.
        choice: u32,
        /// What must come back with it.
        signature: Signature,
    },
    /// A block of encrypted thinking.
    RedactedThinking {
        /// Whose.
        choice: u32,
        /// Opaque.
        data: String,
    },
    /// A tool call begins.
    ToolCall {
        /// Whose.
        choice: u32,
        /// Which.
        call: u32,
        /// The provider's id, or one made up.
        id: String,
        /// The tool.
        name: String,
        /// A custom (free-form) tool.
        custom: bool,
        /// What must come back with it.
        signature: Option<Signature>,
    },
    /// More of a tool call's arguments.
    ToolArguments {
        /// Whose.
        choice: u32,
        /// Which.
        call: u32,
        /// The piece of JSON text.
        json: String,
    },
    /// More of a refusal.
    Refusal {
        /// Whose.
        choice: u32,
        /// The piece.
        text: String,
    },
    /// An answer ended.
    Finish {
        /// Whose.
        choice: u32,
        /// Why.
        reason: Finish,
    },
    /// The usage as known now: it **replaces** what came before.
    Usage(Reported),
    /// A sign of life.
    Ping,
    /// The provider ended the stream properly: all that follows is the connection's end.
    Done,
}

impl Event {
    /// Is this content, after which the target is committed?
    pub const fn is_content(&self) -> bool {
        match self {
            Self::Text { text, .. } | Self::Thinking { text, .. } | Self::Refusal { text, .. } => !text.is_empty(),
            Self::ToolCall { .. }
            | Self::ToolArguments { .. }
            | Self::RedactedThinking { .. }
            | Self::ThinkingSigned { .. }
            | Self::Finish { .. } => true,
            Self::Start { .. } | Self::Usage(_) | Self::Ping | Self::Done => false,
        }
    }
}
