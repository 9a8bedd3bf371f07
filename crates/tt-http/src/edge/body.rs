//! Reads the body of a request: up to a cap, with a deadline for silence, within the memory limit of the process.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};

use crate::edge::error::ApiError;
use crate::state::memory_limit::{MemoryLimit, MemoryShare};

/// A body read in full. It holds its share of the memory limit until it is dropped.
#[derive(Debug)]
pub(crate) struct Buffered {
    pub(crate) bytes: Bytes,
    _share: MemoryShare,
}

/// Reads `body` to its end. A length that the client announces can only get the body refused: memory is taken as bytes
/// arrive.
///
/// # Errors
/// When the body is longer than `cap_bytes` (413), silent for longer than `idle` (408), broken off or badly framed (400),
/// or too much for the memory limit (503).
pub(crate) async fn read(
    mut body: Incoming,
    cap_bytes: usize,
    idle: Duration,
    memory: &MemoryLimit,
) -> Result<Buffered, ApiError> {
    let announced = body.size_hint().lower();
    if announced > cap_bytes as u64 {
        return Err(ApiError::body_too_large(cap_bytes));
    }
    let mut share = memory.share();
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
        // Most bodies arrive in one piece, which is kept without a copy.
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
