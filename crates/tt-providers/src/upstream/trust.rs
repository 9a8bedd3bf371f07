//! The trust that an address of a provider has.

/// The person who chose an address, which decides whether it must be public.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// The operator of the server. Any address is allowed.
    Operator,
    /// A user. Only public addresses are allowed, unless
    /// [`ClientSettings`](crate::upstream::client::ClientSettings) allows private ones.
    User,
}
