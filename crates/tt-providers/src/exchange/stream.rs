//! A streamed answer between provider and client: passed on as it came, or translated.

use bytes::BytesMut;
use tt_core::call::event::Event;

use crate::codec::{Observer, PublicError, StreamDecoder, StreamEncoder};
use crate::sse::Frame;
use crate::tally::Tally;
use crate::upstream::error::UpstreamError;

/// The way of a stream.
#[derive(Debug)]
pub enum AnswerStream {
    /// Client and provider speak the same dialect.
    PassThrough(Box<dyn Observer>),
    /// They do not.
    Translated(Box<Translated>),
}

/// A stream that is decoded and encoded again.
#[derive(Debug)]
pub struct Translated {
    decoder: Box<dyn StreamDecoder>,
    encoder: Box<dyn StreamEncoder>,
    tally: Tally,
    /// Kept between frames for its memory alone.
    events: Vec<Event>,
}

/// What a frame brought.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Step {
    /// Content, after which the target is committed.
    pub content: bool,
    /// The provider's proper end. What the client gets for it was left out of the output: see [`AnswerStream::end`].
    pub done: bool,
}

impl AnswerStream {
    pub(super) fn pass_through(observer: Box<dyn Observer>) -> Self {
        Self::PassThrough(observer)
    }

    pub(super) fn translated(decoder: Box<dyn StreamDecoder>, encoder: Box<dyn StreamEncoder>) -> Self {
        Self::Translated(Box::new(Translated { decoder, encoder, tally: Tally::default(), events: Vec::new() }))
    }

    /// Takes one frame and appends to `out` what the client gets of it.
    ///
    /// # Errors
    /// `Refused` for an error in the stream, `Protocol` for a frame that cannot be read, `BadAnswer` for an answer that
    /// ended of no use before any content.
    pub fn frame(&mut self, frame: &Frame, out: &mut BytesMut) -> Result<Step, UpstreamError> {
        match self {
            Self::PassThrough(observer) => {
                let seen = observer.data(&frame.data)?;
                if !seen.done && !seen.unwanted {
                    out.extend_from_slice(&frame.raw);
                }
                Ok(Step { content: seen.content, done: seen.done })
            }
            Self::Translated(stream) => {
                // A comment has no data and says nothing.
                let decoded = if frame.data.trim_ascii().is_empty() {
                    Ok(())
                } else {
                    stream.decoder.data(&frame.data, &mut stream.events)
                };
                let step = stream.encode(out);
                decoded.map(|()| step)
            }
        }
    }

    /// The provider's body ended: was that its proper end?
    ///
    /// # Errors
    /// `Protocol` when the stream ended early.
    pub fn body_ended(&mut self, out: &mut BytesMut) -> Result<Step, UpstreamError> {
        match self {
            Self::PassThrough(observer) => observer.body_ended().map(|()| Step { content: false, done: true }),
            Self::Translated(stream) => {
                let ended = stream.decoder.end(&mut stream.events);
                let step = stream.encode(out);
                ended.map(|()| step)
            }
        }
    }

    /// Appends the end that the client waits for.
    pub fn end(&mut self, out: &mut BytesMut) {
        match self {
            Self::PassThrough(observer) => observer.end(out),
            Self::Translated(stream) => stream.encoder.event(&Event::Done, out),
        }
    }

    /// Ends a stream that broke: appends an error, and nothing may follow it.
    pub fn broke(&mut self, error: &PublicError<'_>, out: &mut BytesMut) {
        match self {
            Self::PassThrough(observer) => observer.broke(error, out),
            Self::Translated(stream) => stream.encoder.broke(error, out),
        }
    }

    /// The account so far.
    pub fn tally(&mut self) -> &Tally {
        match self {
            Self::PassThrough(observer) => observer.tally(),
            Self::Translated(stream) => &stream.tally,
        }
    }
}

impl Translated {
    /// Writes the events that were decoded; the end is only noted.
    fn encode(&mut self, out: &mut BytesMut) -> Step {
        let mut step = Step::default();
        for event in self.events.drain(..) {
            self.tally.event(&event);
            step.content |= event.is_content();
            if event == Event::Done {
                step.done = true;
            } else {
                self.encoder.event(&event, out);
            }
        }
        step
    }
}
