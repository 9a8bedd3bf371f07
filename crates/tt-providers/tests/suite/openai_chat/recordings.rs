//! Chat Completions against recorded traffic: every request, answer, stream and error in `fixtures/recordings/openai`.

use bytes::{Bytes, BytesMut};
use serde_json::{Map, Value, json};
use tt_core::call::conversation::{Part, Text};
use tt_core::call::event::Event;
use tt_core::call::finish::FinishReason;
use tt_core::call::reply::{Choice, Reply};
use tt_core::usage::Reported;
use tt_core::{Dialect, Provider};

use crate::api::openai::{self, EncodeOptions, Observer, Scan, stream::Encoder};
use crate::api::sse::Framer;
use crate::api::tally::Tally;
use crate::api::{
    RefusedKind, RequestError, StreamDecoder, StreamEncoder as _, Target, Undo, UpstreamError, finish_word, name,
    reason,
};
use crate::fixtures::Recording;
use crate::told::{Told, told};

struct Record {
    id: String,
    request: Value,
    status: u16,
    body: Option<Value>,
    sse: Option<String>,
    expected: Value,
}

fn records() -> Vec<Record> {
    let recordings = Recording::of(Provider::OpenAi).into_iter().filter(|recording| recording.dialect().is_some());
    let records: Vec<Record> = recordings
        .map(|mut recording| Record {
            request: recording.request(),
            status: recording.status,
            body: recording.json["response"].get("body").cloned(),
            sse: recording.json["response"]["sse"].as_str().map(str::to_owned),
            expected: recording.json["expected"].take(),
            id: recording.id,
        })
        .collect();
    assert_eq!(records.len(), 70);
    records
}

fn streams() -> Vec<(Record, String)> {
    let found: Vec<_> = records().into_iter().filter_map(|mut r| r.sse.take().map(|sse| (r, sse))).collect();
    assert_eq!(found.len(), 25);
    found
}

/// Text, refusal and calls (id, name, arguments) of choice 0.
type Heard = (String, String, Vec<(String, String, String)>);

fn check(id: &str, expected: &Value, heard: &Heard, finish: Option<FinishReason>, usage: Option<&Reported>) {
    let (text, refusal, calls) = heard;
    let prefix = expected["text_prefix"].as_str().unwrap_or_default();
    assert!(text.starts_with(prefix), "{id}: {text} does not begin with {prefix}");
    assert_eq!(Some(text.chars().count() as u64), expected["text_chars"].as_u64(), "{id}: characters");
    let said = expected["refusal_prefix"].as_str().unwrap_or_default();
    assert!(refusal.starts_with(said) && refusal.is_empty() == said.is_empty(), "{id}: refusal {refusal}");
    let calls: Vec<Value> = calls
        .iter()
        .map(|(id, name, arguments)| {
            let arguments = serde_json::from_str(arguments).unwrap_or(Value::from(arguments.as_str()));
            json!({"id": id, "name": name, "arguments": arguments})
        })
        .collect();
    let mut wanted = expected["tool_calls"].as_array().cloned().unwrap_or_default();
    // Legacy calls have no id on the wire.
    for (call, wanted) in calls.iter().zip(&mut wanted).filter(|(_, wanted)| wanted["id"].is_null()) {
        wanted["id"] = call["id"].clone();
    }
    assert_eq!(calls, wanted, "{id}: calls");
    let word = match expected["finish_reason"].as_str() {
        Some("function_call") => Some("tool_calls"),
        other => other,
    };
    assert_eq!(finish.map(finish_word), word, "{id}: finish");

    let Some(reported) = usage else {
        assert!(expected["usage_raw"].is_null(), "{id}: usage was there");
        return;
    };
    assert_eq!(serde_json::from_str::<Value>(&reported.raw).unwrap(), expected["usage_raw"], "{id}: usage as sent");
    assert_eq!(reported.service_tier.as_deref(), expected["service_tier"].as_str(), "{id}: tier");
    let usage = reported.usage;
    for (name, found) in [
        ("input_tokens", Some(usage.total_input())),
        ("output_tokens", Some(usage.output)),
        ("total_tokens", Some(usage.total())),
        ("reasoning_tokens", usage.reasoning),
        ("cached_tokens", Some(usage.cache_read)),
        ("cache_write_tokens", Some(usage.cache_write())),
    ] {
        let absent_is_zero = name.starts_with("cache");
        let wanted = expected[name].as_u64().or(absent_is_zero.then_some(0));
        assert_eq!(found, wanted, "{id}: {name}");
    }
}

fn heard_reply(choice: &Choice) -> Heard {
    let mut heard = Heard::default();
    for part in &choice.parts {
        match part {
            Part::Text(Text { text, .. }) => heard.0.push_str(text),
            Part::Refusal { text } => heard.1.push_str(text),
            Part::ToolCall(call) => heard.2.push((call.id.clone(), call.name.clone(), call.arguments.clone())),
            _ => {}
        }
    }
    heard
}

