//! The client's request as its dialect read it, with the memory that it holds.
//!
//! **Invariant:** nothing that takes long runs on a worker thread: a large body is scanned, decoded, encoded and counted
//! on the threads for long computations.
//! **Invariant:** the decoded body lives until the request has been encoded, not while a provider thinks.

use std::ops::RangeInclusive;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use tt_core::call::conversation::Conversation;
use tt_core::call::field::Field;
use tt_core::plan::InputTokens;
use tt_core::{Dialect, Provider, UserId};
use tt_providers::{ClientRequest, Exchange, Facts, Head, OwnThinking, RequestError, codec, decoded_bytes};

use crate::edge::error::ApiError;
use crate::state::compute::{Compute, ComputeError};
use crate::state::memory_limit::{MemoryLimitExceeded, Part, RequestMemory};

/// Bodies larger than this, in bytes, are scanned on the threads for long computations.
const LARGE_TO_SCAN: usize = 256 * 1024;

/// Bodies larger than this, in bytes, are decoded there.
const LARGE_TO_DECODE: usize = 64 * 1024;

/// Bodies that take more memory than this, in bytes, once they are decoded, are decoded there too.
const LARGE_DECODED: usize = 256 * 1024;

/// Bodies up to this size, in bytes, are taken to need [`MOST_DECODED`] of memory for each byte. Counting what they need
/// would save less than it takes.
const SMALL: usize = 512;
const MOST_DECODED: usize = 40;

/// The most input tokens that are counted, for a client or for a request whose provider reported none: twice what any
/// model reads.
const MOST_COUNTED: u64 = 2_000_000;

/// A proxied request as the client sent it.
pub(crate) struct Inbound {
    request: Arc<ClientRequest>,
    user: UserId,
    memory: RequestMemory,
    compute: Arc<Compute>,
    /// The memory in bytes that the decoded body takes at most, once it is known.
    decoded_bytes: OnceLock<usize>,
}

/// The reason why a request cannot be read or written.
#[derive(Debug)]
pub(crate) enum Unread {
    /// It is not what the client's or the provider's dialect can say.
    Request(RequestError),
    /// There is no memory for it.
    Memory(MemoryLimitExceeded),
    /// It could not be computed.
    Compute(ComputeError),
}

impl From<RequestError> for Unread {
    fn from(error: RequestError) -> Self {
        Self::Request(error)
    }
}

impl From<MemoryLimitExceeded> for Unread {
    fn from(exceeded: MemoryLimitExceeded) -> Self {
        Self::Memory(exceeded)
    }
}

impl From<ComputeError> for Unread {
    fn from(error: ComputeError) -> Self {
        Self::Compute(error)
    }
}

impl Inbound {
    /// Scans a request of `owner` in `dialect`. Parts of the thinking that the client loses are kept in `thinking`.
    ///
    /// # Errors
    /// When the dialect has no ingress, the scan finds an error of the client's, or too much is asked of the server.
    pub(crate) async fn read(
        dialect: Dialect,
        parts: &http::request::Parts,
        (body, memory): (Bytes, RequestMemory),
        thinking: OwnThinking,
        compute: &Arc<Compute>,
    ) -> Result<Arc<Self>, ApiError> {
        let user = thinking.owner().user;
        let ingress = codec(dialect).ingress.ok_or_else(ApiError::internal)?;
        let (request, memory) = if body.len() > LARGE_TO_SCAN {
            let (uri, headers) = (parts.uri.clone(), parts.headers.clone());
            let scan = move || (ClientRequest::read(ingress, &Head { uri: &uri, headers: &headers }, body), memory);
            compute.run(user, scan).await?
        } else {
            (ClientRequest::read(ingress, &Head { uri: &parts.uri, headers: &parts.headers }, body), memory)
        };
        let request = request.map_err(|error| malformed(error, |field| ingress.field(field)))?;
        Ok(Arc::new(Self::new(request.with_thinking(thinking), user, memory, Arc::clone(compute))))
    }

    /// A request of `user` that has been scanned.
    pub(super) fn new(request: ClientRequest, user: UserId, memory: RequestMemory, compute: Arc<Compute>) -> Self {
        Self { request: Arc::new(request), user, memory, compute, decoded_bytes: OnceLock::new() }
    }

    /// The request as its dialect read it.
    pub(crate) fn request(&self) -> &Arc<ClientRequest> {
        &self.request
    }

    /// The user who sent it.
    pub(crate) fn user(&self) -> UserId {
        self.user
    }

    /// The threads for long computations.
    pub(super) fn compute(&self) -> &Compute {
        &self.compute
    }

    /// The memory that it holds.
    pub(crate) fn memory(&self) -> &RequestMemory {
        &self.memory
    }

