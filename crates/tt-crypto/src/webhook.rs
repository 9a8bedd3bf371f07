//! Signatures of webhooks, in the form of [Standard Webhooks](https://www.standardwebhooks.com): HMAC-SHA256 over the id, the
//! time and the body, so that a receiver knows who sent a body, and that it is not an old one sent again.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::{Zeroize as _, Zeroizing};

use crate::error::{Error, Result};
use crate::random;

/// The beginning of every secret.
const PREFIX: &str = "whsec_";

/// The random bytes of a secret. The standard asks for 24 to 64.
const SECRET_BYTES: usize = 32;

/// A new secret: `whsec_`, then 32 random bytes in base64. [`Error::Unavailable`] when the system gives no randomness.
pub fn new_secret() -> Result<SecretString> {
    let mut raw = random::bytes::<SECRET_BYTES>()?;
    let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + SECRET_BYTES * 4 / 3 + 4));
    text.push_str(PREFIX);
    STANDARD.encode_string(raw, &mut text);
    raw.zeroize();
    Ok(SecretString::from(text.as_str()))
}

/// The value of the header `webhook-signature` for a body: `v1,` and the code in base64. `id` is the value of the header
/// `webhook-id`, and `seconds` that of `webhook-timestamp`, in seconds since the Unix epoch. [`Error::BadKey`] for a secret
/// that [`new_secret`] did not make.
pub fn sign(secret: &SecretString, id: &str, seconds: i64, body: &[u8]) -> Result<String> {
    let encoded = secret.expose_secret().strip_prefix(PREFIX).ok_or(Error::BadKey)?;
    let key = Zeroizing::new(STANDARD.decode(encoded).map_err(|_| Error::BadKey)?);
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &key));
    context.update(format!("{id}.{seconds}.").as_bytes());
    context.update(body);
    Ok(format!("v1,{}", STANDARD.encode(context.sign())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the standard's reference libraries.
    #[test]
    fn the_signature_is_that_of_the_standard() {
        let secret = SecretString::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let body = br#"{"test": 2432232314}"#;
        let signed = sign(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signed.as_deref(), Ok("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
    }

    #[test]
    fn every_part_is_signed() {
        let (one, two) = (new_secret().unwrap(), new_secret().unwrap());
        assert_eq!(one.expose_secret().len(), PREFIX.len() + 44);
        let signed = sign(&one, "evt_1", 5, b"{}").unwrap();
        assert_eq!(sign(&one, "evt_1", 5, b"{}").unwrap(), signed);
        for other in [
            sign(&two, "evt_1", 5, b"{}"),
            sign(&one, "evt_2", 5, b"{}"),
            sign(&one, "evt_1", 6, b"{}"),
            sign(&one, "evt_1", 5, b"{} "),
        ] {
            assert_ne!(other.unwrap(), signed);
        }
        assert_eq!(sign(&SecretString::from("secret"), "evt_1", 5, b"{}"), Err(Error::BadKey));
    }
}
