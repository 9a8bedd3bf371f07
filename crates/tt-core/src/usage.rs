//! Token counts by billing class. Each codec converts its provider's numbers once; everything else adds up.

use serde::{Deserialize, Serialize};

/// Tokens of one attempt, by the class they are billed in. Classes are disjoint, except where noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Input read in full: not from a cache and not written to one.
    pub input: u64,
    /// Input read from a prompt cache.
    pub cache_read: u64,
    /// Input written to a cache that is kept five minutes (Anthropic), or for the provider's one term (OpenAI).
    pub cache_write_5m: u64,
    /// Input written to a cache that is kept one hour (Anthropic).
    pub cache_write_1h: u64,
    /// Everything generated, thinking included.
    pub output: u64,
    /// The part of `output` that is thinking; `None` when the provider does not say.
    pub reasoning: Option<u64>,
    /// The part of `input` that is audio, where it has a price of its own.
    pub audio_input: u64,
    /// The part of `output` that is audio.
    pub audio_output: u64,
    /// The part of `input` that the provider's own tools fed back (Gemini `toolUsePromptTokenCount`).
    pub tool_prompt: u64,
    /// Web searches the provider ran, billed by the request (Anthropic `server_tool_use.web_search_requests`).
    pub web_searches: u64,
}

impl Usage {
    /// All input the model read, caches included: `input_tokens` of the API.
    pub const fn total_input(&self) -> u64 {
        self.input.saturating_add(self.cache_read).saturating_add(self.cache_write())
    }

    /// All input written to a cache.
    pub const fn cache_write(&self) -> u64 {
        self.cache_write_5m.saturating_add(self.cache_write_1h)
    }

    /// Input and output together.
    pub const fn total(&self) -> u64 {
        self.total_input().saturating_add(self.output)
    }

    /// The sum by class. `reasoning` is known when either side knows it.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            input: self.input.saturating_add(other.input),
            cache_read: self.cache_read.saturating_add(other.cache_read),
            cache_write_5m: self.cache_write_5m.saturating_add(other.cache_write_5m),
            cache_write_1h: self.cache_write_1h.saturating_add(other.cache_write_1h),
            output: self.output.saturating_add(other.output),
            reasoning: match (self.reasoning, other.reasoning) {
                (None, None) => None,
                (a, b) => Some(a.unwrap_or(0).saturating_add(b.unwrap_or(0))),
            },
            audio_input: self.audio_input.saturating_add(other.audio_input),
            audio_output: self.audio_output.saturating_add(other.audio_output),
            tool_prompt: self.tool_prompt.saturating_add(other.tool_prompt),
            web_searches: self.web_searches.saturating_add(other.web_searches),
        }
    }
}

/// Where an attempt's numbers come from, from the surest to the weakest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UsageSource {
    /// Nothing was billed: never sent, or answered with an error status.
    None,
    /// The provider's own usage object.
    Provider,
    /// The provider sent none; counted here from the texts.
    Estimated,
    /// The stream ended early; counted so far.
    Partial,
    /// Sent, and nothing came back.
    Unknown,
}

impl UsageSource {
    /// The word in the API and the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Provider => "provider",
            Self::Estimated => "estimated",
            Self::Partial => "partial",
            Self::Unknown => "unknown",
        }
    }
}

/// A provider's usage as decoded, with what it sent and what decides the price.
///
/// It is written to journals, as all of [`crate::record`] is: new fields go to the end, with a default.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Reported {
    /// The classes.
    pub usage: Usage,
    /// The provider's usage object as sent, JSON text.
    pub raw: String,
    /// The service tier the *response* names (`default`, `flex`, `priority`, `batch`…), which sets the price.
    pub service_tier: Option<String>,
    /// Passes billed beside the top-level numbers (Anthropic compaction and advisor entries), each with its model
    /// where that differs.
    pub beside: Vec<BilledBeside>,
    /// Words by which the whole answer costs another multiple of its tokens' prices, where the table lists one for them:
    /// where it was made and how fast (Anthropic `inference_geo` and `speed`; `region_eu` and `region_us` of OpenAI, by the
    /// address asked).
    #[serde(default)]
    pub modifiers: Vec<String>,
}

/// One pass a provider bills beside its top-level usage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BilledBeside {
    /// The model of the pass; `None`: the request's own.
    pub model: Option<String>,
    /// Its tokens.
    pub usage: Usage,
}

impl Reported {
    /// All tokens: the top level and everything billed beside it.
    pub fn total(&self) -> Usage {
        self.beside.iter().fold(self.usage, |sum, pass| sum.plus(&pass.usage))
    }
}
