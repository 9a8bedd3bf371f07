//! An answer, in no provider's words.

use serde_json::{Map, Value};

use crate::call::conversation::Part;
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
                Part::Text { text: said, .. } | Part::Thinking { text: said, .. } | Part::Refusal { text: said } => {
                    text.push_str(said);
                }
                Part::ToolCall(call) => {
                    text.push_str(&call.name);
                    text.push_str(&call.arguments);
                }
                Part::Image { .. }
                | Part::Audio { .. }
                | Part::File { .. }
                | Part::ToolResult { .. }
                | Part::RedactedThinking { .. } => {}
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

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// By itself, or at a stop sequence.
    Stop,
    /// At the length asked for or the context's end.
    Length,
    /// To have tools run.
    ToolCalls,
    /// Refused or cut by a filter.
    ContentFilter,
}
