//! Requests for embeddings and their answers, passed through and translated.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Uri};
use serde_json::{Value, json};
use tt_core::call::decoded::Decoded;
use tt_core::plan::InputTokens;
use tt_core::{Dialect, Provider};
use tt_providers::{ClientRequest, Exchange, Head, Target, codec, decoded_bytes};
use uuid::Uuid;

use crate::bounds::peak;
use crate::fixtures::Recording;

pub(crate) const EMBED: &str = "/v1beta/models/vectors:embedContent";
pub(crate) const BATCH: &str = "/v1beta/models/vectors:batchEmbedContents";
const OPENAI: (Dialect, &str) = (Dialect::OpenAiEmbeddings, "/v1/embeddings");

/// The other dialect that has embeddings.
pub(crate) fn other(dialect: Dialect) -> Dialect {
    if dialect == Dialect::Gemini { Dialect::OpenAiEmbeddings } else { Dialect::Gemini }
}

/// A scanned request, or the error in the client's words.
pub(crate) fn read(dialect: Dialect, path: &str, body: impl Into<Bytes>) -> Result<Arc<ClientRequest>, String> {
    let ingress = codec(dialect).ingress.unwrap();
    let (uri, headers) = (path.parse::<Uri>().unwrap(), HeaderMap::new());
    let request = ClientRequest::read(ingress, &Head { uri: &uri, headers: &headers }, body.into());
    request.map(Arc::new).map_err(|error| error.in_words(|field| ingress.field(field)))
}

/// The request for a provider of `dialect`, or the error in the client's words.
pub(crate) fn sent(request: &Arc<ClientRequest>, dialect: Dialect) -> Result<Exchange, String> {
    let target = Target { model: "upstream", facts: None };
    let exchange = Exchange::new(request, dialect, target, None, (0, Uuid::nil()));
    exchange.map_err(|error| request.describe(&error))
}

/// The exchange of a client of `client` with a provider of `dialect`.
pub(crate) fn exchange(client: Dialect, path: &str, body: &Value, dialect: Dialect) -> Result<Exchange, String> {
    sent(&read(client, path, body.to_string())?, dialect)
}

