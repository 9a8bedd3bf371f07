//! A load balancer in front of several processes, as an operator has one: it asks each for `/health/ready` and hands new
//! connections to those that say yes, in turn. It passes bytes on and knows nothing of the requests in them.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::workers::{Serve, Workers};

/// The time between two questions to one process.
const EVERY: Duration = Duration::from_millis(50);
/// The time within which a process must answer that it is ready.
const ANSWERED_WITHIN: Duration = Duration::from_secs(2);
/// The time for which a connection waits for a process that is ready.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running balancer. Dropping it ends its connections.
#[derive(Debug)]
pub struct Balancer {
    workers: Workers,
    backends: Arc<Backends>,
}

/// The processes behind it.
#[derive(Debug)]
struct Backends {
    all: Vec<Mutex<Backend>>,
    turn: AtomicUsize,
}

#[derive(Debug, Clone)]
struct Backend {
    /// `host:port`.
    address: String,
    ready: bool,
}

impl Balancer {
    /// Serves on a free port of this machine, in front of the processes at these addresses (`host:port`).
    pub fn start(addresses: impl IntoIterator<Item = String>) -> io::Result<Self> {
        let all = addresses.into_iter().map(|address| Mutex::new(Backend { address, ready: false })).collect();
        let backends = Arc::new(Backends { all, turn: AtomicUsize::new(0) });
        let shared = Arc::clone(&backends);
        let make = move || {
            let mut checks = JoinSet::new();
            for number in 0..shared.all.len() {
                let backends = Arc::clone(&shared);
                checks.spawn(async move { backends.check(number).await });
            }
            Worker { backends: Arc::clone(&shared), _checks: checks }
        };
        Ok(Self { workers: Workers::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), 1, make)?, backends })
    }

    /// The address that clients call, as a URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.workers.address())
    }

    /// The process of this number is at another address now. It gets connections once it says that it is ready.
    pub fn moved(&self, number: usize, address: &str) {
        self.backends.change(number, |backend| *backend = Backend { address: address.to_owned(), ready: false });
    }

    /// True if the process of this number gets connections.
    pub fn is_ready(&self, number: usize) -> bool {
        self.backends.get(number).is_some_and(|backend| backend.ready)
    }
}

impl Backends {
    fn get(&self, number: usize) -> Option<Backend> {
        let backend = self.all.get(number)?;
        Some(backend.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    fn change(&self, number: usize, change: impl FnOnce(&mut Backend)) {
        if let Some(backend) = self.all.get(number) {
            change(&mut backend.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Asks one process again and again whether it is ready.
    async fn check(&self, number: usize) {
        while let Some(Backend { address, .. }) = self.get(number) {
            let says = tokio::time::timeout(ANSWERED_WITHIN, says_ready(&address)).await;
            self.change(number, |backend| {
                if backend.address == address {
                    backend.ready = says.is_ok_and(|ready| ready.unwrap_or(false));
                }
            });
            tokio::time::sleep(EVERY).await;
        }
    }

    /// A connection to the next process that is ready; `None` if none is for too long.
    async fn connect(&self) -> Option<TcpStream> {
        let until = Instant::now() + PATIENCE;
        loop {
            for _ in 0..self.all.len() {
                let number = self.turn.fetch_add(1, Ordering::Relaxed) % self.all.len();
                let Some(backend) = self.get(number).filter(|backend| backend.ready) else { continue };
                if let Ok(socket) = TcpStream::connect(&backend.address).await {
                    return Some(socket);
                }
            }
            if Instant::now() > until {
                return None;
            }
            tokio::time::sleep(EVERY).await;
        }
    }
}

async fn says_ready(address: &str) -> io::Result<bool> {
    let mut socket = TcpStream::connect(address).await?;
    let question = format!("GET /health/ready HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    socket.write_all(question.as_bytes()).await?;
    let mut status = [0; 12];
    socket.read_exact(&mut status).await?;
    Ok(status == *b"HTTP/1.1 200")
}

struct Worker {
    backends: Arc<Backends>,
    /// They end with the worker.
    _checks: JoinSet<()>,
}

impl Serve for Worker {
    fn serve(&self, mut client: TcpStream) -> impl Future<Output = ()> + Send + 'static {
        let backends = Arc::clone(&self.backends);
        async move {
            let Some(mut process) = backends.connect().await else { return };
            // Without it, small writes wait for the peer's delayed acknowledgement.
            let _ = process.set_nodelay(true);
            // Either side may break off: the other then sees its end.
            let _ = tokio::io::copy_bidirectional(&mut client, &mut process).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::eventually;
    use crate::{Client, MockUpstream};

    /// The mock answers `/health/ready` as any path that it does not know, with 404: it is not ready.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_process_that_is_not_ready_gets_no_connection() {
        let mock = MockUpstream::start();
        let balancer = Balancer::start([mock.address().to_string()]).unwrap();
        tokio::time::timeout(4 * EVERY, async {
            while !balancer.is_ready(0) {
                tokio::task::yield_now().await
            }
        })
        .await
        .unwrap_err();
        let sent = mock.requests().len();
        let client = Client::new(balancer.url());
        let asked = tokio::time::timeout(4 * EVERY, client.get("/v1/models").try_send()).await;
        assert!(asked.is_err(), "it was passed on");
        assert!(mock.requests()[sent..].iter().all(|seen| seen.path == "/health/ready"));
        balancer.moved(0, "127.0.0.1:1");
        eventually("it is not asked any more", async || {
            let before = mock.requests().len();
            tokio::time::sleep(3 * EVERY).await;
            mock.requests().len() == before
        })
        .await;
    }
}
