//! Finds the answer to a request: its API, its credential, and the behaviour that a test asked for.

use std::time::Instant;

use bytes::Bytes;
use http::Method;
use http::request::Parts;
use serde_json::{Value, json};
use tt_core::{Provider, Usage};

use super::ask::{Answer, Ask, Refusal};
use super::behaviour::{Behaviour, Fault};
use super::journal::{Seen, Ticket};
use super::respond::{Made, Payload};
use super::{MockUpstream, State, anthropic, embeddings, gemini, gemini_history, json as questions, openai, responses};

/// The operation that a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Call {
    Chat,
    Responses,
    Embeddings,
    CountTokens,
    Models,
    /// A Gemini method on a model.
    Gemini {
        model: String,
        method: String,
    },
}

/// Answers `parts` and `body`; what it learns on the way goes into the journal.
pub(super) fn answer(state: &State, parts: &Parts, body: Bytes, ticket: Option<&Ticket>) -> Made {
    let serial = state.next_serial();
    let Some((provider, call)) = call(parts) else {
        let body = json!({"error": {"message": "the mock does not serve this path", "path": parts.uri.path()}});
        return Made::json(Provider::OpenAi, serial, 404, &body);
    };
    let refused = |refusal: &Refusal| Made::refused(provider, serial, refusal, &[]);
    if let Err(refusal) = credential(provider, parts) {
        return refused(&refusal);
    }
    if call == Call::Models {
        let behaviour = state.behaviour(&seen(parts, body, None));
        if behaviour.fault == Some(Fault::ResetAtOnce) {
            return Made::reset(provider, serial, &behaviour);
        }
        let list = || Payload::Plain(Bytes::from(models(provider).to_string()));
        return Made::whole(state, provider, serial, &behaviour, false)
            .unwrap_or_else(|| Made::scripted(provider, serial, &behaviour, list(), None));
    }
    let parsed = match parse(provider, &body) {
        Ok(parsed) => parsed,
        Err(refusal) => return refused(&refusal),
    };
    let model = match &call {
        Call::Gemini { model, .. } => Some(model.as_str()),
        _ => parsed.get("model").and_then(Value::as_str),
    };
    if let (Some(ticket), Some(model)) = (ticket, model) {
        ticket.model(model);
    }
    let seen = seen(parts, body, model);
    let query_sse = parts.uri.query().is_some_and(|query| query.split('&').any(|pair| pair == "alt=sse"));
    match reply(state, provider, &call, &parsed, serial, &seen, query_sse) {
        Ok(made) => made,
        Err(refusal) => refused(&refusal),
    }
}

fn seen(parts: &Parts, body: Bytes, model: Option<&str>) -> Seen {
    Seen {
        method: parts.method.clone(),
        path: parts.uri.path_and_query().map_or_else(String::new, ToString::to_string),
        headers: parts.headers.clone(),
        body,
        arrived: Instant::now(),
        model: model.map(str::to_owned),
        status: None,
        usage_sent: None,
        frames_sent: 0,
        completed: false,
        cancelled_after: None,
    }
}

fn call(parts: &Parts) -> Option<(Provider, Call)> {
    let path = parts.uri.path();
    let (get, post) = (parts.method == Method::GET, parts.method == Method::POST);
    let anthropic = parts.headers.contains_key("x-api-key") || parts.headers.contains_key("anthropic-version");
    match path {
        "/v1/chat/completions" if post => Some((Provider::OpenAi, Call::Chat)),
        "/v1/responses" if post => Some((Provider::OpenAi, Call::Responses)),
        "/v1/embeddings" if post => Some((Provider::OpenAi, Call::Embeddings)),
        "/v1/messages" if post => Some((Provider::Anthropic, Call::Chat)),
        "/v1/messages/count_tokens" if post => Some((Provider::Anthropic, Call::CountTokens)),
        "/v1/models" if get && anthropic => Some((Provider::Anthropic, Call::Models)),
        "/v1/models" if get => Some((Provider::OpenAi, Call::Models)),
        "/v1beta/models" if get => Some((Provider::Gemini, Call::Models)),
        _ if post => {
            let rest = path.strip_prefix("/v1beta/models/").or_else(|| path.strip_prefix("/v1/models/"))?;
            let (model, method) = rest.rsplit_once(':')?;
            Some((Provider::Gemini, Call::Gemini { model: model.to_owned(), method: method.to_owned() }))
        }
        _ => None,
    }
}

fn credential(provider: Provider, parts: &Parts) -> Result<(), Refusal> {
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let key = match provider {
        Provider::OpenAi => header("authorization").and_then(|value| value.strip_prefix("Bearer ")),
        Provider::Anthropic => header("x-api-key"),
        Provider::Gemini => {
            let query = parts.uri.query().unwrap_or_default();
            header("x-goog-api-key").or_else(|| query.split('&').find_map(|pair| pair.strip_prefix("key=")))
        }
    };
    let right = key.is_some_and(|key| key.starts_with(MockUpstream::key(provider)));
    match provider {
        Provider::Anthropic if right && header("anthropic-version").is_none() => {
            Err(Refusal::bad("anthropic-version: header is required"))
        }
        _ if right => Ok(()),
        Provider::OpenAi if key.is_none() => Err(Refusal::new(
            401,
            "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
        )),
        Provider::OpenAi => Err(Refusal::new(
            401,
            "Incorrect API key provided: sk-*****. You can find your API key at https://platform.openai.com/account/api-keys.",
        )
        .code("invalid_api_key")),
        Provider::Anthropic if key.is_none() => Err(Refusal::new(401, "x-api-key header is required")),
        Provider::Anthropic => Err(Refusal::new(401, "invalid x-api-key")),
        Provider::Gemini if key.is_none() => Err(Refusal::new(
            403,
            "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other form of API consumer identity to call this API.",
        )),
        Provider::Gemini => {
            Err(Refusal::bad("API key not valid. Please pass a valid API key.").code("API_KEY_INVALID"))
        }
    }
}

