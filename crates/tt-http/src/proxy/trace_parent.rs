//! The `traceparent` that a provider gets with an attempt, if the operator asks for it.

use http::{HeaderName, HeaderValue, Request};
use tt_core::trace::{RequestTrace, Sampler, TRACEPARENT, TraceParent};

use crate::edge::context::Context;

/// Names the span of the attempt with this number in a request to a provider.
pub(super) fn add<B>(cx: &Context, number: usize, sampler: Sampler, request: &mut Request<B>) {
    let header = cx.headers().get(TRACEPARENT).and_then(|value| value.to_str().ok());
    let caller = header.and_then(TraceParent::parse);
    let trace = RequestTrace::new(cx.id, caller.map(|caller| caller.trace_id), caller.map(|caller| caller.parent));
    let value = trace.traceparent(u64::try_from(number).unwrap_or(u64::MAX), sampler.samples(&trace));
    if let Ok(value) = HeaderValue::try_from(value) {
        request.headers_mut().insert(HeaderName::from_static(TRACEPARENT), value);
    }
}
