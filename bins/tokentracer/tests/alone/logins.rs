//! The time that a refused login takes does not show whether the account exists.

use std::time::{Duration, Instant};

use serde_json::json;
use tt_testkit::Client;
use tt_testkit::client::Response;

use crate::ALONE;
use tt_testkit::world::credentials;

use crate::setup::alone;

/// Tries of each kind in a round, and those that one account may fail.
const TRIES: usize = 200;
const PER_ACCOUNT: usize = 8;

async fn login(client: &Client, from: &str, email: &str) -> Response {
    let body = json!({"email": email, "password": "wrong password"});
    client.post("/auth/login").header("x-forwarded-for", from).json(&body).send().await
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    *times.get(times.len() / 2).unwrap()
}

#[tokio::test]
async fn a_wrong_email_and_a_wrong_password_take_the_same_time_and_look_the_same() {
    let _alone = ALONE.lock().await;
    // The test is trusted as a proxy, so every try comes from an address of its own.
    let alone = alone().envs(&[("TRUSTED_PROXIES", "127.0.0.1")]).start().await;
    let client = Client::keeping_connections(alone.program().url());
    // A busy machine may spoil a round. A real difference spoils all of them.
    for round in 0..3 {
        for account in 0..TRIES / PER_ACCOUNT {
            let body = credentials(&format!("user{account}.{round}@example.org"));
            client.post("/auth/signup").json(&body).send().await.expect(201);
        }
        let (mut known, mut unknown) = (Vec::new(), Vec::new());
        for number in 0..TRIES {
            let known_email = format!("user{}.{round}@example.org", number / PER_ACCOUNT);
            let unknown_email = format!("nope{number}.{round}@example.org");
            let mut pair = [
                (&mut known, known_email, format!("10.1.{round}.{number}")),
                (&mut unknown, unknown_email, format!("10.2.{round}.{number}")),
            ];
            // The one that goes first changes.
            if number % 2 == 1 {
                pair.reverse();
            }
            let mut texts = Vec::new();
            for (times, email, from) in pair {
                let begun = Instant::now();
                let answer = login(&client, &from, &email).await.expect(401);
                times.push(begun.elapsed());
                let mut headers = answer.headers.clone();
                for own in ["x-request-id", "date"] {
                    headers.remove(own);
                }
                texts.push((headers, answer.text()));
            }
            assert!(texts.windows(2).all(|pair| pair.first() == pair.last()), "{texts:?}");
        }
        let (known, unknown) = (median(&mut known), median(&mut unknown));
        println!("round {round}: wrong password {known:?}, wrong email {unknown:?} (medians of {TRIES})");
        if known.abs_diff(unknown) * 10 < known.max(unknown) {
            return;
        }
    }
    panic!("the time of a refused login shows whether the account exists");
}
