//! The pages of TokenTracer for people: the landing page, the dashboard and the guide. Their files are embedded, compressed
//! ahead of time, and so is the description of the HTTP API that the dashboard was built with (`/openapi.json`).
//!
//! [`respond`] is a pure function; it knows nothing of connections, users or data. The pages get their data from the HTTP
//! API, as any other client does.
//!
//! ```
//! let page = tt_dashboard::respond("/dashboard", Some("br, gzip"), None).unwrap();
//! assert_eq!(page.status(), 200);
//! assert_eq!(page.headers()["content-encoding"], "br");
//! assert!(tt_dashboard::respond("/elsewhere", None, None).is_none());
//! ```

mod asset;
mod encoding;
mod table;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Response, StatusCode};

use crate::asset::Asset;
use crate::encoding::Encoding;
use crate::table::ASSETS;

/// The file of every page: the program in it shows the page that the address names.
const PAGE: &str = "index.html";

/// The folder of the files whose names have a hash, so that another content has another name.
const HASHED: &str = "assets/";

/// No script, style, picture or call but of this server; no frame around the page; no form that is sent elsewhere.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

/// The answer to a `GET` of a page or one of its files; `None` if there is none at the path. For `HEAD`, the body is left out.
///
/// `accept_encoding` and `if_none_match` are the headers of the request.
pub fn respond(path: &str, accept_encoding: Option<&str>, if_none_match: Option<&str>) -> Option<Response<Bytes>> {
    let asset = find(path)?;
    let encoding = Encoding::best(accept_encoding.unwrap_or_default());
    let mut response = if if_none_match.is_some_and(|tags| asset.is_named_by(tags)) {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        full(asset, encoding)
    };
    let headers = response.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching(asset)));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(tag) = HeaderValue::try_from(asset.tag(encoding)) {
        headers.insert(header::ETAG, tag);
    }
    Some(response)
}

/// The file for a path. `/dashboard` and everything below it are pages of the one program.
fn find(path: &str) -> Option<&'static Asset> {
    let is_page = matches!(path, "/" | "/docs" | "/docs/" | "/dashboard") || path.starts_with("/dashboard/");
    let name = if is_page { PAGE } else { path.strip_prefix('/')? };
    ASSETS.iter().find(|asset| asset.name == name)
}

fn full(asset: &Asset, encoding: Encoding) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(asset.bytes(encoding)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
    if let Some(name) = encoding.name() {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(name));
    }
    response
}

/// Files whose names have a hash never change; others are asked for again at each use.
fn caching(asset: &Asset) -> &'static str {
    if asset.name.starts_with(HASHED) { "public, max-age=31536000, immutable" } else { "no-cache" }
}

#[cfg(test)]
mod tests;
