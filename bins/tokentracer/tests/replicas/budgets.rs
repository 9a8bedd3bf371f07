//! Budgets that hold across processes through one Redis, also without Redis or with a dead process.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use tt_core::{NanoUsd, Provider, Usage};
use tt_testkit::client::Response;
use tt_testkit::world::{Backend, User, question, within};
use tt_testkit::{Behaviour, Client, World};

use crate::setup::{SEEN_WITHIN, alone, chat_user, two};

const MODEL: &str = "gpt-4o-mini";
const TRIES: usize = 500;
/// The number of questions that the budget has room for.
const ROOM: i64 = 10;
/// On a machine too busy for Redis to answer in 50 ms most requests may be refused unseen; in one of so many rounds not
/// all of them.
const ROUNDS: usize = 5;

/// The nano-dollars that are held for a question, at 150 a token of input and 600 a token of output.
fn held(body: &Value) -> i64 {
    let bytes = i64::try_from(serde_json::to_vec(body).unwrap().len()).unwrap();
    (bytes + 64) * 150 + 1_000 * 600
}

fn body() -> Value {
    let mut body = question("openai/gpt-4o-mini", "hello");
    body["max_tokens"] = json!(1_000);
    body["service_tier"] = json!("default");
    body
}

fn nano(amount: &Value) -> i64 {
    NanoUsd::parse(&amount.to_string()).unwrap_or_else(|_| panic!("no amount: {amount}")).0
}

/// Limit, spent and held of the user's own budget, as one process tells it; `None` while it cannot.
async fn used(client: &Client, token: &str) -> Option<(i64, i64, i64)> {
    let answer = client.get("/manage/budgets").bearer(token).send().await;
    match answer.status.as_u16() {
        503 => assert_eq!(answer.error_code(), "limits_unavailable"),
        429 => assert_eq!(answer.error_code(), "rate_limit_exceeded"),
        _ => return told(&answer.expect(200).json()),
    }
    None
}

fn told(shown: &Value) -> Option<(i64, i64, i64)> {
    (!shown["limit_usd"].is_null())
        .then(|| (nano(&shown["limit_usd"]), nano(&shown["spent_usd"]), nano(&shown["held_usd"])))
}

/// Sets the user's own budget, and waits until both processes go by it.
async fn budget(cluster: &World, user: &User, nano: i64) {
    let put = format!("{{\"limit_usd\":{},\"period\":\"total\"}}", NanoUsd(nano));
    within(Duration::from_secs(30), "a budget is set", async || {
        let call = cluster.client_of(0).put("/manage/budgets").bearer(&user.token).body(put.clone());
        call.send().await.status == 200
    })
    .await;
    within(Duration::from_secs(30), "every process knows the budget", async || {
        for process in 0..2 {
            if used(&cluster.client_of(process), &user.token).await.is_none_or(|(limit, ..)| limit != nano) {
                return false;
            }
        }
        true
    })
    .await;
}

async fn ask(client: &Client, token: &str) -> Response {
    client.post("/v1/chat/completions").bearer(token).json(&body()).send().await
}

/// The ids of the requests that have rows.
async fn rows(cluster: &World, user: &User) -> BTreeSet<String> {
    let page = cluster.client_of(0).get("/manage/logs?limit=500").bearer(&user.token).send().await.expect(200).json();
    page["data"].as_array().unwrap().iter().map(|row| row["request_id"].as_str().unwrap().to_owned()).collect()
}

