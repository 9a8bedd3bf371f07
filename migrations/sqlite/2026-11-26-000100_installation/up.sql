-- Names this installation, in one row, where it shares something with others, such as a Redis.
CREATE TABLE installation (
    one BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    name TEXT NOT NULL
);
INSERT INTO installation (one, name) VALUES (1, lower(hex(randomblob(16))));
