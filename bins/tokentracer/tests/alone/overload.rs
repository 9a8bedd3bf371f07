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
/// second, and such refusals cost it a third of them. Optimised, 90 is the goal, and 80 to 92 % of 20,000 were seen: what so
/// many connections hold is no longer in the processor's caches, which costs a proxy that refuses nothing more than a quarter.
const LEAST: f64 = if cfg!(debug_assertions) { 50.0 } else { 90.0 };

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
        let overloaded = bench.overload(world.client(), Refusals::Wait).await;
        println!("ten times the connections: {overloaded}");
        assert!(overloaded.refusals > 0, "nothing was refused");
        assert!(overloaded.refused_within < REFUSED_WITHIN, "a refusal took {:?}", overloaded.refused_within);
        best = best.max(if overloaded.health.most_within <= HEALTH { overloaded.part } else { 0.0 });
        if best >= LEAST {
            break;
        }
    }
    let flooded = bench.overload(world.client(), Refusals::Again).await;
    println!("the same of clients that do not wait: {flooded}");
    let part = flooded.part;
    assert!(part >= LEAST_OF_FLOOD, "beside clients that do not wait {part:.0} % of the peak is served");
    assert!(best >= LEAST, "with ten times the load {best:.0} % of the peak is served, /health being answered");
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

/// The service under a load that is too much.
struct Overloaded {
    /// The part of the peak that was served, in hundredths.
    part: f64,
    /// The requests a second that are served at the peak.
    peak: f64,
    refusals: u64,
    /// The time within which 95 of a hundred refusals came.
    refused_within: Duration,
    health: Health,
}

impl std::fmt::Display for Overloaded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { part, peak, refusals, refused_within, health } = self;
        write!(
            f,
            "{part:.0} % of the peak of {peak:.0}/s, {refusals} refused, 95 % within {refused_within:?}; health 95 % within {:?}, \
             all within {:?}",
            health.most_within, health.longest
        )
    }
}

impl Bench {
    /// Measures the peak, and then ten times its connections while `client` asks for `/health`.
    async fn overload(&self, client: Client, refusals: Refusals) -> Overloaded {
        let peak = goodput(&self.load(CARRIED, Refusals::Wait).await);
        let (report, health) = tokio::join!(self.load(TOO_MANY, refusals), probe(client, WARM_UP + TIME));
        Overloaded {
            part: 100.0 * goodput(&report) / peak,
            peak,
            refusals: report.refusals.len(),
            refused_within: Duration::from_nanos(report.refusals.value_at_quantile(0.95)),
            health,
        }
    }

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
