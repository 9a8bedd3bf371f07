//! The route table: the paths that exist, and for each the credential it takes, the largest body, and the handler.

use std::future::Future;
use std::pin::Pin;
use std::sync::LazyLock;

use http::{HeaderName, Method};
use tt_core::Dialect;

use crate::auth::{account, keys, sessions};
use crate::edge::context::Context;
use crate::edge::credentials::Need;
use crate::edge::error::ApiError;
use crate::edge::reply::Reply;
use crate::manage::{
    aliases, audit, budgets, decision, gaps, logs, model_lists, prices, providers, usage, users, whatif,
};
use crate::state::directory::KnownCaller;
use crate::{gemini_models, health, key, models, pages};

type Answer = Pin<Box<dyn Future<Output = Result<Reply, ApiError>> + Send>>;

/// A handler. One that needs a caller has another type than one that does not, so that it cannot be listed as public by
/// mistake.
#[derive(Clone, Copy)]
pub(crate) enum Handler {
    /// The handler takes no credential.
    Public(fn(Context) -> Answer),
    /// The handler takes a credential, and gets its owner as the caller.
    Authed(Need, fn(Context, KnownCaller) -> Answer),
}

/// The largest body of a call.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cap {
    /// The body may have this many bytes.
    Bytes(usize),
    /// The body may have `MAX_BODY_BYTES`.
    Proxy,
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

    fn is_list_of_models(&self) -> bool {
        self.method == Method::GET && self.pattern.starts_with("/v1/models")
    }

    /// True for a call of a model in the dialect of Gemini, whose path ends with the method.
    fn is_call_of_gemini(&self) -> bool {
        self.dialect == Some(GEMINI) && self.method == Method::POST
    }

    /// The header that may hold an API key here beside `Authorization`, as the clients of Anthropic and Gemini send it.
    /// `dialect` is that of the client.
    pub(crate) fn key_header(&self, dialect: Option<Dialect>) -> Option<HeaderName> {
        if dialect == Some(GEMINI) {
            return Some(HeaderName::from_static("x-goog-api-key"));
        }
        let takes = dialect == Some(ANTHROPIC) || self.is_list_of_models();
        takes.then_some(HeaderName::from_static("x-api-key"))
    }

    /// True if the answer is one caller's own, or holds a credential. No cache may keep such an answer.
    pub(crate) fn takes_or_gives_credentials(&self) -> bool {
        matches!(self.handler, Handler::Authed(..)) || self.pattern.starts_with("/auth/")
    }
}

macro_rules! public {
    ($handler:path) => {
        Handler::Public(|cx| {
            Box::pin(async move { Ok(crate::edge::reply::IntoReply::into_reply($handler(cx).await?)) })
        })
    };
}

macro_rules! authed {
    ($need:ident, $handler:path) => {
        Handler::Authed(Need::$need, |cx, who| {
            Box::pin(async move { Ok(crate::edge::reply::IntoReply::into_reply($handler(cx, who).await?)) })
        })
    };
}

const fn route(method: Method, pattern: &'static str, cap: Cap, handler: Handler) -> Route {
    Route { method, pattern, cap, handler, dialect: None }
}

/// A row for clients of a dialect.
const fn proxied(dialect: Dialect, method: Method, pattern: &'static str, cap: Cap, handler: Handler) -> Route {
    Route { method, pattern, cap, handler, dialect: Some(dialect) }
}

const OPENAI: Dialect = Dialect::OpenAiChat;
const ANTHROPIC: Dialect = Dialect::AnthropicMessages;
const GEMINI: Dialect = Dialect::Gemini;
const RESPONSES: Dialect = Dialect::OpenAiResponses;
const EMBEDDINGS: Dialect = Dialect::OpenAiEmbeddings;

const NONE: Cap = Cap::Bytes(0);
const SMALL: Cap = Cap::Bytes(16 * 1024);

