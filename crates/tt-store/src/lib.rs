//! The store: repositories written once, compiled for SQLite and for PostgreSQL.
