//! The traits of a Gemini model, read from its name and from the price table.

use tt_core::call::thinking::Effort;
use tt_core::model::{Capabilities, Efforts};

use crate::codec::Target;

/// The field by which a model takes the amount of thinking (`MAPPING.md`, Reasoning). Gemini refuses a request with
/// both fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Thinking {
    /// None: the model does not think, or its thinking cannot be set.
    None,
    /// A number of tokens (2.5 models).
    Budget {
        /// True for Pro models, which cannot stop thinking.
        pro: bool,
    },
    /// A level (3 and later).
    Level {
        /// The levels that the model has.
        levels: Efforts,
    },
}

/// The traits of one model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Family {
    thinking: Thinking,
    /// True if Gemini checks that the thought signatures of the current turn came back (3 and later).
    pub(super) checks_signatures: bool,
    /// True if the model can be given Google's search of the web (2.0 and later).
    pub(super) searches: bool,
    /// True if one request may ask for a search and offer functions (3 and later).
    pub(super) search_beside_functions: bool,
    /// True if searches are paid by the query (3 and later), and not by the prompt.
    pub(super) searches_by_query: bool,
    /// True if one request may ask for JSON answers and offer functions (3 and later).
    pub(super) json_with_tools: bool,
    /// True if the model reads pictures and documents inside a function response (3 and later).
    pub(super) media_in_results: bool,
    /// True if the model takes `temperature`, `topP` and `topK`.
    pub(super) sampling: bool,
    /// True if the model takes penalties (before 2.5: "Penalty is not enabled for models/gemini-2.5-flash").
    pub(super) penalties: bool,
}

/// An amount of thinking, as a field of `thinkingConfig`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ThinkingAmount {
    /// `thinkingBudget`, in tokens.
    Budget(u32),
    /// `thinkingLevel`: `minimal`, `low`, `medium` or `high`.
    Level(&'static str),
}

impl ThinkingAmount {
    /// True if the model has no amount for `effort` and this one is only the nearest.
    pub(super) fn is_only_near(self, effort: Effort) -> bool {
        match (self, effort) {
            (Self::Budget(tokens), Effort::None) => tokens > 0,
            (Self::Budget(_), Effort::Low | Effort::Medium | Effort::High) => false,
            (Self::Level(level), effort) => level != effort.as_str(),
            (Self::Budget(_), Effort::Minimal | Effort::XHigh | Effort::Max) => true,
        }
    }
}

impl Family {
    /// Reads the traits from the name. A name without a generation (`gemini-flash-latest`) counts as the newest one.
    pub(super) fn of(target: Target<'_>) -> Self {
        let facts = target.facts.map(|facts| facts.capabilities).unwrap_or_default();
        let name = target.model.rsplit('/').next().unwrap_or(target.model);
        let gemini = name.strip_prefix("gemini-");
        let version = gemini.and_then(version);
        let newest = version.is_none_or(|version| version >= (3, 0));
        let pro = name.split('-').any(|word| word == "pro");
        Self {
            thinking: thinking(version, pro, facts),
            checks_signatures: gemini.is_some() && newest,
            searches: facts.web_search.unwrap_or(gemini.is_some() && version.is_none_or(|version| version >= (2, 0))),
            search_beside_functions: gemini.is_some() && newest,
            searches_by_query: newest,
            json_with_tools: newest,
            media_in_results: newest,
            sampling: facts.sampling_params != Some(false),
            penalties: version.is_some_and(|version| version < (2, 5)),
        }
    }

    /// True if the model takes the amount of thinking in tokens.
    pub(super) const fn takes_budget(self) -> bool {
        matches!(self.thinking, Thinking::Budget { .. })
    }

    /// The amount of thinking for an effort; `None` if this model takes no amount.
    pub(super) fn thinking(self, effort: Effort) -> Option<ThinkingAmount> {
        match self.thinking {
            Thinking::None => None,
            // Google uses these numbers for its OpenAI endpoint (https://ai.google.dev/gemini-api/docs/openai).
            Thinking::Budget { pro } => Some(ThinkingAmount::Budget(match effort {
                Effort::None if pro => 128,
                Effort::None => 0,
                Effort::Minimal | Effort::Low => 1024,
                Effort::Medium => 8192,
                Effort::High | Effort::XHigh | Effort::Max => 24576,
            })),
            Thinking::Level { levels } => levels.nearest(effort).map(|level| ThinkingAmount::Level(level.as_str())),
        }
    }
}

