//! `tokentracer serve`: wires the crates, serves until a signal, and stops in order.

use std::io::Write;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tt_core::Timestamp;
use tt_core::price::PriceTable;
use tt_crypto::{Keyring, Passwords, Sessions};
use tt_http::{App, Parts};
use tt_ledger::Ledger;
use tt_ratelimit::Limiter;

use crate::config::{Config, Database};
use crate::start;

/// Settlements held in memory while the store is away; past that requests are refused.
const LEDGER_CAPACITY: usize = 100_000;

/// Serves until SIGTERM or SIGINT. Errors are one line each.
pub(crate) async fn serve(config: Config, control: &Handle) -> Result<(), String> {
    let _data_dir = match &config.database {
        Database::Sqlite(_) => Some(start::take_data_dir(&config.data_dir)?),
        Database::Postgres(_) => None,
    };
    let secrets = start::secrets(&config)?;
    let failed = |error: tt_crypto::Error| format!("the secrets: {error}");
    let keyring = Keyring::new(&secrets.encryption_key, secrets.encryption_key_old.as_ref()).map_err(failed)?;
    let sessions = Sessions::new(&secrets.jwt_secret).map_err(failed)?;
    let prices = PriceTable::builtin().map_err(|error| format!("the price table: {error}"))?;

    let address = std::net::SocketAddr::new(config.host, config.port);
    let listener = TcpListener::bind(address).await.map_err(|error| format!("cannot listen on {address}: {error}"))?;
    let bound = listener.local_addr().map_err(|error| format!("cannot listen on {address}: {error}"))?;
    let store = start::open_store(&config, control).await?;

    let (ledger, drain) = Ledger::new(LEDGER_CAPACITY, now);
    let sink = store.clone();
    let drained = control.spawn(drain.run(
        move |batch| {
            let store = sink.clone();
            async move { store.record(batch.to_vec(), None).await.map(|_new| ()) }
        },
        std::future::pending(),
    ));
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let app = App::new(Parts {
        store: store.clone(),
        passwords: Passwords::new(cores, control.clone()),
        sessions,
        keyring: Arc::new(keyring),
        ledger,
        limiter: match config.redis {
            Some(redis) => Limiter::redis(redis, control.clone()),
            None => Limiter::memory(),
        },
        prices,
        control: control.clone(),
        config: config.http,
        log_retention_days: config.log_retention_days,
    });

    let stop = CancellationToken::new();
    let signalled = stop.clone();
    let signals = async move {
        signalled.run_until_cancelled(stop_signal()).await;
        signalled.cancel();
    };
    writeln!(std::io::stdout(), "listening on http://{bound}").map_err(|error| format!("standard output: {error}"))?;
    let (served, ()) = tokio::join!(tt_http::serve(app, listener, stop), signals);
    served.map_err(|error| format!("{error}"))?;

    // Every request is over and the app is gone: the drain ends by itself once all is in the store.
    let outcome = drained.await.map_err(|error| format!("the ledger: {error}"))?;
    store.close();
    tracing::info!(recorded = outcome.delivered, lost = outcome.lost, "stopped");
    Ok(())
}

async fn stop_signal() {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::error!("signals cannot be received; stop with kill -9");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => tracing::info!("SIGTERM: stopping"),
        _ = interrupt.recv() => tracing::info!("SIGINT: stopping"),
    }
}

pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
