//! Sealing of provider keys, and of the secrets of webhooks, for the store, with AES-256-GCM:
//! `v1.kid.nonce.ciphertext`, each part in base64url without padding. `kid` names the sealing key.
//!
//! The additional authenticated data binds a ciphertext to its row: it does not open for another user, provider or
//! address. So even somebody who can write to the database cannot have a stored key sent to a host that it was not
//! saved for.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{self, AES_256_GCM, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use secrecy::{ExposeSecret as _, SecretString};
use tt_core::{BaseUrl, Provider, SealId, Sealed, UserId};
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::random;
use crate::subkey::{self, Purpose};

const VERSION: &str = "v1";

/// The additional authenticated data: what a sealed secret belongs to. It opens only with the same values in all
/// fields.
#[derive(Debug, Clone, Copy)]
pub struct Aad<'a> {
    /// The table it is stored in.
    pub table: &'a str,
    /// Its random id, from [`new_seal_id`]; a new one each time the secret is replaced.
    pub seal_id: &'a SealId,
    /// The user it belongs to.
    pub user_id: UserId,
    /// The provider whose API it is for; `None` for a secret that is for none.
    pub provider: Option<Provider>,
    /// The only base URL it may be sent to; `None`: the provider's own.
    pub base_url: Option<&'a BaseUrl>,
}

/// A new id for a sealed secret: 128 random bits. [`Error::Unavailable`] when the system gives no randomness.
pub fn new_seal_id() -> Result<SealId> {
    random::name().map(SealId)
}

/// The key that seals and opens, and the key before it, which only opens. `Debug` prints neither.
pub struct Keyring {
    current: SealingKey,
    old: Option<SealingKey>,
}

impl Keyring {
    /// `current` is `ENCRYPTION_KEY`; `old` is `ENCRYPTION_KEY_OLD`, which is set during a rotation. [`Error::BadKey`]
    /// when one of them is shorter than 32 bytes.
    pub fn new(current: &SecretString, old: Option<&SecretString>) -> Result<Self> {
        Ok(Self { current: SealingKey::new(current)?, old: old.map(SealingKey::new).transpose()? })
    }

    /// Seals `secret` with the current key. [`Error::Unavailable`] when the system gives no randomness.
    pub fn seal(&self, aad: &Aad<'_>, secret: &SecretString) -> Result<Sealed> {
        let nonce: [u8; NONCE_LEN] = random::bytes()?;
        let secret = secret.expose_secret().as_bytes();
        // The buffer has room for the tag, since growing it would leave a copy of the secret in freed memory.
        let mut buffer = Zeroizing::new(Vec::with_capacity(secret.len() + AES_256_GCM.tag_len()));
        buffer.extend_from_slice(secret);
        self.current
            .key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad.encode(), &mut *buffer)
            .map_err(|_| Error::BadKey)?;
        let [nonce, text] = [nonce.as_slice(), buffer.as_slice()].map(|part| URL_SAFE_NO_PAD.encode(part));
        Ok(Sealed(format!("{VERSION}.{}.{nonce}.{text}", self.current.kid)))
    }

    /// Opens what either key has sealed. [`Error::UnknownKey`] when it was sealed with another key, [`Error::Tampered`]
    /// when the text was altered or `aad` differs from that of sealing.
    pub fn open(&self, aad: &Aad<'_>, sealed: &Sealed) -> Result<SecretString> {
        let parts = Parts::of(sealed)?;
        let keys = [Some(&self.current), self.old.as_ref()];
        let key = keys.into_iter().flatten().find(|key| key.kid == parts.kid).ok_or(Error::UnknownKey)?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| Error::Tampered);
        let nonce = Nonce::try_assume_unique_for_key(&decode(parts.nonce)?).map_err(|_| Error::Tampered)?;
        let mut buffer = Zeroizing::new(decode(parts.text)?);
        let plain = key.key.open_in_place(nonce, aad.encode(), &mut buffer).map_err(|_| Error::Tampered)?;
        std::str::from_utf8(plain).map(SecretString::from).map_err(|_| Error::Tampered)
    }

    /// True if it is sealed with another key than the current one. Also true for a text that is no sealed secret.
    pub fn needs_rotation(&self, sealed: &Sealed) -> bool {
        Parts::of(sealed).map_or(true, |parts| parts.kid != self.current.kid)
    }
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keyring(…)")
    }
}

struct SealingKey {
    /// The key's id: 64 bits that are derived from the secret separately, so they reveal nothing about the key.
    kid: String,
    key: LessSafeKey,
}

