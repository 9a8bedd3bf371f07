CREATE TABLE request_details (
    created_at BIGINT NOT NULL,
    request_id TEXT NOT NULL,
    dialect TEXT NOT NULL,
    route_reason TEXT NOT NULL,
    chain TEXT NOT NULL,
    attempts TEXT NOT NULL,
    tags TEXT NOT NULL,
    agent TEXT,
    trace_id TEXT,
    notes TEXT,
    PRIMARY KEY (created_at, request_id)
);
INSERT INTO request_details
SELECT
    created_at, request_id, dialect, details ->> '$.reason',
    COALESCE(
        NULLIF(details -> '$.chain', 'null'),
        json_array(json_object('alias', alias, 'route', route, 'provider', provider, 'model', model,
            'reason', details ->> '$.reason'))),
    details -> '$.attempts', COALESCE(tags, '{}'), details ->> '$.agent', details ->> '$.trace_id',
    NULLIF(details -> '$.notes', 'null')
FROM request_logs;
ALTER TABLE request_logs ADD COLUMN audio_input_tokens BIGINT NOT NULL DEFAULT 0;
ALTER TABLE request_logs ADD COLUMN audio_output_tokens BIGINT NOT NULL DEFAULT 0;
ALTER TABLE request_logs ADD COLUMN tool_prompt_tokens BIGINT NOT NULL DEFAULT 0;
ALTER TABLE request_logs ADD COLUMN web_searches BIGINT NOT NULL DEFAULT 0;
UPDATE request_logs SET
    audio_input_tokens = COALESCE(other_usage ->> '$.audio_input', 0),
    audio_output_tokens = COALESCE(other_usage ->> '$.audio_output', 0),
    tool_prompt_tokens = COALESCE(other_usage ->> '$.tool_prompt', 0),
    web_searches = COALESCE(other_usage ->> '$.web_searches', 0)
WHERE other_usage IS NOT NULL;
ALTER TABLE request_logs DROP COLUMN details;
ALTER TABLE request_logs DROP COLUMN tags;
ALTER TABLE request_logs DROP COLUMN dialect;
