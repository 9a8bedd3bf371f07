//! A user of a world of several processes, as another process than their own sees them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use super::{User, World};
use crate::client::Client;

/// Clients of another process than the user's own.
#[derive(Debug)]
pub(super) struct Elsewhere {
    pub(super) session: Client,
    pub(super) api: Client,
    turn: AtomicUsize,
    /// The number of changes that the user had made when this process was first asked. It may not see later changes for
    /// five seconds.
    knows: OnceLock<usize>,
}

impl Elsewhere {
    /// True if the next call is this process's turn, and it knows every change that the user has made.
    pub(super) fn has_its_turn(&self, writes: usize) -> bool {
        self.turn.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) && *self.knows.get_or_init(|| writes) == writes
    }
}

impl World {
    /// The process after the user's own, where there are several.
    pub(super) fn elsewhere(&self, user: &User) -> Option<Arc<Elsewhere>> {
        if self.processes() < 2 {
            return None;
        }
        let client = self.client_of(user.process + 1);
        Some(Arc::new(Elsewhere {
            api: client.clone().bearer(user.api_key()),
            session: client.bearer(&user.token),
            turn: AtomicUsize::new(0),
            knows: OnceLock::new(),
        }))
    }

    /// The same user after their process has started again, on another port.
    pub fn find_again(&self, user: &mut User) {
        let client = self.client_of(user.process);
        user.session = client.clone().bearer(&user.token);
        if let Some(key) = &mut user.key {
            key.client = client.bearer(&key.token);
        }
        user.elsewhere = if user.key.is_some() { self.elsewhere(user) } else { None };
        // The other process may not know the latest changes, so it gets no turn.
        if let Some(elsewhere) = &user.elsewhere {
            let _ = elsewhere.knows.set(usize::MAX);
        }
    }
}
