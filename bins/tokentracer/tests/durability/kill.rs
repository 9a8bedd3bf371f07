//! Kill -9 at random moments: what the ledger holds in the end is what the upstream served, once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tt_testkit::{Program, World};

use crate::audit::{Evidence, Kill};
use crate::load::{Life, Load};
use crate::rows;
use crate::setup::{backend, caller, journals, start, world_on};
use crate::size::{self, Random};

/// The dead processes' journals are stored within this time.
const REPLAYED: Duration = Duration::from_secs(60);

#[tokio::test]
async fn killed_at_random_moments_the_ledger_holds_each_request_once() {
    let total = usize::try_from(size::number("TT_SOAK_REQUESTS", 1500)).unwrap();
    let kills = usize::try_from(size::number("TT_SOAK_KILLS", 3)).unwrap();
    let clients = size::number("TT_SOAK_CLIENTS", 64);
    let seed = size::seed();
    let world = world_on(backend()).await;
    let first = start(&world).await;
    let user = caller(&first).await;
    let (lives, watched) = watch::channel(None);
    let load = Load::new(user.clone(), seed, total, watched);
    let begun = Instant::now();
    let (told, (last, killed)) = tokio::join!(load.clients(clients), live_and_die(&world, first, &load, &lives, kills));
    let took = begun.elapsed();

    let until = Instant::now() + REPLAYED;
    while journals(&world).len() > 1 {
        assert!(Instant::now() < until, "dead journals are left: {:?}: {}", journals(&world), last.stderr());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (rows, seen) = user.settled(&last, &world).await;
    let verdict = Evidence { rows: &rows, seen: &seen, told: &told, kills: &killed, may_refuse: false }.judge();
    println!("seed {seed}: {total} requests in {:.1} s: {verdict}", took.as_secs_f64());
    verdict.holds();
    assert_eq!(told.len(), total);
    assert_eq!(rows::usage(&user.session(&last)).await, rows::sum(&rows), "the sums are not those of the rows");
    for what in ["rows ok", "rows cancelled", "rows of broken streams", "rows refused", "clients cut off"] {
        assert!(verdict.of(what) > 0, "nothing came of: {what}");
    }
    let log = last.stderr();
    assert!(!log.contains("ERROR") && !log.contains("panicked"), "{log}");
}

/// Starts a process after the other on the same data and kills each in the midst of its work, but for the last.
async fn live_and_die(
    world: &World,
    first: Program,
    load: &Arc<Load>,
    lives: &watch::Sender<Option<Life>>,
    kills: usize,
) -> (Program, Vec<Kill>) {
    let (mut random, mut killed) = (Random::new(load.seed, u64::MAX), Vec::new());
    let (mut program, mut begun) = (first, load.begun.subscribe());
    // Once for each part of the requests, somewhere within it.
    let part = (load.total() / (kills + 1)) as u64;
    for number in 0..=kills {
        lives.send_replace(Some(Life { number, address: program.address().to_owned() }));
        if number == kills {
            break;
        }
        let at = usize::try_from(number as u64 * part + random.below(part)).unwrap();
        begun.wait_for(|begun| *begun >= at).await.unwrap();
        tokio::time::sleep(Duration::from_micros(random.below(30_000))).await;
        let log = program.stderr();
        assert!(!log.contains("ERROR") && !log.contains("panicked"), "{log}");
        let launch = world.launch();
        let (kill, next) = spawn_blocking(move || {
            let from = Instant::now();
            program.kill();
            (Kill { from, to: Instant::now() }, launch.start())
        })
        .await
        .unwrap();
        killed.push(kill);
        program = next;
    }
    (program, killed)
}
