//! Takes fields out of a JSON object and keeps the path of each, so that errors name the field exactly.

use std::fmt;

use serde_json::{Map, Number, Value};
use tt_core::call::field::Field;

use crate::error::RequestError;

/// A place in a body: `messages[1].content[0].image_url.url`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Path<'p> {
    Root,
    Field(&'p Path<'p>, &'p str),
    Index(&'p Path<'p>, usize),
}

impl<'p> Path<'p> {
    pub(crate) fn field(&'p self, name: &'p str) -> Path<'p> {
        Path::Field(self, name)
    }

    pub(crate) fn index(&'p self, index: usize) -> Path<'p> {
        Path::Index(self, index)
    }

    pub(crate) fn malformed(&self, reason: impl Into<String>) -> RequestError {
        RequestError::malformed(Field::written(self.to_string()), reason)
    }

    pub(crate) fn missing(&self) -> RequestError {
        RequestError::missing(Field::written(self.to_string()))
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Field(Path::Root, name) => f.write_str(name),
            Self::Field(parent, name) => write!(f, "{parent}.{name}"),
            Self::Index(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// An object whose fields are taken out one by one. The fields that are left at the end are unknown ones.
pub(crate) struct Object<'p> {
    pub(crate) fields: Map<String, Value>,
    pub(crate) path: Path<'p>,
}

impl<'p> Object<'p> {
    pub(crate) fn of(value: Value, path: Path<'p>) -> Result<Self, RequestError> {
        match value {
            Value::Object(fields) => Ok(Self { fields, path }),
            _ => Err(path.malformed("must be an object")),
        }
    }

    pub(crate) fn at<'q>(&'q self, name: &'q str) -> Path<'q> {
        self.path.field(name)
    }

    /// The value of `name`; `null` is absent.
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        self.fields.shift_remove(name).filter(|value| !value.is_null())
    }

    pub(crate) fn need(&mut self, name: &str) -> Result<Value, RequestError> {
        self.take(name).ok_or_else(|| self.at(name).missing())
    }

    pub(crate) fn string(&mut self, name: &str) -> Result<Option<String>, RequestError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.at(name).malformed("must be a string")),
        }
    }

    pub(crate) fn need_string(&mut self, name: &str) -> Result<String, RequestError> {
        self.string(name)?.ok_or_else(|| self.at(name).missing())
    }

    pub(crate) fn list(&mut self, name: &str) -> Result<Option<Vec<Value>>, RequestError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Array(items)) => Ok(Some(items)),
            Some(_) => Err(self.at(name).malformed("must be a list")),
        }
    }

    /// A list of strings; empty where it is absent.
    pub(crate) fn strings(&mut self, name: &str) -> Result<Vec<String>, RequestError> {
        let items = self.list(name)?.unwrap_or_default();
        let path = self.at(name);
        let mut all = Vec::with_capacity(items.len());
        for (i, item) in items.into_iter().enumerate() {
            let Value::String(text) = item else { return Err(path.index(i).malformed("must be a string")) };
            all.push(text);
        }
        Ok(all)
    }

    pub(crate) fn flag(&mut self, name: &str) -> Result<Option<bool>, RequestError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(_) => Err(self.at(name).malformed("must be true or false")),
        }
    }

    pub(crate) fn number(&mut self, name: &str) -> Result<Option<Number>, RequestError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Number(number)) => Ok(Some(number)),
            Some(_) => Err(self.at(name).malformed("must be a number")),
        }
    }

    /// A whole number of 0 or more.
    pub(crate) fn count(&mut self, name: &str) -> Result<Option<u64>, RequestError> {
        let whole =
            |value: Value| value.as_u64().ok_or_else(|| self.path.field(name).malformed("must be a whole number"));
        self.fields.shift_remove(name).filter(|value| !value.is_null()).map(whole).transpose()
    }
}

/// Reads the objects of a list, which stands at `path`, into a vector that has room for no more.
pub(crate) fn each<T>(
    items: Vec<Value>,
    path: &Path<'_>,
    mut read: impl FnMut(Object<'_>, usize) -> Result<T, RequestError>,
) -> Result<Vec<T>, RequestError> {
    let mut all = Vec::with_capacity(items.len());
    for (i, item) in items.into_iter().enumerate() {
        all.push(read(Object::of(item, path.index(i))?, i)?);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_read_as_providers_write_them() {
        let (messages, root) = (Path::Root.field("messages"), Path::Root);
        let (message, top) = (messages.index(1), root.field("n"));
        let content = message.field("content");
        let part = content.index(0);
        let image = part.field("image_url");
        assert_eq!(image.field("url").to_string(), "messages[1].content[0].image_url.url");
        assert_eq!(top.to_string(), "n");
    }
}
