//! The body of a large answer. It holds its memory until the client has taken it.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use crate::edge::reply::ReplyBody;
use crate::state::memory_limit::{Part, RequestMemory};

/// Answers are handed over in pieces of this many bytes, so that the last piece goes when the client has taken nearly all.
const PIECE: usize = 64 * 1024;

/// A whole answer of more than a piece.
pub(super) struct HeldBody {
    rest: Bytes,
    _memory: RequestMemory,
}

impl HeldBody {
    /// The body of a reply that is `answer`. It takes over the memory of the answer from `memory`, if that is much.
    pub(super) fn of_answer(answer: Bytes, memory: &RequestMemory) -> ReplyBody {
        if answer.len() <= PIECE {
            return ReplyBody::full(answer);
        }
        ReplyBody::Stream(Box::new(Self { rest: answer, _memory: memory.split_off(Part::Answer) }))
    }
}

impl Body for HeldBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.rest.len().min(PIECE);
        let piece = self.rest.split_to(piece);
        Poll::Ready((!piece.is_empty()).then(|| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http_body_util::BodyExt;

    use super::*;
    use crate::state::memory_limit::MemoryLimit;

    #[tokio::test]
    async fn a_large_answer_holds_its_memory_until_it_is_taken() {
        let limit = MemoryLimit::new(64 << 20);
        let request = limit.request(Arc::default());
        let answer = Bytes::from(vec![b'x'; 3 * PIECE + 1]);
        request.hold(Part::Body, 100).unwrap();
        request.hold(Part::Answer, answer.len()).unwrap();
        let mut body = HeldBody::of_answer(answer.clone(), &request);
        drop(request);
        assert_eq!(body.size_hint().exact(), Some(answer.len() as u64));
        let mut taken = Vec::new();
        while let Some(frame) = body.frame().await {
            assert!(limit.held() >= answer.len());
            taken.extend_from_slice(&frame.unwrap().into_data().unwrap());
        }
        assert_eq!(taken, answer);
        drop(body);
        assert_eq!(limit.held(), 0);
    }

    #[test]
    fn a_small_answer_is_one_piece_and_counts_no_longer() {
        let limit = MemoryLimit::new(64 << 20);
        let request = limit.request(Arc::default());
        request.hold(Part::Answer, 2).unwrap();
        let body = HeldBody::of_answer(Bytes::from_static(b"{}"), &request);
        drop(request);
        assert!(matches!(body, ReplyBody::Full(Some(_))));
        assert_eq!(limit.held(), 0);
    }
}
