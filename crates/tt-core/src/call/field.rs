//! The place in a call that an error is about, in no dialect's words.

use super::state::StateField;
use crate::Dialect;

/// A place in a call. The codec that encodes for a target names it by where it stands in the neutral form; the dialect
/// of the client prints it as that client wrote it (`messages[2].tool_calls[0]`, `contents[2].parts[0]`).
///
/// Indices count from 0: messages as in [`Conversation::messages`](super::conversation::Conversation::messages), parts
/// within their message, calls among the calls of their message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field {
    /// A field that the client's dialect found wrong itself, already in its own words; it may name anything in the body.
    Written(String),
    /// The model.
    Model,
    /// The list of messages.
    Messages,
    /// One message.
    Message(usize),
    /// All that one message says.
    Content(usize),
    /// One part of a message, or of the result that it holds.
    Part {
        /// The message.
        message: usize,
        /// Which of its parts.
        part: usize,
    },
    /// The tool calls of one message.
    ToolCalls(usize),
    /// One tool call.
    ToolCall {
        /// The message.
        message: usize,
        /// Which of its calls.
        call: usize,
    },
    /// The arguments of one tool call.
    Arguments {
        /// The message.
        message: usize,
        /// Which of its calls.
        call: usize,
    },
    /// The id by which a message with a tool's result names the call it answers.
    ResultId(usize),
    /// The kind of a tool: function, free-form, or one that the provider runs.
    ToolKind(usize),
    /// The JSON Schema of a tool's arguments.
    ToolParameters(usize),
    /// The grammar of a free-form tool's input.
    ToolGrammar(usize),
    /// The choice among the tools.
    ToolChoice,
    /// The shape of the answer.
    Format,
    /// The JSON Schema of the answer.
    FormatSchema,
    /// The kinds of output asked for: text, sound.
    Modalities,
    /// The number of answers.
    Choices,
    /// Log probabilities.
    Logprobs,
    /// The number of alternatives of each token.
    TopLogprobs,
    /// Biases by token.
    LogitBias,
    /// Texts that end the answer.
    Stop,
    /// The name of the speaker of a message.
    SpeakerName,
    /// The detail in which pictures are to be seen.
    Detail,
    /// Thinking in the history, with its signatures.
    Thinking,
    /// Signatures of texts, pictures and tool calls in the history.
    Signatures,
    /// The sources that texts of the history cite.
    Citations,
    /// The marks of the cache on parts, tools and messages.
    CacheMarks,
    /// A tool that the provider runs itself.
    HostedTool(usize),
    /// Must the arguments of tools keep to their schemas?
    Strict,
    /// May several tools be called in one turn?
    ParallelToolCalls,
    /// How much to think.
    Effort,
    /// Temperature.
    Temperature,
    /// Nucleus sampling.
    TopP,
    /// Only the k likeliest tokens.
    TopK,
    /// Seed.
    Seed,
    /// Frequency penalty.
    FrequencyPenalty,
    /// Presence penalty.
    PresencePenalty,
    /// The id of the end user.
    EndUser,
    /// The processing tier asked for.
    ServiceTier,
    /// The key of the cache that a request is sent to.
    CacheKey,
    /// How long the provider keeps what it caches.
    CacheRetention,
    /// Is the provider to keep the answer?
    Store,
    /// What the provider is to keep, or to go on from.
    State(StateField),
    /// A field that the client addressed to a provider in the words of that provider's dialect
    /// ([`Extra::addressed`](super::extra::Extra::addressed)).
    Addressed {
        /// Whose words.
        to: Dialect,
        /// Names joined by dots, such as `thinking_config`; empty: all of it.
        name: String,
    },
}

impl Field {
    /// A field in the client's own words.
    pub fn written(name: impl Into<String>) -> Self {
        Self::Written(name.into())
    }
}
