//! Bad input: each field of a request in turn has a value of another type, and the error names the field as the client of
//! the dialect wrote it, in the dialect's shape.

use bytes::Bytes;
use http::{HeaderMap, Uri};
use serde_json::{Value, json};
use tt_core::Dialect;
use tt_providers::codec::{Head, PublicError};
use tt_providers::{ClientRequest, RequestError, codec};

/// A path, a request with all fields of a dialect, and the fields that take a value of any type, since they go on as they
/// came or are not read.
type Table = (Dialect, &'static str, Value, &'static [&'static str]);

fn tables() -> Vec<Table> {
    let schema = json!({"type": "object"});
    let messages = json!({
        "model": "m", "max_tokens": 99, "stream": true, "temperature": 0.5, "top_p": 0.5, "top_k": 3,
        "stop_sequences": ["x"], "service_tier": "auto", "metadata": {"user_id": "u"},
        "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral", "ttl": "5m"}}],
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": schema}},
        "tools": [{"name": "f", "description": "d", "input_schema": schema}],
        "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": true},
        "messages": [
            {"role": "user", "content": [
                {"type": "text", "text": "x"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
                {"type": "document", "title": "t", "context": "c", "citations": {"enabled": true},
                    "source": {"type": "url", "url": "https://example.org/a.pdf"}},
            ]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "t", "signature": "s"},
                {"type": "redacted_thinking", "data": "d"},
                {"type": "tool_use", "id": "c", "name": "f", "input": {}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "c", "is_error": true, "content": [{"type": "text", "text": "r"}]},
            ]},
        ],
    });
    let responses = json!({
        "model": "m", "stream": true, "max_output_tokens": 99, "temperature": 0.5, "top_p": 0.5, "top_logprobs": 2,
        "instructions": "i", "parallel_tool_calls": true, "prompt_cache_key": "k", "prompt_cache_retention": "24h",
        "safety_identifier": "s", "user": "u", "service_tier": "auto", "store": true, "background": true,
        "include": ["reasoning.encrypted_content"],
        "reasoning": {"effort": "low", "summary": "auto", "generate_summary": "auto"},
        "text": {"format": {"type": "json_schema", "name": "n", "description": "d", "schema": schema, "strict": true}},
        "tools": [
            {"type": "function", "name": "f", "description": "d", "parameters": schema, "strict": true},
            {"type": "custom", "name": "g", "description": "d"},
            {"type": "namespace", "name": "n", "tools": [{"type": "function", "name": "h"}]},
        ],
        "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]},
        "input": [
            {"role": "user", "content": [
                {"type": "input_text", "text": "x", "prompt_cache_breakpoint": {"ttl": "30m"}},
                {"type": "input_image", "image_url": "https://example.org/a.png", "detail": "low"},
                {"type": "input_file", "filename": "a.pdf", "file_data": "AAAA"},
                {"type": "input_file", "file_url": "https://example.org/a.pdf"},
                {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
            ]},
            {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "t"}],
                "content": [{"type": "reasoning_text", "text": "t"}], "encrypted_content": "e"},
            {"type": "message", "role": "assistant", "id": "msg", "phase": "commentary", "content": [
                {"type": "output_text", "text": "x"}, {"type": "refusal", "refusal": "no"},
            ]},
            {"type": "function_call", "id": "fc", "call_id": "c", "name": "h", "namespace": "n", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "r"}]},
            {"type": "custom_tool_call", "call_id": "d", "name": "g", "input": "x"},
            {"type": "custom_tool_call_output", "call_id": "d", "output": "r"},
        ],
    });
    let gemini = json!({
        "systemInstruction": {"parts": [{"text": "s"}]},
        "contents": [
            {"role": "user", "parts": [
                {"text": "x"},
                {"inlineData": {"mimeType": "image/png", "data": "AAAA", "displayName": "n"},
                    "mediaResolution": {"level": "MEDIA_RESOLUTION_LOW"}},
                {"fileData": {"mimeType": "video/mp4", "fileUri": "https://example.org/a.mp4", "displayName": "n"}},
            ]},
            {"role": "model", "parts": [
                {"text": "t", "thought": true, "thoughtSignature": "c2ln"},
                {"functionCall": {"id": "c", "name": "f", "args": {}}},
            ]},
            {"role": "user", "parts": [
                {"functionResponse": {"id": "c", "name": "f", "response": {"output": "r"},
                    "parts": [{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]}},
            ]},
        ],
        "tools": [{"functionDeclarations": [
            {"name": "f", "description": "d", "parameters": schema, "response": schema},
            {"name": "g", "parametersJsonSchema": schema, "responseJsonSchema": schema},
        ]}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
        "serviceTier": "flex", "store": true,
        "generationConfig": {
            "temperature": 0.5, "topP": 0.5, "topK": 3, "candidateCount": 1, "maxOutputTokens": 99, "seed": 7,
            "stopSequences": ["x"], "presencePenalty": 0.5, "frequencyPenalty": 0.5, "responseLogprobs": true,
            "logprobs": 2, "responseMimeType": "application/json", "responseSchema": schema,
            "responseModalities": ["TEXT"], "mediaResolution": "MEDIA_RESOLUTION_LOW",
            "thinkingConfig": {"includeThoughts": true, "thinkingBudget": 1024, "thinkingLevel": "LOW"},
        },
    });
    vec![
        (Dialect::AnthropicMessages, "/v1/messages", messages, &[".schema", ".input_schema"]),
        (
            Dialect::OpenAiResponses,
            "/v1/responses",
            responses,
            &[".parameters", ".schema", "input[1].summary[0].type", "input[1].content[0].type"],
        ),
        (
            Dialect::Gemini,
            "/v1beta/models/m:generateContent",
            gemini,
            &[
                ".parameters.",
                ".response.type",
                "JsonSchema.",
                "Schema.type",
                ".response.output",
                "responseModalities[",
            ],
        ),
    ]
}

/// The error for `body`, with its field in the words of the client; `None` where it is read.
fn fault(dialect: Dialect, path: &str, body: &Value) -> Option<(RequestError, String)> {
    let (uri, headers) = (path.parse::<Uri>().unwrap(), HeaderMap::new());
    let ingress = codec(dialect).ingress.unwrap();
    let head = Head { uri: &uri, headers: &headers };
    match ClientRequest::read(ingress, &head, Bytes::from(body.to_string())) {
        Err(error) => Some((error.clone(), error.in_words(|field| ingress.field(field)))),
        Ok(request) => request.call().err().map(|error| (error.clone(), request.describe(&error))),
    }
}

/// The places of all values in `value`: as a client writes them, and as JSON pointers.
fn places(value: &Value, written: &str, pointer: &str, out: &mut Vec<(String, String)>) {
    let mut inner = |written: String, pointer: String, value: &Value| {
        out.push((written.clone(), pointer.clone()));
        places(value, &written, &pointer, out);
    };
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let dot = if written.is_empty() { "" } else { "." };
                inner(format!("{written}{dot}{name}"), format!("{pointer}/{name}"), value);
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                inner(format!("{written}[{at}]"), format!("{pointer}/{at}"), item);
            }
        }
        _ => {}
    }
}

