//! How much a model is to think, and what it shows of it.

/// What a request says of thinking. The dialects say it in different ways, of which an encoder takes the one that its
/// target knows, or the nearest.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ThinkingConfig {
    /// How much, in a word (OpenAI `reasoning_effort`, Anthropic `output_config.effort`).
    pub effort: Option<Effort>,
    /// How much, in tokens (Anthropic `budget_tokens`, Gemini `thinkingBudget`: 0 is none, -1 as the model sees fit).
    pub budget: Option<i64>,
    /// How much, in Gemini's word (`thinkingLevel`).
    pub level: Option<String>,
    /// Whether and when (Anthropic `thinking.type`).
    pub mode: Option<ThinkingMode>,
    /// What the answer is to show of it; `None`: the provider's default.
    pub display: Option<ThinkingDisplay>,
}

/// How much to think, in OpenAI's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effort {
    /// Not at all.
    None,
    /// As little as the model can.
    Minimal,
    /// Little.
    Low,
    /// Medium.
    Medium,
    /// Much.
    High,
    /// More than high.
    XHigh,
    /// All it can.
    Max,
}

/// Whether and when a model thinks, in Anthropic's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThinkingMode {
    /// As it sees fit.
    Adaptive,
    /// Only between calls of tools.
    BetweenTools,
    /// Always, up to a budget.
    Enabled,
    /// Never.
    Disabled,
}

/// What an answer shows of its thinking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThinkingDisplay {
    /// Nothing.
    None,
    /// A summary (Responses `reasoning.summary`, Gemini `includeThoughts`).
    Summary,
    /// All of it.
    Raw,
}

impl ThinkingConfig {
    /// The effort, said or the nearest to what was said in other words; `None`: nothing was said of how much.
    ///
    /// Budgets are read as Google reads them for its OpenAI endpoint
    /// (<https://ai.google.dev/gemini-api/docs/openai>): up to 1,024 tokens are little, up to 8,192 medium, more are
    /// much. A budget of -1, and a mode that only says that the model thinks, leave the amount to the provider.
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

    /// Was the amount said in other words than an effort?
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
