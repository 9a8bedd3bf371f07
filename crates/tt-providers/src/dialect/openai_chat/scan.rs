//! The facts of a Chat Completions body that must be known before it is planned and paid for, and the body with only
//! the model's name changed.
//!
//! One walk over borrowed text: the top level and `stream_options`, keys compared after unescaping. The request that is
//! priced must be the one that is sent: a key that stands twice, or that differs from a priced one by case only (some
//! hosts fold case), is refused.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use tt_core::call::field::Field;

use super::text;
use crate::codec::Facts;
use crate::error::RequestError;
use crate::slices::Slices;

/// The keys that decide the price and the model. Other spellings of them are refused.
const PRICED: [&str; 7] =
    ["model", "stream", "stream_options", "max_tokens", "max_completion_tokens", "n", "service_tier"];

/// The most keys that one object may have. Real requests have about forty.
const KEYS_CAP: usize = 512;

/// The longest key that is compared with each other one, in bytes.
const LONG_KEY: usize = 64;

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
        let text = std::str::from_utf8(body)
            .map_err(|e| RequestError::InvalidJson { reason: format!("not UTF-8 at byte {}", e.valid_up_to()) })?;
        let fields = Fields::of(text, "", &PRICED)?;
        let raw = |name| fields.value(name);
        let at = |value: &RawValue| {
            let start = value.get().as_ptr() as usize - text.as_ptr() as usize;
            start..start + value.get().len()
        };

        let model_raw = raw("model").ok_or_else(|| RequestError::missing(Field::Model))?;
        let model: String = typed(model_raw, "model", "must be a string")?.unwrap_or_default();
        if model.is_empty() {
            return Err(malformed("model", "must be a string that names a model"));
        }
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
                    None if inner.0.is_empty() => {
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
            },
            include_usage,
            legacy_functions: raw("functions").is_some() || raw("function_call").is_some(),
            model_at: at(model_raw),
            usage,
            limits: [newer, older].into_iter().flatten().map(at).collect(),
        })
    }

    /// The request for `upstream_model`: slices of `body`, which must be the body that was scanned. A stream always
    /// asks for usage. `cap` replaces the output limit (in tokens) that the client asked for.
    pub fn splice_capped(&self, body: &Bytes, upstream_model: &str, cap: Option<u64>) -> Slices {
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
        edits.sort_unstable_by_key(|(at, _)| at.start);

        let mut parts = Vec::with_capacity(edits.len() * 2 + 1);
        let mut from = 0;
        for (at, text) in edits {
            parts.push(body.slice(from..at.start));
            parts.push(text);
            from = at.end;
        }
        parts.push(body.slice(from..));
        Slices::new(parts)
    }
}

fn malformed(param: &str, reason: &str) -> RequestError {
    RequestError::malformed(Field::written(param), reason)
}

fn typed<'a, T: Deserialize<'a>>(raw: &'a RawValue, param: &str, want: &str) -> Result<Option<T>, RequestError> {
    serde_json::from_str(raw.get()).map_err(|_| malformed(param, want))
}

fn optional<'a, T: Deserialize<'a>>(
    raw: Option<&'a RawValue>,
    param: &str,
    want: &str,
) -> Result<Option<T>, RequestError> {
    raw.map_or(Ok(None), |raw| typed(raw, param, want))
}

/// The keys of one object, unescaped, with their values' text.
struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Fields<'a> {
    /// Reads the object `text`, which stands at `path`, and refuses what could be read in two ways.
    fn of(text: &'a str, path: &str, priced: &[&str]) -> Result<Self, RequestError> {
        // The messages of serde_json about syntax quote nothing of the text.
        let fields: Self = serde_json::from_str(text).map_err(|e| {
            let reason = if e.is_data() { "it must be an object of at most 512 fields".into() } else { e.to_string() };
            RequestError::InvalidJson { reason }
        })?;
        let mut long = HashSet::new();
        for (i, (key, _)) in fields.0.iter().enumerate() {
            let param = || {
                let shown: String = key.chars().take(100).collect();
                if path.is_empty() { shown } else { format!("{path}.{shown}") }
            };
            // To compare each with each is quick for a few short keys, which is what requests have.
            let again = if key.len() > LONG_KEY {
                !long.insert(key.as_ref())
            } else {
                fields.0.iter().take(i).any(|(earlier, _)| earlier == key)
            };
            if again {
                return Err(malformed(&param(), "stands twice: send it once"));
            }
            if let Some(name) = priced.iter().find(|name| **name != key && equal_but_for_case(name, key)) {
                return Err(malformed(&param(), &format!("is not a field of this request: did you mean {name}?")));
            }
        }
        Ok(fields)
    }

    fn value(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| *value)
    }
}

/// True if a reader that ignores case takes `key` for `name`. Some of them fold `ſ` to `s` and the Kelvin sign to `k`
/// too.
fn equal_but_for_case(name: &str, key: &str) -> bool {
    if key.is_ascii() {
        return name.eq_ignore_ascii_case(key);
    }
    key.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).eq(name.chars())
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Walk;

        impl<'de> Visitor<'de> for Walk {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::with_capacity(16);
                while let Some((Key(key), value)) = map.next_entry::<Key<'de>, &'de RawValue>()? {
                    if fields.len() == KEYS_CAP {
                        return Err(serde::de::Error::custom("too many fields"));
                    }
                    fields.push((key, value));
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(Walk)
    }
}

/// A key, borrowed where nothing in it is escaped.
struct Key<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text::Text::deserialize(deserializer).map(|text| Self(text.0))
    }
}

#[cfg(test)]
mod tests;
