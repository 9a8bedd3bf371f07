//! The providers that `make run` knows, and the keys to use them with.

use crate::env::Settings;

/// A provider, and the ways to call it and its mock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Provider {
    pub(crate) name: &'static str,
    pub(crate) key_variable: &'static str,
    pub(crate) url_variable: &'static str,
    /// A key that the mock accepts.
    pub(crate) mock_key: &'static str,
    /// The path at which the mock serves this provider's API.
    pub(crate) mock_path: &'static str,
    /// The model that the demo aliases name: cheap, and with a known price.
    pub(crate) model: &'static str,
    /// The names that its models have, as an alias that catches them.
    pub(crate) own_names: &'static str,
}

pub(crate) const PROVIDERS: [Provider; 3] = [
    Provider {
        name: "openai",
        key_variable: "OPENAI_API_KEY",
        url_variable: "OPENAI_BASE_URL",
        mock_key: "sk-mock-dev",
        mock_path: "/v1",
        model: "gpt-4o-mini",
        own_names: "gpt-*",
    },
    Provider {
        name: "anthropic",
        key_variable: "ANTHROPIC_API_KEY",
        url_variable: "ANTHROPIC_BASE_URL",
        mock_key: "sk-ant-mock-dev",
        mock_path: "",
        model: "claude-haiku-4-5",
        own_names: "claude-*",
    },
    Provider {
        name: "gemini",
        key_variable: "GEMINI_API_KEY",
        url_variable: "GEMINI_BASE_URL",
        mock_key: "AIzaMockDev",
        mock_path: "",
        model: "gemini-2.5-flash",
        own_names: "gemini-*",
    },
];

/// A provider key to be stored: the provider and the secret.
#[derive(Clone)]
pub(crate) struct ProviderKey {
    pub(crate) provider: Provider,
    pub(crate) secret: String,
    pub(crate) mock: bool,
}

/// The keys the environment gives; without any, the mock's for every provider.
pub(crate) fn provider_keys(settings: &Settings) -> Vec<ProviderKey> {
    let real: Vec<ProviderKey> = PROVIDERS
        .into_iter()
        .filter_map(|provider| {
            Some(ProviderKey { secret: settings.value(provider.key_variable)?, provider, mock: false })
        })
        .collect();
    if real.is_empty() { mock_keys() } else { real }
}

/// The mock's key for every provider.
pub(crate) fn mock_keys() -> Vec<ProviderKey> {
    let mock = |provider: Provider| ProviderKey { secret: provider.mock_key.to_owned(), provider, mock: true };
    PROVIDERS.into_iter().map(mock).collect()
}
