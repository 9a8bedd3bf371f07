//! The place of a request in a distributed trace, by W3C Trace Context: the ids of its spans, and whether it is sampled.
//!
//! Nothing here is random. The ids follow from the request's id and the number of the attempt, so that a `traceparent` can be
//! sent before the span that it names is made.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::RequestId;

/// The header that names a trace, a span in it, and whether it is sampled.
pub const TRACEPARENT: &str = "traceparent";

/// The bits of a trace id that are random, and that a sampler decides by.
const RANDOM_BITS: u32 = 56;

/// A `traceparent` header that is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent<'a> {
    /// The trace: 32 hexadecimal digits in lower case, not all of them 0.
    pub trace_id: &'a str,
    /// The caller's span.
    pub parent: ParentSpan,
}

impl<'a> TraceParent<'a> {
    /// Reads the value of the header; `None` when it is not valid.
    pub fn parse(header: &'a str) -> Option<Self> {
        let mut parts = header.trim().split('-');
        let (version, trace_id, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let hex = |part: &str, length: usize| {
            part.len() == length && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        // Version 00 ends here; a later one may have more behind it.
        let whole = version != "ff" && (version != "00" || parts.next().is_none());
        if !(whole && hex(version, 2) && hex(trace_id, 32) && hex(parent, 16) && hex(flags, 2)) {
            return None;
        }
        let span_id = u64::from_str_radix(parent, 16).ok().filter(|id| *id != 0)?;
        let sampled = u8::from_str_radix(flags, 16).ok()? & 1 == 1;
        let is_set = trace_id.bytes().any(|byte| byte != b'0');
        is_set.then_some(Self { trace_id, parent: ParentSpan { span_id, sampled } })
    }
}

/// The span of the caller that a request belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParentSpan {
    /// The id of the span; not 0.
    pub span_id: u64,
    /// True if the caller records the trace.
    pub sampled: bool,
}

/// A request's place in its trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestTrace {
    /// The trace: the caller's, or the request's id where the caller names none.
    pub trace_id: u128,
    /// The caller's span; `None` where the caller names none.
    pub parent: Option<ParentSpan>,
    request: Uuid,
}

impl RequestTrace {
    /// The place of the request `id`, whose caller named the trace `trace_id` (32 hexadecimal digits) and the span `parent`.
    pub fn new(id: RequestId, trace_id: Option<&str>, parent: Option<ParentSpan>) -> Self {
        let named = trace_id.and_then(|text| u128::from_str_radix(text, 16).ok()).filter(|id| *id != 0);
        let own = || id.0.as_u128();
        match named {
            Some(trace_id) => Self { trace_id, parent, request: id.0 },
            None => Self { trace_id: own(), parent: None, request: id.0 },
        }
    }

    /// The id of the span of the request itself.
    pub fn request_span(&self) -> u64 {
        self.span(0)
    }

    /// The id of the span of the attempt with this number; the first is 1.
    pub fn attempt_span(&self, number: u64) -> u64 {
        self.span(number)
    }

    /// The `traceparent` for the provider that the attempt with this number is sent to.
    ///
    /// ```
    /// use tt_core::RequestId;
    /// use tt_core::trace::{RequestTrace, TraceParent};
    ///
    /// let id: RequestId = "019abc00-0000-7000-8000-000000000001".parse().unwrap();
    /// let trace = RequestTrace::new(id, None, None);
    /// let header = trace.traceparent(1, true);
    /// let sent = TraceParent::parse(&header).unwrap();
    /// assert_eq!(sent.trace_id, "019abc00000070008000000000000001");
    /// assert_eq!(sent.parent.span_id, trace.attempt_span(1));
    /// ```
    pub fn traceparent(&self, number: u64, sampled: bool) -> String {
        format!("00-{:032x}-{:016x}-{:02x}", self.trace_id, self.attempt_span(number), u8::from(sampled))
    }

    /// The ids of one request differ from each other, and from those of other requests as far as the random part of a
    /// request's id does: a trace may have several requests.
    fn span(&self, number: u64) -> u64 {
        let (_, low) = self.request.as_u64_pair();
        // The finalizer of SplitMix64, which maps no two numbers to one.
        let mut bits = low.wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        // 0 is no id.
        (bits ^ (bits >> 31)).max(1)
    }
}

/// Decides which requests have spans: `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sampler {
    /// True if the decision of a caller that named a span counts.
    follows_parent: bool,
    /// A trace is sampled if its random bits are at least this.
    threshold: u64,
}

impl Default for Sampler {
    /// `parentbased_always_on`.
    fn default() -> Self {
        Self { follows_parent: true, threshold: 0 }
    }
}

impl Sampler {
    /// The names that [`Sampler::named`] knows.
    pub const NAMES: &'static str = "always_on, always_off, traceidratio, parentbased_always_on, parentbased_always_off or \
                                     parentbased_traceidratio";

    /// The sampler of this name; `None` where there is none. `ratio` is the share of traces that a sampler by ratio takes,
    /// from 0 to 1; others do not use it.
    pub fn named(name: &str, ratio: f64) -> Option<Self> {
        const ALL: u64 = 1 << RANDOM_BITS;
        let (follows_parent, rule) = match name.strip_prefix("parentbased_") {
            Some(rule) => (true, rule),
            None => (false, name),
        };
        let threshold = match rule {
            "always_on" => 0,
            "always_off" => ALL,
            "traceidratio" => rejected(ratio),
            _ => return None,
        };
        Some(Self { follows_parent, threshold })
    }

