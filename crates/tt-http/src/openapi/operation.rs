//! The description of a call: its parameters, body and answers, beside what its row of the route table says.

use http::StatusCode;
use serde_json::{Value, json};

use crate::openapi::schemas::Schemas;

/// A description of the call of a row.
pub(crate) type Describe = fn(&mut Schemas) -> Operation;

/// The body of a request.
pub(crate) struct Body {
    pub(crate) schema: Value,
    pub(crate) required: bool,
}

/// An answer that is no error.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) description: &'static str,
    /// The schemas of the body by content type. It is empty if there is no body.
    pub(crate) content: Vec<(&'static str, Value)>,
}

/// A call: its name and what it takes and answers. The path, the credential and the errors that all calls of a kind share
/// come from the row of the table.
pub(crate) struct Operation {
    pub(crate) id: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) description: Option<&'static str>,
    /// The address of the provider's own reference.
    pub(crate) reference: Option<&'static str>,
    pub(crate) query: Vec<Value>,
    pub(crate) body: Option<Body>,
    pub(crate) answers: Vec<Answer>,
    /// The statuses of errors beside those of all calls of its kind.
    pub(crate) errors: Vec<StatusCode>,
    /// The scheme of a credential that only this call takes, and the credential in words.
    pub(crate) own_credential: Option<(&'static str, &'static str)>,
    /// True if the call is sent to a provider, whose errors it may answer with.
    pub(crate) proxied: bool,
}

pub(crate) const JSON: &str = "application/json";

impl Operation {
    pub(crate) fn new(id: &'static str, summary: &'static str) -> Self {
        Self {
            id,
            summary,
            description: None,
            reference: None,
            query: Vec::new(),
            body: None,
            answers: Vec::new(),
            errors: Vec::new(),
            own_credential: None,
            proxied: false,
        }
    }

    pub(crate) fn says(mut self, description: &'static str) -> Self {
        self.description = Some(description);
        self
    }

    pub(crate) fn see(mut self, reference: &'static str) -> Self {
        self.reference = Some(reference);
        self
    }

    pub(crate) fn query(mut self, parameters: impl IntoIterator<Item = Value>) -> Self {
        self.query.extend(parameters);
        self
    }

    pub(crate) fn takes(mut self, schema: Value) -> Self {
        self.body = Some(Body { schema, required: true });
        self
    }

    /// The call takes a body, or none.
    pub(crate) fn may_take(mut self, schema: Value) -> Self {
        self.body = Some(Body { schema, required: false });
        self
    }

    /// The call answers with JSON.
    pub(crate) fn gives(self, status: StatusCode, description: &'static str, schema: Value) -> Self {
        self.gives_any(status, description, vec![(JSON, schema)])
    }

    pub(crate) fn gives_any(
        mut self,
        status: StatusCode,
        description: &'static str,
        content: Vec<(&'static str, Value)>,
    ) -> Self {
        self.answers.push(Answer { status, description, content });
        self
    }

    /// The call answers without a body.
    pub(crate) fn gives_nothing(self, status: StatusCode, description: &'static str) -> Self {
        self.gives_any(status, description, Vec::new())
    }

    pub(crate) fn fails(mut self, statuses: impl IntoIterator<Item = StatusCode>) -> Self {
        self.errors.extend(statuses);
        self
    }

    /// The call takes a credential that no other call takes, or none.
    pub(crate) fn may_take_own(mut self, scheme: &'static str, words: &'static str) -> Self {
        self.own_credential = Some((scheme, words));
        self
    }

    pub(crate) fn through_provider(mut self) -> Self {
        self.proxied = true;
        self
    }
}

/// The schema of a text.
pub(crate) fn text() -> Value {
    json!({ "type": "string" })
}
