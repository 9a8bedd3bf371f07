//! Log probabilities of answers as clients get them: a stream holds those of the whole answer, each with its text.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Uri};
use serde_json::{Value, json};
use tt_core::Dialect;
use tt_providers::codec::Head;
use tt_providers::{ClientRequest, Exchange, Target, codec};
use uuid::Uuid;

use crate::client::{answered, streamed};

const CHAT: Dialect = Dialect::OpenAiChat;
const RESPONSES: Dialect = Dialect::OpenAiResponses;

/// The clients and providers between which log probabilities are translated.
const WAYS: [(Dialect, Dialect); 4] =
    [(CHAT, Dialect::Gemini), (RESPONSES, Dialect::Gemini), (RESPONSES, CHAT), (Dialect::Gemini, CHAT)];

/// The tokens of an answer, each with the text of its piece: a token that is a part of a character has none.
const TOKENS: [(&str, &str); 5] = [("Gr", "Gr"), ("ö", "ö"), ("\\xf0\\x9f", ""), ("👋", "👋"), (",] \"", ",] \"")];

/// A request of a client that asks for log probabilities.
fn exchange(client: Dialect, provider: Dialect, stream: bool) -> Exchange {
    let (uri, body) = match client {
        Dialect::Gemini => {
            let method = if stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
            let contents = json!([{"role": "user", "parts": [{"text": "hi"}]}]);
            let config = json!({"responseLogprobs": true, "logprobs": 2});
            (format!("/v1beta/models/m:{method}"), json!({"contents": contents, "generationConfig": config}))
        }
        RESPONSES => {
            let include = json!(["message.output_text.logprobs"]);
            let body = json!({"model": "m", "input": "hi", "stream": stream, "include": include, "top_logprobs": 2});
            ("/v1/responses".to_owned(), body)
        }
        _ => {
            let messages = json!([{"role": "user", "content": "hi"}]);
            let body =
                json!({"model": "m", "messages": messages, "stream": stream, "logprobs": true, "top_logprobs": 2});
            ("/v1/chat/completions".to_owned(), body)
        }
    };
    let (uri, headers) = (uri.parse::<Uri>().unwrap(), HeaderMap::new());
    let head = Head { uri: &uri, headers: &headers };
    let request = ClientRequest::read(codec(client).ingress.unwrap(), &head, Bytes::from(body.to_string())).unwrap();
    let exchange =
        Exchange::new(&Arc::new(request), provider, Target { model: "m", facts: None }, None, (0, Uuid::nil()));
    exchange.unwrap()
}

/// The entry of a token, in OpenAI's shape.
fn entry(at: usize) -> Value {
    let one = |token: &str, logprob: f64| json!({"token": token, "logprob": logprob, "bytes": token.as_bytes()});
    let (token, logprob) = (TOKENS[at].0, -0.0625 - at as f64);
    let mut entry = one(token, logprob);
    entry["top_logprobs"] = json!([one(token, logprob), one("other", -9.5)]);
    entry
}

/// `logprobsResult` of some tokens.
fn result(at: impl Iterator<Item = usize>) -> Value {
    let one = |entry: &Value| json!({"token": entry["token"], "logProbability": entry["logprob"]});
    let (mut chosen, mut top) = (Vec::new(), Vec::new());
    for entry in at.map(entry) {
        let others: Vec<Value> = entry["top_logprobs"].as_array().unwrap().iter().map(one).collect();
        chosen.push(one(&entry));
        top.push(json!({"candidates": others}));
    }
    json!({"topCandidates": top, "chosenCandidates": chosen})
}

fn text() -> String {
    TOKENS.iter().map(|(_, text)| *text).collect()
}

