//! An answer, in no provider's words.

use serde_json::{Map, Value};

pub use super::finish::{Finish, FinishReason};
use super::part::{Part, Text};
use crate::usage::Reported;

/// A whole answer.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reply {
    /// The provider's id of it, as sent; empty where it gives none.
    pub id: String,
    /// The model the provider says answered.
    pub model: String,
    /// When, in seconds since the epoch; `None` where the provider does not say.
    pub created: Option<i64>,
    /// The answers, by index.
    pub choices: Vec<Choice>,
    /// The provider's usage; `None` when it sent none.
    pub usage: Option<Reported>,
    /// Fields not mapped, as sent.
    pub extra: Map<String, Value>,
}

impl Reply {
    /// All text the model wrote, tool calls and thinking included: what is counted where the provider gives no usage.
    pub fn output_text(&self) -> String {
        let parts = self.choices.iter().flat_map(|choice| &choice.parts);
        let mut text = String::new();
        for part in parts {
            match part {
                Part::Text(Text { text: said, .. }) | Part::Refusal { text: said } => text.push_str(said),
                Part::Thinking(thinking) => text.extend(thinking.texts()),
                Part::ToolCall(call) => {
                    text.push_str(&call.name);
                    text.push_str(&call.arguments);
                }
                Part::Audio(audio) => text.extend(audio.transcript.as_deref()),
                Part::Opaque(opaque) => text.extend(opaque.text.as_deref()),
                Part::Image(_) | Part::Video(_) | Part::Document(_) | Part::ToolResult(_) | Part::Redacted { .. } => {}
            }
        }
        text
    }
}

/// One answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// Its index.
    pub index: u32,
    /// What was said, in order.
    pub parts: Vec<Part>,
    /// Why it ended; `None` where the provider does not say.
    pub finish: Option<Finish>,
    /// Log probabilities in OpenAI's shape, as sent.
    pub logprobs: Option<Value>,
    /// Fields of the choice and its message not mapped, as sent.
    pub extra: Map<String, Value>,
}
