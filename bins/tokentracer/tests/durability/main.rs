//! The ledger's promises, attacked from outside: the built program is killed, left by its clients, cut off from its
//! store and given a full disk, and what it wrote down is held against the mock upstream's own log.
//!
//! What runs by default is the short form. `cargo xtask soak` sets the variables of [`size`] and builds with
//! optimisation, which is the long one.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(clippy::print_stdout, reason = "what was measured is worth reading, and the seed where a test fails")]

mod aborts;
mod audit;
mod full;
mod kill;
mod link;
mod load;
#[path = "../blackbox/prices.rs"]
mod prices;
mod rows;
mod scenes;
mod setup;
mod size;
mod store_away;
mod torn;
mod wire;