fn models(provider: Provider) -> Value {
    match provider {
        Provider::OpenAi => openai::models(),
        Provider::Anthropic => anthropic::models(),
        Provider::Gemini => gemini::models(),
    }
}

fn parse(provider: Provider, body: &[u8]) -> Result<Value, Refusal> {
    let body = questions::parse(body, |error| match provider {
        Provider::OpenAi => Refusal::bad(
            "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON.)",
        ),
        Provider::Anthropic => Refusal::bad(format!("The request body is not valid JSON: {error}")),
        Provider::Gemini => Refusal::bad(format!("Invalid JSON payload received. {error}")),
    })?;
    if body.is_object() { Ok(body) } else { Err(Refusal::bad("The request body is not a JSON object.")) }
}

fn reply(
    state: &State,
    provider: Provider,
    call: &Call,
    body: &Value,
    serial: u64,
    seen: &Seen,
    query_sse: bool,
) -> Result<Made, Refusal> {
    let behaviour = || state.behaviour(seen);
    let value = |behaviour: &Behaviour, body: Value, usage: Option<Usage>| {
        if behaviour.fault == Some(Fault::ResetAtOnce) {
            return Made::reset(provider, serial, behaviour);
        }
        if let Some(made) = Made::whole(state, provider, serial, behaviour, false) {
            return made;
        }
        Made::scripted(provider, serial, behaviour, Payload::Plain(Bytes::from(body.to_string())), usage)
    };
    let ask = match call {
        Call::Models => return Ok(Made::json(provider, serial, 200, &models(provider))),
        Call::Embeddings => {
            let behaviour = behaviour();
            let (body, usage) = embeddings::openai(body, &behaviour)?;
            return Ok(value(&behaviour, body, usage));
        }
        Call::CountTokens => {
            let ask = anthropic::check(body, true)?;
            return Ok(value(&behaviour(), json!({"input_tokens": ask.input_tokens}), None));
        }
        Call::Chat if provider == Provider::Anthropic => anthropic::check(body, false)?,
        Call::Responses => responses::check(body)?,
        Call::Chat => openai::check(body)?,
        Call::Gemini { model, method } => match method.as_str() {
            "generateContent" => gemini::check(body, model, false)?,
            "streamGenerateContent" => gemini::check(body, model, true)?,
            "countTokens" => {
                let (body, _) = gemini::count(body, model)?;
                return Ok(value(&behaviour(), body, None));
            }
            "embedContent" | "batchEmbedContents" => {
                let behaviour = behaviour();
                let (body, usage) = embeddings::gemini(body, model, method == "batchEmbedContents", &behaviour)?;
                return Ok(value(&behaviour, body, usage));
            }
            other => {
                return Err(Refusal::new(
                    404,
                    format!(
                        "models/{model} is not found for API version v1beta, or is not supported for {other}. Call ListModels to see the list of available models and their supported methods."
                    ),
                ));
            }
        },
    };
    let behaviour = behaviour();
    if behaviour.fault == Some(Fault::ResetAtOnce) {
        return Ok(Made::reset(provider, serial, &behaviour));
    }
    if let Some(made) = Made::whole(state, provider, serial, &behaviour, ask.stream) {
        return Ok(made);
    }
    if behaviour.only_own_steps && matches!(call, Call::Gemini { .. }) {
        gemini_history::no_signature_is_lost(body)?;
    }
    let answer = Answer::to(&ask, &behaviour, serial);
    let reported = answer.usage.filter(|_| ask.include_usage || !ask.stream);
    Ok(Made::scripted(provider, serial, &behaviour, payload(provider, call, &ask, &answer, query_sse), reported))
}

fn payload(provider: Provider, call: &Call, ask: &Ask, answer: &Answer, query_sse: bool) -> Payload {
    match (provider, ask.stream) {
        (_, false) if *call == Call::Responses => Payload::Plain(responses::plain(ask, answer).to_string().into()),
        (_, true) if *call == Call::Responses => Payload::Events(responses::events(ask, answer)),
        (Provider::OpenAi, false) => Payload::Plain(openai::plain(ask, answer).to_string().into()),
        (Provider::OpenAi, true) => Payload::Events(openai::events(ask, answer)),
        (Provider::Anthropic, false) => Payload::Plain(anthropic::plain(ask, answer).to_string().into()),
        (Provider::Anthropic, true) => Payload::Events(anthropic::events(ask, answer)),
        (Provider::Gemini, false) => Payload::Plain(gemini::plain(ask, answer).to_string().into()),
        (Provider::Gemini, true) if query_sse => Payload::Events(gemini::sse(&gemini::chunks(ask, answer))),
        (Provider::Gemini, true) => Payload::Array(gemini::array(&gemini::chunks(ask, answer))),
    }
}
