//! The settings of the HTTP service and of the way to providers, as tt-http takes them.

use std::sync::Arc;
use std::thread;

use rustls::RootCertStore;
use tt_core::caller::RequestLimits;
use tt_core::trace::Sampler;
use tt_http::{HttpConfig, UpstreamConfig};

use crate::config::reader::Reader;

/// Most times that `MAX_RETRIES` may ask for.
const MOST_RETRIES: u32 = 10;

/// Reads the settings of the service; `None` where a provider's address is bad, which has left a fault.
/// `propagate` samples the traces that providers are told of, and certificates of providers must lead to one of `authorities`.
pub(crate) fn http(
    r: &mut Reader<'_>,
    limits_need_redis: bool,
    propagate: Option<Sampler>,
    authorities: Arc<RootCertStore>,
) -> Option<HttpConfig> {
    let upstream = upstream(r, propagate, authorities);
    Some(HttpConfig {
        signup_open: r.one_of("SIGNUP", "open or closed", &[("open", true), ("closed", false)], false),
        max_body_bytes: r.positive("MAX_BODY_BYTES"),
        max_buffered_bytes: r.positive("MAX_BUFFERED_BYTES"),
        max_connections: r.positive("MAX_CONNECTIONS"),
        max_worker_lag: r.duration("MAX_WORKER_LAG"),
        client_header_timeout: r.duration("CLIENT_HEADER_TIMEOUT"),
        client_idle_timeout: r.duration("CLIENT_IDLE_TIMEOUT"),
        client_write_timeout: r.duration("CLIENT_WRITE_TIMEOUT"),
        client_body_idle_timeout: r.duration("CLIENT_BODY_IDLE_TIMEOUT"),
        shutdown_grace: r.duration("SHUTDOWN_GRACE"),
        shutdown_delay: r.duration_or_zero("SHUTDOWN_DELAY"),
        default_limits: RequestLimits { minute: r.number("RATE_LIMIT_MINUTE"), day: r.number("RATE_LIMIT_DAILY") },
        limits_need_redis,
        directory_max_stale: r.duration("DIRECTORY_MAX_STALE"),
        // The server sets it once it has read the files.
        tls: None,
        trusted_proxies: r.networks("TRUSTED_PROXIES"),
        model_refresh_interval: r.duration("MODEL_REFRESH_INTERVAL"),
        metrics_token: r.header_secret("METRICS_TOKEN"),
        metrics_budgets: r.yes_or_no("METRICS_BUDGETS"),
        workers: thread::available_parallelism().map_or(1, std::num::NonZero::get),
        // Last, so that a bad address does not hide the faults of the others.
        upstream: upstream?,
    })
}

fn upstream(r: &mut Reader<'_>, propagate: Option<Sampler>, authorities: Arc<RootCertStore>) -> Option<UpstreamConfig> {
    let openai = r.base_url("OPENAI_BASE_URL");
    let anthropic = r.base_url("ANTHROPIC_BASE_URL");
    let gemini = r.base_url("GEMINI_BASE_URL");
    let few = |text: &str| text.parse().ok().filter(|n| *n <= MOST_RETRIES);
    let allow_private = r.yes_or_no("ALLOW_PRIVATE_UPSTREAMS");
    let connect_timeout = r.duration("UPSTREAM_CONNECT_TIMEOUT");
    let first_byte_timeout = r.duration("UPSTREAM_FIRST_BYTE_TIMEOUT");
    let total_timeout = r.duration("UPSTREAM_TOTAL_TIMEOUT");
    let idle_timeout = r.duration("UPSTREAM_IDLE_TIMEOUT");
    let max_retries = r.read("MAX_RETRIES", "a whole number from 0 to 10", few, 0);
    Some(UpstreamConfig {
        openai_base_url: openai?,
        anthropic_base_url: anthropic?,
        gemini_base_url: gemini?,
        allow_private,
        authorities,
        connect_timeout,
        first_byte_timeout,
        total_timeout,
        idle_timeout,
        max_retries,
        propagate,
    })
}
