-- The log stays one table here. Indexes of the rows with gaps in their accounting: these are few, and are found without
-- reading the others.
CREATE INDEX request_logs_interrupted ON request_logs (user_id, created_at, request_id)
    WHERE outcome = 'interrupted';
CREATE INDEX request_logs_unknown ON request_logs (user_id, created_at, request_id) WHERE usage_source = 'unknown';
CREATE INDEX request_logs_unpriced ON request_logs (user_id, created_at, request_id) WHERE unpriced;
