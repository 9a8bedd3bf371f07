//! When API keys were last used: noted in memory, written by the minute, so that no request waits for it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tt_core::{ApiKeyId, Timestamp};

/// How exact `last_used_at` is.
const GRAIN_MS: i64 = 60_000;

/// The keys used since the last write. Bounded by the number of keys in use.
#[derive(Debug, Default)]
pub(crate) struct LastUsed {
    noted: Mutex<HashMap<ApiKeyId, Timestamp>>,
    /// Held while they are written.
    pub(crate) writing: tokio::sync::Mutex<()>,
}

impl LastUsed {
    pub(crate) fn note(&self, key: ApiKeyId, at: Timestamp) {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let last = noted.entry(key).or_insert(at);
        if at.millis() - last.millis() >= GRAIN_MS {
            *last = at;
        }
    }

    /// What is to be written.
    pub(crate) fn take(&self) -> Vec<(ApiKeyId, Timestamp)> {
        std::mem::take(&mut *self.noted.lock().unwrap_or_else(PoisonError::into_inner)).into_iter().collect()
    }
}
