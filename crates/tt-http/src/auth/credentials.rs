//! The body that names an account.

use secrecy::SecretString;
use serde::Deserialize;

/// An email and a password.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Credentials {
    pub(super) email: String,
    pub(super) password: SecretString,
}
