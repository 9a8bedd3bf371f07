//! Reading a request's body: capped, with a deadline for silence, and within what the whole process may hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};

use crate::edge::error::ApiError;

/// How many bytes of bodies the process holds, and how many it may (`MAX_BUFFERED_BYTES`).
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    held: Arc<AtomicUsize>,
    most: usize,
}

impl Budget {
    pub(crate) fn new(most_bytes: usize) -> Self {
        Self { held: Arc::new(AtomicUsize::new(0)), most: most_bytes }
    }

    fn share(&self) -> Share {
        Share { budget: self.clone(), bytes: 0 }
    }
}

/// A part of the budget, given back on drop.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Budget,
    bytes: usize,
}

impl Share {
    fn grow_to(&mut self, bytes: usize) -> Result<(), ApiError> {
        let Some(more) = bytes.checked_sub(self.bytes) else { return Ok(()) };
        let held = self.budget.held.fetch_add(more, Ordering::Relaxed);
        self.bytes = bytes;
        if held.saturating_add(more) > self.budget.most { Err(ApiError::overloaded()) } else { Ok(()) }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// A body read in full, and its share of the budget for as long as it is held.
#[derive(Debug)]
pub(crate) struct Buffered {
    pub(crate) bytes: Bytes,
    _share: Share,
}

/// Reads `body` to its end: at most `cap_bytes`, no silence longer than `idle`.
///
/// The length a client announces is believed for refusing only: memory is taken as bytes arrive.
pub(crate) async fn read(
    mut body: Incoming,
    cap_bytes: usize,
    idle: Duration,
    budget: &Budget,
) -> Result<Buffered, ApiError> {
    let announced = body.size_hint().lower();
    if announced > cap_bytes as u64 {
        return Err(ApiError::body_too_large(cap_bytes));
    }
    let mut share = budget.share();
    let mut first: Option<Bytes> = None;
    let mut rest = BytesMut::new();
    loop {
        let frame = tokio::time::timeout(idle, body.frame()).await.map_err(|_| ApiError::request_timeout())?;
        let Some(frame) = frame else { break };
        let Ok(data) = frame.map_err(|_| ApiError::incomplete_body())?.into_data() else { continue };
        let total = first.as_ref().map_or(0, Bytes::len) + rest.len() + data.len();
        if total > cap_bytes {
            return Err(ApiError::body_too_large(cap_bytes));
        }
        share.grow_to(total)?;
        // Most bodies arrive in one piece and are kept as they came.
        match &first {
            None => first = Some(data),
            Some(begin) => {
                if rest.is_empty() {
                    rest.reserve(total.max(usize::try_from(announced).unwrap_or(0).min(total * 2)));
                    rest.extend_from_slice(begin);
                    first = Some(Bytes::new());
                }
                rest.extend_from_slice(&data);
            }
        }
    }
    let bytes = if rest.is_empty() { first.unwrap_or_default() } else { rest.freeze() };
    Ok(Buffered { bytes, _share: share })
}
