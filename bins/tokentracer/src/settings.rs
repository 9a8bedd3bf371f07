//! The list of all settings: their names, meanings and defaults. `config` checks their values.

/// One setting: an environment variable and the flag of the same meaning.
#[derive(Debug)]
pub(crate) struct Setting {
    /// The environment variable. The flag is the same name in kebab case.
    pub(crate) name: &'static str,
    /// One line for `--help`.
    pub(crate) help: &'static str,
    pub(crate) default: Option<&'static str>,
    /// True if the value is a secret, or may hold one, so that it is not printed.
    pub(crate) secret: bool,
}

const fn setting(name: &'static str, default: &'static str, help: &'static str) -> Setting {
    Setting { name, help, default: Some(default), secret: false }
}

const fn optional(name: &'static str, help: &'static str) -> Setting {
    Setting { name, help, default: None, secret: false }
}

const fn secret(name: &'static str, help: &'static str) -> Setting {
    Setting { name, help, default: None, secret: true }
}

/// Every setting, in the order of `--help`.
#[rustfmt::skip]
pub(crate) const SETTINGS: &[Setting] = &[
    secret("DATABASE_URL", "sqlite://PATH or postgres://… [default: SQLite in the data directory]"),
    secret("JWT_SECRET", "Signs session tokens; 32 bytes or more [SQLite: made at first start]"),
    secret("ENCRYPTION_KEY", "Seals provider keys; 32 bytes or more [SQLite: made at first start]"),
    secret("ENCRYPTION_KEY_OLD", "The previous encryption key, during a rotation"),
    optional("DATA_DIR", "The directory of SQLite, its secrets and the journal [default: the platform's data directory]"),
    setting("HOST", "127.0.0.1", "The address to listen on"),
    setting("PORT", "8080", "The port to listen on; 0 picks a free one"),
    optional("TLS_CERT", "A PEM file with the certificate of https:// and its chain; read again on SIGHUP [default: plain HTTP]"),
    optional("TLS_KEY", "A PEM file with the private key of that certificate"),
    secret("REDIS_URL", "redis://… or rediss://… to share limits and budgets between processes [default: limits in this process]"),
    setting("LIMITS_WITHOUT_REDIS", "local", "Request limits while Redis is away: local (each process by itself) or deny"),
    setting("RATE_LIMIT_MINUTE", "0", "Requests a user may make in any 60 seconds; 0 = unlimited"),
    setting("RATE_LIMIT_DAILY", "0", "Requests a user may make in a UTC day; 0 = unlimited"),
    setting("OPENAI_BASE_URL", "https://api.openai.com/v1", "OpenAI's address"),
    setting("ANTHROPIC_BASE_URL", "https://api.anthropic.com", "Anthropic's address"),
    setting("GEMINI_BASE_URL", "https://generativelanguage.googleapis.com", "Gemini's address"),
    setting("ALLOW_PRIVATE_UPSTREAMS", "false", "Allow a user's base_url to be a private address: true or false"),
    optional("EXTRA_CA_CERTS", "A PEM file of authorities trusted beside the public ones, for providers, webhooks and OpenTelemetry"),
    setting("SIGNUP", "open", "open: anybody may sign up; closed: nobody"),
    setting("MAX_BODY_BYTES", "33554432", "The largest body of a proxied request"),
    setting("MAX_BUFFERED_BYTES", "1073741824", "The most bytes of memory held over all requests"),
    setting("MAX_CONNECTIONS", "10000", "The most connections"),
    setting("MAX_WORKER_LAG", "200ms", "How far a worker may be behind its work before it serves fewer calls of models"),
    setting("UPSTREAM_CONNECT_TIMEOUT", "5s", "Time to connect to a provider"),
    setting("UPSTREAM_FIRST_BYTE_TIMEOUT", "120s", "Time to the first event of a stream"),
    setting("UPSTREAM_TOTAL_TIMEOUT", "600s", "Time for a plain answer"),
    setting("UPSTREAM_IDLE_TIMEOUT", "300s", "The longest silence within an answer"),
    setting("CLIENT_HEADER_TIMEOUT", "10s", "Time a client has for its headers"),
    setting("CLIENT_BODY_IDLE_TIMEOUT", "30s", "The longest silence within a client's body"),
    setting("CLIENT_IDLE_TIMEOUT", "75s", "How long a connection may idle between requests"),
    setting("CLIENT_WRITE_TIMEOUT", "60s", "How long a client may take nothing of an answer"),
    optional("TRUSTED_PROXIES", "Addresses or networks (10.0.0.0/8) whose X-Forwarded-For is believed, by commas"),
    setting("DIRECTORY_MAX_STALE", "15m", "The time that known callers are served while the store is away"),
    setting("MODEL_REFRESH_INTERVAL", "12h", "The age at which a provider key's list of models is fetched again"),
    setting("LOG_RETENTION_DAYS", "90", "Days request logs are kept; 0 = for ever"),
    setting("JOURNAL_FSYNC", "50ms", "The time between two syncs of the journal to disk; or always, or never"),
    setting("MAX_JOURNAL_BYTES", "1073741824", "The most bytes that the journals may take on disk"),
    setting("MAX_RETRIES", "1", "The most times that one target is tried again"),
    setting("SHUTDOWN_GRACE", "30s", "The time that requests in flight have to end after a stop"),
    setting("SHUTDOWN_DELAY", "0s", "The time that /health/ready answers 503 before the listener closes"),
    secret("METRICS_TOKEN", "The bearer token for GET /metrics; 32 bytes or more [default: this machine may read it]"),
    setting("METRICS_BUDGETS", "false", "Sums over budgets in the metrics: true or false"),
    setting("OTEL_SDK_DISABLED", "false", "true sends nothing to OpenTelemetry"),
    optional("OTEL_TRACES_EXPORTER", "otlp or none [default: otlp if its receiver has an address]"),
    optional("OTEL_METRICS_EXPORTER", "otlp or none [default: otlp if its receiver has an address]"),
    secret("OTEL_EXPORTER_OTLP_ENDPOINT", "The OpenTelemetry receiver, http(s)://…; /v1/traces and /v1/metrics are appended"),
    secret("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "The receiver of traces, taken as it is"),
    secret("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "The receiver of metrics, taken as it is"),
    secret("OTEL_EXPORTER_OTLP_HEADERS", "Headers for the receiver, name=value by commas, values percent-encoded"),
    secret("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "The same for traces alone"),
    secret("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "The same for metrics alone"),
    setting("OTEL_EXPORTER_OTLP_TIMEOUT", "10000", "Milliseconds for one export, its retries included"),
    optional("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "The same for traces alone"),
    optional("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "The same for metrics alone"),
    setting("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf", "http/protobuf; no other is spoken"),
    optional("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "The same for traces alone"),
    optional("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "The same for metrics alone"),
    setting("OTEL_EXPORTER_OTLP_COMPRESSION", "none", "none; no compression is built in"),
    optional("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "The same for traces alone"),
    optional("OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", "The same for metrics alone"),
    setting("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "cumulative", "cumulative or delta"),
    optional("OTEL_SERVICE_NAME", "The name of the service [default: tokentracer]"),
    optional("OTEL_RESOURCE_ATTRIBUTES", "Attributes of the service, name=value by commas, values percent-encoded"),
    setting("OTEL_TRACES_SAMPLER", "parentbased_always_on", "The requests with spans: [parentbased_]always_on, …always_off or …traceidratio"),
    optional("OTEL_TRACES_SAMPLER_ARG", "The share of requests with spans, 0 to 1, for a sampler by ratio [default: 1]"),
    setting("OTEL_PROPAGATE_UPSTREAM", "false", "Send providers a traceparent that names the attempt: true or false"),
    setting("OTEL_BSP_MAX_QUEUE_SIZE", "2048", "The most requests that wait for their spans to be sent"),
    setting("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "512", "The most spans that are sent at a time"),
    setting("OTEL_BSP_SCHEDULE_DELAY", "5000", "The most milliseconds that spans wait to be sent"),
    setting("OTEL_BSP_EXPORT_TIMEOUT", "30000", "Milliseconds for one export of spans, beside the receiver's timeout"),
    setting("OTEL_METRIC_EXPORT_INTERVAL", "60000", "Milliseconds between two exports of metrics"),
    setting("OTEL_METRIC_EXPORT_TIMEOUT", "30000", "Milliseconds for one export of metrics, beside the receiver's timeout"),
    setting("LOG_FORMAT", "pretty", "The format of log lines: pretty or json"),
    setting("RUST_LOG", "info", "The filter of log lines, for example info or tt_http=debug"),
];

/// Settings that OpenTelemetry specifies and that no part of the program reads yet. One that is given stops the start:
/// an operator who protects something by a setting must not be served without it.
pub(crate) const UNBUILT: &[&str] = &[
    "OTEL_EXPORTER_OTLP_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_CLIENT_KEY",
    "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY",
    "OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_METRICS_CLIENT_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY",
];
