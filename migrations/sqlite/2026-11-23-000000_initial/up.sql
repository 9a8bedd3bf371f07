-- Times are milliseconds since the Unix epoch, money is nano-US-dollars, booleans are 0 and 1.
-- AUTOINCREMENT keeps ids from being used again: a reused id would point an old reference at a new object.

CREATE TABLE users (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    email TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    role TEXT NOT NULL DEFAULT 'user',
    disabled BOOLEAN NOT NULL DEFAULT 0,
    rate_limit_minute BIGINT NOT NULL DEFAULT 0,
    rate_limit_daily BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL
);

CREATE TABLE sessions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id BIGINT NOT NULL REFERENCES users (id),
    jti_hash TEXT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    revoked_at BIGINT
);
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_expiry ON sessions (expires_at);

CREATE TABLE api_keys (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id BIGINT NOT NULL REFERENCES users (id),
    key_hash TEXT NOT NULL UNIQUE,
    name TEXT,
    prefix TEXT NOT NULL,
    scopes TEXT NOT NULL,
    allowed_aliases TEXT,
    rate_limit_minute BIGINT NOT NULL DEFAULT 0,
    rate_limit_daily BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    last_used_at BIGINT,
    revoked_at BIGINT
);
CREATE INDEX api_keys_user ON api_keys (user_id, id);

CREATE TABLE provider_keys (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id BIGINT NOT NULL REFERENCES users (id),
    provider TEXT NOT NULL,
    label TEXT,
    base_url TEXT,
    seal_id TEXT NOT NULL UNIQUE,
    sealed TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (user_id, id)
);

-- The models a provider lists for one key: a JSON array of names as sent. `claimed_until` keeps replicas from
-- refreshing the same list at once.
CREATE TABLE provider_models (
    provider_key_id BIGINT NOT NULL PRIMARY KEY,
    user_id BIGINT NOT NULL,
    models TEXT NOT NULL,
    fetched_at BIGINT NOT NULL DEFAULT 0,
    claimed_until BIGINT NOT NULL DEFAULT 0,
    FOREIGN KEY (user_id, provider_key_id) REFERENCES provider_keys (user_id, id) ON DELETE NO ACTION
);

CREATE TABLE model_aliases (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id BIGINT NOT NULL REFERENCES users (id),
    alias TEXT NOT NULL,
    target_model TEXT NOT NULL,
    provider_key_id BIGINT NOT NULL,
    fallback_alias_id BIGINT,
    use_light_model BOOLEAN NOT NULL DEFAULT 0,
    light_model_threshold BIGINT NOT NULL DEFAULT 100,
    light_model TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (user_id, alias),
    UNIQUE (user_id, id),
    FOREIGN KEY (user_id, provider_key_id) REFERENCES provider_keys (user_id, id) ON DELETE NO ACTION,
    FOREIGN KEY (user_id, fallback_alias_id) REFERENCES model_aliases (user_id, id) ON DELETE NO ACTION
);
CREATE INDEX model_aliases_key ON model_aliases (user_id, provider_key_id);
CREATE INDEX model_aliases_fallback ON model_aliases (user_id, fallback_alias_id);

-- Notes that tell other processes which users they must forget. A note is written in the transaction that changes the
-- rights, keys or aliases of a user.
CREATE TABLE changes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX changes_age ON changes (created_at);

