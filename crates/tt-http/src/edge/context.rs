//! The context of a request: what a handler gets.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, header};
use hyper::body::Incoming;
use serde::de::DeserializeOwned;
use tt_core::{Caller, Dialect, RequestId, Timestamp};
use tt_store::{Actor, Author};

use crate::clock::now;
use crate::edge::body::{self, Pace};
use crate::edge::error::ApiError;
use crate::edge::last_key::LastKey;
use crate::edge::reader::Reader;
use crate::state::app::App;
use crate::state::directory::KnownCaller;
use crate::state::memory_limit::{Part, RequestMemory};
use crate::state::worker::Worker;

/// One request: its client, its time, and the part of it that is still to be read. Handlers pass it on in a box, since the
/// future of each of them would otherwise have room for it several times, and be moved with it.
pub(crate) struct Context {
    pub(crate) app: Arc<App>,
    pub(crate) worker: Arc<Worker>,
    pub(crate) id: RequestId,
    pub(crate) arrived_at: Timestamp,
    pub(crate) arrived: Instant,
    pub(crate) client: IpAddr,
    pub(crate) reader: Reader,
    pub(crate) last_key: LastKey,
    pub(crate) parts: http::request::Parts,
    pub(crate) body: Option<Incoming>,
    pub(crate) params: Vec<String>,
    pub(crate) cap_bytes: usize,
    /// The dialect of the client, on the paths that have one.
    pub(crate) dialect: Option<Dialect>,
}

impl Context {
    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.parts.headers
    }

    /// The author of a change that `caller` makes by this request.
    pub(crate) fn author(&self, caller: &Caller) -> Author {
        Author { actor: Actor::User(caller.user_id, caller.api_key_id()), address: Some(self.client), at: now() }
    }

    /// The `n`th placeholder of the path, percent-decoded.
    pub(crate) fn param(&self, n: usize) -> &str {
        self.params.get(n).map_or("", String::as_str)
    }

    /// The `n`th placeholder as an id. A text that is no number is answered like the id of a missing object, with 404.
    pub(crate) fn id_param(&self, n: usize, what: &str) -> Result<i64, ApiError> {
        self.param(n).parse().map_err(|_| ApiError::not_found(what))
    }

    /// The values of the query's parameters in the order of `known`, decoded.
    ///
    /// # Errors
    /// When a parameter is not in `known` or is given twice.
    pub(crate) fn query<const N: usize>(&self, known: [&'static str; N]) -> Result<[Option<String>; N], ApiError> {
        let mut values: [Option<String>; N] = std::array::from_fn(|_| None);
        self.query_into(&known, &mut values)?;
        Ok(values)
    }

    /// As [`Context::query`], into a slice as long as `known`.
    pub(crate) fn query_into(&self, known: &[&'static str], values: &mut [Option<String>]) -> Result<(), ApiError> {
        let query = self.parts.uri.query().unwrap_or_default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let Some((slot, field)) = values.iter_mut().zip(known).find(|(_, field)| **field == name) else {
                let shown: String = name.chars().take(64).collect();
                return Err(ApiError::invalid_field(
                    shown,
                    format!("is not a parameter of this call; its parameters are {}", known.join(", ")),
                ));
            };
            if slot.replace(value.into_owned()).is_some() {
                return Err(ApiError::invalid_field(*field, "is given twice"));
            }
        }
        Ok(())
    }

    /// The body of a request that is proxied, or planned as if it were, and the memory that it holds.
    ///
    /// # Errors
    /// As [`Context::bytes`], and when the body is too much for the memory limit (503, or 413 if it always is).
    pub(crate) async fn counted_bytes(&mut self, caller: &KnownCaller) -> Result<(Bytes, RequestMemory), ApiError> {
        let memory = self.app.memory.request(caller.memory());
        let bytes = self.read(|bytes| Ok(memory.hold(Part::Body, bytes)?)).await?;
        Ok((bytes, memory))
    }

    /// The body, within the cap of the route, which is small: it is not counted against the memory limit. As many bodies
    /// are read at a time as there are connections, and a limit for all of them together could be used up by one client,
    /// so that nobody else could log in.
    ///
    /// # Errors
    /// As [`Context::read`].
    async fn bytes(&mut self) -> Result<Bytes, ApiError> {
        self.read(|_| Ok(())).await
    }

    /// Reads the body. `hold` is told its growing size.
    ///
    /// # Errors
    /// When the request declares a content type that is not JSON, and whatever [`body::read`] refuses.
    async fn read(&mut self, hold: impl FnMut(usize) -> Result<(), ApiError>) -> Result<Bytes, ApiError> {
        if let Some(kind) = self.parts.headers.get(header::CONTENT_TYPE) {
            let kind = kind.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
            let json = kind.eq_ignore_ascii_case("application/json")
                || (kind.len() > 17 && kind.to_ascii_lowercase().ends_with("+json"));
            if !json {
                return Err(ApiError::unsupported_media_type());
            }
        }
        let incoming = self.body.take().ok_or_else(ApiError::internal)?;
        let pace = Pace::with_idle(self.app.config.client_body_idle_timeout);
        body::read(incoming, self.cap_bytes, pace, hold).await
    }

    /// The body as JSON of type `T`. The error names the first field that is unknown, missing, mistyped or given twice.
    pub(crate) async fn json<T: DeserializeOwned>(&mut self) -> Result<T, ApiError> {
        let body = self.bytes().await?;
        crate::edge::json::parse(&body)
    }

    /// As [`Context::json`]; an empty body gives the default of `T`.
    pub(crate) async fn json_or_default<T: DeserializeOwned + Default>(&mut self) -> Result<T, ApiError> {
        let body = self.bytes().await?;
        if body.is_empty() { Ok(T::default()) } else { crate::edge::json::parse(&body) }
    }
}
