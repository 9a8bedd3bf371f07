//! Where each provider is asked, and with which headers.

use http::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};
use http::{Method, Request, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tt_core::Provider;

use crate::{ProviderError, Slices};

/// All but the unreserved characters of RFC 3986: also `/` and `:`, which would end the model's name in Gemini's paths.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The version of Anthropic's API that is spoken (docs.anthropic.com/en/api/versioning).
const ANTHROPIC_VERSION: HeaderValue = HeaderValue::from_static("2023-06-01");

const USER_AGENT_VALUE: HeaderValue = HeaderValue::from_static(concat!("tokentracer/", env!("CARGO_PKG_VERSION")));

/// The provider's own address.
pub const fn default_base_url(provider: Provider) -> &'static str {
    match provider {
        Provider::OpenAi => "https://api.openai.com/v1",
        Provider::Anthropic => "https://api.anthropic.com",
        Provider::Gemini => "https://generativelanguage.googleapis.com",
    }
}

/// A chat completion of `model` at `base`.
///
/// # Errors
/// `Unsupported` for a model whose name cannot stand in Gemini's path; `Connect` where `base` is no address or the key
/// cannot stand in a header.
pub fn chat_request(
    provider: Provider,
    base: &str,
    model: &str,
    stream: bool,
    key: &SecretString,
    body: Slices,
) -> Result<Request<Slices>, ProviderError> {
    let root = root(provider, base);
    let address = match provider {
        Provider::OpenAi => format!("{root}/chat/completions"),
        Provider::Anthropic => format!("{root}/v1/messages"),
        Provider::Gemini => {
            let path = gemini_model(model)?;
            let call = if stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
            format!("{root}/v1beta/{path}:{call}")
        }
    };
    let mut request = request(provider, Method::POST, &address, key, body)?;
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(request)
}

/// The list of models a key may call, from its beginning or from the page `after` on; read the answer with
/// [`decode_models`].
///
/// # Errors
/// `Connect`, as above.
pub fn models_request(
    provider: Provider,
    base: &str,
    key: &SecretString,
    after: Option<&str>,
) -> Result<Request<Slices>, ProviderError> {
    let root = root(provider, base);
    let (mut address, cursor) = match provider {
        Provider::OpenAi => (format!("{root}/models"), "?after="),
        Provider::Anthropic => (format!("{root}/v1/models?limit=1000"), "&after_id="),
        Provider::Gemini => (format!("{root}/v1beta/models?pageSize=1000"), "&pageToken="),
    };
    if let Some(after) = after {
        address.push_str(cursor);
        address.extend(utf8_percent_encode(after, SEGMENT));
    }
    request(provider, Method::GET, &address, key, Slices::default())
}

/// One page of a list of models.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ModelsPage {
    /// The names as they are used in requests, in the provider's order.
    pub names: Vec<String>,
    /// Where the next page begins; `None`: this was the last. OpenAI gives all at once.
    pub next: Option<String>,
}

/// Reads a page of a list of models: `data` of OpenAI and Anthropic (which says `has_more` and `last_id`), `models` of
/// Gemini (which gives a `nextPageToken`).
///
/// # Errors
/// `Protocol` when it is no such list.
pub fn decode_models(provider: Provider, body: &[u8]) -> Result<ModelsPage, ProviderError> {
    let (list, name) = match provider {
        Provider::OpenAi | Provider::Anthropic => ("data", "id"),
        Provider::Gemini => ("models", "name"),
    };
    let body: Value = serde_json::from_slice(body).map_err(|e| {
        ProviderError::Protocol(format!("not a list of models: {}", crate::upstream::words::json_error(&e)))
    })?;
    let Some(models) = body.get(list).and_then(Value::as_array) else {
        return Err(ProviderError::Protocol(format!("not a list of models: it has no {list}")));
    };
    let names = models.iter().filter_map(|model| model.get(name).and_then(Value::as_str));
    let names = names.map(|name| name.strip_prefix("models/").unwrap_or(name).to_owned()).collect();
    let next = match provider {
        Provider::OpenAi => None,
        Provider::Anthropic if body.get("has_more").and_then(Value::as_bool) == Some(true) => body.get("last_id"),
        Provider::Anthropic => None,
        Provider::Gemini => body.get("nextPageToken"),
    };
    let next = next.and_then(Value::as_str).filter(|token| !token.is_empty()).map(str::to_owned);
    Ok(ModelsPage { names, next })
}