/// The whole answer of a provider.
fn body(provider: Dialect) -> Value {
    let all = 0..TOKENS.len();
    if provider == Dialect::Gemini {
        let content = json!({"parts": [{"text": text()}], "role": "model"});
        return json!({"candidates": [{"content": content, "finishReason": "STOP", "logprobsResult": result(all)}]});
    }
    let logprobs = json!({"content": all.map(entry).collect::<Vec<_>>(), "refusal": null});
    let message = json!({"role": "assistant", "content": text()});
    json!({"choices": [{"index": 0, "message": message, "logprobs": logprobs, "finish_reason": "stop"}]})
}

/// The same answer as a stream.
fn stream(provider: Dialect) -> String {
    let mut events: Vec<Value> = Vec::new();
    let chunk = |delta: Value, logprobs: Value, finish: Value| json!({"choices": [{"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": finish}]});
    let logprobs = |content: Value| json!({"content": content, "refusal": null});
    if provider == CHAT {
        events.push(chunk(json!({"role": "assistant", "content": ""}), logprobs(json!([])), Value::Null));
    }
    for (at, (_, text)) in TOKENS.iter().enumerate() {
        events.push(if provider == Dialect::Gemini {
            let content = json!({"parts": [{"text": text}], "role": "model"});
            json!({"candidates": [{"content": content, "logprobsResult": result(at..at + 1)}]})
        } else {
            chunk(json!({"content": text}), logprobs(json!([entry(at)])), Value::Null)
        });
    }
    events.push(if provider == Dialect::Gemini {
        json!({"candidates": [{"content": {"parts": [{"text": ""}]}, "finishReason": "STOP"}]})
    } else {
        chunk(json!({}), Value::Null, "stop".into())
    });
    events.iter().map(|event| format!("data: {event}\n\n")).collect()
}

/// The text and the log probabilities of an answer, or of an element of a stream. Those of Gemini have no bytes.
fn said(client: Dialect, answer: &Value) -> (String, Vec<Value>) {
    let list = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
    let (text, entries) = match client {
        Dialect::Gemini => {
            let candidate = &answer["candidates"][0];
            let result = &candidate["logprobsResult"];
            let pairs = list(result.get("chosenCandidates")).into_iter().zip(list(result.get("topCandidates")));
            let entries = pairs.map(|(chosen, top)| json!([chosen, top])).collect();
            (&candidate["content"]["parts"][0]["text"], entries)
        }
        RESPONSES if answer.get("delta").is_some() => (&answer["delta"], list(answer.get("logprobs"))),
        RESPONSES => {
            let part = &answer["output"][0]["content"][0];
            (&part["text"], list(part.get("logprobs")))
        }
        _ => {
            let choice = &answer["choices"][0];
            let said = if choice.get("message").is_some() { &choice["message"] } else { &choice["delta"] };
            (&said["content"], list(choice["logprobs"].get("content")))
        }
    };
    (text.as_str().unwrap_or_default().to_owned(), entries)
}

/// The elements of a stream as its client gets it.
fn elements(stream: &str) -> Vec<Value> {
    let data = stream.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]");
    data.map(|data| serde_json::from_str(data).unwrap()).collect()
}

/// All that a stream says.
fn told(client: Dialect, elements: &[Value]) -> (String, Vec<Value>) {
    let mut all = (String::new(), Vec::new());
    for element in elements {
        if client != RESPONSES || element["type"] == "response.output_text.delta" {
            let (text, entries) = said(client, element);
            all.0.push_str(&text);
            all.1.extend(entries);
        }
    }
    all
}

fn whole(client: Dialect, provider: Dialect) -> (String, Vec<Value>) {
    let answer = answered(&exchange(client, provider, false), body(provider).to_string()).unwrap();
    said(client, &serde_json::from_slice(&answer).unwrap())
}

#[test]
fn providers_are_asked_for_them_in_streams_too() {
    for (client, provider) in WAYS {
        let sent = |stream: bool| {
            let exchange = exchange(client, provider, stream);
            assert_eq!(exchange.notes().iter().count(), 0, "{client:?}");
            let body: Value = serde_json::from_slice(&exchange.body().to_vec()).unwrap();
            let asked = if provider == Dialect::Gemini { &body["generationConfig"] } else { &body };
            ["responseLogprobs", "logprobs", "top_logprobs"].map(|name| asked[name].clone())
        };
        assert_eq!(sent(true), sent(false));
        assert!(sent(true).contains(&json!(2)), "{client:?}");
    }
}

