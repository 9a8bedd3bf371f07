//! A rolling restart of two processes behind a load balancer, under load: no request fails, and every stream comes to its end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::task::JoinSet;
use tt_core::Provider;
use tt_testkit::balancer::Balancer;
use tt_testkit::world::{question, streamed_question, within};
use tt_testkit::{Behaviour, Client, MockUpstream};

use crate::setup::{chat_user, two};

/// Longer than the balancer takes to see that a process drains, and than a client is between two requests.
const DELAY: &str = "2s";
/// Streams that take longer are cut.
const GRACE: &str = "4s";

const PATIENCE: Duration = Duration::from_secs(60);

/// The model of the streams that end within the grace period, and of those that do not.
const SHORT: &str = "short-stream";
const LONG: &str = "long-stream";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_fails_no_request_and_every_stream_ends_or_says_why() {
    let mut cluster = two(&[("SHUTDOWN_DELAY", DELAY), ("SHUTDOWN_GRACE", GRACE)]).await;
    cluster.mock.on(SHORT, Behaviour::ok().chunks(20).drip(Duration::from_millis(50)));
    cluster.mock.on(LONG, Behaviour::ok().chunks(400).drip(Duration::from_millis(100)));
    let mut user = chat_user(&cluster, "ann").await;
    let key = user.new_api_key(&Value::Null).await.token;
    let addresses = (0..2).map(|number| cluster.program_of(number).address().to_owned());
    let balancer = Balancer::start(addresses).unwrap();
    in_turn(&balancer, 0).await;
    in_turn(&balancer, 1).await;

    let load = Load { url: balancer.url(), key, stop: Arc::default() };
    let mut plain = JoinSet::new();
    let mut streams = JoinSet::new();
    let mut long = JoinSet::new();
    for _ in 0..6 {
        plain.spawn(load.clone().plain());
        streams.spawn(load.clone().streams());
    }
    for number in 0..2 {
        // Two connections, so one to each process.
        long.spawn(load.clone().long());
        long.spawn(load.clone().long());
        within(PATIENCE, "the long streams are on their way", async || sent(&cluster.mock, LONG) >= 2 * (number + 1))
            .await;
        cluster.stop_of(number);
        cluster.start_again_of(number);
        balancer.moved(number, cluster.program_of(number).address());
        in_turn(&balancer, number).await;
    }
    load.stop.store(true, Ordering::Relaxed);
    let answered: usize = plain.join_all().await.into_iter().sum();
    let streamed: usize = streams.join_all().await.into_iter().sum();
    println!("{answered} plain requests, {streamed} streams of a second");
    assert!(answered > 0 && streamed > 0);
    let cut = long.join_all().await.into_iter().filter(|ended| *ended == Ended::Cut).count();
    println!("{cut} streams of 40 s were cut");
    assert!(cut >= 1, "no process that stopped had a long stream");

    cluster.find_again(&mut user);
    let expected = (answered + streamed + 4) as u64;
    within(PATIENCE, "every request has its row", async || requests(&user.session).await == expected).await;
    let long = user.session.get("/manage/logs?limit=100&alias=openai/long-stream").send().await.expect(200).json();
    let outcomes: Vec<&str> =
        long["data"].as_array().unwrap().iter().map(|row| row["outcome"].as_str().unwrap()).collect();
    println!("outcomes of the streams of 40 s: {outcomes:?}");
    let told_whole = outcomes.iter().filter(|outcome| **outcome == "ok").count();
    assert_eq!((outcomes.len(), told_whole), (4, 4 - cut), "what was cut is no success, and all else is");
}

/// The number of the user's requests, as the sums tell it.
async fn requests(session: &Client) -> u64 {
    let groups = session.get("/manage/usage").send().await.expect(200).json();
    groups.as_array().unwrap().iter().map(|group| group["requests"].as_u64().unwrap()).sum()
}

/// Waits until the process of this number gets connections.
async fn in_turn(balancer: &Balancer, number: usize) {
    within(PATIENCE, "the process is ready", async || balancer.is_ready(number)).await;
}

/// The end of a long stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Whole,
    /// It broke off, or ended with an error.
    Cut,
}

/// Clients, until they are stopped.
#[derive(Debug, Clone)]
struct Load {
    url: String,
    key: String,
    stop: Arc<AtomicBool>,
}

impl Load {
    /// One request after the other on connections that are kept; the number that was answered, which is all.
    async fn plain(self) -> usize {
        let client = Client::keeping_connections(&self.url).bearer(&self.key);
        let mut answered = 0;
        while !self.stop.load(Ordering::Relaxed) {
            let answer = client.post("/v1/chat/completions").json(&question("chat", "hello")).send().await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            answered += 1;
        }
        answered
    }

    /// One stream after the other, each to its end; their number.
    async fn streams(self) -> usize {
        let mut whole = 0;
        while !self.stop.load(Ordering::Relaxed) {
            assert_eq!(self.stream(SHORT).await, Ended::Whole, "a stream that had the time did not end");
            whole += 1;
        }
        whole
    }

    /// A stream that is longer than the grace period.
    async fn long(self) -> Ended {
        self.stream(LONG).await
    }

    async fn stream(&self, model: &str) -> Ended {
        let client = Client::new(&self.url).bearer(&self.key);
        let body = streamed_question(&format!("{}/{model}", Provider::OpenAi), "hello");
        let mut stream = client.post("/v1/chat/completions").json(&body).stream().await;
        assert_eq!(stream.status, 200);
        let mut done = false;
        while let Ok(Some(event)) = stream.try_next().await {
            done |= event.is_done();
        }
        if done { Ended::Whole } else { Ended::Cut }
    }
}

/// The number of requests for one model that reached the upstream.
fn sent(mock: &MockUpstream, model: &str) -> usize {
    mock.requests().iter().filter(|seen| seen.model.as_deref() == Some(model)).count()
}
