//! What happens to a stream's events between provider and client: passed on as they came, or translated.

use bytes::BytesMut;
use tt_core::Dialect;
use tt_core::event::Event;
use tt_providers::openai::EncodeOptions;
use tt_providers::openai::observe::Observer;
use tt_providers::openai::stream::Encoder;
use tt_providers::sse::Frame;
use tt_providers::stream::Tally;
use tt_providers::{ProviderError, StreamDecoder, Undo};

/// The way of a stream.
pub(crate) enum Flow {
    /// Client and provider speak the same dialect.
    Pass {
        observer: Box<Observer>,
        /// Did the client ask for the usage chunk?
        usage_wanted: bool,
    },
    /// They do not.
    Translate { decoder: Box<StreamDecoder>, encoder: Box<Encoder>, tally: Box<Tally>, events: Vec<Event> },
}

/// What a frame brought.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Step {
    /// Content, after which the target is committed.
    pub(crate) content: bool,
    /// The provider's proper end. What the client gets for it was left out of the output: see [`Flow::end`].
    pub(crate) done: bool,
}

impl Flow {
    pub(crate) fn pass(usage_wanted: bool) -> Self {
        Self::Pass { observer: Box::default(), usage_wanted }
    }

    pub(crate) fn translate(dialect: Dialect, undo: Undo, options: EncodeOptions) -> Self {
        Self::Translate {
            decoder: Box::new(StreamDecoder::new(dialect, undo)),
            encoder: Box::new(Encoder::new(options)),
            tally: Box::default(),
            events: Vec::new(),
        }
    }

    /// Takes one frame; what the client gets of it is appended to `out`.
    pub(crate) fn frame(&mut self, frame: &Frame, out: &mut BytesMut) -> Result<Step, ProviderError> {
        match self {
            Self::Pass { observer, usage_wanted } => {
                let seen = observer.observe(&frame.data);
                if let Some(refused) = seen.error {
                    return Err(ProviderError::Refused(Box::new(refused)));
                }
                if seen.unreadable {
                    return Err(ProviderError::Protocol("an event of the stream cannot be read".to_owned()));
                }
                if !seen.done && (*usage_wanted || !seen.usage_only) {
                    out.extend_from_slice(&frame.raw);
                }
                Ok(Step { content: seen.content || seen.finish, done: seen.done })
            }
            Self::Translate { decoder, events, .. } => {
                let decoded = decoder.data(&frame.data, events);
                let step = self.encode(out);
                decoded.map(|()| step)
            }
        }
    }

    /// The provider's body ended: was that its proper end?
    pub(crate) fn body_ended(&mut self, out: &mut BytesMut) -> Result<Step, ProviderError> {
        match self {
            // Some hosts leave out `[DONE]`: with a finish reason and the usage that was asked for nothing is missing.
            Self::Pass { observer, .. } => match observer.tally() {
                tally if tally.finished && tally.usage.is_some() => Ok(Step { content: false, done: true }),
                _ => Err(ProviderError::Protocol("the stream ended early".to_owned())),
            },
            Self::Translate { decoder, events, .. } => {
                let ended = decoder.end(events);
                let step = self.encode(out);
                ended.map(|()| step)
            }
        }
    }

    fn encode(&mut self, out: &mut BytesMut) -> Step {
        let mut step = Step::default();
        if let Self::Translate { encoder, tally, events, .. } = self {
            for event in events.drain(..) {
                tally.event(&event);
                step.content |= event.is_content();
                if event == Event::Done {
                    step.done = true;
                } else {
                    encoder.event(&event, out);
                }
            }
        }
        step
    }

    /// The end the client waits for: the usage chunk if it asked, and `[DONE]`.
    pub(crate) fn end(&mut self, out: &mut BytesMut) {
        match self {
            Self::Pass { .. } => out.extend_from_slice(b"data: [DONE]\n\n"),
            Self::Translate { encoder, .. } => encoder.event(&Event::Done, out),
        }
    }

    /// What has been seen so far.
    pub(crate) fn tally(&mut self) -> &Tally {
        match self {
            Self::Pass { observer, .. } => observer.tally(),
            Self::Translate { tally, .. } => tally,
        }
    }
}