/// Asks one process again and again what is used, until told to stop; the answers.
async fn poll(client: Client, token: String, stop: Arc<AtomicBool>) -> Vec<(i64, i64, i64)> {
    let mut answers = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        answers.extend(used(&client, &token).await);
        // A user may call each process 600 times a minute.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    answers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_at_once_never_hold_and_spend_more_than_a_budget_for_ten() {
    let cluster = two(&[]).await;
    let one = held(&body());
    // All that is held for it is what a request costs: with ten of them the budget is used up.
    let usage = Usage { input: u64::try_from(one - 600_000).unwrap() / 150, output: 1_000, ..Usage::default() };
    let cost = one;
    // Long enough that everybody has asked before anybody is answered, on a machine that is not too busy.
    cluster.mock.on(MODEL, Behaviour::ok().usage(usage).delay(Duration::from_secs(5)));
    for round in 0.. {
        assert!(round < ROUNDS, "Redis was away for most of {round} rounds");
        let user = chat_user(&cluster, &format!("user{round}")).await;
        let key = user.new_api_key(&json!({})).await.token;
        budget(&cluster, &user, ROOM * one).await;
        let (losses, sent) = (cluster.losses(), cluster.sent().len());
        let stop = Arc::new(AtomicBool::new(false));
        let mut polls = JoinSet::new();
        for process in 0..2 {
            polls.spawn(poll(cluster.client_of(process), user.token.clone(), Arc::clone(&stop)));
        }
        let clients = [0, 1].map(|process| Client::keeping_connections(cluster.client_of(process).base()));
        let mut running = JoinSet::new();
        for client in clients.iter().cycle().take(TRIES) {
            let (client, key) = (client.clone(), key.clone());
            running.spawn(async move { ask(&client, &key).await });
        }
        let answers = running.join_all().await;
        let answered: BTreeSet<String> = answers
            .iter()
            .filter(|answer| answer.status == 200)
            .map(|answer| answer.header("x-request-id").unwrap().to_owned())
            .collect();
        within(SEEN_WITHIN, "exactly the admitted have rows", async || rows(&cluster, &user).await == answered).await;
        stop.store(true, Ordering::Relaxed);
        let polled = polls.join_all().await.concat();

        let with = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
        let (admitted, refused, unavailable) = (with(200), with(429), with(503));
        let most = polled.iter().map(|(_, spent, held)| spent + held).max().unwrap();
        println!(
            "round {round}: {admitted} admitted, {refused} refused, {unavailable} unavailable; {} polls, at most {most} of {}",
            polled.len(),
            ROOM * one
        );
        // Even while Redis is lost, no more is admitted than the budget has room for.
        for (limit, spent, held) in &polled {
            assert!(spent + held <= *limit && *limit == ROOM * one, "{spent} spent and {held} held of {limit}");
        }
        assert_eq!(admitted + refused + unavailable, TRIES);
        assert_eq!(cluster.sent().len() - sent, admitted, "what was sent was admitted");
        let spent = i64::try_from(admitted).unwrap() * cost;
        within(SEEN_WITHIN, "both processes tell what was spent", async || {
            let told = [used(&cluster.client_of(0), &user.token).await, used(&cluster.client_of(1), &user.token).await];
            told == [Some((ROOM * one, spent, 0)); 2]
        })
        .await;
        if cluster.losses() == losses {
            assert_eq!(unavailable, 0);
            assert!(admitted >= usize::try_from(ROOM).unwrap(), "only {admitted} were admitted");
        }
        if admitted >= usize::try_from(ROOM).unwrap() {
            return;
        }
    }
}

