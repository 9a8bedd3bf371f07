//! A data directory of the version before, as it was left by `kill -9`: this program reads its rows, sums, keys and
//! secrets as that one did, stores what its journal holds, and goes on. `tests/fixtures/v0.1-data` says how the
//! directory was made.

#[cfg(test)]
mod v0_1;
