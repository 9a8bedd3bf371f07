//! The two forms of a stream for a client of Gemini: server-sent events (`alt=sse`), or one JSON array.

use bytes::{BufMut, BytesMut};

use crate::codec::Framing;
use crate::dialect::compact::compact;

/// The framing of the elements of one stream, each of which is a JSON object.
#[derive(Debug, Default)]
pub(super) struct Elements {
    framing: Framing,
    /// True once an element has begun.
    begun: bool,
}

impl Elements {
    pub(super) fn new(framing: Framing) -> Self {
        Self { framing, begun: false }
    }

    pub(super) fn framing(&self) -> Framing {
        self.framing
    }

    /// Begins an element.
    pub(super) fn begin(&mut self, out: &mut BytesMut) {
        let lead: &[u8] = match (self.framing, self.begun) {
            (Framing::Events, _) => b"data: ",
            (Framing::Array, false) => b"[",
            (Framing::Array, true) => b",\r\n",
        };
        self.begun = true;
        out.put_slice(lead);
    }

    /// Ends an element that has begun.
    pub(super) fn end(&self, out: &mut BytesMut) {
        if self.framing == Framing::Events {
            out.put_slice(b"\r\n\r\n");
        }
    }

    /// Writes a whole element. `json` may be spread over lines, which an event cannot be.
    pub(super) fn write(&mut self, json: &[u8], out: &mut BytesMut) {
        self.begin(out);
        match std::str::from_utf8(json) {
            Ok(json) if self.framing == Framing::Events => out.put_slice(compact(json).as_bytes()),
            _ => out.put_slice(json),
        }
        self.end(out);
    }

    /// Ends the stream.
    pub(super) fn close(&self, out: &mut BytesMut) {
        if self.framing == Framing::Array {
            out.put_slice(if self.begun { b"]" } else { b"[]" });
        }
    }
}
