//! A conversation as the body of `generateContent` (§2).

use serde::Serialize;
use serde_json::{Number, Value};
use tt_core::Dialect;
use tt_core::call::conversation::{Conversation, Format, Part};
use tt_core::call::field::Field;

use super::addressed::{Addressed, Thinking};
use super::contents::{self, Content, SystemInstruction};
use super::family::{Family, ThinkingAmount};
use super::schema;
use super::tools::{self, Names, ToolConfig, Tools};
use crate::codec::{Encoded, Target, Undo};
use crate::error::RequestError;

/// The most stop sequences Gemini takes.
const MAX_STOPS: usize = 5;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    system_instruction: Option<SystemInstruction<'a>>,
    contents: Vec<Content<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tools: Option<Tools>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_config: Option<ToolConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    safety_settings: Option<&'a Value>,
    #[serde(skip_serializing_if = "GenerationConfig::is_empty")]
    generation_config: GenerationConfig<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cached_content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'static str>,
}

/// [`GenerationConfig`](https://ai.google.dev/api/generate-content#generationconfig).
#[derive(Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct GenerationConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<&'a Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<&'a Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    candidate_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stop_sequences: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    presence_penalty: Option<&'a Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_penalty: Option<&'a Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_logprobs: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_mime_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_json_schema: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    media_resolution: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_config: Option<ThinkingConfig>,
}

impl GenerationConfig<'_> {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// [`ThinkingConfig`](https://ai.google.dev/api/generate-content#ThinkingConfig); level and budget exclude each other.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct ThinkingConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    include_thoughts: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_budget: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_level: Option<String>,
}

/// Encodes a conversation. The same conversation gives the same bytes. The model and whether to stream go into the URL.
///
/// # Errors
///
/// `Unsupported` for what Gemini cannot express and what would change
/// the answer if left out. The rest of what is left out is in [`Encoded::dropped`].
pub(super) fn encode_request(conversation: &Conversation, target: Target<'_>) -> Result<Encoded, RequestError> {
    let family = Family::of(target);
    if conversation.audio_output {
        return Err(RequestError::unsupported(Field::Modalities, "audio output is not available from Gemini here"));
    }
    let mut dropped: Vec<&'static str> = conversation.extra.foreign_to(Dialect::Gemini).collect();
    let addressed = Addressed::read(&conversation.extra)?;
    let names = Names::of(conversation);
    let contents = contents::encode(conversation, family, &names, &mut dropped)?;
    let generation_config = generation_config(conversation, family, addressed.thinking, &mut dropped)?;
    if conversation.end_user.is_some() {
        dropped.push("user");
    }
    if conversation.parallel_tool_calls == Some(false) {
        // There is no switch (I13).
        dropped.push("parallel_tool_calls");
    }
    let body = Body {
        system_instruction: contents.system,
        contents: contents.contents,
        tools: tools::declarations(conversation, &names, &mut dropped)?,
        tool_config: tools::config(conversation, &names)?,
        safety_settings: addressed.safety_settings,
        generation_config,
        cached_content: addressed.cached_content,
        service_tier: service_tier(conversation.service_tier.as_deref(), &mut dropped),
    };
    let body =
        serde_json::to_vec(&body).map_err(|error| RequestError::malformed(Field::Messages, error.to_string()))?;
    let mut seen = std::collections::HashSet::new();
    dropped.retain(|name| seen.insert(*name));
    let custom_tools =
        conversation.tools.iter().filter(|tool| tool.custom.is_some()).map(|tool| tool.name.clone()).collect();
    Ok(Encoded { body, undo: Undo { tool_names: names.into_aliases(), custom_tools, ..Undo::default() }, dropped })
}

