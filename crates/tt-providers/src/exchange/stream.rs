//! A streamed answer between provider and client: passed through as it came, or translated.

use bytes::BytesMut;
use tt_core::call::event::Event;

use crate::codec::{Observer, PublicError, StreamDecoder, StreamEncoder};
use crate::kept_thinking::{AnswerThinking, OwnThinking};
use crate::sse::Frame;
use crate::surrogates::mended;
use crate::tally::Tally;
use crate::upstream::error::UpstreamError;

/// The most memory that one stream keeps between frames, in bytes ([`AnswerStream::held_bytes`]).
const MOST_HELD_BYTES: usize = 16 << 20;

/// The most events of a frame whose memory is kept for the next one. Most frames bring one or two.
const KEPT_EVENTS: usize = 64;

/// The data of the events by which some hosts keep a connection open. They say nothing, and clients fail on them.
const NOTHING: &[u8] = b"null";

/// The treatment of a streamed answer.
#[derive(Debug)]
pub enum AnswerStream {
    /// Client and provider speak the same dialect: frames pass through.
    PassThrough(Box<dyn Observer>),
    /// They speak different dialects: events are translated.
    Translated(Box<Translated>),
    /// There is no stream, since the client asked for something that never comes as one. The account is empty.
    Never(Box<Tally>),
}

/// A stream that is decoded and encoded again.
#[derive(Debug)]
pub struct Translated {
    decoder: Box<dyn StreamDecoder>,
    encoder: Box<dyn StreamEncoder>,
    tally: Tally,
    /// The thinking so far, and the place where it is kept; `None`: it is not kept.
    thinking: Option<(AnswerThinking, OwnThinking)>,
    /// The events of the current frame. It is empty between frames and kept to reuse its memory.
    events: Vec<Event>,
}

/// The meaning of one frame for the caller.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Step {
    /// True if the frame holds content. Once the client has been sent content, no other target may answer.
    pub content: bool,
    /// True if the provider ended the stream properly. The end for the client is not in the output yet:
    /// [`AnswerStream::end`] writes it.
    pub done: bool,
}

impl AnswerStream {
    pub(super) fn pass_through(observer: Box<dyn Observer>) -> Self {
        Self::PassThrough(observer)
    }

    pub(super) fn translated(
        decoder: Box<dyn StreamDecoder>,
        encoder: Box<dyn StreamEncoder>,
        thinking: Option<OwnThinking>,
    ) -> Self {
        let thinking = thinking.map(|own| (AnswerThinking::default(), own));
        Self::Translated(Box::new(Translated {
            decoder,
            encoder,
            tally: Tally::default(),
            thinking,
            events: Vec::new(),
        }))
    }

    /// Takes one frame of the provider, and appends the bytes for the client to `out`.
    ///
    /// # Errors
    /// `Refused` for an error in the stream, `Protocol` for a frame that cannot be read or a stream that keeps more than
    /// 16 MiB of open blocks, `BadAnswer` for an answer that ended of no use before any content.
    pub fn frame(&mut self, frame: &Frame, out: &mut BytesMut) -> Result<Step, UpstreamError> {
        let step = self.take(frame, out)?;
        if self.held_bytes() > MOST_HELD_BYTES {
            return Err(UpstreamError::Protocol(format!(
                "the open blocks of a stream take more than {MOST_HELD_BYTES} bytes"
            )));
        }
        Ok(step)
    }

    fn take(&mut self, frame: &Frame, out: &mut BytesMut) -> Result<Step, UpstreamError> {
        if frame.data.trim_ascii() == NOTHING {
            return Ok(Step::default());
        }
        match self {
            Self::Never(_) => Err(UpstreamError::Protocol("the answer came as a stream".to_owned())),
            Self::PassThrough(observer) => {
                let seen = observer.data(&mended(&frame.data))?;
                if !seen.done && !seen.unwanted {
                    observer.pass_on(frame, out);
                }
                Ok(Step { content: seen.content, done: seen.done })
            }
            Self::Translated(stream) => {
                // A comment has no data: there is nothing to decode.
                let decoded = if frame.data.trim_ascii().is_empty() {
                    Ok(())
                } else {
                    stream.decoder.data(&mended(&frame.data), &mut stream.events)
                };
                let step = stream.encode(out);
                decoded.map(|()| step)
            }
        }
    }

    /// Takes note that the body of the provider ended.
    ///
    /// # Errors
    /// `Protocol` when the stream ended early.
    pub fn body_ended(&mut self, out: &mut BytesMut) -> Result<Step, UpstreamError> {
        match self {
            Self::Never(_) => Ok(Step { content: false, done: true }),
            Self::PassThrough(observer) => observer.body_ended().map(|()| Step { content: false, done: true }),
            Self::Translated(stream) => {
                let ended = stream.decoder.end(&mut stream.events);
                let step = stream.encode(out);
                ended.map(|()| step)
            }
        }
    }

    /// Appends the end of the stream that the client waits for.
    pub fn end(&mut self, out: &mut BytesMut) {
        match self {
            Self::Never(_) => {}
            Self::PassThrough(observer) => observer.end(out),
            Self::Translated(stream) => {
                stream.encoder.event(&Event::Done, out);
                if let Some((answer, own)) = stream.thinking.take() {
                    own.keep_streamed(answer);
                }
            }
        }
    }

    /// Ends a stream that broke: appends `error`, after which nothing may be written.
    pub fn broke(&mut self, error: &PublicError<'_>, out: &mut BytesMut) {
        match self {
            Self::Never(_) => {}
            Self::PassThrough(observer) => observer.broke(error, out),
            Self::Translated(stream) => stream.encoder.broke(error, out),
        }
    }

    /// The memory, in bytes, that the stream keeps of the answer between frames: open blocks with their texts, arguments
    /// and signatures, the usage, and the account. The bytes in the framer and in `out` are the caller's to count. Cheap:
    /// it does not walk over what is kept.
    pub fn held_bytes(&self) -> usize {
        match self {
            Self::Never(_) => 0,
            Self::PassThrough(observer) => observer.held_bytes(),
            Self::Translated(stream) => {
                let codecs = stream.decoder.held_bytes() + stream.encoder.held_bytes();
                let thinking = stream.thinking.as_ref().map_or(0, |(answer, _)| answer.held_bytes());
                codecs + thinking + stream.tally.held_bytes() + stream.events.capacity() * size_of::<Event>()
            }
        }
    }

    /// The account of the answer so far.
    pub fn tally(&mut self) -> &Tally {
        match self {
            Self::Never(tally) => tally,
            Self::PassThrough(observer) => observer.tally(),
            Self::Translated(stream) => &stream.tally,
        }
    }
}

impl Translated {
    /// Encodes the decoded events for the client. [`Event::Done`] is noted in the step, not encoded.
    fn encode(&mut self, out: &mut BytesMut) -> Step {
        let mut step = Step::default();
        for event in self.events.drain(..) {
            self.tally.event(&event);
            if let Some((answer, _)) = &mut self.thinking {
                answer.event(&event);
            }
            step.content |= event.is_content();
            if event == Event::Done {
                step.done = true;
            } else {
                self.encoder.event(&event, out);
            }
        }
        self.events.shrink_to(KEPT_EVENTS);
        step
    }
}
