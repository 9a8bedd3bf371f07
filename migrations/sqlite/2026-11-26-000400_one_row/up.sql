-- One row for each request: the columns of request_details move to request_logs, where `details` is JSON of what is only
-- shown (reason, chain, attempts, agent, trace, notes). A chain that is just the target in the row's own columns is left
-- out. Rare classes of tokens and web searches move to `other_usage`. Tags are NULL where there are none.
CREATE TABLE request_logs_new (
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
    usage_source TEXT NOT NULL,
    cost_nano BIGINT,
    unpriced BOOLEAN NOT NULL,
    saved_nano BIGINT NOT NULL,
    latency_ms BIGINT NOT NULL,
    first_token_ms BIGINT,
    attempts BIGINT NOT NULL,
    error TEXT,
    dialect TEXT NOT NULL,
    client TEXT,
    session TEXT,
    tags TEXT,
    other_usage TEXT,
    details TEXT NOT NULL,
    PRIMARY KEY (created_at, request_id)
);
INSERT INTO request_logs_new
SELECT
    l.created_at, l.request_id, l.user_id, l.api_key_id, l.alias, l.route, l.provider, l.model, l.stream, l.status,
    l.outcome, l.input_tokens, l.cache_read_tokens, l.cache_write_5m_tokens, l.cache_write_1h_tokens, l.output_tokens,
    l.reasoning_tokens, l.usage_source, l.cost_nano, l.unpriced, l.saved_nano, l.latency_ms, l.first_token_ms,
    l.attempts, l.error, CASE WHEN d.dialect <> 'open_ai_chat' THEN d.dialect ELSE 'openai_chat' END, l.client,
    l.session, NULLIF(d.tags, '{}'),
    CASE
        WHEN l.audio_input_tokens = 0 AND l.audio_output_tokens = 0 AND l.tool_prompt_tokens = 0 AND l.web_searches = 0
        THEN l.other_usage
        -- A patch leaves out members that are NULL.
        ELSE json_patch(COALESCE(l.other_usage, '{}'), json_object(
            'audio_input', NULLIF(l.audio_input_tokens, 0),
            'audio_output', NULLIF(l.audio_output_tokens, 0),
            'tool_prompt', NULLIF(l.tool_prompt_tokens, 0),
            'web_searches', NULLIF(l.web_searches, 0)))
    END,
    json_object(
        'reason', COALESCE(d.route_reason, ''),
        'chain', json(d.chain),
        'attempts', json(COALESCE(d.attempts, '[]')),
        'agent', d.agent,
        'trace_id', d.trace_id,
        'notes', json(d.notes))
FROM request_logs AS l
LEFT JOIN request_details AS d ON d.created_at = l.created_at AND d.request_id = l.request_id
ORDER BY l.created_at, l.request_id;
DROP TABLE request_details;
DROP TABLE request_logs;
ALTER TABLE request_logs_new RENAME TO request_logs;
CREATE INDEX request_logs_user ON request_logs (user_id, created_at, request_id);
-- The requests that the sums cannot vouch for, which are few.
CREATE INDEX request_logs_interrupted ON request_logs (user_id, created_at, request_id)
    WHERE outcome = 'interrupted';
CREATE INDEX request_logs_unknown ON request_logs (user_id, created_at, request_id) WHERE usage_source = 'unknown';
CREATE INDEX request_logs_unpriced ON request_logs (user_id, created_at, request_id) WHERE unpriced;
