//! Builds requests to providers, and reads the list of models that a provider answers with.

use http::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};
use http::{HeaderMap, Method, Request, Uri};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tt_core::Provider;

use crate::provider::{Credential, Next, api};
use crate::slices::Slices;
use crate::upstream::error::{UpstreamError, json_error};

const USER_AGENT_VALUE: HeaderValue = HeaderValue::from_static(concat!("tokentracer/", env!("CARGO_PKG_VERSION")));

/// The headers of most requests, with those that the connection adds, are no more than this.
const USUAL_HEADERS: usize = 8;

/// Builds the request for a call of a model at the address `base`. `path` comes from the dialect
/// ([`Egress::path`](crate::codec::Egress::path)).
///
/// # Errors
/// `Connect` if `base` is no address, or if the key has characters that a header cannot hold.
pub fn call_request(
    provider: Provider,
    base: &str,
    path: &str,
    key: &SecretString,
    body: Slices,
) -> Result<Request<Slices>, UpstreamError> {
    let address = format!("{}{path}", api(provider).root(base));
    let mut request = request(provider, Method::POST, &address, key, body)?;
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(request)
}

/// Adds the client's headers that `provider` reads beside the body, for a request that passes through: for Anthropic every
/// `anthropic-*` header, for OpenAI `openai-beta` and every `x-codex-*` and `x-openai-*` header. They choose the version of
/// the API and its beta features, and no account.
pub fn pass_on(provider: Provider, headers: &HeaderMap, request: &mut Request<Slices>) {
    let passed_on = api(provider).passed_on;
    let to = request.headers_mut();
    for name in headers.keys().filter(|name| passed_on.iter().any(|prefix| name.as_str().starts_with(prefix))) {
        to.remove(name);
        for value in headers.get_all(name) {
            to.append(name, value.clone());
        }
    }
}

/// Builds the request for the list of models that a key may call: the first page, or the page after the cursor `after`.
/// [`decode_models`] reads the answer.
///
/// # Errors
/// `Connect`, as [`call_request`].
pub fn models_request(
    provider: Provider,
    base: &str,
    key: &SecretString,
    after: Option<&str>,
) -> Result<Request<Slices>, UpstreamError> {
    let api = api(provider);
    let mut address = format!("{}{}", api.root(base), api.models.path);
    if let Some(after) = after {
        address.push_str(api.models.cursor);
        address.extend(utf8_percent_encode(after, NON_ALPHANUMERIC));
    }
    request(provider, Method::GET, &address, key, Slices::default())
}

/// One page of a list of models.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ModelsPage {
    /// The names as they are used in requests, in the provider's order.
    pub names: Vec<String>,
    /// The cursor of the next page; `None` on the last page. The list of OpenAI has one page.
    pub next: Option<String>,
}

/// Reads a page of a list of models.
///
/// # Errors
/// `Protocol` for a body that is no list of models of this provider.
pub fn decode_models(provider: Provider, body: &[u8]) -> Result<ModelsPage, UpstreamError> {
    let models = &api(provider).models;
    let body = crate::json::value(body)
        .map_err(|error| UpstreamError::Protocol(format!("not a list of models: {}", json_error(&error))))?;
    let Some(list) = body.get(models.list).and_then(Value::as_array) else {
        return Err(UpstreamError::Protocol(format!("not a list of models: it has no {}", models.list)));
    };
    let names = list.iter().filter_map(|model| model.get(models.name).and_then(Value::as_str));
    let names = names.map(|name| name.strip_prefix("models/").unwrap_or(name).to_owned()).collect();
    let next = match models.next {
        Next::Never => None,
        Next::If { more, cursor } => body.get(cursor).filter(|_| body.get(more).and_then(Value::as_bool) == Some(true)),
        Next::Token(token) => body.get(token),
    };
    let next = next.and_then(Value::as_str).filter(|token| !token.is_empty()).map(str::to_owned);
    Ok(ModelsPage { names, next })
}

