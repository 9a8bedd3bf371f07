//! Gemini requests: each row of the Gemini column of MAPPING.md, Requests. `history.rs` tests the histories.

use serde_json::{Value, json};
use tt_core::Provider;
use tt_core::call::conversation::{
    Audio, CacheTtl, Conversation, CustomTool, Document, Effort, Format, Function, Image, Media, Part, Role, Sampling,
    Text, Tool, ToolChoice,
};
use tt_core::model::{Capabilities, ModelFacts};

use super::support::{assistant, body, encode, function, message, refused_for, system, talk, tool, user};
use crate::api::gemini;
use crate::api::{Target, add_field, dropped};

const OLD: &str = "gemini-2.5-flash";
const NEW: &str = "gemini-3.5-flash";

fn hello() -> Conversation {
    talk(vec![user("Hello")])
}

fn with(change: impl FnOnce(&mut Conversation)) -> Conversation {
    let mut conversation = hello();
    change(&mut conversation);
    conversation
}

/// `generationConfig` of a request, `null` where there is none.
fn config(conversation: &Conversation, model: &str) -> Value {
    body(conversation, model)["generationConfig"].clone()
}

fn dropped_of(conversation: &Conversation) -> Vec<String> {
    dropped(&encode(conversation, NEW).unwrap())
}

#[test]
fn a_request_in_full_keeps_its_key_order() {
    let conversation = with(|c| {
        c.messages.insert(0, system("Be brief."));
        c.messages.push(message(Role::Developer, vec![Part::text("And kind.")]));
        c.stream = true;
        c.sampling = Sampling {
            max_output_tokens: Some(99),
            temperature: serde_json::from_str("0.70").unwrap(),
            top_p: serde_json::from_str("1").unwrap(),
            top_k: Some(5),
            frequency_penalty: serde_json::from_str("0.5").unwrap(),
            presence_penalty: serde_json::from_str("-0.5").unwrap(),
            seed: Some(7),
            stop: vec!["END".to_owned()],
            n: Some(2),
            ..Sampling::default()
        };
        c.thinking.effort = Some(Effort::High);
        c.tools = vec![Tool::Function(Function {
            description: Some("Looks up".to_owned()),
            parameters: Some(json!({"type": "object", "properties": {"q": {"type": "string"}}})),
            ..function("look_up")
        })];
        c.tool_choice = Some(ToolChoice::Auto);
        c.service_tier = Some("flex".to_owned());
    });
    let encoded = encode(&conversation, NEW).unwrap();
    let want = concat!(
        r#"{"systemInstruction":{"parts":[{"text":"Be brief."},{"text":"And kind."}]},"#,
        r#""contents":[{"role":"user","parts":[{"text":"Hello"}]}],"#,
        r#""tools":[{"functionDeclarations":[{"name":"look_up","description":"Looks up","#,
        r#""parametersJsonSchema":{"type":"object","properties":{"q":{"type":"string"}}}}]}],"#,
        r#""toolConfig":{"functionCallingConfig":{"mode":"AUTO"}},"#,
        r#""generationConfig":{"temperature":0.7,"topP":1,"topK":5,"candidateCount":2,"maxOutputTokens":99,"#,
        r#""stopSequences":["END"],"seed":7,"#,
        r#""thinkingConfig":{"thinkingLevel":"high"}},"serviceTier":"flex"}"#,
    );
    assert_eq!(dropped(&encoded), ["presence_penalty", "frequency_penalty"]);
    assert_eq!(String::from_utf8(encoded.body).unwrap(), want);
}

#[test]
fn penalties_go_to_models_that_take_them() {
    let penalties = |presence: &str, frequency: &str| {
        with(|c| {
            c.sampling.presence_penalty = serde_json::from_str(presence).unwrap();
            c.sampling.frequency_penalty = serde_json::from_str(frequency).unwrap();
        })
    };
    let sent = config(&penalties("-0.5", "0.5"), "gemini-2.0-flash");
    assert_eq!(sent, json!({"presencePenalty": -0.5, "frequencyPenalty": 0.5}));
    for model in ["gemini-2.5-flash", NEW] {
        let encoded = encode(&penalties("0", "0.5"), model).unwrap();
        assert_eq!(dropped(&encoded), ["frequency_penalty"], "{model}");
    }
}

