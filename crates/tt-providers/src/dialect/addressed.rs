//! The cost of the fields that a client addresses to providers of another dialect.

use serde_json::{Map, Value};
use tt_core::Dialect;
use tt_core::call::field::Field;

use crate::error::RequestError;

/// The fields that a client addressed to providers of the dialect `to`, if all of them are among `free`. Any other field
/// may be a tool or a service with a fee of its own.
///
/// # Errors
/// `Unsupported` for the first field that is not among `free`, and for a value that is no object.
pub(super) fn free_fields<'a>(
    fields: &'a Value,
    free: &[&str],
    to: Dialect,
) -> Result<&'a Map<String, Value>, RequestError> {
    let unknown = |name: &str| RequestError::unknown_fee(Field::Addressed { to, name: name.to_owned() });
    let fields = fields.as_object().ok_or_else(|| unknown(""))?;
    match fields.keys().find(|name| !free.contains(&name.as_str())) {
        Some(name) => Err(unknown(name)),
        None => Ok(fields),
    }
}
