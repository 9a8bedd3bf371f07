//! Those who guess passwords: slowed down, told nothing, and unable to lock anybody out.

use std::time::{Duration, Instant};

use serde_json::json;
use tt_testkit::Client;
use tt_testkit::client::Response;

use crate::cluster::{Alone, PASSWORD, code, credentials, number};

/// The tests play other addresses through a proxy that is believed.
fn start() -> Alone {
    Alone::start(&[("TRUSTED_PROXIES", "127.0.0.1")])
}

async fn login(client: &Client, from: &str, email: &str, password: &str) -> Response {
    let body = json!({"email": email, "password": password});
    client.post("/auth/login").header("x-forwarded-for", from).json(&body).send().await
}

#[track_caller]
fn throttled(answer: &Response) {
    assert_eq!((answer.status.as_u16(), code(answer).as_str()), (429, "login_throttled"), "{}", answer.text());
    let wait = number(answer, "retry-after");
    assert!((1..=900).contains(&wait), "retry-after: {wait}");
}

#[tokio::test]
async fn the_eleventh_wrong_login_is_refused_and_a_known_address_is_not_locked_out() {
    let alone = start();
    let client = alone.program.client();
    for name in ["ann", "bob"] {
        client.post("/auth/signup").json(&credentials(&format!("{name}@example.org"))).send().await.expect(201);
    }
    let ann = "ann@example.org";
    let home = "198.51.100.1";
    login(&client, home, ann, PASSWORD).await.expect(200);
    for last in 1..=10 {
        let answer = login(&client, &format!("203.0.113.{last}"), ann, "wrong password").await.expect(401);
        assert_eq!(code(&answer), "invalid_credentials");
    }
    // From whatever other address, with the right password too: or else it could still be guessed.
    throttled(&login(&client, "203.0.113.11", ann, "wrong password").await);
    throttled(&login(&client, "203.0.113.12", " Ann@Example.org", "wrong password").await);
    throttled(&login(&client, "203.0.113.13", ann, PASSWORD).await);
    login(&client, "203.0.113.14", "bob@example.org", PASSWORD).await.expect(200);
    // The address that has signed in to the account before goes by its own failures only.
    for _ in 0..10 {
        login(&client, home, ann, "wrong password").await.expect(401);
    }
    throttled(&login(&client, home, ann, PASSWORD).await);
}

#[tokio::test]
async fn a_known_address_signs_in_while_others_guess() {
    let alone = start();
    let client = alone.program.client();
    client.post("/auth/signup").json(&credentials("ann@example.org")).send().await.expect(201);
    let home = "198.51.100.1";
    login(&client, home, "ann@example.org", PASSWORD).await.expect(200);
    for last in 1..=12 {
        login(&client, &format!("203.0.113.{last}"), "ann@example.org", "wrong password").await;
    }
    throttled(&login(&client, "203.0.113.99", "ann@example.org", PASSWORD).await);
    login(&client, home, "ann@example.org", PASSWORD).await.expect(200);
}

#[tokio::test]
async fn an_address_that_tries_many_accounts_is_slowed_down() {
    let alone = start();
    let client = alone.program.client();
    client.post("/auth/signup").json(&credentials("ann@example.org")).send().await.expect(201);
    for number in 0..10 {
        login(&client, "203.0.113.1", &format!("nobody{number}@example.org"), "wrong password").await.expect(401);
    }
    throttled(&login(&client, "203.0.113.1", "ann@example.org", PASSWORD).await);
    login(&client, "203.0.113.2", "ann@example.org", PASSWORD).await.expect(200);
}

#[tokio::test]
async fn what_no_trusted_proxy_says_about_addresses_is_not_believed() {
    let alone = Alone::start(&[]);
    let client = alone.program.client();
    for number in 0..10 {
        let from = format!("203.0.113.{number}");
        login(&client, &from, &format!("nobody{number}@example.org"), "wrong password").await.expect(401);
    }
    throttled(&login(&client, "203.0.113.99", "another@example.org", "wrong password").await);
}

/// Tries of each kind in a round, and those that one account may fail.
const TRIES: usize = 60;
const PER_ACCOUNT: usize = 6;

#[tokio::test]
async fn a_wrong_email_and_a_wrong_password_take_alike_and_look_alike() {
    let alone = start();
    let client = Client::keeping_connections(alone.program.url());
    let median = |times: &mut Vec<Duration>| {
        times.sort();
        *times.get(times.len() / 2).unwrap()
    };
    // A busy machine may spoil a round; an account that can be told from none spoils all.
    for round in 0..3 {
        for account in 0..TRIES / PER_ACCOUNT {
            let body = credentials(&format!("user{account}.{round}@example.org"));
            client.post("/auth/signup").json(&body).send().await.expect(201);
        }
        let (mut known, mut unknown) = (Vec::new(), Vec::new());
        for number in 0..TRIES {
            // An address of its own for every try of every round.
            let mut pair = [
                (
                    &mut known,
                    format!("user{}.{round}@example.org", number / PER_ACCOUNT),
                    format!("10.1.{round}.{number}"),
                ),
                (&mut unknown, format!("nope{number}.{round}@example.org"), format!("10.2.{round}.{number}")),
            ];
            // The one that goes first changes.
            if number % 2 == 1 {
                pair.reverse();
            }
            let mut texts = Vec::new();
            for (times, email, from) in pair {
                let begun = Instant::now();
                let answer = login(&client, &from, &email, "wrong password").await.expect(401);
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
        if known.abs_diff(unknown) * 4 < known.max(unknown) {
            return;
        }
    }
    panic!("the time tells whether there is such an account");
}
