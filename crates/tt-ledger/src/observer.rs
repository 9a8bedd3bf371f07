//! Observers of settlements. They see every settlement on every way out, so that what they count equals the ledger.

use std::sync::Arc;

use tt_core::record::Settlement;

/// An observer is told of every settlement, once. Observers are given to [`crate::LedgerBuilder`] and stay with the
/// ledger as long as it lives.
///
/// The process in which a request settles tells its observers:
///
/// - When a [`crate::Guard`] settles, or is dropped before it has: on that thread, before the sink gets the settlement. This
///   includes a settlement that is lost because the drain has ended.
/// - When the journal of an ended process says that a request was open: such a request settles as `interrupted` in the
///   process that stores it, and observers are told once the sink has it. Other settlements in that journal were told by
///   the process that ended.
///
/// It must neither block nor panic, because guards are dropped on the threads that serve requests, also while a panic
/// unwinds. Closures `Fn(&Settlement)` are observers.
///
/// An observer knows nothing of a request before it settles. [`crate::Guard::watch`] follows the attempts of one request.
pub trait SettlementObserver: Send + Sync {
    /// A request has settled.
    fn settled(&self, settlement: &Settlement);
}

impl<F: Fn(&Settlement) + Send + Sync> SettlementObserver for F {
    fn settled(&self, settlement: &Settlement) {
        self(settlement);
    }
}

/// A ledger's observers. The list never changes, so telling them takes no lock.
#[derive(Clone, Default)]
pub(crate) struct Observers(Arc<[Arc<dyn SettlementObserver>]>);

impl Observers {
    pub(crate) fn tell(&self, settlement: &Settlement) {
        for observer in &*self.0 {
            observer.settled(settlement);
        }
    }
}

impl From<Vec<Arc<dyn SettlementObserver>>> for Observers {
    fn from(observers: Vec<Arc<dyn SettlementObserver>>) -> Self {
        Self(observers.into())
    }
}
