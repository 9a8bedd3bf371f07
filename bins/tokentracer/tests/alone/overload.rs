//! Ten times the load that a process can carry: what is too much is refused soon, the rest is served as ever, and `/health`
//! answers throughout.

use std::time::{Duration, Instant};

use http::{HeaderValue, header};
use serde_json::Value;
use tt_testkit::Client;
use tt_testkit::load::{Api, End, Load, Refusals, Report, Sender};

use crate::ALONE;
use crate::setup::{alone, chat_user};

/// The connections that the process carries at its peak, and ten times as many.
const CARRIED: usize = 64;
const TOO_MANY: usize = 10 * CARRIED;

/// The lag from which on requests are refused: more than the process has at its peak, and less than so many connections
/// cause, all of which an optimised build serves within some 30 ms.
const LAG: &str = if cfg!(debug_assertions) { "60ms" } else { "6ms" };

const TIME: Duration = Duration::from_secs(3);
/// Refused requests pause for a second, so the first of them are not of the load that goes on.
const WARM_UP: Duration = Duration::from_millis(1500);

/// The part of the peak that is served under overload, in hundredths. Each of the connections comes back after a second, so
/// there are some 400 refusals a second whatever the build. Without optimisation the program serves about 1,000 requests a
/// second, and such refusals cost it a third of them. Optimised, it serves 80 to 92 % of 20,000: what so many connections hold
/// is no longer in the processor's caches, which costs a proxy that refuses nothing more than a quarter.
const LEAST: f64 = if cfg!(debug_assertions) { 50.0 } else { 75.0 };
/// The same beside clients that send a refused request again at once, without the pause that they are asked for. A refusal
/// costs a part of what an answer costs.
const LEAST_OF_FLOOD: f64 = if cfg!(debug_assertions) { 25.0 } else { 50.0 };
/// A busy machine may disturb a measurement, so the best of so many counts.
const TRIES: usize = 3;

/// The time within which `/health` answers, 95 times in a hundred: the threads of the load may hold all cores for longer.
const HEALTH: Duration = Duration::from_millis(50);
const REFUSED_WITHIN: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread")]
async fn past_what_it_can_carry_it_refuses_soon_and_serves_as_many_as_before() {
    let _alone = ALONE.lock().await;
    let world = alone().env("MAX_WORKER_LAG", LAG).start().await;
    let user = chat_user(&world, "ann").await;
    let key = user.new_api_key(&Value::Null).await.token;
    let bench = Bench { address: world.program().address().to_owned(), key };
    let mut best: f64 = 0.0;
    for _ in 0..TRIES {
        let peak = goodput(&bench.load(CARRIED, Refusals::Wait).await);
        let (overload, health) =
            tokio::join!(bench.load(TOO_MANY, Refusals::Wait), probe(world.client(), WARM_UP + TIME));
        let part = 100.0 * goodput(&overload) / peak;
        let refused = Duration::from_nanos(overload.refusals.value_at_quantile(0.95));
        println!(
            "peak {peak:.0}/s; with ten times the connections {part:.0} % of it, {} refused, 95 % within {refused:?}; health \
             95 % within {:?}, all within {:?}",
            overload.refusals.len(),
            health.most_within,
            health.longest,
        );
        assert!(!overload.refusals.is_empty(), "nothing was refused");
        assert!(refused < REFUSED_WITHIN, "a refusal took {refused:?}");
        best = best.max(if health.most_within <= HEALTH { part } else { 0.0 });
        if best >= LEAST {
            break;
        }
    }
    assert!(best >= LEAST, "with ten times the load {best:.0} % of the peak is served, /health being answered");
    let peak = goodput(&bench.load(CARRIED, Refusals::Wait).await);
    let (flood, health) = tokio::join!(bench.load(TOO_MANY, Refusals::Again), probe(world.client(), WARM_UP + TIME));
    let part = 100.0 * goodput(&flood) / peak;
    let refused = Duration::from_nanos(flood.refusals.value_at_quantile(0.95));
    println!(
        "clients that do not wait: {part:.0} % of {peak:.0}/s, {} refused, 95 % within {refused:?}; health 95 % within {:?}, all \
         within {:?}",
        flood.refusals.len(),
        health.most_within,
        health.longest,
    );
    assert!(part >= LEAST_OF_FLOOD, "beside clients that do not wait {part:.0} % of the peak is served");
    // Calls for accounts are served all the time, and calls of models again at once.
    user.session.get("/auth/me").send().await.expect(200);
    crate::setup::ask(&world.client(), &bench.key).await.expect(200);
}

/// Requests a second that were served.
fn goodput(report: &Report) -> f64 {
    report.latencies.len() as f64 / report.elapsed.as_secs_f64()
}

#[derive(Debug, Clone)]
struct Bench {
    address: String,
    key: String,
}

impl Bench {
    /// A load over so many connections.
    async fn load(&self, connections: usize, refusals: Refusals) -> Report {
        let Self { address, key } = self;
        let credential = HeaderValue::from_str(&format!("Bearer {key}")).unwrap();
        let load = Load {
            target: address.parse().unwrap(),
            senders: vec![Sender {
                credential: (header::AUTHORIZATION, credential),
                request: Api::Chat.request("chat", false, 300),
            }],
            refusals,
            connections,
            threads: 1,
            warm_up: WARM_UP,
            end: End::After(TIME),
        };
        tokio::task::spawn_blocking(|| load.run()).await.unwrap().unwrap()
    }
}

/// The times that `/health` took to answer.
struct Health {
    most_within: Duration,
    longest: Duration,
}

/// Asks for `/health` again and again, on a connection of its own each time, for so long.
async fn probe(client: Client, time: Duration) -> Health {
    let until = Instant::now() + time;
    let mut all = Vec::new();
    while Instant::now() < until {
        let begun = Instant::now();
        client.get("/health").send().await.expect(200);
        all.push(begun.elapsed());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    all.sort_unstable();
    let at = |part: usize| all[(all.len() * part / 100).min(all.len() - 1)];
    Health { most_within: at(95), longest: at(100) }
}
