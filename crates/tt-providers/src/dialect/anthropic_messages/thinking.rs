//! Encodes the amount of thinking (`MAPPING.md`, Reasoning): an effort with adaptive thinking, or a budget of tokens.

use serde_json::Value;
use tt_core::call::field::Field;
use tt_core::call::thinking::{Effort, ThinkingConfig, ThinkingDisplay, ThinkingMode};

use super::wire::{Display, Thinking, ThinkingKind};
use crate::codec::Target;
use crate::notes::Notes;

/// The least budget that Anthropic takes, in tokens (`types/thinking_config_enabled_param.py`).
const LEAST_BUDGET: u64 = 1024;

/// The parts of a request that decide which thinking it can have.
#[derive(Debug, Clone)]
pub(super) struct Asked<'a> {
    pub(super) config: &'a ThinkingConfig,
    /// The object `thinking` that the client addressed to Anthropic.
    pub(super) given: Option<Value>,
    pub(super) max_tokens: u64,
    /// True if Anthropic refuses a thinking budget with this request: it has a forced tool, an answer to continue, or a
    /// tool loop without its thinking.
    pub(super) budget_refused: bool,
}

/// The fields of the request that set the thinking.
#[derive(Debug, PartialEq)]
pub(super) struct Decided {
    pub(super) thinking: Option<Thinking>,
    pub(super) effort: Option<&'static str>,
}

