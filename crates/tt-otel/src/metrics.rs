//! The metrics of attempts. They are counted where a request settles, so that their sums are those of the ledger's rows.

use std::borrow::Cow;
use std::sync::Arc;

use opentelemetry::metrics::{Counter, Histogram, Meter};
use opentelemetry::{KeyValue, StringValue};
use tt_core::record::{Attempt, Operation, Settlement};
use tt_core::{Dialect, Provider, Usage, UsageSource};

use crate::{names, words};

/// The label of a model of a provider. There are only so many, whatever models clients name.
pub type ModelLabel = Arc<dyn Fn(Provider, &str) -> Arc<str> + Send + Sync>;

/// The instruments.
pub(crate) struct Metrics {
    label: ModelLabel,
    duration: Histogram<f64>,
    first_chunk: Histogram<f64>,
    embeddings_duration: Histogram<f64>,
    input: Counter<u64>,
    cache_read: Counter<u64>,
    cache_write: Counter<u64>,
    output: Counter<u64>,
    reasoning: Counter<u64>,
}

impl Metrics {
    pub(crate) fn new(meter: &Meter, label: ModelLabel) -> Self {
        let time = |name, about| {
            let builder = meter.f64_histogram(name).with_unit(names::SECONDS).with_description(about);
            builder.with_boundaries(names::TIME_BUCKETS.to_vec()).build()
        };
        let tokens = |name, about| meter.u64_counter(name).with_unit(names::TOKENS).with_description(about).build();
        Self {
            label,
            duration: time(names::INFERENCE_DURATION, "Time of an attempt at a reply"),
            first_chunk: time(
                names::INFERENCE_TIME_TO_FIRST_CHUNK,
                "Time of an attempt to the first content of its stream",
            ),
            embeddings_duration: time(names::EMBEDDINGS_DURATION, "Time of an attempt at embeddings"),
            input: tokens(names::INFERENCE_INPUT_TOKENS, "Input tokens, those of caches included"),
            cache_read: tokens(names::INFERENCE_CACHE_READ_INPUT_TOKENS, "Input tokens read from a cache"),
            cache_write: tokens(names::INFERENCE_CACHE_WRITE_INPUT_TOKENS, "Input tokens written to a cache"),
            output: tokens(names::INFERENCE_OUTPUT_TOKENS, "Output tokens, thinking included"),
            reasoning: tokens(names::INFERENCE_REASONING_OUTPUT_TOKENS, "Output tokens that are thinking"),
        }
    }

    /// Counts the attempts of a settlement.
    pub(crate) fn settled(&self, settlement: &Settlement) {
        for (position, attempt) in settlement.attempts.iter().enumerate() {
            let is_last = position + 1 == settlement.attempts.len();
            self.attempt(settlement, attempt, is_last);
        }
    }

    fn attempt(&self, settlement: &Settlement, attempt: &Attempt, is_last: bool) {
        let (intent, started) = (&settlement.intent, &attempt.started);
        // An attempt that the process did not live to end has neither a time nor a usage.
        let Some(ended) = &attempt.ended else { return };
        let operation = words::operation(intent, started.provider);
        let mut labels = Vec::with_capacity(5);
        labels.push(KeyValue::new(names::OPERATION_NAME, operation));
        labels.push(KeyValue::new(names::PROVIDER_NAME, words::provider(started.provider)));
        labels.push(KeyValue::new(names::REQUEST_MODEL, (self.label)(started.provider, &started.model)));
        if let Some(served) = &ended.served_model {
            labels.push(KeyValue::new(names::RESPONSE_MODEL, (self.label)(started.provider, served)));
        }
        let duration = match (intent.operation, intent.dialect) {
            // A count is no inference, and is free.
            (Operation::CountTokens, _) => return,
            (Operation::Embeddings, _) | (_, Dialect::OpenAiEmbeddings) => &self.embeddings_duration,
            (Operation::Chat, _) => &self.duration,
        };
        if let Some(first) = words::first_chunk_ms(settlement, attempt).filter(|_| is_last) {
            self.first_chunk.record(words::seconds(first), &labels);
        }
        if !matches!(ended.source, UsageSource::None | UsageSource::Unknown) {
            self.tokens(&ended.usage.total(), &labels);
        }
        if let Some(error) = words::attempt_error(settlement, attempt, is_last) {
            labels.push(KeyValue::new(names::ERROR_TYPE, string(error)));
        }
        duration.record(words::seconds(ended.latency_ms), &labels);
    }

    /// Counts a usage by the kinds of its tokens, which add up to all of them.
    fn tokens(&self, usage: &Usage, labels: &[KeyValue]) {
        let input = [
            (names::AUDIO, usage.audio_input.saturating_add(usage.cached_audio)),
            (names::IMAGE, usage.image_input),
            (names::VIDEO, usage.video_input),
        ];
        add(&self.input, usage.total_input(), &input, labels);
        add(&self.cache_read, usage.cache_read, &[(names::AUDIO, usage.cached_audio)], labels);
        add(&self.cache_write, usage.cache_write(), &[], labels);
        let output = [(names::AUDIO, usage.audio_output), (names::IMAGE, usage.image_output)];
        add(&self.output, usage.output, &output, labels);
        // A provider may say that more of the output was thinking than there is output.
        add(&self.reasoning, usage.reasoning.unwrap_or(0).min(usage.output), &[], labels);
    }
}

/// Adds `total` tokens, of which `parts` are of known kinds.
fn add(counter: &Counter<u64>, total: u64, parts: &[(&'static str, u64)], labels: &[KeyValue]) {
    let mut rest = total;
    let count = |kind: &'static str, tokens: u64| {
        let mut labels = labels.to_vec();
        labels.push(KeyValue::new(names::TOKEN_MODALITY, kind));
        counter.add(tokens, &labels);
    };
    for (kind, tokens) in parts {
        // A part is never more than what is left of the whole.
        let tokens = rest.min(*tokens);
        if tokens > 0 {
            count(kind, tokens);
            rest -= tokens;
        }
    }
    if rest > 0 {
        count(names::UNKNOWN, rest);
    }
}

fn string(text: Cow<'static, str>) -> StringValue {
    StringValue::from(text)
}
