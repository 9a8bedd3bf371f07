use std::fmt::Write as _;
use std::sync::Arc;

use bytes::BytesMut;
use tt_core::{Dialect, Provider};
use tt_providers::{AnswerStream, ClientRequest, Exchange, Head, Target, codec};

use super::*;
use crate::edge::reply::IntoReply;

/// The most a message may have and one more, so that the snapshot shows where it is cut.
const TOO_LONG: usize = LONGEST_MESSAGE + 1;

fn refused_with(status: u16, kind: RefusedKind, code: Option<&str>, retry_after: Option<Duration>) -> Refused {
    Refused {
        status,
        kind,
        message: "The provider's words".to_owned(),
        code: code.map(str::to_owned),
        param: code.map(|_| "messages[0]".to_owned()),
        retry_after,
        should_retry: None,
        original: None,
    }
}

/// Every error there is, by the name of its constructor.
fn every_error() -> Vec<(String, ApiError)> {
    let seconds = Duration::from_secs;
    let mut errors: Vec<(String, ApiError)> = [
        ("invalid_json", ApiError::invalid_json("expected value at line 1 column 1")),
        ("missing_field", ApiError::missing_field("messages")),
        ("invalid_field", ApiError::invalid_field("messages[0].role", "must be user")),
        ("invalid_field, a message too long", ApiError::invalid_field("f", "é".repeat(TOO_LONG))),
        ("unsupported_parameter", ApiError::unsupported_parameter("n", "gives one answer")),
        ("missing_credentials", ApiError::missing_credentials()),
        ("invalid_credentials", ApiError::invalid_credentials()),
        ("wrong_login", ApiError::wrong_login()),
        ("login_throttled", ApiError::login_throttled(Duration::from_millis(1_200))),
        ("rate_limited, user minute", ApiError::rate_limited(RuleKind::UserMinute, 60, Duration::from_millis(10))),
        ("rate_limited, key minute", ApiError::rate_limited(RuleKind::KeyMinute, 6, seconds(59))),
        ("rate_limited, user day", ApiError::rate_limited(RuleKind::UserDay, 1_000, seconds(86_399))),
        ("rate_limited, key day", ApiError::rate_limited(RuleKind::KeyDay, 100, seconds(1))),
        ("limits_unavailable", ApiError::limits_unavailable()),
        ("budgets_unavailable", ApiError::budgets_unavailable("Budgets cannot be checked.")),
        (
            "budget_exceeded",
            ApiError::budget_exceeded(
                "a day for your account",
                usd(5),
                usd(4),
                usd(1),
                usd(2),
                Some(Timestamp::from_millis(1_800_000_000_000)),
                Timestamp::from_millis(1_799_999_999_001),
            ),
        ),
        (
            "budget_exceeded, once",
            ApiError::budget_exceeded("in all", usd(5), usd(4), usd(1), usd(2), None, Timestamp::from_millis(0)),
        ),
        ("model_unpriced", ApiError::model_unpriced()),
        ("forbidden", ApiError::forbidden("Administrators only.")),
        ("own_account", ApiError::own_account()),
        ("alias_not_allowed", ApiError::alias_not_allowed()),
        ("route_not_found", ApiError::route_not_found()),
        ("not_found", ApiError::not_found("api_key")),
        ("model_not_found", ApiError::model_not_found("There is no such model.")),
        ("method_not_allowed", ApiError::method_not_allowed("GET, POST".to_owned())),
        ("request_timeout", ApiError::request_timeout()),
        ("incomplete_body", ApiError::incomplete_body()),
        ("body_too_large", ApiError::body_too_large(1_024)),
        ("unsupported_media_type", ApiError::unsupported_media_type()),
        ("conflict", ApiError::conflict("alias_taken", "Another alias has this name.")),
        ("overloaded", ApiError::overloaded()),
        ("too_many_connections", ApiError::too_many_connections()),
        ("from a full queue of passwords", tt_crypto::Error::Busy.into()),
        ("signup_throttled", ApiError::signup_throttled(seconds(3))),
        ("ledger_unavailable", ApiError::ledger_unavailable()),
        ("store_unavailable", ApiError::store_unavailable()),
        ("internal", ApiError::internal()),
        (
            "unsupported_media_type with a standing",
            ApiError::unsupported_media_type().standing(Some(Standing { limit: 9, remaining: 3, reset: seconds(7) })),
        ),
        ("from an invalid value", Invalid::new("name", "is too long").into()),
        ("from an unknown model", NoTarget::UnknownModel.into()),
        ("from a missing key", NoTarget::NoKey(Provider::Gemini).into()),
        ("from an invalid model", NoTarget::InvalidModel(Invalid::new("model", "is too long")).into()),
    ]
    .map(|(name, error)| (name.to_owned(), error))
    .into();
    for object in [Object::User, Object::Session, Object::ApiKey, Object::ProviderKey, Object::Alias] {
        errors.push((format!("from the store, not found: {object:?}"), StoreError::NotFound(object).into()));
    }
    for conflict in [Conflict::EmailTaken, Conflict::AliasTaken, Conflict::AliasInUse, Conflict::ProviderKeyInUse] {
        errors.push((format!("from the store, conflict: {conflict:?}"), StoreError::Conflict(conflict).into()));
    }
    errors
}

