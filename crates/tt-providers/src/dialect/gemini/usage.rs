//! Gemini's `usageMetadata` as billing classes (`MAPPING.md`, Usage of Gemini). No other file converts its numbers.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tt_core::Usage;
use tt_core::usage::Reported;

use crate::dialect::service_tier;

/// [`UsageMetadata`](https://ai.google.dev/api/generate-content#UsageMetadata). A count of 0 may be left out.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    /// The tokens of the prompt, with cached ones and without those that the provider's tools fed back.
    prompt_token_count: Option<u64>,
    cached_content_token_count: Option<u64>,
    /// The tokens of all candidates together, without thinking.
    candidates_token_count: Option<u64>,
    thoughts_token_count: Option<u64>,
    /// The tokens that the provider's own tools fed back as input.
    tool_use_prompt_token_count: Option<u64>,
    total_token_count: Option<u64>,
    /// Embeddings have it under another name.
    #[serde(alias = "promptTokenDetails")]
    prompt_tokens_details: Option<Vec<Modality>>,
    cache_tokens_details: Option<Vec<Modality>>,
    candidates_tokens_details: Option<Vec<Modality>>,
    tool_use_prompt_tokens_details: Option<Vec<Modality>>,
    service_tier: Option<String>,
}

const AUDIO: &str = "AUDIO";
const IMAGE: &str = "IMAGE";
const VIDEO: &str = "VIDEO";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Modality {
    modality: Option<String>,
    token_count: Option<u64>,
}

/// Converts the usage of one answer or chunk. An object that cannot be read, or that names no count, is none: the usage is
/// then estimated, not recorded as 0.
pub(super) fn reported(raw: &RawValue) -> Option<Reported> {
    let metadata: Metadata =
        serde_json::from_str(raw.get()).inspect_err(|error| tracing::warn!(%error, "unreadable Gemini usage")).ok()?;
    let counts = [
        metadata.prompt_token_count,
        metadata.candidates_token_count,
        metadata.thoughts_token_count,
        metadata.total_token_count,
    ];
    if counts.iter().all(Option::is_none) {
        return None;
    }
    let count = |tokens: Option<u64>| tokens.unwrap_or(0);
    let cache_read = count(metadata.cached_content_token_count);
    let tool_prompt = count(metadata.tool_use_prompt_token_count);
    let cached = |modality| of(&metadata.cache_tokens_details, modality);
    // Details count what the totals do: those of the prompt contain those of the cache.
    let uncached = |modality| {
        of(&metadata.prompt_tokens_details, modality)
            .saturating_sub(cached(modality))
            .saturating_add(of(&metadata.tool_use_prompt_tokens_details, modality))
    };
    let written = |modality| of(&metadata.candidates_tokens_details, modality);
    let usage = Usage {
        input: count(metadata.prompt_token_count).saturating_sub(cache_read).saturating_add(tool_prompt),
        cache_read,
        output: count(metadata.candidates_token_count).saturating_add(count(metadata.thoughts_token_count)),
        reasoning: metadata.thoughts_token_count,
        audio_input: uncached(AUDIO),
        audio_output: written(AUDIO),
        tool_prompt,
        cached_audio: cached(AUDIO),
        image_input: uncached(IMAGE),
        image_output: written(IMAGE),
        video_input: uncached(VIDEO),
        ..Usage::default()
    };
    if metadata.total_token_count.is_some_and(|total| total != usage.total()) {
        tracing::warn!(sum = usage.total(), total = metadata.total_token_count, "Gemini usage does not add up");
    }
    let mut reported =
        Reported { usage, raw: raw.get().to_owned(), service_tier: metadata.service_tier, ..Reported::default() };
    reported.bound();
    Some(reported)
}

/// Writes usage as Gemini counts it, with the processing tier in its words.
pub(super) fn encode(usage: &Usage, tier: Option<&str>) -> Value {
    let mut out = encode_tokens(usage);
    if let Some(tier) = tier {
        out["serviceTier"] = service_tier::of_gemini(tier).into();
    }
    out
}

