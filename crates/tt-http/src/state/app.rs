//! The application: everything that all requests share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};
use tt_core::price::PriceTable;
use tt_core::time::DAY_MS;
use tt_core::{Caller, Causes, Timestamp};
use tt_crypto::{Keyring, Passwords, Sessions};
use tt_ledger::Ledger;
use tt_metrics::Metrics;
use tt_providers::upstream::resolver::Resolver;
use tt_providers::{ClientSettings, OwnThinking, Owner, ThinkingMemory};
use tt_ratelimit::{Limiter, OutputQuantiles};
use tt_store::{Store, StoreError};

use crate::clock::now;
use crate::config::HttpConfig;
use crate::state::alerts::Alerts;
use crate::state::budget_accounts::BudgetAccounts;
use crate::state::budget_sums::BudgetSums;
use crate::state::call_limit::CallLimit;
use crate::state::compute::Compute;
use crate::state::directory::Directory;
use crate::state::last_used::{LastUsed, Uses};
use crate::state::login_failures::LoginFailures;
use crate::state::login_throttle::LoginThrottle;
use crate::state::memory_limit::MemoryLimit;
use crate::state::model_refresh_queue::ModelRefreshQueue;
use crate::state::prices::Prices;
use crate::state::target_health::TargetOpened;

/// The longest time that a reader of the log waits for requests that have just settled to be stored.
const READ_YOUR_WRITES: Duration = Duration::from_millis(500);

/// The number of kinds of calls (a caller and a model) whose output is remembered: about 500 bytes each.
const MOST_LEARNED: usize = 10_000;

/// The part of `MAX_BUFFERED_BYTES` for the thinking that clients lose between two requests: one in this many bytes.
const KEPT_THINKING: usize = 16;

/// The parts that an [`App`] is made of.
pub struct Parts {
    /// The store.
    pub store: Store,
    /// Hashes and verifies passwords.
    pub passwords: Passwords,
    /// Issues and verifies session tokens.
    pub sessions: Sessions,
    /// Seals and opens provider keys.
    pub keyring: Arc<Keyring>,
    /// The ledger.
    pub ledger: Ledger,
    /// The metrics, which an observer of the ledger feeds.
    pub metrics: Arc<Metrics>,
    /// Counts requests against limits, in this process or in Redis.
    pub limiter: Limiter,
    /// Holds and counts money under budgets. The drain posts to the same.
    pub budget_accounts: Arc<BudgetAccounts>,
    /// The shipped prices. The overrides in the store are read when serving begins.
    pub prices: Arc<PriceTable>,
    /// The runtime of the control plane, which accepts connections and runs background tasks and long computations.
    pub control: Handle,
    /// The settings.
    pub config: HttpConfig,
    /// The days that request logs are kept; 0 means for ever.
    pub log_retention_days: u32,
}

/// The application.
pub struct App {
    pub(crate) store: Store,
    pub(crate) passwords: Passwords,
    pub(crate) sessions: Sessions,
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) ledger: Ledger,
    pub(crate) metrics: Arc<Metrics>,
    /// Metrics are written once at a time.
    pub(crate) scrapes: Arc<Semaphore>,
    /// The sums over budgets; `None` if the metrics do not have them.
    pub(crate) budget_sums: Option<BudgetSums>,
    pub(crate) limiter: Limiter,
    pub(crate) budget_accounts: Arc<BudgetAccounts>,
    /// The output that calls under a budget have really needed.
    pub(crate) learned: OutputQuantiles,
    pub(crate) prices: Prices,
    pub(crate) control: Handle,
    /// Looks up the hosts of providers, for every worker.
    pub(crate) resolver: Resolver,
    pub(crate) config: HttpConfig,
    pub(crate) directory: Directory,
    pub(crate) memory: MemoryLimit,
    /// The thinking that clients lose between two requests.
    pub(crate) thinking: Arc<ThinkingMemory>,
    pub(crate) compute: Arc<Compute>,
    pub(crate) last_used: LastUsed,
    pub(crate) model_refresh: ModelRefreshQueue,
    pub(crate) login_throttle: LoginThrottle,
    /// Completed when the operator has been warned of a proxy that is not trusted.
    pub(crate) untrusted_proxy_told: Once,
    pub(crate) login_failures: LoginFailures,
    pub(crate) call_limit: CallLimit,
    pub(crate) alerts: Arc<Alerts>,
    pub(crate) log_retention_days: u32,
    draining: AtomicBool,
}

