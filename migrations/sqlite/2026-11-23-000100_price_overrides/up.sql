-- Prices an administrator set over the shipped table: pico-US-dollars per token, from `effective_from` on. A class
-- with NULL costs as much as `input`.
CREATE TABLE price_overrides (
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    effective_from BIGINT NOT NULL,
    input BIGINT NOT NULL,
    output BIGINT NOT NULL,
    cache_read BIGINT,
    cache_write_5m BIGINT,
    cache_write_1h BIGINT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (provider, model, effective_from)
);
