//! The conventions' words for what a settlement says.

use std::borrow::Cow;

use tt_core::record::{Attempt, Intent, Operation, Outcome, Settlement};
use tt_core::{Dialect, Provider};

use crate::names;

/// The operation that a provider was asked for.
pub(crate) fn operation(intent: &Intent, provider: Provider) -> &'static str {
    let chat = if provider == Provider::Gemini { names::GENERATE_CONTENT } else { names::CHAT };
    match (intent.operation, intent.dialect) {
        (Operation::CountTokens, _) => names::COUNT_TOKENS,
        (Operation::Embeddings, _) | (_, Dialect::OpenAiEmbeddings) => names::EMBEDDINGS,
        (Operation::Chat, _) => chat,
    }
}

pub(crate) const fn provider(provider: Provider) -> &'static str {
    match provider {
        Provider::OpenAi => names::OPENAI,
        Provider::Anthropic => names::ANTHROPIC,
        Provider::Gemini => names::GEMINI,
    }
}

/// The path of the client's request; `None` for Gemini, whose paths hold the model.
pub(crate) const fn route(intent: &Intent) -> Option<&'static str> {
    Some(match (intent.dialect, intent.operation) {
        (Dialect::OpenAiChat, _) => "/v1/chat/completions",
        (Dialect::OpenAiResponses, _) => "/v1/responses",
        (Dialect::OpenAiEmbeddings, _) => "/v1/embeddings",
        (Dialect::AnthropicMessages, Operation::CountTokens) => "/v1/messages/count_tokens",
        (Dialect::AnthropicMessages, _) => "/v1/messages",
        (Dialect::Gemini, _) => return None,
    })
}

/// The kind of failure of a request; `None` for one that was served.
pub(crate) fn request_error(settlement: &Settlement) -> Option<Cow<'static, str>> {
    let settled = &settlement.settled;
    Some(match (settled.outcome, settled.status) {
        (Outcome::Ok, _) => return None,
        (Outcome::Cancelled, _) => names::CANCELLED.into(),
        (Outcome::Interrupted, _) => names::INTERRUPTED.into(),
        (Outcome::Error, Some(status @ 400..)) => status.to_string().into(),
        // The client got 200, and a stream that broke.
        (Outcome::Error, _) => names::BROKEN.into(),
    })
}

/// The kind of failure of an attempt of `settlement`; `None` for one without an error.
pub(crate) fn attempt_error(settlement: &Settlement, attempt: &Attempt, is_last: bool) -> Option<Cow<'static, str>> {
    let Some(ended) = &attempt.ended else { return Some(names::INTERRUPTED.into()) };
    let end = if is_last { settlement.settled.outcome } else { Outcome::Error };
    Some(match (ended.status, &ended.error) {
        (Some(status @ 400..), _) => status.to_string().into(),
        (_, None) => return None,
        (_, Some(_)) if end == Outcome::Cancelled => names::CANCELLED.into(),
        (_, Some(_)) if end == Outcome::Interrupted => names::INTERRUPTED.into(),
        (Some(_), Some(_)) => names::BROKEN.into(),
        (None, Some(_)) => names::UNANSWERED.into(),
    })
}

/// Milliseconds from sending the attempt to the first content; `None` where there was none, or no stream was asked for.
/// `attempt` is the last of `settlement`, which served it.
pub(crate) fn first_chunk_ms(settlement: &Settlement, attempt: &Attempt) -> Option<u64> {
    let first = settlement.settled.first_token_ms.filter(|_| settlement.intent.stream)?;
    let sent = attempt.started.started_at.millis().saturating_sub(settlement.intent.created_at.millis());
    Some(first.saturating_sub(u64::try_from(sent).unwrap_or(0)))
}

#[expect(clippy::cast_precision_loss, reason = "times are far below 2^53 ms, and conventions want seconds as a float")]
pub(crate) fn seconds(millis: u64) -> f64 {
    millis as f64 / 1000.0
}
