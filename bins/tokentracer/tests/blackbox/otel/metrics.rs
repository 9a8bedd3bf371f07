//! The metrics that are sent, against `/manage/usage`.

use serde_json::{Value, json};
use tt_core::Provider::{Anthropic, Gemini, OpenAi};
use tt_testkit::Behaviour;

use super::traced;

const USAGE: &str = "gen_ai.client.inference.usage";

#[tokio::test]
async fn the_sums_of_tokens_equal_those_of_the_ledger() {
    let (receiver, world) = traced(&[]).await;
    let user = world.user().await;
    world.mock.on("gpt-4o", Behaviour::ok().cached(3).reasoning(2));
    world.mock.on("gpt-4.1", Behaviour::status(500));
    world.mock.on("claude-haiku-4-5", Behaviour::ok().cache_write(30));
    world.mock.on("gemini-2.5-flash", Behaviour::ok().text("one two three four").stall_after(2));
    user.alias("whole", OpenAi, "gpt-4o").await;
    let haiku = user.alias("haiku", Anthropic, "claude-haiku-4-5").await;
    user.alias_with("broken", OpenAi, "gpt-4.1", json!({"fallback_alias_id": haiku})).await;
    user.alias("unlisted", OpenAi, "mock-small").await;
    user.alias("stalled", Gemini, "gemini-2.5-flash").await;
    for alias in ["whole", "broken", "unlisted"] {
        user.ask(alias, "hello").await.expect(200);
        drop(user.ask_stream(alias, "hello").await.rest().await);
    }
    let body = json!({"model": "openai/text-embedding-3-small", "input": "hello"});
    user.api().post("/v1/embeddings").json(&body).send().await.expect(200);
    let mut left = user.ask_stream("stalled", "hello").await;
    left.next().await.unwrap();
    drop(left);
    user.row_when(|row| row["outcome"] == "cancelled").await;
    user.row_when(|row| row["dialect"] == "openai_embeddings").await;

    let sums = user.session.get("/manage/usage?group_by=").send().await.expect(200).json();
    let sum = |name: &str| sums[0][name].as_u64().unwrap();
    let wanted = [
        ("input_tokens", sum("input_tokens")),
        ("cache_read.input_tokens", sum("cached_input_tokens")),
        ("cache_write.input_tokens", sum("cache_write_tokens")),
        ("output_tokens", sum("output_tokens")),
        ("reasoning.output_tokens", sum("reasoning_tokens")),
    ];
    assert!(wanted.iter().all(|(_, tokens)| *tokens > 0), "{wanted:?}");
    receiver
        .wait_for_points(|_| {
            wanted.iter().all(|(name, tokens)| receiver.total(&format!("{USAGE}.{name}"), &[]) == *tokens)
        })
        .await;

    let of = |model| receiver.total(&format!("{USAGE}.output_tokens"), &[("gen_ai.request.model", model)]);
    assert!(of("gpt-4o") > 0 && of("other") > 0);
    assert_eq!(of("mock-small"), 0, "a model that the price table lacks has no label of its own");
    let duration = |labels: &[(&str, &str)]| receiver.total("gen_ai.client.inference.duration", labels);
    // One attempt for each plain and streamed request but those that failed twice before their fallback.
    assert_eq!(duration(&[("error.type", "500")]), 4);
    assert_eq!(duration(&[("error.type", "cancelled"), ("gen_ai.operation.name", "generate_content")]), 1);
    assert_eq!(duration(&[]), 4 + 1 + 6);
    assert_eq!(receiver.total("gen_ai.client.embeddings.duration", &[("gen_ai.operation.name", "embeddings")]), 1);
    let rows = user.logs().await;
    let streams = rows.iter().filter(|row| row["stream"] == true && row["first_token_ms"].is_u64()).count();
    assert!(streams >= 3);
    let first_chunks = receiver.total("gen_ai.client.inference.time_to_first_chunk", &[]);
    assert_eq!(first_chunks, u64::try_from(streams).unwrap());
    let points = receiver.points();
    assert!(points.iter().all(|point| point.unit == if point.metric.contains("usage") { "{token}" } else { "s" }));
    let labels: Vec<&Value> = points.iter().flat_map(|point| point.attributes.values()).collect();
    assert!(labels.iter().all(|label| **label != json!("whole") && **label != json!(user.email)));
}

#[tokio::test]
async fn an_operator_sees_a_request_in_the_metrics_and_its_trace() {
    let (receiver, world) = traced(&[]).await;
    let user = world.user().await;
    let answer = user.ask("openai/gpt-4o", "hello").await.expect(200);
    let id = tt_testkit::world::request_id(&answer);
    let mut scraped = String::new();
    for number in 0..world.processes() {
        scraped += &world.client_of(number).get("/metrics").send().await.expect(200).text();
    }
    assert!(scraped.contains("tokentracer_requests_total{"), "{scraped}");
    let (request, attempts) = super::spans_of(&receiver, &id, 1).await;
    assert_eq!(request.get("tokentracer.request.id"), id.as_str());
    assert_eq!(attempts.len(), 1);
    let output = format!("{USAGE}.output_tokens");
    let expected = attempts[0].get("gen_ai.usage.output_tokens").as_u64().unwrap();
    receiver.wait_for_points(|_| receiver.total(&output, &[]) == expected).await;
}

#[tokio::test]
async fn each_signal_can_be_left_out() {
    let (receiver, world) = traced(&[("OTEL_METRICS_EXPORTER", "none")]).await;
    let user = world.user().await;
    let id = tt_testkit::world::request_id(&user.ask("openai/gpt-4o", "hello").await.expect(200));
    super::spans_of(&receiver, &id, 1).await;
    assert_eq!(receiver.points(), []);

    let (receiver, world) = traced(&[("OTEL_TRACES_EXPORTER", "none")]).await;
    let user = world.user().await;
    user.ask("openai/gpt-4o", "hello").await.expect(200);
    receiver.wait_for_points(|points| !points.is_empty()).await;
    assert_eq!(receiver.spans(), []);
}
