//! The body of a client's request, of which only the fields that decide its price and its model are read: the values of
//! all other fields are skipped and not decoded.
//!
//! The request that is priced must be the one that is sent. So a key that stands twice is refused, and one that differs
//! from a priced one by case only (some hosts fold case).

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use tt_core::call::field::Field;

use super::text::Text;
use crate::error::RequestError;
use crate::json::{Object, Reader, members};
use crate::slices::Slices;

/// The most keys that one object may have. Real requests have about forty.
const KEYS_CAP: usize = 512;

/// The longest key that is compared with each other one, in bytes.
const LONG_KEY: usize = 64;

/// The text of a body.
///
/// # Errors
/// `InvalidJson` for a body that is not UTF-8.
pub(super) fn text(body: &Bytes) -> Result<&str, RequestError> {
    // The library finds out whether a body is UTF-8 several times as fast, and not where it ceases to be.
    simdutf8::basic::from_utf8(body)
        .or_else(|_| std::str::from_utf8(body))
        .map_err(|e| RequestError::InvalidJson { reason: format!("not UTF-8 at byte {}", e.valid_up_to()) })
}

/// The text of a JSON value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct JsonText<'a>(&'a str);

impl<'a> JsonText<'a> {
    /// The text.
    pub(super) const fn get(self) -> &'a str {
        self.0
    }

    /// The value, read as a `T`.
    pub(super) fn read<T: Deserialize<'a>>(self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.0)
    }
}

impl<'a> Object<'a> for JsonText<'a> {
    fn read(reader: &mut Reader<'a>) -> Option<Self> {
        reader.text().map(Self)
    }
}

impl<'a> From<&'a RawValue> for JsonText<'a> {
    fn from(value: &'a RawValue) -> Self {
        Self(value.get())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for JsonText<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&RawValue>::deserialize(deserializer).map(Self::from)
    }
}

/// The place of `value` in `text`, from which it was read.
pub(super) fn place(text: &str, value: JsonText<'_>) -> Range<usize> {
    let start = value.get().as_ptr().addr() - text.as_ptr().addr();
    start..start + value.get().len()
}

/// The name of the model in the value of `model`.
///
/// # Errors
/// `Malformed` for anything but a string that is not empty.
pub(super) fn model(value: JsonText<'_>) -> Result<String, RequestError> {
    let model: String = typed(value, "model", "must be a string")?.unwrap_or_default();
    if model.is_empty() { Err(malformed("model", "must be a string that names a model")) } else { Ok(model) }
}

/// `body` with the ranges of `edits`, which do not overlap, replaced by their texts.
pub(super) fn spliced(body: &Bytes, mut edits: Vec<(Range<usize>, Bytes)>) -> Slices {
    edits.sort_unstable_by_key(|(at, _)| at.start);
    let mut parts = Vec::with_capacity(edits.len() * 2 + 1);
    let mut from = 0;
    for (at, text) in edits {
        parts.push(body.slice(from..at.start));
        parts.push(text);
        from = at.end;
    }
    parts.push(body.slice(from..));
    Slices::new(parts)
}

/// The error for a value that cannot stand in the field `param`.
pub(super) fn malformed(param: &str, reason: &str) -> RequestError {
    RequestError::malformed(Field::written(param), reason)
}

/// The error for a body that lacks the field `param`.
pub(super) fn missing(param: &str) -> RequestError {
    RequestError::missing(Field::written(param))
}

/// Reads a value of the field `param`; `want` says what it must be. `None` for null.
pub(super) fn typed<'a, T: Deserialize<'a>>(
    raw: JsonText<'a>,
    param: &str,
    want: &str,
) -> Result<Option<T>, RequestError> {
    serde_json::from_str(raw.get()).map_err(|_| malformed(param, want))
}

/// As [`typed`]; an absent field is null.
pub(super) fn optional<'a, T: Deserialize<'a>>(
    raw: Option<JsonText<'a>>,
    param: &str,
    want: &str,
) -> Result<Option<T>, RequestError> {
    raw.map_or(Ok(None), |raw| typed(raw, param, want))
}

/// The keys of one object, unescaped, with their values' text.
pub(super) struct Fields<'a>(Vec<(Cow<'a, str>, JsonText<'a>)>);

impl<'a> Fields<'a> {
    /// Reads the object `text`, which stands at `path`, and refuses what could be read in two ways.
    pub(super) fn of(text: &'a str, path: &str, priced: &[&str]) -> Result<Self, RequestError> {
        let fields = match Self::quickly(text) {
            Some(fields) => fields,
            // The messages of serde_json about syntax quote nothing of the text.
            None => serde_json::from_str(text).map_err(|e| {
                let reason =
                    if e.is_data() { "it must be an object of at most 512 fields".into() } else { e.to_string() };
                RequestError::InvalidJson { reason }
            })?,
        };
        let mut long = HashSet::new();
        for (i, (key, _)) in fields.0.iter().enumerate() {
            let param = || {
                let shown: String = key.chars().take(100).collect();
                if path.is_empty() { shown } else { format!("{path}.{shown}") }
            };
            // To compare each with each is quick for a few short keys, which is what requests have.
            let again = if key.len() > LONG_KEY {
                !long.insert(key.as_ref())
            } else {
                fields.0.iter().take(i).any(|(earlier, _)| earlier == key)
            };
            if again {
                return Err(malformed(&param(), "stands twice: send it once"));
            }
            if let Some(name) = priced.iter().find(|name| **name != key && equal_but_for_case(name, key)) {
                return Err(malformed(&param(), &format!("is not a field of this request: did you mean {name}?")));
            }
        }
        Ok(fields)
    }

    /// Reads what can be read quickly, which is nearly everything that clients send.
    fn quickly(text: &'a str) -> Option<Self> {
        let mut fields = Vec::with_capacity(16);
        members(text, |name, value| {
            fields.push((Cow::Borrowed(name), JsonText(value)));
            (fields.len() <= KEYS_CAP).then_some(())
        })?;
        Some(Self(fields))
    }

    /// True if the object has no fields.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names and values of all fields, in the order of the client.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&str, JsonText<'a>)> {
        self.0.iter().map(|(key, value)| (key.as_ref(), *value))
    }

    /// The value of a field; `None` where the object does not have it.
    pub(super) fn value(&self, name: &str) -> Option<JsonText<'a>> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| *value)
    }
}

/// True if a reader that ignores case takes `key` for `name`. Some of them fold `ſ` to `s` and the Kelvin sign to `k`
/// too.
fn equal_but_for_case(name: &str, key: &str) -> bool {
    if key.is_ascii() {
        return name.eq_ignore_ascii_case(key);
    }
    key.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).eq(name.chars())
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Walk;

        impl<'de> Visitor<'de> for Walk {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::with_capacity(16);
                while let Some((Key(key), value)) = map.next_entry::<Key<'de>, JsonText<'de>>()? {
                    if fields.len() == KEYS_CAP {
                        return Err(serde::de::Error::custom("too many fields"));
                    }
                    fields.push((key, value));
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(Walk)
    }
}

/// A key, borrowed where nothing in it is escaped.
struct Key<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Text::deserialize(deserializer).map(|text| Self(text.0))
    }
}