/// The table. A path that is not in it does not exist.
#[rustfmt::skip]
static ROUTES: &[Route] = &[
    route(Method::GET,    "/health",                    NONE,       public!(health::health)),
    route(Method::GET,    "/health/ready",              NONE,       public!(health::ready)),

    route(Method::GET,    "/",                          NONE,       public!(pages::show)),
    route(Method::GET,    "/dashboard",                 NONE,       public!(pages::show)),
    route(Method::GET,    "/dashboard/{*page}",         NONE,       public!(pages::show)),
    route(Method::GET,    "/dashboard/",                NONE,       public!(pages::show)),
    route(Method::GET,    "/docs",                      NONE,       public!(pages::show)),
    route(Method::GET,    "/docs/",                     NONE,       public!(pages::show)),
    route(Method::GET,    "/assets/{*file}",            NONE,       public!(pages::show)),
    route(Method::GET,    "/favicon.svg",               NONE,       public!(pages::show)),

    route(Method::POST,   "/auth/signup",               SMALL,      public!(account::signup)),
    route(Method::POST,   "/auth/login",                SMALL,      public!(sessions::login)),
    route(Method::GET,    "/auth/me",                   NONE,       authed!(Any, account::me)),
    route(Method::POST,   "/auth/key",                  SMALL,      authed!(Session, keys::create)),
    route(Method::GET,    "/auth/keys",                 NONE,       authed!(Session, keys::list)),
    route(Method::DELETE, "/auth/keys/{id}",            NONE,       authed!(Session, keys::revoke)),
    route(Method::POST,   "/auth/keys/{id}/rotate",     SMALL,      authed!(Session, keys::rotate)),
    route(Method::GET,    "/auth/sessions",             NONE,       authed!(Session, sessions::list)),
    route(Method::DELETE, "/auth/sessions/{id}",        NONE,       authed!(Session, sessions::end)),
    route(Method::POST,   "/auth/password",             SMALL,      authed!(Session, account::change_password)),
    route(Method::POST,   "/auth/logout",               SMALL,      authed!(Session, sessions::logout)),

    route(Method::POST,   "/manage/providers",          SMALL,      authed!(Manage, providers::create)),
    route(Method::GET,    "/manage/providers",          NONE,       authed!(Manage, providers::list)),
    route(Method::PATCH,  "/manage/providers/{id}",     SMALL,      authed!(Manage, providers::update)),
    route(Method::DELETE, "/manage/providers/{id}",     NONE,       authed!(Manage, providers::delete)),

    route(Method::POST,   "/manage/providers/{id}/test", SMALL,     authed!(Manage, model_lists::test)),
    route(Method::GET,    "/manage/providers/{id}/models", NONE,    authed!(Manage, model_lists::of_key)),
    route(Method::GET,    "/manage/models",             NONE,       authed!(Manage, model_lists::of_all)),

    route(Method::POST,   "/manage/aliases",            SMALL,      authed!(Manage, aliases::put)),
    route(Method::GET,    "/manage/aliases",            NONE,       authed!(Manage, aliases::list)),
    route(Method::PATCH,  "/manage/aliases/{alias}",    SMALL,      authed!(Manage, aliases::update)),
    route(Method::DELETE, "/manage/aliases/{alias}",    NONE,       authed!(Manage, aliases::delete)),

    route(Method::POST,   "/manage/route",              Cap::Proxy, authed!(Manage, decision::route)),

    route(Method::GET,    "/manage/users",              NONE,       authed!(Manage, users::list)),
    route(Method::PATCH,  "/manage/users/{id}",         SMALL,      authed!(Manage, users::update)),

    route(Method::GET,    "/manage/budgets",            NONE,       authed!(Manage, budgets::show)),
    route(Method::PUT,    "/manage/budgets",            SMALL,      authed!(Manage, budgets::put)),

    route(Method::GET,    "/manage/usage",              NONE,       authed!(Manage, usage::usage)),
    route(Method::GET,    "/manage/logs",               NONE,       authed!(Manage, logs::list)),
    route(Method::GET,    "/manage/logs/{request_id}",  NONE,       authed!(Manage, logs::show)),
    route(Method::GET,    "/manage/ledger/gaps",        NONE,       authed!(Manage, gaps::gaps)),

    route(Method::GET,    "/manage/whatif",             NONE,       authed!(Manage, whatif::whatif)),

    route(Method::GET,    "/manage/audit",              NONE,       authed!(Manage, audit::list)),

    route(Method::GET,    "/manage/prices",             NONE,       authed!(Manage, prices::list)),
    route(Method::POST,   "/manage/prices/rerate",      SMALL,      authed!(Manage, prices::rerate)),
    route(Method::PUT,    "/manage/prices/{provider}/{*model}", SMALL, authed!(Manage, prices::set)),

    proxied(OPENAI, Method::POST, "/v1/chat/completions", Cap::Proxy, authed!(Proxy, crate::proxy::complete)),
    proxied(ANTHROPIC, Method::POST, "/v1/messages",      Cap::Proxy, authed!(Proxy, crate::proxy::complete)),
    proxied(RESPONSES, Method::POST, "/v1/responses",     Cap::Proxy, authed!(Proxy, crate::proxy::complete)),
    proxied(EMBEDDINGS, Method::POST, "/v1/embeddings",   Cap::Proxy, authed!(Proxy, crate::proxy::complete)),
    proxied(RESPONSES, Method::GET, "/v1/responses",      NONE,       public!(crate::responses::no_websocket)),
    proxied(ANTHROPIC, Method::POST, "/v1/messages/count_tokens", Cap::Proxy, authed!(Proxy, crate::proxy::complete)),
    proxied(OPENAI, Method::GET,  "/v1/key",              NONE,       authed!(Any, key::show)),
    proxied(OPENAI, Method::GET,  "/v1/models",           NONE,       authed!(Proxy, models::list)),
    proxied(OPENAI, Method::GET,  "/v1/models/{*model}",  NONE,       authed!(Proxy, models::show)),

    proxied(GEMINI, Method::POST, "/v1beta/models/{*model}", Cap::Proxy, authed!(Proxy, crate::proxy::generate_content)),
    proxied(GEMINI, Method::POST, "/v1/models/{*model}",  Cap::Proxy, authed!(Proxy, crate::proxy::generate_content)),
    // The AI SDK for Google writes no `models/` before a name with a slash, as `provider/model` is.
    proxied(GEMINI, Method::POST, "/v1beta/openai/{*model}", Cap::Proxy, authed!(Proxy, crate::proxy::generate_content)),
    proxied(GEMINI, Method::POST, "/v1beta/anthropic/{*model}", Cap::Proxy, authed!(Proxy, crate::proxy::generate_content)),
    proxied(GEMINI, Method::POST, "/v1beta/gemini/{*model}", Cap::Proxy, authed!(Proxy, crate::proxy::generate_content)),
    proxied(GEMINI, Method::GET,  "/v1beta/models",       NONE,       authed!(Proxy, gemini_models::list)),
    proxied(GEMINI, Method::GET,  "/v1beta/models/{*model}", NONE,    authed!(Proxy, gemini_models::show)),
];

