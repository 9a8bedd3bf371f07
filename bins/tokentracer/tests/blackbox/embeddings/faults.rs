//! Faults of requests for embeddings, in the words of the client, and errors of the providers.

use serde_json::{Value, json};
use tt_testkit::Behaviour;
use tt_testkit::client::Response;

use super::{content, embeddings, gemini};
use crate::expect::{error, error_about};
use crate::setup::world;

/// The field at fault in an error of Gemini's shape.
#[track_caller]
fn at_fault(response: Response) -> String {
    let body = response.expect(400).json();
    assert_eq!(body["error"]["status"], "INVALID_ARGUMENT", "{body}");
    let details = body["error"]["details"].as_array().unwrap();
    let field = details.iter().find_map(|detail| detail["fieldViolations"][0]["field"].as_str());
    field.unwrap_or_else(|| panic!("no field: {body}")).to_owned()
}

#[tokio::test]
async fn a_wrong_type_in_any_field_is_named_to_clients_of_openai() {
    let world = world().await;
    let user = world.user().await;
    for (field, value, named) in [
        ("input", json!({"text": "a"}), "input"),
        ("input", json!(1), "input"),
        ("input", json!(true), "input"),
        ("input", json!([]), "input"),
        ("input", json!(["a", 1]), "input[1]"),
        ("input", json!(["a", null]), "input[1]"),
        ("input", json!(["a", {}]), "input[1]"),
        ("input", json!([1, "a"]), "input"),
        ("input", json!([[1], [1.5]]), "input[1]"),
        ("input", json!([[1], []]), "input[1]"),
        ("dimensions", json!("many"), "dimensions"),
        ("dimensions", json!(1.5), "dimensions"),
        ("dimensions", json!(-1), "dimensions"),
        ("dimensions", json!(0), "dimensions"),
        ("dimensions", json!([]), "dimensions"),
        ("encoding_format", json!(1), "encoding_format"),
        ("encoding_format", json!("int8"), "encoding_format"),
        ("encoding_format", json!({}), "encoding_format"),
        ("user", json!(1), "user"),
        ("user", json!(["u"]), "user"),
        ("model", json!(1), "model"),
        ("model", json!({}), "model"),
    ] {
        let mut body = json!({"model": "gemini/mock-small", "input": "a"});
        body[field] = value;
        error_about(&embeddings(&user, &body).send().await, 400, "invalid_field", named);
    }
    let lacks = |body: Value| embeddings(&user, &body).send();
    error_about(&lacks(json!({"model": "gemini/mock-small"})).await, 400, "missing_field", "input");
    error_about(&lacks(json!({"input": "a"})).await, 400, "missing_field", "model");
    // Inputs that Gemini does not embed.
    for (input, named) in [(json!([1, 2]), "input"), (json!([[1], [2]]), "input[0]"), (json!(["a", [2]]), "input[1]")] {
        let body = json!({"model": "gemini/mock-small", "input": input});
        error_about(&embeddings(&user, &body).send().await, 400, "unsupported_parameter", named);
    }
    let many = json!({"model": "gemini/mock-small", "input": vec!["a"; 101]});
    error_about(&embeddings(&user, &many).send().await, 400, "unsupported_parameter", "input");
    let call = user.api().post("/v1/embeddings").header("content-type", "application/json");
    error(&call.body("{").send().await, 400, "invalid_json");
    assert!(world.sent().is_empty());
}