fn heard_events(events: &[Event]) -> Heard {
    let mut heard = Heard::default();
    for event in &told(events) {
        match event {
            Told::Text { choice: 0, text, .. } => heard.0.push_str(text),
            Told::Refusal { choice: 0, text } => heard.1.push_str(text),
            Told::ToolCall { choice: 0, id, name, .. } => heard.2.push((id.clone(), name.clone(), String::new())),
            Told::ToolArguments { choice: 0, call, json } => heard.2[*call as usize].2.push_str(json),
            _ => {}
        }
    }
    heard
}

fn events<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<Event> {
    let mut framer = Framer::new();
    let mut decoder = StreamDecoder::new(Dialect::OpenAiChat, Undo::default());
    let mut out = Vec::new();
    for chunk in chunks {
        framer.push(Bytes::copy_from_slice(chunk));
        while let Some(frame) = framer.next() {
            decoder.data(&frame.unwrap().data, &mut out).unwrap();
        }
    }
    if let Some(frame) = framer.finish() {
        decoder.data(&frame.data, &mut out).unwrap();
    }
    decoder.end(&mut out).unwrap();
    out
}

#[test]
fn plain_answers_are_read_exactly() {
    let mut seen = 0;
    for record in records() {
        let (Some(body), 200) = (&record.body, record.status) else { continue };
        seen += 1;
        let bytes = body.to_string().into_bytes();
        let reply = openai::decode_reply(&bytes, &Undo::default()).unwrap();
        let first = &reply.choices[0];
        check(&record.id, &record.expected, &heard_reply(first), reason(first), reply.usage.as_ref());
        assert_eq!(Some(reply.model.as_str()), record.expected["model"].as_str());
        assert_eq!(Some(reply.id.as_str()), record.expected["response_id"].as_str());
        assert_eq!(Some(reply.choices.len() as u64), record.expected["choices"].as_u64());

        let facts = openai::observe_reply(&bytes).unwrap();
        assert_eq!(facts.usage, reply.usage, "{}", record.id);
        assert_eq!(facts.model.as_deref(), Some(reply.model.as_str()));
    }
    assert_eq!(seen, 36);
}

#[test]
fn plain_answers_written_again_say_the_same() {
    for record in records() {
        let (Some(body), 200) = (&record.body, record.status) else { continue };
        let reply = openai::decode_reply(body.to_string().as_bytes(), &Undo::default()).unwrap();
        let options = EncodeOptions { created: reply.created.unwrap(), ..EncodeOptions::default() };
        let again = openai::decode_reply(&openai::encode_reply(&reply, &options), &Undo::default()).unwrap();
        // Azure's filter results stay behind; the usage object is ours.
        let strip = |reply: &Reply| {
            let mut reply = reply.clone();
            reply.extra.retain(|name, value| !value.is_null() && name != "prompt_filter_results");
            reply.choices.iter_mut().for_each(|choice| drop(choice.extra.shift_remove("content_filter_results")));
            reply.usage.iter_mut().for_each(|usage| usage.raw.clear());
            reply
        };
        let legacy_call = body["choices"][0]["message"].get("function_call");
        if legacy_call.is_none() {
            assert_eq!(strip(&again), strip(&reply), "{}", record.id);
        }

        let legacy = EncodeOptions { legacy_functions: true, ..options };
        let written: Value = serde_json::from_slice(&openai::encode_reply(&reply, &legacy)).unwrap();
        assert!(written.pointer("/choices/0/message/tool_calls").is_none());
        if let Some(call) = legacy_call {
            assert_eq!(written["choices"][0]["message"]["function_call"], *call);
            assert_eq!(written["choices"][0]["finish_reason"], "function_call");
        }
    }
}

#[test]
fn streams_are_read_exactly() {
    for (record, sse) in streams() {
        let found = events([sse.as_bytes()]);
        let finish = found.iter().find_map(|event| match event {
            Event::Finish { choice: 0, finish } => Some(finish.reason),
            _ => None,
        });
        let mut tally = Tally::default();
        found.iter().for_each(|event| tally.event(event));
        check(&record.id, &record.expected, &heard_events(&found), finish, tally.usage.as_ref());
        assert_eq!(tally.served_model.as_deref(), record.expected["model"].as_str(), "{}", record.id);
        assert!(tally.finished && tally.done, "{}", record.id);
        let ids: Vec<&str> = found
            .iter()
            .filter_map(|event| if let Event::Start { id, .. } = event { Some(id.as_str()) } else { None })
            .collect();
        assert_eq!(ids, [record.expected["response_id"].as_str().unwrap()], "{}", record.id);
    }
}

