//! Server-sent events, cut out of a byte stream without copying it.
//!
//! [`Framer`] knows the framing of the
//! [event stream format](https://html.spec.whatwg.org/multipage/server-sent-events.html) and not the contents of the
//! events. The bytes of all frames, one after another, are the bytes pushed.

use std::collections::VecDeque;

use bytes::{BufMut, Bytes, BytesMut};

use crate::upstream::error::UpstreamError;

/// The longest event that is taken, in bytes. Only a broken or hostile provider sends a longer one.
const EVENT_CAP_BYTES: usize = 16 << 20;

/// One event of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The bytes of the event as received, comments and the blank line included. A stream that passes through sends
    /// these.
    pub raw: Bytes,
    /// The values of its `data` lines, joined by line feeds; a slice of `raw` when there is one. Empty for comments. The
    /// data names the event itself in each dialect whose events have names.
    pub data: Bytes,
}

/// The bytes from which on an event has room for the longest one, so that nothing is copied again as it grows. Room that
/// is not used takes no memory.
const LARGE_EVENT_BYTES: usize = 1 << 20;

/// Cuts pushed chunks into frames.
///
/// An event that lies inside one chunk is a slice of it; only one that spans chunks is copied, once. An event whose
/// blank line ends with a bare CR is held until the next byte (or [`Framer::finish`]) shows whether an LF belongs to
/// it, so that frames do not depend on where the input was cut.
#[derive(Debug, Default)]
pub struct Framer {
    /// The bytes that were pushed and not yet read.
    chunks: VecDeque<Bytes>,
    /// The beginning of an event that did not end in its chunk.
    carry: BytesMut,
    at: At,
    /// True once an event was too long. No frame follows, since the end of that event is not known.
    broken: bool,
}

/// The state of the scanner between two bytes.
#[derive(Debug, Default, Clone, Copy)]
enum At {
    #[default]
    LineStart,
    InLine,
    /// A CR ended a line; an LF that follows belongs to it.
    AfterCr,
    /// A CR ended the blank line; an LF that follows belongs to it.
    BlankCr,
}

impl Framer {
    /// A framer at the start of a body.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next chunk of the body.
    pub fn push(&mut self, chunk: Bytes) {
        if !chunk.is_empty() && !self.broken {
            self.chunks.push_back(chunk);
        }
    }

    /// The bytes that are kept for events that have not come out.
    pub fn held_bytes(&self) -> usize {
        self.carry.len() + self.chunks.iter().map(Bytes::len).sum::<usize>()
    }

    /// The next whole event; `None`: push more.
    ///
    /// # Errors
    /// `Protocol` for an event over 16 MiB, after which there are no more.
    #[expect(clippy::should_implement_trait, reason = "None is not the end: more may be pushed")]
    pub fn next(&mut self) -> Option<Result<Frame, UpstreamError>> {
        self.next_raw().map(|raw| raw.map(Frame::read))
    }

    /// As [`Framer::next`], of which only the end has been looked for. [`Frame::read`] takes long for an event of many
    /// lines.
    ///
    /// # Errors
    /// As [`Framer::next`].
    pub fn next_raw(&mut self) -> Option<Result<Bytes, UpstreamError>> {
        while let Some(chunk) = self.chunks.front_mut() {
            let end = self.at.find_end(chunk);
            let len = end.unwrap_or(chunk.len());
            if self.carry.len() + len > EVENT_CAP_BYTES {
                *self = Self { broken: true, ..Self::default() };
                return Some(Err(UpstreamError::Protocol(format!(
                    "an event of more than {EVENT_CAP_BYTES} bytes in a stream"
                ))));
            }
            let piece = chunk.split_to(len);
            if chunk.is_empty() {
                self.chunks.pop_front();
            }
            if end.is_some() && self.carry.is_empty() {
                return Some(Ok(piece));
            }
            let longer = self.carry.len() + piece.len();
            if longer > LARGE_EVENT_BYTES && self.carry.capacity() < longer {
                self.carry.reserve(EVENT_CAP_BYTES - self.carry.len());
            }
            self.carry.extend_from_slice(&piece);
            if end.is_some() {
                return Some(Ok(self.carry.split().freeze()));
            }
        }
        None
    }

    /// The rest at the end of the body, once [`Framer::next`] says `None`: an event without its blank line, whose
    /// data may be cut anywhere. `None`: nothing.
    pub fn finish(&mut self) -> Option<Frame> {
        self.finish_raw().map(Frame::read)
    }

