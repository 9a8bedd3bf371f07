//! The routing plan: the targets to try for a request, in order. It is a pure function, the same for a request and for
//! `/manage/route`.

use std::collections::HashSet;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::routing::{Alias, Routes};
use crate::{AliasId, Invalid, ModelName, Provider, ProviderKeyId};

/// The most targets one request may try, so that even a cycle written by two writers at once ends.
pub const MAX_STEPS: usize = 8;

/// The kind of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Route {
    /// The alias's own target.
    Primary,
    /// The light model of the alias that was asked for.
    Light,
    /// A target of an alias further down the chain, whichever of its models it is.
    Fallback,
}

impl Route {
    /// Every route.
    pub const ALL: [Self; 3] = [Self::Primary, Self::Light, Self::Fallback];

    /// The word in the API and the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Light => "light",
            Self::Fallback => "fallback",
        }
    }
}

/// The number of input tokens, counted only as far as routing needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputTokens {
    /// Exactly this number.
    Exact(u64),
    /// This number or more: it is the largest threshold in the chain, and counting stopped there.
    AtLeast(u64),
    /// This number or fewer: it is under the smallest threshold in the chain, so nothing was counted.
    AtMost(u64),
}

impl InputTokens {
    /// True if there are surely fewer tokens than `bound`.
    pub const fn under(self, bound: u64) -> bool {
        matches!(self, Self::Exact(n) | Self::AtMost(n) if n < bound)
    }

    /// The number counted, or the bound that made counting needless.
    pub const fn counted(self) -> u64 {
        match self {
            Self::Exact(n) | Self::AtLeast(n) | Self::AtMost(n) => n,
        }
    }
}

impl std::fmt::Display for InputTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exact(n) => write!(f, "{n}"),
            Self::AtLeast(n) => write!(f, "at least {n}"),
            Self::AtMost(n) => write!(f, "at most {n}"),
        }
    }
}

/// One target to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The alias that the step comes from; for a `provider/model` the name that was asked for.
    pub alias: String,
    /// The kind of the step.
    pub route: Route,
    /// The provider to call.
    pub provider: Provider,
    /// The provider key to call it with.
    pub key: ProviderKeyId,
    /// The upstream model to ask for.
    pub model: ModelName,
    /// The target model that a light model stands in for: `saved_usd` compares with its price.
    pub instead_of: Option<ModelName>,
    /// The reason for the step, in words.
    pub reason: String,
}

/// The steps of one request, in order: 1 to [`MAX_STEPS`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The steps, first to last.
    pub steps: Vec<Step>,
}

/// The requested name leads to no target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoTarget {
    /// The name is neither an alias of the caller nor of the form `provider/model`.
    #[error("no alias of that name, and not of the form provider/model")]
    UnknownModel,
    /// The name is a `provider/model`, but the caller has no key of that provider.
    #[error("no {0} key is stored")]
    NoKey(Provider),
    /// The model would be the one that was asked for, but that is not a valid model name.
    #[error("{0}")]
    InvalidModel(Invalid),
}

/// The aliases tried for `requested`, first to last: each once, at most [`MAX_STEPS`]. Empty when it is no alias.
fn chain<'a>(routes: &'a Routes, requested: &str) -> Vec<&'a Alias> {
    let mut chain: Vec<&Alias> = Vec::new();
    let mut next = routes.alias(requested);
    while let Some(alias) = next {
        if chain.len() == MAX_STEPS || chain.iter().any(|seen| seen.id == alias.id) {
            break;
        }
        chain.push(alias);
        next = alias.fallback_alias_id.and_then(|id| routes.alias_by_id(id));
    }
    chain
}

/// The number to which input tokens must be counted to plan `requested`: the largest light threshold in its chain.
/// `None`: no count is needed.
pub fn count_to(routes: &Routes, requested: &str) -> Option<u64> {
    thresholds(routes, requested).map(|thresholds| *thresholds.end())
}

/// The smallest and the largest light threshold in the chain of `requested`. An input under the first, or not under the
/// last, settles the plan without a count. `None`: the chain has no threshold.
pub fn thresholds(routes: &Routes, requested: &str) -> Option<RangeInclusive<u64>> {
    let chain = chain(routes, requested);
    let bounds = || chain.iter().filter_map(|alias| alias.light()).map(|(_, bound)| bound);
    Some(bounds().min()?..=bounds().max()?)
}

