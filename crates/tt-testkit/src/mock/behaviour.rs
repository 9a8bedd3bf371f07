//! The behaviours that a test can ask the mock for: from Rust, or by words in the model's name.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tt_core::Usage;

use super::journal::Seen;

/// The way in which the mock answers. The default is an ordinary answer; the methods add to it and combine.
///
/// Every behaviour can also be asked for by the model's name, for tests that have curl or an SDK and no Rust: the name
/// is `mock` and then words, joined by `-` (`mock-delay-200ms-chunks-50-cut-after-3`). The words are those named at the
/// methods; others are ignored, so that `mock-small` is an ordinary model.
#[derive(Debug, Clone, Default)]
pub struct Behaviour {
    pub(super) delay: Option<Duration>,
    pub(super) drip: Option<Duration>,
    pub(super) chunks: Option<usize>,
    pub(super) slice: Option<usize>,
    pub(super) text: Option<String>,
    pub(super) refusal: bool,
    pub(super) agent: bool,
    pub(super) only_own_steps: bool,
    pub(super) usage: UsageRule,
    pub(super) whole: Option<Whole>,
    pub(super) fault: Option<Fault>,
    pub(super) invalid_utf8: bool,
    pub(super) headers: Vec<(String, String)>,
}

/// The usage that is reported.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct UsageRule {
    pub(super) omit: bool,
    pub(super) exact: Option<Usage>,
    pub(super) cached: u64,
    pub(super) cache_write: u64,
    pub(super) reasoning: u64,
}

/// An answer that is not made from the request.
#[derive(Debug, Clone)]
pub(super) enum Whole {
    Status {
        code: u16,
        body: Option<Bytes>,
    },
    ContextLength,
    NotFound,
    Garbage,
    Html,
    /// No body, and a `location` where the status is a redirect's.
    Empty(u16),
    /// A body in gzip, which nobody has asked for.
    Gzip,
    GzipBomb,
    /// One event, or one body, of this many bytes.
    Huge(usize),
    /// The provider's error with the status 200.
    ErrorWith200,
    EmptyStream,
    Recording(Recording),
}

/// The place of a recording.
#[derive(Debug, Clone)]
pub(super) enum Recording {
    File(PathBuf),
    Bytes(Arc<[u8]>),
    /// In the directory given to the builder.
    Id(String),
}

/// A fault of a body, and its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    CutEvents(usize),
    CutBytes(usize),
    Stall(usize),
    Reset(usize),
    /// The connection ends with RST before a status line.
    ResetAtOnce,
    Error(usize),
    /// The body ends in order, without the frames that are left.
    End(usize),
}

impl Behaviour {
    /// An ordinary answer.
    pub fn ok() -> Self {
        Self::default()
    }

    /// This status, with the provider's own error body for it. Word: `status-429`.
    #[must_use]
    pub fn status(code: u16) -> Self {
        Self::whole(Whole::Status { code, body: None })
    }

    /// This status with this body.
    #[must_use]
    pub fn status_with_body(code: u16, body: impl Into<Bytes>) -> Self {
        Self::whole(Whole::Status { code, body: Some(body.into()) })
    }

    /// The provider's error for a prompt that does not fit the context window. Words: `context-length`.
    #[must_use]
    pub fn context_length() -> Self {
        Self::whole(Whole::ContextLength)
    }

    /// The provider's error for a model it does not know. Words: `not-found`.
    #[must_use]
    pub fn not_found() -> Self {
        Self::whole(Whole::NotFound)
    }

    /// Status 200 and a body that is no JSON (in a stream: events that are none). Word: `garbage`.
    #[must_use]
    pub fn garbage() -> Self {
        Self::whole(Whole::Garbage)
    }

    /// Status 200 and a page, also where a stream is asked for. Word: `html`.
    #[must_use]
    pub fn html() -> Self {
        Self::whole(Whole::Html)
    }

    /// This status and no body; a redirect leads to another path of the mock. Word: `empty-204`.
    #[must_use]
    pub fn empty(code: u16) -> Self {
        Self::whole(Whole::Empty(code))
    }

    /// An ordinary plain answer in gzip, which nobody has asked for. Word: `gzip`.
    #[must_use]
    pub fn gzip() -> Self {
        Self::whole(Whole::Gzip)
    }

    /// A megabyte of gzip that holds 160 of them. Words: `gzip-bomb`.
    #[must_use]
    pub fn gzip_bomb() -> Self {
        Self::whole(Whole::GzipBomb)
    }

    /// One event of so many bytes, or one JSON body where no stream is asked for. Word: `huge-100000000`.
    #[must_use]
    pub fn huge(bytes: usize) -> Self {
        Self::whole(Whole::Huge(bytes))
    }