    /// As [`Framer::finish`], not read.
    pub fn finish_raw(&mut self) -> Option<Bytes> {
        self.at = At::LineStart;
        let rest = self.carry.split().freeze();
        (!rest.is_empty()).then_some(rest)
    }
}

impl At {
    /// The number of bytes of `chunk` up to the end of the event it continues; `None`: the event goes on.
    fn find_end(&mut self, chunk: &[u8]) -> Option<usize> {
        let mut i = 0;
        while let Some(&byte) = chunk.get(i) {
            match *self {
                Self::AfterCr => {
                    *self = Self::LineStart;
                    i += usize::from(byte == b'\n');
                }
                Self::BlankCr => {
                    *self = Self::LineStart;
                    return Some(i + usize::from(byte == b'\n'));
                }
                Self::LineStart => match byte {
                    b'\n' => return Some(i + 1),
                    b'\r' => {
                        *self = Self::BlankCr;
                        i += 1;
                    }
                    _ => *self = Self::InLine,
                },
                Self::InLine => {
                    let rest = chunk.get(i..).unwrap_or_default();
                    let n = memchr::memchr2(b'\n', b'\r', rest)?;
                    *self = if rest.get(n) == Some(&b'\n') { Self::LineStart } else { Self::AfterCr };
                    i += n + 1;
                }
            }
        }
        None
    }
}

impl Frame {
    /// Reads the fields of one event.
    pub fn read(raw: Bytes) -> Self {
        let mut data = Data::None;
        // The byte order mark may only stand at the very start of a stream; elsewhere it would be part of a field's
        // name, which no one sends.
        let mut at = if raw.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        while let Some(rest) = raw.get(at..).filter(|rest| !rest.is_empty()) {
            let len = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
            let line = rest.get(..len).unwrap_or_default();
            if let Some(value) = line.strip_prefix(b"data:") {
                let value = value.strip_prefix(b" ").unwrap_or(value);
                data.add(raw.slice(at + len - value.len()..at + len));
            } else if line == b"data" {
                data.add(Bytes::new());
            }
            at += len + 1;
        }
        Self { data: data.joined(), raw }
    }
}

/// Appends an event that is named `event`. `data` may be spread over lines.
pub(crate) fn write(event: &str, data: &[u8], out: &mut BytesMut) {
    out.put_slice(b"event: ");
    out.put_slice(event.as_bytes());
    let mut begin = 0;
    for end in memchr::memchr_iter(b'\n', data).chain([data.len()]) {
        out.put_slice(b"\ndata: ");
        out.put_slice(data.get(begin..end).unwrap_or_default());
        begin = end + 1;
    }
    out.put_slice(b"\n\n");
}

/// The data lines so far: most events have one.
enum Data {
    None,
    One(Bytes),
    Many(BytesMut),
}

impl Data {
    fn add(&mut self, line: Bytes) {
        *self = match std::mem::replace(self, Self::None) {
            Self::None => Self::One(line),
            Self::One(first) => {
                let mut joined = BytesMut::with_capacity(first.len() + 1 + line.len());
                joined.extend_from_slice(&first);
                Self::many(joined, &line)
            }
            Self::Many(joined) => Self::many(joined, &line),
        };
    }

    fn many(mut joined: BytesMut, line: &[u8]) -> Self {
        joined.extend_from_slice(b"\n");
        joined.extend_from_slice(line);
        Self::Many(joined)
    }

