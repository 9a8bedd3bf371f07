//! A client of Anthropic Messages, before each provider.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Uri};
use tt_core::Dialect;
use tt_providers::codec::Head;
use tt_providers::{ClientRequest, Exchange, Target, codec};
use uuid::Uuid;

use crate::client::{self, Got};
use crate::support::Model;

/// A client's request.
pub(crate) struct Client(Arc<ClientRequest>);

impl Client {
    /// Reads a request.
    pub(crate) fn asking(body: &[u8]) -> Result<Self, String> {
        let ingress = codec(Dialect::AnthropicMessages).ingress.unwrap();
        let (uri, headers) = (Uri::from_static("/v1/messages"), HeaderMap::new());
        let head = Head { uri: &uri, headers: &headers };
        let request = ClientRequest::read(ingress, &head, Bytes::copy_from_slice(body));
        request.map(|request| Self(Arc::new(request))).map_err(|error| error.in_words(|field| ingress.field(field)))
    }

    /// The request for `model`.
    pub(crate) fn to(&self, model: &Model) -> Result<Exchange, String> {
        self.exchange(model.dialect, model.target())
    }

    /// The decoded request.
    pub(crate) fn call(&self) -> Result<tt_core::call::conversation::Conversation, String> {
        self.0.call().map(|call| (*call).clone()).map_err(|error| self.0.describe(&error))
    }

    fn exchange(&self, dialect: Dialect, target: Target<'_>) -> Result<Exchange, String> {
        Exchange::new(&self.0, dialect, target, None, (1_800_000_000, Uuid::nil()))
            .map_err(|error| self.0.describe(&error))
    }

    /// A short request, sent to a provider of `dialect`.
    fn plainly(dialect: Dialect, stream: bool) -> Exchange {
        let body = serde_json::json!({
            "model": "m", "max_tokens": 9, "stream": stream, "messages": [{"role": "user", "content": "hi"}],
        });
        let client = Self::asking(body.to_string().as_bytes()).unwrap();
        client.exchange(dialect, Target { model: "m", facts: None }).unwrap()
    }
}

/// A whole answer of a provider as the client gets it.
pub(crate) fn answered(dialect: Dialect, body: String) -> Result<Vec<u8>, String> {
    client::answered(&Client::plainly(dialect, false), body)
}

/// A stream of a provider that comes in pieces of `length` bytes, as the client gets it.
pub(crate) fn streamed(dialect: Dialect, sse: &[u8], length: usize) -> Got {
    client::streamed(&Client::plainly(dialect, true), sse, length)
}
