//! The setup of a user: aliases, and provider keys that are opened and ready for use.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tt_core::routing::Routes;
use tt_core::{ProviderKeyId, UserId};
use tt_crypto::Keyring;
use tt_providers::upstream::account::Account;
use tt_store::Routing;

use crate::config::UpstreamConfig;
use crate::state::sealing;
use crate::state::target_health::{KeyHealth, UserHealth};

/// A provider key ready for use.
pub(crate) struct OpenKey {
    pub(crate) account: Arc<Account>,
    /// The models that rest with this key. Later views of the user share it while the key stays the same.
    pub(crate) health: Arc<KeyHealth>,
    /// True if a request has used the key since [`UserView::take_used`] was last called.
    pub(crate) used: AtomicBool,
}

/// A user's aliases and opened provider keys.
pub(crate) struct UserView {
    pub(crate) routes: Routes,
    pub(crate) keys: HashMap<ProviderKeyId, OpenKey>,
}

impl UserView {
    /// Opens the keys of `user`, which are used at the addresses of `upstream` unless they have their own, and of which each
    /// has its place in `health`. One that cannot be opened is logged and left out: the others still serve, and a request
    /// that needs it fails.
    pub(super) fn open(
        keyring: &Keyring,
        upstream: &UpstreamConfig,
        user: UserId,
        routing: Routing,
        health: &UserHealth,
    ) -> Self {
        let Routing { aliases, keys: sealed } = routing;
        let mut keys = HashMap::with_capacity(sealed.len());
        for stored in &sealed {
            let key = &stored.key;
            let Some(health) = health.of(key.id) else { continue };
            match sealing::open(keyring, user, stored) {
                Ok(secret) => {
                    let (base_url, trust) = upstream.address(key.provider, key.base_url.as_ref());
                    let account = Arc::new(Account::new(key.provider, base_url, trust, secret));
                    keys.insert(key.id, OpenKey { account, health, used: AtomicBool::new(false) });
                }
                Err(error) => tracing::error!(provider_key = %key.id, %error, "a provider key cannot be opened"),
            }
        }
        Self { routes: Routes::new(aliases, sealed.into_iter().map(|stored| stored.key)), keys }
    }

    /// The keys that requests have used since the last call.
    pub(super) fn take_used(&self) -> impl Iterator<Item = ProviderKeyId> + '_ {
        self.keys.iter().filter(|(_, key)| key.used.swap(false, Ordering::Relaxed)).map(|(id, _)| *id)
    }
}
