//! Runs work that blocks.

use std::io;

use tokio::task::spawn_blocking;

/// Runs `work` on one of the runtime's blocking threads. Its log lines go where this thread's go.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let subscriber = tracing::dispatcher::get_default(Clone::clone);
    let done = spawn_blocking(move || tracing::dispatcher::with_default(&subscriber, work)).await;
    done.map_err(io::Error::other).flatten()
}
