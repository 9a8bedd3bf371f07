-- Sums that were not kept before: the cost by class of what was billed, estimates, gaps and latencies.
--
-- The classes of a cost are known from now on, of rows and of sums; before, they are 0, so that what the classes do not
-- add up to is the cost of requests whose classes are not known.
--
-- `detailed` counts the requests that the other new sums cover. They are computed here from the rows that are kept. Where
-- rows of an hour are gone, it stays less than `requests`.
ALTER TABLE request_logs ADD COLUMN cost_input_nano BIGINT NOT NULL DEFAULT 0;
ALTER TABLE request_logs ADD COLUMN cost_cached_nano BIGINT NOT NULL DEFAULT 0;
ALTER TABLE request_logs ADD COLUMN cost_cache_write_nano BIGINT NOT NULL DEFAULT 0;
ALTER TABLE request_logs ADD COLUMN cost_output_nano BIGINT NOT NULL DEFAULT 0;
ALTER TABLE request_logs ADD COLUMN cost_fees_nano BIGINT NOT NULL DEFAULT 0;

ALTER TABLE usage_hourly ADD COLUMN cost_input_nano BIGINT NOT NULL DEFAULT 0;
ALTER TABLE usage_hourly ADD COLUMN cost_cached_nano BIGINT NOT NULL DEFAULT 0;
ALTER TABLE usage_hourly ADD COLUMN cost_cache_write_nano BIGINT NOT NULL DEFAULT 0;
ALTER TABLE usage_hourly ADD COLUMN cost_output_nano BIGINT NOT NULL DEFAULT 0;
ALTER TABLE usage_hourly ADD COLUMN cost_fees_nano BIGINT NOT NULL DEFAULT 0;
ALTER TABLE usage_hourly ADD COLUMN detailed BIGINT NOT NULL DEFAULT 0;
ALTER TABLE usage_hourly ADD COLUMN estimated BIGINT NOT NULL DEFAULT 0;
ALTER TABLE usage_hourly ADD COLUMN partial_usage BIGINT NOT NULL DEFAULT 0;
ALTER TABLE usage_hourly ADD COLUMN unknown_usage BIGINT NOT NULL DEFAULT 0;
ALTER TABLE usage_hourly ADD COLUMN costless BIGINT NOT NULL DEFAULT 0;
ALTER TABLE usage_hourly ADD COLUMN interrupted BIGINT NOT NULL DEFAULT 0;
ALTER TABLE usage_hourly ADD COLUMN latency_ms BIGINT NOT NULL DEFAULT 0;
ALTER TABLE usage_hourly ADD COLUMN first_token_ms BIGINT NOT NULL DEFAULT 0;
ALTER TABLE usage_hourly ADD COLUMN first_tokens BIGINT NOT NULL DEFAULT 0;

ALTER TABLE usage_tags_hourly ADD COLUMN cost_input_nano BIGINT NOT NULL DEFAULT 0;
ALTER TABLE usage_tags_hourly ADD COLUMN cost_cached_nano BIGINT NOT NULL DEFAULT 0;
ALTER TABLE usage_tags_hourly ADD COLUMN cost_cache_write_nano BIGINT NOT NULL DEFAULT 0;
ALTER TABLE usage_tags_hourly ADD COLUMN cost_output_nano BIGINT NOT NULL DEFAULT 0;
ALTER TABLE usage_tags_hourly ADD COLUMN cost_fees_nano BIGINT NOT NULL DEFAULT 0;
ALTER TABLE usage_tags_hourly ADD COLUMN detailed BIGINT NOT NULL DEFAULT 0;
ALTER TABLE usage_tags_hourly ADD COLUMN estimated BIGINT NOT NULL DEFAULT 0;
ALTER TABLE usage_tags_hourly ADD COLUMN partial_usage BIGINT NOT NULL DEFAULT 0;
ALTER TABLE usage_tags_hourly ADD COLUMN unknown_usage BIGINT NOT NULL DEFAULT 0;
ALTER TABLE usage_tags_hourly ADD COLUMN costless BIGINT NOT NULL DEFAULT 0;
ALTER TABLE usage_tags_hourly ADD COLUMN interrupted BIGINT NOT NULL DEFAULT 0;
ALTER TABLE usage_tags_hourly ADD COLUMN latency_ms BIGINT NOT NULL DEFAULT 0;
ALTER TABLE usage_tags_hourly ADD COLUMN first_token_ms BIGINT NOT NULL DEFAULT 0;
ALTER TABLE usage_tags_hourly ADD COLUMN first_tokens BIGINT NOT NULL DEFAULT 0;

