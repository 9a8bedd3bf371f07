//! Errors of the client: a request that cannot be read, or that a target cannot serve.

use tt_core::call::field::Field;

/// A fault of a request, found before anything is sent to a provider.
///
/// [`Field`] is neutral; the client's dialect prints it
/// ([`Ingress::field`](crate::codec::Ingress::field)).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The body is not JSON, or not an object.
    #[error("the body is not a JSON object: {reason}")]
    InvalidJson {
        /// The JSON error with its line and column, without quoting the body.
        reason: String,
    },
    /// The body lacks a field that it must have.
    #[error("{field:?} is missing")]
    Missing {
        /// The field.
        field: Field,
    },
    /// The body is no request of its dialect.
    #[error("{field:?}: {reason}")]
    Malformed {
        /// The field at fault.
        field: Field,
        /// The fault, and the value to send instead.
        reason: String,
    },
    /// The target cannot express a field that changes what the answer means, or what it costs.
    #[error("{field:?} is not supported by this target: {reason}")]
    Unsupported {
        /// The field.
        field: Field,
        /// The limit of the target, and the way round it.
        reason: String,
    },
}

impl RequestError {
    pub(crate) fn missing(field: Field) -> Self {
        Self::Missing { field }
    }

    pub(crate) fn malformed(field: Field, reason: impl Into<String>) -> Self {
        Self::Malformed { field, reason: reason.into() }
    }

    pub(crate) fn unsupported(field: Field, reason: impl Into<String>) -> Self {
        Self::Unsupported { field, reason: reason.into() }
    }

    /// A field whose fee cannot be bounded, which is refused for callers with a budget.
    pub(crate) fn unknown_fee(field: Field) -> Self {
        Self::unsupported(field, "what it may cost is not known, so it is not taken under a budget")
    }

    /// The error in one line, with its field printed by `name`.
    pub fn in_words(&self, name: impl Fn(&Field) -> String) -> String {
        match self {
            Self::InvalidJson { .. } => self.to_string(),
            Self::Missing { field } => format!("{} is missing", name(field)),
            Self::Malformed { field, reason } => format!("{}: {reason}", name(field)),
            Self::Unsupported { field, reason } => {
                format!("{} is not supported by this target: {reason}", name(field))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_is_printed_in_the_clients_words() {
        let error = RequestError::unsupported(Field::Choices, "one answer only");
        assert_eq!(error.in_words(|_| "n".into()), "n is not supported by this target: one answer only");
        assert_eq!(RequestError::missing(Field::Model).in_words(|_| "model".into()), "model is missing");
    }
}
