//! Sends one body to a webhook. The address is the choice of a user, so it is called by the rules for those: a public host
//! over TLS, checked at each connection, unless the operator allows others. A redirect is an answer like any other that is
//! not 2xx, and is not followed.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use secrecy::SecretString;
use tokio::time::timeout;
use tt_core::{Causes, DeliveryId, Timestamp, WebhookUrl};
use tt_crypto::webhook::sign;
use tt_providers::{Client, Slices, Trust, UpstreamError};

/// The time for the whole exchange.
pub(crate) const TIME: Duration = Duration::from_secs(10);

/// The bytes of an answer that are read, so that its connection can be used again. They are not kept.
const MOST_READ: usize = 4 * 1024;

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
const EVENT: HeaderName = HeaderName::from_static("x-tokentracer-event");
const DELIVERY: HeaderName = HeaderName::from_static("x-tokentracer-delivery");
const AGENT: HeaderValue = HeaderValue::from_static(concat!("tokentracer/", env!("CARGO_PKG_VERSION")));

/// A body to send.
pub(crate) struct Message<'a> {
    pub(crate) url: &'a WebhookUrl,
    pub(crate) secret: &'a SecretString,
    /// The id of the alert, the same at each attempt.
    pub(crate) event_id: &'a str,
    pub(crate) event: &'a str,
    /// `None` for a test.
    pub(crate) delivery: Option<DeliveryId>,
    pub(crate) body: Bytes,
}

/// The answer of a receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The status; `None` when there was none.
    pub(crate) status: Option<u16>,
    /// The failure in words; `None`: the receiver took the body.
    pub(crate) error: Option<String>,
}

impl Answer {
    pub(crate) fn failed(error: impl Into<String>) -> Self {
        Self { status: None, error: Some(error.into()) }
    }
}

/// Sends `message`, signed at the time `at`. `allow_private` as in the client's settings.
pub(crate) async fn send(client: &Client, message: &Message<'_>, at: Timestamp, allow_private: bool) -> Answer {
    if !message.url.is_https() && !allow_private {
        return Answer::failed("the address does not begin with https://");
    }
    let request = match request(message, at) {
        Ok(request) => request,
        Err(why) => return Answer::failed(why),
    };
    let exchange = async {
        let response = client.send(request, Trust::User).await?;
        let status = response.status();
        read_some(response.into_body()).await;
        Ok::<_, UpstreamError>(status)
    };
    match timeout(TIME, exchange).await {
        Ok(Ok(status)) if status.is_success() => Answer { status: Some(status.as_u16()), error: None },
        Ok(Ok(status)) => Answer { status: Some(status.as_u16()), error: Some(refusal(status)) },
        Ok(Err(error)) => {
            // The reason within may tell apart the hosts of an inner network, so its owner is not told.
            tracing::debug!(error = %Causes(&error), "a webhook could not be called");
            Answer::failed(error.public_reason())
        }
        Err(_) => Answer::failed(UpstreamError::Timeout(TIME).to_string()),
    }
}

fn refusal(status: StatusCode) -> String {
    let code = status.as_u16();
    if status.is_redirection() {
        format!("it answered {code}, and redirects are not followed")
    } else {
        format!("it answered {code}")
    }
}

fn request(message: &Message<'_>, at: Timestamp) -> Result<Request<Slices>, String> {
    let seconds = at.millis().div_euclid(1000);
    let signature = sign(message.secret, message.event_id, seconds, &message.body)
        .map_err(|_| "the stored secret is none; rotate it".to_owned())?;
    let value = |text: String| HeaderValue::try_from(text).map_err(|error| error.to_string());
    let mut request = Request::post(message.url.as_str())
        .body(Slices::from(message.body.clone()))
        .map_err(|_| "the address is none".to_owned())?;
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(USER_AGENT, AGENT);
    headers.insert(ID, value(message.event_id.to_owned())?);
    headers.insert(TIMESTAMP, HeaderValue::from(seconds));
    headers.insert(SIGNATURE, value(signature)?);
    headers.insert(EVENT, value(message.event.to_owned())?);
    if let Some(delivery) = message.delivery {
        headers.insert(DELIVERY, HeaderValue::from(delivery.0));
    }
    Ok(request)
}

/// Reads the beginning of an answer. If there is more, the connection is closed.
async fn read_some(mut body: Incoming) {
    let mut read = 0;
    while read < MOST_READ {
        match body.frame().await {
            Some(Ok(frame)) => read += frame.data_ref().map_or(0, Bytes::len),
            Some(Err(_)) | None => break,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message<'a>(url: &'a WebhookUrl, secret: &'a SecretString) -> Message<'a> {
        Message {
            url,
            secret,
            event_id: "evt_1",
            event: "budget.threshold",
            delivery: Some(DeliveryId(7)),
            body: Bytes::from_static(b"{}"),
        }
    }

    #[test]
    fn a_request_is_signed_and_says_what_it_is() {
        let url = WebhookUrl::try_from("https://hooks.example/a?b=c".to_owned()).unwrap();
        let secret = SecretString::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let request = request(&message(&url, &secret), Timestamp::from_millis(1_614_265_330_999)).unwrap();
        assert_eq!((request.method().as_str(), request.uri().to_string().as_str()), ("POST", url.as_str()));
        let headers = request.headers();
        for (name, value) in [
            ("content-type", "application/json"),
            ("webhook-id", "evt_1"),
            ("webhook-timestamp", "1614265330"),
            ("x-tokentracer-event", "budget.threshold"),
            ("x-tokentracer-delivery", "7"),
        ] {
            assert_eq!(headers[name], value, "{name}");
        }
        let signature = sign(&secret, "evt_1", 1_614_265_330, b"{}").unwrap();
        assert_eq!(headers["webhook-signature"], signature.as_str());
    }

    #[tokio::test]
    async fn neither_a_private_address_nor_one_without_tls_is_called() {
        let resolver = tt_providers::upstream::resolver::Resolver::system(tokio::runtime::Handle::current());
        let settings = tt_providers::ClientSettings {
            resolver,
            connect_timeout: Duration::from_secs(5),
            allow_private_upstreams: false,
            authorities: std::sync::Arc::new(rustls::RootCertStore::empty()),
        };
        let client = Client::new(settings).unwrap();
        let secret = tt_crypto::webhook::new_secret().unwrap();
        for (address, error) in [
            ("https://127.0.0.1:1/x", "cannot connect"),
            ("https://localhost:1/x", "cannot connect"),
            ("http://8.8.8.8/x", "the address does not begin with https://"),
        ] {
            let url = WebhookUrl::try_from(address.to_owned()).unwrap();
            let answer = send(&client, &message(&url, &secret), Timestamp::from_millis(0), false).await;
            assert_eq!(answer, Answer::failed(error), "{address}");
        }
    }
}
