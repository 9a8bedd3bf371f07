//! A whole answer in the neutral form.

use serde_json::{Map, Value};

use super::event::{Delta, Event};
pub use super::finish::{Finish, FinishReason};
use super::part::{Part, Text};
use crate::usage::Reported;

/// A whole answer of a provider, with one or several choices.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reply {
    /// The provider's id of the answer, as sent; empty where it gives none.
    pub id: String,
    /// The model that answered, as the provider names it.
    pub model: String,
    /// The time of the answer in seconds since the epoch; `None` where the provider does not say.
    pub created: Option<i64>,
    /// The choices, by index. There is one unless the request asked for more.
    pub choices: Vec<Choice>,
    /// The provider's usage; `None` when it sent none.
    pub usage: Option<Reported>,
    /// The top-level fields that none of the fields above holds, as sent.
    pub extra: Map<String, Value>,
}

impl Reply {
    /// The answer as the events of a stream, each block of it whole at once.
    pub fn into_events(self) -> Vec<Event> {
        let mut events = vec![Event::Start { id: self.id, model: self.model, created: self.created }];
        for Choice { index: choice, parts, finish, logprobs, .. } in self.choices {
            // They are not told apart by texts, and stand on the first one.
            let mut logprobs = logprobs.as_ref().and_then(of_text);
            for (block, head) in (0..).zip(parts) {
                let logprobs = if matches!(head, Part::Text(_)) { logprobs.take() } else { None };
                events.push(Event::BlockStart { choice, block, head });
                if logprobs.is_some() {
                    let delta = Delta::Text { text: String::new(), logprobs };
                    events.push(Event::Delta { choice, block, delta });
                }
                events.push(Event::BlockStop { choice, block });
            }
            events.push(Event::Finish { choice, finish: finish.unwrap_or_default() });
        }
        events.extend(self.usage.map(Event::Usage));
        events.push(Event::Done);
        events
    }

    /// All text that the model wrote, tool calls and thinking included. Its tokens are counted where the provider gives
    /// no usage.
    pub fn output_text(&self) -> String {
        let parts = self.choices.iter().flat_map(|choice| choice.parts.iter().map(|part| (part, &choice.finish)));
        let mut text = String::new();
        for (part, finish) in parts {
            match part {
                Part::Refusal { text: said } if finish.as_ref().and_then(Finish::explanation) == Some(said) => {}
                Part::Text(Text { text: said, .. }) | Part::Refusal { text: said } => text.push_str(said),
                Part::Thinking(thinking) => text.extend(thinking.texts()),
                Part::ToolCall(call) => {
                    text.push_str(&call.name);
                    text.push_str(&call.arguments);
                }
                Part::Audio(audio) => text.extend(audio.transcript.as_deref()),
                Part::Opaque(opaque) => text.extend(opaque.text.as_deref()),
                Part::Image(_)
                | Part::Video(_)
                | Part::Document(_)
                | Part::ToolResult(_)
                | Part::Redacted { .. }
                | Part::WebSearch { .. } => {}
            }
        }
        text
    }
}

/// The log probabilities of the text of a choice, as [`Delta::Text`] holds them.
fn of_text(logprobs: &Value) -> Option<String> {
    let list = logprobs.get("content").filter(|list| list.as_array().is_some_and(|list| !list.is_empty()))?;
    Some(list.to_string())
}

/// One of the alternative answers to a request.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// The index of the choice, counted from 0.
    pub index: u32,
    /// The contents, in order.
    pub parts: Vec<Part>,
    /// The reason for which it ended; `None` where the provider does not say.
    pub finish: Option<Finish>,
    /// Log probabilities in OpenAI's shape, as sent.
    pub logprobs: Option<Value>,
    /// The fields of the choice and of its message that none of the fields above holds, as sent.
    pub extra: Map<String, Value>,
}
