//! Threads and connections: the control plane accepts and hands each socket to the worker with the fewest; a worker
//! serves its connections alone, on a single-threaded runtime with its own pool of upstream connections.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpStream as StdTcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::background::{baseline, refresh_prices, seed, upkeep};
use crate::server::idle_timeout::{Requests, TimedSocket};
use crate::service::{MOST_HEADER_BYTES, answer};
use crate::state::app::App;
use crate::state::worker::Worker;

pub(crate) mod idle_timeout;

/// Sockets handed to a worker and not yet taken up; past that the accept loop waits.
const HANDED_OVER: usize = 1024;

/// Why the server could not run.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// A thread could not be started.
    #[error("cannot start a worker thread")]
    Thread(#[from] std::io::Error),
    /// The day's counts could not be read.
    #[error("cannot read the day's request counts")]
    Store(#[from] tt_store::StoreError),
}

/// An accepted socket, its peer, and its place under `MAX_CONNECTIONS`.
struct Accepted {
    socket: StdTcpStream,
    peer: SocketAddr,
    permit: OwnedSemaphorePermit,
}

struct WorkerThread {
    hand_over: mpsc::Sender<Accepted>,
    open: Arc<AtomicUsize>,
    thread: JoinHandle<()>,
}

/// Serves `listener` until `stop`, then lets requests in flight end for the grace period. Runs on the control plane.
///
/// # Errors
/// When the day's counts cannot be read or a worker thread cannot be started; nothing has been accepted then.
pub async fn serve(app: Arc<App>, listener: TcpListener, stop: CancellationToken) -> Result<(), ServerError> {
    // Without the day's counts a restart would lift every daily limit.
    seed(&app).await?;
    let baseline = baseline(&app).await?;
    refresh_prices(&app).await;
    let mut workers = Vec::with_capacity(app.config.workers);
    for number in 0..app.config.workers.max(1) {
        workers.push(start_worker(number, Arc::clone(&app), stop.clone())?);
    }
    tokio::join!(hand_out(&app, &listener, &workers, &stop), upkeep(Arc::clone(&app), baseline, stop.clone()));
    drop(listener);
    let threads: Vec<_> = workers.into_iter().map(|worker| worker.thread).collect();
    let joined = tokio::task::spawn_blocking(move || threads.into_iter().filter_map(|t| t.join().err()).count()).await;
    if !matches!(joined, Ok(0)) {
        tracing::error!("a worker thread panicked");
    }
    Ok(())
}

/// Hands each socket to the worker with the fewest, until it is time to stop.
async fn hand_out(app: &App, listener: &TcpListener, workers: &[WorkerThread], stop: &CancellationToken) {
    let places = Arc::new(Semaphore::new(app.config.max_connections));
    while let Some(accepted) = accept(listener, &places, stop).await {
        let Some(worker) = workers.iter().min_by_key(|worker| worker.open.load(Ordering::Relaxed)) else { break };
        worker.open.fetch_add(1, Ordering::Relaxed);
        if worker.hand_over.send(accepted).await.is_err() {
            if !stop.is_cancelled() {
                tracing::error!("a worker thread has ended");
            }
            break;
        }
    }
    app.start_draining();
    stop.cancel();
}

/// The next socket; `None` once it is time to stop.
async fn accept(listener: &TcpListener, places: &Arc<Semaphore>, stop: &CancellationToken) -> Option<Accepted> {
    loop {
        let permit = tokio::select! {
            () = stop.cancelled() => return None,
            permit = Arc::clone(places).acquire_owned() => permit.ok()?,
        };
        let accepted = tokio::select! {
            () = stop.cancelled() => return None,
            accepted = listener.accept() => accepted,
        };
        match accepted.and_then(|(socket, peer)| {
            // Without it, chunks of a stream wait up to 40 ms for each other.
            socket.set_nodelay(true)?;
            Ok((socket.into_std()?, peer))
        }) {
            Ok((socket, peer)) => return Some(Accepted { socket, peer, permit }),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                // Out of file descriptors: others must end first.
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

fn start_worker(number: usize, app: Arc<App>, stop: CancellationToken) -> Result<WorkerThread, std::io::Error> {
    let client = tt_providers::Client::new(app.client_settings()).map_err(std::io::Error::other)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (hand_over, accepted) = mpsc::channel(HANDED_OVER);
    let open = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&open);
    let thread = std::thread::Builder::new()
        .name(format!("worker-{number}"))
        .spawn(move || runtime.block_on(work(number, app, client, accepted, counter, stop)))?;
    Ok(WorkerThread { hand_over, open, thread })
}

async fn work(
    number: usize,
    app: Arc<App>,
    client: tt_providers::Client,
    mut accepted: mpsc::Receiver<Accepted>,
    open: Arc<AtomicUsize>,
    stop: CancellationToken,
) {
    let worker = Arc::new(Worker {
        client,
        limits: app.limiter.worker().await,
        budgets: app.budget_accounts.counters().worker().await,
        ledger: app.ledger.worker(number),
    });
    let graceful = GracefulShutdown::new();
    let tasks = TaskTracker::new();
    let mut stopping = false;
    loop {
        let next = tokio::select! {
            // What has been handed over already is still served.
            () = stop.cancelled(), if !stopping => {
                stopping = true;
                accepted.close();
                continue;
            }
            next = accepted.recv() => next,
        };
        let Some(Accepted { socket, peer, permit }) = next else { break };
        let Ok(socket) = TcpStream::from_std(socket) else { continue };
        let (app, worker, open) = (Arc::clone(&app), Arc::clone(&worker), Leaving(Arc::clone(&open)));
        let watcher = graceful.watcher();
        tasks.spawn(async move {
            let _places = (permit, open);
            let (head, idle) = (app.config.client_header_timeout, app.config.client_idle_timeout);
            let requests = Requests::new();
            let socket = TimedSocket::new(socket, head, idle, requests.clone());
            let service = service_fn(move |request| {
                let (app, worker, answering) = (Arc::clone(&app), Arc::clone(&worker), requests.begin());
                async move {
                    let reply = answer(app, worker, peer.ip(), request).await;
                    Ok::<_, Infallible>(reply.map(|body| answering.until_end_of(body)))
                }
            });
            let connection = http1::Builder::new()
                // The socket has its own, which tells a slow head from an idle connection.
                .header_read_timeout(None)
                .max_buf_size(MOST_HEADER_BYTES)
                .serve_connection(TokioIo::new(socket), service);
            if let Err(error) = watcher.watch(connection).await {
                tracing::debug!(%error, "a connection ended early");
            }
        });
    }
    tasks.close();
    let grace = app.config.shutdown_grace;
    let drained = tokio::time::timeout(grace, async {
        graceful.shutdown().await;
        tasks.wait().await;
    });
    if drained.await.is_err() {
        tracing::warn!(connections = tasks.len(), "the grace period is over: connections are cut");
    }
    // Dropping the runtime drops what still runs; its guards settle on the way.
}

/// Counts a connection down when it ends, however it does.
struct Leaving(Arc<AtomicUsize>);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
