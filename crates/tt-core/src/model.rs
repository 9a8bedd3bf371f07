//! Facts about a model that translation and limits need: its sizes and its abilities. They come from the price table.

use serde::{Deserialize, Deserializer};

use crate::call::thinking::{Effort, ThinkingMode};

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
    /// The efforts, or levels of thinking, that the model takes.
    pub efforts: Efforts,
    /// The model takes the effort `xhigh`.
    pub xhigh_reasoning_effort: Option<bool>,
    /// The model takes the effort `max`.
    pub max_reasoning_effort: Option<bool>,
    /// The model takes the effort `none`.
    pub none_reasoning_effort: Option<bool>,
    /// The model takes the effort `minimal`.
    pub minimal_reasoning_effort: Option<bool>,
    /// The model can be made to call a tool; with `Some(false)` it refuses a request that forces one.
    pub forced_tool_use: Option<bool>,
    /// The model always thinks: a request cannot switch it off.
    pub thinking_always_on: Option<bool>,
    /// The values of Anthropic's `thinking.type` that the model takes.
    pub thinking_types: ThinkingTypes,
    /// The model takes `temperature` and `top_p` while it thinks; with `Some(false)` it refuses any but 1 unless thinking is
    /// switched off (OpenAI).
    pub sampling_params_with_thinking: Option<bool>,
    /// The model takes cache marks on the parts of messages (OpenAI `prompt_cache_breakpoint`).
    pub prompt_cache_breakpoint: Option<bool>,
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
    /// The model can be given the provider's search of the web.
    pub web_search: Option<bool>,
}

/// The switches for thinking that a model takes, as the price table lists them; empty where it does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ThinkingTypes(u8);

impl ThinkingTypes {
    const ALL: [(&'static str, ThinkingMode); 4] = [
        ("adaptive", ThinkingMode::Adaptive),
        ("between_tools", ThinkingMode::BetweenTools),
        ("enabled", ThinkingMode::Enabled),
        ("disabled", ThinkingMode::Disabled),
    ];

    /// True if the table lists them.
    pub const fn is_known(self) -> bool {
        self.0 != 0
    }

    /// True if `mode` is listed.
    pub const fn has(self, mode: ThinkingMode) -> bool {
        self.0 & Self::bit(mode) != 0
    }

    const fn bit(mode: ThinkingMode) -> u8 {
        1 << mode as u8
    }
}

/// The efforts that a model takes, as the price table lists them; empty where it does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Efforts(u8);

impl Efforts {
    /// These efforts.
    pub fn of(efforts: &[Effort]) -> Self {
        Self(efforts.iter().fold(0, |all, effort| all | Self::bit(*effort)))
    }

    /// True if the table lists them.
    pub const fn is_known(self) -> bool {
        self.0 != 0
    }

    /// The listed effort that is nearest to `wished`, the higher one of two; `None` where none is listed.
    pub fn nearest(self, wished: Effort) -> Option<Effort> {
        let listed = Effort::ALL.into_iter().filter(|effort| self.0 & Self::bit(*effort) != 0);
        listed.rev().min_by_key(|effort| (*effort as u8).abs_diff(wished as u8))
    }

    const fn bit(effort: Effort) -> u8 {
        1 << effort as u8
    }
}

impl<'de> Deserialize<'de> for Efforts {
    /// Reads a list of words. One that is not known is passed over.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        listed(deserializer, |word| Effort::of_word(word).map(Self::bit)).map(Self)
    }
}

impl<'de> Deserialize<'de> for ThinkingTypes {
    /// Reads a list of words. One that is not known is passed over.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bit = |word: &str| Self::ALL.iter().find(|(name, _)| *name == word).map(|(_, mode)| Self::bit(*mode));
        listed(deserializer, bit).map(Self)
    }
}

/// The bits of the words in a list, of which `bit` knows one each; it is `None` for a word that is passed over.
fn listed<'de, D: Deserializer<'de>>(deserializer: D, bit: impl Fn(&str) -> Option<u8>) -> Result<u8, D::Error> {
    let words = Vec::<String>::deserialize(deserializer)?;
    Ok(words.iter().filter_map(|word| bit(word)).fold(0, |all, bit| all | bit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn abilities_that_are_not_listed_are_not_known() {
        let listed = r#"{"thinking_types":["between_tools","adaptive","new"],"forced_tool_use":false,"new":[1]}"#;
        let found: Capabilities = serde_json::from_str(listed).unwrap();
        let types = found.thinking_types;
        assert!(types.is_known() && types.has(ThinkingMode::Adaptive) && types.has(ThinkingMode::BetweenTools));
        assert!(!types.has(ThinkingMode::Disabled) && !types.has(ThinkingMode::Enabled));
        assert_eq!((found.forced_tool_use, found.thinking_always_on), (Some(false), None));
        assert!(!Capabilities::default().thinking_types.is_known());
    }

    #[test]
    fn the_nearest_of_the_listed_efforts_is_found() {
        let found: Capabilities = serde_json::from_str(r#"{"efforts":["low","high","new"]}"#).unwrap();
        assert_eq!(found.efforts, Efforts::of(&[Effort::Low, Effort::High]));
        for (wished, nearest) in [
            (Effort::None, Effort::Low),
            (Effort::Low, Effort::Low),
            (Effort::Medium, Effort::High),
            (Effort::Max, Effort::High),
        ] {
            assert_eq!(found.efforts.nearest(wished), Some(nearest), "{wished:?}");
        }
        assert_eq!((Efforts::default().is_known(), Efforts::default().nearest(Effort::Low)), (false, None));
    }
}
