use tt_core::record::Operation;
use tt_core::trace::ParentSpan;
use tt_core::{Dialect, Provider, Usage};

use super::*;
use crate::fixtures::{answered, attempt, settlement};

fn spans(settlement: &Settlement) -> Vec<SpanData> {
    Spans::new(InstrumentationScope::builder(names::SCOPE).build(), "https").of(settlement)
}

/// The text of an attribute; empty if it is not there.
fn text(span: &SpanData, name: &str) -> String {
    let found = span.attributes.iter().find(|pair| pair.key.as_str() == name);
    found.map(|pair| pair.value.to_string()).unwrap_or_default()
}

fn at(millis: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(millis)
}

#[test]
fn times_and_ids_are_those_of_the_record() {
    let all = spans(&settlement(vec![attempt(Some(answered(Usage::default())))]));
    let [request, attempt] = &all[..] else { panic!("{all:#?}") };
    assert_eq!((request.start_time, request.end_time), (at(1000), at(1400)));
    assert_eq!((attempt.start_time, attempt.end_time), (at(1100), at(1350)));
    assert_eq!(request.span_context.trace_id().to_string(), "019abc00000070008000000000000001");
    assert_eq!((request.parent_span_id, request.parent_span_is_remote), (SpanId::INVALID, false));
    assert_eq!(attempt.parent_span_id, request.span_context.span_id());
    assert_eq!(attempt.span_context.trace_id(), request.span_context.trace_id());
    assert!(request.span_context.is_valid() && attempt.span_context.is_sampled());
    assert_eq!(
        (text(request, names::URL_SCHEME).as_str(), request.name.as_ref()),
        ("https", "POST /v1/chat/completions")
    );
}

#[test]
fn the_callers_span_is_the_parent() {
    let mut one = settlement(Vec::new());
    one.intent.trace_id = Some("0af7651916cd43dd8448eb211c80319c".to_owned());
    one.intent.parent_span = Some(ParentSpan { span_id: 0xb7ad_6b71_6920_3331, sampled: true });
    let [request] = &spans(&one)[..] else { panic!() };
    assert_eq!(request.span_context.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(request.parent_span_id.to_string(), "b7ad6b7169203331");
    assert!(request.parent_span_is_remote);
}

#[test]
fn input_tokens_are_all_that_the_model_read() {
    let usage = Usage {
        input: 10,
        cache_read: 20,
        cache_write_5m: 3,
        cache_write_1h: 4,
        output: 50,
        reasoning: Some(5),
        ..Usage::default()
    };
    let all = spans(&settlement(vec![attempt(Some(answered(usage)))]));
    let told = |name| text(&all[1], name);
    assert_eq!(told(names::USAGE_INPUT_TOKENS), "37");
    assert_eq!(told(names::USAGE_CACHE_READ_INPUT_TOKENS), "20");
    assert_eq!(told(names::USAGE_CACHE_WRITE_INPUT_TOKENS), "7");
    assert_eq!(
        (told(names::USAGE_OUTPUT_TOKENS), told(names::USAGE_REASONING_OUTPUT_TOKENS)),
        ("50".into(), "5".into())
    );
    assert_eq!((told(names::RESPONSE_MODEL), told(names::COST_NANO_USD)), ("gpt-4o-2024-08-06".into(), "123".into()));
}

#[test]
fn an_attempt_that_is_not_known_to_have_used_anything_says_nothing_of_usage() {
    let ends = [Some(AttemptEnded::unanswered("x", 1)), Some(AttemptEnded::unbilled(Some(429), "x", 1)), None];
    let types = [names::UNANSWERED, "429", names::INTERRUPTED];
    let mut one = settlement(ends.into_iter().map(attempt).collect());
    one.settled.outcome = Outcome::Interrupted;
    one.settled.status = None;
    let all = spans(&one);
    for (span, error) in all[1..].iter().zip(types) {
        assert!(!span.attributes.iter().any(|pair| pair.key.as_str().starts_with("gen_ai.usage.")), "{span:#?}");
        assert_eq!((text(span, names::ERROR_TYPE).as_str(), &span.status), (error, &Status::error("")));
    }
    assert_eq!(text(&all[0], names::ERROR_TYPE), names::INTERRUPTED);
    assert_eq!(all[3].end_time, all[0].end_time, "an attempt without an end ends with its request");
}

#[test]
fn a_status_is_an_error_where_the_server_failed() {
    let broken = || AttemptEnded { error: Some("x".into()), ..answered(Usage::default()) };
    for (outcome, status, error, failed) in [
        (Outcome::Ok, Some(200), "", false),
        (Outcome::Error, Some(400), "400", false),
        (Outcome::Error, Some(429), "429", false),
        (Outcome::Error, Some(502), "502", true),
        (Outcome::Error, Some(200), names::BROKEN, true),
        (Outcome::Cancelled, Some(499), names::CANCELLED, false),
        (Outcome::Interrupted, None, names::INTERRUPTED, true),
    ] {
        let mut one = settlement(vec![attempt(Some(broken()))]);
        (one.settled.outcome, one.settled.status) = (outcome, status);
        let request = spans(&one).remove(0);
        assert_eq!((text(&request, names::ERROR_TYPE).as_str(), request.status == Status::error("")), (error, failed));
    }
}

#[test]
fn operations_and_providers_have_the_words_of_the_conventions() {
    let cases = [
        (Dialect::OpenAiResponses, Operation::Chat, Provider::OpenAi, "chat gpt-4o", "openai"),
        (Dialect::OpenAiChat, Operation::Chat, Provider::Gemini, "generate_content gpt-4o", "gcp.gemini"),
        (Dialect::Gemini, Operation::Chat, Provider::Anthropic, "chat gpt-4o", "anthropic"),
        (Dialect::Gemini, Operation::Embeddings, Provider::Gemini, "embeddings gpt-4o", "gcp.gemini"),
        (Dialect::OpenAiEmbeddings, Operation::Chat, Provider::OpenAi, "embeddings gpt-4o", "openai"),
        (Dialect::AnthropicMessages, Operation::CountTokens, Provider::Anthropic, "count_tokens gpt-4o", "anthropic"),
    ];
    for (dialect, operation, provider, name, word) in cases {
        let mut one = settlement(vec![attempt(None)]);
        (one.intent.dialect, one.intent.operation) = (dialect, operation);
        one.attempts[0].started.provider = provider;
        let all = spans(&one);
        assert_eq!((all[1].name.as_ref(), text(&all[1], names::PROVIDER_NAME).as_str()), (name, word));
        // The paths of Gemini hold the model, which is no route.
        assert_eq!(text(&all[0], names::HTTP_ROUTE).is_empty(), dialect == Dialect::Gemini);
    }
}

#[test]
fn the_first_chunk_counts_from_sending_the_last_attempt() {
    let mut one = settlement(vec![attempt(None), attempt(Some(answered(Usage::default())))]);
    (one.intent.stream, one.settled.first_token_ms) = (true, Some(180));
    let all = spans(&one);
    assert_eq!(text(&all[1], names::RESPONSE_TIME_TO_FIRST_CHUNK), "");
    assert_eq!(text(&all[2], names::RESPONSE_TIME_TO_FIRST_CHUNK), "0.08");
}
