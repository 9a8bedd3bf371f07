//! The prices in force: the shipped table, and the prices that administrators have set over it.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::{ArcSwap, Guard};
use tokio::sync::Mutex;
use tt_core::Causes;
use tt_core::price::{Override, PriceTable};
use tt_store::StoreError;

/// The current price table. A change replaces the whole table; a request keeps the one that it began with.
pub(crate) struct Prices {
    shipped: Arc<PriceTable>,
    current: ArcSwap<PriceTable>,
    /// True if the store may hold other prices than those read last.
    outdated: AtomicBool,
    /// The lock that is held while prices are read, so that an earlier reading cannot replace a later one.
    reading: Mutex<()>,
}

impl Prices {
    /// The shipped table alone. The prices in the store are read by the first [`Prices::refresh`].
    pub(crate) fn new(shipped: Arc<PriceTable>) -> Self {
        Self {
            current: ArcSwap::new(Arc::clone(&shipped)),
            shipped,
            outdated: AtomicBool::new(true),
            reading: Mutex::new(()),
        }
    }

    /// The table, for use within one expression or block.
    pub(crate) fn load(&self) -> Guard<Arc<PriceTable>> {
        self.current.load()
    }

    /// The table, for keeping.
    pub(crate) fn load_full(&self) -> Arc<PriceTable> {
        self.current.load_full()
    }

    /// Notes that the store may hold other prices now.
    pub(crate) fn outdate(&self) {
        self.outdated.store(true, Ordering::Release);
    }

    /// Reads the prices in the store with `read`, when they may have changed. After it the table holds every price that
    /// was in the store when it was called.
    ///
    /// # Errors
    /// When the store fails; the table stays as it was. When the store did not answer, the next call reads again; when it
    /// holds a price that cannot be read, the next call after another change does.
    pub(crate) async fn refresh<F>(&self, read: impl FnOnce() -> F) -> Result<(), StoreError>
    where
        F: Future<Output = Result<Vec<Override>, StoreError>>,
    {
        let _reading = self.reading.lock().await;
        if !self.outdated.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        match read().await {
            Ok(overrides) => {
                self.current.store(Arc::new(self.shipped.with_overrides(overrides)));
                Ok(())
            }
            Err(error) => {
                if matches!(error, StoreError::Unavailable(_)) {
                    self.outdate();
                    tracing::warn!(%error, "the prices set by administrators could not be read; trying again");
                } else {
                    tracing::error!(error = %Causes(&error), "the prices set by administrators are refused; the old ones stay");
                }
                Err(error)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tt_core::price::PicoPerToken;
    use tt_core::usage::Reported;
    use tt_core::{NanoUsd, Provider, Timestamp, Usage};

    use super::*;

    fn set(input: u64) -> Override {
        Override {
            provider: Provider::OpenAi,
            model: "ours".to_owned(),
            input: PicoPerToken(input),
            output: PicoPerToken(0),
            cache_read: None,
            cache_write_5m: None,
            cache_write_1h: None,
            effective_from: Timestamp::from_millis(0),
        }
    }

    fn cost(prices: &Prices) -> Option<i64> {
        let reported = Reported { usage: Usage { input: 1000, ..Usage::default() }, ..Reported::default() };
        let at = Timestamp::from_millis(1);
        prices.load().price(Provider::OpenAi, "ours", None, &reported, at).map(|NanoUsd(cost)| cost)
    }

    #[tokio::test]
    async fn they_are_read_when_they_may_be_others_and_replace_the_old() {
        let prices = Prices::new(PriceTable::builtin().unwrap());
        assert_eq!(cost(&prices), None);
        prices.refresh(async || Ok(vec![set(5)])).await.unwrap();
        assert_eq!(cost(&prices), Some(5));
        prices.refresh(async || Ok(vec![set(6)])).await.unwrap();
        assert_eq!(cost(&prices), Some(5), "nothing said that they are others");
        let kept = prices.load_full();
        prices.outdate();
        prices.refresh(async || Ok(Vec::new())).await.unwrap();
        assert_eq!(cost(&prices), None);
        assert!(kept.version() != prices.load().version());
    }

    #[tokio::test]
    async fn what_is_refused_leaves_the_old_and_is_not_read_again() {
        let prices = Prices::new(PriceTable::builtin().unwrap());
        prices.refresh(async || Ok(vec![set(5)])).await.unwrap();
        prices.outdate();
        let refused = prices.refresh(async || Err(StoreError::Query("a price below 0".into()))).await;
        assert!(refused.is_err());
        assert_eq!(cost(&prices), Some(5));
        prices.refresh(async || Ok(vec![set(6)])).await.unwrap();
        assert_eq!(cost(&prices), Some(5));
    }

    #[tokio::test]
    async fn a_store_that_is_away_is_asked_again() {
        let prices = Prices::new(PriceTable::builtin().unwrap());
        let away = prices.refresh(async || Err(StoreError::Unavailable("gone".into()))).await;
        assert!(away.is_err());
        prices.refresh(async || Ok(vec![set(6)])).await.unwrap();
        assert_eq!(cost(&prices), Some(6));
    }
}
