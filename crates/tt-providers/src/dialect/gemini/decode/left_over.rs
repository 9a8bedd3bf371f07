//! Fields that the neutral form has no place for.

use tt_core::call::extra::Extra;

use crate::dialect::body::JsonText;
use crate::json;

/// Keeps the field under its path.
pub(super) fn keep(extra: &mut Extra, path: String, value: JsonText<'_>) {
    extra.fields.insert(path, json::value(value.get().as_bytes()).unwrap_or_default());
}
