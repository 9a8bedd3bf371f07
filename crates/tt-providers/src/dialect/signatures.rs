//! Signatures of thinking, texts and calls, which only their maker can read.

use tt_core::Provider;
use tt_core::call::field::Field;
use tt_core::call::origin::Signature;

use crate::notes::Notes;

/// The note of a request that passes through without `field`, which other providers had signed; none where nothing is left
/// out.
pub(super) fn left_out(field: Field, any: bool) -> Notes {
    let mut notes = Notes::default();
    if any {
        notes.dropped(field, "only the provider that made it can read it");
    }
    notes
}

/// The value of a signature that `maker` made; `None` for any other, which a client could only send back in vain.
pub(super) fn made_by(maker: Provider, signature: Option<&Signature>) -> Option<&str> {
    signature.filter(|signature| signature.of.provider == maker).map(|signature| signature.value.as_str())
}
