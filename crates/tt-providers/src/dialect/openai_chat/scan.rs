//! The facts of a Chat Completions body that must be known before it is planned and paid for, and the body with only
//! the model's name changed.
//!
//! One walk over borrowed text: the top level and `stream_options`, keys compared after unescaping. The request that is
//! priced must be the one that is sent: a key that stands twice, or that differs from a priced one by case only (some
//! hosts fold case), is refused.

use std::ops::Range;
use std::sync::OnceLock;

use bytes::Bytes;
use tt_core::call::field::Field;

use crate::codec::Facts;
use crate::dialect::body::{self, Fields, malformed, optional, spliced};
use crate::error::RequestError;
use crate::slices::Slices;

/// The keys that decide the price and the model. Other spellings of them are refused.
const PRICED: [&str; 7] =
    ["model", "stream", "stream_options", "max_tokens", "max_completion_tokens", "n", "service_tier"];

/// The facts of a body, good for that body only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    /// The facts that every dialect's request states.
    pub facts: Facts,
    /// `stream_options.include_usage`; `None`: not given, or `null`.
    pub include_usage: Option<bool>,
    /// True if the client used the legacy `functions` or `function_call`, and so expects `function_call` in the answer.
    pub legacy_functions: bool,
    /// The place of the value of `model`, quotes included.
    pub model_at: Range<usize>,
    /// True if the client limits the output by the older name `max_tokens` only.
    pub(super) legacy_limit: bool,
    /// True if all cache marks are `prompt_cache_breakpoint`. It is known once the body has been decoded.
    pub(super) breakpoints: OnceLock<bool>,
    usage: Usage,
    limits: Vec<Range<usize>>,
}

/// The change to the body that makes the provider report usage.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Usage {
    /// No change.
    Asked,
    /// The body has no `stream_options`: the field is added.
    NoOptions,
    /// The value in this range is replaced.
    Replace { at: Range<usize>, with: &'static str },
    /// A text is inserted at this offset.
    Insert { at: usize, text: &'static str },
}

impl Scan {
    /// Scans `body`, which must be one JSON value.
    ///
    /// Values are skipped without recursion, so that nesting of any depth is safe here; decoding a body
    /// ([`super::request::decode_request`]) refuses more than 128 levels.
    ///
    /// # Errors
    /// `InvalidJson`; `Missing` without a `model`; `Malformed`, naming the field, for a key that stands twice or
    /// differs from a priced one by case only, and for values of the wrong type.
    pub fn of(body: &Bytes) -> Result<Self, RequestError> {
        let text = body::text(body)?;
        let fields = Fields::of(text, "", &PRICED)?;
        let raw = |name| fields.value(name);
        let at = |value| body::place(text, value);

        let model_raw = raw("model").ok_or_else(|| RequestError::missing(Field::Model))?;
        let model = body::model(model_raw)?;
        let stream = optional(raw("stream"), "stream", "must be true or false")?.unwrap_or(false);

        let options = raw("stream_options");
        let (mut include_usage, mut usage) = (None, Usage::NoOptions);
        if let Some(options) = options {
            if options.get() == "null" {
                usage = Usage::Replace { at: at(options), with: r#"{"include_usage":true}"# };
            } else if options.get().starts_with('{') {
                let inner = Fields::of(options.get(), "stream_options", &["include_usage"])?;
                let value = inner.value("include_usage");
                include_usage = optional(value, "stream_options.include_usage", "must be true or false")?;
                usage = match value {
                    _ if include_usage == Some(true) => Usage::Asked,
                    Some(value) => Usage::Replace { at: at(value), with: "true" },
                    None if inner.is_empty() => {
                        Usage::Insert { at: at(options).start + 1, text: r#""include_usage":true"# }
                    }
                    None => Usage::Insert { at: at(options).start + 1, text: r#""include_usage":true,"# },
                };
            } else {
                return Err(malformed("stream_options", "must be an object"));
            }
        }
        if !stream {
            usage = Usage::Asked;
        }

        let whole = "must be a whole number";
        let (newer, older) = (raw("max_completion_tokens"), raw("max_tokens"));
        let max_output_tokens = optional(newer, "max_completion_tokens", whole)?;
        let max_tokens = optional(older, "max_tokens", whole)?;
        Ok(Self {
            facts: Facts {
                model,
                stream,
                max_output_tokens: max_output_tokens.or(max_tokens),
                choices: optional(raw("n"), "n", whole)?,
                service_tier: optional(raw("service_tier"), "service_tier", "must be a string")?,
                session: None,
            },
            include_usage,
            legacy_functions: raw("functions").is_some() || raw("function_call").is_some(),
            model_at: at(model_raw),
            legacy_limit: newer.is_none() && older.is_some(),
            breakpoints: OnceLock::new(),
            usage,
            limits: [newer, older].into_iter().flatten().map(at).collect(),
        })
    }

    /// The request for `upstream_model`: slices of `body`, which must be the body that was scanned. A stream always
    /// asks for usage. `cap` replaces the output limit (in tokens) that the client asked for.
    pub fn splice(&self, body: &Bytes, upstream_model: &str, cap: Option<u64>) -> Slices {
        let mut model = serde_json::Value::from(upstream_model).to_string();
        let mut edits: Vec<(Range<usize>, Bytes)> = Vec::new();
        match &self.usage {
            Usage::Asked => {}
            Usage::NoOptions => model.push_str(r#","stream_options":{"include_usage":true}"#),
            Usage::Replace { at, with } => edits.push((at.clone(), Bytes::from_static(with.as_bytes()))),
            Usage::Insert { at, text } => edits.push((*at..*at, Bytes::from_static(text.as_bytes()))),
        }
        if let Some(cap) = cap {
            if self.limits.is_empty() {
                model.push_str(&format!(r#","max_completion_tokens":{cap}"#));
            }
            edits.extend(self.limits.iter().map(|at| (at.clone(), cap.to_string().into())));
        }
        edits.push((self.model_at.clone(), model.into()));
        spliced(body, edits)
    }
}

#[cfg(test)]
mod tests;
