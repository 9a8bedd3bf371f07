//! Text borrowed from JSON. serde reads `Option<Cow<str>>` into owned text even where nothing is escaped.
//!
//! [`Loose`] is for fields of hosts that pass through and are only watched: a field of an unexpected type must not make
//! the whole chunk unreadable.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::json::{Member, Reader};

/// A JSON string, borrowed from the input where nothing in it is escaped.
#[derive(Debug, Default)]
pub(crate) struct Text<'a>(pub(crate) Cow<'a, str>);

impl std::ops::Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;

        impl<'de> Visitor<'de> for Read {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }

            fn visit_string<E: Error>(self, text: String) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text)))
            }
        }

        deserializer.deserialize_str(Read)
    }
}

/// A field that should be a string.
#[derive(Debug, Default)]
pub(crate) enum Loose<'a> {
    /// The field is absent, `null`, or an empty value of another type.
    #[default]
    Absent,
    /// A string, borrowed where nothing in it is escaped.
    Text(Cow<'a, str>),
    /// A value of another type that is not empty.
    Other,
}

impl<'a> Loose<'a> {
    /// The text; empty where there is none.
    pub(crate) fn as_str(&self) -> &str {
        if let Self::Text(text) = self { text } else { "" }
    }

    /// The text, if there is one.
    pub(crate) fn text(&self) -> Option<&Cow<'a, str>> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// The text, if there is one and nothing in it is escaped.
    pub(crate) fn borrowed(&self) -> Option<&'a str> {
        if let Self::Text(Cow::Borrowed(text)) = self { Some(text) } else { None }
    }

    /// True if the field holds a value that is not empty.
    pub(crate) fn is_filled(&self) -> bool {
        match self {
            Self::Absent => false,
            Self::Text(text) => !text.is_empty(),
            Self::Other => true,
        }
    }
}

impl<'a> Member<'a> for Loose<'a> {
    fn read(reader: &mut Reader<'a>) -> Option<Self> {
        let json = reader.text()?;
        let plain = json.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        match plain.filter(|text| !text.contains('\\')) {
            Some(text) => Some(Self::Text(Cow::Borrowed(text))),
            None => serde_json::from_str(json).ok(),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Loose<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;

        impl<'de> Visitor<'de> for Read {
            type Value = Loose<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Loose::Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Loose::Text(Cow::Owned(text.to_owned())))
            }

            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(Loose::Absent)
            }

            fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
                Ok(Loose::Other)
            }

            fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
                Ok(Loose::Other)
            }

            fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
                Ok(Loose::Other)
            }

            fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
                Ok(Loose::Other)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut found = Loose::Absent;
                while seq.next_element::<IgnoredAny>()?.is_some() {
                    found = Loose::Other;
                }
                Ok(found)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut found = Loose::Absent;
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
                    found = Loose::Other;
                }
                Ok(found)
            }
        }

        deserializer.deserialize_any(Read)
    }
}
