//! Hashed names that replace names of the client which a provider would refuse or should not see.

use uuid::Uuid;

/// The namespace of the hashes, chosen once at random. Another one would change every hashed name.
const NAMESPACE: Uuid = Uuid::from_u128(0x2f6c_8f5e_0f0b_4f63_9d5c_6d1b_7f5a_3c91);

/// The hashed name of `text`, the same in every request.
pub(super) fn hashed(text: &str) -> Uuid {
    Uuid::new_v5(&NAMESPACE, text.as_bytes())
}
