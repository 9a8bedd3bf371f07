//! The API key that came last on a connection.

use std::sync::{Arc, Mutex, PoisonError};

use tt_core::KeyHash;
use tt_crypto::ApiKey;

/// The API key of a connection's last request with its hash. Most connections carry one key, which need not be hashed again
/// for each request. Clones are of the same connection.
#[derive(Clone, Default)]
pub(crate) struct LastKey(Arc<Mutex<Option<(ApiKey, KeyHash)>>>);

impl LastKey {
    /// The hash of the API key `text`; `None` if it is not the text of a key.
    pub(crate) fn hash(&self, text: &str) -> Option<KeyHash> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((key, hash)) = &*last
            && key.is(text)
        {
            return Some(*hash);
        }
        let key = ApiKey::parse(text)?;
        let hash = key.hash();
        *last = Some((key, hash));
        Some(hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_its_own_hash_whichever_came_last() {
        let (one, other) = (ApiKey::generate().unwrap(), ApiKey::generate().unwrap());
        let last = LastKey::default();
        for key in [&one, &one, &other, &one, &other, &other] {
            assert_eq!(last.clone().hash(key.expose()), Some(key.hash()));
        }
        for text in
            ["", "tt-", one.expose().strip_prefix('t').unwrap(), &format!("{}x", other.expose()), "a.session.token"]
        {
            assert_eq!(last.hash(text), None, "{text}");
        }
        assert_eq!(last.hash(one.expose()), Some(one.hash()));
    }
}
