//! Bad input: each field of a request in turn has a value of another type, and the error names the field as the client of
//! the dialect wrote it, in the dialect's shape.

use bytes::Bytes;
use http::{HeaderMap, Uri};
use serde_json::{Value, json};
use tt_core::Dialect;
use tt_providers::codec::{Head, PublicError};
use tt_providers::{ClientRequest, RequestError, codec};
use tt_testkit::wrong_types::{Case, Table, tables};

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

#[test]
fn a_value_of_another_type_is_named_in_every_field() {
    let mut wrong = Vec::new();
    for table in tables() {
        let Table { dialect, ref path, ref body, .. } = table;
        assert_eq!(fault(dialect, path, body).map(|(_, said)| said), None, "{dialect:?}");
        let cases: Vec<Case> = table.cases().collect();
        assert!(cases.len() > 120, "{dialect:?}: {}", cases.len());
        for Case { field, value, body } in cases {
            let said = fault(dialect, path, &body).map(|(_, said)| said);
            let named = said.as_ref().is_some_and(|said| {
                said.strip_prefix(&field).is_some_and(|rest| rest.starts_with(": ") || rest.starts_with(" is"))
            });
            if !named {
                wrong.push(format!("{dialect:?} {field} = {value}: {said:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_error_has_the_shape_of_the_dialect() {
    for Table { dialect, path, mut body, .. } in tables() {
        let field = body.as_object().unwrap().keys().next().unwrap().clone();
        body[&field] = json!(true);
        let (_, said) = fault(dialect, &path, &body).unwrap();
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
