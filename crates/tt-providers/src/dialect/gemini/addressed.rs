//! Fields of a request that have no neutral place: what is dropped, what is refused, and the few that a client may set
//! in Google's own words under `extra_body.google`, as on
//! [Google's OpenAI endpoint](https://ai.google.dev/gemini-api/docs/openai#extra-body).
//!
//! That list is closed. Forwarding what one does not know would let a request name tools and contents that were never
//! counted.

use serde_json::{Map, Value};

use super::request::unsupported;
use crate::ProviderError;

/// Known and without a counterpart: the answer means the same without them.
const DROPPED: &[&str] = &[
    "audio",
    "metadata",
    "modalities",
    "moderation",
    "prediction",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "store",
    "verbosity",
    "web_search_options",
];

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Extra<'a> {
    pub(super) thinking: Thinking,
    /// The name of an explicit cache.
    pub(super) cached_content: Option<&'a str>,
    pub(super) safety_settings: Option<&'a Value>,
}

/// `thinking_config` in Google's words.
#[derive(Debug, Default)]
pub(super) struct Thinking {
    /// Show thoughts: only on demand, since not every client can.
    pub(super) include: Option<bool>,
    pub(super) budget: Option<i64>,
    pub(super) level: Option<String>,
}

impl<'a> Extra<'a> {
    pub(super) fn read(fields: &'a Map<String, Value>, dropped: &mut Vec<&'static str>) -> Result<Self, ProviderError> {
        let mut extra = Self::default();
        for (name, value) in fields {
            match name.as_str() {
                "modalities" if names_audio(value) => {
                    return Err(unsupported("modalities", "audio output is not available from Gemini here"));
                }
                "extra_body" => {
                    if let Some(google) = value.get("google") {
                        extra.google(google)?;
                    }
                }
                known => dropped.push(DROPPED.iter().find(|name| **name == known).copied().unwrap_or("unknown fields")),
            }
        }
        Ok(extra)
    }

    fn google(&mut self, google: &'a Value) -> Result<(), ProviderError> {
        let wrong = |name: &str, want: &str| unsupported(format!("extra_body.google{name}"), format!("must be {want}"));
        for (name, value) in google.as_object().ok_or_else(|| wrong("", "an object"))? {
            match name.as_str() {
                "cached_content" => {
                    let cache = value.as_str().ok_or_else(|| wrong(".cached_content", "a text"))?;
                    self.cached_content = Some(cache);
                }
                "safety_settings" if value.is_array() => self.safety_settings = Some(value),
                "safety_settings" => return Err(wrong(".safety_settings", "a list")),
                "thinking_config" => self.thinking = Thinking::read(value)?,
                other => {
                    return Err(unsupported(
                        format!("extra_body.google.{other}"),
                        "known are cached_content, safety_settings and thinking_config",
                    ));
                }
            }
        }
        Ok(())
    }
}

impl Thinking {
    fn read(config: &Value) -> Result<Self, ProviderError> {
        const PARAM: &str = "extra_body.google.thinking_config";
        let mut thinking = Self::default();
        for (name, value) in config.as_object().ok_or_else(|| unsupported(PARAM, "must be an object"))? {
            let known = match name.as_str() {
                "include_thoughts" | "includeThoughts" => value.as_bool().map(|v| thinking.include = Some(v)),
                "thinking_budget" | "thinkingBudget" => value.as_i64().map(|v| thinking.budget = Some(v)),
                "thinking_level" | "thinkingLevel" => value.as_str().map(|v| thinking.level = Some(v.to_owned())),
                _ => None,
            };
            known.ok_or_else(|| {
                unsupported(PARAM, "takes include_thoughts (bool), thinking_budget (integer), thinking_level (text)")
            })?;
        }
        if thinking.budget.is_some() && thinking.level.is_some() {
            return Err(unsupported(PARAM, "takes a budget or a level, not both"));
        }
        Ok(thinking)
    }
}

fn names_audio(modalities: &Value) -> bool {
    modalities.as_array().is_some_and(|list| list.iter().any(|modality| modality == "audio"))
}
