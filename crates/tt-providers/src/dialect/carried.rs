//! Signatures that a client of another dialect than their maker's carries from an answer to the next request, in a field
//! which it sends back as it came.
//!
//! [`Envelope`] is the JSON form of one of them. A dialect hides it in its own field, behind a mark that no provider writes.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use tt_core::call::origin::{Origin, Signature};
use tt_core::{Dialect, Provider};

use super::order::Place;

/// A signature with the part of an answer that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Carried {
    /// Signed thinking, with its text.
    Thinking { text: String, signature: Signature },
    /// Thinking that the provider hides completely.
    Redacted { data: String, of: Origin },
    /// The signature of the next tool call.
    Call(Signature),
    /// The signature of the text before.
    Text(Signature),
}

/// The part of an answer that a signature belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum On {
    Thinking,
    Redacted,
    Call,
    Text,
}

/// The JSON form.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Envelope<'a> {
    on: On,
    dialect: Dialect,
    provider: Provider,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    model: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    text: Cow<'a, str>,
    #[serde(borrow)]
    value: Cow<'a, str>,
    /// The place of thinking in its answer: the number of blocks before it, and the bytes of text before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<(u64, u64)>,
}

impl<'a> Envelope<'a> {
    fn new(on: On, of: &'a Origin, text: &'a str, value: &'a str) -> Self {
        let model = of.model.as_deref().map(Cow::Borrowed);
        Self { on, dialect: of.dialect, provider: of.provider, model, text: text.into(), value: value.into(), at: None }
    }

    /// Thinking whose whole text is `text`.
    pub(super) fn thinking(text: &'a str, signature: &'a Signature) -> Self {
        Self::new(On::Thinking, &signature.of, text, &signature.value)
    }

    /// Hidden thinking.
    pub(super) fn redacted(data: &'a str, of: &'a Origin) -> Self {
        Self::new(On::Redacted, of, "", data)
    }

    /// The signature of the next call.
    pub(super) fn call(signature: &'a Signature) -> Self {
        Self::new(On::Call, &signature.of, "", &signature.value)
    }

    /// The signature of the text before.
    pub(super) fn text(signature: &'a Signature) -> Self {
        Self::new(On::Text, &signature.of, "", &signature.value)
    }

    /// The same with the place of the thinking.
    pub(super) fn standing_at(self, place: Place) -> Self {
        Self { at: Some((place.index, place.offset)), ..self }
    }

    /// The place of the thinking, where it is known.
    pub(super) fn place(&self) -> Option<Place> {
        self.at.map(|(index, offset)| Place { index, offset })
    }

    /// The contents.
    pub(super) fn open(self) -> Carried {
        let Self { on, dialect, provider, model, text, value, at: _ } = self;
        let of = Origin::with_model(dialect, provider, &model.unwrap_or_default());
        let value = value.into_owned();
        match on {
            On::Thinking => Carried::Thinking { text: text.into_owned(), signature: Signature { of, value } },
            On::Redacted => Carried::Redacted { data: value, of },
            On::Call => Carried::Call(Signature { of, value }),
            On::Text => Carried::Text(Signature { of, value }),
        }
    }
}
