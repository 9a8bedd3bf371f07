//! A small HTTP client for black-box tests: JSON in and out, server-sent events with the time each took, and a raw
//! socket for bytes that no well-behaved client would send.
//!
//! It follows no redirects, retries nothing, and opens a connection per request unless told to keep them.

mod raw;
mod sse;
mod tls;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use self::raw::RawConnection;
pub use self::sse::{Event, EventStream};
pub use self::tls::{Protocol, Trust};

/// The time that any one answer may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// A client of one server.
#[derive(Debug, Clone)]
pub struct Client {
    base: String,
    headers: HeaderMap,
    pool: Pool<HttpsConnector<HttpConnector>, Full<Bytes>>,
    writes: Arc<AtomicUsize>,
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Response {
    /// The HTTP status of the answer.
    pub status: StatusCode,
    /// The headers of the answer.
    pub headers: HeaderMap,
    /// The whole body of the answer.
    pub body: Bytes,
}

/// A request that is being put together.
#[derive(Debug)]
#[must_use]
pub struct Call {
    client: Client,
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Client {
    /// A client of the server at `base` (`http://127.0.0.1:8080`), with a connection per request.
    pub fn new(base: impl Into<String>) -> Self {
        Self::with_idle(base, 0, None)
    }

    /// The same, keeping its connections for further requests.
    pub fn keeping_connections(base: impl Into<String>) -> Self {
        Self::with_idle(base, usize::MAX, None)
    }

    /// A client that speaks TLS to a server at `https://…`, and keeps its connections: over HTTP/2 requests share one.
    pub fn secure(base: impl Into<String>, trust: &Trust) -> Self {
        Self::with_idle(base, usize::MAX, Some(trust))
    }

    fn with_idle(base: impl Into<String>, idle: usize, trust: Option<&Trust>) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.enforce_http(false);
        let tls = trust.map_or_else(tls::nobody, Trust::config);
        let builder = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
        let connector = match trust.map(Trust::protocol) {
            Some(Protocol::Http2) => builder.enable_http2().wrap_connector(connector),
            Some(Protocol::Http1) | None => builder.enable_http1().wrap_connector(connector),
        };
        let pool = Pool::builder(TokioExecutor::new())
            .pool_max_idle_per_host(idle)
            .retry_canceled_requests(false)
            .build(connector);
        let base = base.into().trim_end_matches('/').to_owned();
        Self { base, headers: HeaderMap::new(), pool, writes: Arc::default() }
    }

    /// The same client without the headers that it sends on every request, such as its credential.
    #[must_use]
    pub fn anonymous(&self) -> Self {
        Self { headers: HeaderMap::new(), writes: Arc::default(), ..self.clone() }
    }

    /// The same client with this bearer token on every request.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// The same client with this header on every request.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        set(&mut self.headers, name, value);
        self
    }

    /// The address that requests go to.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The number of calls that may change something (all but `GET`) that this client and its clones have begun.
    pub fn writes(&self) -> usize {
        self.writes.load(Ordering::Relaxed)
    }

    /// A `GET` of this path.
    pub fn get(&self, path: &str) -> Call {
        self.call(Method::GET, path)
    }

    /// A `POST` to this path.
    pub fn post(&self, path: &str) -> Call {
        self.call(Method::POST, path)
    }

    /// A `PUT` to this path.
    pub fn put(&self, path: &str) -> Call {
        self.call(Method::PUT, path)
    }

    /// A `PATCH` of this path.
    pub fn patch(&self, path: &str) -> Call {
        self.call(Method::PATCH, path)
    }

    /// A `DELETE` of this path.
    pub fn delete(&self, path: &str) -> Call {
        self.call(Method::DELETE, path)
    }

    /// A call of this path with any method.
    pub fn call(&self, method: Method, path: &str) -> Call {
        self.writes.fetch_add(usize::from(method != Method::GET), Ordering::Relaxed);
        Call { client: self.clone(), method, path: path.to_owned(), headers: self.headers.clone(), body: Bytes::new() }
    }

    /// A raw connection to the server.
    pub async fn raw(&self) -> RawConnection {
        RawConnection::open(self.base.trim_start_matches("http://")).await
    }
}

