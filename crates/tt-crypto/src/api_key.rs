//! API keys: `tt-`, then 43 random characters (256 bits), then 6 characters of checksum. After the prefix there are
//! letters and digits only, so that a double click selects the rest.
//!
//! The checksum lets a mistyped or invented key be refused before any lookup, and lets secret scanners recognise a key.
//! It is no protection: anybody can compute it.

use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;
use tt_core::KeyHash;
use zeroize::{Zeroize as _, Zeroizing};

use crate::error::Result;
use crate::random;

const PREFIX: &str = "tt-";
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// 62^43 > 2^256.
const RANDOM_CHARS: usize = 43;
/// 62^6 > 2^32.
const CHECK_CHARS: usize = 6;
const BODY: usize = PREFIX.len() + RANDOM_CHARS;
const LENGTH: usize = BODY + CHECK_CHARS;
/// The number of characters of a key that may be shown: `tt-` and 8 more, which leaves 208 bits unknown.
const SHOWN: usize = PREFIX.len() + 8;

/// An API key in the clear, of the right form and with the right checksum. `Debug` does not print it.
#[derive(Clone)]
pub struct ApiKey(SecretString);

impl ApiKey {
    /// A new random key. [`Error::Unavailable`](crate::Error::Unavailable) when the system gives no randomness.
    pub fn generate() -> Result<Self> {
        let mut text = Zeroizing::new(String::with_capacity(LENGTH));
        text.push_str(PREFIX);
        while text.len() < BODY {
            let mut raw = random::bytes::<64>()?;
            // 248 = 4 * 62. Bytes from 248 on are dropped, since they would make the first characters more likely.
            let fair = raw.iter().filter(|b| **b < 248).map(|b| digit(u32::from(*b)));
            let room = BODY - text.len();
            text.extend(fair.take(room));
            raw.zeroize();
        }
        let check = checksum(text.as_bytes());
        text.extend(check.map(char::from));
        Ok(Self(SecretString::from(text.as_str())))
    }

    /// Parses a key; `None` if its length, prefix, alphabet or checksum is not that of [`ApiKey::generate`].
    pub fn parse(text: &str) -> Option<Self> {
        let (body, check) = text.as_bytes().split_at_checked(BODY)?;
        let random = body.strip_prefix(PREFIX.as_bytes())?;
        let fits = random.iter().all(u8::is_ascii_alphanumeric) && check == checksum(body);
        fits.then(|| Self(SecretString::from(text)))
    }

    /// SHA-256 of the whole text, under which the store has the key. A slow hash is not needed for 256 random bits.
    pub fn hash(&self) -> KeyHash {
        sha256(self.expose())
    }

    /// True if `text` is this key. It takes as long for every text of the same length.
    pub fn is(&self, text: &str) -> bool {
        self.expose().as_bytes().ct_eq(text.as_bytes()).into()
    }

    /// The first 11 characters, which tell the keys of a list apart.
    pub fn prefix(&self) -> String {
        self.expose().chars().take(SHOWN).collect()
    }

    /// The key itself, which is shown to its owner once.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl std::fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ApiKey(…)")
    }
}

/// SHA-256 of `text`, which must have at least 128 random bits.
pub(crate) fn sha256(text: &str) -> KeyHash {
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    let mut out = [0; 32];
    out.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
    KeyHash(out)
}

/// CRC-32 of `body` in base 62, most significant digit first.
fn checksum(body: &[u8]) -> [u8; CHECK_CHARS] {
    let mut rest = crc32fast::hash(body);
    let mut out = [ALPHABET[0]; CHECK_CHARS];
    for place in out.iter_mut().rev() {
        *place = ALPHABET[(rest % 62) as usize];
        rest /= 62;
    }
    out
}

fn digit(value: u32) -> char {
    char::from(ALPHABET[(value % 62) as usize])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_is_read_back_as_it_was_made() {
        let key = ApiKey::generate().unwrap();
        assert_eq!(key.expose().len(), 52);
        let again = ApiKey::parse(key.expose()).unwrap();
        assert_eq!((again.expose(), again.hash()), (key.expose(), key.hash()));
        assert_ne!(key.hash(), ApiKey::generate().unwrap().hash());
    }

    #[test]
    fn the_form_never_changes() {
        let made = "tt-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg0zO2V6";
        let key = ApiKey::parse(made).unwrap();
        assert_eq!(key.prefix(), "tt-01234567");
        assert_eq!(key.hash().to_hex(), "180f95b3839f1e463d2937b72a2149bea24f83fdaffd1261bb0a15f28684a674");
    }

    #[test]
    fn debug_does_not_print_the_key() {
        assert_eq!(format!("{:?}", ApiKey::generate().unwrap()), "ApiKey(…)");
    }

    #[test]
    fn other_texts_are_refused() {
        let key = ApiKey::generate().unwrap();
        let key = key.expose();
        let longer = format!("{key}0");
        let blank = format!(" {key}");
        for bad in [
            "",
            "tt-",
            "sk-proj-123",
            key.strip_suffix(char::is_alphanumeric).unwrap(),
            &longer,
            &blank,
            &key.replace("tt-", "TT-"),
            &"é".repeat(26),
        ] {
            assert!(ApiKey::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn every_character_of_the_alphabet_turns_up() {
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..200 {
            seen.extend(ApiKey::generate().unwrap().expose().bytes().skip(3).take(RANDOM_CHARS));
        }
        assert_eq!(seen.len(), 62);
    }

    proptest! {
        #[test]
        fn one_changed_character_is_refused(at in 0..LENGTH, to in 0_u8..128) {
            let key = ApiKey::generate().unwrap();
            let mut bytes = key.expose().as_bytes().to_vec();
            prop_assume!(bytes[at] != to);
            bytes[at] = to;
            prop_assert!(ApiKey::parse(std::str::from_utf8(&bytes).unwrap()).is_none());
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,60}", tail in "tt-[0-9A-Za-zé]{40,52}") {
            prop_assert!(ApiKey::parse(&text).is_none());
            prop_assert!(ApiKey::parse(&tail).is_none());
        }
    }
}
