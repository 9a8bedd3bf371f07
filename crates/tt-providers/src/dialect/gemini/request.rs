//! Encodes a conversation as the body of `generateContent` (`MAPPING.md`, Requests).

use serde::Serialize;
use serde_json::{Number, Value};
use tt_core::Dialect;
use tt_core::call::conversation::{Conversation, Format, Image, Part, StateField, ThinkingDisplay, ThinkingMode, Tool};
use tt_core::call::field::Field;

use super::super::foreign;
use super::addressed::{Addressed, Thinking};
use super::contents::{self, Content, SystemInstruction};
use super::family::{Family, ThinkingAmount};
use super::schema::{self, Inlining};
use super::search;
use super::tools::{self, Entry, Names, ToolConfig};
use crate::codec::{Encoded, Target, Undo};
use crate::error::RequestError;
use crate::notes::Notes;

/// The most stop sequences that Gemini takes.
const MAX_STOPS: usize = 5;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    system_instruction: Option<SystemInstruction<'a>>,
    contents: Vec<Content<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Entry<'a>>,
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

/// Encodes a conversation. The same conversation gives the same bytes. The URL holds the model and the choice to
/// stream.
///
/// # Errors
///
/// `Unsupported` for a field that Gemini cannot express and without which the answer would mean something else. Other
/// fields that Gemini cannot express are left out and noted in [`Encoded::notes`].
pub(super) fn encode_request(conversation: &Conversation, target: Target<'_>) -> Result<Encoded, RequestError> {
    let family = Family::of(target);
    if conversation.audio_output {
        return Err(RequestError::unsupported(Field::Modalities, "audio output is not available from Gemini here"));
    }
    let mut notes = Notes::default();
    let search = search::translated(conversation, target);
    foreign::leave_out(conversation, Dialect::Gemini, &search, &mut notes)?;
    let addressed = Addressed::read(&conversation.extra)?;
    let own = Some(&conversation.state).filter(|state| state.of == Some(Dialect::Gemini));
    let own = |field| own.and_then(|state| state.field(field));
    let names = Names::of(conversation);
    let contents = contents::encode(conversation, (target.model, family), &names, &mut notes)?;
    let mut inlining = Inlining::of(schemas(conversation));
    let mut generation_config = generation_config(conversation, family, addressed.thinking, &mut notes)?;
    let has_tools = conversation.tools.iter().any(|tool| !tool.is_foreign_to(Dialect::Gemini)) || search.sent.is_some();
    format(conversation, family, has_tools, (&mut generation_config, &mut inlining), &mut notes)?;
    if conversation.cache.automatic.is_some() {
        notes.dropped(Field::CacheMarks, "Gemini caches by itself");
    }
    if conversation.end_user.is_some() {
        notes.dropped(Field::EndUser, "");
    }
    if conversation.parallel_tool_calls == Some(false) {
        // Gemini has no switch for parallel calls.
        notes.dropped(Field::ParallelToolCalls, "");
    }
    let mut entries = tools::declarations(conversation, &names, &mut inlining, &mut notes)?;
    if let Some(search) = &search.sent {
        search.note_lost(&[], &mut notes);
        entries.push(Entry::search());
    }
    let body = Body {
        system_instruction: contents.system,
        contents: contents.contents,
        tools: entries,
        tool_config: tools::config(conversation, &names, search::is_beside_functions(conversation, &search))?,
        safety_settings: addressed.safety_settings.or_else(|| own(StateField::SafetySettings)),
        generation_config,
        cached_content: addressed.cached_content.or_else(|| own(StateField::CachedContent)?.as_str()),
        service_tier: service_tier(conversation.service_tier.as_deref(), &mut notes),
    };
    let body =
        serde_json::to_vec(&body).map_err(|error| RequestError::malformed(Field::Messages, error.to_string()))?;
    let custom_tools = conversation.tools.iter().filter(|tool| tool.is_custom()).filter_map(Tool::name);
    let custom_tools = custom_tools.map(str::to_owned).collect();
    Ok(Encoded { body, undo: Undo { tool_names: names.into_undo(), custom_tools, ..Undo::default() }, notes })
}

