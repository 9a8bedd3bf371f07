//! The route table: the paths that exist, and for each the credential it takes, the largest body, the handler, and its
//! description.

use std::sync::LazyLock;

use http::Method;
use tt_core::Dialect;

use crate::auth::{account, keys, sessions};
use crate::edge::credentials::Need;
use crate::edge::error::ApiError;
use crate::manage::{
    aliases, audit, budgets, decision, gaps, logs, model_lists, prices, providers, tags, usage, users, webhooks, whatif,
};
use crate::openapi::document;
use crate::openapi::operation::Describe;
use crate::openapi::operations as about;
use crate::route::{About, Cap, Handler, Route};
use crate::{gemini_models, health, key, metrics, models, pages};

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

const fn route(method: Method, pattern: &'static str, cap: Cap, handler: Handler, about: Describe) -> Route {
    Route { method, pattern, cap, handler, dialect: None, about: About::Call(about) }
}

/// A row for clients of a dialect.
const fn proxied(
    dialect: Dialect,
    method: Method,
    pattern: &'static str,
    cap: Cap,
    handler: Handler,
    about: Describe,
) -> Route {
    Route { method, pattern, cap, handler, dialect: Some(dialect), about: About::Call(about) }
}

/// A row for a page, or for a file of one.
const fn page(pattern: &'static str) -> Route {
    Route { method: Method::GET, pattern, cap: NONE, handler: public!(pages::show), dialect: None, about: About::Page }
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
    route(Method::GET,    "/health",                    NONE,       public!(health::health), about::service::health),
    route(Method::GET,    "/openapi.json",              NONE,       public!(pages::show), about::service::openapi),
    route(Method::GET,    "/health/ready",              NONE,       public!(health::ready), about::service::ready),
    route(Method::GET,    "/metrics",                   NONE,       public!(metrics::show), about::service::metrics),

    page("/"),
    page("/dashboard"),
    page("/dashboard/{*page}"),
    page("/dashboard/"),
    page("/docs"),
    page("/docs/"),
    page("/assets/{*file}"),
    page("/favicon.svg"),

    route(Method::POST,   "/auth/signup",               SMALL,      public!(account::signup), about::auth::sign_up),
    route(Method::POST,   "/auth/login",                SMALL,      public!(sessions::login), about::auth::sign_in),
    route(Method::GET,    "/auth/me",                   NONE,       authed!(Any, account::me), about::auth::me),
    route(Method::POST,   "/auth/key",                  SMALL,      authed!(Session, keys::create), about::auth::create_key),
    route(Method::GET,    "/auth/keys",                 NONE,       authed!(Session, keys::list), about::auth::list_keys),
    route(Method::DELETE, "/auth/keys/{id}",            NONE,       authed!(Session, keys::revoke), about::auth::revoke_key),
    route(Method::POST,   "/auth/keys/{id}/rotate",     SMALL,      authed!(Session, keys::rotate), about::auth::rotate_key),
    route(Method::GET,    "/auth/sessions",             NONE,       authed!(Session, sessions::list), about::auth::list_sessions),
    route(Method::DELETE, "/auth/sessions/{id}",        NONE,       authed!(Session, sessions::end), about::auth::end_session),
    route(Method::POST,   "/auth/password",             SMALL,      authed!(Session, account::change_password), about::auth::change_password),
    route(Method::POST,   "/auth/logout",               SMALL,      authed!(Session, sessions::logout), about::auth::sign_out),

    route(Method::POST,   "/manage/providers",          SMALL,      authed!(Manage, providers::create), about::objects::create_provider),
    route(Method::GET,    "/manage/providers",          NONE,       authed!(Manage, providers::list), about::objects::list_providers),
    route(Method::PATCH,  "/manage/providers/{id}",     SMALL,      authed!(Manage, providers::update), about::objects::update_provider),
    route(Method::DELETE, "/manage/providers/{id}",     NONE,       authed!(Manage, providers::delete), about::objects::delete_provider),

    route(Method::POST,   "/manage/providers/{id}/test", SMALL,     authed!(Manage, model_lists::test), about::objects::test_provider),
    route(Method::GET,    "/manage/providers/{id}/models", NONE,    authed!(Manage, model_lists::of_key), about::objects::models_of_provider),
    route(Method::GET,    "/manage/models",             NONE,       authed!(Manage, model_lists::of_all), about::objects::models_of_all),

    route(Method::POST,   "/manage/aliases",            SMALL,      authed!(Manage, aliases::put), about::objects::put_alias),
    route(Method::GET,    "/manage/aliases",            NONE,       authed!(Manage, aliases::list), about::objects::list_aliases),
    route(Method::PATCH,  "/manage/aliases/{alias}",    SMALL,      authed!(Manage, aliases::update), about::objects::update_alias),
    route(Method::DELETE, "/manage/aliases/{alias}",    NONE,       authed!(Manage, aliases::delete), about::objects::delete_alias),

    route(Method::POST,   "/manage/route",              Cap::Proxy, authed!(Manage, decision::route), about::objects::preview_route),

    route(Method::GET,    "/manage/users",              NONE,       authed!(Manage, users::list), about::administration::list_users),
    route(Method::PATCH,  "/manage/users/{id}",         SMALL,      authed!(Manage, users::update), about::administration::update_user),

    route(Method::GET,    "/manage/budgets",            NONE,       authed!(Manage, budgets::show), about::objects::budgets),
    route(Method::PUT,    "/manage/budgets",            SMALL,      authed!(Manage, budgets::put), about::objects::set_budget),

    route(Method::POST,   "/manage/webhooks",           SMALL,      authed!(Manage, webhooks::create), about::webhooks::create),
    route(Method::GET,    "/manage/webhooks",           NONE,       authed!(Manage, webhooks::list), about::webhooks::list),
    route(Method::GET,    "/manage/webhooks/{id}",      NONE,       authed!(Manage, webhooks::show), about::webhooks::show),
    route(Method::PATCH,  "/manage/webhooks/{id}",      SMALL,      authed!(Manage, webhooks::update), about::webhooks::update),
    route(Method::DELETE, "/manage/webhooks/{id}",      NONE,       authed!(Manage, webhooks::delete), about::webhooks::delete),
    route(Method::POST,   "/manage/webhooks/{id}/rotate", SMALL,    authed!(Manage, webhooks::rotate), about::webhooks::rotate),
    route(Method::POST,   "/manage/webhooks/{id}/test", SMALL,      authed!(Manage, webhooks::test), about::webhooks::test),
    route(Method::GET,    "/manage/webhooks/{id}/deliveries", NONE, authed!(Manage, webhooks::deliveries), about::webhooks::deliveries),
    route(Method::POST,   "/manage/webhooks/{id}/deliveries/{delivery_id}/redeliver", SMALL, authed!(Manage, webhooks::redeliver), about::webhooks::redeliver),

    route(Method::GET,    "/manage/usage",              NONE,       authed!(Manage, usage::usage), about::records::usage),
    route(Method::GET,    "/manage/logs",               NONE,       authed!(Manage, logs::list), about::records::logs),
    route(Method::GET,    "/manage/logs/{request_id}",  NONE,       authed!(Manage, logs::show), about::records::log),
    route(Method::GET,    "/manage/ledger/gaps",        NONE,       authed!(Manage, gaps::gaps), about::records::gaps),

    route(Method::GET,    "/manage/tags",               NONE,       authed!(Manage, tags::list), about::records::tags),

    route(Method::GET,    "/manage/whatif",             NONE,       authed!(Manage, whatif::whatif), about::records::whatif),

    route(Method::GET,    "/manage/audit",              NONE,       authed!(Manage, audit::list), about::administration::audit),

    route(Method::GET,    "/manage/prices",             NONE,       authed!(Manage, prices::list), about::administration::list_prices),
    route(Method::POST,   "/manage/prices/rerate",      SMALL,      authed!(Manage, prices::rerate), about::administration::rerate),
    route(Method::PUT,    "/manage/prices/{provider}/{*model}", SMALL, authed!(Manage, prices::set), about::administration::set_price),

    proxied(OPENAI, Method::POST, "/v1/chat/completions", Cap::Proxy, authed!(Proxy, crate::proxy::complete), about::proxy::chat),
    proxied(ANTHROPIC, Method::POST, "/v1/messages",      Cap::Proxy, authed!(Proxy, crate::proxy::complete), about::proxy::messages),
    proxied(RESPONSES, Method::POST, "/v1/responses",     Cap::Proxy, authed!(Proxy, crate::proxy::complete), about::proxy::responses),
    proxied(EMBEDDINGS, Method::POST, "/v1/embeddings",   Cap::Proxy, authed!(Proxy, crate::proxy::complete), about::proxy::embeddings),
    proxied(RESPONSES, Method::GET, "/v1/responses",      NONE,       public!(crate::responses::no_websocket), about::proxy::no_websocket),
    proxied(ANTHROPIC, Method::POST, "/v1/messages/count_tokens", Cap::Proxy, authed!(Proxy, crate::proxy::complete), about::proxy::count_tokens),
    proxied(OPENAI, Method::GET,  "/v1/key",              NONE,       authed!(Any, key::show), about::models::key),
    proxied(OPENAI, Method::GET,  "/v1/models",           NONE,       authed!(Proxy, models::list), about::models::list),
    proxied(OPENAI, Method::GET,  "/v1/models/{*model}",  NONE,       authed!(Proxy, models::show), about::models::show),

    proxied(GEMINI, Method::POST, "/v1beta/models/{*model}", Cap::Proxy, authed!(Proxy, crate::proxy::generate_content), about::proxy::gemini),
    proxied(GEMINI, Method::POST, "/v1/models/{*model}",  Cap::Proxy, authed!(Proxy, crate::proxy::generate_content), about::proxy::gemini_v1),
    // The AI SDK for Google writes no `models/` before a name with a slash, as `provider/model` is.
    proxied(GEMINI, Method::POST, "/v1beta/openai/{*model}", Cap::Proxy, authed!(Proxy, crate::proxy::generate_content), about::proxy::gemini_of_openai),
    proxied(GEMINI, Method::POST, "/v1beta/anthropic/{*model}", Cap::Proxy, authed!(Proxy, crate::proxy::generate_content), about::proxy::gemini_of_anthropic),
    proxied(GEMINI, Method::POST, "/v1beta/gemini/{*model}", Cap::Proxy, authed!(Proxy, crate::proxy::generate_content), about::proxy::gemini_of_gemini),
    proxied(GEMINI, Method::GET,  "/v1beta/models",       NONE,       authed!(Proxy, gemini_models::list), about::models::list_of_gemini),
    proxied(GEMINI, Method::GET,  "/v1beta/models/{*model}", NONE,    authed!(Proxy, gemini_models::show), about::models::show_of_gemini),
];

/// The OpenAPI document of the table.
static DOCUMENT: LazyLock<String> = LazyLock::new(|| document::text(ROUTES));

/// The [OpenAPI](https://spec.openapis.org/oas/v3.1.1.html) document of the HTTP API. `GET /openapi.json` answers the same
/// text, which the dashboard was built with and has compressed; a test compares them.
pub fn openapi_document() -> &'static str {
    &DOCUMENT
}

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
    fn every_row_but_those_of_pages_is_described() {
        let document: serde_json::Value = serde_json::from_str(openapi_document()).unwrap();
        for row in ROUTES {
            let method = row.method.as_str().to_ascii_lowercase();
            let suffix = if row.is_call_of_gemini() { ":{method}" } else { "" };
            let path = format!("{}{suffix}", row.pattern.replace("{*", "{"));
            let listed = !document["paths"][path][method].is_null();
            let is_page =
                ["/dashboard", "/docs", "/assets/", "/favicon"].iter().any(|page| row.pattern.starts_with(page));
            assert_eq!(listed, !is_page && row.pattern != "/", "{} {}", row.method, row.pattern);
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
