//! The error of this crate. A variant says no more than its caller needs to act, and none holds a secret.

/// The error of this crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A configured secret cannot be used: it is shorter than 32 bytes.
    #[error("a configured secret cannot be used")]
    BadKey,
    /// A sealed secret names a key that is neither the current nor the old one.
    #[error("the secret is sealed with a key that is not configured")]
    UnknownKey,
    /// The store has something else than was written: a sealed secret that does not open, or a password hash that does
    /// not parse.
    #[error("a stored secret was altered or belongs elsewhere")]
    Tampered,
    /// A credential from outside does not parse, does not verify or has expired. Which of these is not said, so that an
    /// attacker learns nothing.
    #[error("the credential is not valid")]
    Invalid,
    /// Too many password hashes are waiting already; try again later.
    #[error("too many password hashes are waiting")]
    Busy,
    /// The system gave no randomness, no memory or no thread, or is shutting down. The text names what was missing.
    #[error("the system could not provide {0}")]
    Unavailable(&'static str),
}

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;