    /// The facts that the scan found.
    pub(crate) fn facts(&self) -> &Facts {
        self.request.facts()
    }

    /// The client's dialect.
    pub(crate) fn dialect(&self) -> Dialect {
        self.request.ingress().dialect()
    }

    /// The client's error, if the request could not be read or written. The field at fault has the name that the client
    /// wrote.
    pub(super) fn error(&self, unread: Unread) -> ApiError {
        match unread {
            Unread::Request(error) => malformed(error, |field| self.request.field(field)),
            Unread::Memory(exceeded) => exceeded.into(),
            Unread::Compute(error) => error.into(),
        }
    }

    /// The dialect in which `provider` is asked.
    ///
    /// # Errors
    /// When the provider does not have what the client asks for.
    pub(super) fn dialect_at(&self, provider: Provider) -> Result<Dialect, Unread> {
        Ok(self.request.dialect_at(provider)?)
    }

    /// Decodes the request, and keeps it decoded until it is encoded.
    ///
    /// # Errors
    /// When it cannot be read, or too much is asked of the server.
    pub(crate) async fn decode(self: &Arc<Self>) -> Result<(), ApiError> {
        self.read_in_full(|request| request.decoded().map(|_| ())).await
    }

    /// The input's tokens for `provider`, as exactly as a comparison with each of `thresholds` needs.
    ///
    /// # Errors
    /// As [`Inbound::decode`].
    pub(crate) async fn input_tokens(
        self: &Arc<Self>,
        provider: Provider,
        thresholds: RangeInclusive<u64>,
    ) -> Result<InputTokens, ApiError> {
        let most = *thresholds.end();
        let by_length = move |request: &ClientRequest| Ok(request.call()?.input_by_length(provider, thresholds));
        match self.read_in_full(by_length).await? {
            Some(settled) => Ok(settled),
            None => self.count(move |call| call.input_up_to(provider, most)).await,
        }
    }

