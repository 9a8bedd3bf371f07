-- The sums lie in the order of their keys: a row is found where its key is, without a second look-up by row id. The sums of
-- a user in a range of hours then lie side by side, and adding to a sum changes one page instead of two.
CREATE TABLE usage_hourly_new (
    user_id BIGINT NOT NULL,
    hour BIGINT NOT NULL,
    provider TEXT NOT NULL,
    alias TEXT NOT NULL,
    model TEXT NOT NULL,
    api_key_id BIGINT NOT NULL,
    status BIGINT NOT NULL,
    route TEXT NOT NULL,
    dialect TEXT NOT NULL,
    client TEXT NOT NULL,
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
    cost_input_nano BIGINT NOT NULL DEFAULT 0,
    cost_cached_nano BIGINT NOT NULL DEFAULT 0,
    cost_cache_write_nano BIGINT NOT NULL DEFAULT 0,
    cost_output_nano BIGINT NOT NULL DEFAULT 0,
    cost_fees_nano BIGINT NOT NULL DEFAULT 0,
    detailed BIGINT NOT NULL DEFAULT 0,
    estimated BIGINT NOT NULL DEFAULT 0,
    partial_usage BIGINT NOT NULL DEFAULT 0,
    unknown_usage BIGINT NOT NULL DEFAULT 0,
    costless BIGINT NOT NULL DEFAULT 0,
    interrupted BIGINT NOT NULL DEFAULT 0,
    latency_ms BIGINT NOT NULL DEFAULT 0,
    first_token_ms BIGINT NOT NULL DEFAULT 0,
    first_tokens BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (user_id, hour, provider, alias, model, api_key_id, status, route, dialect, client)
) WITHOUT ROWID;
INSERT INTO usage_hourly_new (
    user_id, hour, provider, alias, model, api_key_id, status, route, dialect, client, requests, input_tokens,
    cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_nano, unpriced, saved_nano,
    errors, cancelled, cost_input_nano, cost_cached_nano, cost_cache_write_nano, cost_output_nano, cost_fees_nano,
    detailed, estimated, partial_usage, unknown_usage, costless, interrupted, latency_ms, first_token_ms,
    first_tokens
)
SELECT
    user_id, hour, provider, alias, model, api_key_id, status, route, dialect, client, requests, input_tokens,
    cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_nano, unpriced, saved_nano,
    errors, cancelled, cost_input_nano, cost_cached_nano, cost_cache_write_nano, cost_output_nano, cost_fees_nano,
    detailed, estimated, partial_usage, unknown_usage, costless, interrupted, latency_ms, first_token_ms,
    first_tokens
FROM usage_hourly ORDER BY user_id, hour, provider, alias, model, api_key_id, status, route, dialect, client;
DROP TABLE usage_hourly;
ALTER TABLE usage_hourly_new RENAME TO usage_hourly;
CREATE INDEX usage_hourly_hour ON usage_hourly (hour);

CREATE TABLE usage_tags_hourly_new (
    user_id BIGINT NOT NULL,
    tag_name TEXT NOT NULL,
    hour BIGINT NOT NULL,
    tag_value TEXT NOT NULL,
    provider TEXT NOT NULL,
    alias TEXT NOT NULL,
    model TEXT NOT NULL,
    api_key_id BIGINT NOT NULL,
    status BIGINT NOT NULL,
    route TEXT NOT NULL,
    dialect TEXT NOT NULL,
    client TEXT NOT NULL,
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
    cost_input_nano BIGINT NOT NULL DEFAULT 0,
    cost_cached_nano BIGINT NOT NULL DEFAULT 0,
    cost_cache_write_nano BIGINT NOT NULL DEFAULT 0,
    cost_output_nano BIGINT NOT NULL DEFAULT 0,
    cost_fees_nano BIGINT NOT NULL DEFAULT 0,
    detailed BIGINT NOT NULL DEFAULT 0,
    estimated BIGINT NOT NULL DEFAULT 0,
    partial_usage BIGINT NOT NULL DEFAULT 0,
    unknown_usage BIGINT NOT NULL DEFAULT 0,
    costless BIGINT NOT NULL DEFAULT 0,
    interrupted BIGINT NOT NULL DEFAULT 0,
    latency_ms BIGINT NOT NULL DEFAULT 0,
    first_token_ms BIGINT NOT NULL DEFAULT 0,
    first_tokens BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (user_id, tag_name, hour, tag_value, provider, alias, model, api_key_id, status, route, dialect, client)
) WITHOUT ROWID;
INSERT INTO usage_tags_hourly_new (
    user_id, tag_name, hour, tag_value, provider, alias, model, api_key_id, status, route, dialect, client,
    requests, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_nano,
    unpriced, saved_nano, errors, cancelled, cost_input_nano, cost_cached_nano, cost_cache_write_nano,
    cost_output_nano, cost_fees_nano, detailed, estimated, partial_usage, unknown_usage, costless, interrupted,
    latency_ms, first_token_ms, first_tokens
)
SELECT
    user_id, tag_name, hour, tag_value, provider, alias, model, api_key_id, status, route, dialect, client,
    requests, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_nano,
    unpriced, saved_nano, errors, cancelled, cost_input_nano, cost_cached_nano, cost_cache_write_nano,
    cost_output_nano, cost_fees_nano, detailed, estimated, partial_usage, unknown_usage, costless, interrupted,
    latency_ms, first_token_ms, first_tokens
FROM usage_tags_hourly
ORDER BY user_id, tag_name, hour, tag_value, provider, alias, model, api_key_id, status, route, dialect, client;
DROP TABLE usage_tags_hourly;
ALTER TABLE usage_tags_hourly_new RENAME TO usage_tags_hourly;

CREATE TABLE spending_new (
    user_id BIGINT NOT NULL,
    api_key_id BIGINT NOT NULL,
    period TEXT NOT NULL,
    starts_at BIGINT NOT NULL,
    cost_nano BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    PRIMARY KEY (user_id, api_key_id, period, starts_at)
) WITHOUT ROWID;
INSERT INTO spending_new (
    user_id, api_key_id, period, starts_at, cost_nano, revision
)
SELECT
    user_id, api_key_id, period, starts_at, cost_nano, revision
FROM spending ORDER BY user_id, api_key_id, period, starts_at;
DROP TABLE spending;
ALTER TABLE spending_new RENAME TO spending;
CREATE INDEX spending_age ON spending (period, starts_at);
