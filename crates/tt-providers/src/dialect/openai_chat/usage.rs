//! OpenAI's `usage` object, to billing classes and back (`MAPPING.md`, Usage of OpenAI).

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use tt_core::usage::{Reported, Usage};

use crate::dialect::cache_writes::{CacheWrites, WriteDetails};
use crate::dialect::count::Count;
use crate::json::{Object, Reader, quickly, read_members};

/// Decodes a `usage` object as sent; `None` when it is not one, or names no total at all.
///
/// `prompt_tokens` contains the tokens read from and written to the cache
/// ([`CompletionUsage`](https://platform.openai.com/docs/api-reference/chat/object)); `*_details` are parts of the
/// totals. A faulty count never makes a class negative: a part is cut to what is left of its total, and a count that is
/// not a whole number of 0 or more is 0. Where `total_tokens` exceeds prompt and completion, the rest is thinking that
/// the host left out of `completion_tokens` (Gemini's OpenAI endpoint does) and counts as output: classes sum to the
/// total the provider gave. A smaller total is ignored.
///
/// `service_tier` comes from the *response*, beside the usage: it decides the price.
pub fn decode(raw: &str, service_tier: Option<&str>) -> Option<Reported> {
    Told::of(raw).decode(service_tier)
}

/// A `usage` object that is read with the answer around it.
#[derive(Debug)]
pub struct Told<'a> {
    raw: &'a str,
    /// The object as it was read quickly, which is nearly every one.
    wire: Option<Wire>,
}

impl<'a> Object<'a> for Told<'a> {
    fn read(reader: &mut Reader<'a>) -> Option<Self> {
        let (raw, wire) = reader.with_text(Wire::read)?;
        Some(Self { raw, wire: Some(wire) })
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Told<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&RawValue>::deserialize(deserializer).map(|raw| Self::of(raw.get()))
    }
}

impl<'a> Told<'a> {
    fn of(raw: &'a str) -> Self {
        Self { raw, wire: quickly(raw) }
    }

    /// As [`decode`].
    pub(super) fn decode(self, service_tier: Option<&str>) -> Option<Reported> {
        let wire = match self.wire {
            Some(wire) => wire,
            None => serde_json::from_str(self.raw).ok()?,
        };
        wire.reported(self.raw, service_tier)
    }
}

impl Wire {
    fn reported(self, raw: &str, service_tier: Option<&str>) -> Option<Reported> {
        if self.prompt_tokens.0.is_none() && self.completion_tokens.0.is_none() && self.total_tokens.0.is_none() {
            return None;
        }
        // Without a count of the prompt it is what the total has beside the completion.
        let prompt = self
            .prompt_tokens
            .0
            .unwrap_or_else(|| self.total_tokens.or_zero().saturating_sub(self.completion_tokens.or_zero()));
        let (prompt_details, completion_details) =
            (self.prompt_tokens_details.unwrap_or_default(), self.completion_tokens_details.unwrap_or_default());

        let cache_read = prompt_details.cached_tokens.or_zero().min(prompt);
        let times = prompt_details.cache_write_tokens_details.as_ref();
        let written = CacheWrites::of(prompt_details.cache_write_tokens.or_zero(), times, prompt - cache_read);
        let input = prompt - cache_read - written.sum();
        let billed_apart =
            self.total_tokens.or_zero().saturating_sub(prompt.saturating_add(self.completion_tokens.or_zero()));
        let output = self.completion_tokens.or_zero().saturating_add(billed_apart);

        let mut reported = Reported {
            usage: Usage {
                input,
                cache_read,
                cache_write_5m: written.untold,
                cache_write_30m: written.thirty_minutes,
                cache_write_12h: written.twelve_hours,
                output,
                reasoning: completion_details.reasoning_tokens.0.map(|n| n.min(output)),
                audio_input: prompt_details.audio_tokens.or_zero().min(input),
                image_input: prompt_details.image_tokens.or_zero().min(input),
                image_output: completion_details.image_tokens.or_zero().min(output),
                audio_output: completion_details.audio_tokens.or_zero().min(output),
                ..Usage::default()
            },
            raw: raw.to_owned(),
            service_tier: service_tier.map(str::to_owned),
            ..Reported::default()
        };
        reported.bound();
        Some(reported)
    }
}

