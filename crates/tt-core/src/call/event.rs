//! A streamed answer in the neutral form.
//!
//! An answer is a sequence of blocks, each of which is a [`Part`]: it begins with the known fields of the part, grows
//! by deltas and stops. Several blocks of one answer may be open at once (parallel tool calls); each delta names its
//! block.

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
        /// The model that answers, as the provider names it.
        model: String,
        /// The time of the answer in seconds since the epoch; `None` where the provider does not say.
        created: Option<i64>,
    },
    /// A block begins.
    BlockStart {
        /// The index of the answer.
        choice: u32,
        /// The number of the block within that answer.
        block: u32,
        /// The part as known when it begins. Deltas append to its text, arguments, signature or bytes; all other fields
        /// are final.
        head: Part,
    },
    /// An open block grows.
    Delta {
        /// The index of the answer.
        choice: u32,
        /// The number of the block within that answer.
        block: u32,
        /// The addition to the block.
        delta: Delta,
    },
    /// A block is complete.
    BlockStop {
        /// The index of the answer.
        choice: u32,
        /// The number of the block within that answer.
        block: u32,
    },
    /// An answer ended.
    Finish {
        /// The index of the answer.
        choice: u32,
        /// The reason for the end.
        finish: Finish,
    },
    /// The usage as known now: it **replaces** what came before.
    Usage(Reported),
    /// The provider shows that it is still working, and sends nothing else (Anthropic `ping`).
    Ping,
    /// The provider ended the stream properly. No event follows.
    Done,
}

/// An addition to an open block.
#[derive(Debug, Clone, PartialEq)]
pub enum Delta {
    /// Text to append to a [`Part::Text`].
    Text {
        /// The text to append. It may be empty where log probabilities come by themselves.
        text: String,
        /// The log probabilities of its tokens, where the client asked for them: the JSON text of a list in OpenAI's shape.
        logprobs: Option<String>,
    },
    /// Text to append to a [`Part::Thinking`].
    Thinking(String),
    /// Text to append to the summary of a [`Part::Thinking`] (Responses).
    Summary {
        /// The number of the paragraph within the summary, counted from 0.
        part: u32,
        /// The text to append.
        text: String,
    },
    /// The whole signature of a text or of thinking.
    Signature(Signature),
    /// Text to append to the arguments of a tool call: JSON text, or the free-form input of a custom tool.
    Arguments(String),
    /// Text to append to a [`Part::Refusal`].
    Refusal(String),
    /// One more citation of a text.
    Citation(Box<Citation>),
    /// Base64 text to append to the sound that the model makes.
    Bytes(String),
    /// Text to append to the raw form of a [`Part::Opaque`], as sent.
    Raw(String),
}

impl Delta {
    /// Text without log probabilities.
    pub const fn text(text: String) -> Self {
        Self::Text { text, logprobs: None }
    }
}

impl Event {
    /// True if the event brings content. Once the client has been sent content, no other target may answer.
    pub const fn is_content(&self) -> bool {
        match self {
            Self::BlockStart { head, .. } => match head {
                Part::Text(Text { text, .. }) | Part::Thinking(Thinking { text, .. }) | Part::Refusal { text } => {
                    !text.is_empty()
                }
                // Most clients are not told of it.
                Part::WebSearch { .. } => false,
                _ => true,
            },
            Self::Delta { delta, .. } => match delta {
                Delta::Text { text, logprobs } => !text.is_empty() || logprobs.is_some(),
                Delta::Thinking(text) | Delta::Summary { text, .. } | Delta::Refusal(text) => !text.is_empty(),
                Delta::Signature(_) | Delta::Arguments(_) | Delta::Citation(_) | Delta::Bytes(_) | Delta::Raw(_) => {
                    true
                }
            },
            Self::Finish { .. } => true,
            Self::Start { .. } | Self::BlockStop { .. } | Self::Usage(_) | Self::Ping | Self::Done => false,
        }
    }
}
