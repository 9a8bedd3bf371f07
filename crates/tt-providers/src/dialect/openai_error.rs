//! Reads and writes OpenAI's errors (`MAPPING.md`, Errors).

use bytes::BytesMut;
use http::HeaderMap;
use serde_json::{Map, Value, json};

use crate::codec::PublicError;
use crate::upstream::error::{Refused, RefusedKind, cut, status_line};
use crate::upstream::retry_after::{retry_after, should_retry};

/// Reads an answer with an error status. If the body is no error object, the status line is the message.
pub(super) fn refused(status: u16, headers: &HeaderMap, body: &[u8]) -> Refused {
    let body = crate::json::value(body).ok();
    // Gemini's OpenAI endpoint wraps the object in an array, and some hosts send a bare string.
    let top = body.as_ref().map(|body| body.get(0).unwrap_or(body));
    let refused = match top.and_then(|top| top.get("error").or(top.get("message").map(|_| top))) {
        Some(Value::Object(error)) => of_object(status, error),
        Some(Value::String(message)) => plain(status, message),
        _ => plain(status, &nameless(status)),
    };
    Refused { retry_after: retry_after(headers), should_retry: should_retry(headers), ..refused }
}

/// Reads an error that came inside a stream, where the HTTP status was already 200.
pub(crate) fn in_stream(error: &Value) -> Refused {
    let Value::Object(error) = error else {
        return plain(500, error.as_str().unwrap_or("an error without words in a stream"));
    };
    let word = |name| error.get(name).and_then(Value::as_str).unwrap_or_default();
    let numeric = error.get("code").or(error.get("status")).and_then(Value::as_u64);
    let status = match (word("type"), word("code")) {
        _ if let Some(status @ 400..=599) = numeric => u16::try_from(status).unwrap_or(500),
        (_, "rate_limit_exceeded" | "insufficient_quota")
        | ("rate_limit_error" | "insufficient_quota" | "tokens" | "requests", _) => 429,
        (_, "invalid_api_key") | ("authentication_error", _) => 401,
        (_, "model_not_found") => 404,
        ("invalid_request_error", _) => 400,
        ("overloaded_error" | "service_unavailable" | "service_unavailable_error", _) => 503,
        _ => 500,
    };
    of_object(status, error)
}

/// The message for an error that has none.
fn nameless(status: u16) -> String {
    format!("HTTP {}", status_line(status))
}

/// Writes an error as the body of an answer: `{"error": {…}}`.
pub(super) fn encode(error: &PublicError<'_>) -> Vec<u8> {
    let error = json!({
        "error": {"message": error.message, "type": error.kind, "code": error.code, "param": error.param}
    });
    error.to_string().into_bytes()
}

/// Writes an error as the last event of a stream.
pub(super) fn event(error: &PublicError<'_>, out: &mut BytesMut) {
    out.extend_from_slice(b"data: ");
    out.extend_from_slice(&encode(error));
    out.extend_from_slice(b"\n\n");
}

fn of_object(status: u16, error: &Map<String, Value>) -> Refused {
    let text = |name: &str| match error.get(name) {
        Some(Value::String(text)) if !text.is_empty() => Some(cut(text)),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    let message = text("message").unwrap_or_else(|| nameless(status));
    let mut code = text("code");
    if code.is_none() && text("type").as_deref() == Some("insufficient_quota") {
        code = Some("insufficient_quota".into());
    }
    code = code.or_else(|| code_of(status).map(str::to_owned));
    // Hosts that speak the dialect name the context length only in the message.
    if code.as_deref() != Some("context_length_exceeded")
        && matches!(status, 400 | 413)
        && (message.contains("maximum context length") || message.contains("context window"))
    {
        code = Some("context_length_exceeded".into());
    }
    let kind = match code.as_deref() {
        Some("context_length_exceeded") if status < 500 => RefusedKind::ContextLength,
        _ => kind_of(status),
    };
    Refused { status, kind, message, code, param: text("param"), retry_after: None, should_retry: None, original: None }
}

/// OpenAI's code for a status, for hosts that give none.
const fn code_of(status: u16) -> Option<&'static str> {
    match status {
        401 => Some("invalid_api_key"),
        404 => Some("model_not_found"),
        429 => Some("rate_limit_exceeded"),
        _ => None,
    }
}