impl Call {
    /// Sets a header, and replaces one of the same name.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        set(&mut self.headers, name, value);
        self
    }

    /// Sets a bearer token, and replaces the client's.
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// Sets a JSON body and its content type.
    pub fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json").body(body.to_string())
    }

    /// Sets any body. The caller sets the content type.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends it and reads the whole answer.
    ///
    /// # Panics
    /// If the connection fails or no whole answer comes within a minute. [`Self::try_send`] returns an error instead.
    pub async fn send(self) -> Response {
        let what = format!("{} {}", self.method, self.path);
        self.try_send().await.unwrap_or_else(|error| panic!("{what}: {error}"))
    }

    /// Sends it and reads the whole answer; the error says in a line how the connection failed.
    pub async fn try_send(self) -> Result<Response, String> {
        let answer = async {
            let (status, headers, mut body) = self.open().await?;
            let mut all = BytesMut::new();
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|error| format!("the body broke off after {} bytes: {error}", all.len()))?;
                if let Ok(data) = frame.into_data() {
                    all.extend_from_slice(&data);
                }
            }
            Ok(Response { status, headers, body: all.freeze() })
        };
        tokio::time::timeout(PATIENCE, answer).await.map_err(|_| format!("no whole answer within {PATIENCE:?}"))?
    }

    /// Sends it and reads the answer event by event. Dropping the stream closes the connection.
    ///
    /// # Panics
    /// If the connection fails before the headers of an answer.
    pub async fn stream(self) -> EventStream {
        let what = format!("{} {}", self.method, self.path);
        let sent = Instant::now();
        match tokio::time::timeout(PATIENCE, self.open()).await {
            Ok(Ok((status, headers, body))) => EventStream::new(status, headers, body, sent),
            Ok(Err(error)) => panic!("{what}: {error}"),
            Err(_) => panic!("{what}: no answer within {PATIENCE:?}"),
        }
    }

    async fn open(self) -> Result<(StatusCode, HeaderMap, Incoming), String> {
        let mut request = Request::new(Full::new(self.body));
        *request.method_mut() = self.method;
        let uri = format!("{}{}", self.client.base, self.path);
        *request.uri_mut() = uri.parse().map_err(|error| format!("{uri} is no address: {error}"))?;
        *request.headers_mut() = self.headers;
        let response = self.client.pool.request(request).await.map_err(|error| tt_core::Causes(&error).to_string())?;
        let (parts, body) = response.into_parts();
        Ok((parts.status, parts.headers, body))
    }
}

impl Response {
    /// The body as JSON.
    ///
    /// # Panics
    /// If the body is not JSON.
    pub fn json(&self) -> Value {
        self.parse()
    }

    /// The body as JSON of a known shape.
    ///
    /// # Panics
    /// If the body has another shape.
    pub fn parse<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| {
            panic!("{}: the body is not the JSON expected: {error}: {}", self.status, self.text())
        })
    }

    /// The body as text, with replacement characters where it is no UTF-8.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The text of a header, if the answer has it.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The whole number in a header.
    ///
    /// # Panics
    /// If the header is missing, or is not a whole number.
    #[track_caller]
    pub fn number(&self, name: &str) -> u64 {
        let text = self.header(name).unwrap_or_else(|| panic!("no {name}: {:?}", self.headers));
        text.parse().unwrap_or_else(|_| panic!("{name}: {text}"))
    }

    /// The code in the body of an error, or an empty text.
    ///
    /// # Panics
    /// If the body is not JSON.
    pub fn error_code(&self) -> String {
        error_code(&self.json()).to_owned()
    }

    /// Returns the answer if it has the expected status.
    ///
    /// # Panics
    /// If the status is another. The message holds the body.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert!(self.status == status, "expected {status}, got {}: {}", self.status, self.text());
        self
    }
}

fn set(headers: &mut HeaderMap, name: &str, value: &str) {
    match (HeaderName::try_from(name), HeaderValue::try_from(value)) {
        (Ok(name), Ok(value)) => drop(headers.insert(name, value)),
        _ => panic!("no header: {name}: {value}"),
    }
}

/// The code in the body of an error, or an empty text.
pub(crate) fn error_code(body: &Value) -> &str {
    body["error"]["code"].as_str().unwrap_or_default()
}
