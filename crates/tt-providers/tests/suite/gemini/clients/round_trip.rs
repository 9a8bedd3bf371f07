//! A request read and written again keeps all that Gemini knows.

use proptest::prelude::*;
use serde_json::{Value, json};
use tt_core::Dialect;
use tt_core::call::conversation::{Conversation, Part};

use super::{decoded, sent};
use crate::api::gemini::encode_request;
use crate::api::{Target, Undo};
use crate::fixtures::Recording;

const MODEL: &str = "gemini-3-pro-preview";

/// The call, written for Gemini and read again.
fn again(call: &Conversation) -> Conversation {
    let encoded = encode_request(call, Target { model: MODEL, facts: None }).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(encoded.undo, Undo::default());
    decoded(&serde_json::from_slice(&encoded.body).unwrap())
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z ]{1,12}", Just("ü \"q\" \\ \n".to_owned())]
}

fn part_of_user() -> impl Strategy<Value = Value> {
    prop_oneof![
        text().prop_map(|text| json!({"text": text})),
        Just(json!({"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}})),
        Just(json!({"inlineData": {"mimeType": "audio/mp3", "data": "iVBORw0KGgo="}})),
        Just(json!({"fileData": {"mimeType": "video/mp4", "fileUri": "gs://b/x"}, "videoMetadata": {"fps": 2}})),
        Just(json!({"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}})),
    ]
}

fn part_of_model() -> impl Strategy<Value = Value> {
    prop_oneof![
        text().prop_map(|text| json!({"text": text})),
        text().prop_map(|text| json!({"text": text, "thoughtSignature": "c2ln"})),
        text().prop_map(|text| json!({"text": text, "thought": true, "thoughtSignature": "dGg="})),
        Just(json!({"executableCode": {"language": "PYTHON", "code": "print(1)"}})),
        Just(json!({"inlineData": {"mimeType": "image/png", "data": "AAAA"}, "thoughtSignature": "cGlj"})),
    ]
}

/// Calls of one turn, with ids or without, and their results in the same order.
fn calls() -> impl Strategy<Value = (Vec<Value>, Vec<Value>)> {
    let call = ("[fgh]", any::<bool>(), any::<bool>(), -9i64..9);
    prop::collection::vec(call, 1..4).prop_map(|calls| {
        let mut both = (Vec::new(), Vec::new());
        for (i, (name, named, failed, number)) in calls.into_iter().enumerate() {
            let mut call = json!({"name": name, "args": {"n": number, "x": 1.50}});
            let response = if failed { json!({"error": "no"}) } else { json!({"found": [number]}) };
            let mut result = json!({"name": name, "response": response});
            if named {
                (call["id"], result["id"]) = (json!(format!("id{i}")), json!(format!("id{i}")));
            }
            both.0.push(json!({"functionCall": call, "thoughtSignature": "c2ln"}));
            both.1.push(json!({"functionResponse": result}));
        }
        both
    })
}

fn request() -> impl Strategy<Value = Value> {
    let turn = (
        prop::collection::vec(part_of_user(), 1..4),
        prop::collection::vec(part_of_model(), 1..4),
        prop::option::of(calls()),
    );
    let config = (any::<Option<u16>>(), any::<Option<i32>>(), 0u8..4, prop::option::of(-1i64..30_000));
    (prop::collection::vec(turn, 1..4), config, prop::option::of(text())).prop_map(|(turns, config, system)| {
        let mut contents = Vec::new();
        for (user, mut model, calls) in turns {
            contents.push(json!({"role": "user", "parts": user}));
            let (calls, results) = calls.unwrap_or_default();
            model.extend(calls);
            if !model.is_empty() {
                contents.push(json!({"role": "model", "parts": model}));
            }
            if !results.is_empty() {
                contents.push(json!({"role": "user", "parts": results}));
                contents.push(json!({"role": "model", "parts": [{"text": "so"}]}));
            }
        }
        let (limit, seed, kind, budget) = config;
        let mut body = json!({"contents": contents, "generationConfig": {"topK": 5, "stopSequences": ["a", "b"]}});
        let config = &mut body["generationConfig"];
        if let Some(limit) = limit.filter(|limit| *limit > 0) {
            config["maxOutputTokens"] = limit.into();
        }
        if let Some(seed) = seed {
            config["seed"] = seed.into();
        }
        if budget.is_some() {
            config["thinkingConfig"] = json!({"includeThoughts": true, "thinkingLevel": "LOW"});
        }
        if kind == 1 {
            config["responseMimeType"] = "application/json".into();
            config["responseJsonSchema"] = json!({"type": "object", "properties": {"a": {"type": "string"}}});
        }
        if kind == 2 {
            body["tools"] = json!([
                {"functionDeclarations": [{"name": "f", "description": "d", "parametersJsonSchema": {"type": "object"}}]},
                {"googleSearch": {}},
            ]);
            body["toolConfig"] = json!({"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}});
            body["cachedContent"] = "cachedContents/x".into();
            body["safetySettings"] = json!([{"category": "c", "threshold": "t"}]);
        }
        if let Some(system) = system {
            body["systemInstruction"] = json!({"parts": [{"text": system}]});
        }
        body
    })
}

proptest! {
    #[test]
    fn a_request_survives_the_neutral_form(body in request()) {
        let call = decoded(&body);
        let back = again(&call);
        prop_assert_eq!(&back, &call);
    }
}

/// The texts of the messages.
fn texts(call: &Conversation) -> Vec<&str> {
    let parts = call.messages.iter().flat_map(|message| &message.parts);
    let texts = parts.filter_map(|part| if let Part::Text(part) = part { Some(part.text.as_str()) } else { None });
    texts.filter(|text| !text.is_empty()).collect()
}

/// Real histories are merged and completed when they are written, so the second writing is compared with the first.
#[test]
fn recorded_requests_survive_the_neutral_form() {
    let mut seen = 0;
    for recording in Recording::all() {
        if recording.dialect() != Some(Dialect::Gemini) {
            continue;
        }
        let body = recording.request();
        let call = decoded(&body);
        let Ok(encoded) = encode_request(&call, Target { model: MODEL, facts: None }) else { continue };
        let once = decoded(&serde_json::from_slice(&encoded.body).unwrap());
        assert_eq!(texts(&once), texts(&call), "{}", recording.id);
        assert_eq!(again(&once), once, "{}", recording.id);
        for (dialect, model) in [(Dialect::OpenAiChat, "gpt-5.4"), (Dialect::AnthropicMessages, "claude-sonnet-4-5")] {
            if super::exchange(super::PLAIN, &body, dialect, model).is_ok() {
                assert!(sent(&body, dialect, model).is_object());
            }
        }
        seen += 1;
    }
    assert!(seen > 20, "{seen} recordings");
}
