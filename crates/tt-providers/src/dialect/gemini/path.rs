//! The path of a call, which holds the model's name.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tt_core::call::field::Field;

use crate::error::RequestError;

/// The characters that are percent-encoded: all but the unreserved ones of RFC 3986. `/` and `:` would end the name of
/// the model.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The field of a request for a count that holds the request whose tokens are counted, where the client sends more than
/// its contents.
pub(super) const COUNTED: &str = "generateContentRequest";

/// The method of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Generate,
    Stream,
    CountTokens,
    Embed,
    BatchEmbed,
}

impl Method {
    /// The method of a client's call; `None` for one that is not served.
    pub(super) fn of(name: &str) -> Option<Self> {
        match name {
            "generateContent" => Some(Self::Generate),
            "streamGenerateContent" => Some(Self::Stream),
            "countTokens" => Some(Self::CountTokens),
            "embedContent" => Some(Self::Embed),
            "batchEmbedContents" => Some(Self::BatchEmbed),
            _ => None,
        }
    }

    /// The method and the query of a call of Gemini, which is always asked for a stream as events.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Generate => "generateContent",
            Self::Stream => "streamGenerateContent?alt=sse",
            Self::CountTokens => "countTokens",
            Self::Embed => "embedContent",
            Self::BatchEmbed => "batchEmbedContents",
        }
    }
}

/// The name of a model as bodies have it, with its collection.
pub(super) fn named(model: &str) -> String {
    if model.contains('/') { model.to_owned() } else { format!("models/{model}") }
}

/// `models/{model}:generateContent`; a tuned model's name brings its own collection.
pub(super) fn path(model: &str, method: Method) -> Result<Cow<'static, str>, RequestError> {
    let (collection, name) = match model.split_once('/') {
        Some((collection @ ("models" | "tunedModels"), name)) => (collection, name),
        _ => ("models", model),
    };
    if matches!(name, "" | "." | "..") {
        return Err(RequestError::unsupported(Field::Model, "is not a name that can stand in an address"));
    }
    let method = method.as_str();
    Ok(Cow::Owned(format!("/v1beta/{collection}/{}:{method}", utf8_percent_encode(name, SEGMENT))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_is_one_segment() {
        for (model, method, want) in [
            ("gemini-2.5-flash", Method::Generate, "/v1beta/models/gemini-2.5-flash:generateContent"),
            (
                "models/gemini-2.5-flash",
                Method::Stream,
                "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
            ),
            ("tunedModels/my-model", Method::CountTokens, "/v1beta/tunedModels/my-model:countTokens"),
            ("m", Method::Embed, "/v1beta/models/m:embedContent"),
            ("m", Method::BatchEmbed, "/v1beta/models/m:batchEmbedContents"),
            ("a/../b:c", Method::Generate, "/v1beta/models/a%2F..%2Fb%3Ac:generateContent"),
        ] {
            assert_eq!(path(model, method).unwrap(), want);
        }
        for bad in ["", ".", "..", "models/", "models/..", "tunedModels/."] {
            assert!(path(bad, Method::Generate).is_err(), "{bad}");
        }
    }
}