impl Decided {
    /// True if the request makes the model think. It then takes no sampling parameters.
    pub(super) fn on(&self) -> bool {
        match &self.thinking {
            Some(Thinking::Ours(kind)) => *kind != ThinkingKind::Disabled,
            Some(Thinking::Given(given)) => given.get("type").and_then(Value::as_str) != Some("disabled"),
            None => false,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Adaptive,
    Budget,
    /// The model does not think, or its thinking is not known. A model that cannot think refuses the fields.
    Unknown,
}

/// The models that are documented to take budgets and that the price table has no facts for
/// (platform.claude.com/docs/en/build-with-claude/extended-thinking, "Supported models").
const BUDGET_MODELS: [&str; 8] = [
    "claude-3-7-sonnet-20250219",
    "claude-3-7-sonnet-latest",
    "claude-sonnet-4-0",
    "claude-sonnet-4-20250514",
    "claude-opus-4-0",
    "claude-opus-4-20250514",
    "claude-opus-4-1",
    "claude-opus-4-1-20250805",
];

/// The families of models that always think, and answer 400 to `disabled`, for models of them that the price table does not
/// list (platform.claude.com/docs/en/build-with-claude/adaptive-thinking).
const ALWAYS_THINK: [&str; 2] = ["claude-fable-", "claude-mythos-"];

fn kind(target: Target<'_>) -> Kind {
    let capabilities = target.facts.map(|facts| facts.capabilities).unwrap_or_default();
    match (capabilities.adaptive_thinking, capabilities.reasoning) {
        (Some(true), _) => Kind::Adaptive,
        (_, Some(true)) => Kind::Budget,
        (_, Some(false)) => Kind::Unknown,
        (_, None) if BUDGET_MODELS.contains(&target.model) => Kind::Budget,
        (_, None) => Kind::Unknown,
    }
}

/// The object that switches thinking off, or leaves the least of it; `None` for a model that always thinks.
fn off(target: Target<'_>) -> Option<ThinkingKind> {
    let capabilities = target.facts.map(|facts| facts.capabilities).unwrap_or_default();
    let types = capabilities.thinking_types;
    if types.is_known() {
        return match (types.has(ThinkingMode::Disabled), types.has(ThinkingMode::BetweenTools)) {
            (true, _) => Some(ThinkingKind::Disabled),
            (false, true) => Some(ThinkingKind::BetweenTools),
            (false, false) => None,
        };
    }
    let always = capabilities.thinking_always_on == Some(true)
        || ALWAYS_THINK.iter().any(|family| target.model.starts_with(family));
    (!always).then_some(ThinkingKind::Disabled)
}

/// Adaptive thinking that the answer shows, unless the client wants it left out. Models from claude-opus-4-7 on leave it out
/// unless they are asked for it (platform.claude.com/docs/en/build-with-claude/extended-thinking, "Controlling thinking
/// display").
const fn adaptive(asked: &ThinkingConfig) -> ThinkingKind {
    let display = match asked.display {
        Some(ThinkingDisplay::None) => Display::Omitted,
        Some(ThinkingDisplay::Summary | ThinkingDisplay::Raw) | None => Display::Summarized,
    };
    ThinkingKind::Adaptive { display }
}

/// Chooses the fields by the facts of the target.
pub(super) fn decide(target: Target<'_>, asked: Asked<'_>, notes: &mut Notes) -> Decided {
    let kind = kind(target);
    let mut decided = Decided { thinking: None, effort: None };
    let effort = asked.config.nearest_effort();
    match (effort, kind) {
        // The request switches thinking on without an amount.
        (None, Kind::Adaptive) if asked.config.mode.is_some() => {
            decided.thinking = Some(Thinking::Ours(adaptive(asked.config)));
        }
        (None, _) if asked.config.in_other_words() => notes.dropped(Field::Effort, "the model has no such amount"),
        (None, _) => {}
        (Some(effort), Kind::Adaptive) => {
            match off(target) {
                _ if effort != Effort::None => {
                    decided.thinking = Some(Thinking::Ours(adaptive(asked.config)));
                    decided.effort = Some(word(effort, target, notes));
                }
                Some(kind) => {
                    if kind == ThinkingKind::BetweenTools {
                        notes.changed(Field::Effort, "the model cannot be kept from thinking between tools");
                    }
                    decided.thinking = Some(Thinking::Ours(kind));
                }
                None => {
                    notes.changed(Field::Effort, "the model always thinks: sent as low");
                    decided.effort = Some("low");
                }
            }
            if asked.config.in_other_words() && effort != Effort::None {
                notes.changed(Field::Effort, NEAREST);
            }
        }
        (Some(effort), Kind::Budget) => {
            let exact = asked.config.budget.and_then(|tokens| u64::try_from(tokens).ok()).filter(|tokens| *tokens > 0);
            let wanted = exact.map(|tokens| tokens.max(LEAST_BUDGET)).or_else(|| budget(effort));
            let fitting = wanted.filter(|_| !asked.budget_refused).and_then(|b| fit(b, asked.max_tokens));
            decided.thinking = fitting.map(|budget_tokens| Thinking::Ours(ThinkingKind::Enabled { budget_tokens }));
            match fitting {
                None if effort != Effort::None => notes.dropped(Field::Effort, "no thinking fits this request"),
                Some(_) if fitting != wanted => notes.changed(Field::Effort, "lowered to fit under the output limit"),
                Some(_) if exact.is_some_and(|tokens| tokens < LEAST_BUDGET) => notes.changed(Field::Effort, NEAREST),
                Some(_) if asked.config.level.is_some() => notes.changed(Field::Effort, NEAREST),
                Some(_) if exact.is_none() && matches!(effort, Effort::Minimal | Effort::XHigh | Effort::Max) => {
                    notes.changed(Field::Effort, NEAREST);
                }
                _ => {}
            }
        }
        // The model does not think, which is what the request asks for.
        (Some(Effort::None), Kind::Unknown) => {}
        (Some(_), Kind::Unknown) => notes.dropped(Field::Effort, "the model is not known to think"),
    }
    if let Some(given) = asked.given {
        decided.thinking = Some(Thinking::Given(given));
    }
    decided
}

const NEAREST: &str = "sent as the nearest value that the model takes";

/// The effort under Anthropic's name.
fn word(effort: Effort, target: Target<'_>, notes: &mut Notes) -> &'static str {
    let capabilities = target.facts.map(|facts| facts.capabilities).unwrap_or_default();
    let exact = match effort {
        Effort::XHigh => capabilities.xhigh_reasoning_effort == Some(true),
        Effort::Max => capabilities.max_reasoning_effort == Some(true),
        Effort::None | Effort::Minimal => false,
        Effort::Low | Effort::Medium | Effort::High => true,
    };
    if !exact {
        notes.changed(Field::Effort, NEAREST);
    }
    match effort {
        Effort::None | Effort::Minimal | Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::XHigh if capabilities.xhigh_reasoning_effort == Some(true) => "xhigh",
        Effort::Max if capabilities.max_reasoning_effort == Some(true) => "max",
        Effort::Max if capabilities.xhigh_reasoning_effort == Some(true) => "xhigh",
        Effort::High | Effort::XHigh | Effort::Max => "high",
    }
}

/// The budget in tokens for an effort. Google uses the numbers up to `high` for its OpenAI endpoint; with the same
/// numbers here an effort means the same for every provider.
const fn budget(effort: Effort) -> Option<u64> {
    match effort {
        Effort::None => None,
        Effort::Minimal | Effort::Low => Some(1024),
        Effort::Medium => Some(8192),
        Effort::High => Some(24576),
        Effort::XHigh | Effort::Max => Some(32768),
    }
}

/// Fits a budget below `max_tokens`. One that does not fit is lowered to half of `max_tokens`, so that an answer still
/// fits; `None` if that is below the least budget.
fn fit(budget: u64, max_tokens: u64) -> Option<u64> {
    let lowered = if budget < max_tokens { budget } else { max_tokens / 2 };
    (lowered >= LEAST_BUDGET).then_some(lowered)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_that_does_not_fit_is_lowered_and_under_the_least_there_is_none() {
        assert_eq!(fit(1024, 4096), Some(1024));
        assert_eq!(fit(24576, 64000), Some(24576));
        assert_eq!(fit(24576, 8000), Some(4000));
        assert_eq!(fit(24576, 2048), Some(1024));
        assert_eq!(fit(24576, 1500), None);
        assert_eq!(fit(1024, 1025), Some(1024));
        assert_eq!(fit(1024, 1024), None);
        assert_eq!(fit(32768, 16), None);
    }
}
