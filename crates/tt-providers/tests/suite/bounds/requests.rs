//! Encoders and decoders of requests do no work that grows faster than the request, whatever it is made of.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tt_core::call::conversation::{Conversation, HostedTool, Tool};
use tt_core::{Dialect, model::Capabilities, model::ModelFacts};

use super::{grows_no_faster_than_its_input, peak, timed};
use crate::api::{self, Target, openai};

const DIALECTS: [Dialect; 3] = [Dialect::OpenAiChat, Dialect::AnthropicMessages, Dialect::Gemini];

/// A model for which an Anthropic request needs its schemas rewritten.
pub(super) fn facts() -> ModelFacts {
    let capabilities = Capabilities { native_structured_output: Some(true), ..Capabilities::default() };
    ModelFacts { capabilities, ..ModelFacts::default() }
}

pub(super) fn call(body: &Value) -> Conversation {
    openai::decode_request(body.to_string().as_bytes()).unwrap()
}

fn encoding(dialect: Dialect, call: &Conversation) -> Duration {
    let facts = facts();
    timed(|| api::encode_request(dialect, call, Target { model: "m", facts: Some(&facts) }))
}

/// A name of `n` that no provider takes, two characters of three bytes long.
fn odd_name(n: usize) -> String {
    let char = |n: usize| char::from_u32(0x4e00 + u32::try_from(n % 16384).unwrap()).unwrap();
    [char(n), char(n / 16384)].iter().collect()
}

fn function(name: &str) -> Value {
    json!({"type": "function", "function": {"name": name}})
}

fn custom(name: &str) -> Value {
    json!({"type": "custom", "custom": {"name": name}})
}

fn user() -> Value {
    json!({"role": "user", "content": "x"})
}

fn request(fields: Value) -> Value {
    let mut body = json!({"model": "m", "messages": [user()]});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body
}

/// A history of `n` calls of one message, whose results come in the order that `result` gives.
fn history(n: usize, call: impl Fn(usize) -> Value, result: impl Fn(usize) -> usize) -> Value {
    let calls: Vec<Value> = (0..n).map(call).collect();
    let results = (0..n).map(|i| json!({"role": "tool", "tool_call_id": format!("c{}", result(i)), "content": "r"}));
    let mut messages = vec![user(), json!({"role": "assistant", "tool_calls": calls})];
    messages.extend(results);
    request(json!({"messages": messages}))
}

fn function_call(i: usize, name: &str) -> Value {
    json!({"id": format!("c{i}"), "type": "function", "function": {"name": name, "arguments": "{}"}})
}

/// Makes a request of a size.
type Make = fn(usize) -> Value;

/// Requests that cost quadratic work where a list is searched for each element of another.
fn requests() -> Vec<(&'static str, Make)> {
    vec![
        ("names that become one alias", |n| {
            request(json!({"tools": (0..n).map(|i| function(&odd_name(i))).collect::<Value>()}))
        }),
        ("names beside numbered aliases", |n| {
            let numbered = (0..n).map(|i| function(&format!("___{i}")));
            let odd = (0..n).map(|i| function(&format!("{}_", odd_name(i))));
            request(json!({"tools": numbered.chain(odd).collect::<Value>()}))
        }),
        ("names of calls", |n| history(n, |i| function_call(i, &odd_name(i)), |i| i)),
        ("results in order", |n| history(n, |i| function_call(i, "f"), |i| i)),
        ("results in reverse", |n| history(n, |i| function_call(i, "f"), move |i| n - 1 - i)),
        ("calls of custom tools", |n| {
            let call = |i| json!({"id": format!("c{i}"), "type": "custom", "custom": {"name": "g", "input": "x"}});
            history(n, call, |i| i)
        }),
        ("allowed tools", |n| {
            let names: Vec<String> = (0..n).map(|i| format!("f{i}")).collect();
            let allowed: Vec<Value> = names.iter().rev().map(|name| function(name)).collect();
            request(json!({
                "tools": names.iter().map(|name| function(name)).collect::<Value>(),
                "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": allowed}},
            }))
        }),
        ("custom tools", |n| request(json!({"tools": (0..n).map(|i| custom(&odd_name(i))).collect::<Value>()}))),
        ("legacy calls", |n| {
            let calls = (0..n)
                .map(|i| json!({"role": "assistant", "function_call": {"name": format!("f{i}"), "arguments": "{}"}}));
            let results = (0..n).rev().map(|i| json!({"role": "function", "name": format!("f{i}"), "content": "r"}));
            request(json!({"messages": calls.chain(results).collect::<Value>()}))
        }),
        ("instructions within the conversation", |n| {
            let pair = |i| [user(), json!({"role": if i % 2 == 0 { "system" } else { "developer" }, "content": "y"})];
            request(json!({"messages": (0..n).flat_map(pair).collect::<Value>()}))
        }),
        ("unknown fields of messages", |n| {
            let message = |i| json!({"role": "user", "content": "x", (format!("k{i}")): 1});
            request(json!({"messages": (0..n).map(message).collect::<Value>()}))
        }),
        ("cache marks", |n| {
            let part = json!({"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}});
            request(json!({"messages": [{"role": "user", "content": vec![part; n]}]}))
        }),
        ("pictures", |n| {
            let part = json!({"type": "image_url", "image_url": {"url": "https://e.org/a.png", "detail": "low"}});
            request(json!({"messages": [{"role": "user", "content": vec![part; n]}]}))
        }),
        ("long names", |n| {
            let calls = |i: usize| json!({"id": format!("c{i}"), "function": {"name": "x".repeat(200) + &i.to_string(), "arguments": "{}"}});
            history(n, calls, |i| i)
        }),
    ]
}

