//! How an answer is drawn, how long it may be, and the shape it must have.

use serde_json::{Number, Value};

/// The shape of the answer.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Format {
    /// Free text.
    #[default]
    Text,
    /// Any JSON object.
    JsonObject,
    /// JSON that keeps to a schema.
    JsonSchema {
        /// OpenAI's name of it.
        name: String,
        /// What it is for.
        description: Option<String>,
        /// The schema.
        schema: Option<Value>,
        /// Must the answer keep to it?
        strict: Option<bool>,
    },
}

/// Sampling and length. Numbers stay as the client wrote them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sampling {
    /// The most tokens to generate, thinking included.
    pub max_output_tokens: Option<u64>,
    /// Temperature, 0 to 2.
    pub temperature: Option<Number>,
    /// Nucleus sampling.
    pub top_p: Option<Number>,
    /// Only the k likeliest tokens.
    pub top_k: Option<u64>,
    /// Frequency penalty.
    pub frequency_penalty: Option<Number>,
    /// Presence penalty.
    pub presence_penalty: Option<Number>,
    /// Seed.
    pub seed: Option<i64>,
    /// Texts that end the answer.
    pub stop: Vec<String>,
    /// How many answers.
    pub n: Option<u64>,
    /// Log probabilities wanted.
    pub logprobs: Option<bool>,
    /// How many alternatives of each token.
    pub top_logprobs: Option<u64>,
    /// Biases by token, as sent.
    pub logit_bias: Option<Value>,
}
