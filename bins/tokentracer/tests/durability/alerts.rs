//! A thousand thresholds of budgets are crossed while the process is killed and the receiver of their webhook fails: each is
//! delivered, with one body.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::{JoinSet, spawn_blocking};
use tt_core::{NanoUsd, Provider};
use tt_testkit::receiver::{Mood, Received, Receiver};
use tt_testkit::world::{User, question};
use tt_testkit::{Client, Program};

use crate::setup::{backend, setup, start, stopped};
use crate::size;

const MODEL: &str = "openai/gpt-4o-mini";

/// Every threshold is delivered within this time after the last outage. The pauses between attempts double, and a claim of a
/// process that was killed lasts for half a minute.
const DELIVERED: Duration = Duration::from_secs(180);

/// The process that serves now.
type Serving = Arc<Mutex<String>>;

/// Asks until an answer comes: the process may be killed meanwhile.
async fn ask(serving: &Serving, token: &str) -> NanoUsd {
    let until = Instant::now() + Duration::from_secs(120);
    loop {
        let url = serving.lock().unwrap().clone();
        let call = Client::new(url).bearer(token).post("/v1/chat/completions").json(&question(MODEL, "hello"));
        if let Ok(answer) = call.try_send().await
            && answer.status == 200
        {
            return NanoUsd::parse(answer.header("x-tokentracer-cost-usd").unwrap()).unwrap();
        }
        assert!(Instant::now() < until, "no answer came");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// An API key, and the requests with it that cross all thresholds of its budget.
struct Crossing {
    token: String,
    requests: usize,
}

/// API keys with soft budgets. Every other one crosses all thresholds with one request, the rest with two.
async fn crossings(user: &User, cost: NanoUsd, count: usize) -> (Vec<Crossing>, HashSet<(i64, i64)>) {
    let (mut crossings, mut expected) = (Vec::new(), HashSet::new());
    for number in 0..count {
        let requests = 1 + number % 2;
        let limit = if requests == 1 { NanoUsd(1) } else { NanoUsd(2 * cost.0) };
        let body = format!(r#"{{"budget_usd":{limit},"budget_period":"total","budget_soft":true}}"#);
        let made = user.session.post("/auth/key").body(body).send().await.expect(200).json();
        expected.extend([50, 80, 100].map(|percent| (made["id"].as_i64().unwrap(), percent)));
        crossings.push(Crossing { token: made["token"].as_str().unwrap().to_owned(), requests });
    }
    (crossings, expected)
}

#[tokio::test]
async fn a_thousand_thresholds_are_delivered_though_both_ends_fail() {
    let keys = usize::try_from(size::number("TT_SOAK_ALERT_KEYS", 334)).unwrap();
    let world = stopped(setup().backend(backend()).env("ALLOW_PRIVATE_UPSTREAMS", "true")).await;
    let first = start(&world).await;
    let receiver = Receiver::start();
    let user = User::sign_up(&first.client(), "alerted").await;
    user.add_provider_key(Provider::OpenAi).await;
    let hook = json!({"url": receiver.url("/hook"), "events": ["budget.threshold"]});
    let hook = user.session.post("/manage/webhooks").json(&hook).send().await.expect(201).json();
    let serving: Serving = Arc::new(Mutex::new(first.url()));
    let cost = ask(&serving, &user.new_api_key(&json!({})).await.token).await;
    let (crossings, expected) = crossings(&user, cost, keys).await;

    let total: usize = crossings.iter().map(|crossing| crossing.requests).sum();
    let (begun, queue) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(crossings)));
    let mut clients = JoinSet::new();
    for _ in 0..8 {
        let (begun, queue, serving) = (Arc::clone(&begun), Arc::clone(&queue), Arc::clone(&serving));
        clients.spawn(async move {
            loop {
                let next = queue.lock().unwrap().pop();
                let Some(crossing) = next else { return };
                for _ in 0..crossing.requests {
                    begun.fetch_add(1, Ordering::Relaxed);
                    ask(&serving, &crossing.token).await;
                }
            }
        });
    }
    let load = async { while clients.join_next().await.is_some() {} };
    let ((), last) = tokio::join!(load, live_and_die(&world, first, &serving, &receiver, &begun, total));

    let all = |received: &[Received]| {
        let taken: HashSet<_> = received.iter().filter(|one| one.taken).map(|one| crossed(&one.json())).collect();
        taken.len() >= expected.len()
    };
    let received = receiver.wait(DELIVERED, all).await;
    judge(&received, &expected);
    let resent = received.len() - expected.len();
    println!(
        "{} thresholds, {} calls of the receiver, {resent} of them not the only one",
        expected.len(),
        received.len()
    );
    let session = Client::new(last.url()).bearer(&user.token);
    all_delivered(&session, &hook, expected.len()).await;
    let log = last.stderr();
    assert!(!log.contains("ERROR") && !log.contains("panicked"), "{log}");
}

/// The API key and the threshold that a body is about.
fn crossed(body: &Value) -> (i64, i64) {
    let number = |field: &str| body["data"][field].as_i64().unwrap_or_else(|| panic!("no {field}: {body}"));
    (number("api_key_id"), number("threshold_percent"))
}

/// Checks that every threshold was taken, that each has one id, and each id one body.
fn judge(received: &[Received], expected: &HashSet<(i64, i64)>) {
    let mut bodies: HashMap<&str, &str> = HashMap::new();
    let mut ids: HashMap<(i64, i64), &str> = HashMap::new();
    let mut taken = HashSet::new();
    for one in received {
        let (id, name) = (one.header("webhook-id"), crossed(&one.json()));
        assert_eq!(*bodies.entry(id).or_insert(&one.body), one.body, "another body");
        assert_eq!(*ids.entry(name).or_insert(id), id, "two alerts about one threshold: {name:?}");
        if one.taken {
            taken.insert(name);
        }
    }
    assert_eq!(&taken, expected);
}

/// The store too says that everything was delivered, and nothing twice.
async fn all_delivered(session: &Client, hook: &Value, expected: usize) {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let (mut delivered, mut cursor) = (0, String::new());
        loop {
            let path = format!("/manage/webhooks/{}/deliveries?limit=500{cursor}", hook["id"]);
            let page = session.get(&path).send().await.expect(200).json();
            let data = page["data"].as_array().unwrap();
            delivered += data.iter().filter(|delivery| delivery["status"] == "delivered").count();
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        if delivered == expected {
            return;
        }
        assert!(Instant::now() < until, "{delivered} of {expected} are delivered");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Kills the process in the midst of its work, while the receiver fails in one way after the other. Returns the last process,
/// when the receiver takes everything.
async fn live_and_die(
    world: &tt_testkit::World,
    mut program: Program,
    serving: &Serving,
    receiver: &Receiver,
    begun: &AtomicUsize,
    total: usize,
) -> Program {
    let moods = [Mood::Answers(503), Mood::BreaksOff, Mood::Takes, Mood::Hangs, Mood::Answers(500)];
    for (number, mood) in moods.iter().enumerate() {
        let at = (number + 1) * total / (moods.len() + 1);
        while begun.load(Ordering::Relaxed) < at {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        receiver.be("/hook", mood.clone());
        // Some attempts fail, or are under way, when the process is killed.
        let seen = receiver.received().len();
        let until = Instant::now() + Duration::from_secs(3);
        while receiver.received().len() < seen + 5 && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let launch = world.launch();
        program = spawn_blocking(move || {
            let mut killed = program;
            killed.kill();
            launch.start()
        })
        .await
        .unwrap();
        *serving.lock().unwrap() = program.url();
        receiver.be("/hook", Mood::Takes);
    }
    program
}
