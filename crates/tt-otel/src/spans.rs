//! The spans of a settlement: one of the request, and one of each attempt.

use std::borrow::Cow;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue, Value};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use tt_core::record::{Attempt, AttemptEnded, Outcome, Settlement};
use tt_core::trace::RequestTrace;
use tt_core::{Timestamp, UsageSource};

use crate::{names, words};

/// Makes spans.
#[derive(Debug, Clone)]
pub(crate) struct Spans {
    scope: InstrumentationScope,
    /// The scheme of the server's own address.
    scheme: &'static str,
}

/// A request's place in its trace.
pub(crate) fn trace(settlement: &Settlement) -> RequestTrace {
    let intent = &settlement.intent;
    RequestTrace::new(intent.request_id, intent.trace_id.as_deref(), intent.parent_span)
}

impl Spans {
    pub(crate) fn new(scope: InstrumentationScope, scheme: &'static str) -> Self {
        Self { scope, scheme }
    }

    /// The spans of a settlement, that of the request first.
    pub(crate) fn of(&self, settlement: &Settlement) -> Vec<SpanData> {
        let trace = trace(settlement);
        let mut spans = Vec::with_capacity(1 + settlement.attempts.len());
        spans.push(self.request(settlement, &trace));
        for (position, attempt) in settlement.attempts.iter().enumerate() {
            let number = u64::try_from(position).map_or(u64::MAX, |position| position + 1);
            spans.push(self.attempt(settlement, attempt, &trace, number));
        }
        spans
    }

    fn request(&self, settlement: &Settlement, trace: &RequestTrace) -> SpanData {
        let Settlement { intent, attempts, settled } = settlement;
        let route = words::route(intent);
        let error = words::request_error(settlement);
        let mut to = Attributes::with_capacity(16);
        to.push(names::HTTP_REQUEST_METHOD, "POST");
        to.push(names::URL_SCHEME, self.scheme);
        to.some(names::HTTP_ROUTE, route);
        to.some(names::URL_PATH, route);
        to.some(names::HTTP_RESPONSE_STATUS_CODE, settled.status.map(i64::from));
        to.push(names::REQUEST_ID, intent.request_id.to_string());
        to.push(names::ALIAS, intent.alias.clone());
        to.push(names::OUTCOME, settled.outcome.as_str());
        to.push(names::ATTEMPTS, i64::try_from(attempts.len()).unwrap_or(i64::MAX));
        to.some(names::CLIENT, intent.client.clone());
        to.some(names::CONVERSATION_ID, intent.session.clone());
        to.some(names::AGENT_ID, intent.agent.clone());
        to.some(names::ERROR_TYPE, error);
        let failed = match settled.outcome {
            Outcome::Ok | Outcome::Cancelled => false,
            // A refusal is the client's fault, and no error of the server.
            Outcome::Error => !matches!(settled.status, Some(400..=499)),
            Outcome::Interrupted => true,
        };
        let parent = trace.parent;
        SpanData {
            parent_span_id: SpanId::from(parent.map_or(0, |parent| parent.span_id)),
            parent_span_is_remote: parent.is_some(),
            span_kind: SpanKind::Server,
            name: route.map_or(Cow::Borrowed("POST"), |route| format!("POST {route}").into()),
            start_time: time(intent.created_at),
            end_time: time(settlement.settled_at()),
            ..self.span(trace, trace.request_span(), to, failed)
        }
    }