/// Encodes the classes in OpenAI's shape. Tokens that a provider bills beside its top-level counts stay out, as they do
/// in the usage of the provider. An amount of thinking that is not known is left out, not 0.
pub fn encode(usage: &Usage) -> Value {
    let mut prompt = Map::new();
    prompt.insert("cached_tokens".into(), usage.cache_read.into());
    prompt.insert("audio_tokens".into(), usage.audio_input.into());
    if usage.cache_write() > 0 {
        prompt.insert("cache_write_tokens".into(), usage.cache_write().into());
    }
    let mut completion = Map::new();
    if let Some(reasoning) = usage.reasoning {
        completion.insert("reasoning_tokens".into(), reasoning.into());
    }
    completion.insert("audio_tokens".into(), usage.audio_output.into());
    json!({
        "prompt_tokens": usage.total_input(),
        "completion_tokens": usage.output,
        "total_tokens": usage.total(),
        "prompt_tokens_details": prompt,
        "completion_tokens_details": completion,
    })
}

#[derive(Debug, Deserialize, Default, PartialEq, Eq)]
#[serde(default)]
struct Wire {
    prompt_tokens: Count,
    completion_tokens: Count,
    total_tokens: Count,
    prompt_tokens_details: Option<PromptDetails>,
    completion_tokens_details: Option<CompletionDetails>,
}

read_members!(Wire {
    "prompt_tokens" => prompt_tokens,
    "completion_tokens" => completion_tokens,
    "total_tokens" => total_tokens,
    "prompt_tokens_details" => prompt_tokens_details,
    "completion_tokens_details" => completion_tokens_details,
});

#[derive(Debug, Deserialize, Default, PartialEq, Eq)]
#[serde(default)]
struct PromptDetails {
    cached_tokens: Count,
    cache_write_tokens: Count,
    cache_write_tokens_details: Option<WriteDetails>,
    audio_tokens: Count,
    image_tokens: Count,
}

read_members!(PromptDetails {
    "cached_tokens" => cached_tokens,
    "cache_write_tokens" => cache_write_tokens,
    "cache_write_tokens_details" => cache_write_tokens_details,
    "audio_tokens" => audio_tokens,
    "image_tokens" => image_tokens,
});

#[derive(Debug, Deserialize, Default, PartialEq, Eq)]
#[serde(default)]
struct CompletionDetails {
    reasoning_tokens: Count,
    audio_tokens: Count,
    image_tokens: Count,
}

