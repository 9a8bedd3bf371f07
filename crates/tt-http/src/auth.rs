//! The handlers of `/auth`: accounts, sessions and API keys.

pub(crate) mod account;
pub(crate) mod credentials;
mod guesses;
pub(crate) mod keys;
pub(crate) mod new_password;
pub(crate) mod sessions;
