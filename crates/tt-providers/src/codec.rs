//! The traits that a dialect implements: [`Ingress`] for clients, [`Egress`] for providers, and the small types that
//! they take and return.
//!
//! **Invariant:** nothing here does I/O. Each method reads or writes one message of one dialect; the neutral form of
//! [`tt_core::call`] stands between two of them, and [`crate::exchange`] pairs them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Uri};
use serde_json::Value;
use tt_core::Dialect;
use tt_core::call::conversation::{CacheTtl, Conversation};
use tt_core::call::decoded::Decoded;
use tt_core::call::embedding::{EmbeddingCall, EmbeddingReply};
use tt_core::call::event::Event;
use tt_core::call::field::Field;
use tt_core::call::reply::Reply;
use tt_core::model::ModelFacts;
use tt_core::usage::Reported;
use uuid::Uuid;

use crate::error::RequestError;
use crate::notes::Notes;
use crate::slices::Slices;
use crate::sse::Frame;
use crate::tally::Tally;
use crate::upstream::error::{Refused, UpstreamError};

/// The two sides of a dialect.
#[derive(Debug, Clone, Copy)]
pub struct Codec {
    /// The side of the client; `None` where clients of this dialect are not served yet.
    pub ingress: Option<&'static dyn Ingress>,
    /// The side of the provider.
    pub egress: &'static dyn Egress,
    /// The translation of chats to this dialect; `None` where providers are called in it only for clients that speak it
    /// too.
    pub translation: Option<&'static dyn Translation>,
    /// The translation of requests for embeddings to this dialect; `None` where it has none.
    pub embeddings: Option<&'static dyn EmbeddingsTranslation>,
}

/// A dialect that clients speak.
pub trait Ingress: Send + Sync + Debug {
    /// The dialect that this is the client's side of.
    fn dialect(&self) -> Dialect;

    /// Reads the facts of a request that routing and limits need. This is cheap: all other values are skipped and not
    /// decoded.
    ///
    /// # Errors
    /// A body that is no request of this dialect, or that two readers could read in two ways (a key that stands twice).
    fn scan(&self, head: &Head<'_>, body: &Bytes) -> Result<ScannedRequest, RequestError>;

    /// Writes an error as the body of an answer.
    fn encode_error(&self, error: &PublicError<'_>) -> Bytes;

    /// The name of a field as a client of this dialect writes it.
    fn field(&self, field: &Field) -> String;
}

/// A client's request that has been scanned, by what it asks for.
#[derive(Debug)]
pub enum ScannedRequest {
    /// An answer of a model that chats, or a count of its tokens.
    Chat(Box<dyn ScannedChat>),
    /// Embeddings.
    Embeddings(Box<dyn ScannedEmbeddings>),
}

impl ScannedRequest {
    /// The request, whatever it asks for.
    pub fn get(&self) -> &dyn Scanned {
        match self {
            Self::Chat(chat) => chat.as_ref(),
            Self::Embeddings(embeddings) => embeddings.as_ref(),
        }
    }

    /// Reads the request in full. `body` must be the body that was scanned.
    ///
    /// # Errors
    /// As [`ScannedChat::decode`] and [`ScannedEmbeddings::decode`].
    pub fn decode(&self, body: &[u8]) -> Result<Decoded, RequestError> {
        match self {
            Self::Chat(chat) => chat.decode(body).map(|call| Decoded::Chat(call.into())),
            Self::Embeddings(embeddings) => embeddings.decode(body).map(|call| Decoded::Embeddings(call.into())),
        }
    }
}

/// A client's request that has been scanned, with all that its dialect must remember until the answer is written.
/// Methods that take `body` must be given the body that was scanned.
pub trait Scanned: Send + Sync + Debug {
    /// The facts that a request has in every dialect.
    fn facts(&self) -> &Facts;

    /// The place of `field` in the body, for a dialect whose messages and tools are not one for one those of the neutral
    /// form. `None` where [`Ingress::field`] names it.
    fn field(&self, _field: &Field) -> Option<String> {
        None
    }

    /// The request for a provider that speaks the same dialect: `body` in slices, with the model replaced by `model`
    /// and, where `cap` is given, the output limit of each choice by `cap` tokens.
    fn splice(&self, body: &Bytes, model: &str, cap: Option<u64>) -> Slices;

    /// The notes of the fields that [`Scanned::splice`] leaves out or changes beside the model and the limit: thinking and
    /// signatures of other providers.
    fn splice_notes(&self) -> Notes {
        Notes::default()
    }

    /// The path and query of the call of `model` at a provider that speaks the same dialect; `None` where
    /// [`Egress::path`] gives them.
    ///
    /// # Errors
    /// `Unsupported` for a model whose name a path cannot hold.
    fn path(&self, _model: &str) -> Result<Option<Cow<'static, str>>, RequestError> {
        Ok(None)
    }

    /// Reads a whole answer of the same dialect that passes through as it came.
    ///
    /// # Errors
    /// `Refused` for an error object with a success status, `Protocol` for a body that is no answer.
    fn observe_reply(&self, body: &[u8]) -> Result<ReplyFacts, UpstreamError>;
}

/// A request for an answer of a model that chats, or for a count of its tokens.
pub trait ScannedChat: Scanned {
    /// Reads the request in full.
    ///
    /// # Errors
    /// The first field that cannot be read. A tool that is neither a function nor a custom one is malformed at
    /// [`Field::ToolKind`].
    fn decode(&self, body: &[u8]) -> Result<Conversation, RequestError>;

