//! Names of our own making, in place of a client's that Anthropic would refuse or should not see.

use uuid::Uuid;

/// Chosen once at random; another would change every opaque name.
const NAMESPACE: Uuid = Uuid::from_u128(0x2f6c_8f5e_0f0b_4f63_9d5c_6d1b_7f5a_3c91);

/// A name that stands for `text`, the same in every request.
pub(super) fn opaque(text: &str) -> Uuid {
    Uuid::new_v5(&NAMESPACE, text.as_bytes())
}