/// The patterns of paths, each with the rows that share it.
static PATHS: LazyLock<matchit::Router<Vec<&'static Route>>> = LazyLock::new(|| {
    let mut router = matchit::Router::new();
    let mut patterns: Vec<&'static str> = Vec::new();
    for row in ROUTES {
        if !patterns.contains(&row.pattern) {
            patterns.push(row.pattern);
        }
    }
    for pattern in patterns {
        let rows = ROUTES.iter().filter(|row| row.pattern == pattern).collect();
        // Cannot happen: the table is constant, and the test `every_row_is_found` shows that no two patterns clash.
        if let Err(error) = router.insert(pattern, rows) {
            tracing::error!(pattern, %error, "a route cannot be reached");
        }
    }
    router
});

/// True for the paths at which coding agents ask by `HEAD`, without a credential, if there is a server.
pub(crate) fn is_probe(path: &str) -> bool {
    path == "/api/hello" || path == "/v1" || path.starts_with("/v1/")
}

/// The dialect of an error about the path itself: that of its rows or, where it has none, of the API that it belongs to.
pub(crate) fn dialect_of_errors(path: &str) -> Option<Dialect> {
    match PATHS.at(path) {
        Ok(found) => found.value.first().and_then(|row| row.dialect),
        Err(_) => path.starts_with("/v1beta/").then_some(GEMINI),
    }
}

