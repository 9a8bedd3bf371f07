//! The decoders do not panic, whatever a provider sends; and the encoding depends on the conversation alone.

use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::{Map, Number, Value, json};
use tt_core::call::conversation::{Conversation, Effort, Format, Function, Part, ThinkingConfig, Tool};
use tt_core::call::event::Event;

use super::support::{Recording, assistant, call, encode, function, result, talk, tool, user};
use crate::api::Undo;
use crate::api::gemini::{decode_reply, decoder, refused};

/// Every recorded answer and event.
static BODIES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let plain = Recording::all("generateContent").into_iter().map(|recording| recording.body());
    let streamed = Recording::all("streamGenerateContent").into_iter().flat_map(|recording| recording.events());
    // Long pictures are cut: short ones test the same.
    plain.chain(streamed).filter(|body| body.len() < 16_384).collect()
});

/// JSON with the names that mean something here, so that it gets past the first field.
fn arbitrary_json() -> impl Strategy<Value = Value> {
    let names = prop::sample::select(vec![
        "candidates",
        "content",
        "parts",
        "text",
        "thought",
        "thoughtSignature",
        "functionCall",
        "name",
        "args",
        "id",
        "index",
        "finishReason",
        "usageMetadata",
        "promptTokenCount",
        "cachedContentTokenCount",
        "error",
        "code",
        "details",
        "inlineData",
        "mimeType",
        "data",
        "logprobsResult",
        "chosenCandidates",
        "promptFeedback",
        "blockReason",
        "x",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(|f| Number::from_f64(f).map_or(Value::Null, Value::from)),
        prop::sample::select(vec!["STOP", "SAFETY", "MALFORMED_FUNCTION_CALL", "", "ü"]).prop_map(Value::from),
    ];
    leaf.prop_recursive(8, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((names.clone(), inner), 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())),
        ]
    })
}

fn read_all(data: &[u8]) {
    let undo = Undo { custom_tools: ["STOP".to_owned()].into(), ..Undo::default() };
    drop(decode_reply(data, &undo));
    drop(refused(400, &http::HeaderMap::new(), data));
    let mut decoder = decoder(undo);
    let mut out = Vec::new();
    for _ in 0..2 {
        drop(decoder.data(data, &mut out));
    }
    drop(decoder.end(&mut out));
    let finishes = out.iter().filter_map(|event| match event {
        Event::Finish { choice, .. } => Some(choice),
        _ => None,
    });
    let mut seen = std::collections::HashSet::new();
    assert!(finishes.copied().all(|choice| seen.insert(choice)), "one finish for each answer: {out:?}");
}

proptest! {
    #[test]
    fn arbitrary_bytes_make_nothing_panic(data in prop::collection::vec(any::<u8>(), 0..200)) {
        read_all(&data);
    }

    #[test]
    fn arbitrary_json_makes_nothing_panic(value in arbitrary_json()) {
        read_all(value.to_string().as_bytes());
        read_all(json!({"candidates": [{"content": {"parts": [value]}}]}).to_string().as_bytes());
        read_all(json!({"candidates": [{"finishReason": "STOP"}], "usageMetadata": value}).to_string().as_bytes());
    }

    #[test]
    fn mutated_recordings_make_nothing_panic(
        pick in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut body = BODIES[pick.index(BODIES.len())].clone();
        read_all(&body[..cut.index(body.len())]);
        for (at, byte) in changes {
            let at = at.index(body.len());
            body[at] = byte;
        }
        read_all(&body);
    }

    #[test]
    fn a_field_of_a_recording_may_hold_anything(pick in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), new in arbitrary_json()) {
        let mut body: Value = serde_json::from_slice(&BODIES[pick.index(BODIES.len())]).unwrap();
        let pointers = pointers(&body, String::new());
        *body.pointer_mut(&pointers[at.index(pointers.len())]).unwrap() = new;
        read_all(body.to_string().as_bytes());
    }

    #[test]
    fn encoding_is_deterministic_and_gives_json(conversation in conversations(), pick in 0..3_usize) {
        let model = ["gemini-2.0-flash", "gemini-2.5-pro", "gemini-3.5-flash"][pick];
        let (one, two) = (encode(&conversation, model), encode(&conversation.clone(), model));
        match (one, two) {
            (Ok(one), Ok(two)) => {
                prop_assert_eq!(&one, &two);
                let body: Map<String, Value> = serde_json::from_slice(&one.body).unwrap();
                prop_assert!(body.contains_key("contents") && !body.contains_key("model"));
            }
            (one, two) => prop_assert_eq!(one.unwrap_err().to_string(), two.unwrap_err().to_string()),
        }
    }

    #[test]
    fn any_schema_is_encoded_or_refused(schema in arbitrary_schema()) {
        let mut conversation = talk(vec![user("q")]);
        conversation.tools = vec![Tool::Function(Function { parameters: Some(schema.clone()), ..function("t") })];
        drop(encode(&conversation, "gemini-3.5-flash"));
        conversation.tools.clear();
        conversation.format =
            Format::JsonSchema { name: "n".to_owned(), description: None, schema: Some(schema), strict: None };
        drop(encode(&conversation, "gemini-3.5-flash"));
    }
}

/// The places inside a value.
fn pointers(value: &Value, at: String) -> Vec<String> {
    let mut all = vec![at.clone()];
    match value {
        Value::Object(map) => map.iter().for_each(|(name, value)| {
            all.extend(pointers(value, format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"))));
        }),
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(i, value)| all.extend(pointers(value, format!("{at}/{i}"))));
        }
        _ => {}
    }
    all
}

fn conversations() -> impl Strategy<Value = Conversation> {
    let step = ("[a-z ü]{0,12}", ".{0,6}", prop::sample::select(vec!["{}", "", "{\"a\":1}", "[]"]));
    let effort = prop::option::of(prop::sample::select(vec![Effort::None, Effort::Minimal, Effort::Max]));
    (prop::collection::vec(step, 1..5), prop::collection::vec(".{0,8}", 0..4), effort).prop_map(
        |(steps, tools, effort)| {
            let mut messages = Vec::new();
            for (i, (text, name, arguments)) in steps.iter().enumerate() {
                let id = format!("id{i}");
                messages.push(user(&format!("q{text}")));
                messages.push(assistant(vec![Part::text(text.as_str()), call(&id, name, arguments)]));
                messages.push(result(&id, vec![Part::text(*arguments)]));
            }
            let thinking = ThinkingConfig { effort, ..ThinkingConfig::default() };
            Conversation { tools: tools.iter().map(|name| tool(name)).collect(), thinking, ..talk(messages) }
        },
    )
}

fn arbitrary_schema() -> impl Strategy<Value = Value> {
    let keywords = prop::sample::select(vec![
        "type",
        "properties",
        "items",
        "anyOf",
        "allOf",
        "$ref",
        "$defs",
        "definitions",
        "const",
        "enum",
        "not",
        "description",
        "pattern",
        "A",
    ]);
    let leaf = prop_oneof![
        Just(json!("object")),
        Just(json!("#/$defs/A")),
        Just(json!("#/definitions/A")),
        Just(json!("#")),
        Just(json!(true)),
        Just(json!(3)),
    ];
    leaf.prop_recursive(6, 64, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((keywords.clone(), inner), 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())),
        ]
    })
}
