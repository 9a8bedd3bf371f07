//! Why an answer ended.

use serde_json::Value;

/// Why an answer ended, in no provider's words and in its own.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Finish {
    /// The reason.
    pub reason: FinishReason,
    /// The provider's word for it; empty where the reason was not said but follows from the rest.
    pub native: String,
    /// The text at which the answer ended, where the provider says which (Anthropic `stop_sequence`).
    pub stop_sequence: Option<String>,
    /// What the provider says beside it (Anthropic `stop_details`, Responses `incomplete_details`, Gemini
    /// `finishMessage`), as sent.
    pub detail: Option<Value>,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FinishReason {
    /// By itself, or at a stop sequence.
    #[default]
    Stop,
    /// At the length asked for.
    Length,
    /// To have tools run.
    ToolCalls,
    /// Cut by a filter.
    ContentFilter,
    /// The model refused (Anthropic).
    Refusal,
    /// The provider's own tools took long: the same conversation, sent again with the answer, goes on (Anthropic
    /// `pause_turn`).
    PauseTurn,
    /// The conversation was compacted, and goes on from what the answer holds (Anthropic `compaction`).
    Compaction,
    /// At the end of the context window (Anthropic `model_context_window_exceeded`).
    ContextWindow,
    /// The answer is to be continued by another call (Gemini `CONTINUATION`).
    Continuation,
    /// The provider broke off, for a reason that is none of these.
    Incomplete,
}

impl Finish {
    /// An ending of which the provider said no word.
    pub fn because(reason: FinishReason) -> Self {
        Self { reason, ..Self::default() }
    }

    /// An ending in the provider's word.
    pub fn in_word(reason: FinishReason, native: impl Into<String>) -> Self {
        Self { reason, native: native.into(), ..Self::default() }
    }
}
