-- The requests of a session: its page, and every question that keeps to a session, which is answered from rows. Without the
-- index all rows of the user in the range are read for it.
CREATE INDEX request_logs_session ON request_logs (user_id, session, created_at, request_id) WHERE session IS NOT NULL;
