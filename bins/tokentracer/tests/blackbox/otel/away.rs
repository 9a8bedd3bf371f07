//! A receiver that is away, and the end of the program.

use std::time::{Duration, Instant};

use tt_testkit::OtlpReceiver;
use tt_testkit::world::{eventually, request_id};

use super::{spans_of, traced};
use crate::setup::world_with;

/// The lines of all processes that hold these words.
fn lines(world: &tt_testkit::World, words: &str) -> usize {
    let all = (0..world.processes()).map(|number| world.program_of(number).stderr());
    all.map(|text| text.lines().filter(|line| line.contains(words)).count()).sum()
}

#[tokio::test]
async fn requests_are_served_without_it_and_the_log_says_so_once() {
    let receiver = OtlpReceiver::start();
    let (address, url) = (receiver.address(), receiver.url());
    drop(receiver);
    let settings = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()),
        ("OTEL_BSP_SCHEDULE_DELAY", "20"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "300"),
        ("OTEL_METRICS_EXPORTER", "none"),
    ];
    let world = world_with(&settings).await;
    // All go through one process, so that the number of lines is known.
    let user = world.user().await;
    let ask = async || {
        user.api()
            .post("/v1/chat/completions")
            .json(&tt_testkit::world::question("openai/gpt-4o", "hello"))
            .send()
            .await
            .expect(200)
    };
    for _ in 0..5 {
        let began = Instant::now();
        ask().await;
        assert!(began.elapsed() < Duration::from_secs(10));
    }
    eventually("the log says that spans are not delivered", async || lines(&world, "traces cannot be delivered") == 1)
        .await;
    ask().await;

    let receiver = OtlpReceiver::start_at(address);
    eventually("spans are delivered again", async || {
        ask().await;
        lines(&world, "traces are delivered again") == 1
    })
    .await;
    let id = request_id(&ask().await);
    spans_of(&receiver, &id, 1).await;
    assert_eq!(lines(&world, "traces cannot be delivered"), 1);

    // A receiver that refuses is as good as one that is away.
    receiver.answer(Some(503));
    ask().await;
    eventually("a refusal is logged", async || lines(&world, "status 503") == 1).await;
    let recorded = user.logs().await;
    assert!(recorded.iter().all(|row| row["outcome"] == "ok"));
}

#[tokio::test]
async fn what_is_queued_is_sent_before_the_end() {
    let (receiver, mut world) =
        traced(&[("OTEL_BSP_SCHEDULE_DELAY", "600000"), ("OTEL_METRIC_EXPORT_INTERVAL", "600000")]).await;
    let user = world.user().await;
    let id = request_id(&user.ask("openai/gpt-4o", "hello").await.expect(200));
    assert_eq!((receiver.spans().len(), receiver.points().len()), (0, 0));
    for number in 0..world.processes() {
        world.stop_of(number);
    }
    let (request, _) = spans_of(&receiver, &id, 1).await;
    assert_eq!(request.name, "POST /v1/chat/completions");
    assert!(receiver.total("gen_ai.client.inference.usage.output_tokens", &[]) > 0);
}

#[tokio::test]
async fn a_receiver_that_hangs_does_not_hold_up_the_end() {
    let (receiver, mut world) = traced(&[("SHUTDOWN_GRACE", "1s")]).await;
    let user = world.user().await;
    receiver.answer(None);
    user.ask("openai/gpt-4o", "hello").await.expect(200);
    for number in 0..world.processes() {
        let began = Instant::now();
        world.stop_of(number);
        assert!(began.elapsed() < Duration::from_secs(8), "it took {:?}", began.elapsed());
    }
}
