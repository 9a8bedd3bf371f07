//! The most that a request can cost at a target, computed from the request and the prices alone. A cost without a bound is
//! an error, never a guess. The rules of each provider are in the `fees.rs` of its dialect, those of pictures, sound and
//! documents in tt-core's `tokens/media_bound.rs`.
//!
//! The tokens of a text are bounded twice. Its bytes cost nothing to know, and are some four times the tokens of English.
//! Only where that does not fit the budget, tokens are counted (see [`tt_core::tokens::most_of_text`]).

use tt_core::call::conversation::{Format, Part};
use tt_core::call::decoded::Decoded;
use tt_core::plan::Step;
use tt_core::price::{CostBound, PriceTable};
use tt_core::tokens::{LONGEST_TOKEN, most_of_media};
use tt_core::{Dialect, ModelName, NanoUsd, Provider, Timestamp};
use tt_providers::{ClientRequest, CostFacts, RequestError, Target, codec};

/// Input tokens that a provider may bill beside the text of a body.
const ADDED: u64 = 64;

/// Input tokens that a provider may bill beside those where the request has tools (Anthropic: up to 700), asks for a
/// shape of the answer, which may be sent as a tool or in words, or asks for citations.
const ADDED_WITH_TOOLS: u64 = 1024;

/// The facts of a request that bound its cost at the targets of its plan.
#[derive(Debug)]
pub(super) struct Bounds {
    /// The client's dialect.
    ingress: Dialect,
    contents: Contents,
    /// The facts that the client's dialect found.
    fees: CostFacts,
    text: TextBound,
    max_output_tokens: Option<u64>,
    choices: u64,
    service_tier: Option<String>,
    /// The number of texts of which each may fill the context window: the inputs of a request for embeddings, else 1.
    windows: u64,
}

/// The facts of a decoded request. They are kept in its place, since it may take much memory.
#[derive(Debug)]
struct Contents {
    /// The facts that differ between the targets of the plan.
    targets: Vec<TargetFacts>,
    has_sound: bool,
    has_pictures: bool,
    /// True if a provider may add instructions to the request: for tools, for a shape of the answer, for citations.
    has_tools: bool,
    audio_output: bool,
}

/// The facts of a request at one target.
#[derive(Debug)]
struct TargetFacts {
    provider: Provider,
    model: ModelName,
    /// The most tokens of all pictures, sound and documents; `None` where only the context window bounds them.
    media_tokens: Option<u64>,
    /// True if the target gets a search of the web, translated from that of the client's dialect.
    searches: bool,
}

impl Contents {
    fn of(
        call: &Decoded,
        fees: CostFacts,
        (ingress, prices): (Dialect, &PriceTable),
        targets: impl IntoIterator<Item = (Provider, ModelName)>,
    ) -> Self {
        let facts = |(provider, model): (Provider, ModelName)| {
            let mut media = call.media().map(|part| most_of_media(part, provider, model.as_str()));
            let known = (!fees.by_reference).then_some(0);
            let media_tokens =
                known.and_then(|none: u64| media.try_fold(none, |sum, tokens| Some(sum.saturating_add(tokens?))));
            let dialect = provider.dialect_for(ingress);
            let translation = codec(dialect).translation.filter(|_| dialect != ingress);
            let searches = match (call, translation) {
                (Decoded::Chat(call), Some(translation)) => {
                    let facts = prices.facts(provider, model.as_str());
                    translation.searches(call, Target { model: model.as_str(), facts })
                }
                _ => false,
            };
            TargetFacts { provider, model, media_tokens, searches }
        };
        let cites = |part: &Part| matches!(part, Part::Document(document) if document.citations);
        let (has_tools, audio_output) = match call {
            Decoded::Chat(call) => {
                (!call.tools.is_empty() || call.format != Format::Text || call.media().any(cites), call.audio_output)
            }
            Decoded::Embeddings(_) => (false, false),
        };
        Self {
            targets: targets.into_iter().map(facts).collect(),
            has_sound: call.media().any(|part| matches!(part, Part::Audio(_) | Part::Video(_))),
            has_pictures: call.media().any(|part| matches!(part, Part::Image(_) | Part::Document(_))),
            has_tools,
            audio_output,
        }
    }

    /// The facts of the request at the target of `step`.
    fn at(&self, step: &Step) -> Option<&TargetFacts> {
        self.targets.iter().find(|target| target.provider == step.provider && target.model == step.model)
    }
}

/// The bound of the tokens of a request's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct TextBound {
    /// The bytes of text in the longest body that is known to be sent.
    bytes: u64,
    /// The most tokens that it can be.
    tokens: u64,
    /// True if `tokens` is the number of bytes, and a count may find fewer.
    may_be_counted: bool,
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
    #[error("without an output limit the length of its answer is not bounded")]
    Output,
    #[error("its context window is not known, so films, files and contents named by reference have no bound")]
    Input,
    #[error("it searches the web for a fee that a budget does not cover")]
    Searches,
    #[error("tools that the provider runs have fees that a budget does not cover")]
    HostedTools,
}

