//! Failures of a provider, or of the way to it, and what each says about going on.

use std::time::Duration;

use http::StatusCode;
use tt_core::usage::Reported;

/// A call of a provider failed.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// The provider answered with an error status, or with an error inside a stream.
    #[error("{0}")]
    Refused(Box<Refused>),
    /// No answer in time. Never retried on the same target.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// No connection, and nothing was sent.
    #[error("cannot connect")]
    Connect(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The connection broke after the request was sent; whether the provider served it is not known.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// An answer that cannot be read, or that ended early.
    #[error("unreadable answer: {0}")]
    Protocol(String),
    /// A whole answer that is of no use (Gemini `MALFORMED_FUNCTION_CALL`), and is billed all the same.
    #[error("unusable answer: {reason}")]
    BadAnswer {
        /// The provider's word for it.
        reason: String,
        /// The usage it is billed by; `raw` is empty where the provider sent none.
        usage: Box<Reported>,
    },
}

/// An error as the provider reported it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{status} {kind:?}: {message}")]
pub struct Refused {
    /// Its HTTP status, corrected where the provider's says something else than its words: Gemini's 400 for a bad key
    /// is 401, Anthropic's 529 is 503.
    pub status: u16,
    /// What it means.
    pub kind: RefusedKind,
    /// The provider's words, at most 300 characters. They are not shown to callers when the stored credential is at
    /// fault.
    pub message: String,
    /// The provider's code, for example `context_length_exceeded`.
    pub code: Option<String>,
    /// The parameter it complains of.
    pub param: Option<String>,
    /// How long it asks to wait; at most a day.
    pub retry_after: Option<Duration>,
}

/// What an error status means to a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusedKind {
    /// The request is wrong: the caller's own error.
    Invalid,
    /// The prompt is longer than the model takes.
    ContextLength,
    /// The stored credential is wrong, may not do this or is out of money (401, 402, 403).
    Credential,
    /// No such model (404).
    NotFound,
    /// Too many requests (429).
    RateLimited,
    /// A time-out the provider reports (408, 504).
    Timeout,
    /// A conflict (409).
    Conflict,
    /// The provider's own failure (5xx).
    Server,
}

/// What to do after a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// The caller's own error: answer it at once.
    Answer,
    /// Another target may do better.
    FallBack,
    /// The same target may do better, after this wait where the provider names one; else another.
    Retry(Option<Duration>),
}

/// The longest `retry-after` of a 429 that is waited out on the same target.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

impl UpstreamError {
    /// What to do next. A target is tried again where that may help and cannot be billed twice for long; a time-out
    /// falls back at once, since the caller has waited already.
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Timeout(_) | Self::Protocol(_) | Self::BadAnswer { .. } => Disposition::FallBack,
            Self::Connect(_) | Self::Broken(_) => Disposition::Retry(None),
            Self::Refused(refused) => refused.disposition(),
        }
    }

    /// Why an attempt failed, in words that hold no key. A fault of the stored credential is named as that, not in the
    /// provider's words, which may quote the key.
    pub fn public_reason(&self) -> String {
        match self {
            Self::Refused(refused) if refused.kind == RefusedKind::Credential => {
                format!("{} (the provider does not take the stored key, or its account)", refused.status)
            }
            Self::Refused(refused) => format!("{} {}", refused.status, refused.message.trim_end_matches('.')),
            other => other.to_string(),
        }
    }

    /// The kind of failure, for the log: a provider's words may quote the prompt.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Refused(_) => "an error event",
            Self::Timeout(_) => "no more data in time",
            Self::Connect(_) | Self::Broken(_) => "the connection broke",
            Self::BadAnswer { .. } | Self::Protocol(_) => "unreadable",
        }
    }
}

impl Refused {
    fn disposition(&self) -> Disposition {
        match self.status {
            _ if self.kind == RefusedKind::ContextLength => Disposition::FallBack,
            429 => match self.retry_after {
                Some(wait) if wait < LONGEST_WAIT => Disposition::Retry(Some(wait)),
                _ => Disposition::FallBack,
            },
            408 | 500.. => Disposition::Retry(None),
            401 | 402 | 403 | 404 | 409 => Disposition::FallBack,
            _ => Disposition::Answer,
        }
    }
}

/// The most characters of a provider's message that are kept.
const MESSAGE_CHARS: usize = 300;

/// A provider's message, cut to 300 characters.
pub(crate) fn cut(message: &str) -> String {
    message.chars().take(MESSAGE_CHARS).collect()
}

/// What is wrong with JSON, and where, without quoting any of it: it may be a prompt or an answer.
pub(crate) fn json_error(error: &serde_json::Error) -> String {
    if error.is_data() {
        format!("a value of the wrong type at line {} column {}", error.line(), error.column())
    } else {
        error.to_string()
    }
}

/// The status with its name (`502 Bad Gateway`): the message of an error whose body says nothing that can be read.
pub(crate) fn status_line(status: u16) -> String {
    let name = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    name.map_or_else(|| status.to_string(), |name| format!("{status} {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_cut_between_characters() {
        assert_eq!(cut(&"€".repeat(400)).chars().count(), 300);
    }

    #[test]
    fn a_json_error_quotes_nothing() {
        let wrong = serde_json::from_str::<u8>(r#""secret""#).unwrap_err();
        assert_eq!(json_error(&wrong), "a value of the wrong type at line 1 column 8");
    }

    #[test]
    fn a_status_without_a_name_is_its_number() {
        assert_eq!((status_line(502).as_str(), status_line(599).as_str()), ("502 Bad Gateway", "599"));
    }

    #[test]
    fn a_stored_keys_fault_is_not_told_in_the_providers_words() {
        let refused = |kind, status| {
            let message = "the key sk-secret is wrong.".to_owned();
            let refused = Refused { status, kind, message, code: None, param: None, retry_after: None };
            UpstreamError::Refused(Box::new(refused)).public_reason()
        };
        assert_eq!(
            refused(RefusedKind::Credential, 401),
            "401 (the provider does not take the stored key, or its account)"
        );
        assert_eq!(refused(RefusedKind::Invalid, 400), "400 the key sk-secret is wrong");
    }
}
