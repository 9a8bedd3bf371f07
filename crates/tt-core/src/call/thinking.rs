//! The thinking of a model: the amount that a request asks for, and the form in which the answer shows it.

/// The thinking settings of a request. The dialects have different fields for the same thing; an encoder takes the one
/// that its target knows, or converts the nearest. All fields are `None` where the client did not set them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ThinkingConfig {
    /// The amount as an effort (OpenAI `reasoning_effort`, Anthropic `output_config.effort`).
    pub effort: Option<Effort>,
    /// The amount in tokens (Anthropic `budget_tokens`, Gemini `thinkingBudget`). 0 switches thinking off, -1 leaves
    /// the amount to the model (Gemini).
    pub budget: Option<i64>,
    /// The amount as a level of Gemini (`thinkingLevel`: `minimal`, `low`, `medium`, `high`).
    pub level: Option<String>,
    /// The switch for thinking (Anthropic `thinking.type`).
    pub mode: Option<ThinkingMode>,
    /// The form in which the answer is to show it; `None`: the provider's default.
    pub display: Option<ThinkingDisplay>,
}

/// The amount of thinking as an effort, in OpenAI's words and in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effort {
    /// No thinking (`none`).
    None,
    /// The least that the model can (`minimal`).
    Minimal,
    /// Little thinking (`low`).
    Low,
    /// A medium amount (`medium`).
    Medium,
    /// Much thinking (`high`).
    High,
    /// More than `high` (`xhigh`); few models have it.
    XHigh,
    /// The most that the model can (`max`).
    Max,
}

impl Effort {
    /// Every effort, the least first.
    pub const ALL: [Self; 7] = [Self::None, Self::Minimal, Self::Low, Self::Medium, Self::High, Self::XHigh, Self::Max];

    /// The words of [`Effort::as_str`], for the error of another word.
    pub const WORDS: &str = "must be none, minimal, low, medium, high, xhigh or max";

    /// OpenAI's word for it, which Google and the price table use too.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::XHigh => "xhigh",
            Self::Max => "max",
        }
    }

    /// The effort of a word; `None` for a word that is not known.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|effort| effort.as_str() == word)
    }
}

/// The switch for thinking, after Anthropic's `thinking.type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThinkingMode {
    /// The model decides for each request (`adaptive`).
    Adaptive,
    /// The model thinks only between tool calls.
    BetweenTools,
    /// The model always thinks, up to a budget of tokens (`enabled`).
    Enabled,
    /// The model does not think (`disabled`).
    Disabled,
}

/// The form in which an answer shows its thinking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThinkingDisplay {
    /// The answer does not show it.
    None,
    /// The answer holds a summary (Responses `reasoning.summary`, Gemini `includeThoughts`).
    Summary,
    /// The answer holds the whole text.
    Raw,
}

impl ThinkingConfig {
    /// The effort of the request, or the nearest to the budget, level or mode that it sets; `None` where it sets no
    /// amount.
    ///
    /// Budgets are read as Google reads them for its OpenAI endpoint
    /// (<https://ai.google.dev/gemini-api/docs/openai>): up to 1,024 tokens are `low`, up to 8,192 `medium`, more
    /// are `high`. A budget of -1, and a mode that only says that the model thinks, leave the amount to the provider.
    pub fn nearest_effort(&self) -> Option<Effort> {
        let by_level = || match self.level.as_deref()? {
            "minimal" => Some(Effort::Minimal),
            "low" => Some(Effort::Low),
            "medium" => Some(Effort::Medium),
            "high" => Some(Effort::High),
            _ => None,
        };
        let by_budget = || match self.budget? {
            0 => Some(Effort::None),
            1..=1024 => Some(Effort::Low),
            1025..=8192 => Some(Effort::Medium),
            8193.. => Some(Effort::High),
            _ => None,
        };
        let off = || (self.mode == Some(ThinkingMode::Disabled)).then_some(Effort::None);
        self.effort.or_else(off).or_else(by_level).or_else(by_budget)
    }

    /// True if the request sets a budget, level or mode, and no effort.
    pub fn in_other_words(&self) -> bool {
        self.effort.is_none() && (self.budget.is_some() || self.level.is_some() || self.mode.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_words_have_a_nearest_effort() {
        let budget = |tokens| ThinkingConfig { budget: Some(tokens), ..ThinkingConfig::default() };
        let level = |word: &str| ThinkingConfig { level: Some(word.into()), ..ThinkingConfig::default() };
        let mode = |mode| ThinkingConfig { mode: Some(mode), ..ThinkingConfig::default() };
        for (config, effort) in [
            (ThinkingConfig::default(), None),
            (budget(0), Some(Effort::None)),
            (budget(-1), None),
            (budget(1024), Some(Effort::Low)),
            (budget(8192), Some(Effort::Medium)),
            (budget(8193), Some(Effort::High)),
            (level("minimal"), Some(Effort::Minimal)),
            (level("odd"), None),
            (mode(ThinkingMode::Disabled), Some(Effort::None)),
            (mode(ThinkingMode::Adaptive), None),
            (ThinkingConfig { effort: Some(Effort::Max), ..budget(1) }, Some(Effort::Max)),
        ] {
            assert_eq!(config.nearest_effort(), effort, "{config:?}");
        }
        assert!(budget(1).in_other_words() && !ThinkingConfig::default().in_other_words());
    }
}
