//! The ledger's promises, attacked from outside: the built program is killed, left by its clients, cut off from its
//! store and given a full disk, and what it wrote down is held against the mock upstream's own log.
//!
//! By default the runs are short. `cargo xtask soak` sets the variables that [`size`] reads and builds with
//! optimisation, for the long runs.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(
    clippy::print_stdout,
    reason = "measurements, and the seed of a run that fails, are for whoever reads the output"
)]

mod aborts;
mod audit;
mod full;
mod held;
mod kill;
mod link;
mod load;
mod metrics;
#[path = "../blackbox/prices.rs"]
mod prices;
mod rows;
mod scenes;
mod setup;
mod size;
mod steady;
mod store_away;
mod torn;
mod wire;