impl Bounds {
    /// The bounds of `request` at each of `targets`.
    ///
    /// # Errors
    /// As [`ClientRequest::fees`].
    pub(super) fn of(
        request: &ClientRequest,
        prices: &PriceTable,
        targets: impl IntoIterator<Item = (Provider, ModelName)>,
    ) -> Result<Self, RequestError> {
        let ingress = request.ingress().dialect();
        let (facts, fees, bytes) = (request.facts(), request.fees()?, request.text_bytes()?);
        let call = request.decoded()?;
        Ok(Self {
            ingress,
            contents: Contents::of(&call, fees, (ingress, prices), targets),
            fees,
            text: TextBound { bytes, tokens: bytes, may_be_counted: true },
            max_output_tokens: facts.max_output_tokens,
            choices: facts.choices.unwrap_or(1).max(1),
            service_tier: facts.service_tier.clone(),
            windows: match &call {
                Decoded::Chat(_) => 1,
                Decoded::Embeddings(call) => call.inputs.len() as u64,
            },
        })
    }

    /// The number of choices that the client asked for, at least 1.
    pub(super) fn choices(&self) -> u64 {
        self.choices
    }

    /// True if the request may be sent with a lower limit of output tokens than the client asked for.
    pub(super) fn may_be_capped(&self) -> bool {
        !self.fees.fixed_thinking && self.max_output_tokens != Some(0)
    }

    /// True if counting the tokens of the text may lower the bound.
    pub(super) fn may_be_counted(&self) -> bool {
        self.text.may_be_counted
    }

    /// Notes that the text has at most so many tokens, by a count.
    pub(super) fn counted(&mut self, tokens: u64) {
        self.text = TextBound { tokens: tokens.min(self.text.tokens), may_be_counted: false, ..self.text };
    }

    /// Notes that so many bytes of text were encoded for a provider. Returns true if the bound has grown: the text of
    /// messages stays as it is, but schemas grow when their references are resolved.
    pub(super) fn encoded(&mut self, bytes: u64) -> bool {
        let has_grown = self.contents.has_tools && bytes > self.text.bytes;
        if has_grown {
            self.text = TextBound { bytes, tokens: bytes, may_be_counted: false };
        }
        has_grown
    }

    /// The most that an attempt at `step` can cost, at the prices of `at`. `region` is the word for the prices of the
    /// region that is asked.
    ///
    /// # Errors
    /// When the cost has no bound.
    pub(super) fn worst_case(
        &self,
        prices: &PriceTable,
        step: &Step,
        region: Option<&'static str>,
        at: Timestamp,
    ) -> Result<WorstCase<'_>, Unbounded> {
        self.with_text_tokens(self.text.tokens, prices, step, region, at)
    }

    /// As [`Bounds::worst_case`], if a count of the text finds as few tokens as its length allows.
    pub(super) fn least_worst_case(
        &self,
        prices: &PriceTable,
        step: &Step,
        region: Option<&'static str>,
        at: Timestamp,
    ) -> Result<WorstCase<'_>, Unbounded> {
        self.with_text_tokens(self.text.bytes / LONGEST_TOKEN, prices, step, region, at)
    }

    fn with_text_tokens(
        &self,
        text_tokens: u64,
        prices: &PriceTable,
        step: &Step,
        region: Option<&'static str>,
        at: Timestamp,
    ) -> Result<WorstCase<'_>, Unbounded> {
        let (provider, model) = (step.provider, step.model.as_str());
        let dialect = provider.dialect_for(self.ingress);
        if codec(dialect).egress.has_fee(model) {
            return Err(Unbounded::Searches);
        }
        let target = self.contents.at(step);
        let searches = target.is_some_and(|target| target.searches);
        if searches || self.fees.hosted_tools && dialect == self.ingress {
            return Err(Unbounded::HostedTools);
        }
        let facts = prices.facts(provider, model);
        let window = facts.and_then(|facts| facts.context_window).map(|window| window.saturating_mul(self.windows));
        let output = self.max_output_tokens.or(facts.and_then(|facts| facts.max_output));
        let added = if self.contents.has_tools { ADDED + ADDED_WITH_TOOLS } else { ADDED };
        let media = target.and_then(|target| target.media_tokens);
        let all = media.map(|media| media.saturating_add(text_tokens).saturating_add(added));
        let input = [all, window].into_iter().flatten().min();
        let bound = CostBound {
            input_tokens: input.unwrap_or(text_tokens),
            output_tokens: output.unwrap_or(1),
            choices: self.choices,
            service_tier: self.service_tier.as_deref(),
            cache_write: self.fees.cache_write,
            audio_input: self.fees.by_reference || self.contents.has_sound,
            image_input: self.fees.by_reference || self.contents.has_pictures,
            audio_output: self.contents.audio_output,
            region,
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

#[cfg(test)]
mod tests;
