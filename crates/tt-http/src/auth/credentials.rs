//! The body that names an account.

use schemars::JsonSchema;
use secrecy::SecretString;
use serde::Deserialize;

/// An email and a password.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Credentials {
    pub(super) email: String,
    #[schemars(with = "String")]
    pub(super) password: SecretString,
}
