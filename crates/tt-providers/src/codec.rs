//! A dialect as the rest of the program sees it: one trait for the side of the client, one for the side of the
//! provider, and the small types that pass through them.
//!
//! **Invariant:** nothing here does I/O. Each method reads or writes one message of one dialect; the neutral form of
//! [`tt_core::call`] stands between two of them, and [`crate::exchange`] pairs them.

use std::borrow::Cow;
use std::fmt::Debug;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Uri};
use serde_json::Value;
use tt_core::Dialect;
use tt_core::call::conversation::Conversation;
use tt_core::call::event::Event;
use tt_core::call::field::Field;
use tt_core::call::reply::Reply;
use tt_core::model::ModelFacts;
use tt_core::usage::Reported;
use uuid::Uuid;

use crate::error::RequestError;
use crate::notes::Notes;
use crate::slices::Slices;
use crate::tally::Tally;
use crate::upstream::error::{Refused, UpstreamError};

/// Both sides of a dialect.
#[derive(Debug, Clone, Copy)]
pub struct Codec {
    /// Clients that speak it; `None`: none are served yet.
    pub ingress: Option<&'static dyn Ingress>,
    /// Providers that speak it.
    pub egress: &'static dyn Egress,
}

/// A dialect towards clients.
pub trait Ingress: Send + Sync + Debug {
    /// Which it is.
    fn dialect(&self) -> Dialect;

    /// Reads of a request only what must be known before it is planned and paid for. Cheap: no value is decoded that
    /// is not needed.
    ///
    /// # Errors
    /// A request that is no request of this dialect, or that could be read in two ways.
    fn scan(&self, head: &Head<'_>, body: &Bytes) -> Result<Box<dyn Scanned>, RequestError>;

    /// An error as the body of an answer.
    fn encode_error(&self, error: &PublicError<'_>) -> Bytes;

    /// The name of a field as a client of this dialect writes it.
    fn field(&self, field: &Field) -> String;
}

/// A client's request that has been scanned, with all that its dialect has to remember of it until the answer is
/// written. Methods that take `body` must be given the body that was scanned.
pub trait Scanned: Send + Sync + Debug {
    /// The facts that every dialect's request states.
    fn facts(&self) -> &Facts;

    /// Reads the request in full.
    ///
    /// # Errors
    /// The first field that cannot be read. A tool that is neither a function nor a free-form one is malformed at
    /// [`Field::ToolKind`].
    fn decode(&self, body: &[u8]) -> Result<Conversation, RequestError>;

    /// The facts of a decoded request that bound its cost.
    ///
    /// # Errors
    /// `Unsupported`, naming a field that may have a fee of its own.
    fn fees(&self, call: &Conversation) -> Result<CostFacts, RequestError>;

    /// The request for a provider that speaks the same dialect: `body` in slices, with another model and, where `cap` is
    /// given, with that many output tokens of each choice at most.
    fn splice(&self, body: &Bytes, model: &str, cap: Option<u64>) -> Slices;

    /// Reads a whole answer of the same dialect that passes through as it came.
    ///
    /// # Errors
    /// `Refused` for an error object with a success status, `Protocol` for a body that is no answer.
    fn observe_reply(&self, body: &[u8]) -> Result<ReplyFacts, UpstreamError>;

    /// Watches a stream of the same dialect that passes through as it came.
    fn observer(&self) -> Box<dyn Observer>;

    /// Writes a whole answer.
    fn encode_reply(&self, reply: &Reply, context: &ReplyContext) -> Bytes;

    /// Writes an answer as a stream.
    fn stream_encoder(&self, context: ReplyContext) -> Box<dyn StreamEncoder>;
}

/// A dialect towards providers.
pub trait Egress: Send + Sync + Debug {
    /// The path of a call of `model`, with its query, to be put behind a provider's base address.
    ///
    /// # Errors
    /// `Unsupported` for a model whose name cannot stand in a path.
    fn path(&self, model: &str, stream: bool) -> Result<Cow<'static, str>, RequestError>;

    /// Writes a request for `target`. The same call gives the same bytes.
    ///
    /// # Errors
    /// `Unsupported` or `Malformed`, for what the target cannot express and what changes the meaning of the answer.
    fn encode(&self, call: &Conversation, target: Target<'_>) -> Result<Encoded, RequestError>;

    /// Reads a whole answer with a success status; `undo` is from encoding its request.
    ///
    /// # Errors
    /// `Refused` for an error object with a success status, `Protocol` for a body that is no answer, `BadAnswer` for an
    /// answer of no use.
    fn decode_reply(&self, body: &[u8], undo: &Undo) -> Result<Reply, UpstreamError>;

    /// Reads a streamed answer; `undo` is from encoding its request.
    fn stream_decoder(&self, undo: Undo) -> Box<dyn StreamDecoder>;

    /// Reads an answer with an error status.
    fn refused(&self, status: u16, headers: &HeaderMap, body: &[u8]) -> Refused;

    /// Has `model` a fee for each answer, beside its tokens, that no budget can hold?
    fn has_fee(&self, model: &str) -> bool;

    /// The facts that bound the cost of what a client addressed to this dialect in its own words
    /// ([`Extra::addressed`](tt_core::call::extra::Extra::addressed)).
    ///
    /// # Errors
    /// `Unsupported`, naming a field that may have a fee of its own.
    fn addressed_fees(&self, fields: &Value) -> Result<CostFacts, RequestError>;
}

/// Reads a stream of one dialect, event by event. It is handed the data of each event
/// ([`Frame::data`](crate::sse::Frame::data)) and knows nothing of framing.
pub trait StreamDecoder: Send + Debug {
    /// Reads one event's data, which is not empty, and appends what it says to `out`. That stands even when an error is
    /// returned.
    ///
    /// # Errors
    /// `Refused` for an error in the stream, `Protocol` for data that cannot be read, `BadAnswer` for an answer that
    /// ended of no use before any content. The stream is over then.
    fn data(&mut self, data: &[u8], out: &mut Vec<Event>) -> Result<(), UpstreamError>;

    /// The body ended.
    ///
    /// # Errors
    /// `Protocol` when the stream ended early.
    fn end(&mut self, out: &mut Vec<Event>) -> Result<(), UpstreamError>;
}

/// Writes a stream of one dialect.
pub trait StreamEncoder: Send + Debug {
    /// Appends what `event` says to `out`; [`Event::Done`] is the end that the client waits for.
    fn event(&mut self, event: &Event, out: &mut BytesMut);

    /// Ends a stream that broke: appends an error, and nothing may follow it.
    fn broke(&mut self, error: &PublicError<'_>, out: &mut BytesMut);
}

/// Watches a stream that passes through unchanged.
pub trait Observer: Send + Debug {
    /// Takes note of one event's data ([`Frame::data`](crate::sse::Frame::data)), which is empty for a comment.
    ///
    /// # Errors
    /// `Refused` for an error in the stream, `Protocol` for data that cannot be read.
    fn data(&mut self, data: &[u8]) -> Result<Seen, UpstreamError>;

    /// The body ended without the dialect's mark of the end: was the answer whole?
    ///
    /// # Errors
    /// `Protocol` when it was not.
    fn body_ended(&mut self) -> Result<(), UpstreamError>;

    /// Appends the end that the client waits for, in place of the event that was [`Seen::done`].
    fn end(&mut self, out: &mut BytesMut);

    /// Ends a stream that broke: appends an error, and nothing may follow it.
    fn broke(&mut self, error: &PublicError<'_>, out: &mut BytesMut);

    /// The account so far.
    fn tally(&mut self) -> &Tally;
}

/// The meaning of an event of a stream that passes through.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// It holds content, after which the target is committed.
    pub content: bool,
    /// It is the dialect's mark of the end. It is held back: see [`Observer::end`].
    pub done: bool,
    /// The client did not ask for it: it is left out.
    pub unwanted: bool,
}

/// The head of a client's request.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// The path and the query; some dialects name the model there.
    pub uri: &'a Uri,
    /// The headers.
    pub headers: &'a HeaderMap,
}

/// Facts that a request of every dialect states.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// The model as the client named it.
    pub model: String,
    /// Is the answer to be a stream?
    pub stream: bool,
    /// The most output tokens of each choice.
    pub max_output_tokens: Option<u64>,
    /// The number of answers asked for.
    pub choices: Option<u64>,
    /// The service tier asked for.
    pub service_tier: Option<String>,
}

/// The target that a request is encoded for.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The upstream model.
    pub model: &'a str,
    /// Facts of it from the price table; `None`: it is not listed.
    pub facts: Option<&'a ModelFacts>,
}

/// A request in a provider's words.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Encoded {
    /// The JSON body.
    pub body: Vec<u8>,
    /// Changes that must be taken back in the answer.
    pub undo: Undo,
    /// What was left out, or sent as something near it.
    pub notes: Notes,
}

