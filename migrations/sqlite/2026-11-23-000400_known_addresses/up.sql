-- Addresses that have signed in to an account: a keyed hash of both, so that the table names no address. Failed
-- logins from other addresses do not slow down these.
CREATE TABLE known_addresses (
    address_hash TEXT NOT NULL PRIMARY KEY,
    user_id BIGINT NOT NULL REFERENCES users (id),
    last_success_at BIGINT NOT NULL
);
CREATE INDEX known_addresses_age ON known_addresses (last_success_at);
