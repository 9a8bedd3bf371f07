//! PostgreSQL is away under load: no request fails, and soon after it is back every request has its row.

use std::time::{Duration, Instant};

use tokio::sync::watch;
use tt_testkit::database::TestDb;
use tt_testkit::{Program, World};

use crate::audit::Evidence;
use crate::link::{Link, State};
use crate::load::{Life, Load, Told};
use crate::rows;
use crate::setup::{Caller, KNOWN, caller, setup, start, stopped};
use crate::size;

/// Every request has its row within this time after the store is back.
const LEVEL: Duration = Duration::from_secs(10);

/// A database and a way to it.
pub(crate) async fn linked() -> (TestDb, Link, String) {
    let database = TestDb::postgres().await;
    let (scheme, rest) = database.url().split_once("://").unwrap();
    let (authority, path) = rest.split_once('/').unwrap();
    let (login, server) = authority.rsplit_once('@').map_or(("", authority), |(login, server)| (login, server));
    let link = Link::to(server).await;
    let url = format!("{scheme}://{login}@{}/{path}", link.address());
    (database, link, url)
}

#[tokio::test]
async fn no_request_fails_while_the_store_is_away_and_all_have_rows_soon_after() {
    let away = Duration::from_secs(size::number("TT_SOAK_SECONDS", 5));
    let clients = size::number("TT_SOAK_CLIENTS", 16);
    let seed = size::seed();
    let (_database, link, url) = linked().await;
    let world = stopped(setup().database_url(&url)).await;
    let program = start(&world).await;
    let user = caller(&program).await;
    let (lives, watched) = watch::channel(None);
    lives.send_replace(Some(Life { number: 0, address: program.address().to_owned() }));
    let mut told: Vec<Told> = Vec::new();
    for (state, away) in [(State::Cut, away), (State::Silent, away / 2)] {
        let load = Load::starting_at(told.len(), user.clone(), seed, watched.clone());
        let mut begun = load.begun.subscribe();
        let outage = async {
            begun.wait_for(|begun| *begun >= 50).await.unwrap();
            tokio::time::sleep(KNOWN).await;
            link.set(state);
            let before = *begun.borrow();
            tokio::time::sleep(away).await;
            let meanwhile = *begun.borrow() - before;
            load.stop();
            meanwhile
        };
        let (more, meanwhile) = tokio::join!(load.clients(clients), outage);
        link.set(State::Up);
        let back = Instant::now();
        told.extend(more);
        let level = level(&world, &program, &user, back).await;
        println!("seed {seed}: {state:?} for {away:?} with {meanwhile} requests meanwhile: level after {level:?}");
        assert!(meanwhile > 0, "nobody asked while the store was away");
        assert!(level < LEVEL, "the ledger was level after {level:?} only");
    }
    let (rows, seen) = user.settled(&program, &world).await;
    let verdict = Evidence { rows: &rows, seen: &seen, told: &told, kills: &[], may_refuse: false }.judge();
    println!("{verdict}");
    verdict.holds();
    assert_eq!(rows::usage(&user.session(&program)).await, rows::sum(&rows), "the sums are not those of the rows");
}

/// The time from `back` until there was a row for every request that reached the upstream.
async fn level(world: &World, program: &Program, user: &Caller, back: Instant) -> Duration {
    let mut asked: Vec<usize> = world.mock.requests().iter().map(crate::scenes::number).collect();
    asked.sort_unstable();
    asked.dedup();
    let session = user.session(program);
    loop {
        let answer = session.get("/manage/usage?group_by=alias").send().await;
        let groups = if answer.status == 200 { answer.json() } else { serde_json::Value::Null };
        let rows: u64 = groups.as_array().into_iter().flatten().map(|group| group["requests"].as_u64().unwrap()).sum();
        if rows >= asked.len() as u64 {
            return back.elapsed();
        }
        assert!(back.elapsed() < 6 * LEVEL, "{rows} rows of {}: {}", asked.len(), program.stderr());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
