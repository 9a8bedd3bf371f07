//! The allocator of the program, and the return of free memory to the system.

use std::ffi::{c_int, c_long};
use std::time::Duration;

use tokio::time::MissedTickBehavior;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The number of the option `mi_option_purge_delay` in mimalloc 3, which the crate does not name.
const PURGE_DELAY: c_int = 15;

/// The time for which free pages stay with the process, in milliseconds. It is the default of mimalloc 2.
const PURGE_DELAY_MS: c_long = 10;

/// The time between two looks for free pages while nobody allocates.
const LOOK: Duration = Duration::from_secs(1);

/// Lets free pages go back to the system soon. By default they stay for a second, in which a process that frees and takes
/// large bodies again and again grows to a multiple of what it holds, far above what `MAX_BUFFERED_BYTES` promises.
#[expect(unsafe_code, reason = "the one option that the environment could set, but the program cannot, without it")]
pub(crate) fn give_memory_back_soon() {
    // SAFETY: the function stores a number in a table of the allocator. It is called at the start, when the process has one
    // thread, as it must be.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, PURGE_DELAY_MS) }
}

/// Gives free pages back while nobody allocates, once a second. The allocator itself does so only when it is called, so the
/// memory of the last password hash would stay until the next large body.
pub(crate) async fn give_memory_back_when_idle() {
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        collect();
    }
}

#[expect(unsafe_code, reason = "no safe function does it")]
fn collect() {
    // SAFETY: any thread may call the function at any time. It frees nothing that is in use.
    unsafe { libmimalloc_sys::mi_collect(false) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(unsafe_code, reason = "no safe function reads an option")]
    fn the_number_is_that_of_the_delay() {
        // SAFETY: the function reads a number of a table.
        let delay = || unsafe { libmimalloc_sys::mi_option_get(PURGE_DELAY) };
        assert_eq!(delay(), 1000, "the default of the delay, which no other option has");
        give_memory_back_soon();
        assert_eq!(delay(), PURGE_DELAY_MS);
    }
}
