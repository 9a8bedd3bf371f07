DROP TABLE audit;
ALTER TABLE api_keys DROP COLUMN grace_ends_at;
ALTER TABLE sessions DROP COLUMN last_used_at;
