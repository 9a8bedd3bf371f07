//! Session tokens: JWTs signed with HS256, made at login and valid for 24 hours. A token is valid only while the store
//! has a row for the hash of its `jti`, which the caller must look up.
//!
//! [`Sessions::address_hash`] gives the names under which addresses that have signed in are remembered.

use std::net::IpAddr;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use ring::hmac;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use tt_core::{KeyHash, Timestamp, UserId};

use crate::api_key::sha256;
use crate::error::{Error, Result};
use crate::subkey::{self, Purpose};
use crate::{jwt, random};

/// The lifetime of a session, in seconds.
pub const LIFETIME_SECONDS: i64 = 24 * 3600;

/// Longer texts are refused without being parsed. Tokens made here have about 230 bytes.
const TOKEN_CAP_BYTES: usize = 4096;
const AUDIENCE: &str = "tokentracer";
const KIND: &str = "session";

/// Issues and verifies session tokens.
pub struct Sessions {
    signing: EncodingKey,
    verifying: DecodingKey,
    validation: Validation,
    addresses: hmac::Key,
}

/// A new session token.
#[derive(Debug)]
pub struct Issued {
    /// The token, for the client.
    pub token: SecretString,
    /// The hash of its `jti`, under which the store has the session's row.
    pub jti_hash: KeyHash,
    /// The time at which it expires; a whole second.
    pub expires_at: Timestamp,
}

/// The claims of a valid token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claims {
    /// The user who signed in.
    pub user_id: UserId,
    /// The hash under which the store has the session's row.
    pub jti_hash: KeyHash,
    /// The time at which it expires.
    pub expires_at: Timestamp,
}

/// The claims as they are in the token, all required. Times are in seconds (RFC 7519 NumericDate).
#[derive(Serialize, Deserialize)]
struct WireClaims {
    sub: String,
    jti: String,
    iat: i64,
    exp: i64,
    aud: String,
    kind: String,
}

impl Sessions {
    /// Sessions whose tokens are signed with a subkey of `secret` (`JWT_SECRET`). [`Error::BadKey`] when that is
    /// shorter than 32 bytes.
    pub fn new(secret: &SecretString) -> Result<Self> {
        jwt::install();
        let key = subkey::derive::<32>(secret, Purpose::SessionSigning)?;
        let addresses = subkey::derive::<32>(secret, Purpose::AddressNames)?;
        let mut validation = Validation::new(Algorithm::HS256);
        // `verify` checks the claims itself: jsonwebtoken would read the clock, and would accept a list as audience.
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        Ok(Self {
            signing: EncodingKey::from_secret(key.as_slice()),
            verifying: DecodingKey::from_secret(key.as_slice()),
            validation,
            addresses: hmac::Key::new(hmac::HMAC_SHA256, addresses.as_slice()),
        })
    }

    /// The name under which an address that has signed in to `account` is remembered. It is a keyed hash, since a plain
    /// one could be reversed by trying all addresses.
    pub fn address_hash(&self, account: &str, address: IpAddr) -> KeyHash {
        let tag = hmac::sign(&self.addresses, format!("{address} {account}").as_bytes());
        let mut out = [0; 32];
        out.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
        KeyHash(out)
    }

    /// A new token for `user`, valid for 24 hours from `now`. [`Error::Unavailable`] when the system gives no
    /// randomness.
    pub fn issue(&self, user: UserId, now: Timestamp) -> Result<Issued> {
        let iat = now.millis().div_euclid(1000);
        let claims = WireClaims {
            sub: user.to_string(),
            jti: random::name()?,
            iat,
            exp: iat.saturating_add(LIFETIME_SECONDS),
            aud: AUDIENCE.to_owned(),
            kind: KIND.to_owned(),
        };
        let token = jsonwebtoken::encode(&header(), &claims, &self.signing).map_err(|_| Error::BadKey)?;
        Ok(Issued { token: token.into(), jti_hash: sha256(&claims.jti), expires_at: seconds(claims.exp)? })
    }

    /// Verifies `token`. [`Error::Invalid`] unless it was made by [`Sessions::issue`], was not altered and has not
    /// expired at `now`.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Claims> {
        if token.len() > TOKEN_CAP_BYTES {
            return Err(Error::Invalid);
        }
        let data = jsonwebtoken::decode::<WireClaims>(token, &self.verifying, &self.validation);
        let data = data.map_err(|_| Error::Invalid)?;
        let claims = data.claims;
        let expires_at = seconds(claims.exp)?;
        // The whole header is compared: tokens made here have no `crit`, `jwk`, `kid` or anything else in it.
        if data.header == header() && claims.kind == KIND && claims.aud == AUDIENCE && now < expires_at {
            let user_id = claims.sub.parse().map(UserId).map_err(|_| Error::Invalid)?;
            Ok(Claims { user_id, jti_hash: sha256(&claims.jti), expires_at })
        } else {
            Err(Error::Invalid)
        }
    }
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sessions(…)")
    }
}

