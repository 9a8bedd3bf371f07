-- Names this installation, in one row, where it shares something with others, such as a Redis.
CREATE TABLE installation (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    name TEXT NOT NULL
);
INSERT INTO installation (one, name) VALUES (1, replace(gen_random_uuid()::text, '-', ''));
