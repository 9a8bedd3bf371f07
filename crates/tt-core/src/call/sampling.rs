//! The sampling parameters of a request, its output limit, and the shape that the answer must have.

use serde_json::{Number, Value};

/// The shape that the answer must have.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Format {
    /// Free text.
    #[default]
    Text,
    /// Any JSON object.
    JsonObject,
    /// JSON that keeps to a schema.
    JsonSchema {
        /// The name of the schema, which only OpenAI has a field for.
        name: String,
        /// The purpose of the answer, for the model to read.
        description: Option<String>,
        /// The JSON Schema; `None` where the client sent none.
        schema: Option<Value>,
        /// True if the provider must force the answer to keep to the schema. `None`: the provider's default.
        strict: Option<bool>,
    },
}

/// Sampling parameters and limits of the answer. Numbers stay as the client wrote them. `None` stands for the
/// provider's default.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sampling {
    /// The most tokens to generate, thinking included.
    pub max_output_tokens: Option<u64>,
    /// The sampling temperature, 0 to 2 (Anthropic: 0 to 1).
    pub temperature: Option<Number>,
    /// The probability mass of nucleus sampling, 0 to 1.
    pub top_p: Option<Number>,
    /// The number of likeliest tokens that are sampled from (Anthropic, Gemini).
    pub top_k: Option<u64>,
    /// The penalty on frequent tokens, -2 to 2 (OpenAI, Gemini).
    pub frequency_penalty: Option<Number>,
    /// The penalty on tokens that have occurred, -2 to 2 (OpenAI, Gemini).
    pub presence_penalty: Option<Number>,
    /// The seed of the sampling, by which answers can be repeated (OpenAI, Gemini).
    pub seed: Option<i64>,
    /// The texts at which the answer ends; empty: none.
    pub stop: Vec<String>,
    /// The number of answers to generate (OpenAI `n`, Gemini `candidateCount`).
    pub n: Option<u64>,
    /// True if the answer is to hold log probabilities (OpenAI, Gemini).
    pub logprobs: Option<bool>,
    /// The number of likeliest tokens to list for each position, 0 to 20 (OpenAI, Gemini).
    pub top_logprobs: Option<u64>,
    /// OpenAI's `logit_bias`, an object of biases by token, as sent.
    pub logit_bias: Option<Value>,
}
