//! `tokentracer serve`: starts the server, serves until a signal, and stops in order.

use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tt_core::price::PriceTable;
use tt_http::App;

use crate::config::{Config, Database};
use crate::secrets::Secrets;
use crate::wire::{Keys, wire};
use crate::{data_dir, store};

/// Serves until SIGTERM or SIGINT. Errors are one line each.
pub(crate) async fn serve(config: Config, control: &Handle) -> Result<(), String> {
    let _lock = claim_data_dir(&config)?;
    let secrets = Secrets::load_or_make(&config)?;
    let keys = Keys { keyring: secrets.keyring()?, sessions: secrets.sessions()? };
    let prices = PriceTable::builtin().map_err(|error| format!("the price table: {error}"))?;
    // Listening comes before the store, so that an occupied port fails before a migration runs.
    let (listener, bound) = listen(SocketAddr::new(config.host, config.port)).await?;
    let store = store::open(&config, control).await?;
    let installation = store::installation(&store).await?;
    let (app, background) = wire(config, &installation, keys, prices, store, control)?;
    writeln!(std::io::stdout(), "listening on http://{bound}").map_err(|error| format!("standard output: {error}"))?;
    until_signal(app, listener).await?;
    background.finish().await
}

/// Makes the data directory. With an embedded database it is locked as well, until the returned file is dropped; with
/// PostgreSQL processes may share it, since each has a journal of its own.
fn claim_data_dir(config: &Config) -> Result<Option<File>, String> {
    data_dir::make(&config.data_dir)?;
    match &config.database {
        Database::Sqlite(_) => data_dir::lock(&config.data_dir).map(Some),
        Database::Postgres(_) => Ok(None),
    }
}

/// Listens on `address`; the second value holds the port that the system chose where `address` has port 0.
async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), String> {
    let failed = |error| format!("cannot listen on {address}: {error}");
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

/// Serves until a signal has come and every request is over.
async fn until_signal(app: Arc<App>, listener: TcpListener) -> Result<(), String> {
    let stop = CancellationToken::new();
    let signalled = stop.clone();
    let signals = async move {
        signalled.run_until_cancelled(stop_signal()).await;
        signalled.cancel();
    };
    let (served, ()) = tokio::join!(tt_http::serve(app, listener, stop), signals);
    served.map_err(|error| format!("{error}"))
}

async fn stop_signal() {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::error!("signals cannot be received; only kill -9 will stop this process");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => tracing::info!("SIGTERM: stopping"),
        _ = interrupt.recv() => tracing::info!("SIGINT: stopping"),
    }
}
