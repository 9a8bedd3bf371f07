//! The reason for which an answer ended.

use serde_json::Value;

/// The end of an answer: its reason in the neutral form, with the provider's own words.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Finish {
    /// The reason.
    pub reason: FinishReason,
    /// The provider's word for the reason; empty where the provider gave none and the reason was concluded.
    pub native: String,
    /// The text at which the answer ended, where the provider says which (Anthropic `stop_sequence`).
    pub stop_sequence: Option<String>,
    /// Further details from the provider (Anthropic `stop_details`, Responses `incomplete_details`, Gemini
    /// `finishMessage`), as sent.
    pub detail: Option<Value>,
}

/// The reason for which an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FinishReason {
    /// The model was done, or wrote a stop sequence.
    #[default]
    Stop,
    /// The answer reached the output limit of the request.
    Length,
    /// The model asks for tools to be run.
    ToolCalls,
    /// A content filter of the provider cut the answer.
    ContentFilter,
    /// The model refused to answer (Anthropic `refusal`).
    Refusal,
    /// The provider paused a long turn of its own tools. The client sends the conversation again with this answer to
    /// continue (Anthropic `pause_turn`).
    PauseTurn,
    /// The provider compacted the conversation. The client continues from the contents of this answer (Anthropic
    /// `compaction`).
    Compaction,
    /// The context window is full (Anthropic `model_context_window_exceeded`).
    ContextWindow,
    /// The provider expects another call to continue the answer (Gemini `CONTINUATION`).
    Continuation,
    /// The provider broke the answer off for another reason.
    Incomplete,
}

impl Finish {
    /// The end for `reason`, where the provider named none.
    pub fn because(reason: FinishReason) -> Self {
        Self { reason, ..Self::default() }
    }

    /// The provider's reason for the end as a sentence, which clients get as a refusal. No model generated it, and nobody
    /// pays for it.
    pub fn explanation(&self) -> Option<&str> {
        self.detail.as_ref().and_then(Value::as_str)
    }

    /// The end for `reason`, which the provider calls `native`.
    pub fn in_word(reason: FinishReason, native: impl Into<String>) -> Self {
        Self { reason, native: native.into(), ..Self::default() }
    }
}