#[tokio::test]
async fn a_wrong_type_in_any_field_is_named_to_clients_of_gemini() {
    let world = world().await;
    let user = world.user().await;
    let with = |field: &str, value: Value| {
        let mut body = json!({"content": content("a")});
        body[field] = value;
        body
    };
    let picture = json!({"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}});
    let cases = [
        (with("content", json!("a")), "content"),
        (with("content", json!({"parts": "a"})), "content.parts"),
        (with("content", json!({"parts": [1]})), "content.parts[0]"),
        (with("content", json!({"parts": [{"text": 1}]})), "content.parts[0].text"),
        (with("content", json!({"parts": [{"inlineData": 1}]})), "content.parts[0].inlineData"),
        (with("content", json!({"parts": [{"inlineData": {"data": 1}}]})), "content.parts[0].inlineData.data"),
        (with("content", json!({"parts": [{"fileData": {"fileUri": 1}}]})), "content.parts[0].fileData.fileUri"),
        (with("content", json!({"parts": [{"functionCall": {}}]})), "content.parts[0]"),
        (with("content", json!({"parts": [{"text": "a"}], "role": 1})), "content.role"),
        (with("content", json!({"parts": [{"text": "a"}, picture]})), "content.parts[1]"),
        (with("content", Value::Null), "content"),
        (with("outputDimensionality", json!("many")), "outputDimensionality"),
        (with("output_dimensionality", json!(-1)), "outputDimensionality"),
        (with("embedContentConfig", json!(1)), "embedContentConfig"),
        (with("embedContentConfig", json!({"outputDimensionality": []})), "embedContentConfig.outputDimensionality"),
        (with("model", json!(1)), "model"),
    ];
    let one = "/v1beta/models/openai/mock-small:embedContent";
    let several = "/v1beta/models/openai/mock-small:batchEmbedContents";
    for (body, field) in &cases {
        assert_eq!(&at_fault(gemini(&user, one, body).send().await), field, "{body}");
        let batch = json!({"requests": [{"content": content("a")}, body]});
        assert_eq!(at_fault(gemini(&user, several, &batch).send().await), format!("requests[1].{field}"), "{body}");
    }
    for (body, field) in [
        (json!({}), "requests"),
        (json!({"requests": "a"}), "requests"),
        (json!({"requests": ["a"]}), "requests[0]"),
        (
            json!({"requests": [{"content": content("a"), "outputDimensionality": 8}, {"content": content("a")}]}),
            "requests[1].outputDimensionality",
        ),
    ] {
        assert_eq!(at_fault(gemini(&user, several, &body).send().await), field, "{body}");
    }
    assert!(world.sent().is_empty());
    gemini(&user, "/v1beta/models/openai/mock-small:embedText", &json!({})).send().await.expect(404);
}

#[tokio::test]
async fn errors_of_the_providers_are_told_in_the_clients_shape() {
    let world = world().await;
    let user = world.user().await;
    world.mock.on("mock-busy", Behaviour::status(429).header("retry-after", "7"));
    world.mock.on("mock-down", Behaviour::status(500));
    for (model, status, code, word) in [
        ("mock-busy", 429, "upstream_rate_limited", "RESOURCE_EXHAUSTED"),
        ("mock-down", 502, "all_attempts_failed", "UNAVAILABLE"),
        ("mock-garbage", 502, "all_attempts_failed", "UNAVAILABLE"),
    ] {
        for provider in ["openai", "gemini"] {
            let body = json!({"model": format!("{provider}/{model}"), "input": "a"});
            let refused = embeddings(&user, &body).send().await.expect(status);
            assert_eq!(refused.error_code(), code, "{provider} {model}");
        }
        let path = format!("/v1beta/models/openai/{model}:embedContent");
        let refused = gemini(&user, &path, &json!({"content": content("a")})).send().await.expect(status).json();
        assert_eq!(refused["error"]["status"], word, "{refused}");
    }
    // A provider's refusal is the client's own error. Between Gemini and Gemini it comes as it was.
    let body = json!({"model": "openai/mock-small", "input": ""});
    error_about(&embeddings(&user, &body).send().await, 400, "invalid_field", "input");
    let path = "/v1beta/models/gemini/mock-small:embedContent";
    let refused = gemini(&user, path, &json!({"content": content("")})).send().await.expect(400).json();
    assert_eq!(refused["error"]["message"], "* EmbedContentRequest.content: content is empty\n", "{refused}");
}

#[tokio::test]
async fn credentials_of_each_api_are_asked_for_in_its_shape() {
    let world = world().await;
    let user = world.user().await;
    let body = json!({"model": "openai/mock-small", "input": "a"});
    error(&user.anonymous().post("/v1/embeddings").json(&body).send().await, 401, "missing_credentials");
    error(&user.api().get("/v1/embeddings").send().await, 405, "method_not_allowed");
    let path = "/v1beta/models/openai/mock-small:embedContent";
    let refused = user.anonymous().post(path).json(&json!({"content": content("a")})).send().await.expect(401).json();
    assert_eq!(refused["error"]["status"], "UNAUTHENTICATED", "{refused}");
    let nobody = json!({"model": "nobody", "input": "a"});
    error(&embeddings(&user, &nobody).send().await, 404, "model_not_found");
}
