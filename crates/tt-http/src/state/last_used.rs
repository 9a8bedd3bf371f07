//! The times when API keys and sessions were last used. They are noted in memory and written once a minute, so that no
//! request waits for it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tt_core::caller::Proof;
use tt_core::{ApiKeyId, SessionId, Timestamp};

/// The precision of `last_used_at`.
const GRAIN_MS: i64 = 60_000;

/// A credential in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Credential {
    ApiKey(ApiKeyId),
    Session(SessionId),
}

/// The times that are to be written.
#[derive(Debug, Default)]
pub(crate) struct Uses {
    pub(crate) api_keys: Vec<(ApiKeyId, Timestamp)>,
    pub(crate) sessions: Vec<(SessionId, Timestamp)>,
}

/// The credentials used since the last write.
#[derive(Debug, Default)]
pub(crate) struct LastUsed {
    noted: Mutex<HashMap<Credential, Timestamp>>,
    /// The lock that is held while noted times are written.
    pub(crate) writing: tokio::sync::Mutex<()>,
}

impl LastUsed {
    /// Notes that the credential behind `proof` was used.
    pub(crate) fn note(&self, proof: &Proof, at: Timestamp) {
        let credential = match proof {
            Proof::ApiKey { id, .. } => Credential::ApiKey(*id),
            Proof::Session(id) => Credential::Session(*id),
        };
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let last = noted.entry(credential).or_insert(at);
        if at.millis() - last.millis() >= GRAIN_MS {
            *last = at;
        }
    }

    /// Takes the noted times, and notes them no longer.
    pub(crate) fn take(&self) -> Uses {
        let noted = std::mem::take(&mut *self.noted.lock().unwrap_or_else(PoisonError::into_inner));
        let mut uses = Uses::default();
        for (credential, at) in noted {
            match credential {
                Credential::ApiKey(id) => uses.api_keys.push((id, at)),
                Credential::Session(id) => uses.sessions.push((id, at)),
            }
        }
        uses
    }
}