/// `base` without the version that a user may have copied along.
fn root(provider: Provider, base: &str) -> &str {
    let base = base.trim_end_matches('/');
    let versions: &[&str] = match provider {
        Provider::OpenAi => &[],
        Provider::Anthropic => &["/v1"],
        Provider::Gemini => &["/v1beta/openai", "/v1beta"],
    };
    versions.iter().find_map(|version| base.strip_suffix(version)).unwrap_or(base).trim_end_matches('/')
}

/// `models/{model}` as path segments; a tuned model's name brings its own collection.
fn gemini_model(model: &str) -> Result<String, ProviderError> {
    let (collection, name) = match model.split_once('/') {
        Some((collection @ ("models" | "tunedModels"), name)) => (collection, name),
        _ => ("models", model),
    };
    if matches!(name, "" | "." | "..") {
        return Err(ProviderError::Unsupported {
            param: "model".into(),
            reason: "is not a name that can stand in an address".into(),
        });
    }
    Ok(format!("{collection}/{}", utf8_percent_encode(name, SEGMENT)))
}

fn request(
    provider: Provider,
    method: Method,
    address: &str,
    key: &SecretString,
    body: Slices,
) -> Result<Request<Slices>, ProviderError> {
    let uri: Uri = address.parse().map_err(|e| ProviderError::Connect(Box::<http::uri::InvalidUri>::new(e)))?;
    if uri.scheme().is_none() || uri.host().is_none() {
        return Err(ProviderError::Connect("the address names no host".into()));
    }
    let (name, value) = match provider {
        Provider::OpenAi => (AUTHORIZATION, HeaderValue::try_from(format!("Bearer {}", key.expose_secret()))),
        Provider::Anthropic => (HeaderName::from_static("x-api-key"), HeaderValue::from_str(key.expose_secret())),
        Provider::Gemini => (HeaderName::from_static("x-goog-api-key"), HeaderValue::from_str(key.expose_secret())),
    };
    // The error would quote the key.
    let mut value = value.map_err(|_| ProviderError::Connect("the stored key cannot stand in a header".into()))?;
    value.set_sensitive(true);

    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    let headers = request.headers_mut();
    headers.insert(name, value);
    headers.insert(USER_AGENT, USER_AGENT_VALUE);
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    if provider == Provider::Anthropic {
        headers.insert(HeaderName::from_static("anthropic-version"), ANTHROPIC_VERSION);
    }
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(provider: Provider, base: &str, model: &str, stream: bool) -> String {
        let key = SecretString::from("k");
        chat_request(provider, base, model, stream, &key, Slices::default()).unwrap().uri().to_string()
    }

    #[test]
    fn addresses_follow_each_providers_paths() {
        let openai = address(Provider::OpenAi, "https://api.openai.com/v1", "m", true);
        assert_eq!(openai, "https://api.openai.com/v1/chat/completions");
        for base in ["https://a.example", "https://a.example/v1", "https://a.example/v1/", "https://a.example/"] {
            assert_eq!(address(Provider::Anthropic, base, "m", true), "https://a.example/v1/messages");
        }
        for base in ["https://g.example", "https://g.example/v1beta", "https://g.example/v1beta/openai/"] {
            assert_eq!(
                address(Provider::Gemini, base, "gemini-x", false),
                "https://g.example/v1beta/models/gemini-x:generateContent"
            );
        }
        assert_eq!(
            address(Provider::Gemini, "http://h:1/p", "models/gemini-x", true),
            "http://h:1/p/v1beta/models/gemini-x:streamGenerateContent?alt=sse"
        );
    }

    #[test]
    fn a_model_cannot_leave_its_path_segment() {
        let sent = |model| address(Provider::Gemini, "https://g.example", model, false);
        assert_eq!(sent("tunedModels/t-1"), "https://g.example/v1beta/tunedModels/t-1:generateContent");
        assert_eq!(sent("a/../b?c#d:e%"), "https://g.example/v1beta/models/a%2F..%2Fb%3Fc%23d%3Ae%25:generateContent");
        let key = SecretString::from("k");
        for bad in ["", ".", "..", "models/", "models/.."] {
            let found = chat_request(Provider::Gemini, "https://g.example", bad, false, &key, Slices::default());
            assert!(matches!(found, Err(ProviderError::Unsupported { .. })), "{bad}");
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
            let request = models_request(provider, default_base_url(provider), &key, None).unwrap();
            let headers = request.headers();
            assert_eq!(headers[header], value);
            assert!(!format!("{request:?}").contains("secret"));
            assert_eq!(headers["accept-encoding"], "identity");
            assert!(headers["user-agent"].to_str().unwrap().starts_with("tokentracer/"));
            assert_eq!(headers.contains_key("anthropic-version"), provider == Provider::Anthropic);
        }
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
