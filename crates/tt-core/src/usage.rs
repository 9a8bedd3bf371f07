//! Token counts by billing class. Each dialect's codec converts its provider's numbers once; all other code adds them
//! up.

use serde::{Deserialize, Serialize};

use crate::fee::Fee;

/// The tokens of one attempt, by the class that they are billed in. Classes are disjoint, except those that name the
/// class they are a part of. A class without a price costs as the class that it is a part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "UsageRecord", into = "UsageRecord")]
pub struct Usage {
    /// Input that is neither read from a cache nor written to one.
    pub input: u64,
    /// Input read from a prompt cache.
    pub cache_read: u64,
    /// Input written to a cache that is kept five minutes (Anthropic), or for the provider's one term (OpenAI).
    pub cache_write_5m: u64,
    /// Input written to a cache that is kept one hour (Anthropic).
    pub cache_write_1h: u64,
    /// All generated tokens, thinking included.
    pub output: u64,
    /// The part of `output` that is thinking; `None` when the provider does not state it.
    pub reasoning: Option<u64>,
    /// The part of `input` that is audio, where it has a price of its own.
    pub audio_input: u64,
    /// The part of `output` that is audio.
    pub audio_output: u64,
    /// The part of `input` that the provider's own tools fed back (Gemini `toolUsePromptTokenCount`).
    pub tool_prompt: u64,
    /// Input written to a cache that is kept thirty minutes: a class of its own, priced as a five-minute write.
    pub cache_write_30m: u64,
    /// Input written to a cache that is kept twelve hours: a class of its own, priced as an hour's write.
    pub cache_write_12h: u64,
    /// The part of `cache_read` that is audio.
    pub cached_audio: u64,
    /// The part of `input` that is pictures.
    pub image_input: u64,
    /// The part of `output` that is pictures.
    pub image_output: u64,
    /// The part of `input` that is video.
    pub video_input: u64,
}

/// [`Usage`] as journals and the store hold it: an array of these fields in this order, or an object of them. Version
/// 0.1 counted web searches among the classes; the place stays, and is 0 in what is written today.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct UsageRecord {
    input: u64,
    cache_read: u64,
    cache_write_5m: u64,
    cache_write_1h: u64,
    output: u64,
    reasoning: Option<u64>,
    audio_input: u64,
    audio_output: u64,
    tool_prompt: u64,
    web_searches: u64,
    cache_write_30m: u64,
    cache_write_12h: u64,
    cached_audio: u64,
    image_input: u64,
    image_output: u64,
    video_input: u64,
}

impl From<UsageRecord> for Usage {
    fn from(record: UsageRecord) -> Self {
        Self {
            input: record.input,
            cache_read: record.cache_read,
            cache_write_5m: record.cache_write_5m,
            cache_write_1h: record.cache_write_1h,
            output: record.output,
            reasoning: record.reasoning,
            audio_input: record.audio_input,
            audio_output: record.audio_output,
            tool_prompt: record.tool_prompt,
            cache_write_30m: record.cache_write_30m,
            cache_write_12h: record.cache_write_12h,
            cached_audio: record.cached_audio,
            image_input: record.image_input,
            image_output: record.image_output,
            video_input: record.video_input,
        }
    }
}

impl From<Usage> for UsageRecord {
    fn from(usage: Usage) -> Self {
        Self {
            input: usage.input,
            cache_read: usage.cache_read,
            cache_write_5m: usage.cache_write_5m,
            cache_write_1h: usage.cache_write_1h,
            output: usage.output,
            reasoning: usage.reasoning,
            audio_input: usage.audio_input,
            audio_output: usage.audio_output,
            tool_prompt: usage.tool_prompt,
            web_searches: 0,
            cache_write_30m: usage.cache_write_30m,
            cache_write_12h: usage.cache_write_12h,
            cached_audio: usage.cached_audio,
            image_input: usage.image_input,
            image_output: usage.image_output,
            video_input: usage.video_input,
        }
    }
}

impl Usage {
    /// All input that the model read, caches included: the API's `input_tokens`.
    pub const fn total_input(&self) -> u64 {
        self.input.saturating_add(self.cache_read).saturating_add(self.cache_write())
    }

