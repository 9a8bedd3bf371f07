//! Asks a provider for the list of models that a key may call.

use std::time::Duration;

use bytes::Bytes;
use secrecy::ExposeSecret;
use tokio::time::timeout;
use tt_core::{Dialect, ModelName, UserId};
use tt_crypto::Keyring;
use tt_providers::upstream::account::Account;
use tt_providers::upstream::call::{ask, collect};
use tt_providers::upstream::models::{ModelsPage, decode_models};
use tt_providers::{Client, UpstreamError, codec};
use tt_store::SealedKey;

use crate::config::UpstreamConfig;
use crate::state::sealing;

/// The time that one page may take, and its largest size. The longest lists of today have some hundred names.
const PAGE_TIME: Duration = Duration::from_secs(15);
const LARGEST_PAGE: usize = 4 * 1024 * 1024;

/// The most pages that are read of a list, and the most names that are kept.
const MOST_PAGES: usize = 20;
const MOST_MODELS: usize = 5000;

/// An opened provider key, whose provider can be asked for its models.
pub(crate) struct ModelSource(Account);

impl ModelSource {
    /// Opens a stored key of `user`.
    pub(crate) fn open(
        keyring: &Keyring,
        upstream: &UpstreamConfig,
        user: UserId,
        stored: &SealedKey,
    ) -> Result<Self, tt_crypto::Error> {
        let secret = sealing::open(keyring, user, stored)?;
        let provider = stored.key.provider;
        let (base_url, trust) = upstream.address(provider, stored.key.base_url.as_ref());
        Ok(Self(Account::new(provider, base_url, trust, secret)))
    }

    /// One page of the list, which [`ModelSource::read`] reads. No other call to a provider costs as little.
    pub(crate) async fn page(&self, client: &Client, after: Option<&str>) -> Result<Bytes, UpstreamError> {
        let request = self.0.models(after)?;
        // The provider's own dialect reads an error.
        let egress = codec(self.0.provider().dialect_for(Dialect::OpenAiChat)).egress;
        let page = async {
            let response = ask(client, egress, &self.0, request).await?;
            collect(response.into_body(), LARGEST_PAGE, PAGE_TIME, |_| Ok(())).await
        };
        timeout(PAGE_TIME, page).await.map_err(|_| UpstreamError::Timeout(PAGE_TIME))?
    }

    /// Reads a page of the list, which takes some ten milliseconds for the largest.
    pub(crate) fn read(&self, page: &[u8]) -> Result<ModelsPage, UpstreamError> {
        decode_models(self.0.provider(), page)
    }

    /// The whole list, sorted and without duplicates. Names that no request could carry are left out.
    pub(crate) async fn all(&self, client: &Client) -> Result<Vec<String>, UpstreamError> {
        let (mut names, mut after) = (Vec::new(), None);
        for _ in 0..MOST_PAGES {
            let page = self.read(&self.page(client, after.as_deref()).await?)?;
            names.extend(page.names.into_iter().filter(|name| ModelName::try_from(name.clone()).is_ok()));
            after = page.next;
            if after.is_none() || names.len() >= MOST_MODELS {
                break;
            }
        }
        names.sort_unstable();
        names.dedup();
        names.truncate(MOST_MODELS);
        Ok(names)
    }

    /// The reason of a failure, for the caller and the log. It never holds the key: a provider's message that quotes the key
    /// is left out.
    pub(crate) fn reason(&self, error: &UpstreamError) -> String {
        let reason = error.public_reason();
        if reason.contains(self.0.secret().expose_secret()) {
            return match error {
                UpstreamError::Refused(refused) => format!("{} (the provider's words quote the key)", refused.status),
                _ => "the provider's words quote the key".to_owned(),
            };
        }
        reason
    }
}

#[cfg(test)]
mod tests {
    use tt_core::{BaseUrl, Provider};
    use tt_providers::{Refused, RefusedKind, Trust};

    use super::*;

    #[test]
    fn a_provider_that_quotes_the_key_is_not_repeated() {
        let address = BaseUrl::parse("https://example.org").unwrap();
        let asked = ModelSource(Account::new(Provider::OpenAi, address, Trust::User, "sk-live-secret".into()));
        let refused = |kind, message: &str| {
            UpstreamError::Refused(Box::new(Refused {
                status: 500,
                kind,
                message: message.to_owned(),
                code: None,
                param: None,
                retry_after: None,
                should_retry: None,
                original: None,
            }))
        };
        let quoted = asked.reason(&refused(RefusedKind::Server, "no such key: sk-live-secret"));
        assert!(quoted.starts_with("500") && !quoted.contains("sk-live"), "{quoted}");
        let protocol = UpstreamError::Protocol("not a list: sk-live-secret".to_owned());
        assert!(!asked.reason(&protocol).contains("sk-live"));
        assert_eq!(asked.reason(&refused(RefusedKind::Server, "out of order")), "500 out of order");
    }
}
