//! What all requests share, and what the requests of one worker share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::runtime::Handle;
use tt_core::Timestamp;
use tt_core::price::PriceTable;
use tt_crypto::{Keyring, Passwords, Sessions};
use tt_ledger::Ledger;
use tt_providers::ClientSettings;
use tt_ratelimit::{Learned, Limiter};
use tt_store::{Store, StoreError};

use crate::buffered::Budget;
use crate::config::HttpConfig;
use crate::directory::Directory;
use crate::last_used::LastUsed;
use crate::model_lists::Wanted;
use crate::prices::Prices;
use crate::proxy::estimate::Estimator;
use crate::spending::Spending;
use crate::throttle::Throttle;

/// How long a reader of the log waits for what has just settled.
const READ_YOUR_WRITES: Duration = Duration::from_millis(500);

/// Kinds of calls (who calls which model) whose output is remembered: about 500 bytes each.
const MOST_LEARNED: usize = 10_000;

/// The parts the service is wired from.
pub struct Parts {
    /// The store.
    pub store: Store,
    /// Password hashing.
    pub passwords: Passwords,
    /// Session tokens.
    pub sessions: Sessions,
    /// What opens provider keys.
    pub keyring: Arc<Keyring>,
    /// The ledger.
    pub ledger: Ledger,
    /// Request limits, in this process or shared.
    pub limiter: Limiter,
    /// Budgets; the drain posts to the same.
    pub spending: Arc<Spending>,
    /// The shipped prices; what the store holds over them is read when serving begins.
    pub prices: Arc<PriceTable>,
    /// The control plane's runtime: what may take long runs there.
    pub control: Handle,
    /// The settings.
    pub config: HttpConfig,
    /// Days that request logs are kept, 0: for ever.
    pub log_retention_days: u32,
}

/// What all requests share.
pub struct App {
    pub(crate) store: Store,
    pub(crate) passwords: Passwords,
    pub(crate) sessions: Sessions,
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) ledger: Ledger,
    pub(crate) limiter: Limiter,
    pub(crate) spending: Arc<Spending>,
    /// What calls under a budget have really needed.
    pub(crate) learned: Learned,
    pub(crate) prices: Prices,
    pub(crate) control: Handle,
    pub(crate) config: HttpConfig,
    pub(crate) directory: Directory,
    pub(crate) buffered: Budget,
    pub(crate) estimator: Estimator,
    pub(crate) last_used: LastUsed,
    pub(crate) model_lists: Wanted,
    pub(crate) throttle: Throttle,
    pub(crate) log_retention_days: u32,
    draining: AtomicBool,
}

impl App {
    /// Wires the parts.
    pub fn new(parts: Parts) -> Arc<Self> {
        let Parts {
            store,
            passwords,
            sessions,
            keyring,
            ledger,
            limiter,
            spending,
            prices,
            control,
            config,
            log_retention_days,
        } = parts;
        Arc::new(Self {
            directory: Directory::new(store.clone(), Arc::clone(&keyring), config.directory_max_stale),
            buffered: Budget::new(config.max_buffered_bytes),
            estimator: Estimator::start(),
            last_used: LastUsed::default(),
            model_lists: Wanted::default(),
            throttle: Throttle::default(),
            store,
            passwords,
            sessions,
            keyring,
            ledger,
            limiter,
            spending,
            learned: Learned::new(MOST_LEARNED),
            prices: Prices::new(prices),
            control,
            config,
            log_retention_days,
            draining: AtomicBool::new(false),
        })
    }

    /// Is the process on its way out?
    pub(crate) fn draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    pub(crate) fn start_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// How a worker's client is set up.
    pub(crate) fn client_settings(&self) -> ClientSettings {
        let upstream = &self.config.upstream;
        ClientSettings { connect_timeout: upstream.connect_timeout, allow_private_upstreams: upstream.allow_private }
    }

    /// Writes down when keys were last used. What cannot be written is noted again with the next use.
    pub(crate) async fn write_last_used(&self) {
        // One at a time: who reads the list next must find what another is about to write.
        let _writing = self.last_used.writing.lock().await;
        let used = self.last_used.take();
        if !used.is_empty()
            && let Err(error) = self.store.touch_last_used(used).await
        {
            tracing::warn!(%error, "the last use of API keys could not be written");
        }
    }

    /// Takes up prices that administrators have set since they were read last.
    pub(crate) async fn refresh_prices(&self) -> Result<(), StoreError> {
        self.prices.refresh(|| self.store.price_overrides()).await
    }

    /// Waits, a moment at most, for what has settled to be in the store, so that a caller reads their own request.
    pub(crate) async fn settle_pending(&self) {
        let until = tokio::time::Instant::now() + READ_YOUR_WRITES;
        while self.ledger.status().unstored > 0 && tokio::time::Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// What the requests of one worker share: its connections to providers and to Redis.
pub(crate) struct Worker {
    pub(crate) client: tt_providers::Client,
    pub(crate) limits: tt_ratelimit::Worker,
    pub(crate) budgets: tt_ratelimit::BudgetWorker,
    /// Bound to the worker's own chain of the journal.
    pub(crate) ledger: Ledger,
}

/// The wall clock. Everything below this crate takes the time as an argument.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
