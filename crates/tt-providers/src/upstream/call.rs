//! One call of a provider: sends the request, reads the head of the answer, and reads a body in full. No error repeats
//! the stored key.

use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_ENCODING;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::timeout;

use crate::codec::Egress;
use crate::gather::Gathered;
use crate::slices::Slices;
use crate::upstream::account::Account;
use crate::upstream::client::Client;
use crate::upstream::error::UpstreamError;

/// The largest error body that is read, in bytes, and the time limit for reading it.
const LARGEST_ERROR_BYTES: usize = 64 * 1024;
const ERROR_TIME: Duration = Duration::from_secs(10);

/// The shortest secret, in bytes, that is redacted from a provider's messages. A shorter text is no API key, and would
/// be found in the middle of words.
const SHORTEST_SECRET_BYTES: usize = 8;

/// Sends `request`, which is of `account`, and returns the head of the answer. `egress` reads an answer with an error status.
///
/// # Errors
/// `Connect` and `Broken` of the client, `Refused` for an error status, `Protocol` for a status that is neither that
/// nor 200, or for an answer in a content coding.
pub async fn ask(
    client: &Client,
    egress: &dyn Egress,
    account: &Account,
    request: Request<Slices>,
) -> Result<Response<Incoming>, UpstreamError> {
    let response = client.send(request, account.trust()).await?;
    if response.status() == StatusCode::OK {
        // No coding was asked for, so none is read: a small body may hold a large one.
        let coding = response.headers().get(CONTENT_ENCODING).map(HeaderValue::as_bytes);
        if coding.is_some_and(|coding| !coding.eq_ignore_ascii_case(b"identity")) {
            return Err(UpstreamError::Protocol("it has a content coding that was not asked for".to_owned()));
        }
        return Ok(response);
    }
    // A box, so that the future of a call has no room for what is done about a failure.
    Err(Box::pin(failure(egress, account, response)).await)
}

/// The error of an answer whose status is not 200.
async fn failure(egress: &dyn Egress, account: &Account, response: Response<Incoming>) -> UpstreamError {
    let (parts, body) = response.into_parts();
    if !parts.status.is_client_error() && !parts.status.is_server_error() {
        return UpstreamError::Protocol(format!("status {}", parts.status.as_u16()));
    }
    // The body explains the status. If it cannot be read, the status alone makes the error.
    let body = timeout(ERROR_TIME, collect(body, LARGEST_ERROR_BYTES, ERROR_TIME, |_| Ok(()))).await;
    let body = without_secret(body.ok().and_then(Result::ok).unwrap_or_default(), account.secret());
    let refused = egress.refused(parts.status.as_u16(), &parts.headers, &body);
    UpstreamError::Refused(Box::new(refused))
}

/// The first piece of a body; empty where it has none. `idle` is the longest time that may pass without a byte.
///
/// # Errors
/// `Timeout` after `idle` without a byte, `Broken` for a body that ended early.
pub async fn first_piece(body: &mut Incoming, idle: Duration) -> Result<Bytes, UpstreamError> {
    loop {
        let frame = timeout(idle, body.frame()).await.map_err(|_| UpstreamError::Timeout(idle))?;
        let Some(frame) = frame else { return Ok(Bytes::new()) };
        let frame = frame.map_err(|_| UpstreamError::Broken("in the middle of the answer".to_owned()))?;
        if let Ok(data) = frame.into_data()
            && !data.is_empty()
        {
            return Ok(data);
        }
    }
}

/// Reads a body in full. `idle` is the longest time that may pass without a byte. `hold` is told the number of bytes so
/// far, before they are kept.
///
/// # Errors
/// `Protocol` for a body of more than `cap_bytes`, `Timeout` after `idle` without a byte, `Broken` for a body that ended
/// early, and whatever `hold` refuses.
pub async fn collect(
    body: Incoming,
    cap_bytes: usize,
    idle: Duration,
    hold: impl FnMut(usize) -> Result<(), UpstreamError>,
) -> Result<Bytes, UpstreamError> {
    collect_rest(Bytes::new(), body, cap_bytes, idle, hold).await
}

/// As [`collect`], of a body of which `begun` has been read.
///
/// # Errors
/// As [`collect`].
pub async fn collect_rest(
    begun: Bytes,
    mut body: Incoming,
    cap_bytes: usize,
    idle: Duration,
    mut hold: impl FnMut(usize) -> Result<(), UpstreamError>,
) -> Result<Bytes, UpstreamError> {
    let announced = body.size_hint().upper().and_then(|bytes| usize::try_from(bytes).ok());
    let most = announced.map_or(cap_bytes, |bytes| bytes.saturating_add(begun.len())).min(cap_bytes);
    let mut gathered = Gathered::default();
    gathered.push(begun, most);
    loop {
        let frame = timeout(idle, body.frame()).await.map_err(|_| UpstreamError::Timeout(idle))?;
        let Some(frame) = frame else { break };
        let frame = frame.map_err(|_| UpstreamError::Broken("in the middle of the answer".to_owned()))?;
        let Ok(data) = frame.into_data() else { continue };
        let total = gathered.len() + data.len();
        if total > cap_bytes {
            return Err(UpstreamError::Protocol(format!("the answer is larger than {cap_bytes} bytes")));
        }
        hold(total)?;
        gathered.push(data, most);
    }
    Ok(gathered.into_bytes())
}

/// An error inside a stream, with the stored key redacted.
pub fn error_without_secret(mut error: UpstreamError, secret: &SecretString) -> UpstreamError {
    if let UpstreamError::Refused(refused) = &mut error {
        if let Some(message) = struck_out(&refused.message, secret) {
            refused.message = message;
        }
        if let Some(original) = &mut refused.original {
            original.body = without_secret(std::mem::take(&mut original.body), secret);
        }
    }
    error
}

/// The body of an error with the stored key redacted: some hosts quote the key, and their message goes to the caller
/// and the log.
fn without_secret(body: Bytes, secret: &SecretString) -> Bytes {
    match std::str::from_utf8(&body).ok().and_then(|text| struck_out(text, secret)) {
        Some(text) => Bytes::from(text),
        None => body,
    }
}

/// `text` with the secret redacted; `None` if `text` does not contain it.
fn struck_out(text: &str, secret: &SecretString) -> Option<String> {
    let secret = secret.expose_secret();
    (secret.len() >= SHORTEST_SECRET_BYTES && text.contains(secret)).then(|| text.replace(secret, "[key]"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::error::{Original, Refused, RefusedKind};

    #[test]
    fn a_key_that_a_provider_quotes_is_struck_out() {
        let secret = SecretString::from("sk-live-secret");
        let body = Bytes::from_static(b"wrong key: sk-live-secret");
        assert_eq!(without_secret(body, &secret), "wrong key: [key]");
        let message = "sk-live-secret is wrong".to_owned();
        let kind = RefusedKind::Invalid;
        let body = Bytes::from_static(b"wrong: sk-live-secret");
        let original = Some(Box::new(Original { body, ..Original::default() }));
        let refused = Refused {
            status: 400,
            kind,
            message,
            code: None,
            param: None,
            retry_after: None,
            should_retry: None,
            original,
        };
        let error = error_without_secret(UpstreamError::Refused(Box::new(refused)), &secret);
        assert_eq!(error.public_reason(), "400 [key] is wrong");
        let UpstreamError::Refused(refused) = error else { panic!("{error}") };
        assert_eq!(refused.original.unwrap().body, "wrong: [key]");
        assert_eq!(struck_out("a short one", &SecretString::from("short")), None);
    }
}