fn generation_config<'a>(
    conversation: &'a Conversation,
    family: Family,
    thinking: Thinking,
    dropped: &mut Vec<&'static str>,
) -> Result<GenerationConfig<'a>, RequestError> {
    let sampling = &conversation.sampling;
    let mut config = GenerationConfig {
        candidate_count: sampling.n.filter(|n| *n != 1),
        max_output_tokens: sampling.max_output_tokens,
        presence_penalty: sampling.presence_penalty.as_ref(),
        frequency_penalty: sampling.frequency_penalty.as_ref(),
        stop_sequences: sampling.stop.iter().map(String::as_str).filter(|stop| !stop.is_empty()).collect(),
        media_resolution: media_resolution(conversation, dropped),
        ..GenerationConfig::default()
    };
    if family.sampling {
        config.temperature = sampling.temperature.as_ref();
        config.top_p = sampling.top_p.as_ref();
        config.top_k = sampling.top_k;
    } else {
        let asked = [sampling.temperature.is_some(), sampling.top_p.is_some(), sampling.top_k.is_some()];
        let names = ["temperature", "top_p", "top_k"].into_iter().zip(asked);
        dropped.extend(names.filter_map(|(name, asked)| asked.then_some(name)));
    }
    if config.stop_sequences.len() > MAX_STOPS {
        return Err(RequestError::unsupported(Field::Stop, format!("Gemini takes at most {MAX_STOPS} stop sequences")));
    }
    if sampling.logit_bias.as_ref().is_some_and(|bias| bias.as_object().is_none_or(|bias| !bias.is_empty())) {
        return Err(RequestError::unsupported(Field::LogitBias, "Gemini has no token biases"));
    }
    // Theirs is 32 bits wide; a seed promises nothing but its best.
    config.seed = sampling.seed.and_then(|seed| i32::try_from(seed).ok());
    if config.seed.is_none() && sampling.seed.is_some() {
        dropped.push("seed");
    }
    if sampling.logprobs == Some(true) {
        if conversation.stream {
            return Err(RequestError::unsupported(
                Field::Logprobs,
                "a stream translated from Gemini has no log probabilities",
            ));
        }
        (config.response_logprobs, config.logprobs) = (Some(true), sampling.top_logprobs);
    }
    format(conversation, family, &mut config)?;
    config.thinking_config = thinking_config(conversation, family, thinking, dropped);
    Ok(config)
}

fn format(conversation: &Conversation, family: Family, config: &mut GenerationConfig<'_>) -> Result<(), RequestError> {
    let schema = match &conversation.format {
        Format::Text => return Ok(()),
        Format::JsonObject => None,
        Format::JsonSchema { schema, description, .. } => match schema {
            Some(schema) => Some(
                schema::for_answer(schema, description.as_deref())
                    .map_err(|reason| RequestError::unsupported(Field::FormatSchema, reason))?,
            ),
            None => None,
        },
    };
    if !conversation.tools.is_empty() && !family.json_with_tools {
        return Err(RequestError::unsupported(
            Field::Format,
            "Gemini models before 3 do not answer in JSON when tools are given",
        ));
    }
    config.response_mime_type = Some("application/json");
    config.response_json_schema = schema;
    Ok(())
}

/// What the client set in Google's own words comes before the effort: both at once are refused.
fn thinking_config(
    conversation: &Conversation,
    family: Family,
    own: Thinking,
    dropped: &mut Vec<&'static str>,
) -> Option<ThinkingConfig> {
    let mut config =
        ThinkingConfig { include_thoughts: own.include, thinking_budget: own.budget, thinking_level: own.level };
    if let Some(effort) = conversation.effort {
        let set = config.thinking_budget.is_some() || config.thinking_level.is_some();
        match family.thinking(effort).filter(|_| !set) {
            Some(ThinkingAmount::Budget(tokens)) => config.thinking_budget = Some(i64::from(tokens)),
            Some(ThinkingAmount::Level(level)) => config.thinking_level = Some(level.to_owned()),
            None => dropped.push("reasoning_effort"),
        }
    }
    let empty = ThinkingConfig { include_thoughts: None, thinking_budget: None, thinking_level: None };
    (config != empty).then_some(config)
}

/// OpenAI's `detail` stands with each picture, Gemini's resolution holds for the request (by part only in a preview
/// version of the API): `high` if any picture asks for it, `low` if all do.
fn media_resolution(conversation: &Conversation, dropped: &mut Vec<&'static str>) -> Option<&'static str> {
    let details: Vec<Option<&str>> = conversation
        .media()
        .filter_map(|part| match part {
            Part::Image { detail, .. } => Some(detail.as_deref().filter(|detail| *detail != "auto")),
            _ => None,
        })
        .collect();
    if details.contains(&Some("high")) {
        return Some("MEDIA_RESOLUTION_HIGH");
    }
    if !details.is_empty() && details.iter().all(|detail| *detail == Some("low")) {
        return Some("MEDIA_RESOLUTION_LOW");
    }
    if details.iter().any(Option::is_some) {
        dropped.push("detail");
    }
    None
}

fn service_tier(asked: Option<&str>, dropped: &mut Vec<&'static str>) -> Option<&'static str> {
    match asked {
        None | Some("auto") => None,
        Some("default" | "standard") => Some("standard"),
        Some("flex") => Some("flex"),
        Some("priority") => Some("priority"),
        Some(_) => {
            dropped.push("service_tier");
            None
        }
    }
}