-- The log. It has no foreign keys to other tables. `created_at` is the millisecond inside the request id, so that a look-up by id
-- touches one day.
CREATE TABLE request_logs (
    created_at BIGINT NOT NULL,
    request_id TEXT NOT NULL,
    user_id BIGINT NOT NULL,
    api_key_id BIGINT,
    alias TEXT NOT NULL,
    route TEXT,
    provider TEXT,
    model TEXT,
    stream BOOLEAN NOT NULL,
    status BIGINT,
    outcome TEXT NOT NULL,
    input_tokens BIGINT NOT NULL,
    cache_read_tokens BIGINT NOT NULL,
    cache_write_5m_tokens BIGINT NOT NULL,
    cache_write_1h_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    reasoning_tokens BIGINT,
    audio_input_tokens BIGINT NOT NULL,
    audio_output_tokens BIGINT NOT NULL,
    tool_prompt_tokens BIGINT NOT NULL,
    web_searches BIGINT NOT NULL,
    usage_source TEXT NOT NULL,
    cost_nano BIGINT,
    unpriced BOOLEAN NOT NULL,
    saved_nano BIGINT NOT NULL,
    latency_ms BIGINT NOT NULL,
    first_token_ms BIGINT,
    attempts BIGINT NOT NULL,
    error TEXT,
    PRIMARY KEY (created_at, request_id)
);
CREATE INDEX request_logs_user ON request_logs (user_id, created_at, request_id);

CREATE TABLE request_details (
    created_at BIGINT NOT NULL,
    request_id TEXT NOT NULL,
    dialect TEXT NOT NULL,
    route_reason TEXT NOT NULL,
    chain TEXT NOT NULL,
    attempts TEXT NOT NULL,
    tags TEXT NOT NULL,
    PRIMARY KEY (created_at, request_id)
);

-- Sums by hour. A dimension a request has no value in is '' or 0, so that the key is unique.
CREATE TABLE usage_hourly (
    user_id BIGINT NOT NULL,
    hour BIGINT NOT NULL,
    provider TEXT NOT NULL,
    alias TEXT NOT NULL,
    model TEXT NOT NULL,
    api_key_id BIGINT NOT NULL,
    status BIGINT NOT NULL,
    route TEXT NOT NULL,
    requests BIGINT NOT NULL,
    input_tokens BIGINT NOT NULL,
    cached_input_tokens BIGINT NOT NULL,
    cache_write_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    reasoning_tokens BIGINT NOT NULL,
    cost_nano BIGINT NOT NULL,
    unpriced BIGINT NOT NULL,
    saved_nano BIGINT NOT NULL,
    errors BIGINT NOT NULL,
    cancelled BIGINT NOT NULL,
    PRIMARY KEY (user_id, hour, provider, alias, model, api_key_id, status, route)
);
CREATE INDEX usage_hourly_hour ON usage_hourly (hour);

CREATE TABLE usage_tags_hourly (
    user_id BIGINT NOT NULL,
    hour BIGINT NOT NULL,
    tag_name TEXT NOT NULL,
    tag_value TEXT NOT NULL,
    provider TEXT NOT NULL,
    alias TEXT NOT NULL,
    model TEXT NOT NULL,
    api_key_id BIGINT NOT NULL,
    status BIGINT NOT NULL,
    route TEXT NOT NULL,
    requests BIGINT NOT NULL,
    input_tokens BIGINT NOT NULL,
    cached_input_tokens BIGINT NOT NULL,
    cache_write_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    reasoning_tokens BIGINT NOT NULL,
    cost_nano BIGINT NOT NULL,
    unpriced BIGINT NOT NULL,
    saved_nano BIGINT NOT NULL,
    errors BIGINT NOT NULL,
    cancelled BIGINT NOT NULL,
    PRIMARY KEY (user_id, tag_name, hour, tag_value, provider, alias, model, api_key_id, status, route)
);

-- The tag values that count by themselves on a UTC day; all other values of that day count as `(other)`.
CREATE TABLE usage_tag_values (
    user_id BIGINT NOT NULL,
    day BIGINT NOT NULL,
    tag_name TEXT NOT NULL,
    tag_value TEXT NOT NULL,
    PRIMARY KEY (user_id, day, tag_name, tag_value)
);
CREATE INDEX usage_tag_values_day ON usage_tag_values (day);

-- The position up to which each journal has been drained. It is written in the transaction of the rows.
CREATE TABLE journal_cursors (
    journal TEXT NOT NULL PRIMARY KEY,
    segment BIGINT NOT NULL,
    "offset" BIGINT NOT NULL
);
