//! The one place where an error becomes an HTTP status. An [`ApiError`] has a public message, a stable code, and a source
//! for the log alone.

use std::time::Duration;

use http::StatusCode;
use tt_core::limits::{RuleKind, Standing};
use tt_core::plan::NoTarget;
use tt_core::{Invalid, NanoUsd, RequestId, Timestamp};
use tt_ledger::LedgerError;
use tt_providers::{Original, PublicError, Refused, RefusedKind, UpstreamError};
use tt_store::{Conflict, Object, StoreError};

use crate::state::budget_accounts::BudgetAccountsError;
use crate::state::compute::ComputeError;
use crate::state::directory::DirectoryError;
use crate::state::memory_limit::MemoryLimitExceeded;

/// The longest message a client is shown, in characters: it may hold what the client sent, or a provider's words about it.
pub(crate) const LONGEST_MESSAGE: usize = 300;

/// The longest list of failed attempts, in characters. It consists of our words, and of [`LONGEST_MESSAGE`] characters of
/// all providers' together.
const LONGEST_LIST_OF_ATTEMPTS: usize = 1000;

/// An error as a client sees it. Its source goes to the log and never to the client.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(crate) struct ApiError(Box<Fault>);

/// The contents of an [`ApiError`]. They are boxed, since every result on a request's path carries one.
#[derive(Debug, thiserror::Error)]
#[error("{status} {code}: {message}")]
pub(crate) struct Fault {
    pub(crate) status: StatusCode,
    pub(crate) kind: &'static str,
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) param: Option<String>,
    pub(crate) retry_after: Option<Duration>,
    /// Tells clients whether another try can help. If it is `None`, the status decides.
    pub(crate) should_retry: Option<bool>,
    pub(crate) allow: Option<String>,
    pub(crate) standing: Option<Standing>,
    /// The error as the provider wrote it, which a client that speaks the provider's dialect gets.
    pub(crate) original: Option<Box<Original>>,
    #[source]
    pub(crate) source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl std::ops::Deref for ApiError {
    type Target = Fault;

    fn deref(&self) -> &Fault {
        &self.0
    }
}

const INVALID: &str = "invalid_request_error";
const UPSTREAM: &str = "upstream_error";
const SERVER: &str = "server_error";
/// The code of a body that is larger than this server, or the provider, takes.
const BODY_TOO_LARGE: &str = "body_too_large";
/// The code of an error by which the server refuses more work than it can do.
const OVERLOADED: &str = "overloaded";

impl ApiError {
    fn new(status: StatusCode, kind: &'static str, code: impl Into<String>, message: impl Into<String>) -> Self {
        let (message, code) = (shortened(message.into(), LONGEST_MESSAGE), code.into());
        Self(Box::new(Fault {
            status,
            kind,
            code,
            message,
            param: None,
            retry_after: None,
            should_retry: None,
            allow: None,
            standing: None,
            original: None,
            source: None,
        }))
    }

    fn about(mut self, param: impl Into<String>) -> Self {
        self.0.param = Some(shortened(param.into(), LONGEST_MESSAGE));
        self
    }

    fn after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    /// Marks the error as one that another try within a minute or so cannot help.
    fn not_again(mut self) -> Self {
        self.0.should_retry = Some(false);
        self
    }

    pub(crate) fn because(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.0.source = Some(Box::new(source));
        self
    }

