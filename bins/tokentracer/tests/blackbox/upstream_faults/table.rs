//! The table: every fault of an upstream, and what becomes of it.

use tt_core::Provider;

/// One fault.
#[derive(Debug)]
pub(super) struct Row {
    /// The words of the mock that ask for it (see `tt_testkit::Behaviour`), or the name of a fault of the network.
    pub(super) fault: &'static str,
    /// Its effect in a plain answer; `None`: there is no such fault.
    pub(super) plain: Option<Expected>,
    /// Its effect in a stream.
    pub(super) streamed: Option<Expected>,
    /// True if the fault makes every model of its key rest.
    pub(super) own_key: bool,
    /// The wait that a client without a fallback is told.
    pub(super) retry_after: Option<&'static str>,
}

/// The outcome of a fault.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected {
    pub(super) kind: Kind,
    /// The attempts at the faulty target.
    pub(super) attempts: u64,
    /// The words in the first attempt's error; empty where it has none.
    pub(super) says: &'static str,
    /// The source of the row's usage without a fallback that serves.
    pub(super) source: Source,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The answer is whole.
    Served,
    /// The fallback serves. Without one, the client gets this status and code.
    Falls { status: u16, code: &'static str },
    /// It is the caller's own error: it is answered at once, and the fallback is not asked.
    Answered { status: u16 },
    /// The client has a part of the answer, and then an error event with this code.
    Breaks { code: &'static str },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// Nothing was billed.
    None,
    /// It was sent, and what it has cost is not known.
    Unknown,
    /// The part that came was counted.
    Partial,
}

impl Source {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Unknown => "unknown",
            Self::Partial => "partial",
        }
    }
}

const fn falls(attempts: u64, says: &'static str, source: Source) -> Expected {
    Expected { kind: Kind::Falls { status: 502, code: "all_attempts_failed" }, attempts, says, source }
}

const fn times_out(says: &'static str, source: Source) -> Expected {
    Expected { kind: Kind::Falls { status: 504, code: "upstream_timeout" }, attempts: 1, says, source }
}

const fn limited(attempts: u64) -> Expected {
    let kind = Kind::Falls { status: 429, code: "upstream_rate_limited" };
    Expected { kind, attempts, says: "429 Rate limit", source: Source::None }
}

const fn answered(status: u16) -> Expected {
    Expected { kind: Kind::Answered { status }, attempts: 1, says: "as it was told to", source: Source::None }
}

const fn breaks(code: &'static str, says: &'static str) -> Expected {
    Expected { kind: Kind::Breaks { code }, attempts: 1, says, source: Source::Partial }
}

const SERVED: Expected = Expected { kind: Kind::Served, attempts: 1, says: "", source: Source::None };

const fn both(fault: &'static str, expected: Expected) -> Row {
    Row { fault, plain: Some(expected), streamed: Some(expected), own_key: false, retry_after: None }
}

const fn plain(fault: &'static str, expected: Expected) -> Row {
    Row { streamed: None, ..both(fault, expected) }
}

const fn streamed(fault: &'static str, expected: Expected) -> Row {
    Row { plain: None, ..both(fault, expected) }
}

const fn of_key(fault: &'static str, expected: Expected) -> Row {
    Row { own_key: true, ..both(fault, expected) }
}

const fn waits(fault: &'static str, expected: Expected, seconds: &'static str) -> Row {
    Row { retry_after: Some(seconds), ..both(fault, expected) }
}

const UNCONNECTED: Expected = falls(2, "cannot connect", Source::None);
const BROKEN: Expected = falls(2, "the connection broke", Source::Unknown);
const UNREADABLE: Expected = falls(1, "unreadable answer", Source::Unknown);
const LATE: Expected = times_out("no answer within", Source::Unknown);
const NOT_THE_KEY: &str = "(the provider does not take the stored key, or its account)";

