DROP TABLE webhook_deliveries;
DROP TABLE alerts;
DROP TABLE webhooks;
DROP INDEX api_keys_expiry;
ALTER TABLE api_keys DROP COLUMN budget_soft;
ALTER TABLE users DROP COLUMN own_budget_soft;
ALTER TABLE users DROP COLUMN budget_soft;
