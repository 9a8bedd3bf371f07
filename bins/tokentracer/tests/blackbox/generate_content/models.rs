//! The models that a client of Gemini may name, and the count of tokens for one of them.

use serde_json::json;
use tt_core::Provider::{Anthropic, Gemini};
use tt_testkit::world::{PROVIDERS, request_id};

use super::{post, question, weather};
use crate::setup::world;

#[tokio::test]
async fn models_are_listed_with_the_limits_of_their_targets() {
    let world = world().await;
    let user = world.user().await;
    user.alias("fast", Gemini, "gemini-2.5-flash").await;
    let get = |path: &str| user.anonymous().get(path).header("x-goog-api-key", user.api_key());
    let list = get("/v1beta/models").send().await.expect(200).json();
    let model = &list["models"][0];
    assert_eq!(model["name"], "models/fast", "{list}");
    assert_eq!(get("/v1beta/models/fast").send().await.expect(200).json(), *model);
    for limit in ["inputTokenLimit", "outputTokenLimit"] {
        assert!(model[limit].as_u64().is_some_and(|tokens| tokens > 1000), "{limit}: {model}");
    }
    get("/v1beta/models/nobody").send().await.expect(404);
    let direct = get("/v1beta/models/gemini/gemini-2.5-pro").send().await.expect(200).json();
    assert_eq!(
        (&direct["name"], &direct["displayName"]),
        (&json!("models/gemini/gemini-2.5-pro"), &json!("gemini/gemini-2.5-pro"))
    );
    // Google's library for JavaScript asks under /v1.
    assert_eq!(get("/v1/models").send().await.expect(200).json(), list);
    assert_eq!(get("/v1/models/fast").send().await.expect(200).json(), *model);
    let error = get("/v1/models/nobody").send().await.expect(404).json();
    assert_eq!(error["error"]["status"], "NOT_FOUND");
    let methods = model["supportedGenerationMethods"].as_array().unwrap();
    assert!(methods.contains(&json!("generateContent")) && methods.contains(&json!("countTokens")), "{model}");
}

#[tokio::test]
async fn tokens_are_counted_by_gemini_or_here_for_nothing() {
    let world = world().await;
    let user = world.user().await;
    let whole = json!({"generateContentRequest": {
        "model": "models/x", "contents": question("one two three")["contents"], "tools": weather(),
    }});
    for provider in PROVIDERS {
        let path = format!("/v1beta/models/{}/mock-small:countTokens", provider.as_str());
        let before = world.sent().len();
        let short = post(&user, &path, &question("one two three")).send().await.expect(200);
        let long = post(&user, &path, &whole).send().await.expect(200);
        let count = |body: serde_json::Value| body["totalTokens"].as_u64().unwrap();
        assert!(count(short.json()) > 0 && count(long.json()) > count(short.json()), "{provider}");
        let asked = if provider == Gemini { 2 } else { 0 };
        assert_eq!(world.sent().len() - before, asked, "{provider}");
        let row = user.log(&request_id(&short)).await;
        assert_eq!((&row["cost_usd"], &row["usage_source"]), (&json!(0), &json!("none")), "{provider}: {row}");
        assert_eq!((&row["status"], &row["dialect"]), (&json!(200), &json!("gemini")), "{row}");
    }
    assert_eq!(world.sent().last().unwrap().path, "/v1beta/models/mock-small:countTokens");
    // Gemini CLI counts the result of a tool that no call stands before.
    let picture = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
    let bare = json!({"contents": [{"role": "user", "parts": [
        {"functionResponse": {"id": "r", "name": "read_file", "response": {"output": "Binary content provided."}}},
        {"inlineData": {"mimeType": "image/png", "data": picture}},
    ]}]});
    let path = format!("/v1beta/models/{}/mock-small:countTokens", Anthropic.as_str());
    post(&user, &path, &bare).send().await.expect(200);
}
