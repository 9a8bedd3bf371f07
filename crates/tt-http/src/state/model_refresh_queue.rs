//! Provider keys whose lists of models are to be fetched soon.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;
use tt_core::{ProviderKeyId, UserId};

/// Keys whose lists somebody has just asked for, with whose they are; the background looks at them at once.
#[derive(Debug, Default)]
pub(crate) struct ModelRefreshQueue {
    keys: Mutex<HashMap<ProviderKeyId, Ask>>,
    pub(crate) wake: Notify,
}

/// Why a list is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ask {
    pub(crate) user: UserId,
    /// The key is another than before: what was found out about it does not hold.
    pub(crate) anew: bool,
}

impl ModelRefreshQueue {
    /// The list of a key has been looked at.
    pub(crate) fn listed(&self, user: UserId, key: ProviderKeyId) {
        self.note(user, key, false);
    }

    /// A key has been saved.
    pub(crate) fn saved(&self, user: UserId, key: ProviderKeyId) {
        self.note(user, key, true);
    }

    fn note(&self, user: UserId, key: ProviderKeyId, anew: bool) {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let ask = keys.entry(key).or_insert(Ask { user, anew });
        ask.anew |= anew;
        drop(keys);
        self.wake.notify_one();
    }

    pub(crate) fn take(&self) -> HashMap<ProviderKeyId, Ask> {
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
        assert_eq!(queue.take(), HashMap::from([(key, Ask { user, anew: true })]));
        assert!(queue.take().is_empty());
    }
}
