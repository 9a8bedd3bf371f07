-- Budgets: the one an administrator sets for a user, the user's own, and a key's. NULL: none.
ALTER TABLE users ADD COLUMN budget_nano BIGINT;
ALTER TABLE users ADD COLUMN budget_period TEXT;
ALTER TABLE users ADD COLUMN own_budget_nano BIGINT;
ALTER TABLE users ADD COLUMN own_budget_period TEXT;
ALTER TABLE api_keys ADD COLUMN budget_nano BIGINT;
ALTER TABLE api_keys ADD COLUMN budget_period TEXT;

-- The spending of users (api_key_id 0) and keys in each day, each month and in all. It is written in the transaction that
-- inserts the rows. `revision` rises with every change of a row, so that the later of two readings is known.
CREATE TABLE spending (
    user_id BIGINT NOT NULL,
    api_key_id BIGINT NOT NULL,
    period TEXT NOT NULL,
    starts_at BIGINT NOT NULL,
    cost_nano BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    PRIMARY KEY (user_id, api_key_id, period, starts_at)
);
CREATE INDEX spending_age ON spending (period, starts_at);

INSERT INTO spending (user_id, api_key_id, period, starts_at, cost_nano, revision)
SELECT user_id, subject, period, starts_at, CAST(SUM(cost_nano) AS BIGINT), 1
FROM (
    SELECT user_id, subject, period, cost_nano, CASE period
        WHEN 'day' THEN hour - hour % 86400000
        WHEN 'month' THEN CAST(EXTRACT(EPOCH FROM date_trunc('month', to_timestamp(hour / 1000) AT TIME ZONE 'UTC')) AS BIGINT) * 1000
        ELSE 0 END AS starts_at
    FROM (
        SELECT user_id, 0 AS subject, hour, cost_nano FROM usage_hourly
        UNION ALL
        SELECT user_id, api_key_id, hour, cost_nano FROM usage_hourly WHERE api_key_id <> 0
    ) AS sums
    CROSS JOIN (SELECT 'day' AS period UNION ALL SELECT 'month' UNION ALL SELECT 'total') AS periods
) AS spent
GROUP BY user_id, subject, period, starts_at;
