//! The answers of providers as a client gets them, whatever its dialect.

use bytes::{Bytes, BytesMut};
use tt_providers::sse::{Frame, Framer};
use tt_providers::{Exchange, UpstreamError};

/// A whole answer of a provider as the client gets it.
pub(crate) fn answered(exchange: &Exchange, body: impl Into<Bytes>) -> Result<Vec<u8>, String> {
    exchange.reply(body.into()).map(|answer| answer.body.to_vec()).map_err(|error| said(&error))
}

/// A streamed answer as the client gets it.
pub(crate) struct Got {
    pub(crate) text: String,
    pub(crate) error: Option<String>,
    /// The generated text by the account.
    pub(crate) counted: String,
}

/// A stream of a provider that comes in pieces of `length` bytes, as the client gets it.
pub(crate) fn streamed(exchange: &Exchange, sse: &[u8], length: usize) -> Got {
    let mut stream = exchange.stream();
    let (mut framer, mut out) = (Framer::new(), BytesMut::new());
    let mut frames: Vec<Result<Frame, UpstreamError>> = Vec::new();
    for piece in sse.chunks(length.max(1)) {
        framer.push(Bytes::copy_from_slice(piece));
        while let Some(frame) = framer.next() {
            frames.push(frame);
        }
    }
    frames.extend(framer.finish().map(Ok));
    let mut ended = false;
    let whole = frames.into_iter().try_for_each(|frame| {
        if !ended {
            ended = stream.frame(&frame?, &mut out)?.done;
        }
        Ok(())
    });
    let whole = whole.and_then(|()| if ended { Ok(()) } else { stream.body_ended(&mut out).map(drop) });
    if whole.is_ok() {
        stream.end(&mut out);
    }
    let counted = stream.tally().output_text.clone();
    Got { text: String::from_utf8(out.to_vec()).unwrap(), error: whole.err().map(|error| said(&error)), counted }
}

fn said(error: &UpstreamError) -> String {
    format!("{}: {}", error.kind(), error.public_reason())
}
