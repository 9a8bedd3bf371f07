//! Seals and opens provider keys, and the secrets of webhooks: the store keeps them sealed, the directory holds provider keys
//! open.

use secrecy::SecretString;
use tt_core::{BaseUrl, Provider, SealId, Sealed, UserId};
use tt_crypto::{Aad, Keyring};
use tt_store::{SealedKey, StoredSecret, WebhookSecret};

/// The table that the sealed secrets are bound to.
const TABLE: &str = "provider_keys";

/// The table that the secrets of webhooks are bound to.
const WEBHOOKS: &str = "webhooks";

/// Seals a provider key under a new seal id.
pub(crate) fn seal(
    keyring: &Keyring,
    user_id: UserId,
    provider: Provider,
    base_url: Option<&BaseUrl>,
    secret: &SecretString,
) -> Result<(SealId, Sealed), tt_crypto::Error> {
    let seal_id = tt_crypto::new_seal_id()?;
    let provider = Some(provider);
    let sealed = keyring.seal(&Aad { table: TABLE, seal_id: &seal_id, user_id, provider, base_url }, secret)?;
    Ok((seal_id, sealed))
}

/// Seals the secret of a webhook under a new seal id.
pub(crate) fn seal_webhook(
    keyring: &Keyring,
    user_id: UserId,
    secret: &SecretString,
) -> Result<(SealId, Sealed), tt_crypto::Error> {
    let seal_id = tt_crypto::new_seal_id()?;
    let sealed = keyring.seal(&aad_of_webhook(user_id, &seal_id), secret)?;
    Ok((seal_id, sealed))
}

/// Opens the secret of a webhook.
pub(crate) fn open_webhook(keyring: &Keyring, stored: &WebhookSecret) -> Result<SecretString, tt_crypto::Error> {
    keyring.open(&aad_of_webhook(stored.user_id, &stored.seal_id), &stored.sealed)
}

/// As [`reseal`], for the secret of a webhook.
///
/// # Errors
/// As [`reseal`].
pub fn reseal_webhook(keyring: &Keyring, stored: &WebhookSecret) -> Result<Sealed, tt_crypto::Error> {
    keyring.seal(&aad_of_webhook(stored.user_id, &stored.seal_id), &open_webhook(keyring, stored)?)
}

fn aad_of_webhook(user_id: UserId, seal_id: &SealId) -> Aad<'_> {
    Aad { table: WEBHOOKS, seal_id, user_id, provider: None, base_url: None }
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
        provider: Some(stored.key.provider),
        base_url: stored.key.base_url.as_ref(),
    }
}
