//! `tokentracer serve`: starts the server, serves until a signal, and stops in order.

use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpSocket};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tt_http::{App, Tls};

use crate::config::{Config, Database, TlsFiles};
use crate::secrets::Secrets;
use crate::wire::{Keys, Runtimes, wire};
use crate::{allocator, data_dir, open_files, prices, store};

/// The most connections that may wait to be accepted; the system may allow fewer (`net.core.somaxconn`). One more is dropped,
/// and its client tries again a second later. All clients of a server that was restarted come back at once.
const BACKLOG: u32 = 4096;

/// Serves until SIGTERM or SIGINT. Errors are one line each.
pub(crate) async fn serve(mut config: Config, runtimes: Runtimes<'_>) -> Result<(), String> {
    let most_files = open_files::raise();
    let _locks = claim(&config)?;
    let secrets = Secrets::load_or_make(&config)?;
    let keys = Keys { keyring: secrets.keyring()?, sessions: secrets.sessions()? };
    let prices = prices::in_force(&config.data_dir)?;
    // Listening comes before the store, so that an occupied port fails before a migration runs.
    let (listener, bound) = listen(SocketAddr::new(config.host, config.port))?;
    let control = runtimes.control;
    let store = store::open(&config, control).await?;
    // After all that can fail, so that a start that fails says why in one line.
    config.http.max_connections = open_files::fit(config.http.max_connections, most_files);
    if config.http.signup_open && !config.host.is_loopback() {
        tracing::warn!(host = %config.host, "SIGNUP: anybody who reaches this address can sign up");
    }
    let certificate = config.tls.take().map(ServedCertificate::read).transpose()?;
    config.http.tls = certificate.as_ref().map(|certificate| Arc::clone(&certificate.tls));
    let signals = Signals::new(certificate)?;
    let scheme = if config.http.tls.is_some() { "https" } else { "http" };
    let installation = store::installation(&store).await?;
    let (app, background) = wire(config, &installation, keys, prices, store, runtimes)?;
    writeln!(std::io::stdout(), "listening on {scheme}://{bound}")
        .map_err(|error| format!("standard output: {error}"))?;
    let memory = AbortOnDropHandle::new(control.spawn(allocator::give_memory_back_when_idle()));
    until_signal(app, listener, signals).await?;
    drop(memory);
    background.finish().await
}

/// Makes the data directory. With an embedded database both are locked as well, until the returned files are dropped; with
/// PostgreSQL processes may share a data directory, since each has a journal of its own.
fn claim(config: &Config) -> Result<Vec<File>, String> {
    data_dir::make(&config.data_dir)?;
    match &config.database {
        Database::Sqlite(path) => Ok(vec![data_dir::lock(&config.data_dir)?, data_dir::lock_database(path)?]),
        Database::Postgres(_) => Ok(Vec::new()),
    }
}

/// Listens on `address`; the second value holds the port that the system chose where `address` has port 0.
fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), String> {
    let listening = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // A restart must not wait until the connections of the process before are forgotten.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let listener = socket.listen(BACKLOG)?;
        let bound = listener.local_addr()?;
        Ok((listener, bound))
    };
    listening().map_err(|error: std::io::Error| format!("cannot listen on {address}: {error}"))
}

/// Serves until a signal has come and every request is over.
async fn until_signal(app: Arc<App>, listener: TcpListener, signals: Signals) -> Result<(), String> {
    let stop = CancellationToken::new();
    let signalled = stop.clone();
    let signals = async move {
        signalled.run_until_cancelled(signals.stop()).await;
        signalled.cancel();
    };
    let (served, ()) = tokio::join!(tt_http::serve(app, listener, stop), signals);
    served.map_err(|error| format!("{error}"))
}

/// The certificate that the server shows, and the files that it is read from.
struct ServedCertificate {
    files: TlsFiles,
    tls: Arc<Tls>,
}

impl ServedCertificate {
    fn read(files: TlsFiles) -> Result<Self, String> {
        let certificate = files.read().map_err(|faults| faults.join("; "))?;
        let tls = Tls::new(certificate).map_err(|error| format!("TLS cannot be set up: {error}"))?;
        Ok(Self { files, tls: Arc::new(tls) })
    }

    /// Reads the files again. Where they cannot be used, the certificate stays as it was.
    async fn read_again(&self) {
        let files = self.files.clone();
        let read = match tokio::task::spawn_blocking(move || files.read()).await {
            Ok(Ok(certificate)) => self.tls.replace(certificate).map_err(|error| vec![error.to_string()]),
            Ok(Err(faults)) => Err(faults),
            Err(panicked) => Err(vec![panicked.to_string()]),
        };
        match read {
            Ok(()) => {
                tracing::info!("SIGHUP: TLS_CERT and TLS_KEY are read again, and new connections get what they hold")
            }
            Err(faults) => {
                for fault in faults {
                    tracing::error!("SIGHUP: the certificate stays as it was: {fault}");
                }
            }
        }
    }
}

/// The signals that the server takes. From when this is made on, none of them ends the process by itself.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    certificate: Option<ServedCertificate>,
}

impl Signals {
    fn new(certificate: Option<ServedCertificate>) -> Result<Self, String> {
        let take = |kind| signal(kind).map_err(|error| format!("signals cannot be received: {error}"));
        Ok(Self {
            terminate: take(SignalKind::terminate())?,
            interrupt: take(SignalKind::interrupt())?,
            hang_up: take(SignalKind::hangup())?,
            certificate,
        })
    }

    /// Waits for SIGTERM or SIGINT. SIGHUP, which a closed terminal sends too, has the certificate read again and ends
    /// nothing.
    async fn stop(mut self) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return tracing::info!("SIGTERM: stopping"),
                _ = self.interrupt.recv() => return tracing::info!("SIGINT: stopping"),
                _ = self.hang_up.recv() => match &self.certificate {
                    Some(certificate) => certificate.read_again().await,
                    None => tracing::info!("SIGHUP: there is nothing to read again"),
                },
            }
        }
    }
}
