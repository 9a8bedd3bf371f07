//! The bounds of requests, held against what providers billed for recorded ones.

use std::path::Path;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Uri};
use serde_json::{Value, json};
use tt_core::call::conversation::{Audio, Document, Image, Media, Video};
use tt_core::plan::Route;
use tt_core::tokens::most_of_text;
use tt_core::usage::Reported;
use tt_core::{ModelName, Provider, ProviderKeyId};
use tt_providers::sse::Framer;
use tt_providers::{Exchange, Head, Target};

use super::*;

fn request(body: &Value) -> Arc<ClientRequest> {
    request_in(Dialect::OpenAiChat, body)
}

fn request_in(dialect: Dialect, body: &Value) -> Arc<ClientRequest> {
    let (uri, headers) = (Uri::from_static("/v1/chat/completions"), HeaderMap::new());
    let ingress = codec(dialect).ingress.unwrap();
    let head = Head { uri: &uri, headers: &headers };
    Arc::new(ClientRequest::read(ingress, &head, body.to_string().into()).unwrap())
}

fn step(provider: Provider, model: &str) -> Step {
    Step {
        alias: String::new(),
        route: Route::Primary,
        provider,
        key: ProviderKeyId(1),
        model: ModelName::try_from(model.to_owned()).unwrap(),
        instead_of: None,
        reason: String::new(),
    }
}

fn today() -> Timestamp {
    Timestamp::parse("now", "2026-11-23T12:00:00Z").unwrap()
}

fn bounds(request: &ClientRequest, step: &Step) -> Bounds {
    Bounds::of(request, &PriceTable::builtin().unwrap(), [(step.provider, step.model.clone())]).unwrap()
}

/// The hold of `body` at a model, by its bytes and by a count.
fn holds(provider: Provider, model: &str, body: &Value) -> [Result<NanoUsd, Unbounded>; 2] {
    let (request, prices, step) = (request(body), PriceTable::builtin().unwrap(), step(provider, model));
    let mut bounds = bounds(&request, &step);
    let cost = |bounds: &Bounds| bounds.worst_case(&prices, &step, None, today()).map(|worst| worst.cost);
    let by_bytes = cost(&bounds);
    bounds.counted(request.most_text_tokens().unwrap());
    [by_bytes, cost(&bounds)]
}

/// The recordings of a provider that were answered with success and not cut.
fn recordings(provider: Provider) -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../tt-providers/fixtures/recordings/{provider}"));
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let json = files.filter(|file| file.extension().is_some_and(|extension| extension == "json"));
    let all = json.map(|file| serde_json::from_slice::<Value>(&std::fs::read(file).unwrap()).unwrap());
    all.filter(|one| one["response"]["status"] == 200 && one["truncated"] != true).collect()
}

/// The usage in the recorded answer of a chat completion, with the model that answered.
fn billed(exchange: &Exchange, response: &Value) -> Option<(Reported, Option<String>)> {
    let Some(events) = response["sse"].as_str() else {
        let answer = exchange.reply(response["body"].to_string().into()).unwrap();
        return Some((answer.usage?, answer.served_model));
    };
    let (mut stream, mut framer, mut out) = (exchange.stream(), Framer::new(), BytesMut::new());
    framer.push(Bytes::copy_from_slice(events.as_bytes()));
    while let Some(frame) = framer.next() {
        stream.frame(&frame.unwrap(), &mut out).unwrap();
    }
    let tally = stream.tally();
    Some((tally.usage.clone()?, tally.served_model.clone()))
}

