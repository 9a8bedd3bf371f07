//! Clients of Gemini: their requests, read, passed through and translated; the answers written for them.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Uri};
use serde_json::{Value, json};
use tt_core::Dialect;
use tt_core::call::conversation::{Conversation, Part, Role};
use tt_providers::codec::{Head, PublicError};
use tt_providers::sse::Framer;
use tt_providers::{ClientRequest, Exchange, Facts, Framing, RequestError, Target, codec};
use uuid::Uuid;

mod answers;
mod round_trip;
mod settings;

pub(crate) const PLAIN: &str = "/v1beta/models/alias:generateContent";
pub(crate) const STREAM: &str = "/v1beta/models/alias:streamGenerateContent?alt=sse";
const ARRAY: &str = "/v1beta/models/alias:streamGenerateContent";

pub(crate) fn read(uri: &str, body: impl Into<Bytes>) -> Result<ClientRequest, RequestError> {
    let (uri, headers) = (uri.parse::<Uri>().unwrap(), HeaderMap::new());
    let ingress = codec(Dialect::Gemini).ingress.unwrap();
    ClientRequest::read(ingress, &Head { uri: &uri, headers: &headers }, body.into())
}

fn request(body: &Value) -> ClientRequest {
    read(PLAIN, body.to_string()).unwrap()
}

fn decoded(body: &Value) -> Conversation {
    Conversation::clone(&request(body).call().unwrap_or_else(|error| panic!("{error}: {body}")))
}

pub(crate) fn exchange(uri: &str, body: &Value, dialect: Dialect, model: &str) -> Result<Exchange, String> {
    exchange_with(&Arc::new(read(uri, body.to_string()).unwrap()), dialect, Target { model, facts: None })
}

pub(crate) fn exchange_with(
    request: &Arc<ClientRequest>,
    dialect: Dialect,
    target: Target<'_>,
) -> Result<Exchange, String> {
    Exchange::new(request, dialect, target, None, (1_800_000_000, Uuid::nil()))
        .map_err(|error| request.describe(&error))
}

/// The body that is sent to a provider of `dialect`.
fn sent(body: &Value, dialect: Dialect, model: &str) -> Value {
    serde_json::from_slice(&exchange(PLAIN, body, dialect, model).unwrap().body().to_vec()).unwrap()
}

/// The error of the scan or of decoding, in the client's words.
fn fault(body: &Value) -> String {
    let ingress = codec(Dialect::Gemini).ingress.unwrap();
    match read(PLAIN, body.to_string()) {
        Err(error) => error.in_words(|field| ingress.field(field)),
        Ok(request) => request.call().map_or_else(|error| request.describe(&error), |call| panic!("{call:?}")),
    }
}

fn user(text: &str) -> Value {
    json!({"role": "user", "parts": [{"text": text}]})
}

#[test]
fn the_path_names_the_model_and_the_stream() {
    let body = json!({"contents": [user("x")]}).to_string();
    let facts = |uri: &str| read(uri, body.clone()).map(|request| request.facts().clone());
    for (uri, model, stream) in [
        (PLAIN, "alias", false),
        (STREAM, "alias", true),
        ("/v1/models/openai/gpt-5.4:generateContent", "openai/gpt-5.4", false),
        ("/v1beta/models/openai%2Fgpt-5.4:generateContent?key=k&alt=json", "openai/gpt-5.4", false),
        ("/v1beta/models/ft:gpt:x:generateContent", "ft:gpt:x", false),
        ("/v1beta/models/a:streamGenerateContent?key=k&%24alt=sse", "a", true),
    ] {
        let facts = facts(uri).unwrap();
        assert_eq!((facts.model.as_str(), facts.stream), (model, stream), "{uri}");
    }
    for uri in ["/", "/v1beta/models/a", "/v1beta/models/:generateContent", "/v1beta/models/a:other"] {
        assert!(facts(uri).is_err(), "{uri}");
    }
    let unknown = facts("/v1beta/models/a:streamGenerateContent?alt=media").unwrap_err();
    assert!(unknown.to_string().contains("must be sse or json"), "{unknown}");
}

#[test]
fn a_stream_comes_as_events_only_where_the_query_asks_for_them() {
    for (query, framing) in [
        ("?alt=sse", Framing::Events),
        ("?%24alt=sse&x=y", Framing::Events),
        ("?key=k", Framing::Array),
        ("?alt=json", Framing::Array),
        ("", Framing::Array),
    ] {
        let request = read(&format!("/v1beta/models/a:streamGenerateContent{query}"), "{}").unwrap();
        assert_eq!(request.framing(), framing, "{query}");
    }
}

