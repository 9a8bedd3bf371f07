//! The prices in force: the shipped table with what administrators have set over it.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::{ArcSwap, Guard};
use tokio::sync::Mutex;
use tt_core::Causes;
use tt_core::price::{Override, PriceTable};
use tt_store::StoreError;

/// A table that is replaced whole; whoever holds one keeps it.
pub(crate) struct Prices {
    shipped: Arc<PriceTable>,
    current: ArcSwap<PriceTable>,
    /// May the store hold others than were read last?
    outdated: AtomicBool,
    /// Held while they are read, so that what was read first cannot replace what was read later.
    reading: Mutex<()>,
}

impl Prices {
    /// The shipped table alone; what the store holds over it is still to be read.
    pub(crate) fn new(shipped: Arc<PriceTable>) -> Self {
        Self {
            current: ArcSwap::new(Arc::clone(&shipped)),
            shipped,
            outdated: AtomicBool::new(true),
            reading: Mutex::new(()),
        }
    }

    /// The table, for a moment.
    pub(crate) fn load(&self) -> Guard<Arc<PriceTable>> {
        self.current.load()
    }

    /// The table, to keep.
    pub(crate) fn load_full(&self) -> Arc<PriceTable> {
        self.current.load_full()
    }

    /// The store may hold other prices now.
    pub(crate) fn outdate(&self) {
        self.outdated.store(true, Ordering::Release);
    }

    /// Reads what the store holds by `read`, if it may be others. When this returns without an error the table holds
    /// everything that was in the store when it was called. On an error the table stays as it was: read again with
    /// the next call where the store did not answer, and only after another change where it holds what is no price.
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
