//! Objects of a client's request, read field by field from the text that the client sent, so that no more of it is in
//! memory than the neutral form needs.
//!
//! Gemini takes each name in camelCase and in snake_case. Names are in camelCase here; a field in both spellings stands
//! twice.

use serde::Deserialize;
use serde_json::{Number, Value};
use tt_core::call::field::Field;

use crate::dialect::body::{Fields, JsonText};
use crate::dialect::object::Path;
use crate::dialect::text::Text;
use crate::error::RequestError;
use crate::json;

/// An object of the request, with its place.
pub(super) struct Node<'a, 'p> {
    fields: Fields<'a>,
    pub(super) path: Path<'p>,
}

impl<'a, 'p> Node<'a, 'p> {
    /// Reads the object `value`, which stands at `path`.
    ///
    /// # Errors
    /// `Malformed` for any other value, and for a name that stands twice.
    pub(super) fn of(value: JsonText<'a>, path: Path<'p>) -> Result<Self, RequestError> {
        let fields = Fields::of(value.get(), "", &[]).map_err(|error| match error {
            RequestError::Malformed { field: Field::Written(name), reason } => path.field(&name).malformed(reason),
            malformed @ RequestError::Malformed { .. } => malformed,
            _ => path.malformed("must be an object of at most 512 fields"),
        })?;
        Ok(Self { fields, path })
    }

    /// The place of a field.
    pub(super) fn at<'q>(&'q self, name: &'q str) -> Path<'q> {
        self.path.field(name)
    }

    /// The text of a value; `None` for an absent field and for null.
    pub(super) fn raw(&self, name: &str) -> Result<Option<JsonText<'a>>, RequestError> {
        raw(&self.fields, name).map_err(|reason| self.at(name).malformed(reason))
    }

    /// The names and the values of the fields that are not among `known`.
    pub(super) fn others(&self, known: &[&str]) -> impl Iterator<Item = (&str, JsonText<'a>)> {
        let others = self.fields.entries().filter(|(key, _)| !known.iter().any(|name| spells(key, name)));
        others.filter(|(_, value)| value.get() != "null")
    }

    pub(super) fn object<'q>(&'q self, name: &'q str) -> Result<Option<Node<'a, 'q>>, RequestError> {
        self.raw(name)?.map(|value| Node::of(value, self.at(name))).transpose()
    }

    /// The value with all that is in it.
    pub(super) fn value(&self, name: &str) -> Result<Option<Value>, RequestError> {
        let read = |raw: JsonText<'_>| {
            json::value(raw.get().as_bytes())
                .map_err(|error| self.at(name).malformed(format!("cannot be read: {error}")))
        };
        self.raw(name)?.map(read).transpose()
    }

    pub(super) fn string(&self, name: &str) -> Result<Option<String>, RequestError> {
        self.typed(name, "must be a string")
    }

    /// A string that is borrowed where nothing in it is escaped.
    pub(super) fn text(&self, name: &str) -> Result<Option<Text<'a>>, RequestError> {
        self.typed(name, "must be a string")
    }

    pub(super) fn need_string(&self, name: &str) -> Result<String, RequestError> {
        self.string(name)?.ok_or_else(|| self.at(name).missing())
    }

    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, RequestError> {
        self.typed(name, "must be true or false")
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<Number>, RequestError> {
        self.typed(name, "must be a number")
    }

    pub(super) fn whole(&self, name: &str) -> Result<Option<i64>, RequestError> {
        self.typed(name, "must be a whole number")
    }

    /// A whole number of 0 or more. Some clients write it as `64.0`.
    pub(super) fn count(&self, name: &str) -> Result<Option<u64>, RequestError> {
        let Some(raw) = self.raw(name)? else { return Ok(None) };
        let digits = raw.get().strip_suffix(".0").unwrap_or(raw.get());
        digits.parse().map(Some).map_err(|_| self.at(name).malformed("must be a whole number of 0 or more"))
    }

    pub(super) fn list(&self, name: &str) -> Result<Option<Vec<JsonText<'a>>>, RequestError> {
        self.typed(name, "must be a list")
    }

    /// The elements of a list of objects, none of which is empty: an empty object is two bytes long and would become
    /// hundreds. No elements for an absent list. An object stands for a list of one, as Google reads it.
    pub(super) fn objects(&self, name: &str) -> Result<Vec<JsonText<'a>>, RequestError> {
        let items = match self.raw(name)? {
            Some(alone) if alone.get().starts_with('{') => vec![alone],
            _ => self.list(name)?.unwrap_or_default(),
        };
        for (i, item) in items.iter().enumerate() {
            let inside = item.get().strip_prefix('{').and_then(|inside| inside.strip_suffix('}'));
            if inside.is_none_or(|inside| inside.trim_ascii().is_empty()) {
                return Err(self.at(name).index(i).malformed("must be an object with at least one field"));
            }
        }
        Ok(items)
    }

    fn typed<T: Deserialize<'a>>(&self, name: &str, want: &str) -> Result<Option<T>, RequestError> {
        let read = |raw: JsonText<'a>| serde_json::from_str(raw.get()).map_err(|_| self.at(name).malformed(want));
        self.raw(name)?.map(read).transpose()
    }
}

/// The value of the field `name` in either spelling; `None` where it is absent or null.
///
/// # Errors
/// A reason, where both spellings stand.
pub(super) fn raw<'a>(fields: &Fields<'a>, name: &str) -> Result<Option<JsonText<'a>>, &'static str> {
    let mut found = fields.entries().filter(|(key, _)| spells(key, name)).map(|(_, value)| value);
    let value = found.next();
    if found.next().is_some() {
        return Err("stands twice: send it once");
    }
    Ok(value.filter(|value| value.get() != "null"))
}

/// True if `key` is `name` in camelCase or in snake_case.
pub(super) fn spells(key: &str, name: &str) -> bool {
    let mut after_bar = false;
    let camel = key.bytes().filter_map(|byte| {
        let upper = std::mem::replace(&mut after_bar, byte == b'_');
        (byte != b'_').then(|| if upper { byte.to_ascii_uppercase() } else { byte })
    });
    key == name || camel.eq(name.bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_both_spellings() {
        for (key, name, is) in [
            ("maxOutputTokens", "maxOutputTokens", true),
            ("max_output_tokens", "maxOutputTokens", true),
            ("top_k", "topK", true),
            ("maxoutputtokens", "maxOutputTokens", false),
            ("_top_k", "topK", false),
            ("topK_", "topP", false),
        ] {
            assert_eq!(spells(key, name), is, "{key}");
        }
    }

    #[test]
    fn a_field_in_both_spellings_stands_twice() {
        let body = json::quickly(r#"{"topK":1,"top_k":2,"topP":null,"seed":3.0}"#).unwrap();
        let node = Node::of(body, Path::Root).unwrap();
        assert!(node.count("topK").is_err() && node.number("topP").unwrap().is_none());
        assert_eq!(node.count("seed").unwrap(), Some(3));
        assert_eq!(node.others(&["topK", "topP"]).map(|(name, _)| name).collect::<Vec<_>>(), ["seed"]);
    }
}
