//! A client's request paired with a provider, which may speak the dialect of the client or another one.
//!
//! **Invariant:** where both sides speak the same dialect, nothing is encoded anew. The provider gets slices of the
//! bytes that the client sent, and the client gets the bytes that the provider sent; an observer reads them on the way.
//! Nothing here does I/O.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use tt_core::call::conversation::Conversation;
use tt_core::call::decoded::Decoded;
use tt_core::call::embedding::EmbeddingReply;
use tt_core::call::field::Field;
use tt_core::call::reply::Reply;
use tt_core::record::Note;
use tt_core::tokens::most_of_text;
use tt_core::usage::Reported;
use tt_core::{Dialect, Provider};
use uuid::Uuid;

use crate::codec::{
    Codec, CostFacts, EmbeddingsTranslation, Facts, Framing, Head, Ingress, ReplyContext, Scanned, ScannedChat,
    ScannedRequest, Target, TokenCount, Translation, Undo,
};
use crate::dialect::codec;
use crate::error::RequestError;
use crate::kept_thinking::OwnThinking;
use crate::notes::Notes;
use crate::slices::Slices;
use crate::surrogates::mended;
use crate::tally::Tally;
use crate::upstream::error::UpstreamError;

mod embeddings;
mod stream;
mod text;

/// The most tools that may get other names for a provider. No provider takes as many tools, and the names are kept until
/// the request has been answered.
const MOST_RENAMED: usize = 10_000;

pub use stream::{AnswerStream, Step};

/// A client's request: its bytes, the facts that a scan found in them, and the call while it is decoded. It is decoded
/// when it is needed, and kept until [`ClientRequest::take_decoded`].
#[derive(Debug)]
pub struct ClientRequest {
    ingress: &'static dyn Ingress,
    scanned: ScannedRequest,
    body: Bytes,
    decoded: Mutex<Option<Decoded>>,
    /// The place where thinking that the client loses is kept; `None`: it is not kept.
    thinking: Option<OwnThinking>,
}

impl ClientRequest {
    /// Scans a request of the dialect `ingress`.
    ///
    /// # Errors
    /// As [`Ingress::scan`].
    pub fn read(ingress: &'static dyn Ingress, head: &Head<'_>, body: Bytes) -> Result<Self, RequestError> {
        let scanned = ingress.scan(head, &body)?;
        Ok(Self { ingress, scanned, body, decoded: Mutex::default(), thinking: None })
    }

    /// Keeps the thinking that this client loses in `thinking`, and puts back what was kept there before.
    #[must_use]
    pub fn with_thinking(mut self, thinking: OwnThinking) -> Self {
        self.thinking = Some(thinking);
        self
    }

