//! Writes JSON objects field by field into one text. The texts of the log are written for every request, and serde escapes the
//! name of each field as if it were any text. The values are left to `serde_json`.

use serde::Serialize;

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
    /// Adds a value in the form that its type has for serde.
    pub(crate) fn value(&mut self, name: &'static str, value: &(impl Serialize + ?Sized)) -> Result<()> {
        self.name(name);
        serde_json::to_writer(&mut *self.text, value).map_err(StoreError::corrupt)
    }

    /// Adds such a value, or nothing.
    pub(crate) fn maybe(&mut self, name: &'static str, value: Option<&(impl Serialize + ?Sized)>) -> Result<()> {
        value.map_or(Ok(()), |value| self.value(name, value))
    }

    /// Adds a count, or nothing for 0.
    pub(crate) fn count(&mut self, name: &'static str, value: u64) -> Result<()> {
        if value == 0 { Ok(()) } else { self.value(name, &value) }
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

fn write_object(text: &mut Vec<u8>, fields: impl FnOnce(&mut Fields<'_>) -> Result<()>) -> Result<()> {
    text.push(b'{');
    fields(&mut Fields { text, empty: true })?;
    text.push(b'}');
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tt_core::NanoUsd;

    use super::*;

    proptest! {
        #[test]
        fn fields_are_written_as_serde_json_writes_them(value: String, count: u64, number: i64, amount: i64) {
            let text = object(|fields| {
                fields.value("text", &value)?;
                fields.maybe("none", None::<&str>)?;
                fields.count("zero", 0)?;
                fields.object("in", |fields| {
                    fields.value("number", &number)?;
                    fields.count("count", count)
                })?;
                fields.objects("list", &[count, count], |fields, count| {
                    fields.value("n", count)
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
            let money = object(|fields| fields.maybe("cost", Some(&NanoUsd(amount))));
            prop_assert_eq!(money.unwrap(), format!("{{\"cost\":{}}}", serde_json::to_string(&NanoUsd(amount)).unwrap()));
        }
    }
}
