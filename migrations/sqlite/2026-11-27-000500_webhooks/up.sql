-- A soft budget warns, and refuses nothing.
ALTER TABLE users ADD COLUMN budget_soft BOOLEAN NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN own_budget_soft BOOLEAN NOT NULL DEFAULT 0;
ALTER TABLE api_keys ADD COLUMN budget_soft BOOLEAN NOT NULL DEFAULT 0;
-- The keys that expire soon, which alerts are about.
CREATE INDEX api_keys_expiry ON api_keys (expires_at) WHERE expires_at IS NOT NULL AND revoked_at IS NULL;

-- Addresses that alerts are sent to. `scope` is `own` or, for administrators, `installation`; `events` are words separated
-- by blanks. `sealed` is the secret that deliveries are signed with.
CREATE TABLE webhooks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id BIGINT NOT NULL REFERENCES users (id),
    scope TEXT NOT NULL,
    url TEXT NOT NULL,
    label TEXT,
    events TEXT NOT NULL,
    active BOOLEAN NOT NULL,
    seal_id TEXT NOT NULL UNIQUE,
    sealed TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX webhooks_user ON webhooks (user_id, id);
CREATE INDEX webhooks_active ON webhooks (user_id) WHERE active;

-- What has happened, each thing once: `once` names it among the alerts of its user and event. `user_id` is 0 for what is about
-- the installation. `body` is what is sent, and never changes. Alerts that nobody subscribed to are not kept.
CREATE TABLE alerts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id BIGINT NOT NULL,
    event TEXT NOT NULL,
    once TEXT NOT NULL,
    event_id TEXT NOT NULL,
    body TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (user_id, event, once)
);
CREATE INDEX alerts_age ON alerts (created_at);

-- An alert on its way to a webhook. While it is to be sent, `next_attempt_at` is the time of the next attempt. A process that
-- sends it sets that to the end of its lease first, so that another one takes over if it dies. `attempts` counts them.
CREATE TABLE webhook_deliveries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    webhook_id BIGINT NOT NULL,
    user_id BIGINT NOT NULL,
    alert_id BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    next_attempt_at BIGINT,
    attempts BIGINT NOT NULL DEFAULT 0,
    first_attempt_at BIGINT,
    last_attempt_at BIGINT,
    last_status BIGINT,
    last_error TEXT,
    delivered_at BIGINT
);
CREATE INDEX webhook_deliveries_webhook ON webhook_deliveries (webhook_id, id);
CREATE INDEX webhook_deliveries_alert ON webhook_deliveries (alert_id);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (user_id, next_attempt_at) WHERE next_attempt_at IS NOT NULL;
