//! The trace of the caller, and the trace that providers are told of.

use serde_json::json;
use tt_testkit::World;
use tt_testkit::client::Response;
use tt_testkit::world::{User, question, request_id};

use super::{own_trace, spans_of, traced};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

async fn ask(user: &User, flags: &str) -> Response {
    let call = user.api().post("/v1/chat/completions").json(&question("openai/gpt-4o", "hello"));
    call.header("traceparent", &format!("00-{TRACE}-{SPAN}-{flags}")).send().await.expect(200)
}

/// The `traceparent` that the provider was last sent.
fn sent(world: &World) -> Option<String> {
    world.sent().last().and_then(|seen| seen.header("traceparent").map(str::to_owned))
}

#[tokio::test]
async fn a_request_belongs_to_the_span_of_its_caller_who_says_whether_it_is_recorded() {
    let (receiver, world) = traced(&[]).await;
    let user = world.user().await;
    let unsampled = request_id(&ask(&user, "00").await);
    let sampled = request_id(&ask(&user, "01").await);
    let (request, attempts) = spans_of(&receiver, &sampled, 1).await;
    assert_eq!((request.trace_id.as_str(), request.parent_id.as_str()), (TRACE, SPAN));
    assert_eq!((attempts[0].trace_id.as_str(), &attempts[0].parent_id), (TRACE, &request.span_id));
    // The user's requests were sent in turn to the same process, which sends spans in the order of the requests.
    assert!(receiver.spans().iter().all(|span| span.get("tokentracer.request.id") != unsampled.as_str()));
    assert_eq!(user.log(&sampled).await["trace_id"], TRACE);
    assert_eq!(sent(&world), None, "providers are told nothing unless that is asked for");

    // A header that is not valid counts as none.
    let call = user.api().post("/v1/chat/completions").json(&question("openai/gpt-4o", "hello"));
    let id = request_id(&call.header("traceparent", "00-zz-1-01").send().await.expect(200));
    let (request, _) = spans_of(&receiver, &id, 1).await;
    assert_eq!((request.trace_id, request.parent_id), (own_trace(&id), String::new()));
}

#[tokio::test]
async fn providers_are_told_of_the_span_of_their_attempt_if_that_is_asked_for() {
    let (receiver, world) = traced(&[("OTEL_PROPAGATE_UPSTREAM", "true")]).await;
    let user = world.user().await;
    for flags in ["01", "00"] {
        let id = request_id(&ask(&user, flags).await);
        let told = sent(&world).unwrap();
        let parts: Vec<_> = told.split('-').collect();
        assert_eq!((parts[0], parts[1], parts[3]), ("00", TRACE, flags));
        assert_ne!(parts[2], SPAN);
        if flags == "01" {
            let (_, attempts) = spans_of(&receiver, &id, 1).await;
            assert_eq!(attempts[0].span_id, parts[2]);
        }
    }
    let mut body = question("openai/gpt-4o", "hello");
    body["stream"] = json!(true);
    drop(user.complete_stream(&body).await.rest().await);
    let row = user.row_when(|row| row["stream"] == true).await;
    let id = row["request_id"].as_str().unwrap();
    let (_, attempts) = spans_of(&receiver, id, 1).await;
    assert_eq!(sent(&world).unwrap(), format!("00-{}-{}-01", own_trace(id), attempts[0].span_id));
}

#[tokio::test]
async fn a_sampler_that_takes_nothing_leaves_the_metrics() {
    let (receiver, world) = traced(&[("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "0")]).await;
    let user = world.user().await;
    ask(&user, "01").await;
    receiver.wait_for_points(|points| points.iter().any(|point| point.metric.ends_with("input_tokens"))).await;
    assert_eq!(receiver.spans(), []);
}