impl App {
    /// Makes the application of its parts. It serves nothing until [`serve`](crate::serve) runs.
    pub fn new(parts: Parts) -> Arc<Self> {
        let Parts {
            store,
            passwords,
            sessions,
            keyring,
            ledger,
            metrics,
            limiter,
            budget_accounts,
            prices,
            control,
            config,
            log_retention_days,
        } = parts;
        let kept_thinking = config.max_buffered_bytes / KEPT_THINKING;
        Arc::new(Self {
            directory: Directory::new(
                store.clone(),
                Arc::clone(&keyring),
                config.upstream.clone(),
                config.directory_max_stale,
            ),
            memory: MemoryLimit::new(config.max_buffered_bytes - kept_thinking),
            thinking: Arc::new(ThinkingMemory::new(kept_thinking)),
            compute: Arc::new(Compute::new()),
            last_used: LastUsed::default(),
            model_refresh: ModelRefreshQueue::default(),
            login_throttle: LoginThrottle::default(),
            untrusted_proxy_told: Once::new(),
            login_failures: LoginFailures::new(Instant::now()),
            call_limit: CallLimit::default(),
            alerts: Arc::default(),
            store,
            passwords,
            sessions,
            keyring,
            ledger,
            metrics,
            scrapes: Arc::new(Semaphore::new(1)),
            budget_sums: config.metrics_budgets.then(BudgetSums::default),
            limiter,
            budget_accounts,
            learned: OutputQuantiles::new(MOST_LEARNED),
            prices: Prices::new(prices),
            resolver: Resolver::system(control.clone()),
            control,
            config,
            log_retention_days,
            draining: AtomicBool::new(false),
        })
    }

    /// The place where the thinking is kept that the caller's client loses.
    pub(crate) fn thinking_of(&self, caller: &Caller) -> OwnThinking {
        let owner = Owner { user: caller.user_id, key: caller.api_key_id() };
        OwnThinking::new(Arc::clone(&self.thinking), owner)
    }

    /// The targets that begin to rest from now on, for the one watcher that there may be; `None` if there is one already.
    /// The channel is bounded: when the watcher is behind, further openings are logged and not told.
    pub(crate) fn watch_targets(&self) -> Option<mpsc::Receiver<TargetOpened>> {
        self.directory.health.watch()
    }

    /// True if the stop has begun.
    pub(crate) fn draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    pub(crate) fn start_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// The settings of the client by which a worker calls providers.
    pub(crate) fn client_settings(&self) -> ClientSettings {
        let upstream = &self.config.upstream;
        ClientSettings {
            resolver: self.resolver.clone(),
            connect_timeout: upstream.connect_timeout,
            allow_private_upstreams: upstream.allow_private,
            authorities: Arc::clone(&upstream.authorities),
        }
    }

    /// Writes down when API keys and sessions were last used. When the store fails, the times so far are lost, and the next
    /// use of a credential is noted again.
    pub(crate) async fn write_last_used(&self) {
        // One writer at a time, so that a caller who lists credentials after this does not miss what another still writes.
        let _writing = self.last_used.writing.lock().await;
        let Uses { api_keys, sessions } = self.last_used.take();
        let written = async {
            if !api_keys.is_empty() {
                self.store.touch_last_used(api_keys).await?;
            }
            if !sessions.is_empty() {
                self.store.touch_sessions(sessions).await?;
            }
            Ok::<_, StoreError>(())
        };
        if let Err(error) = written.await {
            tracing::warn!(error = %Causes(&error), "the last use of API keys and sessions could not be written");
        }
    }

    /// Writes failed logins to the audit trail: all of them if `all` is true, else those that may be written in this minute.
    /// When the store fails, those that were taken are lost, and the log says how many.
    pub(crate) async fn write_login_failures(&self, all: bool) {
        let failures = self.login_failures.take(all, Instant::now());
        let count: u64 = failures.iter().map(|group| u64::from(group.count)).sum();
        if !failures.is_empty()
            && let Err(error) = self.store.note_failures(failures, now()).await
        {
            tracing::warn!(error = %Causes(&error), count, "failed logins could not be written to the audit trail");
        }
    }

    /// The alerts that are noticed outside of the drain. A holder may notice one.
    pub fn alerts(&self) -> &Arc<Alerts> {
        &self.alerts
    }

    /// Writes the alerts that this process has noticed. When the store fails they wait.
    pub(crate) async fn write_alerts(&self) {
        let waiting = self.alerts.take();
        if waiting.is_empty() {
            return;
        }
        match self.store.raise(waiting.clone()).await {
            Ok(0) => {}
            Ok(_) => self.alerts.due.notify_one(),
            // The store would refuse them again.
            Err(error) if error.is_refusal() => {
                tracing::error!(error = %Causes(&error), alerts = waiting.len(), "alerts could not be written");
            }
            Err(error) => {
                tracing::debug!(error = %Causes(&error), "alerts could not be written: trying again");
                self.alerts.put_back(waiting);
            }
        }
    }

    /// Reads the prices that administrators have set, when they may have changed since the last read.
    pub(crate) async fn refresh_prices(&self) -> Result<(), StoreError> {
        self.prices.refresh(|| self.store.price_overrides()).await?;
        self.metrics.set_prices(&self.prices.load());
        Ok(())
    }

    /// The moment from which on all rows of the log are kept; `None`: they are kept for ever.
    pub(crate) fn rows_since(&self) -> Option<Timestamp> {
        let days = i64::from(self.log_retention_days);
        (days > 0).then(|| now().plus_millis(-days * DAY_MS).day())
    }

    /// Waits until every settled request is in the store, half a second at most, so that callers find their own requests
    /// in what they read next.
    pub(crate) async fn wait_for_drain(&self) {
        let until = tokio::time::Instant::now() + READ_YOUR_WRITES;
        while self.ledger.status().unstored > 0 && tokio::time::Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
