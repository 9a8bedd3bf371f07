//! `GET /v1/responses`, by which Codex asks for a WebSocket before anything else.

use http::header;

use crate::edge::context::Context;
use crate::edge::error::ApiError;

/// Answers 426 at once, after which Codex asks over HTTP. After any other status it asks again, for seconds.
pub(crate) async fn no_websocket(cx: Box<Context>) -> Result<&'static str, ApiError> {
    let upgrade = cx.headers().get(header::UPGRADE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let websocket = upgrade.split(',').any(|word| word.trim().eq_ignore_ascii_case("websocket"));
    Err(if websocket { ApiError::no_websocket() } else { ApiError::method_not_allowed("POST".to_owned()) })
}
