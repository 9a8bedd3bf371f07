//! The path of a call, which holds the model's name.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tt_core::call::field::Field;

use crate::error::RequestError;

/// The characters that are percent-encoded: all but the unreserved ones of RFC 3986. `/` and `:` would end the name of
/// the model.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// `models/{model}:generateContent`; a tuned model's name brings its own collection.
pub(super) fn path(model: &str, stream: bool) -> Result<Cow<'static, str>, RequestError> {
    let (collection, name) = match model.split_once('/') {
        Some((collection @ ("models" | "tunedModels"), name)) => (collection, name),
        _ => ("models", model),
    };
    if matches!(name, "" | "." | "..") {
        return Err(RequestError::unsupported(Field::Model, "is not a name that can stand in an address"));
    }
    let method = if stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
    Ok(Cow::Owned(format!("/v1beta/{collection}/{}:{method}", utf8_percent_encode(name, SEGMENT))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_is_one_segment() {
        for (model, stream, want) in [
            ("gemini-2.5-flash", false, "/v1beta/models/gemini-2.5-flash:generateContent"),
            ("models/gemini-2.5-flash", true, "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse"),
            ("tunedModels/my-model", false, "/v1beta/tunedModels/my-model:generateContent"),
            ("a/../b:c", false, "/v1beta/models/a%2F..%2Fb%3Ac:generateContent"),
        ] {
            assert_eq!(path(model, stream).unwrap(), want);
        }
        for bad in ["", ".", "..", "models/", "models/..", "tunedModels/."] {
            assert!(path(bad, false).is_err(), "{bad}");
        }
    }
}
