//! Errors of answers that have a success status: an event of a stream, or a response whose status is `failed`.

use bytes::BytesMut;
use serde_json::{Value, json};

use super::events::Events;
use crate::codec::PublicError;
use crate::dialect::openai_error;
use crate::json;
use crate::upstream::error::UpstreamError;

/// The HTTP status that a code of a failed response stands for; `None` for a code that says what
/// [`openai_error::in_stream`] knows.
fn status(code: &str) -> Option<u16> {
    match code {
        "server_is_overloaded" | "slow_down" => Some(503),
        "context_length_exceeded" | "invalid_prompt" | "bio_policy" | "cyber_policy" => Some(400),
        code if code.contains("image") => Some(400),
        _ => None,
    }
}

/// Reads the error of an event or of a failed response.
pub(super) fn refused(error: &[u8]) -> UpstreamError {
    let mut error = json::value(error).unwrap_or_default();
    if error.is_null() {
        error = json!({"message": "the response failed without a reason"});
    }
    let by_code = error.get("code").and_then(Value::as_str).and_then(status);
    if let (Some(status), Some(fields)) = (by_code, error.as_object_mut()) {
        let mut refused = openai_error::in_stream(&Value::Object(std::mem::take(fields)));
        if refused.status != status {
            (refused.status, refused.kind) = (status, openai_error::kind_of(status));
        }
        return UpstreamError::Refused(Box::new(refused));
    }
    UpstreamError::Refused(Box::new(openai_error::in_stream(&error)))
}

/// Writes the end of a stream that broke: an error, at which OpenAI's libraries fail, and the failed `response`, which Codex
/// reads.
pub(super) fn broke(error: &PublicError<'_>, response: Value, events: &mut Events, out: &mut BytesMut) {
    let inner = json!({"type": error.kind, "code": error.code, "message": error.message, "param": error.param});
    events.write("error", json!({"error": inner}), out);
    events.write("response.failed", json!({"response": response}), out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_stands_for_a_status() {
        for (error, status, code) in [
            (json!({"code": "server_is_overloaded", "message": "m"}), 503, Some("server_is_overloaded")),
            (json!({"code": "context_length_exceeded", "message": "m"}), 400, Some("context_length_exceeded")),
            (json!({"code": "rate_limit_exceeded", "message": "m"}), 429, Some("rate_limit_exceeded")),
            (json!({"code": "invalid_image_format", "message": "m"}), 400, Some("invalid_image_format")),
            (json!({"code": "server_error", "message": "m"}), 500, Some("server_error")),
            (json!({"type": "insufficient_quota", "message": "m"}), 429, Some("insufficient_quota")),
            (Value::Null, 500, None),
        ] {
            let UpstreamError::Refused(found) = refused(error.to_string().as_bytes()) else { panic!("{error}") };
            assert_eq!((found.status, found.code.as_deref()), (status, code), "{error}");
        }
    }
}