/// Writes tokens: the caches are parts of the prompt, and thinking is no part of the candidates.
fn encode_tokens(usage: &Usage) -> Value {
    let thoughts = usage.reasoning.unwrap_or(0);
    let mut out = json!({
        "promptTokenCount": usage.total_input().saturating_sub(usage.tool_prompt),
        "candidatesTokenCount": usage.output.saturating_sub(thoughts),
        "totalTokenCount": usage.total(),
    });
    for (name, count) in [
        ("cachedContentTokenCount", usage.cache_read),
        ("thoughtsTokenCount", thoughts),
        ("toolUsePromptTokenCount", usage.tool_prompt),
    ] {
        if count > 0 {
            out[name] = count.into();
        }
    }
    out
}

/// The tokens of one modality.
fn of(details: &Option<Vec<Modality>>, modality: &str) -> u64 {
    details
        .iter()
        .flatten()
        .filter(|detail| detail.modality.as_deref() == Some(modality))
        .fold(0, |sum, detail| sum.saturating_add(detail.token_count.unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(json: &str) -> Option<Reported> {
        let raw: &RawValue = serde_json::from_str(json).unwrap();
        reported(raw)
    }

    // The numbers of gemini-generate-cassettes-testagentmultimodalgemini-test-video-file-gemini-gemin-71c3f1df.
    #[test]
    fn cached_audio_is_not_counted_as_audio_input_again() {
        let reported = usage(
            r#"{"promptTokenCount":1518,"candidatesTokenCount":202,"totalTokenCount":1905,"cachedContentTokenCount":1122,
            "promptTokensDetails":[{"modality":"TEXT","tokenCount":43},{"modality":"AUDIO","tokenCount":160}],
            "cacheTokensDetails":[{"modality":"AUDIO","tokenCount":118}],"thoughtsTokenCount":185}"#,
        )
        .unwrap();
        let usage = reported.usage;
        assert_eq!((usage.input, usage.cache_read, usage.output), (396, 1122, 387));
        assert_eq!((usage.audio_input, usage.reasoning, usage.total()), (42, Some(185), 1905));
        assert_eq!(usage.cached_audio, 118);
    }

    #[test]
    fn pictures_and_films_are_counted_by_what_is_not_cached() {
        let usage = usage(
            r#"{"promptTokenCount":100,"cachedContentTokenCount":30,"candidatesTokenCount":50,"totalTokenCount":150,
            "promptTokensDetails":[{"modality":"IMAGE","tokenCount":40},{"modality":"VIDEO","tokenCount":20}],
            "cacheTokensDetails":[{"modality":"IMAGE","tokenCount":30}],
            "candidatesTokensDetails":[{"modality":"IMAGE","tokenCount":45},{"modality":"TEXT","tokenCount":5}]}"#,
        );
        let usage = usage.unwrap().usage;
        assert_eq!((usage.image_input, usage.video_input, usage.image_output), (10, 20, 45));
        assert_eq!((usage.input, usage.output), (70, 50));
    }

    #[test]
    fn usage_is_written_as_it_is_read() {
        let usage =
            Usage { input: 7, cache_read: 5, output: 9, reasoning: Some(4), tool_prompt: 2, ..Usage::default() };
        let raw = serde_json::value::to_raw_value(&encode_tokens(&usage)).unwrap();
        assert_eq!(reported(&raw).unwrap().usage, usage);
        // Written caches are part of the prompt.
        let written = encode_tokens(&Usage { input: 1, cache_write_1h: 10, output: 1, ..Usage::default() });
        assert_eq!(written, json!({"promptTokenCount": 11, "candidatesTokenCount": 1, "totalTokenCount": 12}));
    }

    #[test]
    fn the_tier_is_told_in_geminis_words() {
        for (word, told) in [("default", json!("standard")), ("priority", json!("priority")), ("flex", json!("flex"))] {
            assert_eq!(encode(&Usage::default(), Some(word))["serviceTier"], told);
        }
        assert_eq!(encode(&Usage::default(), None).get("serviceTier"), None);
    }

    #[test]
    fn unreadable_numbers_are_not_taken_for_zero() {
        assert_eq!(usage(r#"{"promptTokenCount":-1}"#), None);
    }
}
