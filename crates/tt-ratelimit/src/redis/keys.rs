//! The names of keys in Redis. Several installations may share a Redis, so each name begins with that of its installation.

use std::sync::Arc;

use tt_core::UserId;

/// The beginning of all keys of an installation.
#[derive(Debug, Clone)]
pub(crate) struct Keys(Arc<str>);

impl Default for Keys {
    /// Keys of an installation without a name, which has the Redis for itself.
    fn default() -> Self {
        Self("tt:".into())
    }
}

impl Keys {
    /// The keys of the installation of this name.
    pub(super) fn of_installation(name: &str) -> Self {
        Self(format!("tt:{name}:").into())
    }

    /// A key that belongs to no user.
    pub(crate) fn shared(&self, rest: &str) -> String {
        format!("{}{rest}", self.0)
    }

    /// A key of a user. The hash tag (`{u:7}`) keeps all keys of a user on one node of a Redis cluster.
    pub(crate) fn of_user(&self, user: UserId, rest: &str) -> String {
        format!("{}{{u:{user}}}:{rest}", self.0)
    }
}
