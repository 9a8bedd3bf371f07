//! A proxy that does the least possible, built as the product is: a current-thread runtime and an upstream pool per
//! core (or one pool for all), an accept thread that hands out sockets. It passes requests on and does nothing else; benchmarks are measured
//! against it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::uri::Authority;
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::workers::{Serve, Workers};

/// The connections to the upstream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Pool {
    /// Each worker has its own.
    #[default]
    OfEachWorker,
    /// All workers share them.
    Shared,
}

/// A running bare proxy. Dropping it ends its connections.
#[derive(Debug)]
pub struct BareProxy {
    workers: Workers,
}

impl BareProxy {
    /// Serves on `address` with `threads` workers and passes everything to `upstream` (`host:port`).
    pub fn start(address: SocketAddr, threads: usize, upstream: Authority, pool: Pool) -> io::Result<Self> {
        let shared = (pool == Pool::Shared).then(client);
        let make = move || {
            let client = shared.clone().unwrap_or_else(client);
            Worker { passing: Arc::new(Passing { client, upstream: upstream.clone() }) }
        };
        Ok(Self { workers: Workers::start(address, threads, make)? })
    }

    /// The bound address.
    pub const fn address(&self) -> SocketAddr {
        self.workers.address()
    }

    /// Serves until the process ends.
    pub fn serve_forever(self) {
        self.workers.join();
    }
}

fn client() -> Client<HttpConnector, Incoming> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new()).build(connector)
}

struct Worker {
    passing: Arc<Passing>,
}

struct Passing {
    client: Client<HttpConnector, Incoming>,
    upstream: Authority,
}

type Reply = Response<Either<Incoming, Full<Bytes>>>;

impl Serve for Worker {
    fn serve(&self, socket: TcpStream) -> impl Future<Output = ()> + Send + 'static {
        let passing = Arc::clone(&self.passing);
        async move {
            let service = service_fn(move |request| pass(Arc::clone(&passing), request));
            // An error is one of the two peers leaving.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
        }
    }
}

async fn pass(passing: Arc<Passing>, mut request: Request<Incoming>) -> Result<Reply, std::convert::Infallible> {
    let mut uri = std::mem::take(request.uri_mut()).into_parts();
    uri.scheme = Some(http::uri::Scheme::HTTP);
    uri.authority = Some(passing.upstream.clone());
    let Ok(uri) = Uri::from_parts(uri) else { return Ok(bare(StatusCode::BAD_REQUEST)) };
    *request.uri_mut() = uri;
    request.headers_mut().remove(http::header::HOST);
    match passing.client.request(request).await {
        Ok(response) => Ok(response.map(Either::Left)),
        Err(_) => Ok(bare(StatusCode::BAD_GATEWAY)),
    }
}

fn bare(status: StatusCode) -> Reply {
    let mut response = Response::new(Either::Right(Full::default()));
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Client, MockUpstream};

    #[tokio::test]
    async fn an_answer_passes_unchanged() {
        for pool in [Pool::OfEachWorker, Pool::Shared] {
            let mock = MockUpstream::start();
            let upstream = mock.address().to_string().parse().unwrap();
            let proxy = BareProxy::start("127.0.0.1:0".parse().unwrap(), 2, upstream, pool).unwrap();
            let client = Client::new(format!("http://{}", proxy.address()));
            let answer = client.get("/v1/models").bearer("sk-mock").send().await.expect(200);
            assert_eq!(answer.json().pointer("/data/0/id").unwrap(), "gpt-4o");
            assert_eq!(mock.lists().len(), 1);
        }
    }

    #[tokio::test]
    async fn an_upstream_that_is_away_is_502() {
        let gone = MockUpstream::start();
        let upstream = gone.address().to_string().parse().unwrap();
        drop(gone);
        let proxy = BareProxy::start("127.0.0.1:0".parse().unwrap(), 1, upstream, Pool::OfEachWorker).unwrap();
        Client::new(format!("http://{}", proxy.address())).get("/").send().await.expect(502);
    }
}
