//! A streamed answer, in no provider's words.
//!
//! An answer is a sequence of blocks, each of which is a [`Part`]: it begins with what is known of the part, grows by
//! deltas and stops. Blocks of one answer may be open at once (parallel tool calls); a delta says which it belongs to.

use super::citation::Citation;
use super::finish::Finish;
use super::origin::Signature;
use super::part::{Part, Text, Thinking};
use crate::usage::Reported;

/// One step of a streamed answer. `choice` is the answer's index (0 where the provider knows only one); `block` is the
/// provider's number of the block within that answer, or counted from 0 where it gives none. Numbers grow and are not
/// used again, but may have gaps.
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
    /// A block begins.
    BlockStart {
        /// Whose.
        choice: u32,
        /// Which.
        block: u32,
        /// The part as far as it is known: deltas add to it. What has no delta of its own is whole.
        head: Part,
    },
    /// More of a block.
    Delta {
        /// Whose.
        choice: u32,
        /// Which.
        block: u32,
        /// What is added.
        delta: Delta,
    },
    /// A block is complete.
    BlockStop {
        /// Whose.
        choice: u32,
        /// Which.
        block: u32,
    },
    /// An answer ended.
    Finish {
        /// Whose.
        choice: u32,
        /// Why.
        finish: Finish,
    },
    /// The usage as known now: it **replaces** what came before.
    Usage(Reported),
    /// A sign of life.
    Ping,
    /// The provider ended the stream properly: all that follows is the connection's end.
    Done,
}

/// What is added to a block.
#[derive(Debug, Clone, PartialEq)]
pub enum Delta {
    /// More text of a text.
    Text(String),
    /// More text of thinking.
    Thinking(String),
    /// More of a summary of thinking (Responses).
    Summary {
        /// Which part of the summary, from 0.
        part: u32,
        /// The piece.
        text: String,
    },
    /// The signature of a text or of thinking, whole.
    Signature(Signature),
    /// More of a tool call's arguments: JSON text, or the free-form input of a custom tool.
    Arguments(String),
    /// More text of a refusal.
    Refusal(String),
    /// A source that the text cites.
    Citation(Box<Citation>),
    /// More of the sound that the model makes: base64.
    Bytes(String),
    /// More of a block that is opaque, as sent.
    Raw(String),
}

impl Event {
    /// Is this content, after which the target is committed?
    pub const fn is_content(&self) -> bool {
        match self {
            Self::BlockStart { head, .. } => match head {
                Part::Text(Text { text, .. }) | Part::Thinking(Thinking { text, .. }) | Part::Refusal { text } => {
                    !text.is_empty()
                }
                _ => true,
            },
            Self::Delta { delta, .. } => match delta {
                Delta::Text(text) | Delta::Thinking(text) | Delta::Summary { text, .. } | Delta::Refusal(text) => {
                    !text.is_empty()
                }
                Delta::Signature(_) | Delta::Arguments(_) | Delta::Citation(_) | Delta::Bytes(_) | Delta::Raw(_) => {
                    true
                }
            },
            Self::Finish { .. } => true,
            Self::Start { .. } | Self::BlockStop { .. } | Self::Usage(_) | Self::Ping | Self::Done => false,
        }
    }
}