/// The numbers of recorded calls of OpenAI in `dialect` that were billed no more than is held for them, and of those that
/// are refused under a budget.
fn held_for(dialect: Dialect, api: &str) -> (u32, u32) {
    let (prices, mut held, mut refused) = (PriceTable::builtin().unwrap(), 0, 0);
    for recording in recordings(Provider::OpenAi) {
        if !recording["api"].as_str().unwrap().ends_with(api) {
            continue;
        }
        let mut body = recording["request"]["body"].clone();
        let model = recording["expected"]["model"].clone();
        body.as_object_mut().unwrap().entry("model").or_insert(model);
        let (request, id) = (request_in(dialect, &body), &recording["id"]);
        let asked = request.facts().model.clone();
        let step = step(Provider::OpenAi, &asked);
        let Ok(mut bounds) = Bounds::of(&request, &prices, [(step.provider, step.model.clone())]) else {
            refused += 1;
            continue;
        };
        let target = Target { model: &asked, facts: None };
        let exchange = Exchange::new(&request, dialect, target, None, (0, uuid::Uuid::nil())).unwrap();
        let Some((usage, served)) = billed(&exchange, &recording["response"]) else { continue };
        let Some(cost) = prices.price(Provider::OpenAi, &asked, served.as_deref(), &usage, today()) else { continue };
        if bounds.worst_case(&prices, &step, None, today()) == Err(Unbounded::HostedTools) {
            refused += 1;
            continue;
        }
        for by in ["bytes", "count"] {
            let worst = bounds.worst_case(&prices, &step, None, today()).unwrap();
            let tokens = usage.usage.total_input();
            assert!(tokens <= worst.bound.input_tokens, "{id} by {by}: {tokens} of {}", worst.bound.input_tokens);
            assert!(cost <= worst.cost, "{id} by {by}: {cost} of {}", worst.cost);
            bounds.counted(request.most_text_tokens().unwrap());
        }
        held += 1;
    }
    (held, refused)
}

#[test]
fn no_recorded_chat_completion_was_billed_above_its_hold() {
    let (held, refused) = held_for(Dialect::OpenAiChat, "chat.completions");
    assert!(held >= 40 && refused <= 10, "{held} held, {refused} refused");
}

#[test]
fn no_recorded_response_was_billed_above_its_hold() {
    let (held, refused) = held_for(Dialect::OpenAiResponses, "responses");
    assert!(held >= 5 && refused <= 6, "{held} held, {refused} refused");
}

#[test]
fn tools_that_a_provider_runs_have_no_bound_where_it_gets_them() {
    let prices = PriceTable::builtin().unwrap();
    for (tool, provider, model, fits) in [
        (json!({"type": "web_search"}), Provider::OpenAi, "gpt-4o", false),
        (json!({"type": "file_search"}), Provider::OpenAi, "gpt-4o", false),
        (json!({"type": "file_search"}), Provider::Anthropic, "claude-sonnet-4-5", true),
        // A search of the web is translated, where the target can be given one.
        (json!({"type": "web_search"}), Provider::Anthropic, "claude-sonnet-4-5", false),
        (json!({"type": "web_search"}), Provider::Gemini, "gemini-3-flash-preview", false),
        (json!({"type": "web_search"}), Provider::Gemini, "gemini-2.5-flash", true),
        (json!({"type": "web_search", "external_web_access": false}), Provider::Anthropic, "claude-sonnet-4-5", true),
    ] {
        let tools = json!([tool, {"type": "function", "name": "f"}]);
        let body = json!({"model": "m", "input": "hi", "max_output_tokens": 20, "tools": tools});
        let (request, step) = (request_in(Dialect::OpenAiResponses, &body), step(provider, model));
        let bounds = bounds(&request, &step);
        assert_eq!(bounds.worst_case(&prices, &step, None, today()).is_ok(), fits, "{tool} at {provider}");
    }
}

/// Fields and blocks by which a recorded request of another dialect reads more than it holds, or has the provider run
/// tools. They have no bound in tokens, or are refused under a budget.
const BEYOND: [&str; 18] = [
    "\"mcp_servers\"",
    "\"container\"",
    "server_tool_use",
    "\"web_search_2",
    "\"web_fetch_2",
    "\"code_execution_2",
    "\"memory_2",
    "tool_search_tool",
    "\"file_id\"",
    "\"type\":\"document\"",
    "\"cachedContent\"",
    "odeExecution\"",
    "ode_execution\"",
    "\"urlContext\"",
    "\"url_context\"",
    "\"fileSearch\"",
    "\"googleSearch\"",
    "\"google_search\"",
];

