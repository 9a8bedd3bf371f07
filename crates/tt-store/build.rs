//! Rebuilds the crate when a migration appears or changes: they are embedded, and cargo does not see new folders.

fn main() {
    println!("cargo:rerun-if-changed=../../migrations/sqlite");
    println!("cargo:rerun-if-changed=../../migrations/postgres");
}