    /// The form in which the client wants a streamed answer.
    fn framing(&self) -> Framing {
        Framing::Events
    }

    /// The facts of a decoded request that bound its cost.
    ///
    /// # Errors
    /// `Unsupported` for a field that may have a fee of its own.
    fn fees(&self, call: &Conversation) -> Result<CostFacts, RequestError>;

    /// The count of input tokens that the client asks for; `None` where it asks for an answer.
    fn count(&self) -> Option<&dyn TokenCount> {
        None
    }

    /// Watches a stream of the same dialect that passes through as it came.
    fn observer(&self) -> Box<dyn Observer>;

    /// Writes a whole answer.
    fn encode_reply(&self, reply: &Reply, context: &ReplyContext) -> Bytes;

    /// Writes an answer as a stream.
    fn stream_encoder(&self, context: ReplyContext) -> Box<dyn StreamEncoder>;
}

/// A request for embeddings.
pub trait ScannedEmbeddings: Scanned {
    /// Reads the request in full.
    ///
    /// # Errors
    /// The first field that cannot be read.
    fn decode(&self, body: &[u8]) -> Result<EmbeddingCall, RequestError>;

    /// True if every answer of the dialect has usage. It is counted here then if the provider reports none.
    fn needs_usage(&self) -> bool;

    /// Writes an answer.
    fn encode_reply(&self, reply: &EmbeddingReply, context: &ReplyContext) -> Bytes;
}

/// A count of input tokens, which a client may ask for in the place of an answer.
pub trait TokenCount: Send + Sync + Debug {
    /// Writes a count that was made here.
    fn encode(&self, input_tokens: u64) -> Bytes;

    /// Checks a provider's count, which passes through as it came.
    ///
    /// # Errors
    /// `Refused` for an error object with a success status, `Protocol` for a body that is no count.
    fn check(&self, body: &[u8]) -> Result<(), UpstreamError>;
}

/// A dialect that providers speak.
pub trait Egress: Send + Sync + Debug {
    /// The path and query of a call of `model`, to be appended to a provider's base address.
    ///
    /// # Errors
    /// `Unsupported` for a model whose name a path cannot hold.
    fn path(&self, model: &str, stream: bool) -> Result<Cow<'static, str>, RequestError>;

    /// Reads an answer with an error status.
    ///
    /// [`Refused::original`] holds the body if clients of this dialect get a provider's errors as they came.
    fn refused(&self, status: u16, headers: &HeaderMap, body: &[u8]) -> Refused;

    /// True if `model` has a fee for each answer beside its tokens. A budget cannot bound such a fee.
    fn has_fee(&self, model: &str) -> bool;

