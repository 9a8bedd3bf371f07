//! HS256 signatures for jsonwebtoken, made with ring. Every other algorithm is refused here, in addition to the checks
//! of `session`.
//!
//! It is written by hand because jsonwebtoken's own providers bring in RustCrypto's `rsa` (RUSTSEC-2023-0071) or
//! aws-lc.

use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind, new_error};
use jsonwebtoken::signature::{self, Signer, Verifier};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, EncodingKey};
use ring::hmac;

type Result<T, E = Error> = std::result::Result<T, E>;

/// Makes this the provider of the process. If the program has installed another before, that one stays: it computes the
/// same HS256.
pub(crate) fn install() {
    let _already = PROVIDER.install_default();
}

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: signer,
    verifier_factory: verifier,
    // Needed for JWK only, which is never used here. jsonwebtoken's own placeholders would panic.
    key_utils: KeyUtils {
        rsa_pub_components_from_private_key: |_| Err(unsupported()),
        rsa_pub_components_from_public_key: |_| Err(unsupported()),
        ec_pub_components_from_private_key: |_, _| Err(unsupported()),
        ed_pub_components_from_private_key: |_, _| Err(unsupported()),
        compute_digest: |_, _| Err(unsupported()),
    },
};

fn signer(algorithm: &Algorithm, key: &EncodingKey) -> Result<Box<dyn JwtSigner>> {
    check(*algorithm, key.family())?;
    Ok(Box::new(HmacSha256(hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()))))
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>> {
    check(*algorithm, key.family())?;
    Ok(Box::new(HmacSha256(hmac::Key::new(hmac::HMAC_SHA256, key.try_get_as_bytes()?))))
}

fn check(algorithm: Algorithm, family: AlgorithmFamily) -> Result<()> {
    if algorithm == Algorithm::HS256 && family == AlgorithmFamily::Hmac { Ok(()) } else { Err(unsupported()) }
}

fn unsupported() -> Error {
    new_error(ErrorKind::UnsupportedAlgorithm)
}

struct HmacSha256(hmac::Key);

impl Signer<Vec<u8>> for HmacSha256 {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        Ok(hmac::sign(&self.0, message).as_ref().to_vec())
    }
}

impl Verifier<Vec<u8>> for HmacSha256 {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        hmac::verify(&self.0, message, signature).map_err(|_| signature::Error::new())
    }
}

impl JwtSigner for HmacSha256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl JwtVerifier for HmacSha256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7515, appendix A.1.
    #[test]
    fn the_example_of_the_standard_verifies() {
        install();
        let key = DecodingKey::from_base64_secret(
            "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ+EstJQLr/T+1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow==",
        )
        .unwrap();
        let message = concat!(
            "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.",
            "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ",
        );
        let signature = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let verify = |m: &str| jsonwebtoken::crypto::verify(signature, m.as_bytes(), &key, Algorithm::HS256).unwrap();
        assert!(verify(message));
        assert!(!verify(&message.replace("eyJ0", "eyJ1")));
    }

    #[test]
    fn every_other_algorithm_and_key_family_is_refused() {
        let (secret, rsa) = (EncodingKey::from_secret(&[1; 32]), EncodingKey::from_rsa_der(&[1; 32]));
        assert!(signer(&Algorithm::HS256, &secret).is_ok());
        assert!(signer(&Algorithm::HS256, &rsa).is_err());
        let secret = DecodingKey::from_secret(&[1; 32]);
        for other in [Algorithm::HS384, Algorithm::HS512, Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
            assert!(verifier(&other, &secret).is_err(), "{other:?}");
        }
        assert!(verifier(&Algorithm::HS256, &DecodingKey::from_rsa_der(&[1; 32])).is_err());
    }
}
