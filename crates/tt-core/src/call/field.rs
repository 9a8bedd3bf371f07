//! The place in a request that an error or a note is about, in the neutral form.

use super::state::StateField;
use crate::Dialect;

/// A place in a request. The codec of the target finds the fault, and names its place in the neutral form. The dialect
/// of the client prints that place as its clients write it (`messages[2].tool_calls[0]`, `contents[2].parts[0]`).
///
/// Indices count from 0: messages as in [`Conversation::messages`](super::conversation::Conversation::messages), parts
/// within their message, calls among the calls of their message.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Field {
    /// The path of a field as the client wrote it, for a fault that the dialect of the client found itself. It may name
    /// any place in the body.
    Written(String),
    /// The name of the model.
    Model,
    /// The list of messages.
    Messages,
    /// One message, by its index.
    Message(usize),
    /// The whole content of one message, by the index of the message.
    Content(usize),
    /// One part of a message, or of the result that it holds.
    Part {
        /// The index of the message.
        message: usize,
        /// The index of the part within the message.
        part: usize,
    },
    /// All tool calls of one message, by the index of the message.
    ToolCalls(usize),
    /// One tool call.
    ToolCall {
        /// The index of the message.
        message: usize,
        /// The index of the call among the calls of the message.
        call: usize,
    },
    /// The arguments of one tool call.
    Arguments {
        /// The index of the message.
        message: usize,
        /// The index of the call among the calls of the message.
        call: usize,
    },
    /// The id of the call that a tool result answers, by the index of the message with the result.
    ResultId(usize),
    /// The kind of a tool (function, custom or hosted), by the index of the tool.
    ToolKind(usize),
    /// The JSON Schema of the arguments of a function, by the index of the tool.
    ToolParameters(usize),
    /// The grammar for the input of a custom tool, by the index of the tool.
    ToolGrammar(usize),
    /// The rule for calling tools (`tool_choice`).
    ToolChoice,
    /// The shape of the answer.
    Format,
    /// The JSON Schema of the answer.
    FormatSchema,
    /// The kinds of output that the client asks for: text, sound.
    Modalities,
    /// The number of answers (OpenAI `n`, Gemini `candidateCount`).
    Choices,
    /// The switch for log probabilities.
    Logprobs,
    /// The number of likeliest tokens listed for each position.
    TopLogprobs,
    /// The biases by token (OpenAI `logit_bias`).
    LogitBias,
    /// The most tokens that the answer may have.
    MaxOutput,
    /// The texts at which the answer ends.
    Stop,
    /// The name of the speaker of a message.
    SpeakerName,
    /// The resolution at which the model sees pictures (OpenAI `detail`).
    Detail,
    /// Thinking that the history holds, with its signatures.
    Thinking,
    /// Signatures that the history holds on texts, pictures and tool calls.
    Signatures,
    /// Citations that the history holds.
    Citations,
    /// The cache marks on parts, calls and tools.
    CacheMarks,
    /// A hosted tool, which the provider runs itself, by the index of the tool.
    HostedTool(usize),
    /// An option of a hosted tool.
    HostedOption {
        /// The index of the tool.
        tool: usize,
        /// The path of the option within the tool, as the client wrote it, such as `filters.allowed_domains`.
        path: &'static str,
    },
    /// The switch that makes arguments of functions keep to their schemas.
    Strict,
    /// The switch for several tool calls in one turn.
    ParallelToolCalls,
    /// The amount of thinking.
    Effort,
    /// The sampling temperature.
    Temperature,
    /// The probability mass of nucleus sampling.
    TopP,
    /// The number of likeliest tokens that are sampled from.
    TopK,
    /// The seed of the sampling.
    Seed,
    /// The penalty on frequent tokens.
    FrequencyPenalty,
    /// The penalty on tokens that have occurred.
    PresencePenalty,
    /// The id of the end user.
    EndUser,
    /// The processing tier that the client asks for.
    ServiceTier,
    /// The cache key ([`CachePlan::key`](super::cache::CachePlan::key)).
    CacheKey,
    /// The retention policy of the cache ([`CachePlan::retention`](super::cache::CachePlan::retention)).
    CacheRetention,
    /// The switch that makes the provider keep the answer.
    Store,
    /// A field that names data at the provider.
    State(StateField),
    /// A field that the client addressed to providers of another dialect
    /// ([`Extra::addressed`](super::extra::Extra::addressed)).
    Addressed {
        /// The dialect that the field is written in.
        to: Dialect,
        /// The path of the field, names joined by dots, such as `thinking_config`; empty for the whole object.
        name: String,
    },
    /// A place in a request for embeddings, which no other request has.
    Embeddings(EmbeddingField),
}

/// A place in a request for embeddings. Indices count from 0, as in
/// [`EmbeddingCall::inputs`](super::embedding::EmbeddingCall::inputs).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EmbeddingField {
    /// All inputs.
    Inputs,
    /// One input, by its index.
    Input(usize),
    /// One part of an input.
    Part {
        /// The index of the input.
        input: usize,
        /// The index of the part within the input.
        part: usize,
    },
    /// The number of dimensions asked for, by the index of the input.
    Dimensions(usize),
}

impl Field {
    /// The field at `name`, a path as the client wrote it.
    pub fn written(name: impl Into<String>) -> Self {
        Self::Written(name.into())
    }
}
