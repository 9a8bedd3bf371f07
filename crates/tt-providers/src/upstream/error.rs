//! Failures of a provider or of the connection to it, and the next step after each.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use tt_core::health::Fault;
use tt_core::usage::Reported;

/// The failure of a call of a provider.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// The provider answered with an error status, or with an error inside a stream.
    #[error("{0}")]
    Refused(Box<Refused>),
    /// The provider did not answer in time. The same target is not tried again.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// No connection could be opened, so nothing was sent.
    #[error("cannot connect")]
    Connect(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The connection broke after the request was sent; whether the provider served it is not known.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// The answer cannot be read, or ended early.
    #[error("unreadable answer: {0}")]
    Protocol(String),
    /// The answer was not read, for a reason of this process: there is no memory for it.
    #[error("the answer was not read: {0}")]
    Unread(String),
    /// The answer is whole but of no use (Gemini `MALFORMED_FUNCTION_CALL`). The provider bills it all the same.
    #[error("unusable answer: {reason}")]
    BadAnswer {
        /// The provider's name for the reason.
        reason: String,
        /// The usage that is billed; `raw` is empty where the provider sent none.
        usage: Box<Reported>,
    },
}

/// An error as the provider reported it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{status} {kind:?}: {message}")]
pub struct Refused {
    /// The HTTP status. It is corrected where the provider's status does not fit its message: Gemini's 400 for a bad
    /// key becomes 401.
    pub status: u16,
    /// The kind of error, by status and code.
    pub kind: RefusedKind,
    /// The provider's message, at most 300 characters. Callers do not see it when the stored credential is at fault.
    pub message: String,
    /// The provider's code, for example `context_length_exceeded`.
    pub code: Option<String>,
    /// The name of the parameter at fault, as the provider gives it.
    pub param: Option<String>,
    /// The wait that the provider asks for before the next request; at most a day.
    pub retry_after: Option<Duration>,
    /// The provider's own word (`x-should-retry`) on whether the same request may succeed later.
    pub should_retry: Option<bool>,
    /// The error as it came, for clients of the same dialect; `None` in dialects whose errors are always written anew, and
    /// for a body that is no error of the dialect.
    pub original: Option<Box<Original>>,
}

/// An error as a provider wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Original {
    /// The JSON of the error.
    pub body: Bytes,
    /// The headers that a client of the same dialect gets with it, such as those of the provider's rate limits. They do not
    /// have the wait and the word on another try.
    pub headers: HeaderMap,
}

/// The kind of an error that a provider reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusedKind {
    /// The request is wrong: the caller's own error.
    Invalid,
    /// The prompt is longer than the model takes.
    ContextLength,
    /// The stored credential is wrong, may not do this or is out of money (401, 402, 403).
    Credential,
    /// The provider does not know the model (404).
    NotFound,
    /// The account has sent too many requests or spent its quota (429).
    RateLimited,
    /// The provider reports a time-out (408, 504).
    Timeout,
    /// The request conflicts with the provider's state (409).
    Conflict,
    /// The provider failed (5xx).
    Server,
}

/// The step after a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// The caller is at fault: the error is the answer.
    Answer,
    /// The next target is tried.
    FallBack,
    /// The same target is tried again, after this wait where the provider names one; if that fails too, the next
    /// target.
    Retry(Option<Duration>),
}

/// The wait of a 429 must be shorter than this for the same target to be tried again.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

