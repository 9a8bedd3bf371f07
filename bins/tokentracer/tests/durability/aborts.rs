//! Clients that leave at random bytes: each has its row, its upstream is cancelled at once, and nothing is left behind.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tt_testkit::World;

use crate::audit::Evidence;
use crate::held::{Held, QUIET, gone};
use crate::load::{Life, Load, Told};
use crate::rows;
use crate::scenes;
use crate::setup::{backend, caller, start, world_on};
use crate::size;
use crate::wire::End;

/// An upstream is cancelled within this time of its client's leaving.
const AT_ONCE: Duration = Duration::from_secs(1);

#[tokio::test]
async fn clients_that_leave_at_any_byte_have_their_rows_and_hold_nothing() {
    let total = usize::try_from(size::number("TT_SOAK_ABORTS", 300)).unwrap();
    let clients = size::number("TT_SOAK_CLIENTS", 32);
    let seed = size::seed();
    let world = world_on(backend()).await;
    let program = start(&world).await;
    let user = caller(&program).await;
    let (lives, watched) = watch::channel(None);
    lives.send_replace(Some(Life { number: 0, address: program.address().to_owned() }));

    // Everything that is kept for later requests is there after this: pooled connections, threads, the tokenizer.
    let warm = Load::warming(total, user.clone(), seed, watched.clone());
    let warm_clients = 2 * clients;
    let warmed = warm.clients(warm_clients).await;
    let session = user.session(&program);
    assert!(rows::usage(&session).await.requests > 0);
    gone(&program).await;
    let before = Held::at_rest(&program, &world).await;

    let begun = Instant::now();
    let mut told = Load::leaving(user.clone(), seed, total, watched).clients(clients).await;
    let took = begun.elapsed();
    gone(&program).await;
    let until = Instant::now() + QUIET;
    let after = loop {
        let after = Held::by(&program, &world);
        if after.fits(&before, warm_clients) || Instant::now() > until {
            break after;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let (rows, seen) = user.settled(&program, &world).await;
    let late = cancelled_at_once(&told, &world);
    told.extend(warmed);
    let verdict = Evidence { rows: &rows, seen: &seen, told: &told, kills: &[], may_refuse: false }.judge();
    println!("seed {seed}: {total} aborts in {:.1} s: {verdict}", took.as_secs_f64());
    println!("upstream cancelled after at most {late:?}; held before {before:?}, after {after:?}");
    verdict.holds();
    assert!(late < AT_ONCE, "an upstream was cancelled after {late:?} only");
    assert!(after.fits(&before, warm_clients), "held before {before:?}, after {after:?}");
    assert!(verdict.of("rows cancelled") > total / 4, "hardly anybody left in time");
    assert_eq!(rows::usage(&session).await, rows::sum(&rows), "the sums are not those of the rows");
}

/// The longest time from a client's leaving to the end of its upstream's connection; each has ended.
fn cancelled_at_once(told: &[Told], world: &World) -> Duration {
    let left: HashMap<usize, &Told> = told.iter().map(|told| (told.number, told)).collect();
    let mut longest = Duration::ZERO;
    for seen in world.mock.requests() {
        let number = scenes::number(&seen);
        let Some(told) = left.get(&number) else { continue };
        assert!(seen.ended(), "an upstream is still answering: {told:?}");
        if let Some(after) = seen.cancelled_after {
            assert!(told.end == End::Left, "cancelled, and its client had not left: {told:?}");
            longest = longest.max((seen.arrived + after).saturating_duration_since(told.ended));
        }
    }
    longest
}