    /// The provider's error object with the status 200, as one JSON body. Words: `error-200`.
    #[must_use]
    pub fn error_with_200() -> Self {
        Self::whole(Whole::ErrorWith200)
    }

    /// Status 200, the stream's headers, and no event at all. Words: `empty-stream`.
    #[must_use]
    pub fn empty_stream() -> Self {
        Self::whole(Whole::EmptyStream)
    }

    /// The answer of a recording file, event by event. The request is still checked. Words: `recording-<id>`, last in
    /// the name, looked up in [`super::Builder::recordings`].
    #[must_use]
    pub fn recording(file: impl Into<PathBuf>) -> Self {
        Self::whole(Whole::Recording(Recording::File(file.into())))
    }

    /// The answer of a recording given as the bytes of its file.
    #[must_use]
    pub fn recording_bytes(bytes: &[u8]) -> Self {
        Self::whole(Whole::Recording(Recording::Bytes(bytes.into())))
    }

    /// The connection ends with RST before anything is answered. Word: `reset`.
    #[must_use]
    pub fn reset() -> Self {
        Self { fault: Some(Fault::ResetAtOnce), ..Self::default() }
    }

    fn whole(whole: Whole) -> Self {
        Self { whole: Some(whole), ..Self::default() }
    }

    /// One more response header; it replaces one of the same name. Words, for the header `retry-after`:
    /// `retry-after-1`; for the content type `text/plain`: `type-text`.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// This text in place of the reply made from the request.
    #[must_use]
    pub fn text(mut self, text: &str) -> Self {
        self.text = Some(text.to_owned());
        self
    }

    /// The model declines to answer. Word: `refusal`.
    #[must_use]
    pub const fn refusal(mut self) -> Self {
        self.refusal = true;
        self
    }

    /// A wait before the status line. Word: `delay-200ms`.
    #[must_use]
    pub const fn delay(mut self, delay: Duration) -> Self {
        self.delay = Some(delay);
        self
    }

    /// A wait before each frame of the body but the first. Word: `drip-10ms`.
    #[must_use]
    pub const fn drip(mut self, drip: Duration) -> Self {
        self.drip = Some(drip);
        self
    }

    /// A text of exactly so many chunks when streamed, a word and a token each. Word: `chunks-200`.
    #[must_use]
    pub const fn chunks(mut self, chunks: usize) -> Self {
        self.chunks = Some(chunks);
        self
    }

    /// Frames of so many bytes, whatever that cuts in two. Word: `slice-7`.
    #[must_use]
    pub const fn slice(mut self, bytes: usize) -> Self {
        self.slice = Some(bytes);
        self
    }

    /// The connection ends in order, without the end of the body, after so many frames of it (stream: events).
    /// Words: `cut-after-3`.
    #[must_use]
    pub const fn cut_after(mut self, frames: usize) -> Self {
        self.fault = Some(Fault::CutEvents(frames));
        self
    }

    /// The same, after so many bytes of the body. Words: `cut-bytes-100`.
    #[must_use]
    pub const fn cut_after_bytes(mut self, bytes: usize) -> Self {
        self.fault = Some(Fault::CutBytes(bytes));
        self
    }

    /// The body stops after so many frames, and the connection stays open. Words: `stall` (0), `stall-after-3`.
    #[must_use]
    pub const fn stall_after(mut self, frames: usize) -> Self {
        self.fault = Some(Fault::Stall(frames));
        self
    }

    /// The body ends in order after so many frames, without those that are left. Words: `end-after-3`.
    #[must_use]
    pub const fn end_after(mut self, frames: usize) -> Self {
        self.fault = Some(Fault::End(frames));
        self
    }

    /// A byte that is no UTF-8 in the place of the first letter of the reply's first word, `mock`. Words: `bad-utf8`.
    #[must_use]
    pub const fn invalid_utf8(mut self) -> Self {
        self.invalid_utf8 = true;
        self
    }

    /// RST after so many frames. Words: `reset-after-3`.
    #[must_use]
    pub const fn reset_after(mut self, frames: usize) -> Self {
        self.fault = Some(Fault::Reset(frames));
        self
    }

    /// The provider's in-stream error after so many events, and then an orderly end. Words: `error-in-stream` (2),
    /// `error-after-3`.
    #[must_use]
    pub const fn error_after(mut self, events: usize) -> Self {
        self.fault = Some(Fault::Error(events));
        self
    }

    /// These tokens in place of the counted ones.
    #[must_use]
    pub const fn usage(mut self, usage: Usage) -> Self {
        self.usage.exact = Some(usage);
        self
    }

