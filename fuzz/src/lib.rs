//! The properties that the fuzz targets check: those that the tests of tt-providers check on a fixed corpus.

#[path = "../../crates/tt-providers/tests/suite/bounds/properties.rs"]
mod properties;

/// Checks the body of a client's request.
pub fn request(input: &[u8]) {
    properties::request(input);
}

/// Checks the JSON Schema of a tool and of an answer.
pub fn schema(input: &[u8]) {
    properties::schema(input);
}

/// Checks the body of an answer.
pub fn answer(input: &[u8]) {
    properties::answer(input);
}

/// Checks the body of a streamed answer.
pub fn stream(input: &[u8]) {
    properties::stream(input);
}

/// Checks the framing of an event stream.
pub fn framing(input: &[u8]) {
    properties::framing(input);
}

/// Checks a text that stands in an address or in a header.
pub fn text(input: &[u8]) {
    properties::text(input);
}
