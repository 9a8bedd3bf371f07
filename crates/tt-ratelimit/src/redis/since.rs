//! Since when Redis has its data: a mark in it, which is another one once Redis has lost its data.

use deadpool_redis::redis::aio::MultiplexedConnection;
use deadpool_redis::redis::{RedisResult, Script};

/// Reads the mark of one purpose, and makes it where there is none.
#[derive(Debug)]
pub(crate) struct SinceMark {
    script: Script,
    key: String,
}

/// Since when Redis has its data, by its own clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Since {
    /// Unix milliseconds; another value than before means that Redis has lost its data.
    pub(crate) began_ms: u64,
    pub(crate) now_ms: u64,
}

impl SinceMark {
    pub(crate) fn new(key: String) -> Self {
        Self { script: Script::new(include_str!("lua/since.lua")), key }
    }

    /// Since when Redis has its data. If it does not know, it notes that its data begin now.
    pub(crate) async fn read(&self, connection: &mut MultiplexedConnection) -> RedisResult<Since> {
        let (began_ms, now_ms) = self.script.key(&self.key).invoke_async(connection).await?;
        Ok(Since { began_ms, now_ms })
    }
}
