-- Sessions show when they were last used. An API key that was replaced by another works until `grace_ends_at`.
ALTER TABLE sessions ADD COLUMN last_used_at BIGINT;
ALTER TABLE api_keys ADD COLUMN grace_ends_at BIGINT;

-- The audit trail: who signed in, or failed to, and who changed what. `user_id` is the user whose own entry it is; NULL where
-- that is nobody, as for a command of the operator's. `actor` is the email address that the user had then, or `cli`; NULL
-- where nobody knows. Users may be deleted, and their entries stay, so that nothing refers to `users`.
CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at BIGINT NOT NULL,
    user_id BIGINT,
    actor TEXT,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    detail TEXT NOT NULL,
    address TEXT
);
CREATE INDEX audit_age ON audit (at, id);
CREATE INDEX audit_user ON audit (user_id, at, id);
