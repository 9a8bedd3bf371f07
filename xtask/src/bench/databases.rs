//! The databases of a benchmark, started for it.

use crate::test::postgres::Postgres;
use crate::test::redis::Redis;
use crate::test::tools::Tools;

/// PostgreSQL and Redis in the place of SQLite and the process's own limits.
pub(super) struct Databases {
    postgres: Postgres,
    redis: Redis,
}

impl Databases {
    /// Starts both, installed first where they are missing.
    pub(super) fn start() -> Result<Self, String> {
        let tools = Tools::find_or_install()?;
        Ok(Self { postgres: Postgres::start(&tools)?, redis: Redis::start(&tools)? })
    }

    /// The variables that tell TokenTracer of them.
    pub(super) fn settings(&self) -> Vec<(&'static str, String)> {
        let secret = "the secret of a benchmark, which keeps nothing".to_owned();
        vec![
            ("DATABASE_URL", self.postgres.url()),
            ("REDIS_URL", self.redis.url()),
            ("JWT_SECRET", secret.clone()),
            ("ENCRYPTION_KEY", secret),
        ]
    }
}
