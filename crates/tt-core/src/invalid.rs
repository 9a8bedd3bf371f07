//! The one error of this crate: a value that does not parse into its type.

/// A value was refused. `field` is the name a client knows it by, `reason` what would be right; neither ever holds
/// a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct Invalid {
    /// The field as the client names it, for example `alias` or `light_model_threshold`.
    pub field: &'static str,
    /// What is wrong and what to send instead.
    pub reason: String,
}

impl Invalid {
    /// An error about `field`.
    pub fn new(field: &'static str, reason: impl Into<String>) -> Self {
        Self { field, reason: reason.into() }
    }
}
