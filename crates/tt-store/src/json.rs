//! Writes JSON objects field by field into one text. The texts of the log are written for every request; through serde each
//! field took four times the work, of which escaping its name was the most.
//!
//! It writes what `serde_json` writes; values of types that few requests have are left to that.

use serde::Serialize;
use tt_core::NanoUsd;

use crate::error::{Result, StoreError};

/// The bytes that most JSON texts of the log fit in.
const USUAL: usize = 1024;

/// The text of an object with the fields that `fields` adds.
pub(crate) fn object(fields: impl FnOnce(&mut Fields<'_>) -> Result<()>) -> Result<String> {
    let mut text = Vec::with_capacity(USUAL);
    write_object(&mut text, fields)?;
    String::from_utf8(text).map_err(StoreError::corrupt)
}

/// The fields of an object that is being written. Names are words of this program, which need no escapes.
pub(crate) struct Fields<'a> {
    text: &'a mut Vec<u8>,
    empty: bool,
}

impl Fields<'_> {
    /// Adds a text.
    pub(crate) fn text(&mut self, name: &'static str, value: &str) {
        self.name(name);
        write_text(self.text, value);
    }

    /// Adds a text, or nothing.
    pub(crate) fn maybe_text(&mut self, name: &'static str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    /// Adds a number.
    pub(crate) fn number(&mut self, name: &'static str, value: impl Into<Whole>) {
        self.name(name);
        let Whole { negative, digits } = value.into();
        if negative {
            self.text.push(b'-');
        }
        write_digits(self.text, digits);
    }

    /// Adds a count, or nothing for 0.
    pub(crate) fn count(&mut self, name: &'static str, value: u64) {
        if value > 0 {
            self.number(name, value);
        }
    }

    /// Adds an amount, or nothing.
    pub(crate) fn maybe_money(&mut self, name: &'static str, value: Option<NanoUsd>) {
        if let Some(value) = value {
            self.name(name);
            self.text.extend_from_slice(value.decimal().as_bytes());
        }
    }

    /// Adds an object.
    pub(crate) fn object(
        &mut self,
        name: &'static str,
        fields: impl FnOnce(&mut Fields<'_>) -> Result<()>,
    ) -> Result<()> {
        self.name(name);
        write_object(self.text, fields)
    }

    /// Adds a list of an object for each of `items`.
    pub(crate) fn objects<T>(
        &mut self,
        name: &'static str,
        items: &[T],
        fields: impl Fn(&mut Fields<'_>, &T) -> Result<()>,
    ) -> Result<()> {
        self.name(name);
        self.text.push(b'[');
        for (n, item) in items.iter().enumerate() {
            if n > 0 {
                self.text.push(b',');
            }
            write_object(self.text, |of_item| fields(of_item, item))?;
        }
        self.text.push(b']');
        Ok(())
    }

    /// Adds a value in the form that its type has for serde.
    pub(crate) fn value(&mut self, name: &'static str, value: &impl Serialize) -> Result<()> {
        self.name(name);
        serde_json::to_writer(&mut *self.text, value).map_err(StoreError::corrupt)
    }

    /// Adds a list of such values, or nothing for an empty one.
    pub(crate) fn values<T: Serialize>(&mut self, name: &'static str, values: &[T]) -> Result<()> {
        if values.is_empty() { Ok(()) } else { self.value(name, &values) }
    }

    fn name(&mut self, name: &'static str) {
        self.text.extend_from_slice(if self.empty { b"\"" } else { b",\"" });
        self.empty = false;
        self.text.extend_from_slice(name.as_bytes());
        self.text.extend_from_slice(b"\":");
    }
}

/// A whole number.
pub(crate) struct Whole {
    negative: bool,
    digits: u64,
}

impl From<u64> for Whole {
    fn from(digits: u64) -> Self {
        Self { negative: false, digits }
    }
}

impl From<i64> for Whole {
    fn from(number: i64) -> Self {
        Self { negative: number < 0, digits: number.unsigned_abs() }
    }
}

fn write_object(text: &mut Vec<u8>, fields: impl FnOnce(&mut Fields<'_>) -> Result<()>) -> Result<()> {
    text.push(b'{');
    fields(&mut Fields { text, empty: true })?;
    text.push(b'}');
    Ok(())
}

fn write_digits(text: &mut Vec<u8>, mut number: u64) {
    let mut digits = [b'0'; 20];
    let mut first = digits.len();
    for digit in digits.iter_mut().rev() {
        *digit += u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
        first -= 1;
        if number == 0 {
            break;
        }
    }
    text.extend_from_slice(digits.get(first..).unwrap_or_default());
}

fn write_text(text: &mut Vec<u8>, value: &str) {
    let bytes = value.as_bytes();
    text.push(b'"');
    // Looks at all bytes, which vector instructions do at a fraction of the cost of stopping at the first.
    if bytes.iter().fold(false, |any, byte| any | needs_escape(*byte)) {
        write_escaped(text, bytes);
    } else {
        text.extend_from_slice(bytes);
    }
    text.push(b'"');
}

fn write_escaped(text: &mut Vec<u8>, mut bytes: &[u8]) {
    text.reserve(bytes.len() * 2);
    while let Some(at) = bytes.iter().position(|byte| needs_escape(*byte)) {
        let (plain, rest) = bytes.split_at(at);
        text.extend_from_slice(plain);
        let Some((special, rest)) = rest.split_first() else { break };
        write_escape(text, *special);
        bytes = rest;
    }
    text.extend_from_slice(bytes);
}

const fn needs_escape(byte: u8) -> bool {
    (byte < b' ') | (byte == b'"') | (byte == b'\\')
}

fn write_escape(text: &mut Vec<u8>, byte: u8) {
    const HEX: [u8; 16] = *b"0123456789abcdef";
    let short = match byte {
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0c => b'f',
        b'"' | b'\\' => byte,
        _ => {
            let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
            return text.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
        }
    };
    text.extend_from_slice(&[b'\\', short]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_control_character_is_escaped_as_serde_json_does() {
        let all: String = (0..=0x7f_u8).map(char::from).collect();
        let text = object(|fields| {
            fields.text("all", &all);
            Ok(())
        });
        assert_eq!(text.unwrap(), serde_json::json!({ "all": all }).to_string());
    }

    proptest! {
        #[test]
        fn fields_are_written_as_serde_json_writes_them(value: String, count: u64, number: i64, amount: i64) {
            let text = object(|fields| {
                fields.text("text", &value);
                fields.maybe_text("none", None);
                fields.count("zero", 0);
                fields.object("in", |fields| {
                    fields.number("number", number);
                    fields.count("count", count);
                    Ok(())
                })?;
                fields.objects("list", &[count, count], |fields, count| {
                    fields.number("n", *count);
                    Ok(())
                })?;
                fields.values("nothing", &[] as &[u64])?;
                fields.values("values", &[&value])
            });
            let mut inner = serde_json::json!({ "number": number });
            if count > 0 {
                inner["count"] = count.into();
            }
            let wanted = serde_json::json!({
                "text": value, "in": inner, "list": [{ "n": count }, { "n": count }], "values": [value]
            });
            prop_assert_eq!(text.unwrap(), wanted.to_string());
            let money = object(|fields| {
                fields.maybe_money("cost", Some(NanoUsd(amount)));
                Ok(())
            });
            prop_assert_eq!(money.unwrap(), format!("{{\"cost\":{}}}", serde_json::to_string(&NanoUsd(amount)).unwrap()));
        }
    }
}
