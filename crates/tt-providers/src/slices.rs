//! A request body of a few shared slices: a large body with a small change is sent without being copied.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// A body of `Bytes` slices, in order. Cloning is cheap, so that a retry sends the same again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Slices {
    /// The slices left to send, the last one first.
    rest: Vec<Bytes>,
}

impl Slices {
    /// The slices in the order they are sent.
    pub fn new(parts: impl IntoIterator<Item = Bytes>) -> Self {
        let mut rest: Vec<Bytes> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        rest.reverse();
        Self { rest }
    }

    /// The number of bytes left to send.
    pub fn len(&self) -> u64 {
        self.rest.iter().map(|part| part.len() as u64).sum()
    }

    /// True if no byte is left to send.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The slices left, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Bytes> {
        self.rest.iter().rev()
    }

    /// The bytes left, as one copy.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut all = Vec::with_capacity(self.iter().map(Bytes::len).sum());
        self.iter().for_each(|part| all.extend_from_slice(part));
        all
    }
}

impl From<Bytes> for Slices {
    fn from(whole: Bytes) -> Self {
        Self::new([whole])
    }
}

impl From<Vec<u8>> for Slices {
    fn from(whole: Vec<u8>) -> Self {
        Self::new([Bytes::from(whole)])
    }
}

impl Body for Slices {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.rest.pop().map(|part| Ok(Frame::data(part))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_leave_in_order_and_the_size_is_exact() {
        let mut body = Slices::new([Bytes::from_static(b"ab"), Bytes::new(), Bytes::from_static(b"c")]);
        assert_eq!((body.to_vec(), body.size_hint().exact()), (b"abc".to_vec(), Some(3)));
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let mut sent = Vec::new();
        while let Poll::Ready(Some(Ok(frame))) = Pin::new(&mut body).poll_frame(&mut cx) {
            sent.extend_from_slice(frame.data_ref().unwrap());
            assert_eq!(body.size_hint().exact(), Some(3 - sent.len() as u64));
        }
        assert_eq!(sent, b"abc");
        assert!(body.is_end_stream());
    }
}
