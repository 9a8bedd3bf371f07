//! Conversations for Gemini that no Chat Completions client can send. They are built by hand, as clients of other
//! dialects will send them.

use serde_json::{Value, json};
use tt_core::call::conversation::{
    Conversation, Document, Function, HostedTool, Image, Media, Opaque, Origin, Part, Role, Signature, State,
    StateField, Text, Thinking, ThinkingConfig, ThinkingDisplay, Tool, Video,
};
use tt_core::{Dialect, Provider};

use super::support::{assistant, body, encode, function, message, refused_for, talk, tool, user};
use crate::api::{changed, dropped, origin};

const OLD: &str = "gemini-2.5-flash";
const NEW: &str = "gemini-3.5-flash";

fn parts(conversation: &Conversation, content: usize) -> Value {
    body(conversation, NEW)["contents"][content]["parts"].clone()
}

#[test]
fn films_files_and_plain_documents_have_parts() {
    let metadata = json!({"startOffset": "5s"});
    let film = |media| Part::Video(Video { media, metadata: Some(metadata.clone()) });
    let url = |mime: Option<&str>| Media::Url { url: "gs://films/1".into(), mime: mime.map(str::to_owned) };
    let id = |provider| Part::Image(Image::new(Media::FileId { provider, id: "files/1".into() }));
    let said = vec![
        film(url(Some("video/webm"))),
        film(url(None)),
        id(Provider::Gemini),
        Part::Document(Document::new(Media::Text("plain".into()))),
    ];
    let uri = |mime: &str, uri: &str| json!({"mimeType": mime, "fileUri": uri});
    assert_eq!(
        parts(&talk(vec![message(Role::User, said)]), 0),
        json!([
            {"fileData": uri("video/webm", "gs://films/1"), "videoMetadata": metadata},
            {"fileData": uri("video/mp4", "gs://films/1"), "videoMetadata": metadata},
            {"fileData": uri("image/jpeg", "files/1")},
            {"text": "plain"},
        ])
    );
    let foreign = talk(vec![message(Role::User, vec![id(Provider::OpenAi)])]);
    assert_eq!(refused_for(&foreign, NEW), "messages[0].content[0]");
}

#[test]
fn parts_of_its_own_tools_go_back_as_they_came_and_others_stay_behind() {
    let opaque = |provider, pending| {
        let raw = json!({"executableCode": {"language": "PYTHON", "code": "1"}}).to_string();
        Part::Opaque(Opaque { of: origin(provider), kind: "executableCode".into(), raw, text: None, pending })
    };
    let history = |part| talk(vec![user("x"), assistant(vec![Part::text("a"), part]), user("y")]);
    let own = history(opaque(Provider::Gemini, true));
    assert_eq!(parts(&own, 1), json!([{"text": "a"}, {"executableCode": {"language": "PYTHON", "code": "1"}}]));
    let foreign = history(opaque(Provider::Anthropic, false));
    assert_eq!(dropped(&encode(&foreign, NEW).unwrap()), ["messages[1].content[1]"]);
    assert_eq!(parts(&foreign, 1), json!([{"text": "a"}]));
    assert_eq!(refused_for(&history(opaque(Provider::Anthropic, true)), NEW), "messages[1].content[1]");
}

#[test]
fn a_signature_goes_back_to_the_model_that_made_it() {
    let signed = |model: &str| {
        let of = Origin::with_model(Dialect::Gemini, Provider::Gemini, model);
        let signature = || Some(Signature { of: of.clone(), value: "s".into() });
        let media = Media::Inline { mime: "image/png".into(), data: "QUJD".into() };
        talk(vec![
            user("x"),
            assistant(vec![
                Part::Thinking(Thinking { text: "hm".into(), signature: signature(), ..Thinking::default() }),
                Part::Text(Text { text: "a".into(), signature: signature(), ..Text::default() }),
                Part::Image(Image { signature: signature(), ..Image::new(media) }),
            ]),
            user("y"),
        ])
    };
    let picture = json!({"mimeType": "image/png", "data": "QUJD"});
    assert_eq!(
        parts(&signed("gemini-3.5-flash-001"), 1),
        json!([
            {"text": "hm", "thought": true, "thoughtSignature": "s"},
            {"text": "a", "thoughtSignature": "s"},
            {"inlineData": picture, "thoughtSignature": "s"},
        ])
    );
    let others = signed("gemini-3-pro-preview");
    assert_eq!(dropped(&encode(&others, NEW).unwrap()), ["thinking", "extra_content"]);
    assert_eq!(parts(&others, 1), json!([{"text": "a"}, {"inlineData": picture}]));
}

