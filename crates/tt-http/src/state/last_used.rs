//! The times when API keys were last used. They are noted in memory and written once a minute, so that no request waits
//! for it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tt_core::{ApiKeyId, Timestamp};

/// The precision of `last_used_at`.
const GRAIN_MS: i64 = 60_000;

/// The API keys used since the last write.
#[derive(Debug, Default)]
pub(crate) struct LastUsed {
    noted: Mutex<HashMap<ApiKeyId, Timestamp>>,
    /// The lock that is held while noted times are written.
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

    /// Takes the noted times, and notes them no longer.
    pub(crate) fn take(&self) -> Vec<(ApiKeyId, Timestamp)> {
        std::mem::take(&mut *self.noted.lock().unwrap_or_else(PoisonError::into_inner)).into_iter().collect()
    }
}
