//! Embeddings as the mock plays them: `POST /v1/embeddings` of OpenAI, `embedContent` and `batchEmbedContents` of Gemini. A
//! vector depends on its input only; a token is a word, or the id of one.

use serde_json::{Value, json};
use tt_core::Usage;

use super::ask::{Refusal, words};
use super::behaviour::Behaviour;
use super::gemini::{field, known};
use super::json::{self, base64_floats, given, vector};

/// The dimensions of a vector where the request asks for none.
const DIMENSIONS: u64 = 8;

/// The most that can be asked for.
const MOST_DIMENSIONS: u64 = 4096;

/// The most inputs of OpenAI, and the most requests in a batch of Gemini.
const OPENAI_INPUTS: usize = 2048;
const GEMINI_REQUESTS: usize = 100;

/// The most tokens of one input.
const INPUT_TOKENS: u64 = 8192;

/// The tokens of a picture, sound or document.
const MEDIA_TOKENS: u64 = 258;

/// A made answer, and the usage that it reports.
pub(super) type Made = (Value, Option<Usage>);

fn reported(behaviour: &Behaviour, input: u64) -> Option<Usage> {
    let counted = Usage { input, ..Usage::default() };
    (!behaviour.usage.omit).then(|| behaviour.usage.exact.unwrap_or(counted))
}

/// `POST /v1/embeddings`: a vector for each input; `encoding_format` `base64` as SDKs ask for it.
pub(super) fn openai(body: &Value, behaviour: &Behaviour) -> Result<Made, Refusal> {
    let model =
        body.get("model").and_then(Value::as_str).ok_or_else(|| Refusal::bad("you must provide a model parameter"))?;
    if let Some(unknown) = json::unknown_field(body, &["model", "input", "encoding_format", "dimensions", "user"]) {
        return Err(Refusal::bad(format!("Unrecognized request argument supplied: {unknown}")));
    }
    let invalid = || {
        Refusal::bad(
            "'$.input' is invalid. Please check the API reference: https://platform.openai.com/docs/api-reference.",
        )
        .param("input")
    };
    let inputs: Vec<(String, u64)> = match body.get("input") {
        Some(Value::Array(all)) if all.iter().any(|one| !one.is_number()) => {
            all.iter().map(input).collect::<Option<_>>().ok_or_else(invalid)?
        }
        Some(one) => vec![input(one).ok_or_else(invalid)?],
        None => return Err(invalid()),
    };
    if inputs.len() > OPENAI_INPUTS {
        let message = format!(
            "Invalid 'input': array too long. Expected an array with maximum length {OPENAI_INPUTS}, but got an array with length {} instead.",
            inputs.len()
        );
        return Err(Refusal::bad(message).code("array_above_max_length").param("input"));
    }
    if let Some((_, tokens)) = inputs.iter().find(|(_, tokens)| *tokens > INPUT_TOKENS) {
        return Err(Refusal::bad(format!(
            "This model's maximum context length is {INPUT_TOKENS} tokens, however you requested {tokens} tokens ({tokens} in your prompt; 0 for the completion). Please reduce your prompt; or completion length."
        )));
    }
    let dimensions = match given(body, "dimensions") {
        None => DIMENSIONS,
        Some(n) => n
            .as_u64()
            .filter(|n| (1..=MOST_DIMENSIONS).contains(n))
            .ok_or_else(|| Refusal::bad("Invalid 'dimensions'.").param("dimensions"))?,
    };
    let base64 = match given(body, "encoding_format").map(Value::as_str) {
        None | Some(Some("float")) => false,
        Some(Some("base64")) => true,
        Some(_) => return Err(Refusal::bad("Invalid value for 'encoding_format'.").param("encoding_format")),
    };
    let data: Vec<Value> = inputs
        .iter()
        .enumerate()
        .map(|(index, (text, _))| {
            let vector = vector(text, dimensions);
            let embedding = if base64 { json!(base64_floats(&vector)) } else { json!(vector) };
            json!({"object": "embedding", "index": index, "embedding": embedding})
        })
        .collect();
    let mut answer = json!({"object": "list", "data": data, "model": model});
    let usage = reported(behaviour, inputs.iter().map(|(_, tokens)| tokens).sum());
    if let Some(usage) = usage {
        answer["usage"] = json!({"prompt_tokens": usage.input, "total_tokens": usage.input});
    }
    Ok((answer, usage))
}