    fn joined(self) -> Bytes {
        match self {
            Self::None => Bytes::new(),
            Self::One(line) => line,
            Self::Many(joined) => joined.freeze(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frames(chunks: &[&[u8]]) -> Vec<Frame> {
        let mut framer = Framer::new();
        let mut found = Vec::new();
        for chunk in chunks {
            framer.push(Bytes::copy_from_slice(chunk));
            while let Some(frame) = framer.next() {
                found.push(frame.unwrap());
            }
        }
        found.extend(framer.finish());
        found
    }

    fn data(input: &str) -> Vec<String> {
        frames(&[input.as_bytes()]).iter().map(|f| String::from_utf8(f.data.to_vec()).unwrap()).collect()
    }

    #[test]
    fn every_line_end_ends_an_event() {
        assert_eq!(data("data: a\n\ndata: b\n\n"), ["a", "b"]);
        assert_eq!(data("data: a\r\n\r\ndata: b\r\n\r\n"), ["a", "b"]);
        assert_eq!(data("data: a\r\rdata: b\r\r"), ["a", "b"]);
        assert_eq!(data("data: a\n\r\ndata: b\r\n\n"), ["a", "b"]);
    }

    #[test]
    fn one_leading_space_is_not_data() {
        assert_eq!(data("data:a\n\ndata: a\n\ndata:  a \n\ndata\n\n"), ["a", "a", " a ", ""]);
    }

    #[test]
    fn data_lines_are_joined_by_line_feeds() {
        assert_eq!(data("data: a\r\ndata: b\ndata:\ndata: c\n\n"), ["a\nb\n\nc"]);
    }

    #[test]
    fn an_event_is_read_as_it_was_written() {
        for written in ["", "a", "a\nb\n\nc", " a ", "\n"] {
            let mut out = BytesMut::new();
            write("e", written.as_bytes(), &mut out);
            assert!(out.starts_with(b"event: e\ndata: "));
            assert_eq!(frames(&[&out]).iter().map(|frame| &frame.data[..]).collect::<Vec<_>>(), [written.as_bytes()]);
        }
    }

    #[test]
    fn comments_and_unknown_fields_hold_no_data() {
        assert_eq!(data(": ping\n\nevent: b\nid: 7\nretry: 1\ndataset: x\ndata: a\n\n"), ["", "a"]);
    }

    #[test]
    fn a_byte_order_mark_is_skipped_and_passed_on() {
        let found = frames(&[b"\xef\xbb", b"\xbfdata: a\n\n"]);
        assert_eq!(&found[0].data[..], b"a");
        assert_eq!(&found[0].raw[..], b"\xef\xbb\xbfdata: a\n\n");
    }

    #[test]
    fn an_event_inside_one_chunk_is_a_slice_of_it() {
        let chunk = Bytes::from_static(b"data: one\n\ndata: two\n\n");
        let mut framer = Framer::new();
        framer.push(chunk.clone());
        let (first, second) = (framer.next().unwrap().unwrap(), framer.next().unwrap().unwrap());
        assert_eq!(first.raw.as_ptr(), chunk.as_ptr());
        assert_eq!(second.data.as_ptr() as usize, chunk.as_ptr() as usize + 17);
    }

    #[test]
    fn an_event_comes_out_with_its_last_byte() {
        let mut framer = Framer::new();
        framer.push(Bytes::from_static(b"data: a\r\n\r"));
        assert!(framer.next().is_none());
        framer.push(Bytes::from_static(b"\n"));
        assert_eq!(&framer.next().unwrap().unwrap().raw[..], b"data: a\r\n\r\n");
        assert!(framer.finish().is_none());
    }

    #[test]
    fn what_lacks_its_blank_line_comes_at_the_end() {
        let found = frames(&[b"data: a\n\ndata: b"]);
        assert_eq!(&found[1].data[..], b"b");
    }

    #[test]
    fn an_endless_event_is_refused_once() {
        let mut framer = Framer::new();
        let chunk = Bytes::from(vec![b'x'; 1 << 20]);
        for _ in 0..16 {
            framer.push(chunk.clone());
            assert!(framer.next().is_none());
        }
        framer.push(chunk.clone());
        assert!(matches!(framer.next(), Some(Err(UpstreamError::Protocol(_)))));
        framer.push(Bytes::from_static(b"\n\ndata: a\n\n"));
        assert!(framer.next().is_none());
        assert!(framer.finish().is_none());
    }

    proptest! {
        #[test]
        fn frames_do_not_depend_on_the_cuts(
            input in prop::collection::vec(
                prop::sample::select(vec!["\n", "\r", "\r\n", "data:", "data: ", "é€", "a", ":", "event: e", "\u{feff}"]),
                0..40,
            ),
            cuts in prop::collection::vec(0usize..120, 0..12),
        ) {
            let text = input.concat();
            let bytes = text.as_bytes();
            let whole = frames(&[bytes]);
            let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c % (bytes.len() + 1)).collect();
            cuts.push(bytes.len());
            cuts.sort_unstable();
            let mut from = 0;
            let pieces: Vec<&[u8]> = cuts.iter().map(|&to| { let piece = &bytes[from..to]; from = to; piece }).collect();
            prop_assert_eq!(&frames(&pieces), &whole);
            let all: Vec<u8> = whole.iter().flat_map(|f| f.raw.to_vec()).collect();
            prop_assert_eq!(&all[..], bytes);
        }
    }
}
