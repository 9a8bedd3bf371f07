//! The metrics equal the ledger after a mixed load: requests, attempts, tokens and money, to the last one. After a kill,
//! the next process counts the requests that were interrupted.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinSet;
use tt_testkit::exposition::Exposition;
use tt_testkit::world::within;
use tt_testkit::{Program, World};

use crate::load::{Life, Load};
use crate::rows::{self, Row, Sum};
use crate::scenes;
use crate::setup::{Caller, backend, caller, journals, start, world_on};
use crate::size;
use crate::wire::{self, Leave, Wire};

/// Every request of the load is stored within this time of the end of the load.
const SETTLED: Duration = Duration::from_secs(60);

/// The requests that run when the process is killed.
const RUNNING: usize = 12;

async fn scrape(program: &Program) -> Exposition {
    Exposition::parse(&program.client().get("/metrics").send().await.expect(200).text())
}

/// The rows and the metrics, once no request is under way and none waits to be stored.
async fn at_rest(user: &Caller, program: &Program, world: &World) -> (Vec<Row>, Exposition) {
    let until = Instant::now() + SETTLED;
    loop {
        let (rows, _) = user.settled(program, world).await;
        let read = scrape(program).await;
        let is_all =
            usize::try_from(read.sum("tokentracer_requests_total", &[])).is_ok_and(|count| count == rows.len());
        if (is_all && read.sum("tokentracer_in_flight_requests", &[]) == 0) || Instant::now() > until {
            return (rows, read);
        }
    }
}

fn counted(read: &Exposition) -> Sum {
    let tokens = |class: &str| u64::try_from(read.sum("tokentracer_tokens_total", &[("class", class)])).unwrap();
    let written = ["5m", "30m", "1h", "12h"].iter().map(|term| tokens(&format!("cache_write_{term}"))).sum();
    let (cached, reasoning) = (tokens("cache_read"), tokens("reasoning"));
    Sum {
        requests: u64::try_from(read.sum("tokentracer_requests_total", &[])).unwrap(),
        tokens: rows::Tokens {
            input: tokens("input") + cached + written,
            cached,
            written,
            output: tokens("output") + reasoning,
            reasoning,
        },
        nanos: read.nanos("tokentracer_cost_usd_total", &[]),
    }
}

/// The number of rows by alias, model and outcome, as the metrics name them.
fn by_target(rows: &[Row]) -> BTreeMap<[String; 3], i64> {
    let mut counts = BTreeMap::new();
    for row in rows {
        let model = row.model.clone().unwrap_or_else(|| "none".to_owned());
        *counts.entry([row.alias.clone(), model, row.outcome.clone()]).or_default() += 1;
    }
    counts
}

#[tokio::test]
async fn metrics_equal_the_ledger_after_a_mixed_load_and_the_next_process_counts_what_was_interrupted() {
    let total = usize::try_from(size::number("TT_SOAK_REQUESTS", 400)).unwrap();
    let clients = size::number("TT_SOAK_CLIENTS", 32);
    let seed = size::seed();
    let world = world_on(backend()).await;
    let mut program = start(&world).await;
    let user = caller(&program).await;
    let (lives, watched) = watch::channel(None);
    lives.send_replace(Some(Life { number: 0, address: program.address().to_owned() }));
    let mixed = Load::new(user.clone(), seed, total, watched.clone());
    // Beside it, clients that all leave, at any byte.
    let (leaving, mut left) = (total..total + total / 4, Vec::new());
    let leave = Load::leaving_from(leaving.start, user.clone(), seed, leaving.end, watched);
    let (told, gone) = tokio::join!(mixed.clients(clients), leave.clients(clients / 4));
    left.extend(gone);
    assert_eq!(told.len() + left.len(), leaving.end);

    let (all, read) = at_rest(&user, &program, &world).await;
    assert_eq!(counted(&read), rows::sum(&all), "seed {seed}");
    assert_eq!(counted(&read), rows::usage(&user.session(&program)).await, "seed {seed}");
    let attempts: usize = all.iter().map(|row| row.attempts).sum();
    assert_eq!(read.sum("tokentracer_attempts_total", &[]), i64::try_from(attempts).unwrap());
    for ([alias, model, outcome], count) in by_target(&all) {
        let labels = [("alias", alias.as_str()), ("model", model.as_str()), ("outcome", outcome.as_str())];
        assert_eq!(read.sum("tokentracer_requests_total", &labels), count, "{labels:?}, seed {seed}");
    }
    for outcome in ["ok", "error", "cancelled"] {
        assert!(read.sum("tokentracer_requests_total", &[("outcome", outcome)]) > 0, "nothing came of: {outcome}");
    }
    for source in ["unknown_usage", "interrupted"] {
        let rows = all.iter().filter(|row| match source {
            "interrupted" => row.outcome == source,
            _ => row.source == "unknown",
        });
        let counted = read.sum("tokentracer_ledger_gaps", &[("kind", source)]);
        assert_eq!(counted, i64::try_from(rows.count()).unwrap(), "{source}");
    }

    interrupt(&user, &mut program, &world, leaving.end).await;
    let next = start(&world).await;
    within(SETTLED, "the journal of the killed process is stored", async || journals(&world).len() <= 1).await;
    let (after, _) = user.settled(&next, &world).await;
    let interrupted = after.iter().filter(|row| row.outcome == "interrupted").count();
    assert_eq!((interrupted, after.len()), (RUNNING, all.len() + RUNNING));
    let read = scrape(&next).await;
    let running = i64::try_from(RUNNING).unwrap();
    assert_eq!(read.sum("tokentracer_requests_total", &[]), running, "what the killed process counted, it took along");
    let labels = [("outcome", "interrupted"), ("alias", "mute"), ("model", "gemini-2.5-flash-lite")];
    assert_eq!(read.sum("tokentracer_requests_total", &labels), running);
    assert_eq!(read.sum("tokentracer_ledger_gaps", &[("kind", "interrupted")]), running);
    assert_eq!(read.sum("tokentracer_request_duration_seconds_count", &[]), 0, "nobody knows how long they took");
}

/// Kills the process while requests run that no provider answers.
async fn interrupt(user: &Caller, program: &mut Program, world: &World, first: usize) {
    let mut running = JoinSet::new();
    for number in first..first + RUNNING {
        let (address, api_key) = (program.address().to_owned(), user.api_key.clone());
        running.spawn(async move {
            let request = wire::chat(&api_key, "mute", &scenes::text(number), false, &format!("n={number}"));
            Wire::open(&address).await.unwrap().exchange(&request, Leave::Never).await
        });
    }
    let asked = || world.mock.requests().iter().filter(|seen| scenes::number(seen) >= first).count();
    within(SETTLED, "every request has reached the provider", async || asked() == RUNNING).await;
    program.kill();
    running.join_all().await;
}
