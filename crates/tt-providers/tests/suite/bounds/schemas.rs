//! Schemas are rewritten within one bound for a request, whatever they refer to.

use std::time::Duration;

use serde_json::{Map, Value, json};
use tt_core::Dialect;

use super::requests::{call, facts};
use super::{grows_no_faster_than_its_input, peak, timed};
use crate::api::{self, Encoded, RequestError, Target, name};

/// A schema of so many definitions, each of which refers to the one before twice.
fn doubling(levels: usize) -> Value {
    let mut defs = Map::new();
    defs.insert("a0".into(), json!({"type": "string"}));
    for i in 1..=levels {
        let below = json!({"$ref": format!("#/$defs/a{}", i - 1)});
        defs.insert(format!("a{i}"), json!({"anyOf": [below, below]}));
    }
    json!({"type": "object", "properties": {"x": {"$ref": format!("#/$defs/a{levels}")}}, "$defs": defs})
}

fn with_tools(schemas: impl IntoIterator<Item = Value>, strict: bool) -> Value {
    let tool = |(i, schema): (usize, Value)| json!({"type": "function", "function": {"name": format!("f{i}"), "strict": strict, "parameters": schema}});
    let tools: Vec<Value> = schemas.into_iter().enumerate().map(tool).collect();
    json!({"model": "m", "messages": [{"role": "user", "content": "x"}], "tools": tools})
}

fn encode(dialect: Dialect, body: &Value) -> Result<Encoded, RequestError> {
    let facts = facts();
    api::encode_request(dialect, &call(body), Target { model: "m", facts: Some(&facts) })
}

/// The review's table: 20 such tools took 110 MiB, 60 took 350 MiB and stopped a worker for 1.6 s.
#[test]
fn tools_that_double_share_one_bound() {
    for tools in [1, 20, 60, 600] {
        let body = with_tools((0..tools).map(|_| doubling(13)), false);
        let call = call(&body);
        let target = Target { model: "m", facts: None };
        let encode = || api::encode_request(Dialect::Gemini, &call, target);
        let (took, time) = (peak(encode), (0..3).map(|_| timed(encode)).min().unwrap());
        assert!(took < 20 << 20, "{tools} tools took {took} bytes");
        assert!(
            time < Duration::from_millis(if cfg!(debug_assertions) { 600 } else { 30 }),
            "{tools} tools took {time:?}"
        );
        let Err(RequestError::Unsupported { field, reason }) = encode() else { panic!("{tools} tools were sent") };
        assert!(name(&field).starts_with("tools[") && reason.contains("too large"), "{field:?}: {reason}");
    }
}

#[test]
fn definitions_that_tools_share_are_inlined() {
    let place = json!({"type": "object", "properties": {"name": {"type": "string"}, "country": {"type": "string"}}});
    let fields: Map<String, Value> = (0..20).map(|i| (format!("p{i}"), json!({"$ref": "#/$defs/Place"}))).collect();
    let schema = json!({"type": "object", "properties": fields, "$defs": {"Place": place}});
    let encoded = encode(Dialect::Gemini, &with_tools(vec![schema; 60], false)).unwrap();
    assert!(!String::from_utf8(encoded.body).unwrap().contains("$ref"));
}

#[test]
fn an_answers_schema_that_doubles_keeps_its_references() {
    let mut body = with_tools([], false);
    body["response_format"] = json!({"type": "json_schema", "json_schema": {"name": "s", "schema": doubling(30)}});
    let encoded = encode(Dialect::Gemini, &body).unwrap();
    let sent: Value = serde_json::from_slice(&encoded.body).unwrap();
    assert_eq!(sent["generationConfig"]["responseJsonSchema"]["$defs"].as_object().unwrap().len(), 31);
}

fn references(n: usize) -> Value {
    let fields: Map<String, Value> =
        (0..n).map(|i| (format!("p{i}"), json!({"$ref": format!("#/$defs/d{i}")}))).collect();
    let defs: Map<String, Value> = (0..n).map(|i| (format!("d{i}"), json!({"type": "string"}))).collect();
    json!({"type": "object", "properties": fields, "$defs": defs})
}

/// The review: 20,000 references in 1.1 MB stopped a worker for 0.6 s.
#[test]
fn references_are_followed_in_one_pass() {
    let calls = [2500, 10_000].map(|n| (n, call(&with_tools([references(n)], true))));
    let facts = facts();
    for dialect in [Dialect::AnthropicMessages, Dialect::Gemini] {
        grows_no_faster_than_its_input("references", [2500, 10_000], |size| {
            let call = &calls.iter().find(|(n, _)| *n == size).unwrap().1;
            timed(|| api::encode_request(dialect, call, Target { model: "m", facts: Some(&facts) }))
        });
    }
    let encoded = encode(Dialect::AnthropicMessages, &with_tools([references(20_000)], true)).unwrap();
    assert!(encoded.body.len() > 1_000_000);
}

/// Each level of a chain is a level of the stack, which is small on a worker.
#[test]
fn a_chain_of_references_ends_before_the_stack_does() {
    let defs: Map<String, Value> = (0..20_000)
        .map(|i| (format!("d{i}"), json!({"properties": {"x": {"$ref": format!("#/$defs/d{}", i + 1)}}})))
        .collect();
    let body =
        with_tools([json!({"type": "object", "properties": {"x": {"$ref": "#/$defs/d0"}}, "$defs": defs})], true);
    let encode = move |dialect| encode(dialect, &body).map(|encoded| encoded.body.len());
    for dialect in [Dialect::AnthropicMessages, Dialect::Gemini] {
        let encode = encode.clone();
        let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(move || encode(dialect)).unwrap();
        let Err(RequestError::Unsupported { reason, .. }) = thread.join().unwrap() else { panic!("it was sent") };
        assert!(reason.contains("deeply"), "{reason}");
    }
}

#[test]
fn long_references_cost_what_they_are_long() {
    let name = "n".repeat(20_000);
    let mut defs = Map::new();
    defs.insert(name.clone(), json!({"type": "string"}));
    let below = json!({"$ref": format!("#/$defs/{name}")});
    defs.insert("many".into(), json!({"anyOf": vec![below; 20]}));
    let more = json!({"anyOf": vec![json!({"$ref": "#/$defs/many"}); 2000]});
    let body = with_tools([json!({"type": "object", "properties": {"x": more}, "$defs": defs})], false);
    let time = (0..3).map(|_| timed(|| encode(Dialect::Gemini, &body))).min().unwrap();
    assert!(time < Duration::from_millis(if cfg!(debug_assertions) { 900 } else { 60 }), "{time:?}");
}