    fn attempt(&self, settlement: &Settlement, attempt: &Attempt, trace: &RequestTrace, number: u64) -> SpanData {
        let Settlement { intent, attempts, .. } = settlement;
        let Attempt { started, ended } = attempt;
        let is_last = attempts.last().is_some_and(|last| std::ptr::eq(last, attempt));
        let operation = words::operation(intent, started.provider);
        let error = words::attempt_error(settlement, attempt, is_last);
        let failed = error.is_some();
        let mut to = Attributes::with_capacity(24);
        to.push(names::OPERATION_NAME, operation);
        to.push(names::PROVIDER_NAME, words::provider(started.provider));
        to.push(names::REQUEST_MODEL, started.model.clone());
        to.some(names::REQUEST_STREAM, intent.stream.then_some(true));
        to.push(names::ATTEMPT_NUMBER, i64::try_from(number).unwrap_or(i64::MAX));
        to.push(names::ATTEMPT_ROUTE, started.route.as_str());
        to.push(names::REQUEST_ID, intent.request_id.to_string());
        to.some(names::CONVERSATION_ID, intent.session.clone());
        to.some(names::AGENT_ID, intent.agent.clone());
        to.some(names::ERROR_TYPE, error);
        let first_chunk = words::first_chunk_ms(settlement, attempt).filter(|_| is_last && ended.is_some());
        to.some(names::RESPONSE_TIME_TO_FIRST_CHUNK, first_chunk.map(words::seconds));
        if let Some(ended) = ended {
            to.ended(ended);
        }
        let end = ended.as_ref().map(|ended| i64::try_from(ended.latency_ms).unwrap_or(i64::MAX));
        SpanData {
            parent_span_id: SpanId::from(trace.request_span()),
            parent_span_is_remote: false,
            span_kind: SpanKind::Client,
            name: format!("{operation} {}", started.model).into(),
            start_time: time(started.started_at),
            end_time: time(end.map_or(settlement.settled_at(), |millis| started.started_at.plus_millis(millis))),
            ..self.span(trace, trace.attempt_span(number), to, failed)
        }
    }

    /// A span without times, parent and name.
    fn span(&self, trace: &RequestTrace, id: u64, attributes: Attributes, failed: bool) -> SpanData {
        let trace_id = TraceId::from(trace.trace_id);
        // A description could hold words of a provider, which may repeat the prompt.
        let status = if failed { Status::error("") } else { Status::Unset };
        SpanData {
            span_context: SpanContext::new(
                trace_id,
                SpanId::from(id),
                TraceFlags::SAMPLED,
                false,
                TraceState::default(),
            ),
            parent_span_id: SpanId::INVALID,
            parent_span_is_remote: false,
            span_kind: SpanKind::Internal,
            name: Cow::Borrowed(""),
            start_time: UNIX_EPOCH,
            end_time: UNIX_EPOCH,
            attributes: attributes.0,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status,
            instrumentation_scope: self.scope.clone(),
        }
    }
}

/// The attributes of a span that is being made.
struct Attributes(Vec<KeyValue>);

impl Attributes {
    fn with_capacity(capacity: usize) -> Self {
        Self(Vec::with_capacity(capacity))
    }

    fn push(&mut self, name: &'static str, value: impl Into<Value>) {
        self.0.push(KeyValue::new(name, value));
    }

    /// Adds what is known.
    fn some(&mut self, name: &'static str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.push(name, value);
        }
    }

    fn tokens(&mut self, name: &'static str, tokens: u64) {
        self.push(name, i64::try_from(tokens).unwrap_or(i64::MAX));
    }

    /// Adds what is known since the end of an attempt. Usage that is not known is left out: it is not 0.
    fn ended(&mut self, ended: &AttemptEnded) {
        self.some(names::HTTP_RESPONSE_STATUS_CODE, ended.status.map(i64::from));
        self.some(names::RESPONSE_MODEL, ended.served_model.clone());
        self.push(names::USAGE_SOURCE, ended.source.as_str());
        self.some(names::COST_NANO_USD, ended.cost.map(|cost| cost.0));
        if matches!(ended.source, UsageSource::None | UsageSource::Unknown) {
            return;
        }
        let usage = ended.usage.total();
        self.tokens(names::USAGE_INPUT_TOKENS, usage.total_input());
        self.tokens(names::USAGE_OUTPUT_TOKENS, usage.output);
        // A provider that tells no cached tokens may have none, or not say so.
        for (name, tokens) in [
            (names::USAGE_CACHE_READ_INPUT_TOKENS, usage.cache_read),
            (names::USAGE_CACHE_WRITE_INPUT_TOKENS, usage.cache_write()),
        ] {
            if tokens > 0 {
                self.tokens(name, tokens);
            }
        }
        if let Some(reasoning) = usage.reasoning {
            self.tokens(names::USAGE_REASONING_OUTPUT_TOKENS, reasoning);
        }
    }
}

fn time(at: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(at.millis()).unwrap_or(0))
}

#[cfg(test)]
mod tests;