#[tokio::test]
async fn a_dead_process_holds_until_its_journal_is_stored_or_an_operator_says_so() {
    let mut cluster = two(&[]).await;
    let user = chat_user(&cluster, "ann").await;
    let key = user.new_api_key(&json!({})).await.token;
    let one = held(&body());
    budget(&cluster, &user, 3 * one).await;
    cluster.mock.on(MODEL, Behaviour::ok().delay(Duration::from_secs(120)));
    let mut running = JoinSet::new();
    let ask_for_ever = |client: Client| client.post("/v1/chat/completions").bearer(&key).json(&body()).try_send();
    for _ in 0..2 {
        running.spawn(ask_for_ever(cluster.client_of(0)));
    }
    within(SEEN_WITHIN, "both are upstream", async || cluster.sent().len() == 2).await;
    for process in 0..2 {
        assert_eq!(used(&cluster.client_of(process), &user.token).await, Some((3 * one, 0, 2 * one)));
    }
    cluster.kill();
    assert_eq!(used(&cluster.client_of(1), &user.token).await, Some((3 * one, 0, 2 * one)), "dead, and still charged");

    // Its journal says what became of them: on the same volume, the next process stores it.
    let next = cluster.launch().start();
    within(Duration::from_secs(30), "what the dead process held is charged", async || {
        used(&cluster.client_of(1), &user.token).await == Some((3 * one, 2 * one, 0))
    })
    .await;
    let rows = cluster.client_of(1).get("/manage/logs").bearer(&user.token).send().await.expect(200).json();
    let outcomes: Vec<_> = rows["data"].as_array().unwrap().iter().map(|row| row["outcome"].clone()).collect();
    assert_eq!(outcomes, [json!("interrupted"), json!("interrupted")]);

    // Without its volume only an operator can say so, and not of a process that lives.
    running.spawn(ask_for_ever(next.client()));
    within(SEEN_WITHIN, "it is upstream", async || cluster.sent().len() == 3).await;
    cluster.command(&["budgets", "clear", &user.email]).expect(0);
    assert_eq!(used(&cluster.client_of(1), &user.token).await, Some((3 * one, 2 * one, one)), "of one that lives");
    drop(next);
    within(Duration::from_secs(30), "an operator has cleared it", async || {
        cluster.command(&["budgets", "clear", &user.email]).expect(0);
        used(&cluster.client_of(1), &user.token).await == Some((3 * one, 2 * one, 0))
    })
    .await;
}

#[tokio::test]
async fn who_hangs_up_pays_what_was_held() {
    let mut cluster = two(&[]).await;
    let user = chat_user(&cluster, "ann").await;
    let one = held(&body());
    budget(&cluster, &user, 4 * one + one / 2).await;
    cluster.mock.on(MODEL, Behaviour::ok().delay(Duration::from_secs(600)));
    let tell = async |process: usize| used(&cluster.client_of(process), &user.token).await;
    for n in 0..3 {
        let client = cluster.client_of(n);
        let call = client.post("/v1/chat/completions").bearer(&user.token).json(&body()).try_send();
        let mut running = JoinSet::new();
        running.spawn(call);
        within(SEEN_WITHIN, "it is upstream", async || cluster.sent().len() == n + 1).await;
        running.abort_all();
        let charged = i64::try_from(n + 1).unwrap() * one;
        for process in 0..2 {
            within(SEEN_WITHIN, "the hold is charged", async || {
                tell(process).await == Some((4 * one + one / 2, charged, 0))
            })
            .await;
        }
    }
    // The fourth runs when its process is killed, so that none of the other six has room.
    let call = cluster.client_of(0).post("/v1/chat/completions").bearer(&user.token).json(&body()).try_send();
    let mut running = JoinSet::new();
    running.spawn(call);
    within(SEEN_WITHIN, "it is upstream", async || cluster.sent().len() == 4).await;
    cluster.kill();
    assert!(running.join_next().await.unwrap().unwrap().is_err());
    for _ in 0..6 {
        ask(&cluster.client_of(1), &user.token).await.expect(429);
    }
    cluster.start_again();
    // Charges that it had stored and not yet posted count twice until they are looked into, a minute later.
    within(Duration::from_secs(150), "the hold of the dead process is charged", async || {
        used(&cluster.client_of(1), &user.token).await == Some((4 * one + one / 2, 4 * one, 0))
    })
    .await;
    for process in 0..2 {
        ask(&cluster.client_of(process), &user.token).await.expect(429);
    }
    assert_eq!(cluster.sent().len(), 4, "no more reached the provider than the budget pays for");
}