UPDATE usage_hourly AS h SET
    detailed = r.requests,
    estimated = r.estimated,
    partial_usage = r.partial_usage,
    unknown_usage = r.unknown_usage,
    costless = r.costless,
    interrupted = r.interrupted,
    latency_ms = r.latency_ms,
    first_token_ms = r.first_token_ms,
    first_tokens = r.first_tokens
FROM (
    SELECT
        user_id, created_at - created_at % 3600000 AS hour, COALESCE(provider, '') AS provider, alias,
        COALESCE(model, '') AS model, COALESCE(api_key_id, 0) AS api_key_id, COALESCE(status, 0) AS status,
        COALESCE(route, '') AS route, dialect, COALESCE(client, '') AS client,
        COUNT(*) AS requests,
        CAST(SUM(CASE WHEN usage_source = 'estimated' THEN 1 ELSE 0 END) AS BIGINT) AS estimated,
        CAST(SUM(CASE WHEN usage_source = 'partial' THEN 1 ELSE 0 END) AS BIGINT) AS partial_usage,
        CAST(SUM(CASE WHEN usage_source = 'unknown' THEN 1 ELSE 0 END) AS BIGINT) AS unknown_usage,
        CAST(SUM(CASE WHEN cost_nano IS NULL THEN 1 ELSE 0 END) AS BIGINT) AS costless,
        CAST(SUM(CASE WHEN outcome = 'interrupted' THEN 1 ELSE 0 END) AS BIGINT) AS interrupted,
        CAST(SUM(latency_ms) AS BIGINT) AS latency_ms,
        CAST(SUM(COALESCE(first_token_ms, 0)) AS BIGINT) AS first_token_ms,
        COUNT(first_token_ms) AS first_tokens
    FROM request_logs
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
) AS r
WHERE h.user_id = r.user_id
    AND h.hour = r.hour
    AND h.provider = r.provider
    AND h.alias = r.alias
    AND h.model = r.model
    AND h.api_key_id = r.api_key_id
    AND h.status = r.status
    AND h.route = r.route
    AND h.dialect = r.dialect
    AND h.client = r.client
    AND h.requests = r.requests;

UPDATE usage_tags_hourly AS h SET
    detailed = r.requests,
    estimated = r.estimated,
    partial_usage = r.partial_usage,
    unknown_usage = r.unknown_usage,
    costless = r.costless,
    interrupted = r.interrupted,
    latency_ms = r.latency_ms,
    first_token_ms = r.first_token_ms,
    first_tokens = r.first_tokens
FROM (
    SELECT
        l.user_id, l.created_at - l.created_at % 3600000 AS hour, COALESCE(l.provider, '') AS provider, l.alias,
        COALESCE(l.model, '') AS model, COALESCE(l.api_key_id, 0) AS api_key_id, COALESCE(l.status, 0) AS status,
        COALESCE(l.route, '') AS route, l.dialect, COALESCE(l.client, '') AS client,
        t.key AS tag_name, COALESCE(v.tag_value, '(other)') AS tag_value,
        COUNT(*) AS requests,
        CAST(SUM(CASE WHEN l.usage_source = 'estimated' THEN 1 ELSE 0 END) AS BIGINT) AS estimated,
        CAST(SUM(CASE WHEN l.usage_source = 'partial' THEN 1 ELSE 0 END) AS BIGINT) AS partial_usage,
        CAST(SUM(CASE WHEN l.usage_source = 'unknown' THEN 1 ELSE 0 END) AS BIGINT) AS unknown_usage,
        CAST(SUM(CASE WHEN l.cost_nano IS NULL THEN 1 ELSE 0 END) AS BIGINT) AS costless,
        CAST(SUM(CASE WHEN l.outcome = 'interrupted' THEN 1 ELSE 0 END) AS BIGINT) AS interrupted,
        CAST(SUM(l.latency_ms) AS BIGINT) AS latency_ms,
        CAST(SUM(COALESCE(l.first_token_ms, 0)) AS BIGINT) AS first_token_ms,
        COUNT(l.first_token_ms) AS first_tokens
    FROM request_logs AS l
    JOIN json_each(l.tags) AS t
    LEFT JOIN usage_tag_values AS v
        ON v.user_id = l.user_id AND v.day = l.created_at - l.created_at % 86400000
        AND v.tag_name = t.key AND v.tag_value = t.value
    WHERE l.tags IS NOT NULL
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12
) AS r
WHERE h.user_id = r.user_id
    AND h.hour = r.hour
    AND h.provider = r.provider
    AND h.alias = r.alias
    AND h.model = r.model
    AND h.api_key_id = r.api_key_id
    AND h.status = r.status
    AND h.route = r.route
    AND h.dialect = r.dialect
    AND h.client = r.client
    AND h.tag_name = r.tag_name
    AND h.tag_value = r.tag_value
    AND h.requests = r.requests;
