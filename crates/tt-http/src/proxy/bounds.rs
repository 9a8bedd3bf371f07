//! The most a request can cost on a target, from what the client sent: pure. What is not bounded is refused, never
//! guessed.

use serde_json::Value;
use tt_core::conversation::Conversation;
use tt_core::plan::Step;
use tt_core::price::{CostBound, PriceTable};
use tt_core::{NanoUsd, Provider, Timestamp};

use super::inbound::Inbound;
use crate::edge::error::ApiError;

/// Tokens of input that nobody sent: what providers add for tools (Anthropic up to 530) and around messages, and the
/// words with which a shape of the answer is asked for where a provider has no field for it.
const ADDED_INPUT_TOKENS: u64 = 2048;

/// Top-level fields, beside those every dialect knows, that cost nothing of their own. Any other may be a tool or a
/// service with a fee, of this year or the next.
const FREE_FIELDS: [&str; 15] = [
    "chat_template_kwargs",
    "extra_body",
    "metadata",
    "min_p",
    "modalities",
    "moderation",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "reasoning",
    "repetition_penalty",
    "store",
    "stream_options",
    "thinking",
    "verbosity",
];

/// The same in `extra_body.anthropic` and `extra_body.google`.
const FREE_FOR_ANTHROPIC: [&str; 2] = ["cache_control", "thinking"];
const FREE_FOR_GOOGLE: [&str; 3] = ["cached_content", "safety_settings", "thinking_config"];

/// OpenAI's models that search for every answer, at a fee for each.
const SEARCHING: [&str; 2] = ["-search-preview", "-search-api"];

/// What of a request bounds its cost, whatever the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// A token is at least a byte of the texts, which the body holds.
    body_bytes: u64,
    /// Pictures, sound, documents, or contents named by reference: bytes do not bound them, the context window does.
    beyond_text: bool,
    max_output_tokens: Option<u64>,
    choices: u64,
    service_tier: Option<String>,
    /// Thinking of a length that the client fixed must stay under the most tokens of output.
    fixed_thinking: bool,
}

/// The most an attempt can cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WorstCase<'a> {
    pub(crate) bound: CostBound<'a>,
    pub(crate) cost: NanoUsd,
}

/// Why nobody can say what an attempt can cost at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unbounded {
    #[error("the model has no price")]
    Unpriced,
    #[error("without max_tokens the length of its answer is not bounded")]
    Output,
    #[error("its context window is not known, which would bound what is no text")]
    Input,
    #[error("it searches the web for a fee that a budget does not cover")]
    Searches,
}

impl Bounds {
    /// Reads the request; what may have a fee of its own is refused.
    pub(crate) fn of(inbound: &Inbound, conversation: &Conversation) -> Result<Self, ApiError> {
        let mut beyond_text = conversation.media().next().is_some();
        for (name, value) in conversation.extra.iter().filter(|(_, value)| !value.is_null()) {
            match name.as_str() {
                "modalities" if names_audio(value) => return Err(fee("modalities")),
                "extra_body" => beyond_text |= extra_body(value)?,
                known if FREE_FIELDS.contains(&known) => {}
                other => return Err(fee(other)),
            }
        }
        // An answer in sound that is spoken of by its id.
        beyond_text |= conversation.messages.iter().any(|message| message.extra.contains_key("audio"));
        Ok(Self {
            body_bytes: inbound.body().len() as u64,
            beyond_text,
            max_output_tokens: inbound.scan.max_output_tokens,
            choices: inbound.scan.n.unwrap_or(1).max(1),
            service_tier: inbound.scan.service_tier.clone(),
            fixed_thinking: conversation
                .extra
                .get("extra_body")
                .is_some_and(|own| !own["anthropic"]["thinking"].is_null()),
        })
    }

    /// Choices asked for, at least 1.
    pub(crate) fn choices(&self) -> u64 {
        self.choices
    }

    /// May the call go out with a lower limit of output than was asked for?
    pub(crate) fn may_be_capped(&self) -> bool {
        !self.fixed_thinking
    }

    /// The most an attempt at `step` can cost.
    pub(crate) fn worst_case(
        &self,
        prices: &PriceTable,
        step: &Step,
        at: Timestamp,
    ) -> Result<WorstCase<'_>, Unbounded> {
        let (provider, model) = (step.provider, step.model.as_str());
        if provider == Provider::OpenAi && SEARCHING.iter().any(|part| model.contains(part)) {
            return Err(Unbounded::Searches);
        }
        let facts = prices.facts(provider, model);
        let window = facts.and_then(|facts| facts.context_window);
        let output = self.max_output_tokens.or(facts.and_then(|facts| facts.max_output));
        let of_text = self.body_bytes.saturating_add(ADDED_INPUT_TOKENS);
        let input = match (self.beyond_text, window) {
            (false, window) => Some(window.map_or(of_text, |window| window.min(of_text))),
            (true, window) => window,
        };
        let bound = CostBound {
            input_tokens: input.unwrap_or(of_text),
            output_tokens: output.unwrap_or(1),
            choices: self.choices,
            service_tier: self.service_tier.as_deref(),
        };
        // Without a price the rest does not matter.
        let cost = prices.worst_case(provider, model, &bound, at).ok_or(Unbounded::Unpriced)?;
        match (input, output) {
            (None, _) => Err(Unbounded::Input),
            (_, None) => Err(Unbounded::Output),
            (Some(_), Some(_)) => Ok(WorstCase { bound, cost }),
        }
    }
}

impl From<Unbounded> for ApiError {
    fn from(unbounded: Unbounded) -> Self {
        match unbounded {
            Unbounded::Unpriced => Self::model_unpriced(),
            Unbounded::Output => Self::missing_field("max_tokens"),
            Unbounded::Input => Self::unsupported_parameter("messages", &format!("under a budget, {unbounded}")),
            Unbounded::Searches => Self::unsupported_parameter("model", &unbounded.to_string()),
        }
    }
}

fn fee(field: &str) -> ApiError {
    let shown: String = field.chars().take(64).collect();
    ApiError::unsupported_parameter(&shown, "what it may cost is not known, so it is not taken under a budget")
}

fn names_audio(modalities: &Value) -> bool {
    modalities.as_array().is_none_or(|all| all.iter().any(|modality| modality != "text"))
}

/// Does what is said in a provider's own words name contents by reference?
fn extra_body(value: &Value) -> Result<bool, ApiError> {
    let Some(body) = value.as_object() else { return Err(fee("extra_body")) };
    let mut by_reference = false;
    for (provider, fields) in body {
        let free: &[&str] = match provider.as_str() {
            "anthropic" => &FREE_FOR_ANTHROPIC,
            "google" => &FREE_FOR_GOOGLE,
            _ => &[],
        };
        let Some(fields) = fields.as_object().filter(|_| !free.is_empty()) else {
            return Err(fee(&format!("extra_body.{provider}")));
        };
        if let Some(name) = fields.keys().find(|name| !free.contains(&name.as_str())) {
            return Err(fee(&format!("extra_body.{provider}.{name}")));
        }
        by_reference |= fields.contains_key("cached_content");
    }
    Ok(by_reference)
}
