//! The HTTP client that calls providers: pooled HTTP/1.1 connections over TLS, one client for each worker thread.
//!
//! It does not use HTTP/2: a worker would share one connection, and the provider limits the streams on it.

use std::error::Error as StdError;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tower_service::Service;

use crate::slices::Slices;
use crate::upstream::address::{AddressError, is_public, literal};
use crate::upstream::error::{UpstreamError, cut};
use crate::upstream::resolver::Resolver;
use crate::upstream::trust::Trust;

/// The time after which an idle connection is closed. Load balancers usually close theirs after 60 s, which would break
/// a request that is just being sent.
const IDLE: Duration = Duration::from_secs(50);

/// The most bytes of an answer that are read at a time. A stream works through as many at once, which must not take a
/// worker thread long, and a connection holds as many.
const READ_BYTES: usize = 64 * 1024;

/// Settings of a client's connections.
#[derive(Debug, Clone)]
pub struct ClientSettings {
    /// Looks up the hosts' names. It is shared with other clients.
    pub resolver: Resolver,
    /// The time limit for a new connection: name lookup, TCP and TLS together.
    pub connect_timeout: Duration,
    /// True if users may choose private addresses (`ALLOW_PRIVATE_UPSTREAMS`).
    pub allow_private_upstreams: bool,
    /// The authorities that certificates of servers must lead to.
    pub authorities: Arc<RootCertStore>,
}

/// Calls providers. Clones share the connection pools. A connection runs on the runtime that opened it, so each worker
/// needs a client of its own.
#[derive(Debug, Clone)]
pub struct Client {
    operator: Pool,
    /// A separate pool for addresses that users chose, so that their requests never reuse a connection whose address
    /// was not checked.
    users: Pool,
}

type Pool = legacy::Client<Connector, Slices>;

impl Client {
    /// A client without connections.
    ///
    /// # Errors
    /// The error of the TLS library if it refuses its own defaults, which only a broken build does.
    pub fn new(settings: ClientSettings) -> Result<Self, rustls::Error> {
        Ok(Self { operator: pool(&settings, Trust::Operator)?, users: pool(&settings, Trust::User)? })
    }

    /// Sends a request and waits for the head of the answer. Only connecting has a deadline; the caller sets the one
    /// for the answer.
    ///
    /// # Errors
    /// `Connect` when nothing was sent; `Broken` when the connection broke or was no HTTP after that.
    pub async fn send(&self, request: Request<Slices>, trust: Trust) -> Result<Response<Incoming>, UpstreamError> {
        let pool = match trust {
            Trust::Operator => &self.operator,
            Trust::User => &self.users,
        };
        pool.request(request).await.map_err(failed)
    }
}

fn pool(settings: &ClientSettings, trust: Trust) -> Result<Pool, rustls::Error> {
    let guarded = trust == Trust::User && !settings.allow_private_upstreams;
    let hosts = Hosts { resolver: settings.resolver.clone(), trust, guarded };
    let mut http = HttpConnector::new_with_resolver(hosts);
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_keepalive(Some(Duration::from_secs(60)));
    let tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(Arc::clone(&settings.authorities))
        .with_no_client_auth();
    let https = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(http);
    let connector = Connector { https, guarded, timeout: settings.connect_timeout };
    Ok(legacy::Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .http1_max_buf_size(READ_BYTES)
        .build(connector))
}

/// The error for a failed request: `Connect` where nothing was sent, else `Broken`.
fn failed(error: legacy::Error) -> UpstreamError {
    let unsent = |error: &legacy::Error| {
        let mut source = error.source();
        while let Some(inner) = source {
            if let Some(inner) = inner.downcast_ref::<hyper::Error>() {
                return inner.is_canceled();
            }
            source = inner.source();
        }
        false
    };
    if error.is_connect() || unsent(&error) {
        return UpstreamError::Connect(Box::new(error));
    }
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        words = inner.to_string();
        source = inner.source();
    }
    UpstreamError::Broken(cut(&words))
}

/// Opens connections within the deadline. A guarded connector refuses addresses that are not public.
#[derive(Clone)]
struct Connector {
    https: HttpsConnector<HttpConnector<Hosts>>,
    guarded: bool,
    timeout: Duration,
}

type BoxError = Box<dyn StdError + Send + Sync>;

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.https.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        // A host that is an address does not go through the resolver, so it is checked here.
        let forbidden = self.guarded && uri.host().and_then(literal).is_some_and(|ip| !is_public(ip));
        if forbidden {
            return Box::pin(std::future::ready(Err(AddressError::NotPublic.into())));
        }
        let connecting = tokio::time::timeout(self.timeout, self.https.call(uri));
        Box::pin(async move { connecting.await? })
    }
}

/// The resolver of one pool. A guarded one refuses a name if any of its addresses is not public.
#[derive(Clone)]
struct Hosts {
    resolver: Resolver,
    trust: Trust,
    guarded: bool,
}

impl Service<Name> for Hosts {
    type Response = std::vec::IntoIter<std::net::SocketAddr>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let Self { resolver, trust, guarded } = self.clone();
        Box::pin(async move {
            let found = resolver.addresses(name.as_str(), trust).await?;
            if guarded && found.iter().any(|address| !is_public(address.ip())) {
                return Err(AddressError::NotPublic.into());
            }
            Ok(found.into_iter())
        })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http_body_util::{BodyExt, Limited};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::runtime::Handle;

    use super::*;

    fn client(allow_private_upstreams: bool) -> Client {
        client_with(Resolver::system(Handle::current()), Duration::from_secs(5), allow_private_upstreams)
    }