impl UpstreamError {
    /// The next step. The same target is tried again where that may help and no long answer can be billed twice. A
    /// time-out leads to the next target at once, since the caller has waited already.
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Timeout(_) | Self::Protocol(_) | Self::Unread(_) | Self::BadAnswer { .. } => Disposition::FallBack,
            Self::Connect(_) | Self::Broken(_) => Disposition::Retry(None),
            Self::Refused(refused) => refused.disposition(),
        }
    }

    /// The failure without the error as the provider wrote it, which only clients of the provider's dialect can read.
    #[must_use]
    pub fn without_original(mut self) -> Self {
        if let Self::Refused(refused) = &mut self {
            refused.original = None;
        }
        self
    }

    /// The failure as it counts towards a rest of the target. `None`: it says nothing about the next request, because the
    /// caller or this process is at fault, or the answer to this one request cannot be used.
    pub const fn fault(&self) -> Option<Fault> {
        match self {
            Self::Connect(_) | Self::Broken(_) => Some(Fault::Connection),
            Self::Timeout(_) => Some(Fault::TimeOut),
            Self::Refused(refused) => refused.fault(),
            Self::Protocol(_) | Self::Unread(_) | Self::BadAnswer { .. } => None,
        }
    }

    /// The reason for the failure, safe to show to the caller. If the stored credential is at fault, the message of the
    /// provider is replaced: it may quote the key.
    pub fn public_reason(&self) -> String {
        match self {
            Self::Refused(refused) if refused.kind == RefusedKind::Credential => {
                format!("{} (the provider does not take the stored key, or its account)", refused.status)
            }
            Self::Refused(refused) => format!("{} {}", refused.status, refused.message.trim_end_matches('.')),
            other => other.to_string(),
        }
    }

    /// The kind of failure for the log, which does not get the message of the provider: it may quote the prompt.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Refused(_) => "an error event",
            Self::Timeout(_) => "no more data in time",
            Self::Connect(_) | Self::Broken(_) => "the connection broke",
            Self::BadAnswer { .. } | Self::Protocol(_) => "unreadable",
            Self::Unread(_) => "no room for the answer",
        }
    }
}

impl Refused {
    const fn fault(&self) -> Option<Fault> {
        match self.kind {
            RefusedKind::Credential if self.status == 403 => Some(Fault::Forbidden),
            RefusedKind::Credential => Some(Fault::Key(self.status)),
            RefusedKind::RateLimited => Some(Fault::RateLimited(self.retry_after)),
            RefusedKind::Timeout => Some(Fault::TimeOut),
            RefusedKind::Server => Some(Fault::Server(self.status)),
            RefusedKind::Invalid | RefusedKind::ContextLength | RefusedKind::NotFound | RefusedKind::Conflict => None,
        }
    }

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

/// The JSON error and its line and column. It does not quote the text, which may be a prompt or an answer.
pub(crate) fn json_error(error: &serde_json::Error) -> String {
    if error.is_data() {
        format!("a value of the wrong type at line {} column {}", error.line(), error.column())
    } else {
        error.to_string()
    }
}

/// The status with its name (`502 Bad Gateway`): the message of an error whose body cannot be read.
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

    fn refused_by(kind: RefusedKind, status: u16) -> UpstreamError {
        let message = "the key sk-secret is wrong.".to_owned();
        let refused = Refused {
            status,
            kind,
            message,
            code: None,
            param: None,
            retry_after: Some(Duration::from_secs(7)),
            should_retry: None,
            original: None,
        };
        UpstreamError::Refused(Box::new(refused))
    }

    #[test]
    fn what_the_target_is_at_fault_for_counts_towards_its_rest() {
        let fault = |kind, status| refused_by(kind, status).fault().map(|fault| fault.to_string());
        for (kind, status, counts) in [
            (RefusedKind::Credential, 401, true),
            (RefusedKind::Credential, 402, true),
            (RefusedKind::Credential, 403, true),
            (RefusedKind::RateLimited, 429, true),
            (RefusedKind::Server, 529, true),
            (RefusedKind::Invalid, 400, false),
            (RefusedKind::ContextLength, 400, false),
            (RefusedKind::NotFound, 404, false),
            (RefusedKind::Conflict, 409, false),
        ] {
            assert_eq!(fault(kind, status), counts.then(|| status.to_string()), "{status}");
        }
        assert_eq!(fault(RefusedKind::Timeout, 408).as_deref(), Some("timeout"));
        assert_eq!(UpstreamError::Broken("here".to_owned()).fault(), Some(Fault::Connection));
        assert_eq!(UpstreamError::Timeout(Duration::ZERO).fault(), Some(Fault::TimeOut));
        assert_eq!(UpstreamError::Protocol("no JSON".to_owned()).fault(), None);
        let waits = refused_by(RefusedKind::RateLimited, 429).fault();
        assert_eq!(waits, Some(Fault::RateLimited(Some(Duration::from_secs(7)))));
    }

    #[test]
    fn a_stored_keys_fault_is_not_told_in_the_providers_words() {
        let refused = |kind, status| refused_by(kind, status).public_reason();
        assert_eq!(
            refused(RefusedKind::Credential, 401),
            "401 (the provider does not take the stored key, or its account)"
        );
        assert_eq!(refused(RefusedKind::Invalid, 400), "400 the key sk-secret is wrong");
    }
}
