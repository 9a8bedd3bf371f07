//! The script call that shows whether a new connection works.

use deadpool_redis::redis::aio::MultiplexedConnection;
use deadpool_redis::redis::{RedisResult, Script, Value};

/// A script call on a key that counts nothing: it shows that Redis reads, writes and runs scripts. A PING would not
/// show that: a Redis that is loading its data, or is full, answers it.
#[derive(Debug)]
pub(crate) struct Probe {
    script: Script,
    key: String,
    args: Vec<String>,
}

impl Probe {
    pub(crate) const fn new(script: Script, key: String, args: Vec<String>) -> Self {
        Self { script, key, args }
    }

    /// Runs the script; its answer does not matter.
    pub(super) async fn run(&self, connection: &mut MultiplexedConnection) -> RedisResult<()> {
        let mut call = self.script.key(&self.key);
        for arg in &self.args {
            call.arg(arg);
        }
        call.invoke_async::<Value>(connection).await.map(|_| ())
    }
}