#[tokio::test]
async fn a_charge_whose_settlement_redis_never_heard_of_is_found_and_corrected() {
    let mut cluster = two(&[]).await;
    let user = chat_user(&cluster, "ann").await;
    let one = held(&body());
    budget(&cluster, &user, 10 * one).await;
    let cost = 1_000 * 150 + 1_000 * 600;
    cluster.mock.once(MODEL, Behaviour::ok().usage(Usage { input: 1_000, output: 1_000, ..Usage::default() }));
    ask(&cluster.client_of(1), &user.token).await.expect(200);
    cluster.mock.on(MODEL, Behaviour::ok().delay(Duration::from_secs(600)));
    let mut running = JoinSet::new();
    running.spawn(cluster.client_of(0).post("/v1/chat/completions").bearer(&user.token).json(&body()).try_send());
    within(SEEN_WITHIN, "it is upstream", async || cluster.sent().len() == 2).await;
    cluster.kill();
    // A process that knows nothing of the shared counters stores what the dead one left: as one that ended between
    // storing and saying so.
    let silent = cluster.launch().env("REDIS_URL", "").start();
    within(Duration::from_secs(30), "it has a row", async || {
        let logs = silent.client().get("/manage/logs").bearer(&user.token).send().await.expect(200).json();
        logs["data"].as_array().unwrap().len() == 2
    })
    .await;
    assert_eq!(used(&cluster.client_of(1), &user.token).await, Some((10 * one, cost, one)), "nobody has said so");
    // A charge is looked into when it is a minute old.
    within(Duration::from_secs(150), "the living process finds out", async || {
        used(&cluster.client_of(1), &user.token).await == Some((10 * one, cost + one, 0))
    })
    .await;
}

#[tokio::test]
async fn without_redis_budgets_are_refused_and_nothing_else() {
    let mut cluster = two(&[]).await;
    let (ann, bob) = (chat_user(&cluster, "ann").await, chat_user(&cluster, "bob").await);
    cluster.mock.on(MODEL, Behaviour::ok().usage(Usage { input: 1_000, output: 1_000, ..Usage::default() }));
    let one = held(&body());
    budget(&cluster, &ann, 100 * one).await;
    within(SEEN_WITHIN, "budgets work", async || ask(&cluster.client_of(1), &ann.token).await.status == 200).await;
    cluster.redis().kill();
    for process in 0..2 {
        let refused = ask(&cluster.client_of(process), &ann.token).await.expect(503);
        assert_eq!((refused.error_code().as_str(), refused.header("retry-after")), ("limits_unavailable", Some("1")));
        ask(&cluster.client_of(process), &bob.token).await.expect(200);
    }
    let wish = json!({"limit_usd": 1, "period": "total"});
    let set =
        cluster.client_of(0).put("/manage/budgets").bearer(&bob.token).json(&wish).send().await.expect(200).json();
    assert_eq!(
        (set["limit_usd"].to_string(), &set["spent_usd"], &set["held_usd"]),
        ("1".into(), &json!(null), &json!(null))
    );
    cluster.redis().restart();
    // It comes back empty: what was spent is read from the store again, and what runs is told by who runs it.
    within(Duration::from_secs(30), "budgets work again", async || {
        ask(&cluster.client_of(0), &ann.token).await.status == 200
    })
    .await;
    let spent = 2 * (1_000 * 150 + 1_000 * 600);
    within(SEEN_WITHIN, "all is known again", async || {
        used(&cluster.client_of(1), &ann.token).await == Some((100 * one, spent, 0))
    })
    .await;
}

#[tokio::test]
async fn on_postgres_without_redis_requests_under_a_budget_are_refused() {
    let world = alone().backend(Backend::Postgres).start().await;
    let user = world.sign_up("ann").await;
    user.add_provider_key(Provider::OpenAi).await;
    ask(&world.client(), &user.token).await.expect(200);
    let limited = user.new_api_key(&json!({"budget_usd": 5, "budget_period": "day"})).await;
    let refused = ask(&world.client(), &limited.token).await.expect(503);
    assert_eq!(refused.error_code(), "limits_unavailable");
    assert!(refused.text().contains("REDIS_URL"), "{}", refused.text());
    ask(&world.client(), &user.token).await.expect(200);
}
