//! Seals and opens provider keys: the store keeps them sealed, the directory holds them open.

use secrecy::SecretString;
use tt_core::{BaseUrl, Provider, SealId, Sealed, UserId};
use tt_crypto::{Aad, Keyring};
use tt_store::{SealedKey, StoredSecret};

/// The table that the sealed secrets are bound to.
const TABLE: &str = "provider_keys";

/// Seals a provider key under a new seal id.
pub(crate) fn seal(
    keyring: &Keyring,
    user_id: UserId,
    provider: Provider,
    base_url: Option<&BaseUrl>,
    secret: &SecretString,
) -> Result<(SealId, Sealed), tt_crypto::Error> {
    let seal_id = tt_crypto::new_seal_id()?;
    let sealed = keyring.seal(&Aad { table: TABLE, seal_id: &seal_id, user_id, provider, base_url }, secret)?;
    Ok((seal_id, sealed))
}

/// Opens a stored provider key.
pub(crate) fn open(keyring: &Keyring, user_id: UserId, stored: &SealedKey) -> Result<SecretString, tt_crypto::Error> {
    keyring.open(&aad(user_id, stored), &stored.sealed)
}

/// Seals a stored provider key anew with the keyring's current key. The secret and its seal id stay the same.
///
/// # Errors
/// When neither key of the keyring opens it, or when it was sealed for another row.
pub fn reseal(keyring: &Keyring, stored: &StoredSecret) -> Result<Sealed, tt_crypto::Error> {
    let StoredSecret { user_id, key: stored } = stored;
    let secret = open(keyring, *user_id, stored)?;
    keyring.seal(&aad(*user_id, stored), &secret)
}

fn aad(user_id: UserId, stored: &SealedKey) -> Aad<'_> {
    Aad {
        table: TABLE,
        seal_id: &stored.seal_id,
        user_id,
        provider: stored.key.provider,
        base_url: stored.key.base_url.as_ref(),
    }
}
