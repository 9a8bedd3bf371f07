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
