//! What the service can be set to. The binary reads it from the environment; other programs fill it in themselves.

use std::time::Duration;

use tt_core::caller::RequestLimits;
use tt_core::{BaseUrl, Provider};
use tt_providers::Trust;

/// Settings of the HTTP service (`api.md`, Configuration).
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// May anybody sign up?
    pub signup_open: bool,
    /// The largest body of a proxied request, in bytes.
    pub max_body_bytes: usize,
    /// The most bytes of bodies held over all requests.
    pub max_buffered_bytes: usize,
    /// The most connections.
    pub max_connections: usize,
    /// The time a client has for the head of a request, from its first byte on (of the first: from connecting).
    pub client_header_timeout: Duration,
    /// How long a connection may idle between requests.
    pub client_idle_timeout: Duration,
    /// The longest silence within a body.
    pub client_body_idle_timeout: Duration,
    /// How long requests in flight may go on after the stop.
    pub shutdown_grace: Duration,
    /// How providers are called.
    pub upstream: UpstreamConfig,
    /// Limits of users that have none of their own; 0: none.
    pub default_limits: RequestLimits,
    /// Are requests refused while Redis is away (`LIMITS_WITHOUT_REDIS=deny`)?
    pub limits_need_redis: bool,
    /// How long what is remembered of callers serves while the store is away.
    pub directory_max_stale: Duration,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<ipnet::IpNet>,
    /// The age at which the list of a provider key's models is fetched again.
    pub model_refresh_interval: Duration,
    /// Worker threads; each serves its connections alone.
    pub workers: usize,
}

/// How providers are called.
#[derive(Debug, Clone)]
pub struct UpstreamConfig {
    /// OpenAI's address, `/v1` included.
    pub openai_base_url: BaseUrl,
    /// Anthropic's address.
    pub anthropic_base_url: BaseUrl,
    /// Gemini's address.
    pub gemini_base_url: BaseUrl,
    /// May a user's own address be a private one?
    pub allow_private: bool,
    /// Time to connect.
    pub connect_timeout: Duration,
    /// Time to the first event of a stream.
    pub first_byte_timeout: Duration,
    /// Time for a plain answer, whole.
    pub total_timeout: Duration,
    /// The longest silence within an answer.
    pub idle_timeout: Duration,
    /// How often one target is tried again.
    pub max_retries: u32,
}

impl UpstreamConfig {
    /// Where a provider key is used, and who chose that address: its own `base_url` where it has one.
    pub(crate) fn address(&self, provider: Provider, own: Option<&BaseUrl>) -> (BaseUrl, Trust) {
        let operators = match provider {
            Provider::OpenAi => &self.openai_base_url,
            Provider::Anthropic => &self.anthropic_base_url,
            Provider::Gemini => &self.gemini_base_url,
        };
        match own {
            Some(own) => (own.clone(), Trust::User),
            None => (operators.clone(), Trust::Operator),
        }
    }
}
