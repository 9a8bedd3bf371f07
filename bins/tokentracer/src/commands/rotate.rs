//! `tokentracer secrets rotate`: seals every provider key and every secret of a webhook again, with the current encryption
//! key.
//!
//! It replaces one of them at a time, and only if nobody has changed it meanwhile, so the command may be interrupted
//! and run again at any time. A server that has both keys (`ENCRYPTION_KEY` and `ENCRYPTION_KEY_OLD`) reads either.

use std::io::Write;

use clap::Command;
use tokio::runtime::Handle;
use tt_core::{ProviderKeyId, WebhookId};
use tt_crypto::Keyring;
use tt_http::now;
use tt_store::{Action, Author, Store};

use crate::config::Config;
use crate::secrets::Secrets;
use crate::store::{explain, open_existing};

/// The number of keys that are read from the store at once.
const PAGE: u32 = 500;

/// The command line.
pub(crate) fn command() -> Command {
    let rotate = "Seal every provider key and webhook secret anew: from ENCRYPTION_KEY_OLD to ENCRYPTION_KEY";
    Command::new("secrets")
        .about("The secrets that seal what is stored")
        .subcommand_required(true)
        .subcommand(Command::new("rotate").about(rotate))
}

/// The number of keys by their state after the run.
#[derive(Debug, Default, PartialEq, Eq)]
struct Count {
    /// Sealed again by this run.
    resealed: usize,
    /// Sealed with the current encryption key already.
    current: usize,
    /// Changed by a server between being read and being replaced, so left as they are.
    changed: usize,
    /// Sealed with neither of the encryption keys.
    unreadable: Vec<(ProviderKeyId, tt_crypto::Error)>,
}

/// Seals every key again. Errors are one line each.
pub(crate) async fn run(config: &Config, control: &Handle) -> Result<(), String> {
    let keyring = Secrets::load(config)?.keyring()?;
    let store = open_existing(config, control).await?;
    let mut count = pass(&store, &keyring).await?;
    if count.changed > 0 {
        // A server that does not have the new encryption key yet seals with the old one. A second pass seals those
        // again.
        let again = pass(&store, &keyring).await?;
        count = Count {
            resealed: count.resealed + again.resealed,
            current: again.current.saturating_sub(count.resealed),
            ..again
        };
    }
    if count.resealed > 0 {
        let (object, detail) = ("provider keys".to_owned(), format!("{} sealed anew", count.resealed));
        let noted = store.note_action(Author::operator(now()), Action::SecretsRotated, object, detail).await;
        noted.map_err(|error| explain(&error))?;
    }
    let webhooks = webhooks(&store, &keyring).await?;
    store.close();
    let (keys, webhooks) = (report(&count), report_webhooks(&webhooks));
    keys.and(webhooks)
}

/// The number of webhooks' secrets by their state after the run.
#[derive(Debug, Default)]
struct WebhookCount {
    resealed: usize,
    current: usize,
    /// Sealed with neither of the encryption keys, or replaced by a server meanwhile.
    left: Vec<WebhookId>,
}

/// Seals the secret of every webhook again.
async fn webhooks(store: &Store, keyring: &Keyring) -> Result<WebhookCount, String> {
    let mut count = WebhookCount::default();
    let mut after = WebhookId(0);
    loop {
        let page = store.webhook_secrets(after, PAGE).await.map_err(|error| explain(&error))?;
        let Some(last) = page.last() else { return Ok(count) };
        after = last.id;
        for stored in page {
            let id = stored.id;
            if !keyring.needs_rotation(&stored.sealed) {
                count.current += 1;
                continue;
            }
            let resealed = match tt_http::reseal_webhook(keyring, &stored) {
                Ok(sealed) => store.reseal_webhook(stored, sealed).await.map_err(|error| explain(&error))?,
                Err(_) => false,
            };
            if resealed {
                count.resealed += 1;
            } else {
                count.left.push(id);
            }
        }
    }
}

fn report_webhooks(count: &WebhookCount) -> Result<(), String> {
    let WebhookCount { resealed, current, left } = count;
    if resealed + current + left.len() > 0 {
        let line = format!("{resealed} secrets of webhooks sealed anew, {current} already were");
        writeln!(std::io::stdout(), "{line}").map_err(|error| format!("standard output: {error}"))?;
    }
    if left.is_empty() {
        return Ok(());
    }
    let ids = left.iter().map(WebhookId::to_string).collect::<Vec<_>>().join(", ");
    Err(format!("the secrets of these webhooks could not be sealed anew; run the command again or rotate them: {ids}"))
}

async fn pass(store: &Store, keyring: &Keyring) -> Result<Count, String> {
    let mut count = Count::default();
    let mut after = ProviderKeyId(0);
    loop {
        let page = store.stored_secrets(after, PAGE).await.map_err(|error| explain(&error))?;
        let Some(last) = page.last() else { return Ok(count) };
        after = last.key.key.id;
        for stored in page {
            if !keyring.needs_rotation(&stored.key.sealed) {
                count.current += 1;
                continue;
            }
            let id = stored.key.key.id;
            match tt_http::reseal(keyring, &stored) {
                Ok(sealed) => match store.reseal(stored, sealed).await.map_err(|error| explain(&error))? {
                    true => count.resealed += 1,
                    false => count.changed += 1,
                },
                Err(error) => count.unreadable.push((id, error)),
            }
        }
    }
}

fn report(count: &Count) -> Result<(), String> {
    let Count { resealed, current, changed, unreadable } = count;
    let line = format!("{resealed} provider keys sealed anew, {current} already were");
    writeln!(std::io::stdout(), "{line}").map_err(|error| format!("standard output: {error}"))?;
    for (id, error) in unreadable {
        let line = format!("provider key {id} cannot be opened: {error}");
        writeln!(std::io::stderr(), "{line}").map_err(|error| format!("standard error: {error}"))?;
    }
    match (unreadable.len(), changed) {
        (0, 0) => Ok(()),
        (0, changed) => Err(format!("{changed} provider keys changed meanwhile; run the command again")),
        (left, _) => Err(format!(
            "{left} provider keys open neither with ENCRYPTION_KEY nor with ENCRYPTION_KEY_OLD; keep the key they were \
             sealed with, or have them saved again"
        )),
    }
}
