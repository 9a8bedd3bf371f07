//! Every answer with an error status: the error that is read, and the next step.

use std::fmt::Write as _;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};
use tt_core::Provider;

use super::Golden;
use crate::fixtures::Recording;
use crate::support::refusal;

/// Statuses that providers, and the machines before them, answer with.
const STATUSES: [u16; 26] = [
    300, 400, 401, 402, 403, 404, 405, 406, 408, 409, 410, 413, 415, 422, 425, 429, 451, 498, 499, 500, 501, 502, 503,
    504, 520, 529,
];

/// Names and values of headers that say how long to wait.
const WAITS: [&[(&str, &str)]; 12] = [
    &[("retry-after", "1")],
    &[("retry-after", "17")],
    &[("retry-after", "0")],
    &[("retry-after", "0.5")],
    &[("retry-after", "-1")],
    &[("retry-after", "Wed, 21 Oct 2026 07:28:00 GMT")],
    &[("retry-after", "86400")],
    &[("retry-after", "86401")],
    &[("retry-after", "99999999999999999999")],
    &[("retry-after-ms", "1500")],
    &[("retry-after-ms", "1500"), ("retry-after", "9")],
    &[("x-should-retry", "false"), ("retry-after", "1")],
];

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
}

/// An error object as the provider writes it, with `word` in the place of its kind.
fn object(provider: Provider, status: u16, word: &str, message: &str) -> Value {
    match provider {
        Provider::OpenAi => json!({"error": {"message": message, "type": word, "param": null, "code": null}}),
        Provider::Anthropic => json!({"type": "error", "error": {"type": word, "message": message}}),
        Provider::Gemini => json!({"error": {"code": status, "message": message, "status": word}}),
    }
}

/// Bodies that one provider alone sends, with their statuses.
fn special(provider: Provider) -> Vec<(u16, Value)> {
    let openai = |status, error: Value| (status, json!({"error": error}));
    let google = |status: u16, message: &str, word: &str, details: Value| {
        (status, json!({"error": {"code": status, "message": message, "status": word, "details": details}}))
    };
    match provider {
        Provider::OpenAi => vec![
            openai(
                400,
                json!({"message": "m", "type": "invalid_request_error", "param": "messages", "code": "context_length_exceeded"}),
            ),
            openai(400, json!({"message": "This model's maximum context length is 8192 tokens.", "code": null})),
            openai(400, json!({"message": "m", "param": "stop", "code": "unsupported_parameter"})),
            openai(401, json!({"message": "Incorrect API key provided", "code": "invalid_api_key"})),
            openai(404, json!({"message": "m", "code": "model_not_found", "param": "model"})),
            openai(429, json!({"message": "m", "type": "insufficient_quota", "code": "insufficient_quota"})),
            openai(429, json!({"message": "m", "type": "insufficient_quota", "code": null})),
            openai(429, json!({"message": "m", "type": "tokens", "code": "rate_limit_exceeded"})),
            openai(500, json!({"message": "m", "code": 500})),
            openai(400, json!("a bare string")),
            (400, json!({"object": "error", "message": "as vLLM says it", "code": 400})),
            (400, json!([{"error": {"message": "wrapped", "code": 400}}])),
        ],
        Provider::Anthropic => [
            (400, "invalid_request_error", "prompt is too long: 3333404 tokens > 200000 maximum"),
            (
                400,
                "invalid_request_error",
                "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000",
            ),
            (400, "invalid_request_error", "Your credit balance is too low to access the Anthropic API."),
            (413, "request_too_large", "Request exceeds the maximum size"),
            (429, "rate_limit_error", "Number of request tokens has exceeded your per-minute rate limit"),
            (529, "overloaded_error", "Overloaded"),
            (500, "something_new", "m"),
        ]
        .into_iter()
        .map(|(status, word, message)| (status, object(provider, status, word, message)))
        .collect(),
        Provider::Gemini => vec![
            google(400, "API key not valid.", "INVALID_ARGUMENT", json!([{"reason": "API_KEY_INVALID"}])),
            google(
                400,
                "The input token count (9) exceeds the maximum number of tokens allowed (8).",
                "INVALID_ARGUMENT",
                json!([]),
            ),
            google(400, "Bad", "INVALID_ARGUMENT", json!([{"fieldViolations": [{"field": "contents[0].parts"}]}])),
            google(400, "Billing", "FAILED_PRECONDITION", json!([])),
            google(429, "Quota", "RESOURCE_EXHAUSTED", json!([{"retryDelay": "48s"}])),
            google(429, "Quota", "RESOURCE_EXHAUSTED", json!([{"retryDelay": "0.4s"}])),
            google(429, "Quota", "RESOURCE_EXHAUSTED", json!([{"retryDelay": "soon"}])),
            google(
                429,
                "Quota",
                "RESOURCE_EXHAUSTED",
                json!([{"violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]}]),
            ),
            google(
                429,
                "Quota",
                "RESOURCE_EXHAUSTED",
                json!([{"violations": [{"quotaId": "GenerateContentInputTokensPerModelPerMinute"}]}]),
            ),
            (404, json!([{"error": {"code": 404, "message": "wrapped", "status": "NOT_FOUND"}}])),
            google(499, "Cancelled", "CANCELLED", json!([])),
        ],
    }
}

/// Reads errors made by hand: each status, body and header, with the result on the line below.
fn made(provider: Provider) -> String {
    let mut text = String::new();
    let mut say = |what: &str, status: u16, headers: &HeaderMap, body: &[u8]| {
        writeln!(text, "{status} {what}\n    {}", refusal(provider, status, headers, body)).unwrap();
    };
    let none = HeaderMap::new();
    for status in STATUSES {
        say("no body", status, &none, b"");
    }
    for status in STATUSES {
        let body = object(provider, status, "some_error", "Some words").to_string();
        say(&body, status, &none, body.as_bytes());
    }
    for (status, body) in special(provider) {
        let body = body.to_string();
        say(&body, status, &none, body.as_bytes());
    }
    for body in ["<html>upstream connect error</html>", "null", "[]", "{}", r#"{"error":null}"#, r#"{"error":{}}"#] {
        say(body, 502, &none, body.as_bytes());
    }
    let long = object(provider, 400, "some_error", &"é".repeat(400)).to_string();
    say("a message of 400 characters", 400, &none, long.as_bytes());
    for status in [429, 503] {
        for pairs in WAITS {
            let body = object(provider, status, "some_error", "Wait").to_string();
            say(&format!("{pairs:?}"), status, &headers(pairs), body.as_bytes());
        }
    }
    text
}

#[test]
fn golden_errors_recorded() {
    let mut golden = Golden::new("errors_recorded");
    for provider in Provider::ALL {
        let mut text = String::new();
        for recording in Recording::of(provider).iter().filter(|recording| recording.status >= 400) {
            let found = refusal(provider, recording.status, &recording.headers(), &recording.body().unwrap());
            writeln!(text, "{} {}\n    {found}", recording.status, recording.id).unwrap();
        }
        golden.check(provider.as_str(), &text);
    }
    golden.finish();
}

#[test]
fn golden_errors_made() {
    let mut golden = Golden::new("errors_made");
    for provider in Provider::ALL {
        golden.check(provider.as_str(), &made(provider));
    }
    golden.finish();
}
