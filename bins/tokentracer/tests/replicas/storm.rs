//! Many requests at once through two processes that share a limit, and checks of their answers.

use std::collections::BTreeSet;

use tokio::task::JoinSet;
use tt_testkit::Client;
use tt_testkit::client::Response;
use tt_testkit::world::World;

use crate::setup::ask;

/// `tries` chat completions with `token`, at most `connections` at once, every other one through the other process.
pub(crate) async fn storm(cluster: &World, token: &str, tries: usize, connections: usize) -> Vec<Response> {
    let mut clients =
        [0, 1].map(|process| Client::keeping_connections(cluster.client_of(process).base())).into_iter().cycle();
    let mut running = JoinSet::new();
    let mut answers = Vec::new();
    for _ in 0..tries {
        if running.len() == connections {
            answers.push(running.join_next().await.unwrap().unwrap());
        }
        let (client, token) = (clients.next().unwrap(), token.to_owned());
        running.spawn(async move { ask(&client, &token).await });
    }
    answers.extend(running.join_all().await);
    answers
}

/// Checks the answers of a storm under a limit of `limit` a minute; returns the ids of those admitted and refused.
#[track_caller]
pub(crate) fn exactly(limit: usize, answers: &[Response]) -> (BTreeSet<String>, BTreeSet<String>) {
    let ids = |status: u16| {
        let those = answers.iter().filter(|answer| answer.status == status);
        those.map(|answer| answer.header("x-request-id").unwrap().to_owned()).collect::<BTreeSet<_>>()
    };
    let (admitted, refused) = (ids(200), ids(429));
    assert_eq!((admitted.len(), refused.len()), (limit, answers.len() - limit), "admitted and refused");
    let mut remaining = BTreeSet::new();
    for answer in answers {
        assert_eq!(answer.number("x-ratelimit-limit-requests"), u64::try_from(limit).unwrap());
        let left = answer.number("x-ratelimit-remaining-requests");
        let reset = answer.number("x-ratelimit-reset-requests");
        assert!((1..=61).contains(&reset), "reset: {reset}");
        if answer.status == 200 {
            assert_eq!(answer.header("retry-after"), None);
            assert!(remaining.insert(left), "two were told that {left} remain");
        } else {
            assert_eq!(answer.error_code(), "rate_limit_exceeded");
            assert_eq!((left, answer.number("retry-after")), (0, reset));
        }
    }
    assert_eq!(remaining.into_iter().collect::<Vec<_>>(), (0..u64::try_from(limit).unwrap()).collect::<Vec<_>>());
    (admitted, refused)
}