    /// All input that was written to a cache, however long it is kept.
    pub const fn cache_write(&self) -> u64 {
        self.cache_write_5m
            .saturating_add(self.cache_write_30m)
            .saturating_add(self.cache_write_1h)
            .saturating_add(self.cache_write_12h)
    }

    /// Input and output together.
    pub const fn total(&self) -> u64 {
        self.total_input().saturating_add(self.output)
    }

    /// The sum, class by class. `reasoning` is known when either side knows it.
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
            cache_write_30m: self.cache_write_30m.saturating_add(other.cache_write_30m),
            cache_write_12h: self.cache_write_12h.saturating_add(other.cache_write_12h),
            cached_audio: self.cached_audio.saturating_add(other.cached_audio),
            image_input: self.image_input.saturating_add(other.image_input),
            image_output: self.image_output.saturating_add(other.image_output),
            video_input: self.video_input.saturating_add(other.video_input),
        }
    }
}

/// The origin of an attempt's numbers, from the surest to the weakest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum UsageSource {
    /// The attempt billed nothing: it was never sent, or was answered with an error status.
    None,
    /// The numbers are those of the provider's own usage object.
    Provider,
    /// The provider sent no usage object; the numbers were counted here from the texts.
    Estimated,
    /// The stream ended early; the numbers cover the part that came.
    Partial,
    /// The attempt was sent and nothing came back, so its numbers are not known.
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

/// The usage that a provider reported, decoded, with the facts that decide its price.
///
/// It is written to journals, as all of [`crate::record`] is: new fields go to the end, with a default.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "ReportedRecord")]
pub struct Reported {
    /// The tokens, by class.
    pub usage: Usage,
    /// The provider's usage object as it was sent: JSON text, empty where there was none.
    pub raw: String,
    /// The service tier the *response* names (`default`, `flex`, `priority`, `batch`…), which sets the price.
    pub service_tier: Option<String>,
    /// Passes billed beside the top-level numbers (Anthropic compaction and advisor entries), each with its model
    /// where that differs.
    pub beside: Vec<BilledBeside>,
    /// Words by which the tokens of the whole answer cost a multiple of their prices, where the table lists one for
    /// them: the place and the speed of the answer (Anthropic `inference_geo` and `speed`; OpenAI `region_eu` and
    /// `region_us`, by the address asked).
    pub modifiers: Vec<String>,
    /// The fees billed beside tokens, one entry for each kind and unit.
    pub fees: Vec<Fee>,
}

/// The form in which [`Reported`] is read: version 0.1 counted web searches within the usage.
#[derive(Deserialize)]
struct ReportedRecord {
    usage: UsageRecord,
    #[serde(default)]
    raw: String,
    service_tier: Option<String>,
    #[serde(default)]
    beside: Vec<BesideRecord>,
    #[serde(default)]
    modifiers: Vec<String>,
    #[serde(default)]
    fees: Vec<Fee>,
}

/// The form in which [`BilledBeside`] is read.
#[derive(Deserialize)]
struct BesideRecord {
    model: Option<String>,
    usage: UsageRecord,
}

impl From<ReportedRecord> for Reported {
    fn from(record: ReportedRecord) -> Self {
        let mut fees = record.fees;
        Fee::web_searches(record.usage.web_searches).add_to(&mut fees);
        let mut beside = Vec::with_capacity(record.beside.len());
        for pass in record.beside {
            Fee::web_searches(pass.usage.web_searches).add_to(&mut fees);
            beside.push(BilledBeside { model: pass.model, usage: pass.usage.into() });
        }
        Self {
            usage: record.usage.into(),
            raw: record.raw,
            service_tier: record.service_tier,
            beside,
            modifiers: record.modifiers,
            fees,
        }
    }
}

/// One pass a provider bills beside its top-level usage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BilledBeside {
    /// The model of the pass; `None`: the request's own.
    pub model: Option<String>,
    /// The tokens of the pass, by class.
    pub usage: Usage,
}

impl Reported {
    /// The sum of all tokens: the answer's own and those of every pass billed beside it.
    pub fn total(&self) -> Usage {
        self.beside.iter().fold(self.usage, |sum, pass| sum.plus(&pass.usage))
    }
}
