//! The facts of a request that must be known before it is planned, and the body with only the model's name changed. The
//! path names the model; the body and each request of a batch may name it too.

use std::ops::Range;

use bytes::Bytes;

use crate::codec::Facts;
use crate::dialect::body::{self, Fields, JsonText, malformed, spliced};
use crate::dialect::elements::each;
use crate::dialect::gemini::node;
use crate::dialect::gemini::path::{Method, named};
use crate::dialect::vector::MOST_INPUTS;
use crate::error::RequestError;
use crate::slices::Slices;

/// The facts of a request, good for that request only.
#[derive(Debug)]
pub(in crate::dialect::gemini) struct Scan {
    pub(super) facts: Facts,
    pub(super) method: Method,
    /// The places of the values of `model`, quotes included.
    models_at: Vec<Range<usize>>,
}

impl Scan {
    /// Scans `body`, a request of `method` for `model`. Values are skipped without recursion.
    ///
    /// # Errors
    /// `InvalidJson`; `Malformed`, naming the field, for a key that stands twice (in two spellings too), for a model that
    /// is no name, for requests that are no list of objects, and for more of them than any provider takes.
    pub(in crate::dialect::gemini) fn of(model: String, method: Method, body: &Bytes) -> Result<Self, RequestError> {
        let text = body::text(body)?;
        let fields = Fields::of(text, "", &["model", "requests"])?;
        let mut models_at = Vec::new();
        let requests = node::raw(&fields, "requests").map_err(|reason| malformed("requests", reason))?;
        match requests.filter(|_| method == Method::BatchEmbed) {
            // As Google reads it, an object stands for a list of one.
            Some(alone) if alone.get().starts_with('{') => models_at.extend(model_at(text, alone, 0)?),
            Some(requests) => {
                let (mut count, mut fault) = (0, None);
                let listed = each(requests.get(), |request: JsonText<'_>| {
                    if fault.is_none() && count < MOST_INPUTS {
                        match model_at(text, request, count) {
                            Ok(at) => models_at.extend(at),
                            Err(error) => fault = Some(error),
                        }
                    }
                    count += 1;
                    Ok(())
                });
                listed.map_err(|_| malformed("requests", "must be a list"))?;
                if let Some(fault) = fault {
                    return Err(fault);
                }
                if count > MOST_INPUTS {
                    return Err(malformed("requests", &format!("must have at most {MOST_INPUTS} elements")));
                }
            }
            None => {}
        }
        if let Some(model) = node::raw(&fields, "model").map_err(|reason| malformed("model", reason))? {
            body::model(model)?;
            models_at.push(body::place(text, model));
        }
        // Embeddings have no output.
        let facts = Facts { model, max_output_tokens: Some(0), ..Facts::default() };
        Ok(Self { facts, method, models_at })
    }

    /// True if the client asks for several embeddings.
    pub(super) fn batch(&self) -> bool {
        self.method == Method::BatchEmbed
    }

    /// The request as slices of `body`, which must be the body that was scanned, for `model`.
    pub(super) fn splice(&self, body: &Bytes, model: &str) -> Slices {
        let name = Bytes::from(serde_json::Value::from(named(model)).to_string());
        spliced(body, self.models_at.iter().map(|at| (at.clone(), name.clone())).collect())
    }
}

/// The place of the model in a request of a batch.
fn model_at(text: &str, request: JsonText<'_>, at: usize) -> Result<Option<Range<usize>>, RequestError> {
    let path = format!("requests[{at}]");
    if !request.get().starts_with('{') {
        return Err(malformed(&path, "must be an object"));
    }
    let fields = Fields::of(request.get(), &path, &["model"])?;
    let name = || format!("{path}.model");
    let Some(model) = node::raw(&fields, "model").map_err(|reason| malformed(&name(), reason))? else {
        return Ok(None);
    };
    if body::model(model).is_err() {
        return Err(malformed(&name(), "must be a string that names a model"));
    }
    Ok(Some(body::place(text, model)))
}
