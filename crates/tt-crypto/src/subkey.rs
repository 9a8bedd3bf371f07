//! Subkeys, derived from configured secrets: one for each purpose, so that no key is ever used for two.

use ring::hkdf;
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::random::MIN_SECRET_BYTES;

/// Fixed, since changing it, or a purpose, would change every key. HKDF's salt need not be secret or random.
const SALT: &[u8] = b"tokentracer";

/// The purpose of a key, which is the `info` of HKDF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Signs session tokens (HS256).
    SessionSigning,
    /// Hashes pairs of an account and an address (HMAC-SHA256).
    AddressNames,
    /// Seals provider keys (AES-256-GCM).
    Sealing,
    /// Makes the id of a sealing key, which is stored with the ciphertext and reveals nothing about the key.
    SealingKeyId,
}

impl Purpose {
    const fn info(self) -> &'static [u8] {
        match self {
            Self::SessionSigning => b"session hs256 v1",
            Self::AddressNames => b"address names v1",
            Self::Sealing => b"seal aes-256-gcm v1",
            Self::SealingKeyId => b"seal key id v1",
        }
    }
}

/// `N` bytes of HKDF-SHA256 of `secret` for `purpose`. [`Error::BadKey`] when the secret is shorter than 32 bytes.
pub(crate) fn derive<const N: usize>(secret: &SecretString, purpose: Purpose) -> Result<Zeroizing<[u8; N]>> {
    struct Length(usize);
    impl hkdf::KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }

    let secret = secret.expose_secret().as_bytes();
    if secret.len() < MIN_SECRET_BYTES {
        return Err(Error::BadKey);
    }
    let mut out = Zeroizing::new([0; N]);
    hkdf::Salt::new(hkdf::HKDF_SHA256, SALT)
        .extract(secret)
        .expand(&[purpose.info()], Length(N))
        .and_then(|okm| okm.fill(out.as_mut_slice()))
        .map_err(|_| Error::BadKey)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_purpose_and_each_secret_has_its_own_key() {
        let [a, b] = ["a", "b"].map(|c| SecretString::from(c.repeat(32)));
        let key = |secret, purpose| *derive::<32>(secret, purpose).unwrap();
        assert_eq!(key(&a, Purpose::Sealing), key(&a, Purpose::Sealing));
        assert_ne!(key(&a, Purpose::Sealing), key(&b, Purpose::Sealing));
        assert_ne!(key(&a, Purpose::Sealing), key(&a, Purpose::SessionSigning));
        assert_ne!(key(&a, Purpose::Sealing), key(&a, Purpose::SealingKeyId));
    }

    /// Computed by hand with HMAC-SHA256 (RFC 5869): a changed label would make every stored key unreadable.
    #[test]
    fn derivation_never_changes() {
        let secret = SecretString::from("0123456789abcdef0123456789abcdef");
        let hex: String = derive::<32>(&secret, Purpose::Sealing).unwrap().iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, "b8c8c580bef2c61521250bda72c85c3ca5102ff9592223463420f4835ebdc175");
    }

    #[test]
    fn a_short_secret_is_refused() {
        assert_eq!(derive::<32>(&"x".repeat(31).into(), Purpose::Sealing).unwrap_err(), Error::BadKey);
    }
}
