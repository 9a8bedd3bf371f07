//! The trust in the address of a provider, by the person who chose it.

/// The person who chose an address, which decides whether it must be public.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// The operator of the server. Any address is allowed.
    Operator,
    /// A user. Only public addresses are allowed, unless the settings of the client allow private ones.
    User,
}