#[test]
fn encoding_grows_no_faster_than_the_request() {
    for (name, make) in requests() {
        let calls = [2000, 8000].map(|n| (n, call(&make(n))));
        for dialect in DIALECTS {
            grows_no_faster_than_its_input(&format!("{name} to {dialect:?}"), [2000, 8000], |size| {
                encoding(dialect, &calls.iter().find(|(n, _)| *n == size).unwrap().1)
            });
        }
    }
}

#[test]
fn decoding_grows_no_faster_than_the_request() {
    for (name, make) in requests() {
        let bodies = [2000, 8000].map(|n| (n, make(n).to_string()));
        grows_no_faster_than_its_input(name, [2000, 8000], |size| {
            let body = &bodies.iter().find(|(n, _)| *n == size).unwrap().1;
            timed(|| openai::decode_request(body.as_bytes()))
        });
    }
}

#[test]
fn hosted_tools_of_another_api_are_noted_in_one_pass() {
    let hosted = |of| Tool::Hosted(HostedTool { of, kind: "k".into(), raw: json!({}) });
    let calls = [2000, 8000].map(|n| {
        let mut tools: Vec<Tool> = (0..n).map(|_| hosted(Dialect::Gemini)).collect();
        tools.extend(call(&request(json!({"tools": [function("f")]}))).tools);
        (n, Conversation { tools, ..call(&request(json!({}))) })
    });
    for dialect in [Dialect::OpenAiChat, Dialect::AnthropicMessages] {
        grows_no_faster_than_its_input("hosted tools", [2000, 8000], |size| {
            encoding(dialect, &calls.iter().find(|(n, _)| *n == size).unwrap().1)
        });
    }
}

/// The review's table: 6,000 such tools stopped a worker for seconds.
#[test]
fn thousands_of_names_that_become_one_alias_take_milliseconds() {
    for n in [1000, 4000] {
        let call = call(&request(json!({"tools": (0..n).map(|i| function(&odd_name(i))).collect::<Value>()})));
        let facts = facts();
        let target = Target { model: "m", facts: Some(&facts) };
        for dialect in DIALECTS {
            let encoded = api::encode_request(dialect, &call, target).unwrap();
            assert_eq!(encoded.undo.tool_names.len(), n, "{dialect:?}");
            let took = (0..3).map(|_| encoding(dialect, &call)).min().unwrap();
            // An optimised build takes a twentieth.
            assert!(
                took < Duration::from_millis(if cfg!(debug_assertions) { 400 } else { 20 }),
                "{dialect:?}: {took:?}"
            );
        }
    }
}

#[test]
fn a_scan_compares_long_keys_once() {
    let body = |n: usize| {
        let keys = (0..400).map(|i| format!(r#""{}{i}":0,"#, "k".repeat(n)));
        Bytes::from(format!(r#"{{{}"model":"m","messages":[]}}"#, keys.collect::<String>()))
    };
    let bodies = [(2000, body(2000)), (8000, body(8000))];
    grows_no_faster_than_its_input("keys", [2000, 8000], |size| {
        timed(|| openai::Scan::of(&bodies.iter().find(|(n, _)| *n == size).unwrap().1))
    });
    let long = body(32 << 10);
    let took = (0..3).map(|_| timed(|| openai::Scan::of(&long))).min().unwrap();
    assert!(took < Duration::from_millis(if cfg!(debug_assertions) { 1500 } else { 60 }), "{took:?}");
}

#[test]
fn encoding_takes_memory_as_the_request_does() {
    let facts = facts();
    let target = Target { model: "m", facts: Some(&facts) };
    for (name, make) in requests() {
        let body = make(1000);
        let (call, sent) = (call(&body), body.to_string().len());
        for dialect in DIALECTS {
            let took = peak(|| api::encode_request(dialect, &call, target));
            assert!(took < 40 * sent + (1 << 20), "{name} to {dialect:?}: {took} bytes for {sent}");
        }
    }
}