fn header() -> Header {
    Header::new(Algorithm::HS256)
}

fn seconds(value: i64) -> Result<Timestamp> {
    value.checked_mul(1000).map(Timestamp::from_millis).ok_or(Error::Invalid)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    use proptest::prelude::*;
    use secrecy::ExposeSecret as _;
    use serde_json::{Value, json};

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_435_200_123);

    fn secret() -> SecretString {
        "a secret of more than thirty-two bytes".into()
    }

    fn sessions() -> Sessions {
        Sessions::new(&secret()).unwrap()
    }

    fn issue() -> (String, Issued) {
        let issued = sessions().issue(UserId(42), NOW).unwrap();
        (issued.token.expose_secret().to_owned(), issued)
    }

    /// A token with any header and claims, signed with the true key.
    fn forge(header: &Value, claims: &Value, algorithm: hmac::Algorithm) -> String {
        let key = subkey::derive::<32>(&secret(), Purpose::SessionSigning).unwrap();
        let part = |v: &Value| URL_SAFE_NO_PAD.encode(v.to_string());
        let message = format!("{}.{}", part(header), part(claims));
        let signature = hmac::sign(&hmac::Key::new(algorithm, key.as_slice()), message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn good_header() -> Value {
        json!({"typ": "JWT", "alg": "HS256"})
    }

    fn good_claims() -> Value {
        let iat = NOW.millis() / 1000;
        json!({"sub": "42", "jti": "abc", "iat": iat, "exp": iat + 60, "aud": "tokentracer", "kind": "session"})
    }

    fn forged(header: &Value, claims: &Value) -> Result<Claims> {
        sessions().verify(&forge(header, claims, hmac::HMAC_SHA256), NOW)
    }

    #[test]
    fn a_token_says_who_and_until_when() {
        let (token, issued) = issue();
        let claims = sessions().verify(&token, NOW).unwrap();
        assert_eq!(claims, Claims { user_id: UserId(42), jti_hash: issued.jti_hash, expires_at: issued.expires_at });
        assert_eq!(issued.expires_at.millis(), 1_795_435_200_000 + 24 * 3_600_000);
        assert_ne!(issued.jti_hash, issue().1.jti_hash);
        assert!(token.len() < 300, "{}", token.len());
    }

    #[test]
    fn it_ends_exactly_at_its_end() {
        let (token, issued) = issue();
        assert!(sessions().verify(&token, issued.expires_at.plus_millis(-1)).is_ok());
        assert_eq!(sessions().verify(&token, issued.expires_at), Err(Error::Invalid));
    }

    #[test]
    fn another_secret_makes_other_tokens() {
        let other = Sessions::new(&"another secret of more than thirty-two bytes".into()).unwrap();
        assert_eq!(other.verify(&issue().0, NOW), Err(Error::Invalid));
        assert_eq!(Sessions::new(&"short".into()).unwrap_err(), Error::BadKey);
    }

    #[test]
    fn an_address_has_another_name_with_each_account_and_each_secret() {
        let [home, office] = [[192, 0, 2, 1], [192, 0, 2, 2]].map(IpAddr::from);
        let name = sessions().address_hash("ann@example.org", home);
        assert_eq!(name, sessions().address_hash("ann@example.org", home));
        assert_ne!(name, sessions().address_hash("bob@example.org", home));
        assert_ne!(name, sessions().address_hash("ann@example.org", office));
        let other = Sessions::new(&"another secret of more than thirty-two bytes".into()).unwrap();
        assert_ne!(name, other.address_hash("ann@example.org", home));
    }

    /// The configured secret itself signs nothing: tokens are signed with a subkey of it.
    #[test]
    fn a_token_signed_with_the_configured_secret_itself_is_refused() {
        jwt::install();
        let key = EncodingKey::from_secret(secret().expose_secret().as_bytes());
        let token = jsonwebtoken::encode(&header(), &good_claims(), &key).unwrap();
        assert_eq!(sessions().verify(&token, NOW), Err(Error::Invalid));
    }

    #[test]
    fn any_other_header_is_refused() {
        assert!(forged(&good_header(), &good_claims()).is_ok());
        for (key, value) in [
            ("alg", json!("none")),
            ("alg", json!("None")),
            ("alg", json!("HS384")),
            ("alg", json!("HS512")),
            ("alg", json!("RS256")),
            ("alg", json!("ES256")),
            ("alg", json!(null)),
            ("typ", json!("at+jwt")),
            ("cty", json!("JWT")),
            ("crit", json!(["exp"])),
            ("jwk", json!({"kty": "oct", "k": "AAAA"})),
            ("jku", json!("https://example.org/keys")),
            ("kid", json!("1")),
            ("x5u", json!("https://example.org/cert")),
            ("zip", json!("DEF")),
            ("anything", json!(1)),
        ] {
            let mut header = good_header();
            header[key] = value;
            assert_eq!(forged(&header, &good_claims()), Err(Error::Invalid), "{header}");
        }
        assert_eq!(forged(&json!({"alg": "HS256"}), &good_claims()), Err(Error::Invalid));
        assert_eq!(forged(&json!({"typ": "JWT"}), &good_claims()), Err(Error::Invalid));
    }

    /// The signature is right, by the algorithm of the header and with our own key; only HS256 is accepted all the
    /// same.
    #[test]
    fn another_hmac_is_refused_even_with_a_right_signature() {
        for (name, algorithm) in [("HS384", hmac::HMAC_SHA384), ("HS512", hmac::HMAC_SHA512)] {
            let token = forge(&json!({"typ": "JWT", "alg": name}), &good_claims(), algorithm);
            assert_eq!(sessions().verify(&token, NOW), Err(Error::Invalid), "{name}");
        }
    }

    #[test]
    fn an_unsigned_token_is_refused() {
        let (token, _) = issue();
        let (message, signature) = token.rsplit_once('.').unwrap();
        let (_, claims) = message.split_once('.').unwrap();
        let none = URL_SAFE_NO_PAD.encode(r#"{"typ":"JWT","alg":"none"}"#);
        for bad in [
            format!("{message}."),
            message.to_owned(),
            format!("{none}.{claims}."),
            format!("{none}.{claims}.{signature}"),
        ] {
            assert_eq!(sessions().verify(&bad, NOW), Err(Error::Invalid), "{bad}");
        }
    }

    #[test]
    fn every_claim_is_required() {
        for claim in ["sub", "jti", "iat", "exp", "aud", "kind"] {
            let mut claims = good_claims();
            claims.as_object_mut().unwrap().remove(claim);
            assert_eq!(forged(&good_header(), &claims), Err(Error::Invalid), "{claim}");
        }
    }

    #[test]
    fn every_claim_is_checked() {
        for (claim, value) in [
            ("sub", json!("ann")),
            ("sub", json!("")),
            ("sub", json!(42)),
            ("sub", json!("99999999999999999999")),
            ("jti", json!(7)),
            ("exp", json!(NOW.millis() / 1000)),
            ("exp", json!("4000000000")),
            ("exp", json!(4e9)),
            ("exp", json!(i64::MAX)),
            ("exp", json!(null)),
            ("exp", json!(-1)),
            ("aud", json!("other")),
            ("aud", json!(["tokentracer"])),
            ("kind", json!("api")),
            ("kind", json!("Session")),
        ] {
            let mut claims = good_claims();
            claims[claim] = value;
            assert_eq!(forged(&good_header(), &claims), Err(Error::Invalid), "{claims}");
        }
    }

    #[test]
    fn an_oversized_token_is_refused_though_its_signature_is_right() {
        let mut claims = good_claims();
        claims["pad"] = json!("x".repeat(TOKEN_CAP_BYTES));
        assert_eq!(forged(&good_header(), &claims), Err(Error::Invalid));
        claims["pad"] = json!("x".repeat(2048));
        assert!(forged(&good_header(), &claims).is_ok());
    }

    #[test]
    fn other_encodings_of_a_token_are_refused() {
        let (token, _) = issue();
        let (message, signature) = token.rsplit_once('.').unwrap();
        let padded = STANDARD.encode(URL_SAFE_NO_PAD.decode(signature).unwrap());
        for bad in [
            format!("{message}.{padded}"),
            format!("{token}="),
            format!(" {token}"),
            format!("{token}.x"),
            String::new(),
        ] {
            assert_eq!(sessions().verify(&bad, NOW), Err(Error::Invalid), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn one_changed_character_is_refused(at in any::<prop::sample::Index>(), to in 0_u8..128) {
            let (token, _) = issue();
            let mut bytes = token.into_bytes();
            let at = at.index(bytes.len());
            prop_assume!(bytes[at] != to);
            bytes[at] = to;
            let changed = String::from_utf8(bytes).unwrap();
            prop_assert_eq!(sessions().verify(&changed, NOW), Err(Error::Invalid));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,80}", parts in "[A-Za-z0-9_-]{0,40}\\.[A-Za-z0-9_-]{0,40}\\.[A-Za-z0-9_-]{0,43}") {
            prop_assert_eq!(sessions().verify(&text, NOW), Err(Error::Invalid));
            prop_assert_eq!(sessions().verify(&parts, NOW), Err(Error::Invalid));
        }
    }
}
