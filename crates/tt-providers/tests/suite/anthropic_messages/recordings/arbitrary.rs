//! Arbitrary JSON and recordings with one value replaced: the decoders never panic.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::strategy::ValueTree;

use super::*;

/// Any JSON, with the words of the dialect among its keys and strings.
fn any_json() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "type",
        "message",
        "message_start",
        "message_delta",
        "message_stop",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "error",
        "index",
        "delta",
        "usage",
        "content",
        "content_block",
        "text",
        "text_delta",
        "thinking",
        "signature",
        "tool_use",
        "input",
        "input_json_delta",
        "partial_json",
        "name",
        "id",
        "model",
        "stop_reason",
        "cache_creation",
        "iterations",
        "compaction",
        "input_tokens",
        "output_tokens",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.clone().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((word.clone(), inner), 0..6).prop_map(|fields| {
                Value::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
            }),
        ]
    })
}

/// Puts `what` in place of the `nth` value inside `value`.
fn replace(value: &mut Value, nth: &mut usize, what: &Value) {
    if *nth == 0 {
        *value = what.clone();
        *nth = usize::MAX;
        return;
    }
    *nth -= 1;
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, nth, what)),
        Value::Object(fields) => fields.values_mut().for_each(|field| replace(field, nth, what)),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_json_makes_the_decoders_panic(events in prop::collection::vec(any_json(), 1..6)) {
        let mut decoder = decoder(Undo { answer_tool: Some("name".into()), ..Undo::default() });
        let mut out = Vec::new();
        for event in &events {
            let _ = decode_reply(event.to_string().as_bytes(), &Undo::default());
            let _ = decoder.data(event.to_string().as_bytes(), &mut out);
            let _ = refused(400, &http::HeaderMap::new(), event.to_string().as_bytes());
        }
        let _ = decoder.end(&mut out);
    }

    #[test]
    fn no_bytes_make_the_decoders_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = decode_reply(&bytes, &Undo::default());
        let _ = decoder(Undo::default()).data(&bytes, &mut Vec::new());
        let _ = refused(529, &http::HeaderMap::new(), &bytes);
    }
}

/// Recordings with one value replaced: never a panic, and what still ends properly ends exactly once.
#[test]
fn mutated_recordings_never_panic_and_end_at_most_once() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut bodies = Vec::new();
    let mut streams: BTreeMap<usize, Vec<Value>> = BTreeMap::new();
    for recording in recordings() {
        match recording["response"]["sse"].as_str() {
            Some(sse) if sse.len() < 12_000 => {
                let events = data(sse).iter().map(|data| serde_json::from_str(data).unwrap()).collect();
                streams.insert(streams.len(), events);
            }
            Some(_) => {}
            None => bodies.push(recording["response"]["body"].clone()),
        }
    }
    let streams: Vec<_> = streams.into_values().collect();
    let strategy = (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..40_usize, any_json());
    for _ in 0..600 {
        let (which, event, mut nth, what) = strategy.new_tree(&mut runner).unwrap().current();
        let mut body = bodies[which.index(bodies.len())].clone();
        replace(&mut body, &mut nth.clone(), &what);
        let _ = decode_reply(body.to_string().as_bytes(), &Undo::default());

        let mut events = streams[which.index(streams.len())].clone();
        let position = event.index(events.len());
        replace(&mut events[position], &mut nth, &what);
        let mut decoder = decoder(Undo::default());
        let mut out = Vec::new();
        for event in &events {
            if decoder.data(event.to_string().as_bytes(), &mut out).is_err() {
                break;
            }
        }
        let ended = decoder.end(&mut out).is_ok();
        let finishes = out.iter().filter(|event| matches!(event, Event::Finish { .. })).count();
        assert_eq!(finishes, usize::from(ended));
        assert_eq!(out.iter().filter(|event| **event == Event::Done).count(), usize::from(ended));
    }
}
