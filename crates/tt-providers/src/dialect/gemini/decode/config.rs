//! Decodes `generationConfig`.

use serde_json::Value;
use tt_core::call::conversation::{Format, Sampling, ThinkingConfig, ThinkingDisplay, ThinkingMode};
use tt_core::call::extra::Extra;

use super::left_over::keep;
use super::tools::schema;
use crate::dialect::gemini::node::Node;
use crate::error::RequestError;

/// The fields that are read.
const KNOWN: [&str; 18] = [
    "temperature",
    "topP",
    "topK",
    "candidateCount",
    "maxOutputTokens",
    "stopSequences",
    "presencePenalty",
    "frequencyPenalty",
    "seed",
    "responseLogprobs",
    "logprobs",
    "responseMimeType",
    "responseSchema",
    "responseJsonSchema",
    "responseModalities",
    "mediaResolution",
    "thinkingConfig",
    "responseFormat",
];

/// The name of a schema, which only OpenAI has a field for.
const SCHEMA_NAME: &str = "response";

/// The fields that may hold the schema of the answer.
const SCHEMAS: [&str; 2] = ["responseJsonSchema", "responseSchema"];

/// The configuration in the neutral form.
#[derive(Debug, Default)]
pub(super) struct Config {
    pub(super) sampling: Sampling,
    pub(super) format: Format,
    pub(super) thinking: ThinkingConfig,
    /// The resolution of all pictures, in OpenAI's words.
    pub(super) detail: Option<&'static str>,
    pub(super) audio_output: bool,
    /// The field with the schema of the answer; `None` where there is none.
    pub(super) schema_field: Option<&'static str>,
}

/// Decodes the configuration. Fields that the neutral form has no place for are kept in `extra`.
pub(super) fn config(body: &Node<'_, '_>, extra: &mut Extra) -> Result<Config, RequestError> {
    let Some(config) = body.object("generationConfig")? else { return Ok(Config::default()) };
    for (name, value) in config.others(&KNOWN) {
        keep(extra, format!("generationConfig.{name}"), value);
    }
    Ok(Config {
        format: format(&config, extra)?,
        thinking: thinking(&config)?,
        detail: config.string("mediaResolution")?.as_deref().and_then(detail),
        audio_output: sounds(&config, extra)?,
        sampling: sampling(&config)?,
        schema_field: SCHEMAS.into_iter().find(|name| config.raw(name).is_ok_and(|value| value.is_some())),
    })
}

fn sampling(config: &Node<'_, '_>) -> Result<Sampling, RequestError> {
    let stops = config.list("stopSequences")?.unwrap_or_default();
    let mut stop = Vec::with_capacity(stops.len());
    for (i, text) in stops.into_iter().enumerate() {
        let text = serde_json::from_str::<String>(text.get());
        stop.push(text.map_err(|_| config.at("stopSequences").index(i).malformed("must be a string"))?);
    }
    Ok(Sampling {
        max_output_tokens: config.count("maxOutputTokens")?,
        temperature: config.number("temperature")?,
        top_p: config.number("topP")?,
        top_k: config.count("topK")?,
        frequency_penalty: config.number("frequencyPenalty")?,
        presence_penalty: config.number("presencePenalty")?,
        seed: config.whole("seed")?,
        stop,
        n: config.count("candidateCount")?,
        logprobs: config.flag("responseLogprobs")?,
        top_logprobs: config.count("logprobs")?,
        logit_bias: None,
    })
}

fn format(config: &Node<'_, '_>, extra: &mut Extra) -> Result<Format, RequestError> {
    if let Some(value) = config.raw("responseFormat")? {
        keep(extra, "generationConfig.responseFormat".to_owned(), value);
    }
    let schema = schema(config, SCHEMAS[0], SCHEMAS[1])?;
    match (config.string("responseMimeType")?.as_deref(), schema) {
        (Some("application/json"), None) => Ok(Format::JsonObject),
        (Some("application/json"), Some(schema)) => Ok(Format::JsonSchema {
            name: SCHEMA_NAME.to_owned(),
            description: None,
            schema: Some(schema),
            // Gemini holds its answers to the schema.
            strict: Some(true),
        }),
        (None | Some("text/plain"), _) => Ok(Format::Text),
        // An answer that is one of a list of words (`text/x.enum`) has no equal elsewhere.
        (Some(_), _) => {
            if let Some(value) = config.raw("responseMimeType")? {
                keep(extra, "generationConfig.responseMimeType".to_owned(), value);
            }
            Ok(Format::Text)
        }
    }
}

fn thinking(config: &Node<'_, '_>) -> Result<ThinkingConfig, RequestError> {
    let Some(thinking) = config.object("thinkingConfig")? else { return Ok(ThinkingConfig::default()) };
    let display = thinking.flag("includeThoughts")?.map(|shown| match shown {
        true => ThinkingDisplay::Summary,
        false => ThinkingDisplay::None,
    });
    let level = thinking.string("thinkingLevel")?.map(|level| level.to_ascii_lowercase());
    let budget = thinking.whole("thinkingBudget")?;
    Ok(ThinkingConfig {
        budget,
        // A budget of -1 leaves the amount to the model.
        mode: (budget == Some(-1)).then_some(ThinkingMode::Adaptive),
        level: level.filter(|level| level != "thinking_level_unspecified"),
        display,
        ..ThinkingConfig::default()
    })
}

/// `mediaResolution` in OpenAI's words; `None` where they have none.
pub(super) fn detail(resolution: &str) -> Option<&'static str> {
    match resolution {
        "MEDIA_RESOLUTION_LOW" => Some("low"),
        "MEDIA_RESOLUTION_HIGH" | "MEDIA_RESOLUTION_ULTRA_HIGH" => Some("high"),
        _ => None,
    }
}

/// True if the answer is to hold sound. Other kinds of output than text are kept in `extra`.
fn sounds(config: &Node<'_, '_>, extra: &mut Extra) -> Result<bool, RequestError> {
    let Some(kinds) = config.value("responseModalities")? else { return Ok(false) };
    let Some(list) = kinds.as_array() else { return Err(config.at("responseModalities").malformed("must be a list")) };
    let is = |kind: &Value, word: &str| kind.as_str().is_some_and(|kind| kind.eq_ignore_ascii_case(word));
    let sound = list.iter().any(|kind| is(kind, "AUDIO"));
    if !list.iter().all(|kind| is(kind, "TEXT")) {
        extra.fields.insert("generationConfig.responseModalities".to_owned(), kinds);
    }
    Ok(sound)
}
