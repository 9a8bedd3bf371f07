DROP INDEX request_logs_interrupted;
DROP INDEX request_logs_unknown;
DROP INDEX request_logs_unpriced;