    /// The dialect of the client.
    pub fn ingress(&self) -> &'static dyn Ingress {
        self.ingress
    }

    fn scanned(&self) -> &dyn Scanned {
        self.scanned.get()
    }

    /// The facts that the scan found.
    pub fn facts(&self) -> &Facts {
        self.scanned().facts()
    }

    /// True if the client asks for embeddings.
    pub fn asks_for_embeddings(&self) -> bool {
        matches!(self.scanned, ScannedRequest::Embeddings(_))
    }

    /// The dialect in which `provider` is asked.
    ///
    /// # Errors
    /// `Unsupported` where the provider does not have what the client asks for.
    pub fn dialect_at(&self, provider: Provider) -> Result<Dialect, RequestError> {
        if !self.asks_for_embeddings() {
            return Ok(provider.dialect_for(self.ingress.dialect()));
        }
        provider.embeddings_dialect().ok_or_else(|| {
            let reason = format!("{provider} has no embeddings: use a model of another provider");
            RequestError::unsupported(Field::Model, reason)
        })
    }

    /// The form in which the client wants a streamed answer.
    pub fn framing(&self) -> Framing {
        match &self.scanned {
            ScannedRequest::Chat(chat) => chat.framing(),
            ScannedRequest::Embeddings(_) => Framing::default(),
        }
    }

    /// The body as the client sent it.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The decoded request. It is decoded if it has not been, which takes long for a large body and takes up to
    /// [`decoded_bytes`](crate::decoded_bytes) of memory.
    ///
    /// # Errors
    /// The first field that cannot be read.
    pub fn decoded(&self) -> Result<Decoded, RequestError> {
        if let Some(call) = self.kept().as_ref() {
            return Ok(call.clone());
        }
        let call = self.scanned.decode(&self.body)?;
        Ok(self.kept().get_or_insert(call).clone())
    }

    /// As [`ClientRequest::decoded`], and keeps it no longer.
    ///
    /// # Errors
    /// As [`ClientRequest::decoded`].
    pub fn take_decoded(&self) -> Result<Decoded, RequestError> {
        self.forget_decoded().map_or_else(|| self.scanned.decode(&self.body), Ok)
    }

    /// The decoded request, if it has been decoded. It is kept no longer.
    pub fn forget_decoded(&self) -> Option<Decoded> {
        self.kept().take()
    }

    fn kept(&self) -> MutexGuard<'_, Option<Decoded>> {
        self.decoded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As [`ClientRequest::decoded`], for a chat.
    ///
    /// # Errors
    /// As [`ClientRequest::decoded`]; `Unsupported` for a request that is no chat.
    pub fn call(&self) -> Result<Arc<Conversation>, RequestError> {
        match self.decoded()? {
            Decoded::Chat(call) => Ok(call),
            Decoded::Embeddings(_) => Err(RequestError::unsupported(Field::Model, "the request asks for embeddings")),
        }
    }

    /// The count of tokens that the client asks for; `None` where it asks for an answer.
    pub fn count(&self) -> Option<&dyn TokenCount> {
        match &self.scanned {
            ScannedRequest::Chat(chat) => chat.count(),
            ScannedRequest::Embeddings(_) => None,
        }
    }

    /// The facts that bound the request's cost, for a caller with a budget. Decodes the call if it has not been.
    ///
    /// # Errors
    /// `Unsupported` for a field that may have a fee of its own, a tool that the provider runs among them; otherwise as
    /// [`ClientRequest::call`].
    pub fn fees(&self) -> Result<CostFacts, RequestError> {
        let ScannedRequest::Chat(chat) = &self.scanned else { return Ok(CostFacts::default()) };
        let call = self.call().map_err(|error| match error {
            RequestError::Malformed { field: field @ Field::ToolKind(_), .. } => RequestError::unsupported(
                field,
                "only function and custom tools are taken under a budget: others have fees that it does not cover",
            ),
            other => other,
        })?;
        let own = chat.fees(&call)?;
        call.extra
            .addressed
            .iter()
            .try_fold(own, |fees, (to, fields)| Ok(fees.and(codec(*to).egress.addressed_fees(fields)?)))
    }

    /// The bytes of the body without the pictures, sound and documents in it. No text has more tokens than bytes.
    ///
    /// # Errors
    /// As [`ClientRequest::decoded`].
    pub fn text_bytes(&self) -> Result<u64, RequestError> {
        Ok(text::bytes(self.body.len() as u64, self.decoded()?.media()))
    }

    /// The most tokens that the body can be for any model, without the pictures, sound and documents in it. Takes about
    /// 10 ms for 100 KB.
    ///
    /// # Errors
    /// As [`ClientRequest::decoded`].
    pub fn most_text_tokens(&self) -> Result<u64, RequestError> {
        let (call, body) = (self.decoded()?, String::from_utf8_lossy(&self.body));
        Ok(text::pieces(&body, call.media())
            .into_iter()
            .fold(0, |sum: u64, text| sum.saturating_add(most_of_text(text))))
    }

    /// The name of a field as the client wrote it.
    pub fn field(&self, field: &Field) -> String {
        self.scanned().field(field).unwrap_or_else(|| self.ingress.field(field))
    }

    /// The notes of an encoder for `model`, with their fields named as the client wrote them.
    fn named(&self, notes: &Notes, model: &str) -> Vec<Note> {
        let notes = notes.named(|field| self.field(field));
        if !notes.is_empty() {
            tracing::debug!(model, ?notes, "parameters left out or changed");
        }
        notes
    }

    /// The error in one line, with its field named as the client wrote it.
    pub fn describe(&self, error: &RequestError) -> String {
        error.in_words(|field| self.field(field))
    }
}

