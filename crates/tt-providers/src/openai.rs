//! OpenAI Chat Completions, and the hosts that speak it.

mod chunk;
mod error;
mod names;
pub mod observe;
mod path;
pub mod request;
pub mod response;
pub mod scan;
pub mod stream;
mod template;
mod text;
pub mod usage;

pub use error::refused;
pub use observe::{Observer, ReplyFacts, Seen, observe_reply};
pub use request::{decode_request, encode_request};
pub use response::{EncodeOptions, decode_reply, encode_reply};
pub use scan::Scan;
