//! A worker: one thread with a single-threaded runtime, which serves its connections alone and has pools of upstream
//! connections of its own.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::server::connection::{self, Accepted};
use crate::server::entrance::{Connections, Entrance, entrance};
use crate::server::h2::Serving;
use crate::state::app::App;
use crate::state::worker::Worker;
use crate::state::worker_load::WorkerLoad;

/// A running worker, as the acceptor sees it.
pub(super) struct WorkerThread {
    pub(super) entrance: Entrance<Accepted>,
    pub(super) load: Arc<WorkerLoad>,
    thread: JoinHandle<()>,
}

impl WorkerThread {
    /// Starts worker `number`. From `stop` on it takes up no new connection, and ends after the grace period at the
    /// latest.
    ///
    /// # Errors
    /// When its runtime, its thread or its client for providers cannot be made.
    pub(super) fn start(number: usize, app: Arc<App>, stop: CancellationToken) -> io::Result<Self> {
        let client = tt_providers::Client::new(app.client_settings()).map_err(io::Error::other)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (entrance, accepted, connections) = entrance();
        let load = Arc::new(WorkerLoad::new());
        let own_load = Arc::clone(&load);
        let thread = std::thread::Builder::new().name(format!("worker-{number}")).spawn(move || {
            runtime.block_on(async {
                let worker = Worker {
                    client,
                    limits: app.limiter.worker().await,
                    budgets: app.budget_accounts.counters().worker().await,
                    ledger: app.ledger.worker(number),
                    load: own_load,
                };
                serve(app, Arc::new(worker), accepted, connections, stop).await;
            });
            // Dropping the runtime drops the requests that still run, and their guards settle them.
        })?;
        Ok(Self { entrance, load, thread })
    }

    /// The thread, which ends after its stop and the grace period.
    pub(super) fn into_thread(self) -> JoinHandle<()> {
        self.thread
    }
}

/// Serves connections until `stop`, then lets requests in flight end for the grace period.
async fn serve(
    app: Arc<App>,
    worker: Arc<Worker>,
    mut accepted: mpsc::Receiver<Accepted>,
    connections: Connections,
    stop: CancellationToken,
) {
    let graceful = GracefulShutdown::new();
    let tasks = TaskTracker::new();
    // It ends with the worker's runtime.
    let (load, most_lag) = (Arc::clone(&worker.load), app.config.max_worker_lag);
    TaskTracker::new().spawn(async move { load.watch(most_lag).await });
    let mut stopping = false;
    loop {
        let next = tokio::select! {
            // Connections that have been handed over already are still served.
            () = stop.cancelled(), if !stopping => {
                stopping = true;
                accepted.close();
                continue;
            }
            next = accepted.recv() => next,
        };
        let Some(Accepted { socket, peer, place }) = next else { break };
        let taken = connections.taken();
        let Ok(socket) = TcpStream::from_std(socket) else { continue };
        let (stop, streams) = (stop.clone(), tasks.clone());
        let serving =
            Serving { app: Arc::clone(&app), worker: Arc::clone(&worker), peer: peer.ip(), stop, tasks: streams };
        let served = connection::serve(serving, socket, graceful.watcher());
        tasks.spawn(async move {
            let _until_its_end = (place, taken);
            served.await;
        });
    }
    tasks.close();
    let drained = tokio::time::timeout(app.config.shutdown_grace, async {
        graceful.shutdown().await;
        tasks.wait().await;
    });
    if drained.await.is_err() {
        // Every request that is cut settles, and the stop waits for that.
        app.compute.hurry();
        tracing::warn!(connections = tasks.len(), "the grace period is over: connections are cut");
    }
}