    pub(crate) fn invalid_json(why: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, INVALID, "invalid_json", format!("The body is not valid JSON: {why}"))
    }

    pub(crate) fn missing_field(field: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, INVALID, "missing_field", format!("The field `{field}` is required."))
            .about(field)
    }

    pub(crate) fn invalid_field(field: impl Into<String>, why: impl std::fmt::Display) -> Self {
        let field = field.into();
        Self::new(StatusCode::BAD_REQUEST, INVALID, "invalid_field", format!("`{field}`: {why}.")).about(field)
    }

    pub(crate) fn unsupported_parameter(param: &str, why: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, INVALID, "unsupported_parameter", format!("`{param}`: {why}.")).about(param)
    }

    pub(crate) fn missing_credentials() -> Self {
        let message = "Send `Authorization: Bearer` with an API key or a session token.";
        Self::new(StatusCode::UNAUTHORIZED, "authentication_error", "missing_credentials", message)
    }

    pub(crate) fn invalid_credentials() -> Self {
        let message = "The credential is wrong, expired or revoked.";
        Self::new(StatusCode::UNAUTHORIZED, "authentication_error", "invalid_credentials", message)
    }

    pub(crate) fn wrong_login() -> Self {
        let message = "The email or the password is wrong.";
        Self::new(StatusCode::UNAUTHORIZED, "authentication_error", "invalid_credentials", message)
    }

    pub(crate) fn login_throttled(wait: Duration) -> Self {
        let message = "Too many failed logins for this account or from this address; wait and try again.";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", "login_throttled", message).after(wait)
    }

    pub(crate) fn signup_throttled(wait: Duration) -> Self {
        let message = "Too many sign-ups from this address; wait and try again.";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", "login_throttled", message).after(wait)
    }

    /// The limit of `limit` requests is reached, and the next request is admitted after `retry_after`.
    pub(crate) fn rate_limited(rule: RuleKind, limit: u64, retry_after: Duration) -> Self {
        let per = match rule {
            RuleKind::UserMinute | RuleKind::KeyMinute => "a minute",
            RuleKind::UserDay | RuleKind::KeyDay => "a day",
        };
        let whose = match rule {
            RuleKind::UserMinute | RuleKind::UserDay => "your account",
            RuleKind::KeyMinute | RuleKind::KeyDay => "this API key",
        };
        let message = format!("The limit of {limit} requests {per} for {whose} is reached; wait and try again.");
        let error = Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", "rate_limit_exceeded", message)
            .after(retry_after)
            .standing(Some(Standing { limit, remaining: 0, reset: retry_after }));
        match rule {
            RuleKind::UserMinute | RuleKind::KeyMinute => error,
            RuleKind::UserDay | RuleKind::KeyDay => error.not_again(),
        }
    }

    /// There were `limit` calls to `/auth` and `/manage` in a minute, and the next is admitted after `wait`.
    pub(crate) fn too_many_calls(whose: &str, limit: u64, wait: Duration) -> Self {
        let message = format!("The limit of {limit} calls a minute to /auth and /manage for {whose} is reached; wait.");
        Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", "rate_limit_exceeded", message).after(wait)
    }

    pub(crate) fn limits_unavailable() -> Self {
        let message = "Limits cannot be checked while Redis is away; try again soon.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, SERVER, "limits_unavailable", message).after(Duration::from_secs(1))
    }

    /// Budgets cannot be checked, for a reason that the caller cannot change.
    fn budgets_unavailable(why: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, SERVER, "limits_unavailable", why).after(Duration::from_secs(1))
    }

    /// A budget does not cover what the request of the time `at` may cost. `which` says the budget's period and its owner.
    pub(crate) fn budget_exceeded(
        which: &str,
        limit: NanoUsd,
        spent: NanoUsd,
        held: NanoUsd,
        asked: NanoUsd,
        resets_at: Option<Timestamp>,
        at: Timestamp,
    ) -> Self {
        let resets =
            resets_at.map_or_else(|| "It does not reset".to_owned(), |at| format!("It resets at {}", at.rfc3339()));
        let message = format!(
            "The budget of {limit} USD {which} does not cover this request, which may cost up to {asked} USD: {spent} \
             USD are spent and {held} USD are held for requests under way. {resets}."
        );
        let mut error =
            Self::new(StatusCode::TOO_MANY_REQUESTS, "insufficient_quota", "budget_exceeded", message).not_again();
        error.0.retry_after = resets_at.map(|resets_at| {
            Duration::from_millis(u64::try_from(resets_at.millis().saturating_sub(at.millis())).unwrap_or(0))
        });
        error
    }

    pub(crate) fn model_unpriced() -> Self {
        let message = "The model has no price, so a budget cannot hold what it may cost; use another, or have an \
                       administrator set its price.";
        Self::new(StatusCode::BAD_REQUEST, INVALID, "model_unpriced", message).about("model")
    }

    /// Adds the part of the caller's request limits that is left, for the headers, unless the error says so already.
    pub(crate) fn standing(mut self, standing: Option<Standing>) -> Self {
        self.0.standing = self.0.standing.take().or(standing);
        self
    }

    pub(crate) fn forbidden(why: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "permission_error", "forbidden", why)
    }

    pub(crate) fn own_account() -> Self {
        let message = "An administrator cannot demote or disable themself; another one can.";
        Self::conflict("own_account", message)
    }

    pub(crate) fn alias_not_allowed() -> Self {
        let message = "This API key may not name that model: see its `allowed_aliases`.";
        Self::new(StatusCode::FORBIDDEN, "permission_error", "alias_not_allowed", message).about("model")
    }

    pub(crate) fn route_not_found() -> Self {
        let message = "There is nothing at this path.";
        Self::new(StatusCode::NOT_FOUND, "not_found_error", "route_not_found", message)
    }

    pub(crate) fn not_found(what: &str) -> Self {
        let message = format!("There is no such {}.", what.replace('_', " "));
        Self::new(StatusCode::NOT_FOUND, "not_found_error", format!("{what}_not_found"), message)
    }

    pub(crate) fn model_not_found(why: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found_error", "model_not_found", why).about("model")
    }

    pub(crate) fn method_not_allowed(allow: String) -> Self {
        let message = format!("This path takes {allow}.");
        let mut error = Self::new(StatusCode::METHOD_NOT_ALLOWED, INVALID, "method_not_allowed", message);
        error.0.allow = Some(allow);
        error
    }

    pub(crate) fn no_websocket() -> Self {
        let message = "There is no WebSocket here: send requests with POST.";
        Self::new(StatusCode::UPGRADE_REQUIRED, INVALID, "upgrade_required", message)
    }

    pub(crate) fn request_timeout() -> Self {
        let message = "The body did not arrive in time.";
        Self::new(StatusCode::REQUEST_TIMEOUT, INVALID, "request_timeout", message)
    }

    pub(crate) fn incomplete_body() -> Self {
        let message = "The body ended early or is not framed as HTTP says.";
        Self::new(StatusCode::BAD_REQUEST, INVALID, "incomplete_body", message)
    }

    pub(crate) fn body_too_large(cap_bytes: usize) -> Self {
        let message = format!("The body is larger than {cap_bytes} bytes.");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, INVALID, BODY_TOO_LARGE, message)
    }

    /// A body within the cap whose many values take more memory than one user may hold.
    fn too_large_to_read() -> Self {
        let message = "The body holds so many values that reading it takes more memory than one user may hold.";
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, INVALID, "body_too_large", message)
    }

    pub(crate) fn unsupported_media_type() -> Self {
        let message = "Send `content-type: application/json`.";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, INVALID, "unsupported_media_type", message)
    }

    pub(crate) fn conflict(code: &str, message: &str) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict_error", code, message)
    }

    pub(crate) fn overloaded() -> Self {
        let message = "The server holds as much as it may; try again soon.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, SERVER, OVERLOADED, message).after(Duration::from_secs(1))
    }

    /// The worker is behind its work. The client may ask again after this time.
    pub(crate) fn behind(ask_again_after: Duration) -> Self {
        let message = "The server has more to do than it can; try again soon.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, SERVER, OVERLOADED, message).after(ask_again_after)
    }

    /// There are as many connections as there may be.
    pub(crate) fn too_many_connections() -> Self {
        let message = "Too many connections are open, of yours or of all clients together; try again soon.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, SERVER, OVERLOADED, message).after(Duration::from_secs(1))
    }

    /// True if the server refused because it has enough to do. Nothing is wrong with it then.
    pub(crate) fn is_overload(&self) -> bool {
        self.code == OVERLOADED
    }

    pub(crate) fn ledger_unavailable() -> Self {
        let message = "The ledger cannot take the request; what cannot be accounted for is not sent.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, SERVER, "ledger_unavailable", message).after(Duration::from_secs(5))
    }

    pub(crate) fn store_unavailable() -> Self {
        let message = "The store does not answer; try again soon.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, SERVER, "store_unavailable", message).after(Duration::from_secs(5))
    }

    pub(crate) fn internal() -> Self {
        let message = "Something went wrong here; the request id leads to the log.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, SERVER, "internal_error", message)
    }

    /// An error in the caller's request that a provider reported, with the provider's status and message.
    pub(crate) fn refused(refused: &Refused) -> Self {
        let status = StatusCode::from_u16(refused.status).unwrap_or(StatusCode::BAD_REQUEST);
        let code = match &refused.code {
            // The providers have different codes for this, and some hosts have none.
            _ if status == StatusCode::PAYLOAD_TOO_LARGE => BODY_TOO_LARGE.to_owned(),
            Some(code) => code.clone(),
            None => "invalid_field".to_owned(),
        };
        let mut error = Self::new(status, INVALID, code, refused.message.clone());
        error.0.param = refused.param.clone().map(|param| shortened(param, LONGEST_MESSAGE));
        error.0.should_retry = refused.should_retry;
        if refused.original.is_some() {
            error.0.original.clone_from(&refused.original);
            error.0.retry_after = refused.retry_after;
        }
        error
    }

    /// Every attempt failed. `attempts` describes each of them. `last`, the last failure, decides the status: 504 for a
    /// timeout, 429 for a provider's rate limit, 400 for a conversation that is too long, else 502. `last` is `None` if
    /// the last target could not be asked. A client that gets the last error as the provider wrote it gets the provider's
    /// status too, unless the fault is that of the stored credential.
    pub(crate) fn all_attempts_failed(attempts: &str, last: Option<&UpstreamError>) -> Self {
        let mut error = Self::last_failure(last);
        if let Some(UpstreamError::Refused(refused)) = last
            && let (Some(original), Ok(status)) = (&refused.original, StatusCode::from_u16(refused.status))
            && refused.kind != RefusedKind::Credential
        {
            error.0.original = Some(original.clone());
            error.0.status = status;
            error.0.retry_after = refused.retry_after;
            let over = matches!(status, StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT);
            error.0.should_retry = refused.should_retry.or_else(|| over.then_some(false));
        }
        let message = format!("Every attempt failed: {attempts}.");
        error.saying(shortened(message, LONGEST_LIST_OF_ATTEMPTS))
    }

    /// The error that the last of several failures makes of them all. Another try has been made already wherever it could help.
    fn last_failure(last: Option<&UpstreamError>) -> Self {
        let timeout = || Self::new(StatusCode::GATEWAY_TIMEOUT, UPSTREAM, "upstream_timeout", "").not_again();
        match last {
            Some(UpstreamError::Timeout(_)) => timeout(),
            Some(UpstreamError::Refused(refused)) if refused.kind == RefusedKind::ContextLength => {
                Self::new(StatusCode::BAD_REQUEST, INVALID, "context_length_exceeded", "").about("messages")
            }
            Some(UpstreamError::Refused(refused)) if refused.status == 429 => {
                let mut error =
                    Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", "upstream_rate_limited", "");
                error.0.should_retry = refused.should_retry;
                match refused.retry_after {
                    Some(wait) => error.after(wait),
                    None => error,
                }
            }
            Some(UpstreamError::Refused(refused)) if refused.status == 504 => timeout(),
            _ => Self::new(StatusCode::BAD_GATEWAY, UPSTREAM, "all_attempts_failed", "").not_again(),
        }
    }

    fn saying(mut self, message: String) -> Self {
        self.0.message = message;
        self
    }

    /// A stream broke after a part of it had been sent to the client. `reason` describes the failure and holds no secret.
    pub(crate) fn stream_broke(error: &UpstreamError, reason: &str) -> Self {
        let code = match error {
            UpstreamError::Timeout(_) => "upstream_timeout",
            _ => "upstream_invalid_response",
        };
        let message = format!("The provider's stream broke: {reason}. What came before it is incomplete.");
        let mut broke = Self::new(StatusCode::BAD_GATEWAY, UPSTREAM, code, message);
        if let UpstreamError::Refused(refused) = error
            && refused.kind != RefusedKind::Credential
        {
            broke.0.original.clone_from(&refused.original);
        }
        broke
    }

    /// The part of the error that a client may see, to be written in the words of the client's dialect. `id` is that of
    /// the request.
    pub(crate) fn public(&self, id: RequestId) -> PublicError<'_> {
        PublicError {
            status: self.status.as_u16(),
            kind: self.kind,
            code: &self.code,
            message: &self.message,
            param: self.param.as_deref(),
            retry_after: self.retry_after,
            request_id: Some(id.0),
            original: self.original.as_ref().map(|original| original.body.as_ref()),
        }
    }

    /// The error as a JSON body, for a path that has no dialect: `{"error":{…}}`.
    pub(crate) fn body(&self) -> Vec<u8> {
        let error = serde_json::json!({
            "error": { "message": self.message, "type": self.kind, "code": self.code, "param": self.param }
        });
        error.to_string().into_bytes()
    }
}

