//! Signatures of thinking, texts and calls, which only their maker can read.

use tt_core::Provider;
use tt_core::call::origin::Signature;

/// The reason why signed thinking does not go to another provider, for notes.
pub(super) const UNREADABLE: &str = "only the provider that made it can read it";

/// The value of a signature that `maker` made; `None` for any other, which a client could only send back in vain.
pub(super) fn made_by(maker: Provider, signature: Option<&Signature>) -> Option<&str> {
    signature.filter(|signature| signature.of.provider == maker).map(|signature| signature.value.as_str())
}
