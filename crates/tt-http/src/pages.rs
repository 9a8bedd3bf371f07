//! The landing page, the dashboard and the guide, with their files, and the description of the API.

use http::header::{self, HeaderName};

use crate::edge::context::Context;
use crate::edge::error::ApiError;
use crate::edge::reply::{Reply, ReplyBody};

/// `GET /`, `/dashboard` and everything below it, `/docs`, the files that they load, and `/openapi.json`.
pub(crate) async fn show(cx: Box<Context>) -> Result<Reply, ApiError> {
    let text = |name: HeaderName| cx.headers().get(name).and_then(|value| value.to_str().ok());
    let path = cx.parts.uri.path();
    let found = tt_dashboard::respond(path, text(header::ACCEPT_ENCODING), text(header::IF_NONE_MATCH));
    Ok(found.ok_or_else(ApiError::route_not_found)?.map(ReplyBody::full))
}
