//! The providers' dialects as sans-I/O codecs, and the one small client that calls them.
//!
//! **Invariant:** a codec converts to and from the neutral forms of `tt-core` (`Conversation`, `Reply`, `Event`), never
//! to another dialect, and does no I/O. Only `client` touches the network.

mod dialect;
pub mod error;
pub mod slices;
pub mod sse;
pub mod tally;
pub mod upstream;

pub use dialect::{StreamDecoder, decode_reply, encode_request, refused};
pub use dialect::{anthropic_messages as anthropic, gemini, openai_chat as openai};
pub use error::{Disposition, ProviderError, Refused, RefusedKind};
pub use slices::Slices;
pub use tally as stream;
pub use upstream::client::{Client, ClientSettings, Trust};
pub use upstream::{address, client, endpoint};

use tt_core::model::ModelFacts;

/// The target a request is encoded for.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The upstream model.
    pub model: &'a str,
    /// What is known of it.
    pub facts: Option<&'a ModelFacts>,
}

/// A request in a provider's words.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Encoded {
    /// The JSON body.
    pub body: Vec<u8>,
    /// What must be undone in the answer.
    pub undo: Undo,
    /// Parameters left out because the target has no such thing and the answer means the same without them.
    pub dropped: Vec<&'static str>,
}

/// What encoding changed and decoding the answer must change back.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Undo {
    /// Tool names that did not fit: (as sent upstream, as the client knows it).
    pub tool_names: Vec<(String, String)>,
    /// A tool that stands for a structured answer: its input is the content, and no call is shown.
    pub answer_tool: Option<String>,
    /// Custom (free-form) tools that went up as functions with one string `input`, by the client's name.
    pub custom_tools: Vec<String>,
}

impl Undo {
    /// The client's name of a tool the provider named.
    pub fn tool_name<'a>(&'a self, sent: &'a str) -> &'a str {
        self.tool_names.iter().find(|(upstream, _)| upstream == sent).map_or(sent, |(_, client)| client)
    }
}