    /// The facts that bound the cost of the fields that a client addressed to providers of this dialect
    /// ([`Extra::addressed`](tt_core::call::extra::Extra::addressed)).
    ///
    /// # Errors
    /// `Unsupported` for a field that may have a fee of its own.
    fn addressed_fees(&self, fields: &Value) -> Result<CostFacts, RequestError>;
}

/// The side of a provider for calls that come from clients of another dialect.
pub trait Translation: Send + Sync + Debug {
    /// Writes a request for `target`. The same call gives the same bytes every time: the prompt caches of providers
    /// compare prefixes.
    ///
    /// # Errors
    /// `Unsupported` for a field that the target cannot express and that changes the meaning of the answer; `Malformed`
    /// for a call that no dialect can express.
    fn encode(&self, call: &Conversation, target: Target<'_>) -> Result<Encoded, RequestError>;

    /// True if [`Translation::encode`] would give `target` a search of the web, which the provider bills beside the tokens.
    fn searches(&self, call: &Conversation, target: Target<'_>) -> bool;

    /// Reads a whole answer with a success status. `undo` comes from [`Encoded::undo`] of its request.
    ///
    /// # Errors
    /// `Refused` for an error object with a success status, `Protocol` for a body that is no answer, `BadAnswer` for an
    /// answer of no use.
    fn decode_reply(&self, body: &[u8], undo: &Undo) -> Result<Reply, UpstreamError>;

    /// Makes a decoder for a streamed answer. `undo` comes from [`Encoded::undo`] of its request.
    fn stream_decoder(&self, undo: Undo) -> Box<dyn StreamDecoder>;
}

/// The side of a provider for requests for embeddings that come from clients of another dialect.
pub trait EmbeddingsTranslation: Send + Sync + Debug {
    /// Writes a request for `model`, and the path and query of the call.
    ///
    /// # Errors
    /// `Unsupported` for what the target cannot embed, and for a model whose name a path cannot hold.
    fn encode(&self, call: &EmbeddingCall, model: &str) -> Result<EncodedEmbeddings, RequestError>;

    /// Reads an answer with a success status, which must have a vector for each of so many `inputs`.
    ///
    /// # Errors
    /// `Refused` for an error object with a success status, `Protocol` for a body that is no answer.
    fn decode_reply(&self, body: &[u8], inputs: usize) -> Result<EmbeddingReply, UpstreamError>;
}

/// A request for embeddings that has been encoded for a provider.
#[derive(Debug, Clone, PartialEq)]
pub struct EncodedEmbeddings {
    /// The path and query of the call, to be appended to the provider's base address.
    pub path: Cow<'static, str>,
    /// The JSON body of the request.
    pub body: Vec<u8>,
    /// The fields that were left out, or sent as something similar.
    pub notes: Notes,
}

/// Reads a stream of one dialect, event by event. It is handed the data of each event
/// ([`Frame::data`](crate::sse::Frame::data)) and knows nothing of framing.
pub trait StreamDecoder: Send + Debug {
    /// Reads the data of one event, which is not empty, and appends its neutral events to `out`. They are valid even
    /// when an error is returned.
    ///
    /// # Errors
    /// `Refused` for an error in the stream, `Protocol` for data that cannot be read, `BadAnswer` for an answer that
    /// ended of no use before any content. The stream is over then.
    fn data(&mut self, data: &[u8], out: &mut Vec<Event>) -> Result<(), UpstreamError>;

    /// Takes note that the body ended, and appends the last neutral events to `out`.
    ///
    /// # Errors
    /// `Protocol` when the stream ended early.
    fn end(&mut self, out: &mut Vec<Event>) -> Result<(), UpstreamError>;

    /// The memory, in bytes, that the decoder keeps of the stream between events: open blocks with their texts,
    /// arguments and signatures, and the usage. Cheap: it does not walk over what is kept.
    fn held_bytes(&self) -> usize;
}

/// Writes a stream of one dialect.
pub trait StreamEncoder: Send + Debug {
    /// Appends the bytes for `event` to `out`. [`Event::Done`] writes the end that the client waits for.
    fn event(&mut self, event: &Event, out: &mut BytesMut);

    /// Ends a stream that broke: appends `error` to `out`, after which nothing may be written.
    fn broke(&mut self, error: &PublicError<'_>, out: &mut BytesMut);

    /// The memory, in bytes, that the encoder keeps of the stream between events. Cheap: it does not walk over what is
    /// kept.
    fn held_bytes(&self) -> usize;
}

/// Watches a stream that passes through unchanged.
pub trait Observer: Send + Debug {
    /// Takes note of one event's data ([`Frame::data`](crate::sse::Frame::data)), which is empty for a comment.
    ///
    /// # Errors
    /// `Refused` for an error in the stream, `Protocol` for data that cannot be read.
    fn data(&mut self, data: &[u8]) -> Result<Seen, UpstreamError>;

    /// Appends an event that [`Observer::data`] has read to `out`, for the client: the bytes as they came, where the client
    /// reads the framing of the provider.
    fn pass_on(&mut self, frame: &Frame, out: &mut BytesMut) {
        out.extend_from_slice(&frame.raw);
    }

    /// Takes note that the body ended without the end mark of the dialect.
    ///
    /// # Errors
    /// `Protocol` when the answer was not whole.
    fn body_ended(&mut self) -> Result<(), UpstreamError>;

    /// Appends the end that the client waits for to `out`. It replaces the event for which [`Seen::done`] was true.
    fn end(&mut self, out: &mut BytesMut);

    /// Ends a stream that broke: appends `error` to `out`, after which nothing may be written.
    fn broke(&mut self, error: &PublicError<'_>, out: &mut BytesMut);

    /// The account of the answer so far.
    fn tally(&mut self) -> &Tally;

    /// The memory, in bytes, that the observer keeps of the stream between events, the account included. Cheap: it does
    /// not walk over what is kept.
    fn held_bytes(&self) -> usize;
}

/// The meaning of an event of a stream that passes through.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// True if the event holds content. Once the client has been sent content, no other target may answer.
    pub content: bool,
    /// True if the event is the end mark of the dialect. It is held back until [`Observer::end`] writes it.
    pub done: bool,
    /// True if the event is left out, because the client did not ask for it (usage).
    pub unwanted: bool,
}

/// The form of a streamed answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Framing {
    /// Server-sent events.
    #[default]
    Events,
    /// One JSON array, whose elements come one after the other.
    Array,
}

/// The head of a client's request.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// The path and the query. Gemini names the model there.
    pub uri: &'a Uri,
    /// The headers of the request.
    pub headers: &'a HeaderMap,
}

/// The facts that a request has in every dialect.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// The model as the client named it.
    pub model: String,
    /// True if the answer is to come as a stream.
    pub stream: bool,
    /// The output limit of each choice in tokens; `None` where the client sets none.
    pub max_output_tokens: Option<u64>,
    /// The number of choices that the client asks for; `None` stands for 1.
    pub choices: Option<u64>,
    /// The processing tier that the client asks for.
    pub service_tier: Option<String>,
    /// The session that the body names; `None` where it names none, or one in a form that cannot be kept.
    pub session: Option<String>,
}

/// The target that a request is encoded for.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The name of the model at the provider.
    pub model: &'a str,
    /// The facts of the model in the price table; `None` where it is not listed.
    pub facts: Option<&'a ModelFacts>,
}