    /// True if the request has spans.
    pub fn samples(&self, trace: &RequestTrace) -> bool {
        if let Some(parent) = trace.parent.filter(|_| self.follows_parent) {
            return parent.sampled;
        }
        let random = trace.trace_id & ((1 << RANDOM_BITS) - 1);
        random >= u128::from(self.threshold)
    }
}

/// The number of values of the random bits that a sampler of this ratio rejects.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the value is between 0 and 2^56")]
fn rejected(ratio: f64) -> u64 {
    ((1.0 - ratio.clamp(0.0, 1.0)) * 2f64.powi(RANDOM_BITS.cast_signed())) as u64
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

    fn id(n: u128) -> RequestId {
        RequestId(Uuid::from_u128(0x019a_bc00_0000_7000_8000_0000_0000_0000 | n))
    }

    #[test]
    fn a_traceparent_is_valid_as_a_whole_or_ignored() {
        for (flags, sampled) in [("00", false), ("01", true), ("02", false), ("03", true)] {
            let header = format!("00-{TRACE}-b7ad6b7169203331-{flags}");
            let parent = ParentSpan { span_id: 0xb7ad_6b71_6920_3331, sampled };
            assert_eq!(TraceParent::parse(&header), Some(TraceParent { trace_id: TRACE, parent }));
        }
        assert!(TraceParent::parse(&format!("01-{TRACE}-b7ad6b7169203331-00-more")).is_some());
        for bad in [
            String::new(),
            TRACE.to_owned(),
            format!("00-{TRACE}-b7ad6b7169203331"),
            format!("00-{TRACE}-b7ad6b7169203331-01-more"),
            format!("ff-{TRACE}-b7ad6b7169203331-01"),
            format!("00-{}-b7ad6b7169203331-01", TRACE.to_uppercase()),
            format!("00-{}-b7ad6b7169203331-01", "0".repeat(32)),
            format!("00-{TRACE}-0000000000000000-01"),
            format!("00-{TRACE}x-b7ad6b7169203331-01"),
            format!("0-{TRACE}-b7ad6b7169203331-01"),
            format!("00-{TRACE}-+7ad6b7169203331-01"),
        ] {
            assert_eq!(TraceParent::parse(&bad), None, "{bad}");
        }
    }

    #[test]
    fn a_trace_is_the_callers_or_the_requests_own() {
        let parent = ParentSpan { span_id: 7, sampled: true };
        let theirs = RequestTrace::new(id(1), Some(TRACE), Some(parent));
        assert_eq!((format!("{:032x}", theirs.trace_id).as_str(), theirs.parent), (TRACE, Some(parent)));
        let own = RequestTrace::new(id(1), None, Some(parent));
        assert_eq!((own.trace_id, own.parent), (id(1).0.as_u128(), None), "a span without its trace says nothing");
        assert_eq!(own.request_span(), theirs.request_span());
    }

    #[test]
    fn no_two_spans_of_a_trace_have_one_id() {
        let mut seen = HashSet::new();
        for request in 1..=100 {
            let trace = RequestTrace::new(id(request), Some(TRACE), None);
            assert!(seen.insert(trace.request_span()));
            assert!((1..=20).all(|attempt| seen.insert(trace.attempt_span(attempt))));
        }
        assert!(!seen.contains(&0));
    }

    #[test]
    fn a_sampler_by_ratio_takes_that_share_of_requests_without_a_caller() {
        let spread = |n: u64| RequestTrace::new(id(u128::from(n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 8)), None, None);
        for (ratio, least, most) in [(0.0, 0, 0), (0.1, 80, 120), (0.5, 450, 550), (1.0, 1000, 1000)] {
            let sampler = Sampler::named("traceidratio", ratio).unwrap();
            let taken = (0..1000).filter(|n| sampler.samples(&spread(*n))).count();
            assert!((least..=most).contains(&taken), "{ratio}: {taken}");
        }
    }

    #[test]
    fn the_callers_decision_counts_where_the_sampler_follows_it() {
        let asked = |sampled| RequestTrace::new(id(1), Some(TRACE), Some(ParentSpan { span_id: 1, sampled }));
        let alone = RequestTrace::new(id(1), None, None);
        let decide = |name: &str| {
            let sampler = Sampler::named(name, 1.0).unwrap();
            [asked(true), asked(false), alone].map(|trace| sampler.samples(&trace))
        };
        assert_eq!(decide("always_on"), [true; 3]);
        assert_eq!(decide("always_off"), [false; 3]);
        assert_eq!(decide("parentbased_always_on"), [true, false, true]);
        assert_eq!(decide("parentbased_always_off"), [true, false, false]);
        assert_eq!(decide("parentbased_traceidratio"), [true, false, true]);
        assert_eq!(Sampler::default(), Sampler::named("parentbased_always_on", 0.0).unwrap());
        for unknown in ["", "parentbased_", "jaeger_remote", "xray", "ALWAYS_ON"] {
            assert_eq!(Sampler::named(unknown, 1.0), None, "{unknown}");
        }
    }
}
