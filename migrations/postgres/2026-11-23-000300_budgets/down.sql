DROP TABLE spending;
ALTER TABLE api_keys DROP COLUMN budget_period;
ALTER TABLE api_keys DROP COLUMN budget_nano;
ALTER TABLE users DROP COLUMN own_budget_period;
ALTER TABLE users DROP COLUMN own_budget_nano;
ALTER TABLE users DROP COLUMN budget_period;
ALTER TABLE users DROP COLUMN budget_nano;
