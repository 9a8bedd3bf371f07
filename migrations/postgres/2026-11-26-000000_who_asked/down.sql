CREATE TABLE usage_hourly_old (
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
INSERT INTO usage_hourly_old (
    user_id, hour, provider, alias, model, api_key_id, status, route, requests, input_tokens, cached_input_tokens,
    cache_write_tokens, output_tokens, reasoning_tokens, cost_nano, unpriced, saved_nano, errors, cancelled
)
SELECT
    user_id, hour, provider, alias, model, api_key_id, status, route, CAST(SUM(requests) AS BIGINT),
    CAST(SUM(input_tokens) AS BIGINT), CAST(SUM(cached_input_tokens) AS BIGINT),
    CAST(SUM(cache_write_tokens) AS BIGINT), CAST(SUM(output_tokens) AS BIGINT),
    CAST(SUM(reasoning_tokens) AS BIGINT), CAST(SUM(cost_nano) AS BIGINT), CAST(SUM(unpriced) AS BIGINT),
    CAST(SUM(saved_nano) AS BIGINT), CAST(SUM(errors) AS BIGINT), CAST(SUM(cancelled) AS BIGINT)
FROM usage_hourly
GROUP BY user_id, hour, provider, alias, model, api_key_id, status, route;
DROP TABLE usage_hourly;
ALTER TABLE usage_hourly_old RENAME TO usage_hourly;
ALTER INDEX usage_hourly_old_pkey RENAME TO usage_hourly_pkey;
CREATE INDEX usage_hourly_hour ON usage_hourly (hour);

CREATE TABLE usage_tags_hourly_old (
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
INSERT INTO usage_tags_hourly_old (
    user_id, tag_name, hour, tag_value, provider, alias, model, api_key_id, status, route, requests, input_tokens,
    cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_nano, unpriced, saved_nano,
    errors, cancelled
)
SELECT
    user_id, tag_name, hour, tag_value, provider, alias, model, api_key_id, status, route,
    CAST(SUM(requests) AS BIGINT), CAST(SUM(input_tokens) AS BIGINT), CAST(SUM(cached_input_tokens) AS BIGINT),
    CAST(SUM(cache_write_tokens) AS BIGINT), CAST(SUM(output_tokens) AS BIGINT),
    CAST(SUM(reasoning_tokens) AS BIGINT), CAST(SUM(cost_nano) AS BIGINT), CAST(SUM(unpriced) AS BIGINT),
    CAST(SUM(saved_nano) AS BIGINT), CAST(SUM(errors) AS BIGINT), CAST(SUM(cancelled) AS BIGINT)
FROM usage_tags_hourly
GROUP BY user_id, tag_name, hour, tag_value, provider, alias, model, api_key_id, status, route;
DROP TABLE usage_tags_hourly;
ALTER TABLE usage_tags_hourly_old RENAME TO usage_tags_hourly;
ALTER INDEX usage_tags_hourly_old_pkey RENAME TO usage_tags_hourly_pkey;

ALTER TABLE request_details DROP COLUMN notes;
ALTER TABLE request_details DROP COLUMN trace_id;
ALTER TABLE request_details DROP COLUMN agent;
ALTER TABLE request_logs DROP COLUMN other_usage;
ALTER TABLE request_logs DROP COLUMN session;
ALTER TABLE request_logs DROP COLUMN client;
