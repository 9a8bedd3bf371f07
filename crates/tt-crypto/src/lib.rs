#![doc = include_str!("../README.md")]
//!
//! ## Invariants
//!
//! - No other crate knows ring, argon2 or jsonwebtoken.
//! - Nothing here reads a clock, stores anything or knows HTTP.
//! - A secret leaves as [`secrecy::SecretString`], and no error text ever holds one.

pub mod api_key;
pub mod envelope;
pub mod error;
mod jwt;
pub mod password;
pub mod random;
pub mod session;
mod subkey;

pub use api_key::ApiKey;
pub use envelope::{Aad, Keyring, new_seal_id};
pub use error::{Error, Result};
pub use password::Passwords;
pub use random::{check_secret, is_secret};
pub use session::{Claims, Issued, Sessions};
