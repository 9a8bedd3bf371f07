//! A row of the route table: a path with its credential, its largest body, its handler and its description.

use std::future::Future;
use std::pin::Pin;

use http::{HeaderName, Method};
use tt_core::Dialect;

use crate::edge::context::Context;
use crate::edge::credentials::Need;
use crate::edge::error::ApiError;
use crate::edge::reply::Reply;
use crate::openapi::operation::Describe;
use crate::state::directory::KnownCaller;

pub(crate) type Answer = Pin<Box<dyn Future<Output = Result<Reply, ApiError>> + Send>>;

/// A handler. One that needs a caller has another type than one that does not, so that it cannot be listed as public by
/// mistake.
#[derive(Clone, Copy)]
pub(crate) enum Handler {
    /// The handler takes no credential.
    Public(fn(Box<Context>) -> Answer),
    /// The handler takes a credential, and gets its owner as the caller.
    Authed(Need, fn(Box<Context>, KnownCaller) -> Answer),
}

/// The largest body of a call.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cap {
    /// The body may have this many bytes.
    Bytes(usize),
    /// The body may have `MAX_BODY_BYTES`.
    Proxy,
}

/// The description of a row in the OpenAPI document.
#[derive(Clone, Copy)]
pub(crate) enum About {
    /// The row is a call of the API.
    Call(Describe),
    /// The row is a page for people, or a file of one. The document does not list it.
    Page,
}

/// A row of the table.
pub(crate) struct Route {
    pub(crate) method: Method,
    pub(crate) pattern: &'static str,
    pub(crate) cap: Cap,
    pub(crate) handler: Handler,
    /// The dialect that the route's errors are written in. If it is `None`, they are written as the management API's
    /// errors.
    pub(crate) dialect: Option<Dialect>,
    pub(crate) about: About,
}

impl Route {
    /// True for a call that the limit of calls to `/auth` and `/manage` counts.
    pub(crate) fn is_for_accounts(&self) -> bool {
        self.pattern.starts_with("/auth/") || self.pattern.starts_with("/manage/")
    }

    /// The dialect of the client, on the paths that have one. A list of models comes as the API `asked` gives it, if the
    /// client asks for that of a certain API.
    pub(crate) fn dialect_of(&self, asked: Option<Dialect>) -> Option<Dialect> {
        asked.filter(|_| self.is_list_of_models()).or(self.dialect)
    }

    pub(crate) fn is_list_of_models(&self) -> bool {
        self.method == Method::GET && self.pattern.starts_with("/v1/models")
    }

    /// True for a call of a model, which a server that is behind may refuse. Calls for accounts are few, and those who operate
    /// the server need them then.
    pub(crate) fn is_call_of_model(&self) -> bool {
        matches!(self.cap, Cap::Proxy) && !self.is_for_accounts()
    }

    /// True for a call of a model in the dialect of Gemini, whose path ends with the method.
    pub(crate) fn is_call_of_gemini(&self) -> bool {
        self.dialect == Some(Dialect::Gemini) && self.method == Method::POST
    }

    /// The header that may hold an API key here beside `Authorization`, as the clients of Anthropic and Gemini send it.
    /// `dialect` is that of the client.
    pub(crate) fn key_header(&self, dialect: Option<Dialect>) -> Option<HeaderName> {
        if dialect == Some(Dialect::Gemini) {
            return Some(HeaderName::from_static("x-goog-api-key"));
        }
        let takes = dialect == Some(Dialect::AnthropicMessages) || self.is_list_of_models();
        takes.then_some(HeaderName::from_static("x-api-key"))
    }

    /// True if the answer is one caller's own, or holds a credential. No cache may keep such an answer.
    pub(crate) fn takes_or_gives_credentials(&self) -> bool {
        matches!(self.handler, Handler::Authed(..)) || self.pattern.starts_with("/auth/")
    }
}