/// Changes made by encoding a request, which decoding its answer must take back.
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
    /// The client's name of a tool that the provider named.
    pub fn tool_name<'a>(&'a self, sent: &'a str) -> &'a str {
        self.tool_names.iter().find(|(upstream, _)| upstream == sent).map_or(sent, |(_, client)| client)
    }
}

/// The parts of an answer that the proxy decides, and not the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplyContext {
    /// When the request arrived, in seconds since the epoch.
    pub created: i64,
    /// The request's id: the answer's where the provider gives none.
    pub id: Uuid,
    /// The upstream model asked for: the answer's where the provider names none.
    pub model: String,
}

/// Facts of a whole answer that passes through.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReplyFacts {
    /// The provider's usage; `None`: it sent none.
    pub usage: Option<Reported>,
    /// The model that the provider says answered.
    pub model: Option<String>,
    /// All text generated, only where there is no usage: it is counted in place of that.
    pub output_text: String,
}

/// Facts that bound the cost of a request, beside its length and [`Facts`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CostFacts {
    /// It holds contents whose tokens its bytes do not bound: pictures, sound, documents, contents named by reference.
    pub beyond_text: bool,
    /// The client fixed a length of thinking, which must stay under the most output tokens: they cannot be lowered.
    pub fixed_thinking: bool,
}

impl CostFacts {
    /// Both requests' facts together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            beyond_text: self.beyond_text || other.beyond_text,
            fixed_thinking: self.fixed_thinking || other.fixed_thinking,
        }
    }
}

/// An error as a client may see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicError<'a> {
    /// The HTTP status.
    pub status: u16,
    /// The class of error, for example `invalid_request_error`.
    pub kind: &'a str,
    /// The stable code, for example `missing_field`.
    pub code: &'a str,
    /// In words.
    pub message: &'a str,
    /// The field at fault, in the client's words.
    pub param: Option<&'a str>,
}
