//! What can go wrong with a provider, and what each failure says about going on.

use std::time::Duration;

use tt_core::usage::Reported;

/// A call of a provider failed, or a request cannot be put in its words.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// The target cannot express a parameter that changes what the answer means: 400 `unsupported_parameter`, and
    /// on a fallback a skipped step.
    #[error("{param} is not supported by this target: {reason}")]
    Unsupported {
        /// The parameter as the client wrote it, for example `n` or `messages[2].content[0].type`.
        param: String,
        /// What the target lacks, and what to do.
        reason: String,
    },
    /// The client's body is not JSON at all, or not an object: 400 `invalid_json`.
    #[error("the body is not a JSON object: {reason}")]
    InvalidJson {
        /// Where and why, without what was sent.
        reason: String,
    },
    /// The client's body lacks a field it must have: 400 `missing_field`.
    #[error("{param} is missing")]
    Missing {
        /// The field.
        param: String,
    },
    /// The client's body is not a request of the dialect it came in: 400 `invalid_field`.
    #[error("{param}: {reason}")]
    Malformed {
        /// The field at fault.
        param: String,
        /// What is wrong and what to send.
        reason: String,
    },
    /// The provider answered with an error status, or with an error inside a stream.
    #[error("{0}")]
    Refused(Box<Refused>),
    /// No answer in time. Never retried on the same target.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// No connection.
    #[error("cannot connect")]
    Connect(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The connection broke after the request was sent: what came of it nobody knows.
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
        /// What it is billed by; `raw` is empty where the provider sent no usage.
        usage: Box<Reported>,
    },
}

/// An error as the provider reported it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{status} {kind:?}: {message}")]
pub struct Refused {
    /// Its HTTP status, after `wire-mapping` corrections (Gemini's 400 for a bad key is 401, Anthropic's 529 is 503).
    pub status: u16,
    /// What it means.
    pub kind: RefusedKind,
    /// The provider's words, at most 300 characters. Not for callers when the stored credential is at fault.
    pub message: String,
    /// The provider's code, for example `context_length_exceeded`.
    pub code: Option<String>,
    /// The parameter it complains of.
    pub param: Option<String>,
    /// How long it asks to wait.
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

impl ProviderError {
    /// What to do next (`api.md`, Routing 2 and 3).
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Unsupported { .. } | Self::Malformed { .. } | Self::Missing { .. } | Self::InvalidJson { .. } => {
                Disposition::Answer
            }
            Self::Timeout(_) | Self::Protocol(_) | Self::BadAnswer { .. } => Disposition::FallBack,
            Self::Connect(_) | Self::Broken(_) => Disposition::Retry(None),
            Self::Refused(refused) => refused.disposition(),
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
