-- The log by UTC day: old days are dropped whole, and a look-up by id touches one. A day's partition is named for the
-- number of the day since the Unix epoch. The drain makes the partitions it needs.

ALTER TABLE request_logs RENAME TO request_logs_whole;
ALTER TABLE request_details RENAME TO request_details_whole;

CREATE TABLE request_logs (LIKE request_logs_whole INCLUDING DEFAULTS INCLUDING CONSTRAINTS)
    PARTITION BY RANGE (created_at);
CREATE TABLE request_details (LIKE request_details_whole INCLUDING DEFAULTS INCLUDING CONSTRAINTS)
    PARTITION BY RANGE (created_at);

DO $$
DECLARE
    day BIGINT;
    parent TEXT;
BEGIN
    FOR day IN
        SELECT created_at / 86400000 FROM request_logs_whole
        UNION SELECT created_at / 86400000 FROM request_details_whole
    LOOP
        FOREACH parent IN ARRAY ARRAY['request_logs', 'request_details'] LOOP
            EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%s) TO (%s)',
                           parent || '_d' || day, parent, day * 86400000, (day + 1) * 86400000);
        END LOOP;
    END LOOP;
END
$$;

INSERT INTO request_logs SELECT * FROM request_logs_whole;
INSERT INTO request_details SELECT * FROM request_details_whole;
DROP TABLE request_logs_whole, request_details_whole;

ALTER TABLE request_logs ADD PRIMARY KEY (created_at, request_id);
ALTER TABLE request_details ADD PRIMARY KEY (created_at, request_id);
CREATE INDEX request_logs_user ON request_logs (user_id, created_at, request_id);

-- Indexes of the rows with gaps in their accounting: these are few, and are found without reading the others.
CREATE INDEX request_logs_interrupted ON request_logs (user_id, created_at, request_id)
    WHERE outcome = 'interrupted';
CREATE INDEX request_logs_unknown ON request_logs (user_id, created_at, request_id) WHERE usage_source = 'unknown';
CREATE INDEX request_logs_unpriced ON request_logs (user_id, created_at, request_id) WHERE unpriced;
