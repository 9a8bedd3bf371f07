//! The client's request: its bytes, what a scan of them says, and the conversation they hold, decoded once if at all.

use std::ops::RangeInclusive;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use tokio::runtime::Handle;
use tt_core::Provider;
use tt_core::conversation::Conversation;
use tt_core::plan::InputTokens;
use tt_providers::ProviderError;
use tt_providers::openai::{self, scan::Scan};

use crate::edge::body::Buffered;
use crate::edge::error::ApiError;

/// Bodies larger than this are decoded and counted on the control plane.
const LARGE_BYTES: usize = 256 * 1024;

/// A chat completion as it came in.
pub(crate) struct Inbound {
    buffered: Buffered,
    pub(crate) scan: Scan,
    conversation: OnceLock<Arc<Conversation>>,
}

impl Inbound {
    /// Scans `buffered`, on the blocking pool when it is large.
    pub(crate) async fn read(buffered: Buffered, control: &Handle) -> Result<Self, ApiError> {
        let bytes = buffered.bytes.clone();
        let scan = if bytes.len() > LARGE_BYTES {
            blocking(control, move || Scan::of(&bytes)).await?
        } else {
            Scan::of(&bytes)
        }
        .map_err(malformed)?;
        Ok(Self { buffered, scan, conversation: OnceLock::new() })
    }

    /// The body as it came.
    pub(crate) fn body(&self) -> &Bytes {
        &self.buffered.bytes
    }

    /// The conversation, decoded here and now if it has not been.
    pub(crate) fn decode(&self) -> Result<Arc<Conversation>, ProviderError> {
        if let Some(conversation) = self.conversation.get() {
            return Ok(Arc::clone(conversation));
        }
        let conversation = Arc::new(openai::decode_request(self.body())?);
        Ok(Arc::clone(self.conversation.get_or_init(|| conversation)))
    }

    /// As [`Inbound::decode`], on the blocking pool when the body is large.
    pub(crate) async fn conversation(self: &Arc<Self>, control: &Handle) -> Result<Arc<Conversation>, ApiError> {
        self.decode_on(control).await?.map_err(malformed)
    }

    /// The same, with what is wrong as the codec says it.
    pub(crate) async fn decode_on(
        self: &Arc<Self>,
        control: &Handle,
    ) -> Result<Result<Arc<Conversation>, ProviderError>, ApiError> {
        if self.body().len() > LARGE_BYTES && self.conversation.get().is_none() {
            let this = Arc::clone(self);
            return blocking(control, move || this.decode()).await;
        }
        Ok(self.decode())
    }

    /// The input's tokens for `provider`, known well enough to compare with each of `thresholds`. Where the texts'
    /// lengths do not settle it they are counted, on the blocking pool: the tokenizer takes a while to load.
    pub(crate) async fn input_tokens(
        self: &Arc<Self>,
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

/// What a scan or a decoding finds wrong is the client's to mend.
pub(crate) fn malformed(error: ProviderError) -> ApiError {
    match error {
        ProviderError::Missing { param } => ApiError::missing_field(&param),
        ProviderError::InvalidJson { reason } => ApiError::invalid_json(&reason),
        ProviderError::Malformed { param, reason } => ApiError::invalid_field(param, reason),
        ProviderError::Unsupported { param, reason } => ApiError::unsupported_parameter(&param, &reason),
        ProviderError::Refused(_)
        | ProviderError::Timeout(_)
        | ProviderError::Connect(_)
        | ProviderError::BadAnswer { .. }
        | ProviderError::Broken(_)
        | ProviderError::Protocol(_) => ApiError::internal(),
    }
}

/// Runs `work` on the control plane's blocking pool.
async fn blocking<T: Send + 'static>(
    control: &Handle,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ApiError> {
    control.spawn_blocking(work).await.map_err(|_| ApiError::internal())
}
