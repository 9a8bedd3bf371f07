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
ALTER TABLE usage_hourly ADD COLUMN dialect TEXT NOT NULL DEFAULT 'openai_chat', ADD COLUMN client TEXT NOT NULL DEFAULT '';
ALTER TABLE usage_hourly ALTER COLUMN dialect DROP DEFAULT, ALTER COLUMN client DROP DEFAULT, DROP CONSTRAINT usage_hourly_pkey;
ALTER TABLE usage_hourly ADD PRIMARY KEY (
    user_id, hour, provider, alias, model, api_key_id, status, route, dialect, client
);

ALTER TABLE usage_tags_hourly ADD COLUMN dialect TEXT NOT NULL DEFAULT 'openai_chat', ADD COLUMN client TEXT NOT NULL DEFAULT '';
ALTER TABLE usage_tags_hourly ALTER COLUMN dialect DROP DEFAULT, ALTER COLUMN client DROP DEFAULT, DROP CONSTRAINT usage_tags_hourly_pkey;
ALTER TABLE usage_tags_hourly ADD PRIMARY KEY (
    user_id, tag_name, hour, tag_value, provider, alias, model, api_key_id, status, route, dialect, client
);