/// True if the path ends with a method, as calls of Gemini's API do: `…/models/{model}:{method}`.
fn names_method(path: &str) -> bool {
    let last = path.rsplit('/').next().unwrap_or_default();
    last.contains(':') || last.contains("%3A") || last.contains("%3a")
}

/// The row for a request, and the values of its path's placeholders, percent-decoded. `HEAD` is answered wherever `GET` is:
/// the reply is the same, and hyper sends all of it but the body.
///
/// # Errors
/// When no row has the path (404), or none with that path has the method (405).
pub(crate) fn find(method: &Method, path: &str) -> Result<(&'static Route, Vec<String>), ApiError> {
    let found = PATHS.at(path).map_err(|_| ApiError::route_not_found())?;
    let asked = if method == Method::HEAD { &Method::GET } else { method };
    let rows = || found.value.iter().filter(|row| !row.is_call_of_gemini() || names_method(path));
    let Some(row) = rows().find(|row| row.method == *asked) else {
        let mut allow: Vec<_> = rows().map(|row| row.method.as_str()).collect();
        if allow.contains(&"GET") {
            allow.push("HEAD");
        }
        // A path of calls of Gemini alone does not exist without the method at its end.
        if allow.is_empty() {
            return Err(ApiError::route_not_found());
        }
        return Err(ApiError::method_not_allowed(allow.join(", ")));
    };
    let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    Ok((row, found.params.iter().map(|(_, value)| decode(value)).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_found() {
        for row in ROUTES {
            let model = if row.is_call_of_gemini() { "a/b:c" } else { "a/b" };
            let path = row.pattern.replace("{*model}", model).replace(['{', '}'], "");
            let (found, _) = find(&row.method, &path).unwrap();
            assert_eq!(found.pattern, row.pattern);
        }
    }

    #[test]
    fn another_method_is_told_what_is_allowed() {
        let error = find(&Method::PUT, "/manage/aliases").map(|_| ()).unwrap_err();
        assert_eq!(error.allow.as_deref(), Some("POST, GET, HEAD"));
        assert_eq!(find(&Method::GET, "/nowhere").map(|_| ()).unwrap_err().code, "route_not_found");
        // A call of Gemini's API names its method.
        let error = find(&Method::POST, "/v1/models/a").map(|_| ()).unwrap_err();
        assert_eq!(error.allow.as_deref(), Some("GET, HEAD"));
        assert!(find(&Method::POST, "/v1/models/a%3AcountTokens").is_ok());
        assert_eq!(find(&Method::POST, "/v1beta/openai/a").map(|_| ()).unwrap_err().code, "route_not_found");
        let error = find(&Method::GET, "/v1beta/openai/a:countTokens").map(|_| ()).unwrap_err();
        assert_eq!(error.allow.as_deref(), Some("POST"));
    }

    #[test]
    fn head_is_answered_wherever_get_is() {
        for row in ROUTES {
            let path = row.pattern.replace("{*model}", "a/b").replace(['{', '}'], "");
            let gets = ROUTES.iter().any(|other| other.pattern == row.pattern && other.method == Method::GET);
            assert_eq!(find(&Method::HEAD, &path).is_ok(), gets, "{path}");
        }
    }

    #[test]
    fn placeholders_are_decoded() {
        let (_, params) = find(&Method::GET, "/v1/models/openai%2Fgpt-4o").unwrap();
        assert_eq!(params, ["openai/gpt-4o"]);
    }
}