read_members!(CompletionDetails {
    "reasoning_tokens" => reasoning_tokens,
    "audio_tokens" => audio_tokens,
    "image_tokens" => image_tokens,
});

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NAMES: &[&str] = &[
        "prompt_tokens",
        "completion_tokens",
        "total_tokens",
        "prompt_tokens_details",
        "completion_tokens_details",
        "cached_tokens",
        "cache_write_tokens",
        "cache_write_tokens_details",
        "audio_tokens",
        "reasoning_tokens",
        "image_tokens",
        "x",
    ];
    const VALUES: &[&str] = &[
        "0",
        "7",
        "-0",
        "-7",
        "1.5",
        "2e3",
        "18446744073709551615",
        "18446744073709551616",
        "null",
        "true",
        "\"7\"",
        "[]",
        "{}",
        "INNER",
        "INNER",
        "INNER",
    ];

    fn usage(value: Value) -> Usage {
        decode(&value.to_string(), None).unwrap().usage
    }

    #[test]
    fn cached_and_written_tokens_are_taken_out_of_the_input() {
        // openai-chat-openai-chat-prompt-cache-e2e-758800ae
        let found = usage(json!({"prompt_tokens": 4020, "completion_tokens": 4, "total_tokens": 4024,
            "prompt_tokens_details": {"cache_write_tokens": 4012, "cached_tokens": 0, "audio_tokens": 0}}));
        assert_eq!((found.input, found.cache_write_5m, found.output, found.total()), (8, 4012, 4, 4024));
    }

    #[test]
    fn writes_are_told_apart_by_their_time_and_pictures_from_text() {
        let found = usage(json!({"prompt_tokens": 100, "completion_tokens": 9, "prompt_tokens_details": {
            "cached_tokens": 10, "cache_write_tokens": 60, "image_tokens": 7,
            "cache_write_tokens_details": {"ttl_30m_tokens": 20, "ttl_12h_tokens": 30}},
            "completion_tokens_details": {"image_tokens": 5}}));
        let Usage { input, cache_write_5m, cache_write_30m, cache_write_12h, image_input, image_output, .. } = found;
        assert_eq!((input, cache_write_5m, cache_write_30m, cache_write_12h), (30, 10, 20, 30));
        assert_eq!((image_input, image_output), (7, 5));
    }

    #[test]
    fn thinking_left_out_of_the_completion_is_output() {
        // gemini-compat-chat-compatible-api-with-tool-calls-without-id-a8759ae9
        let found = usage(json!({"completion_tokens": 6, "prompt_tokens": 66, "total_tokens": 100}));
        assert_eq!((found.input, found.output, found.reasoning, found.total()), (66, 34, None, 100));
    }

    #[test]
    fn parts_beyond_their_total_are_cut() {
        let found = usage(json!({"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 3,
            "prompt_tokens_details": {"cached_tokens": 8, "cache_write_tokens": 8, "audio_tokens": 8},
            "completion_tokens_details": {"reasoning_tokens": 8, "audio_tokens": 8}}));
        assert_eq!((found.input, found.cache_read, found.cache_write_5m, found.audio_input), (0, 8, 2, 0));
        assert_eq!((found.output, found.reasoning, found.audio_output), (2, Some(2), 2));
    }

    #[test]
    fn what_the_host_does_not_say_is_not_zero() {
        let found = usage(json!({"prompt_tokens": 1, "completion_tokens": 1, "completion_tokens_details": null}));
        assert_eq!(found.reasoning, None);
        for nothing in ["null", "{}", "[]", "3", r#"{"prompt_tokens":null}"#, "{"] {
            assert_eq!(decode(nothing, None), None, "{nothing}");
        }
    }

    #[test]
    fn a_count_that_is_no_count_is_zero() {
        let found = usage(json!({"prompt_tokens": -3, "completion_tokens": 7, "total_tokens": 1.5}));
        assert_eq!((found.input, found.output), (0, 7));
    }

    #[test]
    fn the_object_is_kept_as_sent_with_the_tier() {
        let raw = r#"{ "prompt_tokens":1,"image_tokens":[] }"#;
        let found = decode(raw, Some("flex")).unwrap();
        assert_eq!((found.raw.as_str(), found.service_tier.as_deref()), (raw, Some("flex")));
    }

    proptest! {
        #[test]
        fn classes_sum_to_the_totals_whatever_is_sent(
            prompt in any::<u32>(), completion in any::<u32>(), extra in 0u32..9,
            cached in prop::option::of(any::<u64>()), written in prop::option::of(any::<u64>()),
            audio in any::<u64>(), reasoning in prop::option::of(any::<u64>()),
        ) {
            let total = u64::from(prompt) + u64::from(completion) + u64::from(extra);
            let found = usage(json!({"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total,
                "prompt_tokens_details": {"cached_tokens": cached, "cache_write_tokens": written, "audio_tokens": audio},
                "completion_tokens_details": {"reasoning_tokens": reasoning, "audio_tokens": audio}}));
            prop_assert_eq!(found.total(), total);
            prop_assert_eq!(found.total_input(), u64::from(prompt));
            prop_assert!(found.reasoning.unwrap_or(0) <= found.output && found.audio_input <= found.input);
            prop_assert_eq!(usage(encode(&found)), found);
        }

        #[test]
        fn what_is_read_quickly_is_what_serde_reads(
            fields in prop::collection::vec((prop::sample::select(NAMES), prop::sample::select(VALUES)), 0..6),
            inner in prop::collection::vec((prop::sample::select(NAMES), prop::sample::select(VALUES)), 0..4),
        ) {
            let object = |fields: &[(&str, &str)]| {
                let fields: Vec<String> = fields.iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
                format!("{{{}}}", fields.join(","))
            };
            let raw = object(&fields).replace("INNER", &object(&inner));
            if let Some(quick) = quickly::<Wire>(&raw) {
                prop_assert_eq!(Some(quick), serde_json::from_str::<Wire>(&raw).ok(), "{}", raw);
            }
        }

        #[test]
        fn no_text_makes_it_panic(raw in "\\PC{0,40}", n in any::<u64>()) {
            let _ = decode(&raw, None);
            let huge = json!({"prompt_tokens": n, "completion_tokens": u64::MAX, "total_tokens": u64::MAX});
            let _ = decode(&huge.to_string(), None);
        }
    }
}
