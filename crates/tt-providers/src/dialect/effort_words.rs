//! OpenAI's words for the amount of thinking.

use tt_core::call::thinking::Effort;

/// The words that [`effort`] takes, for errors.
pub(super) const WORDS: &str = "must be none, minimal, low, medium, high, xhigh or max";

/// The amount that a word names; `None` for a word that is not known.
pub(super) fn effort(word: &str) -> Option<Effort> {
    Some(match word {
        "none" => Effort::None,
        "minimal" => Effort::Minimal,
        "low" => Effort::Low,
        "medium" => Effort::Medium,
        "high" => Effort::High,
        "xhigh" => Effort::XHigh,
        "max" => Effort::Max,
        _ => return None,
    })
}
