//! The one error of this crate. No variant says more than its caller may act on, and none holds a secret.

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A configured secret cannot be used: it is shorter than 32 bytes.
    #[error("a configured secret is unusable")]
    BadKey,
    /// A sealed secret names a key that is neither the current nor the old one.
    #[error("sealed with a key that is not configured")]
    UnknownKey,
    /// What the store holds is not what was written: a sealed secret that does not open, a password hash that does not
    /// parse.
    #[error("a stored secret was altered or belongs elsewhere")]
    Tampered,
    /// A credential from outside does not parse, does not verify or has expired. Deliberately not said which.
    #[error("the credential is not valid")]
    Invalid,
    /// More password hashes are asked for than can be worked off soon; try again later.
    #[error("too many password hashes are waiting")]
    Busy,
    /// The system gave no randomness or no memory, or is shutting down.
    #[error("the system could not provide {0}")]
    Unavailable(&'static str),
}

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;