fn request(
    provider: Provider,
    method: Method,
    address: &str,
    key: &SecretString,
    body: Slices,
) -> Result<Request<Slices>, UpstreamError> {
    let uri: Uri = address.parse().map_err(|e| UpstreamError::Connect(Box::<http::uri::InvalidUri>::new(e)))?;
    if uri.scheme().is_none() || uri.host().is_none() {
        return Err(UpstreamError::Connect("the address names no host".into()));
    }
    let api = api(provider);
    let (name, value) = match api.credential {
        Credential::Bearer => (AUTHORIZATION, HeaderValue::try_from(format!("Bearer {}", key.expose_secret()))),
        Credential::Header(name) => (HeaderName::from_static(name), HeaderValue::from_str(key.expose_secret())),
    };
    // The cause is left out: it would quote the key.
    let mut value = value.map_err(|_| UpstreamError::Connect("the stored key cannot stand in a header".into()))?;
    value.set_sensitive(true);

    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    let headers = request.headers_mut();
    headers.reserve(USUAL_HEADERS);
    headers.insert(name, value);
    headers.insert(USER_AGENT, USER_AGENT_VALUE);
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    if let Some((name, version)) = api.version_header {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(version));
    }
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_follow_each_providers_paths() {
        for (provider, base, path, want) in [
            (Provider::OpenAi, "https://h.example/v1", "/chat/completions", "https://h.example/v1/chat/completions"),
            (Provider::Anthropic, "https://h.example", "/v1/messages", "https://h.example/v1/messages"),
            (Provider::Anthropic, "https://h.example/v1/", "/v1/messages", "https://h.example/v1/messages"),
            (Provider::Gemini, "http://h:1/p/v1beta", "/v1beta/models/m:x?a=b", "http://h:1/p/v1beta/models/m:x?a=b"),
        ] {
            let request = call_request(provider, base, path, &SecretString::from("k"), Slices::default()).unwrap();
            assert_eq!(request.uri().to_string(), want);
            assert_eq!(request.headers()["content-type"], "application/json");
        }
    }

    #[test]
    fn each_provider_gets_its_key_in_its_header_and_no_one_sees_it() {
        let key = SecretString::from("sk-secret");
        for (provider, header, value) in [
            (Provider::OpenAi, "authorization", "Bearer sk-secret"),
            (Provider::Anthropic, "x-api-key", "sk-secret"),
            (Provider::Gemini, "x-goog-api-key", "sk-secret"),
        ] {
            let request = models_request(provider, api(provider).base_url, &key, None).unwrap();
            let headers = request.headers();
            assert_eq!(headers[header], value);
            assert!(!format!("{request:?}").contains("secret"));
            assert_eq!(headers["accept-encoding"], "identity");
            assert!(headers["user-agent"].to_str().unwrap().starts_with("tokentracer/"));
            assert_eq!(headers.contains_key("anthropic-version"), provider == Provider::Anthropic);
        }
    }

    #[test]
    fn each_provider_gets_the_headers_of_its_own_lists_only() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("anthropic-version", "2026-10-21"),
            ("anthropic-beta", "one"),
            ("anthropic-beta", "two"),
            ("x-api-key", "tt-client"),
            ("openai-organization", "org"),
            ("openai-project", "proj"),
            ("openai-beta", "responses=v1"),
            ("x-codex-window-id", "w"),
            ("x-openai-internal-codex-responses-lite", "true"),
            ("cookie", "c"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        let key = SecretString::from("sk-own");
        let sent = |provider| {
            let mut request = call_request(provider, "https://h.example", "/x", &key, Slices::default()).unwrap();
            pass_on(provider, &headers, &mut request);
            let own = ["authorization", "x-goog-api-key", "user-agent", "accept-encoding", "content-type"];
            let headers = request.headers().iter().filter(|(name, _)| !own.contains(&name.as_str()));
            headers.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect::<Vec<_>>()
        };
        let mut anthropic = sent(Provider::Anthropic);
        anthropic.sort();
        let expected =
            ["anthropic-beta: one", "anthropic-beta: two", "anthropic-version: 2026-10-21", "x-api-key: sk-own"];
        assert_eq!(anthropic, expected);
        let mut openai = sent(Provider::OpenAi);
        openai.sort();
        let expected =
            ["openai-beta: responses=v1", "x-codex-window-id: w", "x-openai-internal-codex-responses-lite: true"];
        assert_eq!(openai, expected);
        assert_eq!(sent(Provider::Gemini), Vec::<String>::new());
    }

    #[test]
    fn a_key_with_a_line_break_is_an_error_that_does_not_quote_it() {
        let key = SecretString::from("sk-secret\r\nx: y");
        let error = models_request(Provider::OpenAi, "https://a.example", &key, None).unwrap_err();
        assert!(!format!("{error:?}").contains("secret"));
        assert!(models_request(Provider::OpenAi, "nonsense", &SecretString::from("k"), None).is_err());
    }

    #[test]
    fn lists_of_models_are_read_as_recorded() {
        let recordings = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/recordings");
        for (provider, folder) in [(Provider::OpenAi, "openai"), (Provider::Gemini, "gemini")] {
            let mut seen = 0;
            let folder = std::fs::read_dir(format!("{recordings}/{folder}")).unwrap();
            for file in folder.map(|entry| entry.unwrap().path()).filter(|p| p.extension() == Some("json".as_ref())) {
                let record: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
                if record["api"] != "models.list" {
                    continue;
                }
                seen += 1;
                let page = decode_models(provider, record["response"]["body"].to_string().as_bytes()).unwrap();
                let names = page.names;
                let expected = &record["expected"];
                assert_eq!(Some(names.len() as u64), expected["count"].as_u64());
                assert!(names.iter().all(|name| !name.is_empty() && !name.starts_with("models/")));
            }
            assert!(seen > 0, "no list of models of {provider}");
        }
        // Not recorded: docs.anthropic.com/en/api/models-list.
        let anthropic = br#"{"data":[{"type":"model","id":"claude-x","display_name":"X"}],"has_more":false}"#;
        let page = decode_models(Provider::Anthropic, anthropic).unwrap();
        assert_eq!((page.names, page.next), (vec!["claude-x".to_owned()], None));
        assert!(decode_models(Provider::OpenAi, b"{}").is_err());
    }

    #[test]
    fn a_list_of_models_goes_on_where_its_page_ended() {
        let key = SecretString::from("k");
        let next = |provider, body: &str| {
            let next = decode_models(provider, body.as_bytes()).unwrap().next?;
            let request = models_request(provider, "https://a.example", &key, Some(&next)).unwrap();
            Some(request.uri().to_string())
        };
        let anthropic = r#"{"data":[{"id":"a"}],"has_more":true,"last_id":"a"}"#;
        let expected = "https://a.example/v1/models?limit=1000&after_id=a";
        assert_eq!(next(Provider::Anthropic, anthropic).as_deref(), Some(expected));
        let gemini = r#"{"models":[{"name":"models/g"}],"nextPageToken":"x&y=/"}"#;
        let expected = "https://a.example/v1beta/models?pageSize=1000&pageToken=x%26y%3D%2F";
        assert_eq!(next(Provider::Gemini, gemini).as_deref(), Some(expected));
        for (provider, last) in [
            (Provider::OpenAi, r#"{"data":[{"id":"a"}],"has_more":true,"last_id":"a"}"#),
            (Provider::Anthropic, r#"{"data":[{"id":"a"}],"has_more":false,"last_id":"a"}"#),
            (Provider::Anthropic, r#"{"data":[],"has_more":true,"last_id":null}"#),
            (Provider::Gemini, r#"{"models":[],"nextPageToken":""}"#),
        ] {
            assert_eq!(next(provider, last), None, "{last}");
        }
    }
}
