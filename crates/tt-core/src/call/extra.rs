//! The fields of a request that the neutral form has no field for, kept under their names in the dialect of the client.

use serde_json::{Map, Value};

use crate::Dialect;

/// The fields that are left over when a request has been decoded.
///
/// A codec reads only the fields of its own dialect: the same name may mean something else in another.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Extra {
    /// The dialect that [`Extra::fields`] and `Message::extra` are written in; `None` where no field is left over.
    pub of: Option<Dialect>,
    /// The top-level fields that are left over, as sent.
    pub fields: Map<String, Value>,
    /// The names of those fields of that dialect without which an answer means the same. A codec of another dialect
    /// leaves them out and notes them by name.
    pub harmless: &'static [&'static str],
    /// The paths of fields of tools that the neutral form does not hold, as the client wrote them. Of many the first ones.
    pub in_tools: Vec<String>,
    /// The objects of fields that the client addressed to providers of a certain dialect (Chat Completions
    /// `extra_body`), as sent, in the order of the client.
    pub addressed: Vec<(Dialect, Value)>,
}

impl Extra {
    /// The top-level fields, if `dialect` is the dialect they are written in.
    pub fn fields_of(&self, dialect: Dialect) -> Option<&Map<String, Value>> {
        (self.of == Some(dialect)).then_some(&self.fields)
    }

    /// The fields that the client addressed to a provider that speaks `dialect`.
    pub fn addressed_to(&self, dialect: Dialect) -> Option<&Value> {
        self.addressed.iter().find(|(to, _)| *to == dialect).map(|(_, value)| value)
    }

    /// The names of the fields that a codec of `dialect` leaves out because another dialect wrote them. A field that is
    /// not in [`Extra::harmless`] counts as `unknown fields`. A field that is null is not listed.
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
            in_tools: Vec::new(),
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
