-- The client of a request (dialect, program, session, agent, trace), and usage and notes that version 0.1 had no columns
-- for. `dialect` and `client` become dimensions of the sums: they have few values, and are wanted for longer than rows are
-- kept. `session`, which has many values, stays with the rows.
--
-- `other_usage` is JSON of the usage that has no column of its own: rare classes of tokens, and fees other than web
-- searches; NULL: none. `notes` is a JSON array of the parameters that targets could not express; NULL: none.
ALTER TABLE request_logs ADD COLUMN client TEXT;
ALTER TABLE request_logs ADD COLUMN session TEXT;
ALTER TABLE request_logs ADD COLUMN other_usage TEXT;
ALTER TABLE request_details ADD COLUMN agent TEXT;
ALTER TABLE request_details ADD COLUMN trace_id TEXT;
ALTER TABLE request_details ADD COLUMN notes TEXT;

-- All requests of version 0.1 spoke OpenAI Chat; their programs are not known.
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