fn plain(status: u16, message: &str) -> Refused {
    let code = code_of(status).map(str::to_owned);
    Refused {
        status,
        kind: kind_of(status),
        message: cut(message),
        code,
        param: None,
        retry_after: None,
        should_retry: None,
        original: None,
    }
}

/// The kind of error for a status, where neither code nor message says more.
pub(crate) const fn kind_of(status: u16) -> RefusedKind {
    match status {
        401..=403 => RefusedKind::Credential,
        404 => RefusedKind::NotFound,
        408 | 504 => RefusedKind::Timeout,
        409 => RefusedKind::Conflict,
        429 => RefusedKind::RateLimited,
        500.. => RefusedKind::Server,
        _ => RefusedKind::Invalid,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, body: Value) -> Refused {
        refused(status, &HeaderMap::new(), body.to_string().as_bytes())
    }

    #[test]
    fn codes_and_params_are_kept() {
        let found =
            read(401, json!({"error": {"message": "bad", "type": "t", "param": "p", "code": "invalid_api_key"}}));
        assert_eq!((found.kind, found.code.as_deref()), (RefusedKind::Credential, Some("invalid_api_key")));
        assert_eq!((found.message.as_str(), found.param.as_deref()), ("bad", Some("p")));
    }

    #[test]
    fn a_prompt_too_long_is_told_by_code_or_words() {
        let words = "This model's maximum context length is 8192 tokens.";
        for body in
            [json!({"message": "x", "code": "context_length_exceeded"}), json!({"message": words, "code": null})]
        {
            let found = read(400, json!({"error": body}));
            assert_eq!(found.kind, RefusedKind::ContextLength);
            assert_eq!(found.code.as_deref(), Some("context_length_exceeded"));
        }
    }

    #[test]
    fn statuses_mean_what_they_mean() {
        for (status, kind) in [
            (400, RefusedKind::Invalid),
            (402, RefusedKind::Credential),
            (404, RefusedKind::NotFound),
            (409, RefusedKind::Conflict),
            (422, RefusedKind::Invalid),
            (429, RefusedKind::RateLimited),
            (500, RefusedKind::Server),
            (504, RefusedKind::Timeout),
        ] {
            assert_eq!(read(status, json!({"error": {"message": "m"}})).kind, kind, "{status}");
        }
        let quota = read(429, json!({"error": {"message": "m", "type": "insufficient_quota"}}));
        assert_eq!(quota.code.as_deref(), Some("insufficient_quota"));
    }

    #[test]
    fn other_shapes_are_read_as_far_as_they_go() {
        assert_eq!(read(400, json!([{"error": {"message": "wrapped", "code": 400}}])).message, "wrapped");
        assert_eq!(read(400, json!({"error": "bare"})).message, "bare");
        assert_eq!(read(400, json!({"object": "error", "message": "vllm", "code": 400})).message, "vllm");
        let html = refused(502, &HeaderMap::new(), b"<html>edge</html>");
        assert_eq!((html.message.as_str(), html.kind), ("HTTP 502 Bad Gateway", RefusedKind::Server));
        assert_eq!(read(503, json!(null)).message, "HTTP 503 Service Unavailable");
    }

    #[test]
    fn an_error_in_a_stream_has_the_status_its_words_mean() {
        assert_eq!(in_stream(&json!({"message": "m", "type": "server_error", "code": null})).status, 500);
        assert_eq!(in_stream(&json!({"message": "m", "type": "rate_limit_error"})).status, 429);
        assert_eq!(in_stream(&json!({"message": "m", "type": "invalid_request_error"})).status, 400);
        assert_eq!(in_stream(&json!({"message": "m", "code": 503})).status, 503);
        assert_eq!(in_stream(&json!("broken")).message, "broken");
    }
}