impl SealingKey {
    fn new(secret: &SecretString) -> Result<Self> {
        let kid = subkey::derive::<8>(secret, Purpose::SealingKeyId)?;
        let key = subkey::derive::<32>(secret, Purpose::Sealing)?;
        let key = UnboundKey::new(&AES_256_GCM, key.as_slice()).map_err(|_| Error::BadKey)?;
        Ok(Self { kid: URL_SAFE_NO_PAD.encode(kid.as_slice()), key: LessSafeKey::new(key) })
    }
}

struct Parts<'a> {
    kid: &'a str,
    nonce: &'a str,
    text: &'a str,
}

impl<'a> Parts<'a> {
    fn of(sealed: &'a Sealed) -> Result<Self> {
        let mut parts = sealed.0.split('.');
        match (parts.next(), parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(VERSION), Some(kid), Some(nonce), Some(text), None) => Ok(Self { kid, nonce, text }),
            _ => Err(Error::Tampered),
        }
    }
}

impl Aad<'_> {
    /// Each field after its length, so that two different sets of fields never have the same encoding.
    fn encode(&self) -> aead::Aad<Vec<u8>> {
        let mut out = Vec::with_capacity(128);
        let user_id = self.user_id.0.to_be_bytes();
        for field in [
            VERSION.as_bytes(),
            self.table.as_bytes(),
            self.seal_id.0.as_bytes(),
            &user_id,
            self.provider.map_or(&[][..], |provider| provider.as_str().as_bytes()),
            self.base_url.map_or(&[][..], |url| url.as_str().as_bytes()),
        ] {
            out.extend_from_slice(&(field.len() as u64).to_be_bytes());
            out.extend_from_slice(field);
        }
        aead::Aad::from(out)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(letter: char) -> SecretString {
        letter.to_string().repeat(32).into()
    }

    fn ring(current: char, old: Option<char>) -> Keyring {
        Keyring::new(&key(current), old.map(key).as_ref()).unwrap()
    }

    fn seal_id(text: &str) -> SealId {
        SealId(text.to_owned())
    }

    fn aad(seal_id: &SealId) -> Aad<'_> {
        Aad { table: "provider_keys", seal_id, user_id: UserId(1), provider: Some(Provider::OpenAi), base_url: None }
    }

    fn opened(ring: &Keyring, aad: &Aad<'_>, sealed: &Sealed) -> Result<String> {
        ring.open(aad, sealed).map(|s| s.expose_secret().to_owned())
    }

    #[test]
    fn a_sealed_secret_opens_and_its_text_does_not_contain_it() {
        let (ring, id) = (ring('a', None), new_seal_id().unwrap());
        let sealed = ring.seal(&aad(&id), &"sk-live-secret".into()).unwrap();
        assert_eq!(opened(&ring, &aad(&id), &sealed).as_deref(), Ok("sk-live-secret"));
        assert!(sealed.0.starts_with("v1."));
        assert!(!sealed.0.contains("secret"));
        assert!(!ring.needs_rotation(&sealed));
    }

    #[test]
    fn sealing_the_same_secret_twice_gives_two_texts() {
        let (ring, id) = (ring('a', None), seal_id("x"));
        let seal = || ring.seal(&aad(&id), &"same".into()).unwrap().0;
        let (one, two) = (seal(), seal());
        let part = |text: &str, n: usize| text.split('.').nth(n).unwrap().to_owned();
        assert_eq!(part(&one, 1), part(&two, 1));
        assert_ne!(part(&one, 2), part(&two, 2));
        assert_ne!(part(&one, 3), part(&two, 3));
        assert_ne!(new_seal_id().unwrap(), new_seal_id().unwrap());
    }

    #[test]
    fn it_opens_for_nothing_but_what_it_was_sealed_for() {
        let (ring, id, other) = (ring('a', None), seal_id("x"), seal_id("y"));
        let url = BaseUrl::parse("https://example.org/v1").unwrap();
        let elsewhere = BaseUrl::parse("https://example.com/v1").unwrap();
        let good = Aad { base_url: Some(&url), ..aad(&id) };
        let sealed = ring.seal(&good, &"k".into()).unwrap();
        assert!(opened(&ring, &good, &sealed).is_ok());
        for bad in [
            Aad { table: "provider_key", ..good },
            Aad { seal_id: &other, ..good },
            Aad { user_id: UserId(2), ..good },
            Aad { provider: Some(Provider::Anthropic), ..good },
            Aad { provider: None, ..good },
            Aad { base_url: Some(&elsewhere), ..good },
            Aad { base_url: None, ..good },
        ] {
            assert_eq!(opened(&ring, &bad, &sealed), Err(Error::Tampered), "{bad:?}");
        }
    }

    #[test]
    fn letters_cannot_move_from_one_field_to_the_next() {
        let (ab, c) = (seal_id("c"), seal_id("bc"));
        let one = Aad { table: "ab", ..aad(&ab) };
        let two = Aad { table: "a", ..aad(&c) };
        assert_ne!(one.encode().as_ref(), two.encode().as_ref());
    }

    #[test]
    fn an_old_key_still_opens_and_asks_for_rotation() {
        let id = seal_id("x");
        let sealed = ring('a', None).seal(&aad(&id), &"k".into()).unwrap();
        let rotating = ring('b', Some('a'));
        assert_eq!(opened(&rotating, &aad(&id), &sealed).as_deref(), Ok("k"));
        assert!(rotating.needs_rotation(&sealed));
        let again = rotating.seal(&aad(&id), &"k".into()).unwrap();
        assert!(!rotating.needs_rotation(&again));
        assert_eq!(opened(&ring('b', None), &aad(&id), &again).as_deref(), Ok("k"));
    }

    #[test]
    fn a_key_that_is_not_configured_is_named_as_such() {
        let id = seal_id("x");
        let sealed = ring('a', None).seal(&aad(&id), &"k".into()).unwrap();
        assert_eq!(opened(&ring('b', Some('c')), &aad(&id), &sealed), Err(Error::UnknownKey));
        // With the id of a configured key in its place it does not open either.
        let ours = ring('b', None).seal(&aad(&id), &"k".into()).unwrap();
        let kid = |s: &Sealed| s.0.split('.').nth(1).unwrap().to_owned();
        let relabelled = Sealed(sealed.0.replace(&kid(&sealed), &kid(&ours)));
        assert_eq!(opened(&ring('b', None), &aad(&id), &relabelled), Err(Error::Tampered));
    }

    #[test]
    fn a_short_key_is_refused() {
        assert_eq!(Keyring::new(&"short".into(), None).unwrap_err(), Error::BadKey);
        assert_eq!(Keyring::new(&key('a'), Some(&"short".into())).unwrap_err(), Error::BadKey);
    }

    /// A row sealed once must open for ever. This one was sealed by an independent implementation of the format.
    #[test]
    fn the_format_never_changes() {
        let sealed = Sealed("v1.Lw9_zBKy0nw.AAECAwQFBgcICQoL.BRBDfNDfgx_M-LX2EiGD6wyjfTLdyQLYKvv2VB4x".to_owned());
        let id = seal_id("AAAAAAAAAAAAAAAAAAAAAA");
        let url = BaseUrl::parse("https://example.org/v1").unwrap();
        let aad = Aad { base_url: Some(&url), ..aad(&id) };
        assert_eq!(opened(&ring('a', None), &aad, &sealed).as_deref(), Ok("sk-live-secret"));
    }

    proptest! {
        #[test]
        fn any_text_goes_in_and_out(text in "\\PC{0,200}") {
            let (ring, id) = (ring('a', None), seal_id("x"));
            let sealed = ring.seal(&aad(&id), &text.as_str().into()).unwrap();
            prop_assert_eq!(opened(&ring, &aad(&id), &sealed), Ok(text));
        }

        #[test]
        fn one_changed_character_never_opens(at in any::<prop::sample::Index>(), to in 0_u8..128) {
            let (ring, id) = (ring('a', None), seal_id("x"));
            let mut bytes = ring.seal(&aad(&id), &"sk-live-secret".into()).unwrap().0.into_bytes();
            let at = at.index(bytes.len());
            prop_assume!(bytes[at] != to);
            bytes[at] = to;
            let changed = Sealed(String::from_utf8(bytes).unwrap());
            let refused = opened(&ring, &aad(&id), &changed).unwrap_err();
            prop_assert!(matches!(refused, Error::Tampered | Error::UnknownKey));
        }

        #[test]
        fn a_cut_or_garbled_text_never_panics(cut in 0_usize..80, garbage in "\\PC{0,80}", parts in "v1\\.[A-Za-z0-9_-]{0,12}\\.[A-Za-z0-9_-]{0,18}\\.[A-Za-z0-9_-]{0,40}") {
            let (ring, id) = (ring('a', None), seal_id("x"));
            let whole = ring.seal(&aad(&id), &"sk-live-secret".into()).unwrap().0;
            let kid = whole.split('.').nth(1).unwrap();
            prop_assume!(cut < whole.len());
            let cut: String = whole.chars().take(cut).collect();
            for text in [cut, format!("v1.{kid}.{garbage}"), garbage, parts] {
                prop_assert!(opened(&ring, &aad(&id), &Sealed(text)).is_err());
            }
        }
    }
}
