//! The most that a request can cost at a target, computed from the request and the prices alone. A cost without a bound is
//! an error, never a guess. The rules of each provider are in the `fees.rs` of its dialect.

use tt_core::plan::Step;
use tt_core::price::{CostBound, PriceTable};
use tt_core::{Dialect, NanoUsd, Timestamp};
use tt_providers::{ClientRequest, CostFacts, codec};

/// Input tokens that a provider may bill beyond the texts of the body: for tools (Anthropic: up to 530), around messages,
/// and for the words that ask for a shape of the answer where the provider has no field for it.
const ADDED_INPUT_TOKENS: u64 = 2048;

/// The facts of a request that bound its cost at any target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bounds {
    /// The client's dialect.
    ingress: Dialect,
    /// The size of the body. A text has no more tokens than bytes.
    body_bytes: u64,
    /// The facts that the client's dialect found. If the body holds more than text, its bytes do not bound the input
    /// tokens; the context window does.
    fees: CostFacts,
    max_output_tokens: Option<u64>,
    choices: u64,
    service_tier: Option<String>,
}

/// The most that an attempt can cost, with the tokens that this is computed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WorstCase<'a> {
    pub(super) bound: CostBound<'a>,
    pub(super) cost: NanoUsd,
}

/// The reason for which the cost of an attempt has no bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unbounded {
    #[error("the model has no price")]
    Unpriced,
    #[error("without max_tokens the length of its answer is not bounded")]
    Output,
    #[error("its context window is not known, so input that is not text has no bound")]
    Input,
    #[error("it searches the web for a fee that a budget does not cover")]
    Searches,
}

impl Bounds {
    /// The bounds of `request`, in which its dialect found `fees`.
    pub(super) fn of(request: &ClientRequest, fees: CostFacts) -> Self {
        let facts = request.facts();
        Self {
            ingress: request.ingress().dialect(),
            body_bytes: request.body().len() as u64,
            fees,
            max_output_tokens: facts.max_output_tokens,
            choices: facts.choices.unwrap_or(1).max(1),
            service_tier: facts.service_tier.clone(),
        }
    }

    /// The number of choices that the client asked for, at least 1.
    pub(super) fn choices(&self) -> u64 {
        self.choices
    }

    /// True if the request may be sent with a lower limit of output tokens than the client asked for.
    pub(super) fn may_be_capped(&self) -> bool {
        !self.fees.fixed_thinking
    }

    /// The most that an attempt at `step` can cost, at the prices of `at`.
    ///
    /// # Errors
    /// When the cost has no bound.
    pub(super) fn worst_case(
        &self,
        prices: &PriceTable,
        step: &Step,
        at: Timestamp,
    ) -> Result<WorstCase<'_>, Unbounded> {
        let (provider, model) = (step.provider, step.model.as_str());
        if codec(provider.dialect_for(self.ingress)).egress.has_fee(model) {
            return Err(Unbounded::Searches);
        }
        let facts = prices.facts(provider, model);
        let window = facts.and_then(|facts| facts.context_window);
        let output = self.max_output_tokens.or(facts.and_then(|facts| facts.max_output));
        let of_text = self.body_bytes.saturating_add(ADDED_INPUT_TOKENS);
        let input = match (self.fees.beyond_text, window) {
            (false, window) => Some(window.map_or(of_text, |window| window.min(of_text))),
            (true, window) => window,
        };
        let bound = CostBound {
            input_tokens: input.unwrap_or(of_text),
            output_tokens: output.unwrap_or(1),
            choices: self.choices,
            service_tier: self.service_tier.as_deref(),
        };
        // A missing price is reported first, because the client cannot bound the cost by another request then.
        let cost = prices.worst_case(provider, model, &bound, at).ok_or(Unbounded::Unpriced)?;
        match (input, output) {
            (None, _) => Err(Unbounded::Input),
            (_, None) => Err(Unbounded::Output),
            (Some(_), Some(_)) => Ok(WorstCase { bound, cost }),
        }
    }
}
