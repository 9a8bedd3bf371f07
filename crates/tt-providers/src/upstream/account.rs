//! A provider key at its address, ready to be put into requests.
//!
//! The address is taken apart and the credential's header is made once, since a key serves many requests.

use std::fmt;
use std::sync::OnceLock;

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, HeaderValue, USER_AGENT,
};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, Method, Request, Uri, uri};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};
use tt_core::{BaseUrl, Provider};
use zeroize::Zeroizing;

use crate::provider::{Api, Credential, api};
use crate::slices::Slices;
use crate::upstream::error::UpstreamError;
use crate::upstream::trust::Trust;

const USER_AGENT_VALUE: HeaderValue = HeaderValue::from_static(concat!("tokentracer/", env!("CARGO_PKG_VERSION")));

/// The headers of most requests, with those that the connection adds, are no more than this.
const USUAL_HEADERS: usize = 8;

/// An account at a provider: the key, the address that it is used at, and the person who chose that address. The key is
/// zeroised once neither the account nor a request of it is left.
#[derive(Debug)]
pub struct Account {
    provider: Provider,
    base_url: BaseUrl,
    trust: Trust,
    secret: SecretString,
    region: Option<&'static str>,
    /// `Err`: no request can be made, for this reason.
    origin: Result<Origin, &'static str>,
}

/// The part of every request of an account that is the same.
#[derive(Debug)]
struct Origin {
    scheme: Scheme,
    authority: Authority,
    /// The path that stands before the paths of calls, without a slash at its end.
    path: String,
    /// The headers of every call of a model. The length of the body, which the connection would add, has its place among
    /// them, because a copy of headers has no room for more.
    headers: HeaderMap,
    /// The first path that was called with the address that it makes. Most accounts call one path alone.
    first: OnceLock<(String, Uri)>,
}

impl Account {
    /// The account of `secret`, which is used at `base_url`, an address that `trust` chose.
    pub fn new(provider: Provider, base_url: BaseUrl, trust: Trust, secret: SecretString) -> Self {
        let api = api(provider);
        let origin = Origin::of(api, base_url.as_str(), &secret);
        Self { provider, region: api.region(base_url.as_str()), base_url, trust, secret, origin }
    }

    /// The provider.
    pub fn provider(&self) -> Provider {
        self.provider
    }

    /// The address.
    pub fn base_url(&self) -> &str {
        self.base_url.as_str()
    }

    /// The person who chose the address.
    pub fn trust(&self) -> Trust {
        self.trust
    }

    /// The key.
    pub fn secret(&self) -> &SecretString {
        &self.secret
    }

    /// The key under which the price table lists the prices of the region at the address; `None` where the usual prices
    /// hold.
    pub fn region(&self) -> Option<&'static str> {
        self.region
    }

    /// The request for a call of a model. `path` comes from the dialect ([`Egress::path`](crate::codec::Egress::path)).
    ///
    /// # Errors
    /// `Connect` if the address names no host, or if the key has characters that a header cannot hold.
    pub fn call(&self, path: &str, body: Slices) -> Result<Request<Slices>, UpstreamError> {
        let origin = self.origin()?;
        let length = HeaderValue::from(body.len());
        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = origin.uri_of_call(path)?;
        *request.headers_mut() = origin.headers.clone();
        request.headers_mut().insert(CONTENT_LENGTH, length);
        Ok(request)
    }

    /// Adds the client's headers that the provider reads beside the body, for a request that passes through: for Anthropic
    /// every `anthropic-*` header, for OpenAI `openai-beta` and every `x-codex-*` and `x-openai-*` header. They choose the
    /// version of the API and its beta features, and no account.
    pub fn pass_on(&self, headers: &HeaderMap, request: &mut Request<Slices>) {
        let passed_on = api(self.provider).passed_on;
        let to = request.headers_mut();
        for name in headers.keys().filter(|name| passed_on.iter().any(|prefix| name.as_str().starts_with(prefix))) {
            to.remove(name);
            for value in headers.get_all(name) {
                to.append(name, value.clone());
            }
        }
    }

    /// The request for the list of models that the key may call: the first page, or the page after the cursor `after`.
    /// [`decode_models`](super::models::decode_models) reads the answer.
    ///
    /// # Errors
    /// `Connect`, as [`Account::call`].
    pub fn models(&self, after: Option<&str>) -> Result<Request<Slices>, UpstreamError> {
        let models = &api(self.provider).models;
        let mut path = models.path.to_owned();
        if let Some(after) = after {
            path.push_str(models.cursor);
            path.extend(utf8_percent_encode(after, NON_ALPHANUMERIC));
        }
        let origin = self.origin()?;
        let mut request = Request::new(Slices::default());
        *request.uri_mut() = origin.uri(&path)?;
        *request.headers_mut() = origin.headers.clone();
        for of_the_body in [CONTENT_TYPE, CONTENT_LENGTH] {
            request.headers_mut().remove(of_the_body);
        }
        Ok(request)
    }

    fn origin(&self) -> Result<&Origin, UpstreamError> {
        self.origin.as_ref().map_err(|reason| UpstreamError::Connect((*reason).into()))
    }
}

