//! Requests for embeddings of many small inputs, and answers of many numbers.

use serde_json::json;
use tt_core::Provider;

use super::host::{Answer, Host};
use super::{MIB, Scene, flood, others_are_served};
use crate::ALONE;

fn list(element: &str, bytes: usize) -> String {
    format!("[{}{element}]", format!("{element},").repeat(bytes / (element.len() + 1)))
}

#[tokio::test(flavor = "multi_thread")]
async fn embeddings_take_no_more_than_the_limit() {
    let _alone = ALONE.lock().await;
    let scene = Scene::begin("embeddings").await;
    let number = format!(r#"{{"embeddings":[{{"values":{}}}]}}"#, list("1", 4 * MIB));
    let base64 = format!(r#"{{"data":[{{"embedding":"{}"}}]}}"#, "//9/gP//f4D//3+A".repeat(MIB / 4));
    let (of_gemini, of_openai) =
        (Host::start(Answer::Json(number.into_bytes().into())), Host::start(Answer::Json(base64.into_bytes().into())));
    let ann = scene.tenant("ann", Provider::Gemini, &of_gemini).await;
    let bob = scene.tenant("bob", Provider::OpenAi, &of_openai).await;
    let other = scene.world.user().await;
    let flood = async {
        // Bodies that decode to many times their length.
        for element in ["1", "[1]", "{}", r#""""#] {
            let body = format!(r#"{{"model":"x","input":{}}}"#, list(element, 8 * MIB));
            let statuses = flood(&ann.session, "/v1/embeddings", &body, 6).await;
            let refused = |status: &u16| [400, 413, 503].contains(status);
            assert!(!statuses.is_empty() && statuses.iter().all(refused), "{element}: {statuses:?}");
            let body = format!(r#"{{"requests":{}}}"#, list(element, 8 * MIB));
            let statuses = flood(&bob.session, "/v1beta/models/x:batchEmbedContents", &body, 6).await;
            assert!(!statuses.is_empty() && statuses.iter().all(refused), "{element}: {statuses:?}");
        }
        // Answers that do.
        let asked = json!({"model": "x", "input": "a", "encoding_format": "base64"}).to_string();
        let statuses = flood(&ann.session, "/v1/embeddings", &asked, 12).await;
        assert!(statuses.iter().all(|status| [200, 502, 503].contains(status)), "{statuses:?}");
        let asked = json!({"content": {"parts": [{"text": "a"}]}}).to_string();
        let statuses = flood(&bob.session, "/v1beta/models/x:embedContent", &asked, 12).await;
        assert!(statuses.iter().all(|status| [200, 502, 503].contains(status)), "{statuses:?}");
    };
    tokio::join!(flood, others_are_served(&scene.world, &other));
    drop(scene.end());
}
