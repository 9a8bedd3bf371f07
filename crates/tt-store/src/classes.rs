//! Converts the usage of a request between its totals and the columns of its row. All code that reads or writes a row
//! uses it.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use tt_core::fee::{self, Fee, FeeKind, FeeUnit};
use tt_core::record::Totals;
use tt_core::usage::Usage;

use crate::decode::{count, from_json, json};
use crate::error::Result;
use crate::schema::request_logs;

/// Tokens by billing class and fees, as the columns of the row hold them.
#[derive(Queryable, Selectable)]
#[diesel(table_name = request_logs)]
pub(crate) struct Classes {
    input_tokens: i64,
    cache_read_tokens: i64,
    cache_write_5m_tokens: i64,
    cache_write_1h_tokens: i64,
    output_tokens: i64,
    reasoning_tokens: Option<i64>,
    other_usage: Option<String>,
}

/// The classes and fees that have no column of their own, together in one column of JSON. Most requests have none of
/// them.
#[derive(Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
struct Other {
    #[serde(skip_serializing_if = "is_zero")]
    audio_input: u64,
    #[serde(skip_serializing_if = "is_zero")]
    audio_output: u64,
    #[serde(skip_serializing_if = "is_zero")]
    tool_prompt: u64,
    #[serde(skip_serializing_if = "is_zero")]
    web_searches: u64,
    #[serde(skip_serializing_if = "is_zero")]
    cache_write_30m: u64,
    #[serde(skip_serializing_if = "is_zero")]
    cache_write_12h: u64,
    #[serde(skip_serializing_if = "is_zero")]
    cached_audio: u64,
    #[serde(skip_serializing_if = "is_zero")]
    image_input: u64,
    #[serde(skip_serializing_if = "is_zero")]
    image_output: u64,
    #[serde(skip_serializing_if = "is_zero")]
    video_input: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fees: Vec<Fee>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// The column `other_usage` of a request with these totals; `None` where all of it is 0.
pub(crate) fn other_usage(totals: &Totals) -> Result<Option<String>> {
    let usage = &totals.usage;
    let is_search = |fee: &Fee| (fee.kind, fee.unit) == (FeeKind::WebSearch, FeeUnit::Query);
    let other = Other {
        audio_input: usage.audio_input,
        audio_output: usage.audio_output,
        tool_prompt: usage.tool_prompt,
        web_searches: fee::web_searches(&totals.fees),
        cache_write_30m: usage.cache_write_30m,
        cache_write_12h: usage.cache_write_12h,
        cached_audio: usage.cached_audio,
        image_input: usage.image_input,
        image_output: usage.image_output,
        video_input: usage.video_input,
        fees: totals.fees.iter().copied().filter(|fee| !is_search(fee)).collect(),
    };
    if other == Other::default() { Ok(None) } else { json(&other).map(Some) }
}

impl Classes {
    /// The request's tokens by class and its fees, summed over its attempts.
    pub(crate) fn used(&self) -> Result<(Usage, Vec<Fee>)> {
        let other: Other = self.other_usage.as_deref().map(from_json).transpose()?.unwrap_or_default();
        let usage = Usage {
            input: count(self.input_tokens),
            cache_read: count(self.cache_read_tokens),
            cache_write_5m: count(self.cache_write_5m_tokens),
            cache_write_1h: count(self.cache_write_1h_tokens),
            output: count(self.output_tokens),
            reasoning: self.reasoning_tokens.map(count),
            audio_input: other.audio_input,
            audio_output: other.audio_output,
            tool_prompt: other.tool_prompt,
            cache_write_30m: other.cache_write_30m,
            cache_write_12h: other.cache_write_12h,
            cached_audio: other.cached_audio,
            image_input: other.image_input,
            image_output: other.image_output,
            video_input: other.video_input,
        };
        let mut fees = Vec::new();
        Fee::web_searches(other.web_searches).add_to(&mut fees);
        other.fees.into_iter().for_each(|fee| fee.add_to(&mut fees));
        Ok((usage, fees))
    }
}