#[test]
fn the_least_request_holds_nothing_else() {
    assert_eq!(body(&hello(), NEW), json!({"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}));
}

#[test]
fn sampling_goes_where_the_model_refuses_it() {
    let conversation = with(|c| {
        c.sampling.temperature = Some(1.into());
        c.sampling.top_k = Some(3);
    });
    let facts = ModelFacts {
        capabilities: Capabilities { sampling_params: Some(false), ..Default::default() },
        ..Default::default()
    };
    let target = Target { model: "gemini-3.6-flash", facts: Some(&facts) };
    let encoded = gemini::encode_request(&conversation, target).unwrap();
    let body: Value = serde_json::from_slice(&encoded.body).unwrap();
    assert_eq!(body["generationConfig"], Value::Null);
    assert_eq!(dropped(&encoded), ["temperature", "top_k"]);
}

#[test]
fn what_gemini_lacks_and_nobody_misses_is_dropped() {
    let conversation = with(|c| {
        c.end_user = Some("u".to_owned());
        c.parallel_tool_calls = Some(false);
        c.sampling.seed = Some(i64::MAX);
        c.service_tier = Some("scale".to_owned());
        c.messages[0].name = Some("bob".to_owned());
        c.messages[0].parts.push(Part::Text(Text {
            text: "x".to_owned(),
            cache: Some(CacheTtl::OneHour),
            ..Text::default()
        }));
        add_field(c, "store", json!(true));
        add_field(c, "whatever", json!(1));
        add_field(c, "modalities", json!(["text"]));
    });
    assert_eq!(
        dropped_of(&conversation),
        [
            "store",
            "unknown fields",
            "modalities",
            "messages[].name",
            "cache_control",
            "seed",
            "user",
            "parallel_tool_calls",
            "service_tier"
        ]
    );
    let text = String::from_utf8(encode(&conversation, NEW).unwrap().body).unwrap();
    assert!(!text.contains("bob") && !text.contains("whatever") && !text.contains("store"), "{text}");
}

#[test]
fn what_would_change_the_answer_is_refused_by_name() {
    let bias = |c: &mut Conversation| c.sampling.logit_bias = Some(json!({"50256": -100}));
    assert_eq!(refused_for(&with(bias), NEW), "logit_bias");
    let stops = |c: &mut Conversation| c.sampling.stop = ["a", "b", "c", "d", "e", "f"].map(str::to_owned).to_vec();
    assert_eq!(refused_for(&with(stops), NEW), "stop");
    let audio = |c: &mut Conversation| add_field(c, "modalities", json!(["text", "audio"]));
    assert_eq!(refused_for(&with(audio), NEW), "modalities");
    let file = |media| talk(vec![message(Role::User, vec![Part::Document(Document::new(media))])]);
    assert_eq!(
        refused_for(&file(Media::FileId { provider: Provider::OpenAi, id: "file-1".to_owned() }), NEW),
        "messages[0].content[0]"
    );
    assert_eq!(refused_for(&talk(vec![system("only")]), NEW), "messages");
    assert_eq!(refused_for(&talk(vec![user("a"), user("")]), NEW), "messages[1].content");
    let picture = Part::Image(Image::new(Media::url("https://x/y")));
    assert_eq!(
        refused_for(&talk(vec![message(Role::System, vec![picture]), user("a")]), NEW),
        "messages[0].content[0]"
    );
}

#[test]
fn log_probabilities_are_asked_for() {
    let conversation = with(|c| (c.sampling.logprobs, c.sampling.top_logprobs) = (Some(true), Some(3)));
    assert_eq!(config(&conversation, NEW), json!({"responseLogprobs": true, "logprobs": 3}));
    // A translated stream has no place for them.
    let streamed = with(|c| (c.sampling.logprobs, c.stream) = (Some(true), true));
    assert_eq!(config(&streamed, NEW), Value::Null);
    assert_eq!(dropped(&encode(&streamed, NEW).unwrap()), ["logprobs"]);
}

#[test]
fn service_tiers_have_googles_names() {
    for (tier, want) in [("default", json!("standard")), ("priority", json!("priority")), ("auto", Value::Null)] {
        assert_eq!(body(&with(|c| c.service_tier = Some(tier.to_owned())), NEW)["serviceTier"], want, "{tier}");
    }
}

#[test]
fn later_instructions_are_hoisted_and_neighbours_merge() {
    let conversation = talk(vec![
        user("one"),
        system("S"),
        user("two"),
        assistant(vec![Part::text("")]),
        user("three"),
        assistant(vec![Part::text("four"), Part::Refusal { text: "no".to_owned() }]),
        assistant(vec![Part::text("five")]),
    ]);
    assert_eq!(
        body(&conversation, NEW),
        json!({
            "systemInstruction": {"parts": [{"text": "S"}]},
            "contents": [
                {"role": "user", "parts": [{"text": "one"}, {"text": "two"}, {"text": "three"}]},
                {"role": "model", "parts": [{"text": "four"}, {"text": "no"}, {"text": "five"}]},
            ],
        })
    );
}

#[test]
fn media_go_inline_or_by_address() {
    let inline = |mime: &str| Media::Inline { mime: mime.to_owned(), data: "QUJD".to_owned() };
    let url = |url: &str| Media::url(url);
    let image = |media| Part::Image(Image::new(media));
    let file = |media| Part::Document(Document { title: Some("f".to_owned()), ..Document::new(media) });
    let parts = vec![
        image(inline("image/png")),
        image(url("https://e.com/a.webp?x=1")),
        image(url("https://e.com/a")),
        Part::Audio(Audio::new(Media::Inline { mime: "audio/mp3".to_owned(), data: "QUJD".to_owned() })),
        file(inline("application/pdf")),
        file(inline("text/plain")),
        file(url("https://e.com/doc")),
    ];
    let conversation = talk(vec![message(Role::User, parts)]);
    assert_eq!(
        body(&conversation, NEW)["contents"][0]["parts"],
        json!([
            {"inlineData": {"mimeType": "image/png", "data": "QUJD"}},
            {"fileData": {"mimeType": "image/webp", "fileUri": "https://e.com/a.webp?x=1"}},
            {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://e.com/a"}},
            {"inlineData": {"mimeType": "audio/mp3", "data": "QUJD"}},
            {"inlineData": {"mimeType": "application/pdf", "data": "QUJD"}},
            {"inlineData": {"mimeType": "text/plain", "data": "QUJD"}},
            {"fileData": {"mimeType": "application/pdf", "fileUri": "https://e.com/doc"}},
        ])
    );
}

#[test]
fn detail_becomes_the_requests_resolution() {
    let images = |details: &[Option<&str>]| {
        let image = |detail: &Option<&str>| {
            let picture = Image::new(Media::url("https://e.com/a.png"));
            Part::Image(Image { detail: detail.map(str::to_owned), ..picture })
        };
        talk(vec![message(Role::User, details.iter().map(image).collect())])
    };
    let low = json!({"mediaResolution": "MEDIA_RESOLUTION_LOW"});
    let high = json!({"mediaResolution": "MEDIA_RESOLUTION_HIGH"});
    assert_eq!(config(&images(&[Some("low"), Some("low")]), NEW), low);
    assert_eq!(config(&images(&[Some("low"), Some("high")]), NEW), high);
    assert_eq!(config(&images(&[Some("auto"), None]), NEW), Value::Null);
    assert_eq!(dropped_of(&images(&[Some("auto"), None])), [""; 0]);
    assert_eq!(dropped_of(&images(&[Some("low"), None])), ["detail"]);
}

#[test]
fn effort_is_a_budget_before_3_and_a_level_after() {
    use Effort::{High, Low, Max, Medium, Minimal, None, XHigh};
    let asked = |effort, model| config(&with(|c| c.thinking.effort = Some(effort)), model)["thinkingConfig"].clone();
    let budgets =
        [(None, 0), (Minimal, 1024), (Low, 1024), (Medium, 8192), (High, 24576), (XHigh, 24576), (Max, 24576)];
    for (effort, tokens) in budgets {
        assert_eq!(asked(effort, OLD), json!({"thinkingBudget": tokens}), "{effort:?}");
    }
    assert_eq!(asked(None, "gemini-2.5-pro"), json!({"thinkingBudget": 128}));
    let levels = [
        (None, "minimal"),
        (Minimal, "minimal"),
        (Low, "low"),
        (Medium, "medium"),
        (High, "high"),
        (XHigh, "high"),
        (Max, "high"),
    ];
    for (effort, level) in levels {
        assert_eq!(asked(effort, NEW), json!({"thinkingLevel": level}), "{effort:?}");
    }
    for effort in [None, Minimal] {
        assert_eq!(asked(effort, "gemini-3.1-pro-preview"), json!({"thinkingLevel": "low"}));
    }
    let old = encode(&with(|c| c.thinking.effort = Some(High)), "gemini-2.0-flash").unwrap();
    assert_eq!(dropped(&old), ["reasoning_effort"]);
}

#[test]
fn googles_own_words_are_taken_from_a_closed_list() {
    let google = |google: Value| with(|c| add_field(c, "extra_body", json!({"google": google})));
    let mut conversation = google(json!({
        "cached_content": "cachedContents/1",
        "safety_settings": [{"category": "c", "threshold": "BLOCK_NONE"}],
        "thinking_config": {"include_thoughts": true},
    }));
    conversation.thinking.effort = Some(Effort::Low);
    assert_eq!(
        body(&conversation, NEW),
        json!({
            "contents": [{"role": "user", "parts": [{"text": "Hello"}]}],
            "safetySettings": [{"category": "c", "threshold": "BLOCK_NONE"}],
            "generationConfig": {"thinkingConfig": {"includeThoughts": true, "thinkingLevel": "low"}},
            "cachedContent": "cachedContents/1",
        })
    );
    let mut both = google(json!({"thinking_config": {"thinking_budget": 5}}));
    both.thinking.effort = Some(Effort::Low);
    assert_eq!(config(&both, OLD), json!({"thinkingConfig": {"thinkingBudget": 5}}));
    assert_eq!(dropped_of(&both), ["reasoning_effort"]);
    let tools = google(json!({"tools": [{"google_search": {}}]}));
    assert_eq!(refused_for(&tools, NEW), "extra_body.google.tools");
    let two = google(json!({"thinking_config": {"thinking_budget": 5, "thinking_level": "low"}}));
    assert_eq!(refused_for(&two, NEW), "extra_body.google.thinking_config");
}

#[test]
fn tools_are_declared_with_whole_schemas() {
    let conversation = with(|c| {
        c.tools = vec![
            tool("bare"),
            Tool::Function(Function {
                parameters: Some(json!({"$schema": "s", "properties": {}})),
                ..function("no type!")
            }),
            Tool::Custom(CustomTool {
                name: "free".into(),
                description: Some("d".to_owned()),
                ..CustomTool::default()
            }),
        ];
    });
    let encoded = encode(&conversation, NEW).unwrap();
    let body: Value = serde_json::from_slice(&encoded.body).unwrap();
    let free = json!({"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]});
    assert_eq!(
        body["tools"],
        json!([{"functionDeclarations": [
            {"name": "bare"},
            {"name": "no_type_", "parametersJsonSchema": {"type": "object", "properties": {}}},
            {"name": "free", "description": "d", "parametersJsonSchema": free},
        ]}])
    );
    assert_eq!(body["toolConfig"], Value::Null);
    assert_eq!(encoded.undo.tool_names, [("no_type_".to_owned(), "no type!".to_owned())].into());
    assert_eq!(encoded.undo.custom_tools, ["free".to_owned()].into());
}

#[test]
fn tools_that_cannot_be_declared_are_refused() {
    let format = Some(json!({"type": "grammar", "grammar": {}}));
    let grammar = CustomTool { name: "g".into(), format, ..CustomTool::default() };
    let conversation = with(|c| c.tools = vec![tool("a"), Tool::Custom(grammar)]);
    assert_eq!(refused_for(&conversation, NEW), "tools[1].custom.format");
    let far = json!({"type": "object", "properties": {"next": {"$ref": "https://example.org/x.json"}}});
    let conversation = with(|c| c.tools = vec![Tool::Function(Function { parameters: Some(far), ..function("t") })]);
    assert_eq!(refused_for(&conversation, NEW), "tools[0].function.parameters");
}

#[test]
fn tool_choices_map_as_listed() {
    let chosen = |choice: Option<ToolChoice>, strict: bool| {
        let conversation = with(|c| {
            c.tools = vec![Tool::Function(Function { strict: Some(strict), ..function("a") }), tool("b c")];
            c.tool_choice = choice;
        });
        body(&conversation, NEW)["toolConfig"]["functionCallingConfig"].clone()
    };
    let allowed =
        |required| ToolChoice::Allowed { names: vec!["a".to_owned(), "b c".to_owned()], required, search: true };
    let both = json!(["a", "b_c"]);
    assert_eq!(chosen(None, false), Value::Null);
    assert_eq!(chosen(None, true), json!({"mode": "VALIDATED"}));
    assert_eq!(chosen(Some(ToolChoice::Auto), false), json!({"mode": "AUTO"}));
    assert_eq!(chosen(Some(ToolChoice::None), true), json!({"mode": "NONE"}));
    assert_eq!(chosen(Some(ToolChoice::Required), false), json!({"mode": "ANY"}));
    let named = chosen(Some(ToolChoice::Named("b c".to_owned())), false);
    assert_eq!(named, json!({"mode": "ANY", "allowedFunctionNames": ["b_c"]}));
    assert_eq!(chosen(Some(allowed(true)), false), json!({"mode": "ANY", "allowedFunctionNames": both}));
    assert_eq!(chosen(Some(allowed(false)), false), json!({"mode": "VALIDATED", "allowedFunctionNames": both}));
    let unknown = with(|c| {
        c.tools = vec![tool("a")];
        c.tool_choice = Some(ToolChoice::Named("z".to_owned()));
    });
    assert_eq!(refused_for(&unknown, NEW), "tool_choice");
}

#[test]
fn structured_answers_name_type_and_schema() {
    assert_eq!(config(&with(|c| c.format = Format::JsonObject), OLD), json!({"responseMimeType": "application/json"}));
    let schema = json!({"type": "object", "properties": {"a": {"type": "string", "minLength": 2}}, "required": ["a"]});
    let format = |schema| Format::JsonSchema { name: "n".to_owned(), description: None, schema, strict: Some(true) };
    assert_eq!(
        config(&with(|c| c.format = format(Some(schema))), OLD),
        json!({
            "responseMimeType": "application/json",
            "responseJsonSchema": {
                "type": "object",
                "properties": {"a": {"type": "string", "description": "minLength: 2"}},
                "required": ["a"],
            },
        })
    );
    let wrong = with(|c| c.format = format(Some(json!([]))));
    assert_eq!(refused_for(&wrong, NEW), "response_format.json_schema.schema");
}

#[test]
fn json_beside_tools_needs_gemini_3() {
    let conversation = with(|c| {
        c.tools = vec![tool("a")];
        c.format = Format::JsonObject;
    });
    assert_eq!(refused_for(&conversation, OLD), "response_format");
    assert_eq!(config(&conversation, NEW), json!({"responseMimeType": "application/json"}));
}