/// Every fault. The providers' own words differ, but not what becomes of them.
pub(super) const TABLE: &[Row] = &[
    // No answer.
    both("refused", UNCONNECTED),
    both("dns", UNCONNECTED),
    both("tls", UNCONNECTED),
    both("reset", BROKEN),
    both("delay-60s", LATE),
    both("stall", LATE),
    // An answer that breaks before the client has any of it.
    both("reset-after-0", BROKEN),
    both("cut-after-0", BROKEN),
    plain("cut-bytes-20", BROKEN),
    // An answer that breaks after the client has some of it.
    streamed("chunks-20-reset-after-9", breaks("upstream_invalid_response", "the connection broke")),
    streamed("chunks-20-cut-after-9", breaks("upstream_invalid_response", "the connection broke")),
    streamed("chunks-20-stall-after-9", breaks("upstream_timeout", "no answer within")),
    streamed("chunks-20-end-after-9", breaks("upstream_invalid_response", "unreadable answer")),
    streamed("chunks-20-error-after-9", breaks("upstream_invalid_response", "5")),
    // An answer that is none.
    both("garbage", UNREADABLE),
    both("html", UNREADABLE),
    both("gzip", falls(1, "a content coding that was not asked for", Source::Unknown)),
    both("gzip-bomb", falls(1, "a content coding that was not asked for", Source::Unknown)),
    streamed("empty-stream", UNREADABLE),
    both("empty-204", falls(1, "unreadable answer: status 204", Source::Unknown)),
    both("empty-301", falls(1, "unreadable answer: status 301", Source::Unknown)),
    both("empty-302", falls(1, "unreadable answer: status 302", Source::Unknown)),
    both("empty-304", falls(1, "unreadable answer: status 304", Source::Unknown)),
    both("empty-307", falls(1, "unreadable answer: status 307", Source::Unknown)),
    both("error-200", falls(2, "500", Source::None)),
    both("bad-utf8", UNREADABLE),
    // An answer that is one all the same.
    both("type-text", SERVED),
    both("slice-1", SERVED),
    // The stored key's faults.
    of_key("status-401", falls(1, NOT_THE_KEY, Source::None)),
    of_key("status-402", falls(1, NOT_THE_KEY, Source::None)),
    both("status-403", falls(1, NOT_THE_KEY, Source::None)),
    of_key("wrong-key", falls(1, NOT_THE_KEY, Source::None)),
    // Failures that another target may not have.
    both("status-404", falls(1, "404", Source::None)),
    both("not-found", falls(1, "404", Source::None)),
    both("status-409", falls(1, "409", Source::None)),
    both(
        "context-length",
        Expected {
            kind: Kind::Falls { status: 400, code: "context_length_exceeded" },
            attempts: 1,
            says: "400",
            source: Source::None,
        },
    ),
    both("status-429", limited(1)),
    waits("status-429-retry-after-30", limited(1), "30"),
    waits("status-429-retry-after-1", limited(2), "1"),
    // Failures that may pass.
    both("status-408", Expected { attempts: 2, ..falls(2, "408", Source::None) }),
    both("status-500", falls(2, "500", Source::None)),
    both("status-501", falls(2, "501", Source::None)),
    both("status-502", falls(2, "502", Source::None)),
    both("status-503", falls(2, "503", Source::None)),
    both("status-504", Expected { attempts: 2, ..times_out("504", Source::None) }),
    both("status-529", falls(2, "529", Source::None)),
    both("status-599", falls(2, "599", Source::None)),
    // The caller's own faults.
    both("status-400", answered(400)),
    both("status-405", answered(405)),
    both("status-410", answered(410)),
    both("status-413", answered(413)),
    both("status-415", answered(415)),
    both("status-422", answered(422)),
    both("status-451", answered(451)),
];

/// The faults that take long. They are asked for one at a time.
pub(super) const HUGE: &[Row] = &[both("huge-100000000", UNREADABLE)];

impl Row {
    /// The words of the mock. A frame of Gemini's is a chunk of text, so that its first one is content.
    pub(super) fn words_of(&self, _: Provider, _: bool) -> &'static str {
        if self.fault == "wrong-key" { "" } else { self.fault }
    }

    /// The error status that the provider answers with, if it does.
    pub(super) fn status_of(&self, provider: Provider) -> Option<u16> {
        match (self.fault, provider) {
            ("context-length", _) => Some(400),
            ("not-found", _) => Some(404),
            ("error-200", _) => Some(500),
            _ => self.fault.strip_prefix("status-")?.get(..3)?.parse().ok(),
        }
    }
}
