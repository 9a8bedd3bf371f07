//! Worker threads for a small server: one current-thread runtime each, and an accept thread that hands every socket
//! to the worker with the fewest connections.
//!
//! It lives on threads of its own, so that it works beside any test runtime and beside none.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// Serves the connections of one worker. Each worker makes a value of its own, on its own runtime.
pub(crate) trait Serve: Send + 'static {
    /// Serves one connection to its end.
    fn serve(&self, socket: TcpStream) -> impl Future<Output = ()> + Send + 'static;
}

/// A running server; dropping it ends its connections and joins its threads.
#[derive(Debug)]
pub(crate) struct Workers {
    address: SocketAddr,
    stop: Option<watch::Sender<()>>,
    threads: Vec<JoinHandle<()>>,
}

struct Worker {
    sockets: mpsc::UnboundedSender<std::net::TcpStream>,
    open: Arc<AtomicUsize>,
}

impl Workers {
    /// Binds `address` and serves on `threads` workers, at least one.
    pub(crate) fn start<S: Serve>(
        address: SocketAddr,
        threads: usize,
        make: impl Fn() -> S + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let make = Arc::new(make);
        let mut handles = Vec::new();
        let mut workers = Vec::new();
        for index in 0..threads.max(1) {
            let (sockets, receive) = mpsc::unbounded_channel();
            let open = Arc::new(AtomicUsize::new(0));
            let runtime = runtime()?;
            let (make, count) = (Arc::clone(&make), Arc::clone(&open));
            handles.push(thread(format!("worker-{index}"), move || {
                runtime.block_on(work(receive, make.as_ref(), count))
            })?);
            workers.push(Worker { sockets, open });
        }
        let runtime = runtime()?;
        let listener = {
            let _inside = runtime.enter();
            listen(address)?
        };
        let address = listener.local_addr()?;
        let (stop, stopped) = watch::channel(());
        handles.push(thread("accept".to_owned(), move || runtime.block_on(accept(listener, workers, stopped)))?);
        Ok(Self { address, stop: Some(stop), threads: handles })
    }

    /// The bound address.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until the server ends, which is never unless a thread dies.
    pub(crate) fn join(mut self) {
        for thread in self.threads.drain(..) {
            // A panicked worker has already printed why.
            let _ = thread.join();
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        drop(self.stop.take());
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

fn thread(name: String, run: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(format!("testkit-{name}")).spawn(run)
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    // A burst of connections must not overflow the queue: a dropped SYN costs its client a second.
    socket.listen(4096)
}

async fn accept(listener: TcpListener, workers: Vec<Worker>, mut stopped: watch::Receiver<()>) {
    loop {
        let socket = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.changed() => return,
        };
        // An error here is the peer's (it left already) or a lack of descriptors, which passes.
        let Ok((socket, _)) = socket else { continue };
        let Ok(socket) = socket.into_std() else { continue };
        let Some(worker) = workers.iter().min_by_key(|worker| worker.open.load(Ordering::Relaxed)) else { return };
        worker.open.fetch_add(1, Ordering::Relaxed);
        if worker.sockets.send(socket).is_err() {
            return;
        }
    }
}

async fn work<S: Serve>(
    mut sockets: mpsc::UnboundedReceiver<std::net::TcpStream>,
    make: &(impl Fn() -> S + Send + Sync),
    open: Arc<AtomicUsize>,
) {
    let server = make();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            socket = sockets.recv() => {
                let Some(socket) = socket else { return };
                let Ok(socket) = TcpStream::from_std(socket) else {
                    open.fetch_sub(1, Ordering::Relaxed);
                    continue;
                };
                // Without it, small writes wait for the peer's delayed acknowledgement.
                let _ = socket.set_nodelay(true);
                let serving = server.serve(socket);
                let open = Arc::clone(&open);
                connections.spawn(async move {
                    serving.await;
                    open.fetch_sub(1, Ordering::Relaxed);
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}