/// The schemas whose references are resolved.
fn schemas(conversation: &Conversation) -> impl Iterator<Item = &Value> {
    let answer = match &conversation.format {
        Format::JsonSchema { schema, .. } => schema.as_ref(),
        Format::Text | Format::JsonObject => None,
    };
    let tools = conversation.tools.iter().filter_map(|tool| match tool {
        Tool::Function(function) => function.parameters.as_ref(),
        Tool::Custom(_) | Tool::Hosted(_) => None,
    });
    tools.chain(answer)
}

fn generation_config<'a>(
    conversation: &'a Conversation,
    family: Family,
    thinking: Thinking,
    notes: &mut Notes,
) -> Result<GenerationConfig<'a>, RequestError> {
    let sampling = &conversation.sampling;
    let mut config = GenerationConfig {
        candidate_count: sampling.n.filter(|n| *n != 1),
        max_output_tokens: sampling.max_output_tokens,
        stop_sequences: sampling.stop.iter().map(String::as_str).filter(|stop| !stop.is_empty()).collect(),
        media_resolution: media_resolution(conversation, notes),
        ..GenerationConfig::default()
    };
    if family.sampling {
        config.temperature = sampling.temperature.as_ref();
        config.top_p = sampling.top_p.as_ref();
        config.top_k = sampling.top_k;
    } else {
        for (field, asked) in [
            (Field::Temperature, sampling.temperature.is_some()),
            (Field::TopP, sampling.top_p.is_some()),
            (Field::TopK, sampling.top_k.is_some()),
        ] {
            if asked {
                notes.dropped(field, "the model refuses it");
            }
        }
    }
    if family.penalties {
        config.presence_penalty = sampling.presence_penalty.as_ref();
        config.frequency_penalty = sampling.frequency_penalty.as_ref();
    } else {
        let set =
            |penalty: &Option<Number>| penalty.as_ref().and_then(Number::as_f64).is_some_and(|value| value != 0.0);
        for (field, asked) in [
            (Field::PresencePenalty, set(&sampling.presence_penalty)),
            (Field::FrequencyPenalty, set(&sampling.frequency_penalty)),
        ] {
            if asked {
                notes.dropped(field, "the model refuses it");
            }
        }
    }
    if config.stop_sequences.len() > MAX_STOPS {
        return Err(RequestError::unsupported(Field::Stop, format!("Gemini takes at most {MAX_STOPS} stop sequences")));
    }
    if sampling.logit_bias.as_ref().is_some_and(|bias| bias.as_object().is_none_or(|bias| !bias.is_empty())) {
        return Err(RequestError::unsupported(Field::LogitBias, "Gemini has no token biases"));
    }
    // A seed of Gemini has 32 bits. A larger one is dropped, since a seed guarantees nothing.
    config.seed = sampling.seed.and_then(|seed| i32::try_from(seed).ok());
    if config.seed.is_none() && sampling.seed.is_some() {
        notes.dropped(Field::Seed, "Gemini's seeds have 32 bits");
    }
    if sampling.logprobs == Some(true) {
        if conversation.stream {
            notes.dropped(Field::Logprobs, "a stream translated from Gemini has no log probabilities");
        } else {
            (config.response_logprobs, config.logprobs) = (Some(true), sampling.top_logprobs);
        }
    }
    config.thinking_config = thinking_config(conversation, family, thinking, notes);
    Ok(config)
}