    fn client_with(resolver: Resolver, connect_timeout: Duration, allow_private_upstreams: bool) -> Client {
        let authorities = Arc::new(RootCertStore::empty());
        Client::new(ClientSettings { resolver, connect_timeout, allow_private_upstreams, authorities }).unwrap()
    }

    fn get(address: &str) -> Request<Slices> {
        Request::get(address).body(Slices::default()).unwrap()
    }

    fn chain(error: &dyn StdError) -> String {
        let mut words = error.to_string();
        let mut source = error.source();
        while let Some(inner) = source {
            words = format!("{words}: {inner}");
            source = inner.source();
        }
        words
    }

    /// Takes one request of `len` bytes, answers with `reply` and hangs up; yields the bytes of the request.
    async fn serve(listener: TcpListener, until: &'static [u8], reply: &'static [u8]) -> Vec<u8> {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut seen = Vec::new();
        while !seen.ends_with(until) {
            assert!(socket.read_buf(&mut seen).await.unwrap() > 0, "hung up early");
        }
        socket.write_all(reply).await.unwrap();
        seen
    }

    #[tokio::test]
    async fn slices_arrive_as_one_body_of_known_length() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/x", listener.local_addr().unwrap());
        let body = Slices::new([Bytes::from_static(b"ab"), Bytes::from_static(b"cd")]);
        let request = Request::post(address).body(body).unwrap();
        let client = client(false);
        let (seen, answer) = tokio::join!(
            serve(listener, b"abcd", b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"),
            client.send(request, Trust::Operator)
        );
        let seen = String::from_utf8(seen).unwrap();
        assert!(seen.contains("content-length: 4\r\n") && !seen.contains("transfer-encoding"), "{seen}");
        let body = Limited::new(answer.unwrap().into_body(), 99).frame().await.unwrap().unwrap();
        assert_eq!(body.into_data().unwrap(), "ok");
    }

    #[tokio::test]
    async fn a_users_private_address_is_refused_before_connecting() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        for host in ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "2130706433"] {
            let error = client(false).send(get(&format!("http://{host}:{port}/")), Trust::User).await.unwrap_err();
            assert!(matches!(&error, UpstreamError::Connect(_)), "{host}: {error:?}");
            // The odd spelling is an address only to some resolvers.
            assert!(host == "2130706433" || chain(&error).contains("no public address"), "{}", chain(&error));
        }
        let refused = tokio::time::timeout(Duration::from_millis(1), listener.accept()).await;
        assert!(refused.is_err(), "a connection was made");
    }

    #[tokio::test]
    async fn the_operator_may_allow_private_addresses() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://localhost:{}/", listener.local_addr().unwrap().port());
        let client = client(true);
        let (_, answer) = tokio::join!(
            serve(listener, b"\r\n\r\n", b"HTTP/1.1 204 No Content\r\n\r\n"),
            client.send(get(&address), Trust::User)
        );
        assert_eq!(answer.unwrap().status(), 204);
    }

    #[tokio::test]
    async fn failures_before_and_after_sending_are_told_apart() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/", listener.local_addr().unwrap());
        let client = client(false);
        let (_, answer) = tokio::join!(serve(listener, b"\r\n\r\n", b""), client.send(get(&address), Trust::Operator));
        assert!(matches!(answer, Err(UpstreamError::Broken(_))), "{answer:?}");
        // The listener is closed: a connection to its address is refused.
        let answer = client.send(get(&address), Trust::Operator).await;
        assert!(matches!(answer, Err(UpstreamError::Connect(_))), "{answer:?}");
    }

    #[tokio::test]
    async fn a_silent_handshake_ends_at_the_connect_timeout() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("https://{}/", listener.local_addr().unwrap());
        let client = client_with(Resolver::system(Handle::current()), Duration::from_millis(50), false);
        let error = client.send(get(&address), Trust::Operator).await.unwrap_err();
        assert!(matches!(&error, UpstreamError::Connect(_)), "{error:?}");
        assert!(chain(&error).contains("elapsed"), "{}", chain(&error));
    }

    #[tokio::test]
    async fn a_name_that_is_not_resolved_in_time_is_no_connection() {
        let (never, gate) = std::sync::mpsc::channel::<()>();
        let gate = std::sync::Mutex::new(gate);
        let hanging = Resolver::by(Handle::current(), move |_| {
            let _ended = gate.lock().map(|gate| gate.recv());
            Ok(Vec::new())
        });
        let client = client_with(hanging, Duration::from_millis(50), false);
        for trust in [Trust::Operator, Trust::User] {
            let error = client.send(get("http://slow.example/"), trust).await.unwrap_err();
            assert!(matches!(&error, UpstreamError::Connect(_)), "{error:?}");
            assert!(chain(&error).contains("elapsed"), "{}", chain(&error));
        }
        drop(never);
    }

    #[tokio::test]
    async fn a_users_name_is_refused_if_any_of_its_addresses_is_private() {
        let mixed = Resolver::by(Handle::current(), |_| Ok(vec![[8, 8, 8, 8].into(), [10, 0, 0, 1].into()]));
        let client = client_with(mixed, Duration::from_secs(5), false);
        let error = client.send(get("http://mixed.example/"), Trust::User).await.unwrap_err();
        assert!(chain(&error).contains("no public address"), "{}", chain(&error));
    }

    #[tokio::test]
    async fn a_call_may_move_between_threads() {
        fn is_send<T: Send>(_: &T) {}
        is_send(&client(false).send(get("http://localhost/"), Trust::User));
    }
}