/// The first `most` characters of `text`.
pub(crate) fn shortened(mut text: String, most: usize) -> String {
    if let Some((cut, _)) = text.char_indices().nth(most) {
        text.truncate(cut);
    }
    text
}

impl From<Invalid> for ApiError {
    fn from(invalid: Invalid) -> Self {
        Self::invalid_field(invalid.field, invalid.reason)
    }
}

impl From<NoTarget> for ApiError {
    fn from(none: NoTarget) -> Self {
        match none {
            NoTarget::UnknownModel => Self::model_not_found(
                "There is no alias of that name; make one with POST /manage/aliases or write provider/model.",
            ),
            NoTarget::NoKey(provider) => {
                Self::model_not_found(format!("You have no {provider} key; store one with POST /manage/providers."))
            }
            NoTarget::InvalidModel(invalid) => Self::invalid_field("model", invalid.reason),
        }
    }
}

impl From<MemoryLimitExceeded> for ApiError {
    fn from(exceeded: MemoryLimitExceeded) -> Self {
        match exceeded {
            MemoryLimitExceeded::Full => Self::overloaded().because(exceeded),
            MemoryLimitExceeded::TooLarge => Self::too_large_to_read(),
        }
    }
}

impl From<ComputeError> for ApiError {
    fn from(error: ComputeError) -> Self {
        match error {
            ComputeError::Busy => Self::overloaded().because(error),
            ComputeError::Panicked => Self::internal().because(error),
        }
    }
}