    /// No usage anywhere. Words: `no-usage`.
    #[must_use]
    pub const fn no_usage(mut self) -> Self {
        self.usage.omit = true;
        self
    }

    /// So many input tokens more, all read from a cache. Word: `cached-100`.
    #[must_use]
    pub const fn cached(mut self, tokens: u64) -> Self {
        self.usage.cached = tokens;
        self
    }

    /// So many input tokens more, all written to a cache (not on Gemini, which bills none). Words: `cache-write-100`.
    #[must_use]
    pub const fn cache_write(mut self, tokens: u64) -> Self {
        self.usage.cache_write = tokens;
        self
    }

    /// So many output tokens more, all of them reasoning. Word: `reasoning-50`.
    #[must_use]
    pub const fn reasoning(mut self, tokens: u64) -> Self {
        self.usage.reasoning = tokens;
        self
    }

    /// The steps of an agent: a tool result may ask for further calls, as the user may, and text and more thinking stand
    /// between the calls where the dialect has a place for them. Word: `agent`.
    #[must_use]
    pub const fn agent(mut self) -> Self {
        self.agent = true;
        self
    }

    /// As [`Behaviour::agent`], of an agent whose steps are all this model's, so that Gemini takes no words in place of
    /// signatures.
    #[must_use]
    pub const fn agent_of_one_model(mut self) -> Self {
        self.only_own_steps = true;
        self.agent()
    }

    /// The behaviour a model's name asks for; `None` for a name that does not begin with `mock`.
    pub fn from_model(name: &str) -> Option<Self> {
        let rest = name.strip_prefix("mock").filter(|rest| rest.is_empty() || rest.starts_with('-'))?;
        let mut behaviour = Self::default();
        let (rest, recording) = rest.split_once("-recording-").map_or((rest, None), |(rest, id)| (rest, Some(id)));
        if let Some(id) = recording {
            behaviour.whole = Some(Whole::Recording(Recording::Id(id.to_owned())));
        }
        let words: Vec<&str> = rest.split('-').collect();
        let mut at = 0;
        while at < words.len() {
            at += behaviour.word(words.get(at..).unwrap_or_default());
        }
        Some(behaviour)
    }

    /// Takes what `words` begin with and returns how many words that was.
    fn word(&mut self, words: &[&str]) -> usize {
        let next = |n: usize| words.get(n).copied().unwrap_or_default();
        let number = |n: usize| next(n).parse::<usize>().unwrap_or_default();
        let tokens = |n: usize| next(n).parse::<u64>().unwrap_or_default();
        match (next(0), next(1)) {
            ("agent", _) => {
                self.agent = true;
                1
            }
            ("status", code) => {
                self.whole = Some(Whole::Status { code: code.parse().unwrap_or(500), body: None });
                2
            }
            ("retry", "after") => {
                self.headers.push(("retry-after".to_owned(), next(2).to_owned()));
                3
            }
            ("delay", time) => {
                self.delay = Some(duration(time));
                2
            }
            ("drip", time) => {
                self.drip = Some(duration(time));
                2
            }
            ("chunks", _) => {
                self.chunks = Some(number(1));
                2
            }
            ("slice", _) => {
                self.slice = Some(number(1).max(1));
                2
            }
            ("cut", "after") => self.fault(Fault::CutEvents(number(2)), 3),
            ("cut", "bytes") => self.fault(Fault::CutBytes(number(2)), 3),
            ("stall", "after") => self.fault(Fault::Stall(number(2)), 3),
            ("stall", _) => self.fault(Fault::Stall(0), 1),
            ("reset", "after") => self.fault(Fault::Reset(number(2)), 3),
            ("reset", _) => self.fault(Fault::ResetAtOnce, 1),
            ("error", "in") => self.fault(Fault::Error(2), 3),
            ("error", "after") => self.fault(Fault::Error(number(2)), 3),
            ("error", "200") => self.replace(Whole::ErrorWith200, 2),
            ("end", "after") => self.fault(Fault::End(number(2)), 3),
            ("bad", "utf8") => {
                self.invalid_utf8 = true;
                2
            }
            ("type", "text") => {
                self.headers.push(("content-type".to_owned(), "text/plain".to_owned()));
                2
            }
            ("html", _) => self.replace(Whole::Html, 1),
            ("empty", code) if code.parse::<u16>().is_ok() => {
                self.replace(Whole::Empty(code.parse().unwrap_or(204)), 2)
            }
            ("gzip", "bomb") => self.replace(Whole::GzipBomb, 2),
            ("gzip", _) => self.replace(Whole::Gzip, 1),
            ("huge", _) => self.replace(Whole::Huge(number(1)), 2),
            ("garbage", _) => self.replace(Whole::Garbage, 1),
            ("empty", "stream") => self.replace(Whole::EmptyStream, 2),
            ("context", "length") => self.replace(Whole::ContextLength, 2),
            ("not", "found") => self.replace(Whole::NotFound, 2),
            ("refusal", _) => {
                self.refusal = true;
                1
            }
            ("no", "usage") => {
                self.usage.omit = true;
                2
            }
            ("cached", _) => {
                self.usage.cached = tokens(1);
                2
            }
            ("cache", "write") => {
                self.usage.cache_write = tokens(2);
                3
            }
            ("reasoning", _) => {
                self.usage.reasoning = tokens(1);
                2
            }
            _ => 1,
        }
    }