/// Takes the base64 of pictures, sound, films and documents out of a body, and returns them as parts, with those that
/// stand at an address.
fn take_media(value: &mut Value, parts: &mut Vec<Part>) {
    let text =
        |value: &Value, words: &[&str]| words.iter().find_map(|word| value.get(word)?.as_str().map(str::to_owned));
    let mime = text(value, &["media_type", "mimeType", "mime_type"]);
    let media = if let (Some(mime), Some(url)) = (&mime, text(value, &["fileUri", "file_uri"])) {
        Some(Media::Url { url, mime: Some(mime.clone()) })
    } else if let (Some(mime), Some(Value::String(data))) = (&mime, value.get_mut("data")) {
        Some(Media::Inline { mime: mime.clone(), data: std::mem::take(data) })
    } else {
        None
    };
    if let (Some(mime), Some(media)) = (mime, media) {
        parts.push(match mime.split('/').next() {
            Some("image") => Part::Image(Image::new(media)),
            Some("audio") => Part::Audio(Audio::new(media)),
            Some("video") => Part::Video(Video { media, metadata: None }),
            _ => Part::Document(Document::new(media)),
        });
    }
    if value["type"] == "url" {
        parts.push(Part::Image(Image::new(Media::url("https://example.org"))));
    }
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| take_media(item, parts)),
        Value::Object(fields) => fields.values_mut().for_each(|field| take_media(field, parts)),
        _ => {}
    }
}

#[test]
fn no_recorded_prompt_of_any_dialect_has_more_tokens_than_its_bound() {
    let (mut seen, mut above) = (0, Vec::new());
    for provider in [Provider::Anthropic, Provider::Gemini] {
        for recording in recordings(provider) {
            let number = |name: &str| recording["expected"][name].as_u64().unwrap_or(0);
            let billed = number("input_tokens")
                + match provider {
                    Provider::Anthropic => number("cached_tokens") + number("cache_write_tokens"),
                    _ => number("tool_prompt_tokens"),
                };
            let mut body = recording["request"]["body"].clone();
            let model = recording["expected"]["model"].as_str().unwrap_or_default().to_owned();
            let text = body.to_string();
            if billed == 0 || BEYOND.iter().any(|beyond| text.contains(beyond)) {
                continue;
            }
            let mut parts = Vec::new();
            take_media(&mut body, &mut parts);
            let Some(media) = parts.iter().try_fold(0, |sum, part| Some(sum + most_of_media(part, provider, &model)?))
            else {
                continue;
            };
            let shaped = ["tools", "output_format", "output_config", "generationConfig", "generation_config"];
            let added =
                if shaped.iter().any(|field| !body[field].is_null()) { ADDED + ADDED_WITH_TOOLS } else { ADDED };
            let most = most_of_text(&body.to_string()) + media + added;
            if billed > most {
                above.push(format!("{}: {billed} of {most}", recording["id"]));
            }
            seen += 1;
        }
    }
    assert!(seen >= 80 && above.is_empty(), "{seen} seen; above their bounds: {above:#?}");
}

