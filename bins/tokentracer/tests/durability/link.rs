//! The way to a database, which can be cut: no connection is left and new ones are refused, as if the server had been
//! stopped; or silent: connections stand and nothing comes through.

use std::io;
use std::net::SocketAddr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Up,
    Silent,
    Cut,
}

/// A way to one server. Dropping it ends it.
pub(crate) struct Link {
    address: SocketAddr,
    state: watch::Sender<State>,
    _task: JoinSet<()>,
}

impl Link {
    /// A way to `to`, `host:port`.
    pub(crate) async fn to(to: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = watch::channel(State::Up).0;
        let mut task = JoinSet::new();
        task.spawn(serve(listener, to.to_owned(), state.subscribe()));
        Self { address, state, _task: task }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn set(&self, state: State) {
        self.state.send_replace(state);
    }
}

async fn serve(listener: TcpListener, to: String, mut state: watch::Receiver<State>) {
    let address = listener.local_addr().unwrap();
    let mut listening = Some(listener);
    loop {
        let listener = match listening.take() {
            Some(listener) => listener,
            None => bind(address).await,
        };
        let mut connections = JoinSet::new();
        let others = state.clone();
        loop {
            tokio::select! {
                _ = state.wait_for(|state| *state == State::Cut) => break,
                accepted = listener.accept() => {
                    if let Ok((socket, _)) = accepted {
                        connections.spawn(carry(socket, to.clone(), others.clone()));
                    }
                }
            }
        }
        drop((listener, connections));
        if state.wait_for(|state| *state != State::Cut).await.is_err() {
            return;
        }
    }
}

/// On the port it had, as soon as that is free.
async fn bind(address: SocketAddr) -> TcpListener {
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return listener,
            Err(error) => assert!(error.kind() == io::ErrorKind::AddrInUse, "{address}: {error}"),
        }
        tokio::task::yield_now().await;
    }
}

async fn carry(mut socket: TcpStream, to: String, mut state: watch::Receiver<State>) {
    let Ok(mut server) = TcpStream::connect(&to).await else { return };
    let watched = state.clone();
    let carried = copy_bidirectional(&mut socket, &mut server);
    tokio::pin!(carried);
    loop {
        if state.wait_for(|state| *state != State::Silent).await.is_err() {
            return;
        }
        let mut silent = watched.clone();
        tokio::select! {
            biased;
            _ = silent.wait_for(|state| *state == State::Silent) => {}
            // An error is the end of either side.
            _ = &mut carried => return,
        }
    }
}