/// Plans `requested`: an alias of the caller, or `provider/model`. `input` must have been counted as far as
/// [`count_to`] says; where it says `None`, any value serves.
///
/// # Errors
/// When `requested` leads to no target.
pub fn plan(routes: &Routes, requested: &str, input: InputTokens) -> Result<Plan, NoTarget> {
    planned(routes, requested, Some(input))
}

/// As [`plan`], by the target models alone: for requests that are no chats. A light model stands in for a model that
/// chats.
///
/// # Errors
/// As [`plan`].
pub fn without_light(routes: &Routes, requested: &str) -> Result<Plan, NoTarget> {
    planned(routes, requested, None)
}

fn planned(routes: &Routes, requested: &str, input: Option<InputTokens>) -> Result<Plan, NoTarget> {
    let aliases = chain(routes, requested);
    if aliases.is_empty() {
        return direct(routes, requested).map(|step| Plan { steps: vec![step] });
    }
    // An alias whose model would be as asked is left out where that name can be no model's.
    let (mut steps, mut invalid) = (Vec::new(), None);
    for (position, alias) in aliases.iter().enumerate() {
        match step(requested, alias, position, &aliases, input) {
            Ok(step) => steps.push(step),
            Err(reason) => invalid = Some(reason),
        }
    }
    match invalid {
        Some(invalid) if steps.is_empty() => Err(NoTarget::InvalidModel(invalid)),
        _ => Ok(Plan { steps }),
    }
}

fn step(
    requested: &str,
    alias: &Alias,
    position: usize,
    aliases: &[&Alias],
    input: Option<InputTokens>,
) -> Result<Step, Invalid> {
    let first = position == 0;
    let may_be_light = alias.light().zip(input);
    let light = may_be_light.filter(|((_, bound), input)| input.under(*bound));
    let target = alias.target_model.of(requested);
    let model = match light {
        Some(((model, _), _)) => model.clone(),
        None => target.clone()?,
    };
    let model_reason = match (light, may_be_light) {
        (Some(((_, bound), input)), _) => format!("input of {input} tokens is under {bound}: light model {model}"),
        (None, Some(((_, bound), input))) => {
            format!("input of {input} tokens is not under {bound}: target model {model}")
        }
        (None, None) => format!("target model {model}"),
    };
    let reason = match position.checked_sub(1).and_then(|before| aliases.get(before)) {
        Some(before) => format!("fallback of alias {}: alias {}, {model_reason}", before.name, alias.name),
        None if alias.name.as_str() != requested => {
            format!("alias {} catches {requested}: {model_reason}", alias.name)
        }
        None => format!("alias {}: {model_reason}", alias.name),
    };
    Ok(Step {
        alias: alias.name.to_string(),
        route: match (first, light.is_some()) {
            (false, _) => Route::Fallback,
            (true, true) => Route::Light,
            (true, false) => Route::Primary,
        },
        provider: alias.provider,
        key: alias.provider_key_id,
        model,
        instead_of: light.and_then(|_| target.ok()),
        reason,
    })
}

fn direct(routes: &Routes, requested: &str) -> Result<Step, NoTarget> {
    let (provider, model) = requested.split_once('/').ok_or(NoTarget::UnknownModel)?;
    let provider: Provider = provider.parse().map_err(|_| NoTarget::UnknownModel)?;
    let model = ModelName::try_from(model.to_owned()).map_err(NoTarget::InvalidModel)?;
    let key = routes.oldest_key(provider).ok_or(NoTarget::NoKey(provider))?;
    Ok(Step {
        alias: requested.to_owned(),
        route: Route::Primary,
        provider,
        key: key.id,
        reason: format!("{provider}/{model} named directly: the oldest {provider} key"),
        model,
        instead_of: None,
    })
}

/// True if a fallback from `alias` to `fallback` would close a cycle among the fallbacks that `fallback_of` gives.
pub fn closes_cycle(fallback_of: impl Fn(AliasId) -> Option<AliasId>, alias: AliasId, fallback: AliasId) -> bool {
    let mut seen = HashSet::from([alias]);
    let mut next = Some(fallback);
    while let Some(id) = next {
        if !seen.insert(id) {
            return true;
        }
        next = fallback_of(id);
    }
    false
}

#[cfg(test)]
mod tests;
