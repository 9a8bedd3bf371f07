-- Who asked, and what version 0.1 had no place for. `dialect` and `client` become dimensions of the sums: few values, and
-- wanted over more time than rows are kept. `session`, of which there are many, stays with the rows.
--
-- `other_usage` is JSON of what has no column of its own: rare classes of tokens, fees but web searches; NULL: nothing.
-- `notes` is a JSON array of what the targets could not express; NULL: nothing.
ALTER TABLE request_logs ADD COLUMN client TEXT;
ALTER TABLE request_logs ADD COLUMN session TEXT;
ALTER TABLE request_logs ADD COLUMN other_usage TEXT;
ALTER TABLE request_details ADD COLUMN agent TEXT;
ALTER TABLE request_details ADD COLUMN trace_id TEXT;
ALTER TABLE request_details ADD COLUMN notes TEXT;

-- Requests of version 0.1 all spoke OpenAI Chat; which program asked is not known of them.
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
    PRIMARY KEY (user_id, hour, provider, alias, model, api_key_id, status, route, dialect, client)
);
INSERT INTO usage_hourly_new (
    user_id, hour, provider, alias, model, api_key_id, status, route, dialect, client, requests, input_tokens,
    cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_nano, unpriced, saved_nano,
    errors, cancelled
)
SELECT
    user_id, hour, provider, alias, model, api_key_id, status, route, 'openai_chat', '', requests, input_tokens,
    cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_nano, unpriced, saved_nano,
    errors, cancelled
FROM usage_hourly;
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
    PRIMARY KEY (user_id, tag_name, hour, tag_value, provider, alias, model, api_key_id, status, route, dialect, client)
);
INSERT INTO usage_tags_hourly_new (
    user_id, tag_name, hour, tag_value, provider, alias, model, api_key_id, status, route, dialect, client, requests,
    input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_nano, unpriced,
    saved_nano, errors, cancelled
)
SELECT
    user_id, tag_name, hour, tag_value, provider, alias, model, api_key_id, status, route, 'openai_chat', '',
    requests, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_nano,
    unpriced, saved_nano, errors, cancelled
FROM usage_tags_hourly;
DROP TABLE usage_tags_hourly;
ALTER TABLE usage_tags_hourly_new RENAME TO usage_tags_hourly;
