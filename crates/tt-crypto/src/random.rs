//! Randomness from the operating system, and the check of configured secrets.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom as _, SystemRandom};
use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;
use tt_core::Invalid;
use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// The shortest length of a configured secret, in bytes.
pub const MIN_SECRET_BYTES: usize = 32;

/// A new secret of 256 random bits in base64url (43 characters), for a generated `JWT_SECRET` or `ENCRYPTION_KEY`.
/// [`Error::Unavailable`] when the system gives no randomness.
pub fn secret() -> Result<SecretString> {
    let raw = Zeroizing::new(bytes::<32>()?);
    Ok(SecretString::from(URL_SAFE_NO_PAD.encode(raw.as_slice())))
}

/// Checks that `secret` can be used as the setting `name` (`JWT_SECRET`, `ENCRYPTION_KEY`): any text of 32 bytes or
/// more can. The error names the setting and does not show the secret.
pub fn check_secret(name: &'static str, secret: &SecretString) -> Result<(), Invalid> {
    if secret.expose_secret().len() >= MIN_SECRET_BYTES {
        Ok(())
    } else {
        Err(Invalid::new(name, "must be 32 bytes or more, for example the output of `openssl rand -base64 32`"))
    }
}

/// True if `given` is `secret`. The time does not tell how much of it is right, nor how long the secret is: digests are
/// compared, to their last byte.
pub fn is_secret(secret: &SecretString, given: &str) -> bool {
    let [secret, given] = [secret.expose_secret(), given].map(|text| digest(&SHA256, text.as_bytes()));
    secret.as_ref().ct_eq(given.as_ref()).into()
}

/// `N` random bytes.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N]> {
    let mut out = [0; N];
    SystemRandom::new().fill(&mut out).map_err(|_| Error::Unavailable("randomness"))?;
    Ok(out)
}

/// A random name: 128 bits in base64url (22 characters).
pub(crate) fn name() -> Result<String> {
    Ok(URL_SAFE_NO_PAD.encode(bytes::<16>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_secret_is_fit_to_be_configured_and_never_the_same() {
        let (one, two) = (secret().unwrap(), secret().unwrap());
        assert_eq!(check_secret("JWT_SECRET", &one), Ok(()));
        assert_eq!(one.expose_secret().len(), 43);
        assert_ne!(one.expose_secret(), two.expose_secret());
    }

    #[test]
    fn a_secret_is_itself_and_no_other_text() {
        let secret = SecretString::from("0123456789abcdef0123456789abcdef");
        assert!(is_secret(&secret, "0123456789abcdef0123456789abcdef"));
        for other in ["", "0", "0123456789abcdef0123456789abcdeF", "0123456789abcdef0123456789abcdef0"] {
            assert!(!is_secret(&secret, other), "{other}");
        }
    }

    #[test]
    fn a_secret_needs_32_bytes_and_the_refusal_names_it_without_showing_it() {
        assert!(check_secret("JWT_SECRET", &"é".repeat(16).into()).is_ok());
        let refused = check_secret("JWT_SECRET", &"hunter2".repeat(4).into()).unwrap_err();
        assert_eq!(refused.field, "JWT_SECRET");
        assert!(!refused.to_string().contains("hunter2"));
    }
}
