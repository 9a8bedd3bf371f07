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
use tt_core::record::JournalCursor;
use tt_crypto::{Keyring, Passwords, Sessions};
use tt_http::{App, BudgetAccounts, Parts};
use tt_ledger::{Batch, Disk, Drain, Flusher, JournalConfig, Ledger, Sink};
use tt_ratelimit::{Budgets, Limiter};
use tt_store::{Store, StoreError};
use uuid::Uuid;

use crate::config::{Config, Database};
use crate::wire as start;

/// Serves until SIGTERM or SIGINT. Errors are one line each.
pub(crate) async fn serve(config: Config, control: &Handle) -> Result<(), String> {
    start::make_data_dir(&config.data_dir)?;
    let _lock = match &config.database {
        Database::Sqlite(_) => Some(start::lock_data_dir(&config.data_dir)?),
        // Others on this volume have journals of their own.
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

    // Of this run: in the journal's name, and where processes that share budgets give a sign of life.
    let run = Uuid::now_v7().to_string();
    let (ledger, drain, flusher) = journal(&config, &run)?;
    let flushing = std::thread::Builder::new()
        .name("journal".to_owned())
        .spawn(move || flusher.run())
        .map_err(|error| format!("cannot start threads: {error}"))?;
    let counted = match (&config.redis, &config.database) {
        (Some(redis), _) => {
            // Charges of dead processes stay until their journals are stored, whenever that is.
            let always = tokio::sync::watch::channel(true).1;
            BudgetAccounts::new(store.clone(), Budgets::redis(redis.clone(), &run, control), always)
        }
        // Nobody else uses the database. What a killed process spent counts once it is stored.
        (None, Database::Sqlite(_)) => BudgetAccounts::new(store.clone(), Budgets::memory(), drain.orphans_stored()),
        (None, Database::Postgres(_)) => BudgetAccounts::off(store.clone()),
    };
    let spending = Arc::new(counted);
    let sink = StoreSink { store: store.clone(), spending: Arc::clone(&spending) };
    let drained = control.spawn(drain.run_into(sink, std::future::pending()));
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
        budget_accounts: spending,
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
    if flushing.join().is_err() {
        tracing::error!("the journal's thread panicked");
    }
    tracing::info!(recorded = outcome.delivered, kept = outcome.kept, "stopped");
    Ok(())
}

/// The journal of this process, in `<data dir>/journal/`.
fn journal(config: &Config, run: &str) -> Result<(Ledger, Drain, Flusher), String> {
    let dir = config.data_dir.join("journal");
    let settings = JournalConfig {
        workers: config.http.workers,
        fsync: config.journal_fsync,
        max_bytes: config.max_journal_bytes,
        ..JournalConfig::new(&dir, run.to_owned())
    };
    Ledger::journaled(settings, Arc::new(Disk), now)
        .map_err(|error| format!("DATA_DIR: cannot write the journal in {}: {error}", dir.display()))
}

/// Settlements and how far each journal is stored, in one transaction; then budgets hear of it.
struct StoreSink {
    store: Store,
    spending: Arc<BudgetAccounts>,
}

impl Sink for StoreSink {
    type Error = StoreError;

    async fn record(&mut self, batch: Batch) -> Result<(), StoreError> {
        self.store.record_batch(Arc::clone(&batch.settlements), batch.cursors).await?;
        self.spending.recorded(&batch.settlements).await
    }

    async fn cursor(&mut self, journal: String) -> Result<Option<JournalCursor>, StoreError> {
        self.store.journal_cursor(journal).await
    }

    async fn forget(&mut self, journal: String) -> Result<(), StoreError> {
        self.store.forget_journal(journal).await
    }
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