fn usd(whole: i64) -> NanoUsd {
    NanoUsd(whole * 1_000_000_000)
}

/// Every way in which an attempt fails, with a name for the snapshot.
fn every_failure() -> Vec<(&'static str, UpstreamError)> {
    let refused = |status, kind, code, wait| UpstreamError::Refused(Box::new(refused_with(status, kind, code, wait)));
    let wait = |millis| Some(Duration::from_millis(millis));
    vec![
        ("invalid", refused(400, RefusedKind::Invalid, None, None)),
        ("context length", refused(400, RefusedKind::ContextLength, Some("context_length_exceeded"), None)),
        ("credential", refused(401, RefusedKind::Credential, Some("invalid_api_key"), None)),
        ("not found", refused(404, RefusedKind::NotFound, Some("model_not_found"), None)),
        ("timeout 408", refused(408, RefusedKind::Timeout, None, None)),
        ("conflict", refused(409, RefusedKind::Conflict, None, None)),
        ("rate limited", refused(429, RefusedKind::RateLimited, None, None)),
        ("rate limited, by a provider that says not to try again", {
            let kept = refused_with(429, RefusedKind::RateLimited, None, None);
            UpstreamError::Refused(Box::new(Refused { should_retry: Some(false), ..kept }))
        }),
        ("rate limited for 34.4 s", refused(429, RefusedKind::RateLimited, Some("rate_limit_exceeded"), wait(34_400))),
        ("server 500", refused(500, RefusedKind::Server, None, None)),
        ("server 503 for 3 s", refused(503, RefusedKind::Server, Some("overloaded"), wait(3_000))),
        ("timeout 504", refused(504, RefusedKind::Timeout, None, None)),
        ("no answer in time", UpstreamError::Timeout(Duration::from_secs(30))),
        ("no connection", UpstreamError::Connect("no route".into())),
        ("broken connection", UpstreamError::Broken("in the middle of the answer".into())),
        ("unreadable answer", UpstreamError::Protocol("not a chat completion".into())),
        (
            "unusable answer",
            UpstreamError::BadAnswer { reason: "MALFORMED_FUNCTION_CALL".into(), usage: Box::default() },
        ),
    ]
}

/// The status, the headers and the body a client gets.
fn shown(name: &str, error: ApiError) -> String {
    let body = String::from_utf8(error.body()).unwrap();
    let reply = error.into_reply();
    let mut text = format!("{name}\n    {}\n", reply.status());
    let mut headers: Vec<String> =
        reply.headers().iter().map(|(name, value)| format!("    {name}: {}\n", value.to_str().unwrap())).collect();
    headers.sort();
    text.extend(headers);
    text + "    " + &body + "\n"
}

fn compare(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

#[test]
fn golden_errors_as_a_client_gets_them() {
    compare("errors", &every_error().into_iter().map(|(name, error)| shown(&name, error)).collect::<String>());
}

#[test]
fn golden_refusals_passed_on() {
    let mut text = String::new();
    for status in [300, 400, 404, 413, 422, 451, 499, 999] {
        for code in [None, Some("unsupported_parameter")] {
            let error = ApiError::refused(&refused_with(status, RefusedKind::Invalid, code, None));
            text.push_str(&shown(&format!("{status} {}", code.unwrap_or("without a code")), error));
        }
    }
    let said = refused_with(400, RefusedKind::Invalid, None, None);
    for again in [true, false] {
        let error = ApiError::refused(&Refused { should_retry: Some(again), ..said.clone() });
        text.push_str(&shown(&format!("400, to be tried again: {again}"), error));
    }
    compare("refusals", &text);
}

#[test]
fn golden_failed_attempts() {
    const ATTEMPTS: &str = "openai/gpt-5.4: 503 Overloaded";
    let mut text = String::new();
    // The last target was not asked: it cannot serve the request.
    for name in ["unsupported", "malformed", "missing"] {
        text.push_str(&shown(name, ApiError::all_attempts_failed(ATTEMPTS, None)));
    }
    for (name, failure) in every_failure() {
        text.push_str(&shown(name, ApiError::all_attempts_failed(ATTEMPTS, Some(&failure))));
    }
    compare("failed_attempts", &text);
}

/// A stream of a Chat Completions client that passes through.
fn passing_through() -> AnswerStream {
    let (uri, headers) = (http::Uri::from_static("/v1/chat/completions"), http::HeaderMap::new());
    let head = Head { uri: &uri, headers: &headers };
    let body = bytes::Bytes::from_static(br#"{"model":"m","stream":true}"#);
    let request = ClientRequest::read(codec(Dialect::OpenAiChat).ingress.unwrap(), &head, body).unwrap();
    let target = Target { model: "m", facts: None };
    Exchange::new(&Arc::new(request), Dialect::OpenAiChat, target, None, (0, uuid::Uuid::nil())).unwrap().stream()
}

#[test]
fn golden_broken_streams() {
    let mut text = String::new();
    for (name, failure) in every_failure() {
        let mut stream = passing_through();
        let mut event = BytesMut::new();
        stream.broke(
            &ApiError::stream_broke(&failure, "no more data in time").public(RequestId(uuid::Uuid::nil())),
            &mut event,
        );
        writeln!(text, "{name}\n    {}", std::str::from_utf8(&event).unwrap().trim_end()).unwrap();
    }
    compare("broken_streams", &text);
}