    /// Counts something of the decoded chat, on the threads for long computations: the tokenizer takes a while to load.
    ///
    /// # Errors
    /// As [`Inbound::decode`].
    pub(crate) async fn count<T: Send + 'static>(
        self: &Arc<Self>,
        count: impl FnOnce(&Conversation) -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        self.decoded_elsewhere(|request| request.call().map(|call| count(&call))).await
    }

    /// True if the client asks for a count of its tokens, and `provider` does not count for clients of its dialect.
    pub(super) fn counts_here(&self, provider: Provider) -> bool {
        self.request.count().is_some() && provider.dialect_for(self.dialect()) != self.dialect()
    }

    /// The number of the input's tokens for `provider`, at most [`MOST_COUNTED`], in the words of the client's dialect.
    ///
    /// # Errors
    /// As [`Inbound::decode`].
    pub(super) async fn token_count(self: &Arc<Self>, provider: Provider) -> Result<Bytes, ApiError> {
        let tokens = self.count(move |call| call.input_up_to(provider, MOST_COUNTED)).await?;
        self.forget_decoded().await;
        let count = self.request.count().ok_or_else(ApiError::internal)?;
        Ok(count.encode(tokens.counted()))
    }

    /// The input's tokens for `provider`, counted at once and at most [`MOST_COUNTED`]. It is `None` if the request cannot
    /// be read, or if there is no memory for it.
    pub(super) fn count_at_once(&self, provider: Provider) -> Option<InputTokens> {
        let counted = self.decoded(|request| Ok(request.take_decoded()?.input_up_to(provider, MOST_COUNTED)));
        self.memory.release(Part::Decoded);
        counted.ok()
    }

    /// As [`Inbound::count_at_once`], on the threads for long computations, where `then` goes on with the number.
    ///
    /// # Errors
    /// As [`Inbound::decode`].
    pub(super) async fn count_and<T: Send + 'static>(
        self: &Arc<Self>,
        provider: Provider,
        then: impl FnOnce(u64) -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let count = move |request: &ClientRequest| {
            Ok(then(request.take_decoded()?.input_up_to(provider, MOST_COUNTED).counted()))
        };
        let counted = self.decoded_elsewhere(count).await;
        self.memory.release(Part::Decoded);
        counted
    }

    /// Writes a small request for a target by `write`, and keeps it decoded no longer.
    ///
    /// # Errors
    /// When it cannot be written for that target, or there is no memory for it.
    pub(super) fn encode_here(
        &self,
        write: impl FnOnce(&Arc<ClientRequest>) -> Result<Exchange, RequestError>,
    ) -> Result<Exchange, Unread> {
        let exchange = self.decoded(|_| write(&self.request));
        self.memory.release(Part::Decoded);
        let held = exchange.as_ref().map_or(0, Exchange::held_bytes);
        self.memory.hold(Part::Encoded, held)?;
        exchange
    }

    /// As [`Inbound::encode_here`], on the threads for long computations, for a request that [`Inbound::is_large`].
    ///
    /// # Errors
    /// As [`Inbound::encode_here`], and when too many of the user's computations wait.
    pub(super) async fn encode_elsewhere(
        self: &Arc<Self>,
        write: impl FnOnce(&Arc<ClientRequest>) -> Result<Exchange, RequestError> + Send + 'static,
    ) -> Result<Exchange, Unread> {
        let inbound = Arc::clone(self);
        let encode = move || {
            // While it is written, the request may take as much as it takes decoded once more.
            inbound.memory.hold(Part::Encoded, inbound.decoded_bytes())?;
            inbound.encode_here(write)
        };
        self.compute.run(self.user, encode).await?
    }

    /// Writes the request by `write` for a target that speaks the client's dialect, which needs nothing decoded.
    ///
    /// # Errors
    /// The errors of `write`.
    pub(super) async fn splice(
        &self,
        write: impl FnOnce(&Arc<ClientRequest>) -> Result<Exchange, RequestError>,
    ) -> Result<Exchange, Unread> {
        self.forget_decoded().await;
        Ok(write(&self.request)?)
    }

    /// The most tokens that the request's text can be for any model, counted on the threads for long computations.
    ///
    /// # Errors
    /// As [`Inbound::decode`].
    pub(super) async fn most_text_tokens(self: &Arc<Self>) -> Result<u64, ApiError> {
        self.decoded_elsewhere(ClientRequest::most_text_tokens).await
    }

    /// Keeps the request decoded no longer. A large one is freed elsewhere: its many values take a worker thread long.
    pub(super) async fn forget_decoded(&self) {
        if let Some(call) = self.request.forget_decoded() {
            if self.is_large() {
                // If too many computations wait, it is freed here.
                let _freed = Box::pin(self.compute.run(self.user, move || drop(call))).await;
            }
            self.memory.release(Part::Decoded);
        }
    }

    /// Reads something of the decoded request, on the threads for long computations if it is large. The request stays
    /// decoded.
    ///
    /// # Errors
    /// When it cannot be read, or too much is asked of the server.
    pub(super) async fn read_in_full<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&ClientRequest) -> Result<T, RequestError> + Send + 'static,
    ) -> Result<T, ApiError> {
        if self.is_large() {
            self.decoded_elsewhere(read).await
        } else {
            self.decoded(read).map_err(|unread| self.error(unread))
        }
    }

    /// As [`Inbound::decoded`], on the threads for long computations.
    async fn decoded_elsewhere<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&ClientRequest) -> Result<T, RequestError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let inbound = Arc::clone(self);
        let found = self.compute.run(self.user, move || inbound.decoded(read)).await;
        found.map_err(Unread::from).flatten().map_err(|unread| self.error(unread))
    }

    /// Runs `read`, which may decode the request, once there is memory for that.
    fn decoded<T>(&self, read: impl FnOnce(&ClientRequest) -> Result<T, RequestError>) -> Result<T, Unread> {
        self.memory.hold(Part::Decoded, self.decoded_bytes())?;
        Ok(read(&self.request)?)
    }

    /// True if reading the request in full takes a worker thread too long.
    pub(super) fn is_large(&self) -> bool {
        self.request.body().len() > LARGE_TO_DECODE || self.decoded_bytes() > LARGE_DECODED
    }

    /// The memory in bytes that the decoded body takes at most. Finding out takes a pass over the body.
    fn decoded_bytes(&self) -> usize {
        let body = self.request.body();
        if body.len() <= SMALL {
            return body.len() * MOST_DECODED;
        }
        *self.decoded_bytes.get_or_init(|| decoded_bytes(body))
    }
}

impl Drop for Inbound {
    /// Frees a large decoded body elsewhere: a worker thread would take long for its many values.
    fn drop(&mut self) {
        if let Some(call) = self.request.forget_decoded()
            && self.is_large()
        {
            self.compute.count(self.user, move |_| drop(call));
        }
    }
}

/// The client's own error, answered with 400. `name` names the field at fault.
fn malformed(error: RequestError, name: impl Fn(&Field) -> String) -> ApiError {
    match error {
        RequestError::InvalidJson { reason } => ApiError::invalid_json(&reason),
        RequestError::Missing { field } => ApiError::missing_field(&name(&field)),
        RequestError::Malformed { field, reason } => ApiError::invalid_field(name(&field), reason),
        RequestError::Unsupported { field, reason } => ApiError::unsupported_parameter(&name(&field), &reason),
    }
}
