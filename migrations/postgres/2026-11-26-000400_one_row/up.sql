-- One row for each request: the columns of request_details move to request_logs, where `details` is JSON of what is only
-- shown (reason, chain, attempts, agent, trace, notes). A chain that is just the target in the row's own columns is left
-- out. Rare classes of tokens and web searches move to `other_usage`. Tags are NULL where there are none.
ALTER TABLE request_logs ADD COLUMN dialect TEXT NOT NULL DEFAULT 'openai_chat';
ALTER TABLE request_logs ADD COLUMN tags TEXT;
ALTER TABLE request_logs ADD COLUMN details TEXT NOT NULL DEFAULT '{"reason":"","attempts":[]}';
UPDATE request_logs AS l SET
    dialect = CASE d.dialect WHEN 'open_ai_chat' THEN 'openai_chat' ELSE d.dialect END,
    tags = NULLIF(d.tags, '{}'),
    -- Text for text: JSON that is not taken apart may hold characters that PostgreSQL does not take.
    details = json_build_object(
        'reason', d.route_reason,
        'chain', d.chain::json,
        'attempts', d.attempts::json,
        'agent', d.agent,
        'trace_id', d.trace_id,
        'notes', d.notes::json)::text
FROM request_details AS d
WHERE d.created_at = l.created_at AND d.request_id = l.request_id;
UPDATE request_logs SET other_usage = (COALESCE(other_usage, '{}')::jsonb || jsonb_strip_nulls(jsonb_build_object(
    'audio_input', NULLIF(audio_input_tokens, 0),
    'audio_output', NULLIF(audio_output_tokens, 0),
    'tool_prompt', NULLIF(tool_prompt_tokens, 0),
    'web_searches', NULLIF(web_searches, 0))))::text
WHERE audio_input_tokens <> 0 OR audio_output_tokens <> 0 OR tool_prompt_tokens <> 0 OR web_searches <> 0;
ALTER TABLE request_logs ALTER COLUMN dialect DROP DEFAULT;
ALTER TABLE request_logs ALTER COLUMN details DROP DEFAULT;
ALTER TABLE request_logs DROP COLUMN audio_input_tokens;
ALTER TABLE request_logs DROP COLUMN audio_output_tokens;
ALTER TABLE request_logs DROP COLUMN tool_prompt_tokens;
ALTER TABLE request_logs DROP COLUMN web_searches;
DROP TABLE request_details;
