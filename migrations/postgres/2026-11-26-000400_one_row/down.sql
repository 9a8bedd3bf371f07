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
) PARTITION BY RANGE (created_at);

DO $$
DECLARE
    day BIGINT;
BEGIN
    FOR day IN
        SELECT substr(c.relname, length('request_logs_d') + 1)::bigint
        FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'request_logs'::regclass
    LOOP
        EXECUTE format('CREATE TABLE %I PARTITION OF request_details FOR VALUES FROM (%s) TO (%s)',
                       'request_details_d' || day, day * 86400000, (day + 1) * 86400000);
    END LOOP;
END
$$;

-- Casting to JSON refuses NUL characters, which stand escaped in texts of clients and providers.
INSERT INTO request_details
SELECT
    created_at, request_id, dialect, shown ->> 'reason',
    COALESCE(
        shown ->> 'chain',
        json_build_array(json_build_object('alias', alias, 'route', route, 'provider', provider, 'model', model,
            'reason', shown ->> 'reason'))::text),
    shown ->> 'attempts', COALESCE(tags, '{}'), shown ->> 'agent', shown ->> 'trace_id',
    shown ->> 'notes'
FROM (SELECT *, replace(details, '\u0000', '\ufffd')::json AS shown FROM request_logs) AS logs;

ALTER TABLE request_logs ADD COLUMN audio_input_tokens BIGINT NOT NULL DEFAULT 0;
ALTER TABLE request_logs ADD COLUMN audio_output_tokens BIGINT NOT NULL DEFAULT 0;
ALTER TABLE request_logs ADD COLUMN tool_prompt_tokens BIGINT NOT NULL DEFAULT 0;
ALTER TABLE request_logs ADD COLUMN web_searches BIGINT NOT NULL DEFAULT 0;
UPDATE request_logs SET
    audio_input_tokens = COALESCE((other_usage::json ->> 'audio_input')::bigint, 0),
    audio_output_tokens = COALESCE((other_usage::json ->> 'audio_output')::bigint, 0),
    tool_prompt_tokens = COALESCE((other_usage::json ->> 'tool_prompt')::bigint, 0),
    web_searches = COALESCE((other_usage::json ->> 'web_searches')::bigint, 0)
WHERE other_usage IS NOT NULL;
ALTER TABLE request_logs DROP COLUMN details;
ALTER TABLE request_logs DROP COLUMN tags;
ALTER TABLE request_logs DROP COLUMN dialect;
