//! The program's files and its log hold no secrets of any user and no prompts.

use serde_json::json;
use tt_core::Provider::OpenAi;
use tt_testkit::world::{Backend, PASSWORD, question};

use crate::setup::{backend, world_with};

/// Everything in the data directory, as bytes.
fn files(directory: &std::path::Path) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            all.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
    all
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[tokio::test]
async fn no_secret_and_no_prompt_is_written_anywhere() {
    let mut world = world_with(&[("RUST_LOG", "trace")]).await;
    let user = world.user().await;
    let key = "sk-mock-5e3a1c77f0b24d19";
    let path = format!("/manage/providers/{}", user.provider_key(OpenAi));
    user.session.patch(&path).json(&json!({"api_key": key})).send().await.expect(200);
    let prompt = "the-prompt-nobody-may-keep";
    for model in ["openai/mock-small", "anthropic/mock-small", "gemini/mock-small", "openai/mock-status-500"] {
        let _either = user.ask(model, prompt).await;
        user.ask_stream(model, prompt).await.rest().await;
    }
    // A client of Gemini may put the API key into the query.
    let asked = json!({"contents": [{"parts": [{"text": prompt}]}]});
    for call in ["mock-small:generateContent", "mock-status-500:generateContent", "mock-small:unknown"] {
        let path = format!("/v1beta/models/gemini/{call}?key={}", user.api_key());
        let _either = user.anonymous().post(&path).json(&asked).send().await;
    }
    let mut bad = question("openai/mock-small", prompt);
    bad["temperature"] = json!(9);
    user.complete(&bad).await.expect(400);
    let wrong = json!({"email": user.email, "password": "the-password-that-was-wrong"});
    user.anonymous().post("/auth/login").json(&wrong).send().await.expect(401);
    user.logs().await;

    let data = world.program().data_dir().to_path_buf();
    let log = world.stop();
    assert!(log.contains("tt_http"), "nothing was logged: {log}");
    let mut places = files(&data);
    assert!(backend() != Backend::Sqlite || places.iter().any(|(name, _)| name.ends_with("tokentracer.db")));
    places.push(("the log".to_owned(), log.into_bytes()));
    for (name, bytes) in &places {
        for (what, text) in [
            ("the provider key", key),
            ("the API key", user.api_key()),
            ("the session token", user.token.as_str()),
            ("the password", PASSWORD),
            ("a wrong password", "the-password-that-was-wrong"),
            ("the prompt", prompt),
        ] {
            assert!(!holds(bytes, text), "{what} is in {name}");
        }
    }
}
