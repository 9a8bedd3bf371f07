//! A runtime for work that can wait while requests are served.

use tokio::runtime::{Builder, Runtime};

/// Makes a runtime whose threads, those that may block among them, give way to all others of the process where the system
/// knows priorities of threads.
pub(crate) fn runtime() -> std::io::Result<Runtime> {
    Builder::new_multi_thread().worker_threads(1).thread_name("store").on_thread_start(give_way).enable_all().build()
}

/// Ten steps below normal: beside one thread of normal priority on the same core, the thread gets about a tenth of its time.
#[cfg(target_os = "linux")]
fn give_way() {
    // On Linux the call concerns the calling thread only.
    if let Err(error) = rustix::process::nice(10) {
        tracing::debug!(%error, "a thread has the priority of all others");
    }
}

#[cfg(not(target_os = "linux"))]
fn give_way() {}
