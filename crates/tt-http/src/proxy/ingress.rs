//! The client's request as its dialect read it, with its share of the memory limit. Large bodies are read and counted on
//! the blocking pool, because a worker thread must not block that long.

use std::ops::RangeInclusive;
use std::sync::Arc;

use tokio::runtime::Handle;
use tt_core::call::conversation::Conversation;
use tt_core::plan::InputTokens;
use tt_core::{Dialect, Provider};
use tt_providers::{ClientRequest, CostFacts, Facts, Head, Ingress, RequestError, codec};

use crate::edge::body::Buffered;
use crate::edge::error::ApiError;

/// Bodies larger than this, in bytes, are read on the blocking pool of the control plane.
const LARGE_BYTES: usize = 256 * 1024;

/// A proxied request as the client sent it.
pub(crate) struct Inbound {
    request: Arc<ClientRequest>,
    /// Holds the request's share of the memory limit until the request is dropped.
    _buffered: Buffered,
}

impl Inbound {
    /// Scans a request in `dialect`, on the blocking pool when it is large.
    ///
    /// # Errors
    /// When the dialect has no ingress, or the scan finds an error of the client's.
    pub(crate) async fn read(
        dialect: Dialect,
        parts: &http::request::Parts,
        buffered: Buffered,
        control: &Handle,
    ) -> Result<Self, ApiError> {
        let ingress = codec(dialect).ingress.ok_or_else(ApiError::internal)?;
        let body = buffered.bytes.clone();
        let request = if body.len() > LARGE_BYTES {
            let (uri, headers) = (parts.uri.clone(), parts.headers.clone());
            blocking(control, move || ClientRequest::read(ingress, &Head { uri: &uri, headers: &headers }, body))
                .await?
        } else {
            ClientRequest::read(ingress, &Head { uri: &parts.uri, headers: &parts.headers }, body)
        };
        let request = request.map_err(|error| malformed(ingress, error))?;
        Ok(Self { request: Arc::new(request), _buffered: buffered })
    }

    /// The request as its dialect read it.
    pub(crate) fn request(&self) -> &Arc<ClientRequest> {
        &self.request
    }

    /// The facts that the scan found.
    pub(crate) fn facts(&self) -> &Facts {
        self.request.facts()
    }

    /// The client's dialect.
    pub(crate) fn dialect(&self) -> Dialect {
        self.request.ingress().dialect()
    }

    /// The client's error, with the field at fault in the client's words.
    pub(crate) fn malformed(&self, error: RequestError) -> ApiError {
        malformed(self.request.ingress(), error)
    }

    /// The conversation, decoded if it has not been: on the blocking pool when the body is large.
    pub(crate) async fn conversation(&self, control: &Handle) -> Result<Arc<Conversation>, ApiError> {
        self.read_in_full(control, |request| request.call()).await
    }

    /// The facts that bound the request's cost, decoded as [`Inbound::conversation`].
    pub(crate) async fn fees(&self, control: &Handle) -> Result<CostFacts, ApiError> {
        self.read_in_full(control, |request| request.fees()).await
    }

    /// The most tokens that the request's text can be for any model, counted on the blocking pool.
    pub(crate) async fn most_text_tokens(&self, control: &Handle) -> Result<u64, ApiError> {
        let request = Arc::clone(&self.request);
        blocking(control, move || request.most_text_tokens()).await?.map_err(|error| self.malformed(error))
    }

    /// True if the body is so large that work on it is done on the blocking pool.
    pub(crate) fn is_large(&self) -> bool {
        self.request.body().len() > LARGE_BYTES
    }

    async fn read_in_full<T: Send + 'static>(
        &self,
        control: &Handle,
        read: fn(&ClientRequest) -> Result<T, RequestError>,
    ) -> Result<T, ApiError> {
        let found = if self.request.body().len() > LARGE_BYTES && !self.request.is_decoded() {
            let request = Arc::clone(&self.request);
            blocking(control, move || read(&request)).await?
        } else {
            read(&self.request)
        };
        found.map_err(|error| self.malformed(error))
    }

    /// The input's tokens for `provider`, as exactly as a comparison with each of `thresholds` needs. If the lengths of
    /// the texts do not decide it, tokens are counted on the blocking pool, since the tokenizer takes a while to load.
    pub(crate) async fn input_tokens(
        &self,
        provider: Provider,
        thresholds: RangeInclusive<u64>,
        control: &Handle,
    ) -> Result<InputTokens, ApiError> {
        let conversation = self.conversation(control).await?;
        match conversation.input_by_length(provider, thresholds.clone()) {
            Some(settled) => Ok(settled),
            None => blocking(control, move || conversation.input_up_to(provider, *thresholds.end())).await,
        }
    }
}

/// The client's own error, answered with 400.
fn malformed(ingress: &dyn Ingress, error: RequestError) -> ApiError {
    match error {
        RequestError::InvalidJson { reason } => ApiError::invalid_json(&reason),
        RequestError::Missing { field } => ApiError::missing_field(&ingress.field(&field)),
        RequestError::Malformed { field, reason } => ApiError::invalid_field(ingress.field(&field), reason),
        RequestError::Unsupported { field, reason } => ApiError::unsupported_parameter(&ingress.field(&field), &reason),
    }
}

/// Runs `work` on the control plane's blocking pool.
async fn blocking<T: Send + 'static>(
    control: &Handle,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ApiError> {
    control.spawn_blocking(work).await.map_err(|_| ApiError::internal())
}
