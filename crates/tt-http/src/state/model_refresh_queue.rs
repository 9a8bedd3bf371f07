//! Provider keys whose lists of models are to be fetched soon.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;
use tt_core::{ProviderKeyId, UserId};

/// The keys whose lists were asked for. The task that fetches lists wakes for each.
#[derive(Debug, Default)]
pub(crate) struct ModelRefreshQueue {
    keys: Mutex<HashMap<ProviderKeyId, RefreshRequest>>,
    pub(crate) wake: Notify,
}

/// A request to fetch the list of a key, unless it is recent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RefreshRequest {
    pub(crate) user: UserId,
    /// True if the key was replaced: what is known of its list and of earlier failures does not hold any more.
    pub(crate) replaced: bool,
}

impl ModelRefreshQueue {
    /// Notes that a caller has read the list of a key.
    pub(crate) fn listed(&self, user: UserId, key: ProviderKeyId) {
        self.note(user, key, false);
    }

    /// Notes that a caller has saved a key.
    pub(crate) fn saved(&self, user: UserId, key: ProviderKeyId) {
        self.note(user, key, true);
    }

    fn note(&self, user: UserId, key: ProviderKeyId, replaced: bool) {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let request = keys.entry(key).or_insert(RefreshRequest { user, replaced });
        request.replaced |= replaced;
        drop(keys);
        self.wake.notify_one();
    }

    pub(crate) fn take(&self) -> HashMap<ProviderKeyId, RefreshRequest> {
        std::mem::take(&mut *self.keys.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saved_key_stays_new_however_often_it_is_listed() {
        let queue = ModelRefreshQueue::default();
        let (user, key) = (UserId(1), ProviderKeyId(2));
        queue.saved(user, key);
        queue.listed(user, key);
        assert_eq!(queue.take(), HashMap::from([(key, RefreshRequest { user, replaced: true })]));
        assert!(queue.take().is_empty());
    }
}
