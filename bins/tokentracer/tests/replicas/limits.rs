//! Limits that hold across processes through one Redis.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::JoinSet;
use tt_testkit::Client;
use tt_testkit::client::Response;

use crate::cluster::{Cluster, SEEN_WITHIN, ask, code, number, within};

const TRIES: usize = 1000;
/// So few that an unoptimised build on a busy machine still reads what Redis answers in time.
const CONNECTIONS: usize = 16;
/// Rounds of which one must not lose Redis.
const ROUNDS: usize = 10;

/// `tries` chat completions with `token`, at most 16 at once, every other one through the other process.
async fn storm(cluster: &Cluster, token: &str, tries: usize) -> Vec<Response> {
    let mut clients =
        [0, 1].map(|process| Client::keeping_connections(cluster.client(process).base())).into_iter().cycle();
    let mut running = JoinSet::new();
    let mut answers = Vec::new();
    for _ in 0..tries {
        if running.len() == CONNECTIONS {
            answers.push(running.join_next().await.unwrap().unwrap());
        }
        let (client, token) = (clients.next().unwrap(), token.to_owned());
        running.spawn(async move { ask(&client, &token).await });
    }
    answers.extend(running.join_all().await);
    answers
}

/// What came of a storm under a limit of `limit` a minute: the ids of those admitted, and of those refused.
#[track_caller]
fn exactly(limit: usize, answers: &[Response]) -> (BTreeSet<String>, BTreeSet<String>) {
    let ids = |status: u16| {
        let those = answers.iter().filter(|answer| answer.status == status);
        those.map(|answer| answer.header("x-request-id").unwrap().to_owned()).collect::<BTreeSet<_>>()
    };
    let (admitted, refused) = (ids(200), ids(429));
    assert_eq!((admitted.len(), refused.len()), (limit, answers.len() - limit), "admitted and refused");
    let mut remaining = BTreeSet::new();
    for answer in answers {
        assert_eq!(number(answer, "x-ratelimit-limit-requests"), u64::try_from(limit).unwrap());
        let left = number(answer, "x-ratelimit-remaining-requests");
        let reset = number(answer, "x-ratelimit-reset-requests");
        assert!((1..=61).contains(&reset), "reset: {reset}");
        if answer.status == 200 {
            assert_eq!(answer.header("retry-after"), None);
            assert!(remaining.insert(left), "two were told that {left} remain");
        } else {
            assert_eq!(code(answer), "rate_limit_exceeded");
            assert_eq!((left, number(answer, "retry-after")), (0, reset));
        }
    }
    assert_eq!(remaining.into_iter().collect::<Vec<_>>(), (0..u64::try_from(limit).unwrap()).collect::<Vec<_>>());
    (admitted, refused)
}

#[tokio::test]
async fn a_thousand_tries_at_once_through_two_processes_admit_exactly_a_hundred() {
    let cluster = Cluster::of_two(&[("RATE_LIMIT_MINUTE", "100")]).await;
    // A machine too busy for Redis to answer in 50 ms makes the processes limit by themselves, and say so. Such a round
    // is about something else.
    for round in 0.. {
        assert!(round < ROUNDS, "Redis was lost in each of {round} rounds");
        cluster.redis_is("ok", Duration::from_secs(30)).await;
        let user = cluster.user(&format!("user{round}")).await;
        let (_, key) = cluster.api_key(&user, &json!({})).await;
        let (losses, sent) = (cluster.losses(), cluster.sent());
        let begun = Instant::now();
        let answers = storm(&cluster, &key, TRIES).await;
        let took = begun.elapsed();
        println!("round {round}: {TRIES} tries in {took:?}, Redis lost {} times", cluster.losses() - losses);
        if cluster.losses() > losses {
            continue;
        }
        assert!(took < Duration::from_secs(60), "{took:?} is no test of a minute");
        let (admitted, refused) = exactly(100, &answers);
        assert_eq!(cluster.sent() - sent, 100, "requests that reached the upstream");
        let session = cluster.client(0).bearer(&user.token);
        let rows = async || {
            let page = session.get("/manage/logs?limit=500").send().await.expect(200).json();
            let rows = page["data"].as_array().unwrap().clone();
            rows.iter().map(|row| row["request_id"].as_str().unwrap().to_owned()).collect::<BTreeSet<_>>()
        };
        within(Duration::from_secs(20), "all are in the log", async || rows().await.len() >= 100).await;
        assert_eq!(rows().await, admitted);
        for id in refused.iter().take(5) {
            session.get(&format!("/manage/logs/{id}")).send().await.expect(404);
        }
        return;
    }
}

#[tokio::test]
async fn a_users_own_limit_goes_before_the_servers_and_a_keys_own_holds_besides() {
    let cluster = Cluster::of_two(&[("RATE_LIMIT_MINUTE", "5")]).await;
    for round in 0.. {
        assert!(round < ROUNDS, "Redis was lost in each of {round} rounds");
        cluster.redis_is("ok", Duration::from_secs(30)).await;
        let user = cluster.user(&format!("user{round}")).await;
        cluster.command(&["users", "limit", &user.email, "--minute", "30"]);
        within(SEEN_WITHIN, "both processes know the limit", async || {
            let mut known = 0;
            for process in 0..2 {
                let me = cluster.client(process).bearer(&user.token).get("/auth/me").send().await.expect(200).json();
                known += usize::from(me["rate_limit_minute"] == 30);
            }
            known == 2
        })
        .await;
        let (_, narrow) = cluster.api_key(&user, &json!({"rate_limit_minute": 10})).await;
        let (_, wide) = cluster.api_key(&user, &json!({})).await;
        let losses = cluster.losses();
        let through_narrow = storm(&cluster, &narrow, 40).await;
        let through_wide = storm(&cluster, &wide, 40).await;
        if cluster.losses() > losses {
            continue;
        }
        exactly(10, &through_narrow);
        // What the key's own limit refused has not been counted for the user.
        let admitted = through_wide.iter().filter(|answer| answer.status == 200).count();
        assert_eq!(admitted, 20, "of the user's 30, 10 went through the other key");
        for answer in &through_wide {
            assert_eq!(number(answer, "x-ratelimit-limit-requests"), 30);
        }
        let said = |answers: &[Response], whose: &str| {
            let refused = answers.iter().find(|answer| answer.status == 429).unwrap();
            assert!(refused.text().contains(whose), "{}", refused.text());
        };
        said(&through_narrow, "this API key");
        said(&through_wide, "your account");
        return;
    }
}
