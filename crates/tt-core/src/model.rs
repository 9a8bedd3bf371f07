//! Facts about a model that translation and limits need: its sizes and its abilities. They come from the price table.

/// The known facts about a model. `None` means that the table does not state the fact, not that the answer is "no".
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ModelFacts {
    /// The number of tokens that the model can read and write together.
    pub context_window: Option<u64>,
    /// The largest number of tokens that the model can write.
    pub max_output: Option<u64>,
    /// The model's abilities.
    pub capabilities: Capabilities,
}

/// The abilities that the price table lists under `capabilities`; `None` when the table does not state one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(default)]
pub struct Capabilities {
    /// The model takes `temperature`, `top_p` and `top_k`; with `Some(false)` it refuses them.
    pub sampling_params: Option<bool>,
    /// The model continues a last message of the assistant; with `Some(false)` it refuses one.
    pub assistant_prefill: Option<bool>,
    /// The model has structured output of its own.
    pub native_structured_output: Option<bool>,
    /// The model takes `thinking: {"type": "adaptive"}` and an effort.
    pub adaptive_thinking: Option<bool>,
    /// The model takes `role: "system"` messages after the first user message.
    pub mid_conversation_system: Option<bool>,
    /// The model takes the effort `xhigh`.
    pub xhigh_reasoning_effort: Option<bool>,
    /// The model takes the effort `max`.
    pub max_reasoning_effort: Option<bool>,
    /// The model takes the effort `none`.
    pub none_reasoning_effort: Option<bool>,
    /// The model takes the effort `minimal`.
    pub minimal_reasoning_effort: Option<bool>,
    /// The model can think before it answers.
    pub reasoning: Option<bool>,
    /// The model reads pictures.
    pub vision: Option<bool>,
    /// The model reads PDF documents.
    pub pdf_input: Option<bool>,
    /// The model takes sound as input.
    pub audio_input: Option<bool>,
    /// The model calls tools.
    pub function_calling: Option<bool>,
}