    const fn fault(&mut self, fault: Fault, words: usize) -> usize {
        self.fault = Some(fault);
        words
    }

    fn replace(&mut self, whole: Whole, words: usize) -> usize {
        self.whole = Some(whole);
        words
    }
}

/// `200ms`, `2s`, or plain milliseconds.
fn duration(text: &str) -> Duration {
    let (digits, unit) = text.split_at(text.bytes().take_while(u8::is_ascii_digit).count());
    let n = digits.parse().unwrap_or(0);
    if unit == "s" { Duration::from_secs(n) } else { Duration::from_millis(n) }
}

/// The requests that a behaviour is for. A `&str` or `String` stands for that model.
pub enum Matcher {
    /// Requests for this model.
    Model(String),
    /// Requests for which this holds.
    When(Box<dyn Fn(&Seen) -> bool + Send + Sync>),
    /// Every request but for lists of models, which programs fetch by themselves: those are named with
    /// [`Matcher::when`].
    Any,
}

impl Matcher {
    /// Requests for which `test` holds: method, path, headers, body and model are known to it.
    pub fn when(test: impl Fn(&Seen) -> bool + Send + Sync + 'static) -> Self {
        Self::When(Box::new(test))
    }

    pub(super) fn matches(&self, seen: &Seen) -> bool {
        match self {
            Self::Model(name) => seen.model.as_deref() == Some(name),
            Self::When(test) => test(seen),
            Self::Any => !seen.is_list(),
        }
    }
}

impl std::fmt::Debug for Matcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Model(name) => f.debug_tuple("Model").field(name).finish(),
            Self::When(_) => f.write_str("When"),
            Self::Any => f.write_str("Any"),
        }
    }
}

impl From<&str> for Matcher {
    fn from(model: &str) -> Self {
        Self::Model(model.to_owned())
    }
}

impl From<String> for Matcher {
    fn from(model: String) -> Self {
        Self::Model(model)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_in_a_model_name_combine() {
        let b = Behaviour::from_model("mock-delay-200ms-chunks-50-cached-9-cut-after-3").unwrap();
        assert_eq!(b.delay, Some(Duration::from_millis(200)));
        assert_eq!((b.chunks, b.usage.cached, b.fault), (Some(50), 9, Some(Fault::CutEvents(3))));
        let b = Behaviour::from_model("mock-status-429-retry-after-2").unwrap();
        assert!(matches!(b.whole, Some(Whole::Status { code: 429, .. })));
        assert_eq!(b.headers, [("retry-after".to_owned(), "2".to_owned())]);
        let b = Behaviour::from_model("mock-chunks-9-end-after-4-bad-utf8-type-text").unwrap();
        assert_eq!((b.chunks, b.fault, b.invalid_utf8), (Some(9), Some(Fault::End(4)), true));
        assert_eq!(b.headers, [("content-type".to_owned(), "text/plain".to_owned())]);
        let whole = |name: &str| format!("{:?}", Behaviour::from_model(name).unwrap().whole.unwrap());
        let names = ["mock-empty-204-u1", "mock-error-200", "mock-gzip-bomb", "mock-huge-7", "mock-html"].map(whole);
        assert_eq!(names, ["Empty(204)", "ErrorWith200", "GzipBomb", "Huge(7)", "Html"]);
    }

    #[test]
    fn a_recording_id_is_the_rest_of_the_name() {
        let b = Behaviour::from_model("mock-drip-1s-recording-openai-chat-cut-after-12ab").unwrap();
        assert!(matches!(b.whole, Some(Whole::Recording(Recording::Id(id))) if id == "openai-chat-cut-after-12ab"));
        assert_eq!((b.drip, b.fault), (Some(Duration::from_secs(1)), None));
    }

    #[test]
    fn only_names_that_begin_with_mock_are_magic() {
        assert!(Behaviour::from_model("gpt-4o-status-500").is_none());
        assert!(Behaviour::from_model("mockingbird-stall").is_none());
        assert!(Behaviour::from_model("mock-small").unwrap().fault.is_none());
    }
}