/// A request that has been encoded for a provider.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Encoded {
    /// The JSON body of the request.
    pub body: Vec<u8>,
    /// The changes that decoding the answer must take back.
    pub undo: Undo,
    /// The fields that were left out, or sent as something similar.
    pub notes: Notes,
}

/// The changes that encoding made to a request, and that decoding its answer must take back.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Undo {
    /// The names of the client of the tools whose names the provider would refuse, by the names that were sent instead.
    pub tool_names: BTreeMap<String, String>,
    /// The name of the tool that stands for a structured answer. Its input becomes the content of the answer, and the
    /// client sees no call.
    pub answer_tool: Option<String>,
    /// The names (of the client) of custom tools that were sent as functions with one string `input`.
    pub custom_tools: BTreeSet<String>,
}

impl Undo {
    /// The number of tools that the provider knows by another name or as another kind.
    pub(crate) fn renamed(&self) -> usize {
        self.tool_names.len() + self.custom_tools.len()
    }

    /// The memory that this takes, in bytes.
    pub(crate) fn held_bytes(&self) -> usize {
        let names = self.tool_names.iter().map(|(sent, client)| 2 * size_of::<String>() + sent.len() + client.len());
        let custom = self.custom_tools.iter().map(|name| size_of::<String>() + name.len());
        names.sum::<usize>() + custom.sum::<usize>()
    }