fn thinking(version: Option<(u32, u32)>, pro: bool, facts: Capabilities) -> Thinking {
    match version {
        _ if facts.reasoning == Some(false) => Thinking::None,
        Some(version) if version < (2, 5) => Thinking::None,
        Some(version) if version < (3, 0) => Thinking::Budget { pro },
        _ if facts.efforts.is_known() => Thinking::Level { levels: facts.efforts },
        // The first model with levels has two: "Thinking level MEDIUM is not supported for this model".
        Some((3, 0)) if pro => Thinking::Level { levels: Efforts::of(&[Effort::Low, Effort::High]) },
        _ if pro || facts.minimal_reasoning_effort == Some(false) => {
            Thinking::Level { levels: Efforts::of(&[Effort::Low, Effort::Medium, Effort::High]) }
        }
        _ => Thinking::Level { levels: Efforts::of(&[Effort::Minimal, Effort::Low, Effort::Medium, Effort::High]) },
    }
}

/// `2.5-flash` → (2, 5); `3-pro-preview` → (3, 0); `flash-latest` → `None`.
fn version(rest: &str) -> Option<(u32, u32)> {
    let number = rest.split('-').next()?;
    let (major, minor) = number.split_once('.').unwrap_or((number, "0"));
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use tt_core::model::ModelFacts;

    use super::*;

    fn family(model: &str) -> Family {
        Family::of(Target { model, facts: None })
    }

    fn levels(levels: &[Effort]) -> Thinking {
        Thinking::Level { levels: Efforts::of(levels) }
    }

    #[test]
    fn generations_are_told_from_the_name() {
        let all = [Effort::Minimal, Effort::Low, Effort::Medium, Effort::High];
        for (model, thinking, newest) in [
            ("gemini-2.0-flash-001", Thinking::None, false),
            ("gemini-2.5-flash", Thinking::Budget { pro: false }, false),
            ("models/gemini-2.5-pro", Thinking::Budget { pro: true }, false),
            ("gemini-3-pro-preview", levels(&[Effort::Low, Effort::High]), true),
            ("gemini-3.1-pro-preview", levels(&[Effort::Low, Effort::Medium, Effort::High]), true),
            ("gemini-3.5-flash", levels(&all), true),
            ("gemini-4-argon", levels(&all), true),
            ("gemini-pro-latest", levels(&[Effort::Low, Effort::Medium, Effort::High]), true),
            ("gemini-flash-latest", levels(&all), true),
        ] {
            let family = family(model);
            assert_eq!((family.thinking, family.checks_signatures), (thinking, newest), "{model}");
            assert_eq!(family.json_with_tools, newest, "{model}");
        }
        assert!(!family("gemma-4-31b-it").checks_signatures);
    }

    #[test]
    fn a_search_of_the_web_depends_on_the_generation_and_on_the_price_table() {
        let searches = |model: &str| (family(model).searches, family(model).search_beside_functions);
        assert_eq!(searches("gemini-1.5-flash"), (false, false));
        assert_eq!(searches("gemini-2.5-flash"), (true, false));
        assert_eq!(searches("gemini-3.1-pro-preview"), (true, true));
        assert_eq!(searches("gemini-pro-latest"), (true, true));
        assert_eq!(searches("gemma-4-31b-it"), (false, false));
        let none = Capabilities { web_search: Some(false), ..Capabilities::default() };
        let facts = ModelFacts { capabilities: none, ..ModelFacts::default() };
        assert!(!Family::of(Target { model: "gemini-3.1-flash-lite-image", facts: Some(&facts) }).searches);
    }

    #[test]
    fn facts_overrule_the_name() {
        let facts = |capabilities| ModelFacts { capabilities, ..ModelFacts::default() };
        let no_minimal = facts(Capabilities { minimal_reasoning_effort: Some(false), ..Capabilities::default() });
        let family = Family::of(Target { model: "gemini-3.7-flash", facts: Some(&no_minimal) });
        assert_eq!(family.thinking(Effort::Minimal), Some(ThinkingAmount::Level("low")));
        let unthinking = facts(Capabilities { reasoning: Some(false), ..Capabilities::default() });
        let family = Family::of(Target { model: "gemini-3-x", facts: Some(&unthinking) });
        assert_eq!(family.thinking(Effort::High), None);
        let listed =
            facts(Capabilities { efforts: Efforts::of(&[Effort::High, Effort::XHigh]), ..Capabilities::default() });
        let family = Family::of(Target { model: "gemini-4-neon", facts: Some(&listed) });
        assert_eq!(family.thinking(Effort::Max), Some(ThinkingAmount::Level("xhigh")));
        assert_eq!(family.thinking(Effort::None), Some(ThinkingAmount::Level("high")));
    }
}
