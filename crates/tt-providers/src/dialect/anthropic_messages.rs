//! Anthropic Messages: a conversation becomes a request, and answers, streams and errors become neutral again.
//!
//! Sources: the official SDK's types (`anthropic` 2.12.0) and platform.claude.com/docs. Nothing here does I/O, and
//! nothing knows how events are framed: the stream decoder is handed the `data` of one event at a time.

mod blocks;
mod error;
mod messages;
mod reply;
mod request;
mod schema;
pub mod stream;
mod thinking;
mod tools;
mod usage;
mod wire;

pub use error::refused;
pub use reply::decode_reply;
pub use request::encode_request;

/// What the encoder leaves out and the answer means the same without, each named once.
#[derive(Debug, Default)]
struct Dropped(Vec<&'static str>);

impl Dropped {
    fn note(&mut self, parameter: &'static str) {
        if !self.0.contains(&parameter) {
            self.0.push(parameter);
        }
    }
}

fn unsupported(param: impl Into<String>, reason: impl Into<String>) -> crate::ProviderError {
    crate::ProviderError::Unsupported { param: param.into(), reason: reason.into() }
}

fn malformed(param: impl Into<String>, reason: impl Into<String>) -> crate::ProviderError {
    crate::ProviderError::Malformed { param: param.into(), reason: reason.into() }
}

/// A name of our own making, stable between requests, for something of the client's that Anthropic would refuse or
/// should not see.
fn opaque(text: &str) -> uuid::Uuid {
    /// Chosen once at random; another would change every opaque name.
    const NAMESPACE: uuid::Uuid = uuid::Uuid::from_u128(0x2f6c_8f5e_0f0b_4f63_9d5c_6d1b_7f5a_3c91);
    uuid::Uuid::new_v5(&NAMESPACE, text.as_bytes())
}
