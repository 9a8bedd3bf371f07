//! The models that a client of Gemini may name.

use tt_core::Provider::Gemini;

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
}
