//! Wires the crates together: one run's journal, budgets, limits and background work.

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tt_core::price::PriceTable;
use tt_core::record::{JournalCursor, Settlement};
use tt_crypto::{Keyring, Passwords, Sessions};
use tt_http::{App, BudgetAccounts, Parts, now};
use tt_ledger::{BATCH, Batch, Disk, Drain, Drained, Flusher, JournalConfig, Ledger, SettlementObserver, Sink};
use tt_metrics::Metrics;
use tt_ratelimit::{Budgets, Limiter};
use tt_store::{Store, StoreError};
use uuid::Uuid;

use crate::config::{Config, Database};
use crate::otel::Exports;

/// The keys that a server works with.
pub(crate) struct Keys {
    /// Seals and opens provider keys.
    pub(crate) keyring: Keyring,
    /// Signs and checks session tokens.
    pub(crate) sessions: Sessions,
}

/// The runtimes of a server's work beside its requests.
#[derive(Clone, Copy)]
pub(crate) struct Runtimes<'a> {
    /// Accepts connections, and does what somebody waits for.
    pub(crate) control: &'a Handle,
    /// Stores rows while the workers leave time for it.
    pub(crate) low_priority: &'a Handle,
}

/// The work of a server beside its requests.
pub(crate) struct Background {
    store: Store,
    /// Moves settlements from the journal to the store.
    drain: JoinHandle<Drained>,
    /// Makes the journal durable.
    flusher: thread::JoinHandle<()>,
    /// Sends spans and metrics.
    exports: Exports,
    /// The most time for what is left to be sent at the end.
    last_exports: Duration,
}

/// The most time that spans and metrics which are not sent yet hold up the end of the process.
const LAST_EXPORTS: Duration = Duration::from_secs(5);

/// Starts the background work, and makes the app that serves requests. `installation` names the database. Errors are one
/// line each.
pub(crate) fn wire(
    mut config: Config,
    installation: &str,
    keys: Keys,
    prices: Arc<PriceTable>,
    store: Store,
    Runtimes { control, low_priority }: Runtimes<'_>,
) -> Result<(Arc<App>, Background), String> {
    config.redis = config.redis.map(|redis| redis.of_installation(installation));
    // Names this run in the names of its journal files, and in Redis, where processes that share budgets report that
    // they are alive.
    let run = Uuid::now_v7().to_string();
    let metrics = Arc::new(Metrics::new(Arc::clone(&prices), env!("CARGO_PKG_VERSION")));
    let last_exports = config.http.shutdown_grace.min(LAST_EXPORTS);
    let exports = Exports::start(config.otel.take(), &run, &metrics, control)?;
    let (ledger, drain, flusher) = journal(&config, &run, Arc::clone(&metrics), exports.observer())?;
    let flusher = thread::Builder::new()
        .name("journal".to_owned())
        .spawn(move || flusher.run())
        .map_err(|error| format!("cannot start threads: {error}"))?;
    let budgets = Arc::new(budgets(&config, &run, &store, &drain, control));
    let low_priority = matches!(config.database, Database::Sqlite(_)).then(|| store.on(low_priority.clone()));
    let sink = StoreSink { store: store.clone(), budgets: Arc::clone(&budgets), low_priority };
    let drain = control.spawn(drain.run_into(sink, std::future::pending()));
    let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let app = App::new(Parts {
        store: store.clone(),
        passwords: Passwords::new(cores, control.clone()),
        sessions: keys.sessions,
        keyring: Arc::new(keys.keyring),
        ledger,
        metrics,
        limiter: match config.redis {
            Some(redis) => Limiter::redis(redis, control.clone()),
            None => Limiter::memory(),
        },
        budget_accounts: budgets,
        prices,
        control: control.clone(),
        config: config.http,
        log_retention_days: config.log_retention_days,
    });
    Ok((app, Background { store, drain, flusher, exports, last_exports }))
}

/// The journal of this run, in `<data dir>/journal/`. `metrics` count what settles, and `exported` is told of it.
fn journal(
    config: &Config,
    run: &str,
    metrics: Arc<Metrics>,
    exported: Option<Arc<dyn SettlementObserver>>,
) -> Result<(Ledger, Drain, Flusher), String> {
    let dir = config.data_dir.join("journal");
    let settings = JournalConfig {
        workers: config.http.workers,
        fsync: config.journal_fsync,
        max_bytes: config.max_journal_bytes,
        ..JournalConfig::new(&dir, run.to_owned())
    };
    let failed = |error, dir: &Path| format!("DATA_DIR: cannot write the journal in {}: {error}", dir.display());
    let observer = move |settlement: &Settlement| metrics.settled(settlement);
    let ledger = Ledger::builder(now).observer(Arc::new(observer));
    let ledger = exported.into_iter().fold(ledger, tt_ledger::LedgerBuilder::observer);
    ledger.journaled(settings, Arc::new(Disk)).map_err(|error| failed(error, &dir))
}

/// Budgets count in Redis where there is one, in this process where no other uses the database, and else not at all.
fn budgets(config: &Config, run: &str, store: &Store, drain: &Drain, control: &Handle) -> BudgetAccounts {
    match (&config.redis, &config.database) {
        (Some(redis), _) => {
            // The charges of a process that died stay in Redis until its journal is stored, so nothing is missing
            // before that, and budgets may serve at once.
            let complete = watch::channel(true).1;
            BudgetAccounts::new(store.clone(), Budgets::redis(redis.clone(), run, control), complete)
        }
        // The spending of a process that was killed counts once its journal is stored.
        (None, Database::Sqlite(_)) => BudgetAccounts::new(store.clone(), Budgets::memory(), drain.orphans_stored()),
        (None, Database::Postgres(_)) => BudgetAccounts::off(store.clone()),
    }
}

impl Background {
    /// Waits for the end of the background work. Call this after every request is over and the app is dropped: then
    /// the drain ends by itself, once every settlement is in the store. Errors are one line each.
    pub(crate) async fn finish(self) -> Result<(), String> {
        // Every request has settled, so both have all that they will get.
        let (outcome, ()) = tokio::join!(self.drain, self.exports.stop(self.last_exports));
        let outcome = outcome.map_err(|error| format!("the ledger: {error}"))?;
        self.store.close();
        if self.flusher.join().is_err() {
            tracing::error!("the journal's thread panicked");
        }
        tracing::info!(recorded = outcome.delivered, kept = outcome.kept, "stopped");
        Ok(())
    }
}

/// Stores settlements, and how far each journal is stored, in one transaction; then tells the budgets.
struct StoreSink {
    store: Store,
    budgets: Arc<BudgetAccounts>,
    /// The same store, for batches that are not full: its work gives way to requests. A full batch means that more may wait,
    /// and rows must not fall behind for good. It is `None` for a database in another process, which does that work.
    low_priority: Option<Store>,
}

impl Sink for StoreSink {
    type Error = StoreError;

    async fn record(&mut self, batch: Batch) -> Result<(), StoreError> {
        let low_priority = self.low_priority.as_ref().filter(|_| batch.settlements.len() < BATCH);
        let store = low_priority.unwrap_or(&self.store);
        store.record_batch(Arc::clone(&batch.settlements), batch.cursors).await?;
        self.budgets.recorded(&batch.settlements).await
    }

    fn is_refusal(&self, error: &StoreError) -> bool {
        error.is_refusal()
    }

    async fn cursor(&mut self, journal: String) -> Result<Option<JournalCursor>, StoreError> {
        self.store.journal_cursor(journal).await
    }

    async fn forget(&mut self, journal: String) -> Result<(), StoreError> {
        self.store.forget_journal(journal).await
    }
}
