//! The settings of the service. The binary reads them from the environment; other programs fill them in themselves.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::RootCertStore;
use secrecy::SecretString;
use tt_core::caller::RequestLimits;
use tt_core::trace::Sampler;
use tt_core::{BaseUrl, Provider};
use tt_providers::Trust;

use crate::server::tls::Tls;

/// The settings of the HTTP service.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// True if anybody may sign up. Otherwise `POST /auth/signup` answers 403.
    pub signup_open: bool,
    /// The largest body of a proxied request, in bytes.
    pub max_body_bytes: usize,
    /// The most memory, in bytes, that the process holds for proxied requests at a time: bodies, their decoded forms,
    /// answers. One user holds at most a quarter of it.
    pub max_buffered_bytes: usize,
    /// The most client connections at a time; further clients get a 503, on `/health` excepted.
    pub max_connections: usize,
    /// The time by which a worker may be behind its work; behind by more, it serves fewer calls of models at a time.
    pub max_worker_lag: Duration,
    /// The time a client has for the head of a request, from the head's first byte on (for the first head: from connecting).
    pub client_header_timeout: Duration,
    /// The time that a connection may idle between requests, counted from the last byte written to it. Load balancers
    /// usually close an idle connection after 60 s. This should be longer, so that the balancer closes first; otherwise
    /// a request could be sent into a connection that is being closed.
    pub client_idle_timeout: Duration,
    /// The time that a client may take nothing of an answer that waits to be sent. A client that keeps taking is never
    /// too slow.
    pub client_write_timeout: Duration,
    /// The longest silence within the body of a request.
    pub client_body_idle_timeout: Duration,
    /// The time that `/health/ready` says 503 after the stop has begun and before the listener closes: a load balancer
    /// sends requests until it has asked once more.
    pub shutdown_delay: Duration,
    /// The time that requests in flight have to finish after the listener has closed.
    pub shutdown_grace: Duration,
    /// The settings of calls to providers.
    pub upstream: UpstreamConfig,
    /// The limits of users that have none of their own; 0 means no limit.
    pub default_limits: RequestLimits,
    /// True if requests are refused while Redis is away (`LIMITS_WITHOUT_REDIS=deny`).
    pub limits_need_redis: bool,
    /// The time that callers are served from memory while the store does not answer.
    pub directory_max_stale: Duration,
    /// The certificate of the server; `None` for plain HTTP.
    pub tls: Option<Arc<Tls>>,
    /// The networks of proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<ipnet::IpNet>,
    /// The age at which the list of a provider key's models is fetched again.
    pub model_refresh_interval: Duration,
    /// The token for which `/metrics` is answered. Without one it is answered to peers on this machine.
    pub metrics_token: Option<SecretString>,
    /// True if the metrics have the sums over budgets.
    pub metrics_budgets: bool,
    /// The number of worker threads.
    pub workers: usize,
}

impl HttpConfig {
    /// True if `address` is a proxy that forwards the requests of many clients.
    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.trusted_proxies.iter().any(|net| net.contains(&address))
    }
}

/// The settings of calls to providers.
#[derive(Debug, Clone)]
pub struct UpstreamConfig {
    /// OpenAI's address, `/v1` included.
    pub openai_base_url: BaseUrl,
    /// Anthropic's address.
    pub anthropic_base_url: BaseUrl,
    /// Gemini's address.
    pub gemini_base_url: BaseUrl,
    /// True if the address that a user gives for a provider key may be a private one.
    pub allow_private: bool,
    /// The authorities that certificates of providers and receivers of webhooks must lead to.
    pub authorities: Arc<RootCertStore>,
    /// The time to connect.
    pub connect_timeout: Duration,
    /// The time to the first event of a stream.
    pub first_byte_timeout: Duration,
    /// The time for a whole answer that is not streamed.
    pub total_timeout: Duration,
    /// The longest silence within a provider's answer.
    pub idle_timeout: Duration,
    /// The most retries at a target after its first attempt failed.
    pub max_retries: u32,
    /// The sampler of the requests' traces, if providers are to get a `traceparent` with each attempt; else they get none.
    pub propagate: Option<Sampler>,
}

impl UpstreamConfig {
    /// The address that a provider key is used at, and who chose it: the user when the key has a `base_url`, else the
    /// operator.
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
