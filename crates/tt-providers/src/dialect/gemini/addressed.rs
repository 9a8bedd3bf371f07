//! The fields that a client may address to Gemini (`extra_body.google`), the same as on
//! [Google's OpenAI endpoint](https://ai.google.dev/gemini-api/docs/openai#extra-body).
//!
//! Any other field is refused. If unknown fields were forwarded, a request could name tools and contents whose cost was
//! not counted.

use serde_json::Value;

use tt_core::Dialect;
use tt_core::call::extra::Extra;
use tt_core::call::field::Field;

use crate::error::RequestError;

/// The fields of `extra_body.google`.
#[derive(Debug, Default)]
pub(super) struct Addressed<'a> {
    pub(super) thinking: Thinking,
    /// The name of cached contents (`cachedContents/…`).
    pub(super) cached_content: Option<&'a str>,
    pub(super) safety_settings: Option<&'a Value>,
}

/// The object `thinking_config`.
#[derive(Debug, Default)]
pub(super) struct Thinking {
    /// True if the answer is to show thoughts. They are shown only on demand, since not every client can read them.
    pub(super) include: Option<bool>,
    pub(super) budget: Option<i64>,
    pub(super) level: Option<String>,
}

impl<'a> Addressed<'a> {
    pub(super) fn read(extra: &'a Extra) -> Result<Self, RequestError> {
        let mut addressed = Self::default();
        if let Some(google) = extra.addressed_to(Dialect::Gemini) {
            addressed.google(google)?;
        }
        Ok(addressed)
    }

    fn google(&mut self, google: &'a Value) -> Result<(), RequestError> {
        let wrong = |name: &str, want: &str| RequestError::unsupported(field(name), format!("must be {want}"));
        for (name, value) in google.as_object().ok_or_else(|| wrong("", "an object"))? {
            match name.as_str() {
                "cached_content" => {
                    let cache = value.as_str().ok_or_else(|| wrong("cached_content", "a text"))?;
                    self.cached_content = Some(cache);
                }
                "safety_settings" if value.is_array() => self.safety_settings = Some(value),
                "safety_settings" => return Err(wrong("safety_settings", "a list")),
                "thinking_config" => self.thinking = Thinking::read(value)?,
                other => {
                    return Err(RequestError::unsupported(
                        field(other),
                        "known are cached_content, safety_settings and thinking_config",
                    ));
                }
            }
        }
        Ok(())
    }
}

impl Thinking {
    fn read(config: &Value) -> Result<Self, RequestError> {
        let wrong = |reason: &str| RequestError::unsupported(field("thinking_config"), reason);
        let mut thinking = Self::default();
        for (name, value) in config.as_object().ok_or_else(|| wrong("must be an object"))? {
            let known = match name.as_str() {
                "include_thoughts" | "includeThoughts" => value.as_bool().map(|v| thinking.include = Some(v)),
                "thinking_budget" | "thinkingBudget" => value.as_i64().map(|v| thinking.budget = Some(v)),
                "thinking_level" | "thinkingLevel" => value.as_str().map(|v| thinking.level = Some(v.to_owned())),
                _ => None,
            };
            known.ok_or_else(|| {
                wrong("takes include_thoughts (bool), thinking_budget (integer), thinking_level (text)")
            })?;
        }
        if thinking.budget.is_some() && thinking.level.is_some() {
            return Err(wrong("takes a budget or a level, not both"));
        }
        Ok(thinking)
    }
}

fn field(name: &str) -> Field {
    Field::Addressed { to: Dialect::Gemini, name: name.to_owned() }
}