impl Origin {
    /// Takes the address apart. An error says why no request can be made, and does not quote the key.
    fn of(api: &Api, base_url: &str, secret: &SecretString) -> Result<Self, &'static str> {
        let uri: Uri = api.root(base_url).parse().map_err(|_| "the address is no address")?;
        let uri::Parts { scheme: Some(scheme), authority: Some(authority), path_and_query, .. } = uri.into_parts()
        else {
            return Err("the address names no host");
        };
        let path = path_and_query.as_ref().map_or("", PathAndQuery::path).trim_end_matches('/').to_owned();
        let usual_port = if scheme == Scheme::HTTPS { 443 } else { 80 };
        let host = match authority.port_u16() {
            Some(port) if port != usual_port => HeaderValue::try_from(format!("{}:{port}", authority.host())),
            _ => HeaderValue::from_str(authority.host()),
        };
        let host = host.map_err(|_| "the address names no host")?;
        let headers = headers(api, host, credential(api.credential, secret)?);
        Ok(Self { scheme, authority, path, headers, first: OnceLock::new() })
    }

    /// As [`Origin::uri`], of a call of a model.
    fn uri_of_call(&self, path: &str) -> Result<Uri, UpstreamError> {
        match self.first.get() {
            Some((first, uri)) if first == path => Ok(uri.clone()),
            Some(_) => self.uri(path),
            None => {
                let uri = self.uri(path)?;
                // Another call may have been the first meanwhile.
                let _first = self.first.set((path.to_owned(), uri.clone()));
                Ok(uri)
            }
        }
    }

    /// The address of a call.
    fn uri(&self, path: &str) -> Result<Uri, UpstreamError> {
        let path = PathAndQuery::from_maybe_shared(Bytes::from([self.path.as_str(), path].concat()));
        let mut parts = uri::Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(path.map_err(|error| UpstreamError::Connect(error.into()))?);
        Uri::from_parts(parts).map_err(|error| UpstreamError::Connect(error.into()))
    }
}

/// The headers of every call of a model.
fn headers(api: &Api, host: HeaderValue, (name, credential): (HeaderName, HeaderValue)) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(USUAL_HEADERS);
    headers.insert(HOST, host);
    headers.insert(name, credential);
    headers.insert(USER_AGENT, USER_AGENT_VALUE);
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    if let Some((name, version)) = api.version_header {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(version));
    }
    headers
}

/// The header with the key. It is marked as sensitive, so that nothing prints it.
fn credential(kind: Credential, secret: &SecretString) -> Result<(HeaderName, HeaderValue), &'static str> {
    let (name, value) = match kind {
        Credential::Bearer => (AUTHORIZATION, format!("Bearer {}", secret.expose_secret())),
        Credential::Header(name) => (HeaderName::from_static(name), secret.expose_secret().to_owned()),
    };
    let value = Bytes::from_owner(Secret(Zeroizing::new(value)));
    // The cause is left out: it would quote the key.
    let mut value = HeaderValue::from_maybe_shared(value).map_err(|_| "the stored key cannot stand in a header")?;
    value.set_sensitive(true);
    Ok((name, value))
}

/// The text of a credential, which is zeroised once no header holds it any more.
struct Secret(Zeroizing<String>);

impl AsRef<[u8]> for Secret {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(provider: Provider, base_url: &str, key: &str) -> Account {
        Account::new(provider, BaseUrl::parse(base_url).unwrap(), Trust::User, SecretString::from(key))
    }

    #[test]
    fn addresses_follow_each_providers_paths() {
        for (provider, base, path, want) in [
            (Provider::OpenAi, "https://h.example/v1", "/chat/completions", "https://h.example/v1/chat/completions"),
            (Provider::Anthropic, "https://h.example", "/v1/messages", "https://h.example/v1/messages"),
            (Provider::Anthropic, "https://h.example/v1/", "/v1/messages", "https://h.example/v1/messages"),
            (Provider::Gemini, "http://h:1/p/v1beta", "/v1beta/models/m:x?a=b", "http://h:1/p/v1beta/models/m:x?a=b"),
        ] {
            let request = account(provider, base, "k").call(path, Slices::default()).unwrap();
            assert_eq!(request.uri().to_string(), want);
            assert_eq!(request.headers()["content-type"], "application/json");
        }
    }

    #[test]
    fn each_provider_gets_its_key_in_its_header_and_no_one_sees_it() {
        for (provider, header, value) in [
            (Provider::OpenAi, "authorization", "Bearer sk-secret"),
            (Provider::Anthropic, "x-api-key", "sk-secret"),
            (Provider::Gemini, "x-goog-api-key", "sk-secret"),
        ] {
            let account = account(provider, api(provider).base_url, "sk-secret");
            let request = account.models(None).unwrap();
            let headers = request.headers();
            assert_eq!(headers[header], value);
            assert!(!format!("{request:?} {account:?}").contains("sk-secret"));
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
        let sent = |provider| {
            let account = account(provider, "https://h.example", "sk-own");
            let mut request = account.call("/x", Slices::default()).unwrap();
            account.pass_on(&headers, &mut request);
            let own = [
                "host",
                "authorization",
                "x-goog-api-key",
                "user-agent",
                "accept-encoding",
                "content-type",
                "content-length",
            ];
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
        let account = account(Provider::OpenAi, "https://a.example", "sk-secret\r\nx: y");
        let error = account.models(None).unwrap_err();
        assert!(!format!("{error:?} {account:?}").contains("sk-secret"));
    }

    #[test]
    fn the_host_has_its_port_unless_it_is_the_usual_one() {
        for (base, host) in [
            ("https://h.example/v1", "h.example"),
            ("https://h.example:443/v1", "h.example"),
            ("http://h.example:443/v1", "h.example:443"),
            ("http://127.0.0.1:8000", "127.0.0.1:8000"),
            ("http://[::1]:80", "[::1]"),
        ] {
            let request = account(Provider::OpenAi, base, "k").models(None).unwrap();
            assert_eq!(request.headers()["host"], host, "{base}");
        }
    }
}
