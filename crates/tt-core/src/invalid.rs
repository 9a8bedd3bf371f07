//! The one error of this crate: a value that cannot be parsed into its type.

/// A value was refused. The message never holds a secret, so a client may be shown it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct Invalid {
    /// The field as the client names it, for example `alias` or `light_model_threshold`.
    pub field: &'static str,
    /// The rule that the value breaks, worded as what to send instead, for example `must be 1 to 64 characters`.
    pub reason: String,
}

impl Invalid {
    /// An error about `field`.
    pub fn new(field: &'static str, reason: impl Into<String>) -> Self {
        Self { field, reason: reason.into() }
    }
}