/// A request encoded for one target, with all that is needed to give its answer to the client.
#[derive(Debug, Clone)]
pub struct Exchange {
    request: Arc<ClientRequest>,
    path: Cow<'static, str>,
    body: Slices,
    notes: Vec<Note>,
    way: Way,
}

#[derive(Debug, Clone)]
enum Way {
    /// Client and provider speak the same dialect: the bytes pass through.
    PassThrough,
    /// They speak different dialects: request and answer are translated.
    Translated { translation: &'static dyn Translation, undo: Undo, context: ReplyContext, text_bytes: u64 },
    /// As `Translated`, for a request for embeddings.
    Embeddings { translation: &'static dyn EmbeddingsTranslation, inputs: usize, context: ReplyContext },
}

/// A whole answer, ready for the client.
#[derive(Debug, Default)]
pub struct Answer {
    /// The body to send to the client.
    pub body: Bytes,
    /// The provider's usage; `None`: it sent none.
    pub usage: Option<Reported>,
    /// The model that the provider says answered.
    pub served_model: Option<String>,
    /// The account of the answer, whose text is counted where the provider gave no usage.
    pub tally: Tally,
    /// Embeddings that cannot be written without usage, of which the provider sent none. `body` is empty then, and
    /// [`Exchange::embeddings`] makes it once the input's tokens are counted.
    pub uncounted: Option<EmbeddingReply>,
}

impl Answer {
    fn of(body: Bytes, reply: Reply) -> Self {
        Self {
            body,
            tally: Tally::of(&reply.output_text()),
            served_model: Some(reply.model).filter(|model| !model.is_empty()),
            usage: reply.usage,
            uncounted: None,
        }
    }
}

impl Exchange {
    /// Writes `request` for a target that speaks `dialect`: spliced where the client speaks it too, else encoded anew.
    /// `cap` replaces the output limit (in tokens) that the client asked for. `created` (seconds since the epoch) and
    /// `id` go into the answer where the provider gives none.
    ///
    /// # Errors
    /// As [`Translation::encode`] and [`Egress::path`](crate::codec::Egress::path); `Unsupported` where the client does not
    /// speak `dialect` and the dialect has no translation.
    pub fn new(
        request: &Arc<ClientRequest>,
        dialect: Dialect,
        target: Target<'_>,
        cap: Option<u64>,
        (created, id): (i64, Uuid),
    ) -> Result<Self, RequestError> {
        if dialect == request.ingress.dialect() {
            return Self::passing_through(request, dialect, target.model, cap);
        }
        let context = ReplyContext { created, id, model: target.model.to_owned() };
        // A body of many small values takes much more memory decoded. It is decoded again for another target.
        match request.take_decoded()? {
            Decoded::Chat(call) => Self::translated(request, call, dialect, target, cap, context),
            Decoded::Embeddings(call) => Self::of_embeddings(request, &call, dialect, context),
        }
    }

    fn passing_through(
        request: &Arc<ClientRequest>,
        dialect: Dialect,
        model: &str,
        cap: Option<u64>,
    ) -> Result<Self, RequestError> {
        let own = request.scanned().path(model)?;
        let path = own.map_or_else(|| codec(dialect).egress.path(model, request.facts().stream), Ok)?;
        let body = request.scanned().splice(&request.body, model, cap);
        let notes = request.named(&request.scanned().splice_notes(), model);
        Ok(Self { request: Arc::clone(request), path, body, notes, way: Way::PassThrough })
    }

    fn translated(
        request: &Arc<ClientRequest>,
        mut call: Arc<Conversation>,
        dialect: Dialect,
        target: Target<'_>,
        cap: Option<u64>,
        context: ReplyContext,
    ) -> Result<Self, RequestError> {
        let Codec { egress, translation, .. } = codec(dialect);
        let path = egress.path(target.model, request.facts().stream)?;
        let translation = translation.ok_or_else(only_for_its_own_clients)?;
        if cap.is_some() {
            Arc::make_mut(&mut call).sampling.max_output_tokens = cap;
        }
        if let Some(thinking) = &request.thinking {
            thinking.restore(&mut call, dialect, target.model);
        }
        let lowered = lower_limit(&mut call, target);
        let mut encoded = translation.encode(&call, target)?;
        if encoded.undo.renamed() > MOST_RENAMED {
            let reason = format!("more than {MOST_RENAMED} of them have names that the provider does not take");
            return Err(RequestError::unsupported(Field::written("tools"), reason));
        }
        if lowered {
            encoded.notes.changed(Field::MaxOutput, "lowered to the most that the model writes");
        }
        let text_bytes = text::bytes(encoded.body.len() as u64, call.media());
        let notes = request.named(&encoded.notes, target.model);
        let way = Way::Translated { translation, undo: encoded.undo, context, text_bytes };
        Ok(Self { request: Arc::clone(request), path, body: Slices::from(encoded.body), notes, way })
    }

    /// True if the provider speaks the client's dialect, so that request and answer pass through.
    pub fn passes_through(&self) -> bool {
        matches!(self.way, Way::PassThrough)
    }

    /// The path and query of the call, to be appended to the provider's base address.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The body to send to the provider.
    pub fn body(&self) -> &Slices {
        &self.body
    }

    /// As [`ClientRequest::text_bytes`], of the body that is sent; `None` where its text is that of the client. Resolved
    /// references of schemas may make it longer.
    pub fn encoded_text_bytes(&self) -> Option<u64> {
        match self.way {
            Way::PassThrough | Way::Embeddings { .. } => None,
            Way::Translated { text_bytes, .. } => Some(text_bytes),
        }
    }

    /// The fields that the target cannot express, named as the client wrote them, for the record of the attempt. Of a
    /// request that passes through, the signatures that other providers made.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// The memory in bytes that the request for the provider takes beside the client's body, and all that is kept of it
    /// for the answer.
    pub fn held_bytes(&self) -> usize {
        let notes: usize = self.notes.iter().map(|note| size_of::<Note>() + note.param.len() + note.why.len()).sum();
        let body = || self.body.iter().map(Bytes::len).sum::<usize>();
        match &self.way {
            Way::PassThrough => notes,
            Way::Translated { undo, .. } => body() + notes + undo.held_bytes(),
            Way::Embeddings { .. } => body() + notes,
        }
    }

    /// Reads a whole answer with a success status and writes it for the client.
    ///
    /// # Errors
    /// As [`Translation::decode_reply`].
    pub fn reply(&self, body: Bytes) -> Result<Answer, UpstreamError> {
        let readable = mended(&body);
        match &self.way {
            Way::PassThrough if let Some(count) = self.request.count() => {
                count.check(&readable)?;
                drop(readable);
                Ok(Answer { body, ..Answer::default() })
            }
            Way::PassThrough => {
                let facts = self.request.scanned().observe_reply(&readable)?;
                drop(readable);
                let tally = Tally {
                    output_text: facts.output_text,
                    extra_bytes: facts.extra_bytes,
                    deferred: facts.deferred,
                    ..Tally::default()
                };
                Ok(Answer { body, usage: facts.usage, served_model: facts.model, tally, uncounted: None })
            }
            Way::Translated { translation, undo, context, .. } => {
                let reply = translation.decode_reply(&readable, undo)?;
                self.keep_thinking(&reply);
                let body = self.chat().map_or_else(Bytes::new, |chat| chat.encode_reply(&reply, context));
                Ok(Answer::of(body, reply))
            }
            Way::Embeddings { translation, inputs, .. } => {
                let reply = translation.decode_reply(&readable, *inputs)?;
                drop(readable);
                Ok(self.embeddings(reply))
            }
        }
    }

    /// Reads a whole answer in the place of the stream that the provider was asked for, and writes it for the client as a
    /// stream. Some hosts know no streams. `created` (seconds since the epoch) and `id` go into the answer where the
    /// provider gives none.
    ///
    /// # Errors
    /// As [`Translation::decode_reply`]; `Protocol` where the dialect has no translation.
    pub fn reply_as_stream(&self, body: &[u8], (created, id): (i64, Uuid)) -> Result<Answer, UpstreamError> {
        let readable = mended(body);
        let (reply, context) = match &self.way {
            Way::PassThrough => {
                // An error in the place of an answer is read as in a plain one.
                let _facts = self.request.scanned().observe_reply(&readable)?;
                let Some(translation) = codec(self.request.ingress.dialect()).translation else {
                    return Err(no_stream());
                };
                let reply = translation.decode_reply(&readable, &Undo::default())?;
                let context = ReplyContext { created, id, model: reply.model.clone() };
                (reply, context)
            }
            Way::Translated { translation, undo, context, .. } => {
                let reply = translation.decode_reply(&readable, undo)?;
                self.keep_thinking(&reply);
                (reply, context.clone())
            }
            Way::Embeddings { .. } => return Err(no_stream()),
        };
        let chat = self.chat().ok_or_else(no_stream)?;
        let (mut encoder, mut written, mut tally) = (chat.stream_encoder(context), BytesMut::new(), Tally::default());
        for event in reply.into_events() {
            tally.event(&event);
            encoder.event(&event, &mut written);
        }
        let (usage, served_model) = (tally.usage.take(), tally.served_model.take());
        Ok(Answer { body: written.freeze(), usage, served_model, tally, uncounted: None })
    }

    /// Keeps the signed thinking of an answer that the client may lose.
    fn keep_thinking(&self, reply: &Reply) {
        if let (Some(thinking), [first, ..]) = (&self.request.thinking, reply.choices.as_slice()) {
            thinking.keep(&first.parts);
        }
    }

    /// The state for a streamed answer, to which the frames of the provider are pushed. Embeddings never come as a
    /// stream.
    pub fn stream(&self) -> AnswerStream {
        match (&self.way, self.chat()) {
            (Way::PassThrough, Some(chat)) => AnswerStream::pass_through(chat.observer()),
            (Way::Translated { translation, undo, context, .. }, Some(chat)) => AnswerStream::translated(
                translation.stream_decoder(undo.clone()),
                chat.stream_encoder(context.clone()),
                self.request.thinking.clone(),
            ),
            (Way::Embeddings { .. }, _) | (_, None) => AnswerStream::Never(Box::default()),
        }
    }

    fn chat(&self) -> Option<&dyn ScannedChat> {
        match &self.request.scanned {
            ScannedRequest::Chat(chat) => Some(chat.as_ref()),
            ScannedRequest::Embeddings(_) => None,
        }
    }
}

fn only_for_its_own_clients() -> RequestError {
    RequestError::unsupported(Field::Model, "the provider takes this API only from clients that speak it")
}

fn no_stream() -> UpstreamError {
    UpstreamError::Protocol("a whole answer came in the place of a stream".to_owned())
}

/// Lowers an output limit that is above what the target writes, which the provider would refuse. True if it was.
fn lower_limit(call: &mut Arc<Conversation>, target: Target<'_>) -> bool {
    let most = target.facts.and_then(|facts| facts.max_output);
    let Some(most) = most.filter(|most| call.sampling.max_output_tokens.is_some_and(|asked| asked > *most)) else {
        return false;
    };
    Arc::make_mut(call).sampling.max_output_tokens = Some(most);
    true
}

#[cfg(test)]
mod tests;
