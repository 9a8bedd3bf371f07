//! Facts about a model that translation and limits need: sizes and what it can do. From the price table.

/// What is known of a model. Absent facts are `None`: not stated, which is not the same as "no".
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ModelFacts {
    /// Tokens it can read and write together.
    pub context_window: Option<u64>,
    /// The most tokens it can write.
    pub max_output: Option<u64>,
    /// What it can do.
    pub capabilities: Capabilities,
}

/// The flags `capabilities` of the price table; `None`: not stated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(default)]
pub struct Capabilities {
    /// Takes `temperature`, `top_p`, `top_k`; `Some(false)`: refuses them.
    pub sampling_params: Option<bool>,
    /// Continues a last assistant message; `Some(false)`: refuses it.
    pub assistant_prefill: Option<bool>,
    /// Has native structured output.
    pub native_structured_output: Option<bool>,
    /// Takes `thinking: {"type": "adaptive"}` and an effort.
    pub adaptive_thinking: Option<bool>,
    /// Takes `role: "system"` messages after the first user message.
    pub mid_conversation_system: Option<bool>,
    /// Takes the effort `xhigh`.
    pub xhigh_reasoning_effort: Option<bool>,
    /// Takes the effort `max`.
    pub max_reasoning_effort: Option<bool>,
    /// Takes the effort `none`.
    pub none_reasoning_effort: Option<bool>,
    /// Takes the effort `minimal`.
    pub minimal_reasoning_effort: Option<bool>,
    /// Thinks.
    pub reasoning: Option<bool>,
    /// Reads pictures.
    pub vision: Option<bool>,
    /// Reads PDF documents.
    pub pdf_input: Option<bool>,
    /// Hears sound.
    pub audio_input: Option<bool>,
    /// Calls tools.
    pub function_calling: Option<bool>,
}