#[test]
fn the_observer_sees_what_the_decoder_reads() {
    for (record, sse) in streams() {
        let mut tally = Tally::default();
        events([sse.as_bytes()]).iter().for_each(|event| tally.event(event));
        let mut observer = Observer::new();
        let mut framer = Framer::new();
        framer.push(Bytes::from(sse));
        let (mut usage_only, mut content) = (0, 0);
        while let Some(frame) = framer.next() {
            let seen = observer.observe(&frame.unwrap().data);
            assert!(!seen.unreadable && seen.error.is_none());
            usage_only += usize::from(seen.usage_only);
            content += usize::from(seen.content);
        }
        assert!(observer.tally().finished);
        assert_eq!(observer.tally(), &tally, "{}", record.id);
        let asked = record.request.pointer("/stream_options/include_usage") == Some(&Value::Bool(true));
        assert_eq!(usage_only, usize::from(asked), "{}", record.id);
        assert_eq!(content > 0, !tally.output_text.is_empty(), "{}", record.id);
    }
}

#[test]
fn streams_read_alike_wherever_they_are_cut() {
    let streams = streams();
    let mut by_size: Vec<&(Record, String)> = streams.iter().collect();
    by_size.sort_by_key(|(_, sse)| sse.len());
    for (record, sse) in by_size.iter().take(4) {
        let whole = events([sse.as_bytes()]);
        assert_eq!(events(sse.as_bytes().chunks(1)), whole, "{}", record.id);
        for at in 0..sse.len() {
            let (head, tail) = sse.as_bytes().split_at(at);
            assert_eq!(events([head, tail]), whole, "{} cut at {at}", record.id);
        }
    }
    // Any sequence of cuts will do, so long as it is the same in every run.
    let mut state = 1u64;
    for (record, sse) in &streams {
        let whole = events([sse.as_bytes()]);
        for _ in 0..5 {
            let mut rest = sse.as_bytes();
            let mut chunks = Vec::new();
            while !rest.is_empty() {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let len = usize::try_from((state >> 33) % 300).unwrap().clamp(1, rest.len());
                let (chunk, tail) = rest.split_at(len);
                chunks.push(chunk);
                rest = tail;
            }
            assert_eq!(events(chunks), whole, "{}", record.id);
        }
        let crlf = sse.replace('\n', "\r\n");
        assert_eq!(events(crlf.as_bytes().chunks(13)), whole, "{}", record.id);
    }
}

#[test]
fn streams_written_again_say_the_same() {
    for (record, sse) in streams() {
        let read = events([sse.as_bytes()]);
        let created = read.iter().find_map(|event| match event {
            Event::Start { created, .. } => *created,
            _ => None,
        });
        let options = EncodeOptions { created: created.unwrap(), include_usage: true, ..EncodeOptions::default() };
        let mut encoder = Encoder::new(options);
        let mut out = BytesMut::new();
        read.iter().for_each(|event| encoder.event(event, &mut out));
        let strip = |mut events: Vec<Event>| {
            for event in &mut events {
                if let Event::Usage(reported) = event {
                    reported.raw.clear();
                    reported.service_tier = None;
                }
            }
            events
        };
        assert_eq!(strip(events([&out[..]])), strip(read), "{}", record.id);
    }
}

#[test]
fn a_stream_cut_before_its_finish_is_an_error() {
    for (record, sse) in streams() {
        let cut = sse.find("\"finish_reason\":\"").unwrap();
        let mut framer = Framer::new();
        let mut decoder = StreamDecoder::new(Dialect::OpenAiChat, Undo::default());
        let mut observer = Observer::new();
        let mut out = Vec::new();
        framer.push(Bytes::copy_from_slice(sse.as_bytes().get(..cut).unwrap()));
        while let Some(frame) = framer.next() {
            let frame = frame.unwrap();
            decoder.data(&frame.data, &mut out).unwrap();
            observer.observe(&frame.data);
        }
        assert!(matches!(decoder.end(&mut out), Err(UpstreamError::Protocol(_))), "{}", record.id);
        assert!(!observer.tally().finished);
        let rest = framer.finish().unwrap();
        assert!(observer.observe(&rest.data).unreadable);
        assert!(decoder.data(&rest.data, &mut out).is_err());
    }
}

#[test]
fn errors_are_read_as_they_are_meant() {
    let mut seen = 0;
    for record in records().iter().filter(|record| record.status >= 400) {
        seen += 1;
        let body = record.body.as_ref().unwrap().to_string();
        let refused = openai::refused(record.status, &http::HeaderMap::new(), body.as_bytes());
        let error = &record.expected["error"];
        assert_eq!(Some(u64::from(refused.status)), error["status"].as_u64());
        assert!(refused.message.starts_with(error["message_prefix"].as_str().unwrap()), "{}", record.id);
        assert_eq!(refused.param.as_deref(), error["param"].as_str(), "{}", record.id);
        if let Some(code) = error["code"].as_str() {
            assert_eq!(refused.code.as_deref(), Some(code), "{}", record.id);
        }
        let kind = match record.status {
            401 => RefusedKind::Credential,
            404 => RefusedKind::NotFound,
            _ => RefusedKind::Invalid,
        };
        assert_eq!(refused.kind, kind, "{}", record.id);
    }
    assert_eq!(seen, 9);
}

