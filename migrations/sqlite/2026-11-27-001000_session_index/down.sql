DROP INDEX request_logs_session;
