//! Requests of Gemini's clients: reading one takes no more memory than its bound, and no work that grows faster than it.

use bytes::Bytes;
use http::{HeaderMap, Uri};
use serde_json::{Value, json};
use tt_core::Dialect;
use tt_core::call::conversation::Conversation;
use tt_providers::codec::Head;
use tt_providers::{ClientRequest, RequestError, Target, codec, decoded_bytes};

use super::{grows_no_faster_than_its_input, peak, timed};

fn read(body: &Bytes) -> Result<ClientRequest, RequestError> {
    let (uri, headers) = (Uri::from_static("/v1beta/models/m:generateContent"), HeaderMap::new());
    let ingress = codec(Dialect::Gemini).ingress.unwrap();
    ClientRequest::read(ingress, &Head { uri: &uri, headers: &headers }, body.clone())
}

fn list(piece: &str, bytes: usize) -> String {
    let count = bytes / (piece.len() + 1);
    format!("[{}{piece}]", format!("{piece},").repeat(count))
}

/// Bodies of about `bytes` bytes that take as much memory as bodies can.
pub(super) fn hostile(bytes: usize) -> Vec<String> {
    let pieces = [
        "0",
        "{}",
        "[]",
        "[0]",
        r#""""#,
        r#"{"":0}"#,
        r#"{"a":0}"#,
        r#"{"a":{}}"#,
        r#"{"parts":[]}"#,
        r#"{"text":""}"#,
        r#"{"text":"\u0041\n"}"#,
        r#"{"functionCall":{"name":""}}"#,
        r#"{"functionCall":{"name":"a","id":"b","args":{"a":[0]}}}"#,
        r#"{"functionResponse":{"name":"","response":{}}}"#,
        r#"{"functionResponse":{"name":"","response":{"error":""}}}"#,
        r#"{"functionResponse":{"name":"","response":{},"parts":[{"inlineData":{"mimeType":"","data":""}}]}}"#,
        r#"{"inlineData":{"mimeType":"","data":""}}"#,
        r#"{"fileData":{"fileUri":""}}"#,
        r#"{"toolCall":0}"#,
        r#"{"text":"","x":0}"#,
        r#"{"text":"","thought":true,"thoughtSignature":"a"}"#,
    ];
    let mut bodies = Vec::new();
    for piece in pieces {
        let list = list(piece, bytes);
        for body in [
            format!(r#"{{"contents":{list}}}"#),
            format!(r#"{{"contents":[{{"parts":{list}}}]}}"#),
            format!(r#"{{"contents":[{{"role":"model","parts":{list}}}]}}"#),
            format!(r#"{{"contents":{}}}"#, self::list(&format!(r#"{{"parts":[{piece}]}}"#), bytes)),
            format!(r#"{{"contents":{}}}"#, self::list(&format!(r#"{{"parts":[{piece},{piece}]}}"#), bytes)),
            format!(r#"{{"contents":[{{"parts":[{{"functionCall":{{"name":"a","args":{{"a":{list}}}}}}}]}}]}}"#),
            format!(r#"{{"contents":[{{"parts":[{{"toolCall":{list}}}]}}]}}"#),
            format!(r#"{{"contents":[{{"parts":[{{"text":"a"}}]}}],"tools":{list}}}"#),
            format!(r#"{{"contents":[{{"parts":[{{"text":"a"}}]}}],"labels":{list}}}"#),
            format!(r#"{{"contents":[{{"parts":[{{"text":"a"}}]}}],"generationConfig":{{"stopSequences":{list}}}}}"#),
            format!(r#"{{"contents":[{{"parts":[{{"text":"a"}}]}}],"systemInstruction":{{"parts":{list}}}}}"#),
        ] {
            bodies.push(body);
        }
    }
    for tool in [
        r#"{"name":"a"}"#,
        r#"{"name":"a","parameters":{"type":"A","nullable":true,"enum":[]}}"#,
        r#"{"name":"a","parameters":{"any_of":[{}],"min_items":"1"}}"#,
    ] {
        let tools = |tools: &str| format!(r#"{{"contents":[{{"parts":[{{"text":"a"}}]}}],"tools":{tools}}}"#);
        bodies.push(tools(&format!(r#"[{{"functionDeclarations":{}}}]"#, list(tool, bytes))));
        bodies.push(tools(&list(&format!(r#"{{"functionDeclarations":[{tool}]}}"#), bytes)));
    }
    for text in ["x".repeat(bytes), r"\n".repeat(bytes / 2), "-".repeat(bytes)] {
        for part in [
            format!(r#"{{"text":"{text}"}}"#),
            format!(r#"{{"inlineData":{{"mimeType":"image/png","data":"{text}"}}}}"#),
            format!(r#"{{"executableCode":{{"code":"{text}"}}}}"#),
            format!(r#"{{"functionCall":{{"name":"a","args":{{"a":"{text}"}}}}}}"#),
            format!(r#"{{"functionResponse":{{"name":"a","response":{{"output":"{text}"}}}}}}"#),
        ] {
            bodies.push(format!(r#"{{"contents":[{{"parts":[{part}]}}]}}"#));
        }
    }
    bodies.push(format!(r#"{{"labels":{}{}}}"#, r#"{"a":["#.repeat(60), "]}".repeat(60)));
    bodies
}

#[test]
fn reading_takes_no_more_than_its_bound() {
    let mut over = Vec::new();
    for size in [300, 5000, 80_000] {
        for body in hostile(size) {
            let body = Bytes::from(body);
            let Ok(request) = read(&body) else { continue };
            let (bound, took) = (decoded_bytes(&body), peak(|| request.call().is_ok()));
            if took > bound || took > 40 * body.len() + 16_384 {
                let shown = String::from_utf8_lossy(body.get(..90.min(body.len())).unwrap()).into_owned();
                over.push(format!("{shown}, {} bytes: {took} bytes, bound {bound}", body.len()));
            }
        }
    }
    assert!(over.is_empty(), "{over:#?}");
}

/// Makes a request of a size.
type Make = fn(usize) -> Value;

fn history(n: usize, name: fn(usize) -> String, result: impl Fn(usize) -> usize) -> Value {
    let call = |i| json!({"functionCall": {"name": name(i)}});
    let answer = |i| json!({"functionResponse": {"name": name(result(i)), "response": {}}});
    json!({"contents": [
        {"role": "model", "parts": (0..n).map(call).collect::<Value>()},
        {"role": "user", "parts": (0..n).map(answer).collect::<Value>()},
    ]})
}

fn requests() -> Vec<(&'static str, Make)> {
    vec![
        ("calls of one name", |n| history(n, |_| "f".into(), |i| i)),
        ("calls of many names, answered in reverse", |n| history(n, |i| format!("f{i}"), move |i| n - 1 - i)),
        ("results of no call", |n| {
            let answer = |i| json!({"functionResponse": {"name": format!("f{i}"), "response": {}}});
            json!({"contents": [{"parts": (0..n).map(answer).collect::<Value>()}]})
        }),
        (
            "contents of one part",
            |n| json!({"contents": (0..n).map(|i| json!({"role": if i % 2 == 0 { "user" } else { "model" }, "parts": [{"text": "x"}]})).collect::<Value>()}),
        ),
        ("turns of calls", |n| {
            let turn = |i: usize| {
                let name = format!("f{}", i % 7);
                [
                    json!({"role": "model", "parts": [{"functionCall": {"name": name}}]}),
                    json!({"role": "user", "parts": [{"functionResponse": {"name": name, "response": {}}}]}),
                ]
            };
            json!({"contents": (0..n).flat_map(turn).collect::<Value>()})
        }),
        ("entries of one function", |n| {
            let entry =
                |i| json!({"functionDeclarations": [{"name": format!("f{i}"), "parameters": {"type": "OBJECT"}}]});
            json!({"contents": [{"parts": [{"text": "x"}]}], "tools": (0..n).map(entry).collect::<Value>()})
        }),
    ]
}

#[test]
fn reading_and_encoding_grow_no_faster_than_the_request() {
    for (name, make) in requests() {
        let bodies = [500, 2000].map(|n| (n, Bytes::from(make(n).to_string())));
        let of = |size: usize| bodies.iter().find(|(n, _)| *n == size).unwrap().1.clone();
        grows_no_faster_than_its_input(name, [500, 2000], |size| {
            let body = of(size);
            timed(|| read(&body).unwrap().call())
        });
        for translation in Dialect::ALL.into_iter().filter_map(|dialect| codec(dialect).translation) {
            grows_no_faster_than_its_input(name, [500, 2000], |size| {
                let call: Conversation = Conversation::clone(&read(&of(size)).unwrap().call().unwrap());
                timed(|| translation.encode(&call, Target { model: "gemini-3-pro-preview", facts: None }))
            });
        }
    }
}