impl From<DirectoryError> for ApiError {
    fn from(error: DirectoryError) -> Self {
        match error {
            DirectoryError::TimedOut(_) => Self::store_unavailable().because(error),
            DirectoryError::Store(error) => error.into(),
        }
    }
}

impl From<BudgetAccountsError> for ApiError {
    fn from(error: BudgetAccountsError) -> Self {
        let message = match error {
            BudgetAccountsError::Uncounted => {
                "Budgets need REDIS_URL where the database is PostgreSQL; the operator has not set it."
            }
            BudgetAccountsError::Unavailable | BudgetAccountsError::Store(_) => {
                "Budgets cannot be checked at the moment, and are not guessed; try again soon."
            }
        };
        Self::budgets_unavailable(message).because(error)
    }
}

impl From<LedgerError> for ApiError {
    fn from(error: LedgerError) -> Self {
        Self::ledger_unavailable().because(error)
    }
}

impl From<tt_crypto::Error> for ApiError {
    fn from(error: tt_crypto::Error) -> Self {
        match error {
            tt_crypto::Error::Busy => Self::overloaded().because(error),
            _ => Self::internal().because(error),
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound(object) => Self::not_found(match object {
                Object::User => "user",
                Object::Session => "session",
                Object::ApiKey => "api_key",
                Object::ProviderKey => "provider_key",
                Object::Alias => "alias",
                Object::Webhook => "webhook",
                Object::Delivery => "delivery",
            }),
            StoreError::Conflict(conflict) => match conflict {
                Conflict::EmailTaken => Self::conflict("email_taken", "A user with this email exists; log in instead."),
                Conflict::AliasTaken => Self::conflict("alias_taken", "Another alias has this name."),
                Conflict::AliasInUse => {
                    Self::conflict("alias_in_use", "Another alias falls back to this one; change that one first.")
                }
                Conflict::ProviderKeyInUse => {
                    Self::conflict("provider_key_in_use", "An alias uses this provider key; change that one first.")
                }
                Conflict::QuotaExceeded(quota) => {
                    let message =
                        format!("You have {} {quota}, the most there may be; delete one first.", quota.most());
                    Self::conflict("quota_exceeded", &message)
                }
            },
            StoreError::Invalid(invalid) => invalid.into(),
            StoreError::Unavailable(_) => Self::store_unavailable().because(error),
            StoreError::Query(_) | StoreError::SchemaNewer(_) | StoreError::BadUrl(_) => {
                Self::internal().because(error)
            }
        }
    }
}

#[cfg(test)]
mod tests;