#[test]
fn a_request_passes_through_but_for_the_models_name() {
    let (dialect, path) = OPENAI;
    let own = r#"{ "input":[1, 2],"model" : "alias","own":1.50, "encoding_format":"base64" }"#;
    let request = sent(&read(dialect, path, own).unwrap(), dialect).unwrap();
    assert_eq!(request.path(), "/embeddings");
    assert_eq!(String::from_utf8(request.body().to_vec()).unwrap(), own.replace("alias", "upstream"));

    let own = r#"{"requests" :[{"model":"models/vectors","content":{"parts":[{"text":"a"}]},"task_type":"X"},
        {"content":{"parts":[{"text":"models/vectors"}]} , "model": "models/vectors"}], "own": 1.50}"#;
    let request = sent(&read(Dialect::Gemini, BATCH, own).unwrap(), Dialect::Gemini).unwrap();
    assert_eq!(request.path(), "/v1beta/models/upstream:batchEmbedContents");
    let expected = own.replace(r#""model":"models/vectors""#, r#""model":"models/upstream""#);
    let expected = expected.replace(r#""model": "models/vectors""#, r#""model": "models/upstream""#);
    assert_eq!(String::from_utf8(request.body().to_vec()).unwrap(), expected);

    let own = r#"{"content":{"parts":[{"text":"a"}]}}"#;
    let request = sent(&read(Dialect::Gemini, EMBED, own).unwrap(), Dialect::Gemini).unwrap();
    assert_eq!((request.path(), request.body().to_vec()), ("/v1beta/models/upstream:embedContent", own.into()));
}

#[test]
fn what_could_be_read_in_two_ways_is_refused() {
    let (dialect, path) = OPENAI;
    for (body, field) in [
        (r#"{"model":"a","model":"b","input":"x"}"#, "model: stands twice"),
        (r#"{"Model":"a","model":"b","input":"x"}"#, "Model: is not a field"),
        (r#"{"model":"","input":"x"}"#, "model: must be a string"),
    ] {
        let error = read(dialect, path, body).unwrap_err();
        assert!(error.starts_with(field), "{body}: {error}");
    }
    for (body, field) in [
        (r#"{"requests":[{"model":"a","model":"b"}]}"#, "requests[0].model: stands twice"),
        (r#"{"requests":[{},{"MODEL":"a"}]}"#, "requests[1].MODEL: is not a field"),
        (r#"{"requests":[],"requests":[]}"#, "requests: stands twice"),
        (r#"{"requests":1}"#, "requests: must be a list"),
    ] {
        let error = read(Dialect::Gemini, BATCH, body).unwrap_err();
        assert!(error.starts_with(field), "{body}: {error}");
    }
}

#[test]
fn an_answer_passes_through_and_its_usage_is_read() {
    for recording in Recording::all() {
        let Some(dialect) = recording.of_embeddings() else { continue };
        let path = recording.json["request"]["path"].as_str().unwrap();
        let exchange = exchange(dialect, path, &recording.json["request"]["body"], dialect).unwrap();
        let body = Bytes::from(recording.body().unwrap());
        let answer = exchange.reply(body.clone()).unwrap();
        assert_eq!(answer.body, body, "{}", recording.id);
        let expected = &recording.json["expected"];
        let usage = answer.usage.map(|reported| (reported.usage.input, reported.usage.output));
        assert_eq!(usage, expected["input_tokens"].as_u64().map(|input| (input, 0)), "{}", recording.id);
        assert_eq!(answer.served_model.as_deref(), expected["model"].as_str(), "{}", recording.id);
        assert!(answer.uncounted.is_none() && answer.tally.text_bytes() == 0);
    }
}

#[test]
fn a_vector_is_the_same_in_every_form() {
    let recording = Recording::all().into_iter().find(|one| one.id.starts_with("openai-embeddings-v1-embedding-b64"));
    let body = recording.unwrap().body().unwrap();
    let content = json!({"parts": [{"text": "a"}]});
    let gemini = exchange(Dialect::Gemini, EMBED, &json!({"content": content}), Dialect::OpenAiEmbeddings).unwrap();
    let numbers = gemini.reply(body.clone().into()).unwrap().body;
    let numbers: Value = serde_json::from_slice(&numbers).unwrap();
    let batch = json!({"embeddings": [numbers["embedding"]], "usageMetadata": numbers["usageMetadata"]});
    let asked = json!({"model": "m", "input": "a", "encoding_format": "base64"});
    let openai = exchange(Dialect::OpenAiEmbeddings, "/v1/embeddings", &asked, Dialect::Gemini).unwrap();
    let back: Value = serde_json::from_slice(&openai.reply(batch.to_string().into()).unwrap().body).unwrap();
    let first: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(numbers["embedding"]["values"].as_array().unwrap().len(), 512);
    assert_eq!(back["data"][0]["embedding"], first["data"][0]["embedding"]);
    assert_eq!(back["usage"], first["usage"]);
}

#[test]
fn an_answer_that_needs_usage_waits_for_a_count() {
    let asked = json!({"model": "m", "input": ["a"]});
    let openai = exchange(Dialect::OpenAiEmbeddings, "/v1/embeddings", &asked, Dialect::Gemini).unwrap();
    let answer = openai.reply(r#"{"embeddings":[{"values":[0.5]}]}"#.into()).unwrap();
    let mut reply = answer.uncounted.unwrap();
    assert!(answer.body.is_empty());
    let usage = tt_core::Usage { input: 3, ..tt_core::Usage::default() };
    reply.usage = Some(tt_core::usage::Reported { usage, ..tt_core::usage::Reported::default() });
    let body: Value = serde_json::from_slice(&openai.embeddings(reply).body).unwrap();
    let data = json!([{"object": "embedding", "index": 0, "embedding": [0.5]}]);
    let usage = json!({"prompt_tokens": 3, "total_tokens": 3});
    assert_eq!(body, json!({"object": "list", "data": data, "model": "upstream", "usage": usage}));
}

#[test]
fn the_input_is_counted_by_texts_and_ids() {
    let (dialect, path) = OPENAI;
    let counted = |dialect, path, body: &Value| {
        let decoded = read(dialect, path, body.to_string()).unwrap().decoded().unwrap();
        decoded.input_up_to(Provider::OpenAi, u64::MAX)
    };
    for (input, tokens) in [
        (json!("hello world"), 2),
        (json!(["hello world", "hello"]), 3),
        (json!([1, 2, 3]), 3),
        (json!([[1, 2], [3]]), 3),
    ] {
        let body = json!({"model": "m", "input": input});
        assert_eq!(counted(dialect, path, &body), InputTokens::Exact(tokens), "{body}");
    }
    let picture = json!({"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}});
    let body = json!({"content": {"parts": [{"text": "hello world"}, picture]}});
    let decoded = read(Dialect::Gemini, EMBED, body.to_string()).unwrap().decoded().unwrap();
    assert_eq!(decoded.media().count(), 1);
    assert_eq!(decoded.input_up_to(Provider::Gemini, u64::MAX), InputTokens::Exact(2 + 258));
}

#[test]
fn a_provider_without_embeddings_is_told_by_name() {
    let request = read(OPENAI.0, OPENAI.1, r#"{"model":"m","input":"a"}"#).unwrap();
    assert_eq!(request.dialect_at(Provider::OpenAi), Ok(Dialect::OpenAiEmbeddings));
    assert_eq!(request.dialect_at(Provider::Gemini), Ok(Dialect::Gemini));
    let error = request.describe(&request.dialect_at(Provider::Anthropic).unwrap_err());
    assert!(error.starts_with("model is not supported by this target: anthropic has no embeddings"), "{error}");
    assert!(request.call().is_err());
    assert_eq!(request.facts().max_output_tokens, Some(0));
}

#[test]
fn requests_take_no_more_memory_than_their_bound() {
    let list = |element: &str, times: usize| format!("[{}]", vec![element; times].join(","));
    let (dialect, path) = OPENAI;
    for input in [
        list(r#""a""#, 2048),
        list(r#""""#, 2049),
        list("1", 100_000),
        list("[1]", 2048),
        list("[1]", 40_000),
        format!("[{}]", list("1", 100_000)),
        format!(r#""{}""#, r"\n".repeat(100_000)),
        format!(r#""{}""#, "x".repeat(200_000)),
        list("{}", 50_000),
        list("null", 50_000),
    ] {
        let body = Bytes::from(format!(r#"{{"model":"m","input":{input}}}"#));
        within_its_bound(dialect, path, &body);
    }
    for requests in [
        list(r#"{"content":{"parts":[{"text":"a"}]}}"#, 2048),
        list(r#"{"model":"m"}"#, 2049),
        list(r#"{"content":{"parts":[{"text":"a"}]},"model":"m","a":1,"b":2,"outputDimensionality":1}"#, 2048),
        list("{}", 100_000),
        list("1", 100_000),
        format!(r#"[{{"content":{{"parts":{}}}}}]"#, list(r#"{"text":""}"#, 20_000)),
        format!(r#"[{{"content":{{"parts":{}}}}}]"#, list("{}", 50_000)),
    ] {
        within_its_bound(Dialect::Gemini, BATCH, &Bytes::from(format!(r#"{{"requests":{requests}}}"#)));
    }
}

/// Checks what scanning, decoding and splicing `body` take.
fn within_its_bound(dialect: Dialect, path: &str, body: &Bytes) {
    let begins = String::from_utf8_lossy(body.get(..60).unwrap_or(body)).into_owned();
    let mut request = None;
    let scanned = peak(|| request = Some(read(dialect, path, body.clone())));
    // A request of a batch that names its model needs two slices and an edit.
    assert!(scanned <= 512 * 1024, "scanning {begins} takes {scanned} bytes");
    let Some(Ok(request)) = request else { return };
    let spliced = peak(|| sent(&request, dialect));
    assert!(spliced <= 1024 * 1024, "splicing {begins} takes {spliced} bytes");
    let (bound, took) = (decoded_bytes(body), peak(|| request.decoded().is_ok()));
    assert!(took <= bound, "{} bytes that begin with {begins} take {took} bytes, bound {bound}", body.len());
    let encoded = peak(|| sent(&request, other(dialect)));
    assert!(encoded <= 2 * bound, "encoding {begins} takes {encoded} bytes, bound {}", 2 * bound);
}

#[test]
fn answers_take_no_more_memory_than_their_bound() {
    let content = json!({"content": {"parts": [{"text": "a"}]}});
    let gemini = exchange(Dialect::Gemini, EMBED, &content, Dialect::OpenAiEmbeddings).unwrap();
    let asked = json!({"model": "m", "input": "a", "encoding_format": "base64"});
    let openai = exchange(Dialect::OpenAiEmbeddings, "/v1/embeddings", &asked, Dialect::Gemini).unwrap();
    let numbers = |number: &str| vec![number; 100_000].join(",");
    // Numbers of sixteen characters each: -1.1754944e-38.
    let base64 = "//9/gP//f4D//3+A".repeat(20_000);
    for (exchange, body) in [
        (&gemini, format!(r#"{{"data":[{{"embedding":"{base64}"}}],"usage":{{"prompt_tokens":1}}}}"#)),
        (&gemini, format!(r#"{{"data":[{{"embedding":[{}]}}],"usage":{{"prompt_tokens":1}}}}"#, numbers("1"))),
        (
            &openai,
            format!(r#"{{"embeddings":[{{"values":[{}]}}],"usageMetadata":{{"promptTokenCount":1}}}}"#, numbers("1")),
        ),
        (&openai, format!(r#"{{"embeddings":[{}]}}"#, vec!["{}"; 50_000].join(","))),
        (&gemini, format!(r#"{{"data":[{}]}}"#, vec!["{}"; 50_000].join(","))),
    ] {
        let body = Bytes::from(body);
        let (bound, took) = (exchange.answer_bytes(&body), peak(|| exchange.reply(body.clone()).is_ok()));
        assert!(took <= bound, "{} bytes take {took}, bound {bound}", body.len());
    }
}

#[test]
fn decoded_requests_are_of_their_kind() {
    let request = read(OPENAI.0, OPENAI.1, r#"{"model":"m","input":["a",[1]],"user":"u"}"#).unwrap();
    let Decoded::Embeddings(call) = request.decoded().unwrap() else { panic!("a chat") };
    assert_eq!((call.model.as_str(), call.inputs.len(), call.end_user.as_deref()), ("m", 2, Some("u")));
    assert!(request.forget_decoded().is_some() && request.forget_decoded().is_none());
}