#[test]
fn requests_pass_with_only_the_model_changed() {
    for record in records() {
        let body = Bytes::from(serde_json::to_vec_pretty(&record.request).unwrap());
        let scan = Scan::of(&body).unwrap();
        assert_eq!(Some(scan.facts.model.as_str()), record.request["model"].as_str());
        let sent: Value = serde_json::from_slice(&scan.splice(&body, "upstream", None).to_vec()).unwrap();
        let mut wanted = record.request.clone();
        wanted["model"] = "upstream".into();
        if scan.facts.stream {
            wanted["stream_options"] = json!({"include_usage": true});
        }
        assert_eq!(sent, wanted, "{}", record.id);
    }
}

#[test]
fn requests_decoded_and_encoded_ask_the_same() {
    let mut seen = 0;
    for record in records() {
        let decoded = openai::decode_request(record.request.to_string().as_bytes());
        if let Some(param) = record.expected["error"]["param"].as_str().filter(|param| param.ends_with(".type")) {
            // The one request whose shape OpenAI itself refuses: we name the same field.
            assert!(matches!(decoded, Err(RequestError::Missing { field }) if name(&field) == param), "{}", record.id);
            continue;
        }
        seen += 1;
        let conversation = decoded.unwrap();
        let target = Target { model: &conversation.model, facts: None };
        let encoded = openai::encode_request(&conversation, target).unwrap();
        assert_eq!(encoded.undo, Undo::default());
        let again: Value = serde_json::from_slice(&encoded.body).unwrap();
        assert_eq!(normal(again.clone()), normal(record.request.clone()), "{}", record.id);
        // Reading the result and writing it again changes nothing more.
        let reread = openai::decode_request(&encoded.body).unwrap();
        let twice = openai::encode_request(&reread, target).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&twice.body).unwrap(), again, "{}", record.id);
    }
    assert_eq!(seen, 69);
}

/// A request with the exceptions that `openai::request` documents taken out, and defaults left out.
fn normal(mut request: Value) -> Value {
    let top = request.as_object_mut().unwrap();
    let stream = top.get("stream") == Some(&Value::Bool(true));
    top.retain(|name, value| {
        !(value.is_null()
            || name == "stream_options"
            || (name == "stream" && *value == false)
            || (name == "stop" && *value == json!([]))
            || (name == "response_format" && value["type"] == "text"))
    });
    if stream {
        top.insert("stream_options".into(), json!({"include_usage": true}));
    }
    if let Some(user) = top.shift_remove("user") {
        top.insert("safety_identifier".into(), user);
    }
    // Legacy words are read, and written as their successors.
    if let Some(most) = top.shift_remove("max_tokens") {
        top.entry("max_completion_tokens").or_insert(most);
    }
    if let Some(Value::Array(functions)) = top.shift_remove("functions") {
        let tool = |function| json!({"type": "function", "function": function});
        top.insert("tools".into(), functions.into_iter().map(tool).collect());
        top.insert("parallel_tool_calls".into(), false.into());
    }
    match top.shift_remove("function_call") {
        None => {}
        Some(word @ Value::String(_)) => drop(top.insert("tool_choice".into(), word)),
        Some(named) => drop(top.insert("tool_choice".into(), json!({"type": "function", "function": named}))),
    }
    if let Some(text @ Value::String(_)) = top.get("stop") {
        let list = json!([text]);
        top.insert("stop".into(), list);
    }
    for tool in top.get_mut("tools").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(function) = tool.get_mut("function").and_then(Value::as_object_mut) {
            let known = ["name", "description", "parameters", "strict"];
            function.retain(|name, value| known.contains(&name.as_str()) && !value.is_null());
        }
    }
    for message in top["messages"].as_array_mut().unwrap() {
        normal_message(message.as_object_mut().unwrap());
    }
    request
}

fn normal_message(message: &mut Map<String, Value>) {
    if let Some(parts) = message.get_mut("content").and_then(Value::as_array_mut) {
        for part in parts.iter_mut().filter_map(Value::as_object_mut) {
            part.shift_remove("prompt_cache_breakpoint");
        }
        if let [part] = parts.as_slice()
            && part["type"] == "text"
        {
            let text = part["text"].clone();
            message.insert("content".into(), text);
        }
    }
    if message["role"] == "assistant" {
        message.retain(|name, value| !(name == "content" && (value.is_null() || *value == "")));
    }
}