fn format(
    conversation: &Conversation,
    family: Family,
    has_tools: bool,
    (config, inlining): (&mut GenerationConfig<'_>, &mut Inlining),
    notes: &mut Notes,
) -> Result<(), RequestError> {
    let schema = match &conversation.format {
        Format::Text => return Ok(()),
        Format::JsonObject => None,
        Format::JsonSchema { schema, description, .. } => match schema {
            Some(schema) => {
                let (schema, moved) = schema::for_answer(schema, description.as_deref(), inlining)
                    .map_err(|reason| RequestError::unsupported(Field::FormatSchema, reason))?;
                if moved {
                    notes.changed(Field::FormatSchema, "keywords that Gemini does not know stand in descriptions");
                }
                Some(schema)
            }
            None => None,
        },
    };
    if has_tools && !family.json_with_tools {
        return Err(RequestError::unsupported(
            Field::Format,
            "Gemini models before 3 do not answer in JSON when tools are given",
        ));
    }
    config.response_mime_type = Some("application/json");
    config.response_json_schema = schema;
    Ok(())
}

/// Encodes the thinking settings. A budget or level that the client addressed to Gemini replaces the effort, since
/// Gemini refuses both at once.
fn thinking_config(
    conversation: &Conversation,
    family: Family,
    own: Thinking,
    notes: &mut Notes,
) -> Option<ThinkingConfig> {
    let mut config =
        ThinkingConfig { include_thoughts: own.include, thinking_budget: own.budget, thinking_level: own.level };
    let asked = &conversation.thinking;
    let set = config.thinking_budget.is_some() || config.thinking_level.is_some();
    match (asked.nearest_effort(), asked.budget) {
        (Some(_), _) if set => notes.dropped(Field::Effort, "it is said in Google's own words too"),
        // A budget or level of the request is sent as it is, if the model takes that field.
        (_, Some(budget)) if !set && asked.effort.is_none() && family.takes_budget() => {
            config.thinking_budget = Some(budget);
        }
        (Some(effort), _) => match family.thinking(effort) {
            Some(amount) => {
                if asked.effort.is_none() && asked.level.is_none() || amount.is_only_near(effort) {
                    notes.changed(Field::Effort, "sent as the nearest value that the model takes");
                }
                match amount {
                    ThinkingAmount::Budget(tokens) => config.thinking_budget = Some(i64::from(tokens)),
                    ThinkingAmount::Level(level) => config.thinking_level = Some(level.to_owned()),
                }
            }
            None => notes.dropped(Field::Effort, "the model cannot be told how much to think"),
        },
        // A budget of -1 leaves the amount to the model.
        (None, None) if asked.mode == Some(ThinkingMode::Adaptive) && !set && family.takes_budget() => {
            config.thinking_budget = Some(-1);
        }
        (None, _) if asked.in_other_words() => notes.dropped(Field::Effort, "the model has no such amount"),
        (None, _) => {}
    }
    if let (None, Some(display)) = (config.include_thoughts, asked.display) {
        config.include_thoughts = Some(display != ThinkingDisplay::None);
    }
    let empty = ThinkingConfig { include_thoughts: None, thinking_budget: None, thinking_level: None };
    (config != empty).then_some(config)
}

/// The resolution of pictures for the whole request: `high` if one picture asks for it, `low` if all do. OpenAI's
/// `detail` belongs to each picture, but only a preview version of Gemini's API has a resolution for each part.
fn media_resolution(conversation: &Conversation, notes: &mut Notes) -> Option<&'static str> {
    let details: Vec<Option<&str>> = conversation
        .media()
        .filter_map(|part| match part {
            Part::Image(Image { detail, .. }) => Some(detail.as_deref().filter(|detail| *detail != "auto")),
            _ => None,
        })
        .collect();
    if details.contains(&Some("original")) {
        notes.changed(Field::Detail, "sent as high, the most that Gemini has for all pictures");
        return Some("MEDIA_RESOLUTION_HIGH");
    }
    if details.contains(&Some("high")) {
        return Some("MEDIA_RESOLUTION_HIGH");
    }
    if !details.is_empty() && details.iter().all(|detail| *detail == Some("low")) {
        return Some("MEDIA_RESOLUTION_LOW");
    }
    if details.iter().any(Option::is_some) {
        notes.dropped(Field::Detail, "Gemini takes one for all pictures");
    }
    None
}

fn service_tier(asked: Option<&str>, notes: &mut Notes) -> Option<&'static str> {
    match asked {
        None | Some("auto") => None,
        Some("default" | "standard") => Some("standard"),
        Some("flex") => Some("flex"),
        Some("priority" | "fast") => Some("priority"),
        Some(_) => {
            notes.dropped(Field::ServiceTier, "");
            None
        }
    }
}