    /// The name by which the client knows the tool that the provider calls `sent`.
    pub fn tool_name<'a>(&'a self, sent: &'a str) -> &'a str {
        self.tool_names.get(sent).map_or(sent, String::as_str)
    }
}

/// The parts of an answer that the proxy decides, and not the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplyContext {
    /// The time at which the request arrived, in seconds since the epoch.
    pub created: i64,
    /// The id of the request, which the answer gets where the provider gives none.
    pub id: Uuid,
    /// The model that was called, which the answer names where the provider names none.
    pub model: String,
}

/// The facts of a whole answer that passes through.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReplyFacts {
    /// The provider's usage; `None`: it sent none.
    pub usage: Option<Reported>,
    /// The model that the provider says answered.
    pub model: Option<String>,
    /// The generated text, at most 256 KiB, whose tokens are counted where the provider gave no usage that can be true;
    /// empty where it gave such a one.
    pub output_text: String,
    /// The length of the text beyond `output_text`, in bytes.
    pub extra_bytes: u64,
    /// True if the provider works on after this answer, so that nobody knows what it will bill.
    pub deferred: bool,
}

impl ReplyFacts {
    /// The facts of an answer of `model`, which is empty where the provider names none. `text` counts the generated text,
    /// and is called only where there is no usage, or one without input or output.
    pub(crate) fn new(usage: Option<Reported>, model: &str, text: impl FnOnce() -> Tally) -> Self {
        let is_full = |usage: &Reported| usage.usage.total_input() > 0 && usage.usage.output > 0;
        let counted = if usage.as_ref().is_some_and(is_full) { Tally::default() } else { text() };
        Self {
            usage,
            model: (!model.is_empty()).then(|| model.to_owned()),
            output_text: counted.output_text,
            extra_bytes: counted.extra_bytes,
            deferred: false,
        }
    }
}

/// The facts that bound the cost of a request, beside its length, its media and [`Facts`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CostFacts {
    /// True if the request names contents of which neither the kind nor the size is known: sound of an earlier answer,
    /// cached contents.
    pub by_reference: bool,
    /// True if the client fixed a budget of thinking tokens. It must stay below the output limit, which therefore
    /// cannot be lowered.
    pub fixed_thinking: bool,
    /// The longest time for which the request asks to cache its input; `None` where it does not ask.
    pub cache_write: Option<CacheTtl>,
    /// True if the request has tools that the provider runs for a fee. A target of another dialect gets none of them but a
    /// search of the web ([`Translation::searches`]).
    pub hosted_tools: bool,
}

impl CostFacts {
    /// The facts of a request that has the parts of both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            by_reference: self.by_reference || other.by_reference,
            fixed_thinking: self.fixed_thinking || other.fixed_thinking,
            cache_write: self.cache_write.max(other.cache_write),
            hosted_tools: self.hosted_tools || other.hosted_tools,
        }
    }
}

/// An error in the form that a client may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicError<'a> {
    /// The HTTP status of the answer.
    pub status: u16,
    /// The class of error, for example `invalid_request_error`.
    pub kind: &'a str,
    /// The stable code of the error, for example `missing_field`.
    pub code: &'a str,
    /// The error in a sentence.
    pub message: &'a str,
    /// The field at fault, named as the client wrote it; `None` where no field is.
    pub param: Option<&'a str>,
    /// The time after which another try may succeed; `None` where it is not known.
    pub retry_after: Option<Duration>,
    /// The id of the request; `None` where the error is not written for a certain one.
    pub request_id: Option<Uuid>,
    /// The JSON of the error as a provider that speaks the client's dialect wrote it. It is written in the place of all
    /// else; `None` for any other error.
    pub original: Option<&'a [u8]>,
}
