//! The application: everything that all requests share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tt_core::price::PriceTable;
use tt_crypto::{Keyring, Passwords, Sessions};
use tt_ledger::Ledger;
use tt_providers::ClientSettings;
use tt_ratelimit::{Limiter, OutputQuantiles};
use tt_store::{Store, StoreError};

use crate::config::HttpConfig;
use crate::state::budget_accounts::BudgetAccounts;
use crate::state::directory::Directory;
use crate::state::last_used::LastUsed;
use crate::state::login_throttle::LoginThrottle;
use crate::state::memory_limit::MemoryLimit;
use crate::state::model_refresh_queue::ModelRefreshQueue;
use crate::state::prices::Prices;
use crate::state::token_counter::TokenCounter;

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
    pub budget_accounts: Arc<BudgetAccounts>,
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
    pub(crate) budget_accounts: Arc<BudgetAccounts>,
    /// What calls under a budget have really needed.
    pub(crate) learned: OutputQuantiles,
    pub(crate) prices: Prices,
    pub(crate) control: Handle,
    pub(crate) config: HttpConfig,
    pub(crate) directory: Directory,
    pub(crate) memory: MemoryLimit,
    pub(crate) token_counter: TokenCounter,
    pub(crate) last_used: LastUsed,
    pub(crate) model_refresh: ModelRefreshQueue,
    pub(crate) login_throttle: LoginThrottle,
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
            budget_accounts,
            prices,
            control,
            config,
            log_retention_days,
        } = parts;
        Arc::new(Self {
            directory: Directory::new(store.clone(), Arc::clone(&keyring), config.directory_max_stale),
            memory: MemoryLimit::new(config.max_buffered_bytes),
            token_counter: TokenCounter::start(),
            last_used: LastUsed::default(),
            model_refresh: ModelRefreshQueue::default(),
            login_throttle: LoginThrottle::default(),
            store,
            passwords,
            sessions,
            keyring,
            ledger,
            limiter,
            budget_accounts,
            learned: OutputQuantiles::new(MOST_LEARNED),
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
    pub(crate) async fn wait_for_drain(&self) {
        let until = tokio::time::Instant::now() + READ_YOUR_WRITES;
        while self.ledger.status().unstored > 0 && tokio::time::Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
