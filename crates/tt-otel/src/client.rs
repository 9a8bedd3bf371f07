//! The HTTP client of the exporters.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use opentelemetry_http::{HttpClient, HttpError};
use rustls::{ClientConfig, RootCertStore};
use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;

use crate::reachable::Reachable;

/// The most bytes of an answer that are read: it says at most which records were refused.
const LARGEST_ANSWER: usize = 64 * 1024;

/// The time after which an idle connection is closed.
const IDLE: Duration = Duration::from_secs(50);

type Pool = legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Posts to one receiver, which is the operator's own and may have any address. It follows no redirect.
#[derive(Debug)]
pub(crate) struct Client {
    pool: Pool,
    /// The runtime that connections run on: exporters call from threads of their own.
    runtime: Handle,
    timeout: Duration,
    reachable: Arc<Reachable>,
}

impl Client {
    /// A client without connections. Certificates must lead to one of `authorities`.
    ///
    /// # Errors
    /// The error of the TLS library if it refuses its own defaults, which only a broken build does.
    pub(crate) fn new(
        runtime: Handle,
        timeout: Duration,
        reachable: Arc<Reachable>,
        authorities: Arc<RootCertStore>,
    ) -> Result<Self, rustls::Error> {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        let tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(authorities)
            .with_no_client_auth();
        let https =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(http);
        let pool = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(1)
            .build(https);
        Ok(Self { pool, runtime, timeout, reachable })
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (pool, limit) = (self.pool.clone(), self.timeout);
        let post = async move { tokio::time::timeout(limit, post(pool, request)).await };
        // The task ends with this future.
        let posted = AbortOnDropHandle::new(self.runtime.spawn(post)).await;
        let answer = match posted {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(format!("no answer within {limit:?}").into()),
            Err(error) => Err(error.into()),
        };
        match &answer {
            Ok(answer) if answer.status().is_success() => self.reachable.delivered(),
            Ok(answer) => self.reachable.failed(&format!("status {}", answer.status().as_u16())),
            Err(error) => self.reachable.failed(&root(&**error)),
        }
        answer
    }
}

/// The first cause of an error, which names what is wrong.
fn root(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

async fn post(pool: Pool, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
    let (parts, body) = pool.request(request.map(Full::new)).await?.into_parts();
    Ok(Response::from_parts(parts, read(body).await?))
}

/// Reads the beginning of an answer; a connection whose answer is longer is not used again.
async fn read(mut body: Incoming) -> Result<Bytes, HttpError> {
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        if all.len() + data.len() > LARGEST_ANSWER {
            break;
        }
        all.extend_from_slice(&data);
    }
    Ok(all.freeze())
}
