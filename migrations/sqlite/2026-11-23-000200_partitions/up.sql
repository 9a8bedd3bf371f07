-- The log stays one table here. What accounting is missing: few rows, found without reading the others.
CREATE INDEX request_logs_interrupted ON request_logs (user_id, created_at, request_id)
    WHERE outcome = 'interrupted';
CREATE INDEX request_logs_unknown ON request_logs (user_id, created_at, request_id) WHERE usage_source = 'unknown';
CREATE INDEX request_logs_unpriced ON request_logs (user_id, created_at, request_id) WHERE unpriced;