#[test]
fn its_own_tools_and_state_are_sent_and_anothers_refused() {
    let hosted = |of, raw: &Value| Tool::Hosted(HostedTool { of, kind: "googleSearch".into(), raw: raw.clone() });
    let search = json!({"googleSearch": {}});
    let response = json!({"type": "object"});
    let answers = Function { response: Some(response.clone()), ..function("f") };
    let mut conversation = talk(vec![user("x")]);
    conversation.tools = vec![hosted(Dialect::Gemini, &search), Tool::Function(answers)];
    let fields = vec![(StateField::CachedContent, json!("c")), (StateField::SafetySettings, json!([1]))];
    conversation.state = State { of: Some(Dialect::Gemini), store: None, fields };
    let sent = body(&conversation, NEW);
    let declaration = json!({"name": "f", "responseJsonSchema": response});
    assert_eq!(sent["tools"], json!([{"functionDeclarations": [declaration]}, search]));
    assert_eq!((&sent["cachedContent"], &sent["safetySettings"]), (&json!("c"), &json!([1])));

    conversation.tools = vec![hosted(Dialect::Gemini, &search)];
    assert_eq!(body(&conversation, NEW)["tools"], json!([search]));
    conversation.tools = vec![tool("f"), hosted(Dialect::AnthropicMessages, &json!({}))];
    assert_eq!(dropped(&encode(&conversation, NEW).unwrap()), ["web_search_options"]);
    conversation.tools.remove(0);
    assert_eq!(refused_for(&conversation, NEW), "web_search_options");
    conversation.tools.clear();
    conversation.state.of = Some(Dialect::AnthropicMessages);
    assert_eq!(refused_for(&conversation, NEW), "cachedContent");
}

#[test]
fn thinking_is_asked_for_in_its_own_words_where_the_model_has_them() {
    let asked = |thinking: ThinkingConfig, model: &str| {
        let encoded = encode(&Conversation { thinking, ..talk(vec![user("x")]) }, model).unwrap();
        let sent: Value = serde_json::from_slice(&encoded.body).unwrap();
        (sent["generationConfig"]["thinkingConfig"].clone(), changed(&encoded).len(), dropped(&encoded).len())
    };
    let budget = |tokens| ThinkingConfig { budget: Some(tokens), ..ThinkingConfig::default() };
    assert_eq!(asked(budget(5000), OLD), (json!({"thinkingBudget": 5000}), 0, 0));
    assert_eq!(asked(budget(-1), OLD), (json!({"thinkingBudget": -1}), 0, 0));
    assert_eq!(asked(budget(5000), NEW), (json!({"thinkingLevel": "medium"}), 1, 0));
    assert_eq!(asked(budget(-1), NEW), (Value::Null, 0, 1));
    let level = || ThinkingConfig { level: Some("high".into()), ..ThinkingConfig::default() };
    assert_eq!(asked(level(), NEW), (json!({"thinkingLevel": "high"}), 0, 0));
    let shown = |display| ThinkingConfig { display: Some(display), ..level() };
    let expected = |shown| json!({"includeThoughts": shown, "thinkingLevel": "high"});
    assert_eq!(asked(shown(ThinkingDisplay::Summary), NEW), (expected(true), 0, 0));
    assert_eq!(asked(shown(ThinkingDisplay::None), NEW), (expected(false), 0, 0));
}
