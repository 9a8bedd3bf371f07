//! Clients that leave at random bytes: each has its row, its upstream is cancelled at once, and nothing is left behind.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tt_testkit::{Program, World};

use crate::audit::Evidence;
use crate::load::{Life, Load, Told};
use crate::rows;
use crate::scenes;
use crate::setup::{backend, caller, start, world_on};
use crate::size;
use crate::wire::End;

/// An upstream is cancelled within this time of its client's leaving.
const AT_ONCE: Duration = Duration::from_secs(1);
/// Everything that requests held is given back within this time of the last one's end.
const QUIET: Duration = Duration::from_secs(30);

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

/// Waits until no client's connection is left and every upstream's answer is over.
async fn gone(program: &Program) {
    let until = Instant::now() + QUIET;
    while client_connections(program) > 1 {
        assert!(Instant::now() < until, "{} connections of clients are left", client_connections(program));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Threads of the runtime's blocking pool that may have been started meanwhile; each ends after ten idle seconds.
const BLOCKING: usize = 4;

/// The files that the pool of the database may open meanwhile: 16 connections on PostgreSQL; on SQLite four readers, with two
/// files each. A leak of a file with each client that leaves would be many more.
const DATABASE: usize = 16;

/// The files, connections and threads of a process, as the system counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held {
    /// Open files and sockets, without the connections to providers.
    files: usize,
    /// Connections to providers. Some idle in the pool for the next requests.
    upstreams: usize,
    threads: usize,
}

impl Held {
    fn by(program: &Program, world: &World) -> Self {
        let count = |what| std::fs::read_dir(format!("/proc/{}/{what}", program.id())).unwrap().count();
        let upstreams = open_connections(|_, remote| remote == world.mock.address().port());
        Self { files: count("fd").saturating_sub(upstreams), upstreams, threads: count("task") }
    }

    /// The counts once they no longer change: a connection that closes between two counts would be in one of them only.
    async fn at_rest(program: &Program, world: &World) -> Self {
        let until = Instant::now() + QUIET;
        let mut held = Self::by(program, world);
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let later = Self::by(program, world);
            if later == held || Instant::now() > until {
                return later;
            }
            held = later;
        }
    }

    /// Little more than `before`, where nearly everything that is kept for later requests was there. The pools of connections
    /// to providers and to the database hold as many as were once in use at the same moment, which depends on the machine's
    /// speed: at most one for each of `clients`, and [`DATABASE`] files. Threads for what blocks come and go.
    fn fits(self, before: &Self, clients: u64) -> bool {
        let pooled = usize::try_from(clients).unwrap();
        let files = self.files <= before.files + DATABASE;
        files && self.upstreams <= pooled && self.threads <= before.threads + BLOCKING
    }
}

/// Connections of clients that the program has open; one is that of the test's session.
fn client_connections(program: &Program) -> usize {
    let port: u16 = program.address().rsplit_once(':').unwrap().1.parse().unwrap();
    open_connections(|local, _| local == port)
}

/// The ends of TCP connections of this machine that `counts` takes, by their local and their remote port, and that are
/// established or closed by the other end only.
fn open_connections(counts: impl Fn(u16, u16) -> bool) -> usize {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let port = |address: &str| u16::from_str_radix(address.rsplit_once(':').unwrap().1, 16).unwrap();
    let open = |line: &&str| {
        let mut fields = line.split_whitespace().skip(1);
        let (local, remote, state) = (fields.next().unwrap(), fields.next().unwrap(), fields.next().unwrap());
        matches!(state, "01" | "08") && counts(port(local), port(remote))
    };
    table.lines().skip(1).filter(open).count()
}
