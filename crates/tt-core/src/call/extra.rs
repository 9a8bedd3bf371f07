//! Fields of a request that the neutral form has no place for, kept under the names of the dialect they are from.

use serde_json::{Map, Value};

use crate::Dialect;

/// The fields left over when a request was decoded.
///
/// A codec reads only those whose dialect is its own, so that no dialect takes another's names for its own.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Extra {
    /// The dialect whose names [`Extra::fields`] and `Message::extra` are; `None`: there are none.
    pub of: Option<Dialect>,
    /// Top-level fields, as sent.
    pub fields: Map<String, Value>,
    /// The names of that dialect's fields without which an answer means the same.
    pub harmless: &'static [&'static str],
    /// What the client addressed to providers in the words of their dialects, as sent, in the client's order.
    pub addressed: Vec<(Dialect, Value)>,
}

impl Extra {
    /// The top-level fields, where they are in the words of `dialect`.
    pub fn fields_of(&self, dialect: Dialect) -> Option<&Map<String, Value>> {
        (self.of == Some(dialect)).then_some(&self.fields)
    }

    /// What the client addressed to a provider that speaks `dialect`.
    pub fn addressed_to(&self, dialect: Dialect) -> Option<&Value> {
        self.addressed.iter().find(|(to, _)| *to == dialect).map(|(_, value)| value)
    }

    /// The names of the fields that a codec of `dialect` leaves out because they are another dialect's: `unknown
    /// fields` for those that their own dialect does not know. A field that is null says nothing.
    pub fn foreign_to(&self, dialect: Dialect) -> impl Iterator<Item = &'static str> {
        let foreign = self.of.is_some_and(|of| of != dialect);
        let said = self.fields.iter().filter(move |(_, value)| foreign && !value.is_null());
        said.map(|(name, _)| self.harmless.iter().copied().find(|known| known == name).unwrap_or("unknown fields"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_dialect_sees_only_its_own_fields() {
        let fields = json!({"store": true, "custom": 1, "metadata": null});
        let extra = Extra {
            of: Some(Dialect::OpenAiChat),
            fields: fields.as_object().unwrap().clone(),
            harmless: &["store", "metadata"],
            addressed: vec![(Dialect::Gemini, json!({"cached_content": "c"}))],
        };
        assert!(extra.fields_of(Dialect::OpenAiChat).is_some_and(|fields| fields.len() == 3));
        assert_eq!(extra.fields_of(Dialect::Gemini), None);
        assert_eq!(extra.addressed_to(Dialect::Gemini), Some(&json!({"cached_content": "c"})));
        assert_eq!(extra.addressed_to(Dialect::AnthropicMessages), None);
        assert_eq!(extra.foreign_to(Dialect::Gemini).collect::<Vec<_>>(), ["store", "unknown fields"]);
        assert_eq!(extra.foreign_to(Dialect::OpenAiChat).count(), 0);
    }
}