/// Values of other types than `value`. Some fields take texts beside lists, and lists beside objects.
fn others(value: &Value) -> Vec<Value> {
    match value {
        Value::String(_) => vec![json!(7), json!(true)],
        Value::Bool(_) => vec![json!("yes"), json!(7)],
        Value::Number(_) => vec![json!("many"), json!([1]), json!(true)],
        Value::Array(_) => vec![json!(7), json!(true)],
        Value::Object(_) => vec![json!(7), json!("x")],
        Value::Null => Vec::new(),
    }
}

#[test]
fn a_value_of_another_type_is_named_in_every_field() {
    let mut wrong = Vec::new();
    for (dialect, path, body, any) in tables() {
        assert_eq!(fault(dialect, path, &body).map(|(_, said)| said), None, "{dialect:?}");
        let mut all = Vec::new();
        places(&body, "", "", &mut all);
        assert!(all.len() > 60, "{dialect:?}: {}", all.len());
        for (written, pointer) in all.into_iter().filter(|(written, _)| !any.iter().any(|any| written.contains(any))) {
            for other in others(body.pointer(&pointer).unwrap()) {
                let mut body = body.clone();
                *body.pointer_mut(&pointer).unwrap() = other.clone();
                let said = fault(dialect, path, &body).map(|(_, said)| said);
                let named = said.as_ref().is_some_and(|said| {
                    said.strip_prefix(&written).is_some_and(|rest| rest.starts_with(": ") || rest.starts_with(" is"))
                });
                if !named {
                    wrong.push(format!("{dialect:?} {written} = {other}: {said:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_error_has_the_shape_of_the_dialect() {
    for (dialect, path, mut body, _) in tables() {
        let field = body.as_object().unwrap().keys().next().unwrap().clone();
        body[&field] = json!(true);
        let (_, said) = fault(dialect, path, &body).unwrap();
        let error = PublicError {
            status: 400,
            kind: "invalid_request_error",
            code: "invalid_field",
            message: &said,
            param: Some(&field),
            retry_after: None,
            request_id: None,
            original: None,
        };
        let written: Value = serde_json::from_slice(&codec(dialect).ingress.unwrap().encode_error(&error)).unwrap();
        assert_eq!(written["error"]["message"], said, "{dialect:?}: {written}");
        match dialect {
            Dialect::Gemini => {
                assert_eq!(
                    (&written["error"]["code"], &written["error"]["status"]),
                    (&json!(400), &json!("INVALID_ARGUMENT"))
                );
                let violations =
                    written["error"]["details"].as_array().unwrap().iter().find_map(|one| one.get("fieldViolations"));
                assert_eq!(violations.unwrap()[0]["field"], field.as_str(), "{written}");
            }
            Dialect::AnthropicMessages => assert_eq!(written["type"], "error", "{written}"),
            Dialect::OpenAiChat | Dialect::OpenAiResponses | Dialect::OpenAiEmbeddings => {
                assert_eq!(written["error"]["param"], field.as_str(), "{written}")
            }
        }
    }
}

/// No client of another dialect is told of the messages and fields of Chat Completions.
#[test]
fn what_only_a_target_finds_is_not_told_in_the_words_of_chat_completions() {
    use std::sync::Arc;
    use tt_providers::{Exchange, Target};

    let histories = [
        (
            Dialect::OpenAiResponses,
            "/v1/responses",
            json!({"model": "m", "input": [
                {"role": "user", "content": "x"},
                {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
                {"role": "user", "content": "y"},
            ]}),
        ),
        (
            Dialect::OpenAiResponses,
            "/v1/responses",
            json!({"model": "m", "input": [
                {"role": "user", "content": "x"}, {"type": "function_call_output", "call_id": "c", "output": "r"},
            ]}),
        ),
        (
            Dialect::Gemini,
            "/v1beta/models/m:generateContent",
            json!({"contents": [
                {"role": "user", "parts": [{"text": "x"}]},
                {"role": "model", "parts": [{"functionCall": {"name": "f"}}]},
                {"role": "user", "parts": [{"text": "y"}]},
            ]}),
        ),
        (
            Dialect::Gemini,
            "/v1beta/models/m:generateContent",
            json!({"contents": [
                {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {}}}]},
            ]}),
        ),
        (
            Dialect::AnthropicMessages,
            "/v1/messages",
            json!({"model": "m", "max_tokens": 9, "messages": [
                {"role": "user", "content": "x"},
                {"role": "assistant", "content": [{"type": "tool_use", "id": "c", "name": "f", "input": {}}]},
                {"role": "user", "content": "y"},
            ]}),
        ),
    ];
    let mut refused = 0;
    for (ingress, path, body) in histories {
        for (dialect, model) in
            [(Dialect::AnthropicMessages, "claude-sonnet-4-5"), (Dialect::Gemini, "gemini-2.5-flash")]
        {
            let (uri, headers) = (path.parse::<Uri>().unwrap(), HeaderMap::new());
            let head = Head { uri: &uri, headers: &headers };
            let request =
                Arc::new(ClientRequest::read(codec(ingress).ingress.unwrap(), &head, body.to_string().into()).unwrap());
            let target = Target { model, facts: None };
            let Err(error) = Exchange::new(&request, dialect, target, None, (0, uuid::Uuid::nil())) else { continue };
            let said = request.describe(&error);
            for word in ["tool message", "tool_calls", "assistant message", "tool_call_id"] {
                assert!(!said.contains(word), "{ingress:?} to {dialect:?}: {said}");
            }
            refused += 1;
        }
    }
    assert!(refused >= 6, "{refused}");
}
