//! The facts of a request that must be known before it is planned, and the body with only the model's name changed.

use std::ops::Range;

use bytes::Bytes;
use tt_core::call::field::Field;

use crate::codec::Facts;
use crate::dialect::body::{self, Fields, JsonText, spliced};
use crate::error::RequestError;
use crate::slices::Slices;

/// The facts of a request, good for that request only.
#[derive(Debug)]
pub(super) struct Scan {
    pub(super) facts: Facts,
    /// True if the client wants vectors in base64.
    pub(super) base64: bool,
    /// True if `input` is one input, and not a list of them.
    pub(super) one_input: bool,
    /// The place of the value of `model`, quotes included.
    model_at: Range<usize>,
}

impl Scan {
    /// Scans `body`. Values are skipped without recursion.
    ///
    /// # Errors
    /// `InvalidJson`; `Missing` without a `model`; `Malformed`, naming the field, for a key that stands twice and for a
    /// model that is no name.
    pub(super) fn of(body: &Bytes) -> Result<Self, RequestError> {
        let text = body::text(body)?;
        let fields = Fields::of(text, "", &["model"])?;
        let model = fields.value("model").ok_or_else(|| RequestError::missing(Field::Model))?;
        let format = fields.value("encoding_format").map(JsonText::get);
        let is_list_of_inputs = |input: JsonText<'_>| {
            let first = input.get().strip_prefix('[').map(str::trim_ascii_start);
            first.is_some_and(|first| first.starts_with(['"', '[']))
        };
        Ok(Self {
            // Embeddings have no output.
            facts: Facts { model: body::model(model)?, max_output_tokens: Some(0), ..Facts::default() },
            base64: format == Some(r#""base64""#),
            one_input: !fields.value("input").is_some_and(is_list_of_inputs),
            model_at: body::place(text, model),
        })
    }

    /// The request as slices of `body`, which must be the body that was scanned, for `model`.
    pub(super) fn splice(&self, body: &Bytes, model: &str) -> Slices {
        spliced(body, vec![(self.model_at.clone(), serde_json::Value::from(model).to_string().into())])
    }
}