fn asks(content: &Value, more: &Value) -> Value {
    let mut body = json!({"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": content}]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

/// A picture of one pixel.
const PIXEL: &str = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

#[test]
fn a_hold_is_near_the_cost() {
    let english = "The quick brown fox jumps over the lazy dog, and nobody has ever asked why. ".repeat(1_330);
    let pixel = json!([{"type": "image_url", "image_url": {"url": PIXEL}}]);
    for (provider, model, content, input_tokens, times) in [
        (Provider::OpenAi, "gpt-4o-mini", json!("hi"), 8, 4),
        (Provider::Anthropic, "claude-sonnet-4-5", json!("hi"), 8, 4),
        (Provider::Gemini, "gemini-2.5-flash", json!("hi"), 2, 2),
        (Provider::OpenAi, "gpt-4o-mini", json!(english), 22_620, 3),
        (Provider::Anthropic, "claude-sonnet-4-5", json!(english), 22_620, 3),
        (Provider::Gemini, "gemini-2.5-flash", json!(english), 22_620, 3),
        (Provider::OpenAi, "gpt-4o-mini", pixel.clone(), 8_500, 2),
        (Provider::Gemini, "gemini-2.5-flash", pixel, 258, 2),
    ] {
        let body = asks(&content, &json!({"service_tier": "default"}));
        let [by_bytes, counted] = holds(provider, model, &body).map(Result::unwrap);
        let prices = PriceTable::builtin().unwrap();
        let usage = tt_core::usage::Usage { input: input_tokens, output: 100, ..Default::default() };
        let reported = Reported { usage, ..Reported::default() };
        let cost = prices.price(provider, model, None, &reported, today()).unwrap();
        println!(
            "{model}, {} bytes: costs {cost}, held {by_bytes} by bytes, {counted} counted",
            body.to_string().len()
        );
        assert!(cost <= counted && counted <= by_bytes, "{model}");
        assert!(counted.0 <= times * cost.0, "{model}: {counted} for {cost}");
    }
}

#[test]
fn only_contents_without_a_rule_take_the_context_window() {
    let held = |provider, model, content: Value| {
        let [by_bytes, counted] = holds(provider, model, &asks(&content, &json!({})));
        assert_eq!(by_bytes.is_ok(), counted.is_ok());
        counted.unwrap().0
    };
    let window = |content| held(Provider::Gemini, "gemini-2.5-flash", content) > 1_048_576 * 300;
    let pdf = json!([{"type": "file", "file": {"filename": "x.pdf", "file_data": "data:application/pdf;base64,AAAA"}}]);
    assert!(!window(pdf.clone()));
    assert!(held(Provider::Anthropic, "claude-haiku-4-5", pdf) > 200_000 * 1_000);
    assert!(!window(json!([{"type": "image_url", "image_url": {"url": "https://example.org/x.png"}}])));
    assert!(!window(json!([{"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}}])));
    assert!(!window(json!("x".repeat(10_000))));
    // Without a known context window there is no bound.
    let pdf = json!([{"type": "file", "file": {"file_id": "file-1"}}]);
    let none = holds(Provider::OpenAi, "gpt-3.5-turbo-0301", &asks(&pdf, &json!({})));
    assert_eq!(none, [Err(Unbounded::Input); 2]);
    let picture = json!([{"type": "image_url", "image_url": {"url": PIXEL}}]);
    assert!(holds(Provider::OpenAi, "gpt-3.5-turbo-0301", &asks(&picture, &json!({})))[0].is_ok());
}

#[test]
fn sound_and_long_caches_cost_more_only_where_they_are_asked_for() {
    let hold = |model: &str, content: &Value, more: Value| {
        let provider = if model.starts_with("claude") { Provider::Anthropic } else { Provider::Gemini };
        holds(provider, model, &asks(content, &more))[1].unwrap()
    };
    let text = |ttl: Value| json!([{"type": "text", "text": "x".repeat(10_000), "cache_control": ttl}]);
    let marked = |ttl: Value| hold("claude-sonnet-4-5", &text(ttl), json!({}));
    let (plain, short, long) =
        (marked(json!(null)), marked(json!({"type": "ephemeral"})), marked(json!({"type": "ephemeral", "ttl": "1h"})));
    assert!(plain < short && short < long, "{plain} {short} {long}");
    let whole = json!({"extra_body": {"anthropic": {"cache_control": {"type": "ephemeral", "ttl": "1h"}}}});
    let automatic = hold("claude-sonnet-4-5", &text(json!(null)), whole);
    assert!(automatic > short, "{automatic}");
    let silent = json!([{"type": "text", "text": "x".repeat(10_000)}]);
    let mut sound = silent.clone();
    sound
        .as_array_mut()
        .unwrap()
        .push(json!({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}}));
    let (silent, sound) = (hold("gemini-2.5-flash", &silent, json!({})), hold("gemini-2.5-flash", &sound, json!({})));
    assert!(sound.0 > 2 * silent.0, "{silent} {sound}");
}

#[test]
fn a_body_that_grew_when_it_was_encoded_is_held_for_as_it_is_sent() {
    let schema =
        json!({"type": "object", "properties": {"x": {"$ref": "#/$defs/n"}}, "$defs": {"n": {"type": "string"}}});
    let tools = json!({"tools": [{"type": "function", "function": {"name": "f", "parameters": schema}}]});
    let request = request(&asks(&json!("hi"), &tools));
    let (prices, step) = (PriceTable::builtin().unwrap(), step(Provider::Gemini, "gemini-2.5-flash"));
    let mut bounds = bounds(&request, &step);
    let length = request.text_bytes().unwrap();
    let tokens = |bounds: &Bounds| bounds.worst_case(&prices, &step, None, today()).unwrap().bound.input_tokens;
    assert_eq!(tokens(&bounds), length + ADDED + ADDED_WITH_TOOLS);
    assert!(!bounds.encoded(length));
    assert!(bounds.encoded(length + 500));
    assert_eq!(tokens(&bounds), length + 500 + ADDED + ADDED_WITH_TOOLS);
    assert!(!bounds.may_be_counted(), "a count of the client's body says nothing of it");
    // A request without tools does not grow.
    let mut plain = self::bounds(&self::request(&asks(&json!("hi"), &json!({}))), &step);
    assert!(!plain.encoded(1_000_000));
}