/// The text that makes the vector of an input, and its tokens; `None` for what is no input.
fn input(one: &Value) -> Option<(String, u64)> {
    match one {
        Value::String(text) if !text.is_empty() => Some((text.clone(), words(text))),
        Value::Array(ids) if !ids.is_empty() && ids.iter().all(Value::is_u64) => {
            Some((one.to_string(), u64::try_from(ids.len()).ok()?))
        }
        _ => None,
    }
}

/// `embedContent`, or `batchEmbedContents` with a vector for each request. Models of the first generation report no usage.
pub(super) fn gemini(body: &Value, model: &str, batch: bool, behaviour: &Behaviour) -> Result<Made, Refusal> {
    let requests = if batch {
        known(body, &["requests", "model"], "")?;
        field(body, "requests").and_then(Value::as_array).cloned().unwrap_or_default()
    } else {
        vec![body.clone()]
    };
    if requests.is_empty() {
        return Err(Refusal::bad("* BatchEmbedContentsRequest.requests: requests is empty\n"));
    }
    if requests.len() > GEMINI_REQUESTS {
        return Err(Refusal::bad(format!(
            "* BatchEmbedContentsRequest.requests: at most {GEMINI_REQUESTS} requests can be in one batch\n"
        )));
    }
    let mut tokens = 0;
    let mut vectors = Vec::with_capacity(requests.len());
    for (at, request) in requests.iter().enumerate() {
        let path = if batch { format!("requests[{at}]") } else { String::new() };
        vectors.push(json!({"values": one(request, model, (batch, &path), &mut tokens)?}));
    }
    let mut answer = if batch { json!({"embeddings": vectors}) } else { json!({"embedding": vectors.first()}) };
    let usage = reported(behaviour, tokens).filter(|_| !model.ends_with("-001"));
    if let Some(usage) = usage {
        let details = json!([{"modality": "TEXT", "tokenCount": usage.input}]);
        answer["usageMetadata"] = json!({"promptTokenCount": usage.input, "promptTokenDetails": details});
    }
    Ok((answer, usage))
}

fn one(request: &Value, model: &str, (batch, path): (bool, &str), tokens: &mut u64) -> Result<Vec<f32>, Refusal> {
    let fields = ["model", "content", "taskType", "title", "outputDimensionality", "embedContentConfig"];
    known(request, &fields, path)?;
    let named = field(request, "model").and_then(Value::as_str);
    if (batch || named.is_some()) && named != Some(&format!("models/{model}")) {
        return Err(Refusal::bad(format!("* {path}.model: must be the model of the request's path\n")));
    }
    let content = field(request, "content").unwrap_or(&Value::Null);
    known(content, &["parts", "role"], "content")?;
    let mut text = String::new();
    for part in field(content, "parts").and_then(Value::as_array).into_iter().flatten() {
        known(part, &["text", "inlineData", "fileData"], "content.parts")?;
        if let Some(said) = field(part, "text").and_then(Value::as_str) {
            text.push_str(said);
            *tokens += words(said);
        } else {
            text.push_str(&part.to_string());
            *tokens += MEDIA_TOKENS;
        }
    }
    if text.trim().is_empty() {
        return Err(Refusal::bad("* EmbedContentRequest.content: content is empty\n"));
    }
    let config = field(request, "embedContentConfig").unwrap_or(&Value::Null);
    let asked = field(config, "outputDimensionality").or_else(|| field(request, "outputDimensionality"));
    let dimensions = asked.and_then(Value::as_u64).unwrap_or(DIMENSIONS).clamp(1, MOST_DIMENSIONS);
    Ok(vector(&text, dimensions))
}