#[test]
fn a_stream_says_the_same_as_a_whole_answer_wherever_it_is_cut() {
    for (client, provider) in WAYS {
        let whole = whole(client, provider);
        assert_eq!((whole.0.as_str(), whole.1.len()), (text().as_str(), TOKENS.len()), "{client:?}");
        let sse = stream(provider);
        // Pieces of one byte are cut everywhere.
        for length in (1..=16).chain([sse.len()]) {
            let got = streamed(&exchange(client, provider, true), sse.as_bytes(), length);
            assert_eq!(got.error, None);
            assert_eq!(told(client, &elements(&got.text)), whole, "{client:?} of {provider:?}, {length}");
        }
    }
}

#[test]
fn each_piece_holds_those_of_its_own_text() {
    for (client, provider) in WAYS {
        let got = streamed(&exchange(client, provider, true), stream(provider).as_bytes(), usize::MAX);
        let (_, all) = whole(client, provider);
        let pieces: Vec<(String, Vec<Value>)> = elements(&got.text)
            .iter()
            .map(|element| told(client, std::slice::from_ref(element)))
            .filter(|(_, entries)| !entries.is_empty())
            .collect();
        let expected: Vec<(String, Vec<Value>)> =
            TOKENS.iter().zip(all).map(|((_, text), entry)| ((*text).to_owned(), vec![entry])).collect();
        assert_eq!(pieces, expected, "{client:?}");
    }
}

/// Some clients of Responses read the additions, some the items, some the last event.
#[test]
fn every_end_of_a_responses_stream_holds_all_of_them() {
    for provider in [CHAT, Dialect::Gemini] {
        let got = streamed(&exchange(RESPONSES, provider, true), stream(provider).as_bytes(), usize::MAX);
        let (_, all) = whole(RESPONSES, provider);
        let elements = elements(&got.text);
        for (kind, place) in [
            ("response.output_text.done", "/logprobs"),
            ("response.content_part.done", "/part/logprobs"),
            ("response.output_item.done", "/item/content/0/logprobs"),
            ("response.completed", "/response/output/0/content/0/logprobs"),
        ] {
            let event = elements.iter().find(|event| event["type"] == kind).unwrap();
            assert_eq!(event.pointer(place), Some(&Value::from(all.clone())), "{kind} of {provider:?}");
        }
    }
}

#[test]
fn a_whole_answer_in_the_place_of_a_stream_holds_them_too() {
    for (client, provider) in WAYS {
        let answer = exchange(client, provider, true)
            .reply_as_stream(body(provider).to_string().as_bytes(), (0, Uuid::nil()))
            .unwrap();
        let got = String::from_utf8(answer.body.to_vec()).unwrap();
        assert_eq!(told(client, &elements(&got)), whole(client, provider), "{client:?}");
    }
}

#[test]
fn what_is_kept_of_them_counts_as_memory() {
    let exchange = exchange(RESPONSES, CHAT, true);
    let mut stream_state = exchange.stream();
    let mut out = bytes::BytesMut::new();
    let (mut before, mut kept) = (0, 0);
    for frame in crate::client::frames(stream(CHAT).as_bytes(), usize::MAX).into_iter().take(TOKENS.len() + 1) {
        let frame = frame.unwrap();
        stream_state.frame(&frame, &mut out).unwrap();
        kept = stream_state.held_bytes() - before;
        if before == 0 {
            (before, kept) = (stream_state.held_bytes(), 0);
        }
    }
    let entries: usize = (0..TOKENS.len()).map(|at| entry(at).to_string().len()).sum();
    assert!(kept > entries, "{kept} bytes for {entries}");
}