#[test]
fn the_facts_that_decide_the_price_are_scanned_in_both_spellings() {
    for body in [
        json!({"generationConfig": {"maxOutputTokens": 9, "candidateCount": 2}, "serviceTier": "FLEX"}),
        json!({"generation_config": {"max_output_tokens": 9, "candidate_count": 2}, "service_tier": "flex"}),
    ] {
        let want = Facts {
            model: "alias".into(),
            stream: false,
            max_output_tokens: Some(9),
            choices: Some(2),
            service_tier: Some("flex".into()),
            session: None,
        };
        assert_eq!(*request(&body).facts(), want);
    }
}

#[test]
fn what_could_be_read_in_two_ways_is_refused() {
    for (body, named) in [
        (r#"{"contents":[],"contents":[]}"#, "contents"),
        (r#"{"generationConfig":{},"generation_config":{}}"#, "generationConfig"),
        (r#"{"generationconfig":{}}"#, "generationconfig"),
        (r#"{"generationConfig":{"maxOutputTokens":1,"max_output_tokens":2}}"#, "generationConfig.maxOutputTokens"),
        (r#"{"generationConfig":{"maxOutputTokens":1,"maxOutputTokens":2}}"#, "generationConfig.maxOutputTokens"),
        (r#"{"generationConfig":{"maxoutputtokens":1}}"#, "generationConfig.maxoutputtokens"),
        (r#"{"generationConfig":{"maxOutputTokens":0}}"#, "generationConfig.maxOutputTokens"),
        (r#"{"generationConfig":{"maxOutputTokens":"9"}}"#, "generationConfig.maxOutputTokens"),
        (r#"{"generationConfig":7}"#, "generationConfig"),
        (r#"{"model":7}"#, "model"),
    ] {
        let Err(RequestError::Malformed { field, .. }) = read(PLAIN, body) else { panic!("{body}") };
        assert_eq!(codec(Dialect::Gemini).ingress.unwrap().field(&field), named, "{body}");
    }
    // Fields that do not decide the price are refused when the request is read in full.
    let twice = r#"{"contents":[{"parts":[{"text":"a","text":"b"}]}]}"#;
    let request = read(PLAIN, twice).unwrap();
    let error = request.describe(&request.call().unwrap_err());
    assert!(error.starts_with("contents[0].parts[0].text: stands twice"), "{error}");
}

#[test]
fn a_request_passes_through_with_only_its_limit_changed() {
    for (body, capped) in [
        (r#"{"contents":[]}"#, r#"{"generationConfig":{"maxOutputTokens":5},"contents":[]}"#),
        (" { } ", r#" {"generationConfig":{"maxOutputTokens":5} } "#),
        (r#"{"generationConfig":{}}"#, r#"{"generationConfig":{"maxOutputTokens":5}}"#),
        (r#"{"generation_config": null}"#, r#"{"generation_config": {"maxOutputTokens":5}}"#),
        (r#"{"generationConfig":{ "topK":1}}"#, r#"{"generationConfig":{"maxOutputTokens":5, "topK":1}}"#),
        (r#"{"generationConfig":{"max_output_tokens": 77 }}"#, r#"{"generationConfig":{"max_output_tokens": 5 }}"#),
        (r#"{"generationConfig":{"maxOutputTokens":null}}"#, r#"{"generationConfig":{"maxOutputTokens":5}}"#),
        (
            r#"{"model":"models/alias","contents":[]}"#,
            r#"{"generationConfig":{"maxOutputTokens":5},"model":"models/gemini-2.5-flash","contents":[]}"#,
        ),
    ] {
        let request = Arc::new(read(STREAM, body).unwrap());
        let sent = |cap| {
            let target = Target { model: "gemini-2.5-flash", facts: None };
            let exchange = Exchange::new(&request, Dialect::Gemini, target, cap, (0, Uuid::nil())).unwrap();
            assert_eq!(exchange.path(), "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse");
            String::from_utf8(exchange.body().to_vec()).unwrap()
        };
        let body = body.replace("models/alias", "models/gemini-2.5-flash");
        assert_eq!((sent(None).as_str(), sent(Some(5)).as_str()), (body.as_str(), capped));
    }
}

/// One request with all that a client may say.
fn full() -> Value {
    json!({
        "systemInstruction": {"role": "user", "parts": [{"text": "Be brief."}]},
        "contents": [
            {"role": "user", "parts": [
                {"text": "Look."},
                {"inlineData": {"mimeType": "image/png", "data": "ab-_"}},
                {"file_data": {"file_uri": "https://e.org/a.png", "mime_type": "image/png"}},
            ]},
            {"role": "model", "parts": [
                {"text": "hm", "thought": true, "thoughtSignature": "dGg="},
                {"functionCall": {"name": "look", "args": {"a": 1.5}}, "thoughtSignature": "c2ln"},
                {"functionCall": {"id": "x1", "name": "find", "args": {}}},
            ]},
            {"role": "user", "parts": [
                {"functionResponse": {"id": "x1", "name": "find", "response": {"error": "gone"}}},
                {"functionResponse": {"name": "look", "response": {"output": "seen"}}},
                {"text": "And?"},
            ]},
        ],
        "tools": [
            {"googleSearch": {}},
            {"functionDeclarations": [
                {"name": "look", "description": "Looks.", "parameters": {
                    "type": "OBJECT", "properties": {"a": {"type": "NUMBER", "nullable": true}}}},
                {"name": "find", "parameters_json_schema": {"type": "object"}},
            ]},
        ],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["look"]}},
        "generationConfig": {
            "temperature": 0.5, "topP": 0.9, "topK": 64, "maxOutputTokens": 100, "stopSequences": ["END"], "seed": 7,
            "thinkingConfig": {"includeThoughts": true, "thinkingBudget": 2048},
        },
        "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
        "serviceTier": "standard",
        "labels": {"team": "a"},
    })
}

#[test]
fn a_request_reaches_a_provider_of_chat_completions() {
    let body = sent(&full(), Dialect::OpenAiChat, "gpt-5.4");
    assert_eq!(body["model"], "gpt-5.4");
    let messages = body["messages"].as_array().unwrap();
    let roles: Vec<&str> = messages.iter().map(|message| message["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["system", "user", "assistant", "tool", "tool", "user"]);
    let picture = messages[1].pointer("/content/1/image_url/url").unwrap();
    assert_eq!(picture, "data:image/png;base64,ab+/");
    let calls = messages[2]["tool_calls"].as_array().unwrap();
    assert_eq!(calls[0]["function"], json!({"name": "look", "arguments": "{\"a\":1.5}"}));
    assert_eq!((&messages[3]["tool_call_id"], &messages[4]["tool_call_id"]), (&json!("x1"), &calls[0]["id"]));
    assert_eq!(messages[4]["content"], "seen");
    assert_eq!(messages[5]["content"], "And?");
    let tools = body["tools"].as_array().unwrap();
    assert_eq!(tools.len(), 2);
    assert_eq!(
        tools[0].pointer("/function/parameters").unwrap(),
        &json!({"type": "object", "properties": {"a": {"type": ["number", "null"]}}})
    );
    assert_eq!(body["tool_choice"], json!({"type": "function", "function": {"name": "look"}}));
    assert_eq!(
        (&body["max_completion_tokens"], &body["stop"], &body["seed"]),
        (&json!(100), &json!(["END"]), &json!(7))
    );
}

#[test]
fn a_request_reaches_anthropic() {
    let body = sent(&full(), Dialect::AnthropicMessages, "claude-sonnet-4-5");
    let messages = body["messages"].as_array().unwrap();
    let roles: Vec<&str> = messages.iter().map(|message| message["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["user", "assistant", "user"]);
    let results = messages[2]["content"].as_array().unwrap();
    let kinds: Vec<&str> = results.iter().map(|block| block["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["tool_result", "tool_result", "text"]);
    assert_eq!(results[0]["is_error"], true);
    assert_eq!(body["tool_choice"], json!({"type": "tool", "name": "look"}));
}

#[test]
fn notes_name_the_places_of_the_client() {
    let exchange = exchange(PLAIN, &full(), Dialect::OpenAiChat, "gpt-5.4").unwrap();
    let params: Vec<&str> = exchange.notes().iter().map(|note| note.param.as_str()).collect();
    for named in ["tools[0]", "safetySettings", "labels"] {
        assert!(params.contains(&named), "{named} is not in {params:?}");
    }
}

#[test]
fn a_fault_that_only_the_target_finds_is_named_where_the_client_wrote_it() {
    let open = json!({"contents": [
        user("x"),
        {"role": "model", "parts": [{"text": "a"}, {"functionCall": {"name": "f"}}]},
        {"role": "user", "parts": [
            {"functionResponse": {"name": "f", "response": {}}},
            {"functionResponse": {"name": "other", "response": {}}},
        ]},
    ]});
    let error = exchange(PLAIN, &open, Dialect::AnthropicMessages, "claude-sonnet-4-5").unwrap_err();
    assert!(error.starts_with("contents[2].parts[1].functionResponse.id: "), "{error}");
    let file = json!({"contents": [{"parts": [
        {"functionResponse": {"name": "f", "response": {}}},
        {"fileData": {"fileUri": "https://generativelanguage.googleapis.com/v1beta/files/x", "mimeType": "image/png"}},
    ]}]});
    let request = read(PLAIN, file.to_string()).unwrap();
    let call = request.call().unwrap();
    assert_eq!(call.messages.iter().map(|message| message.role).collect::<Vec<_>>(), [Role::Tool, Role::User]);
    let place = |message, part| request.field(&tt_core::call::field::Field::Part { message, part });
    assert_eq!((place(0, 0).as_str(), place(1, 0).as_str()), ("contents[0].parts[0]", "contents[0].parts[1]"));
}

#[test]
fn a_hosted_tool_that_the_target_lacks_is_refused_alone() {
    let alone = json!({"contents": [user("x")], "tools": [{"googleMaps": {}}]});
    let error = exchange(PLAIN, &alone, Dialect::AnthropicMessages, "claude-sonnet-4-5").unwrap_err();
    assert!(error.starts_with("tools[0] is not supported"), "{error}");
}

#[test]
fn a_value_of_the_wrong_type_is_named_as_the_client_wrote_it() {
    let part = |part: Value| json!({"contents": [user("x"), {"role": "user", "parts": [{"text": "y"}, part]}]});
    let config = |name: &str, value: Value| json!({"contents": [user("x")], "generationConfig": {name: value}});
    for (body, named) in [
        (json!({"contents": 1}), "contents:"),
        (json!({"contents": [1]}), "contents[0]:"),
        (json!({"contents": [{}]}), "contents[0]:"),
        (json!({}), "contents:"),
        (json!({"contents": [{"role": "model"}]}), "contents:"),
        (json!({"contents": [{"role": "system", "parts": []}]}), "contents[0].role:"),
        (part(json!({"text": 1})), "contents[1].parts[1].text:"),
        (part(json!({"other": 1})), "contents[1].parts[1]:"),
        (part(json!({"inlineData": {"data": "x"}})), "contents[1].parts[1].inlineData.mimeType is missing"),
        (part(json!({"inlineData": {"mimeType": 1, "data": "x"}})), "contents[1].parts[1].inlineData.mimeType:"),
        (part(json!({"fileData": {}})), "contents[1].parts[1].fileData.fileUri is missing"),
        (part(json!({"functionResponse": {"name": "f"}})), "contents[1].parts[1].functionResponse.response is missing"),
        (part(json!({"functionCall": {"name": "f", "args": []}})), "contents[1].parts[1].functionCall.args:"),
        (part(json!({"text": "x", "thought": "yes"})), "contents[1].parts[1].thought:"),
        (json!({"contents": [user("x")], "systemInstruction": "x"}), "systemInstruction:"),
        (json!({"contents": [user("x")], "tools": "all"}), "tools:"),
        (
            json!({"contents": [user("x")], "tools": [{"functionDeclarations": [{"name": 1}]}]}),
            "tools[0].functionDeclarations[0].name:",
        ),
        (
            json!({"contents": [user("x")], "tools": [{"functionDeclarations": [{"name": "f", "parameters": 1}]}]}),
            "tools[0].functionDeclarations[0].parameters:",
        ),
        (
            json!({"contents": [user("x")], "toolConfig": {"functionCallingConfig": {"mode": "OFTEN"}}}),
            "toolConfig.functionCallingConfig.mode:",
        ),
        (config("temperature", json!("hot")), "generationConfig.temperature:"),
        (config("topK", json!(-1)), "generationConfig.topK:"),
        (config("seed", json!("x")), "generationConfig.seed:"),
        (config("stopSequences", json!(["a", 1])), "generationConfig.stopSequences[1]:"),
        (config("thinkingConfig", json!({"thinkingBudget": "x"})), "generationConfig.thinkingConfig.thinkingBudget:"),
        (config("responseSchema", json!([])), "generationConfig.responseSchema:"),
    ] {
        let error = fault(&body);
        assert!(error.starts_with(named), "{error} for {body}");
    }
}

#[test]
fn calls_without_ids_are_answered_by_name_and_order() {
    let call = |name: &str| json!({"functionCall": {"name": name}});
    let result = |name: &str, text: &str| json!({"functionResponse": {"name": name, "response": {"output": text}}});
    let conversation = decoded(&json!({"contents": [
        user("x"),
        {"role": "model", "parts": [call("f"), call("g"), call("f")]},
        {"role": "user", "parts": [result("f", "1"), result("f", "2"), result("g", "3")]},
        {"role": "model", "parts": [call("f")]},
        {"role": "user", "parts": [result("f", "4")]},
    ]}));
    let parts = || conversation.messages.iter().flat_map(|message| &message.parts);
    let calls: Vec<&str> = parts()
        .filter_map(|part| if let Part::ToolCall(call) = part { Some(call.id.as_str()) } else { None })
        .collect();
    let results: Vec<&str> = parts()
        .filter_map(|part| if let Part::ToolResult(result) = part { Some(result.id.as_str()) } else { None })
        .collect();
    assert_eq!(results, [calls[0], calls[2], calls[1], calls[3]]);
    assert_eq!(calls.iter().collect::<std::collections::BTreeSet<_>>().len(), 4);
}

#[test]
fn the_word_for_no_signature_is_none() {
    for word in ["skip_thought_signature_validator", "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="] {
        let call = decoded(&json!({"contents": [{"role": "model", "parts": [
            {"functionCall": {"name": "f"}, "thoughtSignature": word}]}]}));
        let Part::ToolCall(call) = &call.messages[0].parts[0] else { panic!() };
        assert_eq!(call.signature, None);
    }
}

#[test]
fn a_count_is_asked_for_in_both_ways() {
    const COUNT: &str = "/v1beta/models/alias:countTokens";
    let target = Target { model: "gemini-x", facts: None };
    for (body, sent) in [
        (r#"{"contents":[{"parts":[{"text":"one two"}]}]}"#, r#"{"contents":[{"parts":[{"text":"one two"}]}]}"#),
        (
            r#"{"generateContentRequest":{"model":"models/alias","contents":[{"parts":[{"text":"one two"}]}]}}"#,
            r#"{"generateContentRequest":{"model":"models/gemini-x","contents":[{"parts":[{"text":"one two"}]}]}}"#,
        ),
    ] {
        let request = Arc::new(read(COUNT, body).unwrap());
        assert_eq!(request.count().unwrap().encode(7), r#"{"totalTokens":7}"#);
        assert_eq!(request.call().unwrap().texts().collect::<Vec<_>>(), ["one two"], "{body}");
        let exchange = exchange_with(&request, Dialect::Gemini, target).unwrap();
        assert_eq!(exchange.path(), "/v1beta/models/gemini-x:countTokens");
        assert_eq!(String::from_utf8(exchange.body().to_vec()).unwrap(), sent);
        assert_eq!(exchange.reply(r#"{ "totalTokens": 3 }"#.into()).unwrap().body, r#"{ "totalTokens": 3 }"#);
        assert!(exchange.reply("[]".into()).is_err());
    }
    assert!(read(COUNT, r#"{"generateContentRequest":7}"#).is_err());
    let fault = read(COUNT, r#"{"generateContentRequest":{"contents":[{"parts":[{"text":7}]}]}}"#).unwrap();
    let error = fault.describe(&fault.call().unwrap_err());
    assert!(error.starts_with("generateContentRequest.contents[0].parts[0].text: "), "{error}");
    assert!(read(PLAIN, "{}").unwrap().count().is_none());
}

#[test]
fn an_error_of_gemini_is_written_as_it_came() {
    let given = "{\n  \"error\": {\"code\": 429, \"message\": \"a  b\"}\n}";
    let codec = codec(Dialect::Gemini);
    let refused = codec.egress.refused(429, &HeaderMap::new(), given.as_bytes());
    let original = refused.original.unwrap().body;
    let error = PublicError {
        status: 429,
        kind: "k",
        code: "c",
        message: "m",
        param: None,
        retry_after: None,
        request_id: None,
        original: Some(&original),
    };
    assert_eq!(codec.ingress.unwrap().encode_error(&error), given);
    // In a stream it is one line.
    let exchange = exchange(STREAM, &json!({"contents": [user("x")]}), Dialect::Gemini, "gemini-x").unwrap();
    let mut out = BytesMut::new();
    exchange.stream().broke(&error, &mut out);
    assert_eq!(out, "data: {\"error\":{\"code\":429,\"message\":\"a  b\"}}\r\n\r\n");
    assert!(codec.egress.refused(502, &HeaderMap::new(), b"<html>").original.is_none());
}

#[test]
fn an_error_is_written_in_googles_shape() {
    let error = PublicError {
        status: 429,
        kind: "rate_limit_error",
        code: "rate_limit_exceeded",
        message: "Too many requests.",
        param: Some("contents"),
        retry_after: Some(Duration::from_millis(11_200)),
        request_id: None,
        original: None,
    };
    let body: Value = serde_json::from_slice(&codec(Dialect::Gemini).ingress.unwrap().encode_error(&error)).unwrap();
    assert_eq!(body["error"]["code"], 429);
    assert_eq!(
        (&body["error"]["status"], &body["error"]["message"]),
        (&json!("RESOURCE_EXHAUSTED"), &json!("Too many requests."))
    );
    assert_eq!(body["error"]["details"][0]["reason"], "RATE_LIMIT_EXCEEDED");
    assert_eq!(body["error"]["details"][1]["fieldViolations"][0]["field"], "contents");
    assert_eq!(body["error"]["details"][2]["retryDelay"], "12s");
}

/// A stream that passes through is the provider's, byte for byte, wherever it is cut; its account does not depend on the
/// cuts either.
#[test]
fn a_stream_passes_through_wherever_it_is_cut() {
    let chunk = |text: &str, rest: &str| {
        format!(
            "data: {{\"candidates\":[{{\"content\":{{\"parts\":[{{\"text\":\"{text}\"}}],\"role\":\"model\"}}{rest}}}],\"usageMetadata\":{{\"promptTokenCount\":3,\"candidatesTokenCount\":{},\"totalTokenCount\":{}}},\"modelVersion\":\"gemini-x\"}}\r\n\r\n",
            text.len(),
            3 + text.len()
        )
    };
    let whole = chunk("wörld", "") + &chunk("!", ",\"finishReason\":\"STOP\"");
    let through = |pieces: &[&[u8]]| {
        let exchange = exchange(STREAM, &json!({"contents": [user("x")]}), Dialect::Gemini, "gemini-x").unwrap();
        let (mut stream, mut framer, mut out) = (exchange.stream(), Framer::new(), BytesMut::new());
        for piece in pieces {
            framer.push(Bytes::copy_from_slice(piece));
            while let Some(frame) = framer.next() {
                stream.frame(&frame.unwrap(), &mut out).unwrap();
            }
        }
        if let Some(frame) = framer.finish() {
            stream.frame(&frame, &mut out).unwrap();
        }
        assert!(stream.body_ended(&mut out).unwrap().done);
        stream.end(&mut out);
        (out.to_vec(), stream.tally().clone())
    };
    let (bytes, tally) = through(&[whole.as_bytes()]);
    assert_eq!(bytes, whole.as_bytes());
    assert_eq!((tally.output_text.as_str(), tally.served_model.as_deref()), ("wörld!", Some("gemini-x")));
    assert_eq!(tally.usage.as_ref().unwrap().usage.total(), 4);
    for at in 1..whole.len() {
        let (before, after) = whole.as_bytes().split_at(at);
        assert_eq!(through(&[before, after]), (bytes.clone(), tally.clone()), "cut at {at}");
    }
}

#[test]
fn a_stream_that_breaks_off_is_no_answer() {
    let exchange = exchange(STREAM, &json!({"contents": [user("x")]}), Dialect::Gemini, "gemini-x").unwrap();
    let (mut stream, mut framer, mut out) = (exchange.stream(), Framer::new(), BytesMut::new());
    framer.push(Bytes::from_static(b"data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]}}]}\n\n"));
    let step = stream.frame(&framer.next().unwrap().unwrap(), &mut out).unwrap();
    assert!(step.content && !step.done);
    assert!(stream.body_ended(&mut out).is_err());
    framer
        .push(Bytes::from_static(b"data: {\"error\":{\"code\":503,\"message\":\"m\",\"status\":\"UNAVAILABLE\"}}\n\n"));
    let refused = stream.frame(&framer.next().unwrap().unwrap(), &mut out).unwrap_err();
    assert!(matches!(refused, tt_providers::UpstreamError::Refused(refused) if refused.status == 503));
}
