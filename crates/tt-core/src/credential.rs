//! Credentials as the store keeps them: hashed or sealed, never in the clear.

/// The SHA-256 of an API key or of a session's jti. Not secret by itself: the input has 256 random bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyHash(pub [u8; 32]);

impl KeyHash {
    /// Lower-case hex, 64 characters: the form in the store.
    pub fn to_hex(self) -> String {
        self.0.iter().map(|b| format!("{b:02x}")).collect()
    }
}

impl std::fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyHash(…)")
    }
}

/// A sealed secret: `v1.kid.nonce.ciphertext`, base64url parts. Opened only by `tt-crypto`.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(pub String);

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealed(…)")
    }
}

/// The random name of one sealed secret, which binds the ciphertext to its row. The row's own id cannot do that, since
/// it is not known before the insert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealId(pub String);
