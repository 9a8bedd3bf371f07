//! A mixed load for long: memory, files and threads stay as they are, and the ledger holds what the upstream served.

use std::time::{Duration, Instant};

use tokio::sync::watch;
use tt_testkit::{Program, World};

use crate::audit::Evidence;
use crate::held::{Held, gone};
use crate::load::{Life, Load};
use crate::rows;
use crate::setup::{backend, caller, journals, start, world_on};
use crate::size;

/// The time between two looks at the process.
const LOOK: Duration = Duration::from_millis(250);

/// The memory that may be added from one third of the time to the next, beside a fiftieth of what there is: pages of the
/// allocator and of the database come and go.
const MORE_KIB: u64 = 6 * 1024;

#[tokio::test]
async fn under_a_mixed_load_memory_files_and_threads_stay_flat_and_the_ledger_is_exact() {
    let time = Duration::from_secs(size::number("TT_SOAK_SECONDS", 20));
    // Few, so that half an hour's rows can be read and judged in the end.
    let clients = size::number("TT_SOAK_CLIENTS", 6);
    let seed = size::seed();
    let world = world_on(backend()).await;
    let program = start(&world).await;
    let user = caller(&program).await;
    let (lives, watched) = watch::channel(None);
    lives.send_replace(Some(Life { number: 0, address: program.address().to_owned() }));
    let load = Load::starting_at(0, user.clone(), seed, watched);
    let watching = async {
        let (mut looks, until) = (Vec::new(), Instant::now() + time);
        while Instant::now() < until {
            tokio::time::sleep(LOOK).await;
            looks.push(Look::at(&program, &world));
        }
        load.stop();
        looks
    };
    let (told, looks) = tokio::join!(load.clients(clients), watching);
    gone(&program).await;

    let (rows, seen) = user.settled(&program, &world).await;
    let verdict = Evidence { rows: &rows, seen: &seen, told: &told, kills: &[], may_refuse: false }.judge();
    let thirds = Thirds::of(&looks);
    println!("seed {seed}: {} requests in {} s: {verdict}", told.len(), time.as_secs());
    println!("medians of each third of the time: {thirds:?}");
    verdict.holds();
    assert_eq!(rows::usage(&user.session(&program)).await, rows::sum(&rows), "the sums are not those of the rows");
    for what in ["rows ok", "rows cancelled", "rows of broken streams", "rows refused"] {
        assert!(verdict.of(what) > 0, "nothing came of: {what}");
    }
    thirds.are_flat();
    assert_eq!(journals(&world).len(), 1);
    let log = program.stderr();
    assert!(!log.contains("ERROR") && !log.contains("panicked"), "{log}");
}

/// The resources that the process held at one time.
#[derive(Debug, Clone, Copy)]
struct Look {
    kib: u64,
    held: Held,
}

impl Look {
    fn at(program: &Program, world: &World) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{}/status", program.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let kib = line.trim().trim_end_matches("kB").trim().parse().unwrap();
        Self { kib, held: Held::by(program, world) }
    }
}

/// The medians of each third of the time: resident KiB, files, threads.
#[derive(Debug)]
struct Thirds([[u64; 3]; 3]);

impl Thirds {
    fn of(looks: &[Look]) -> Self {
        let third = looks.len() / 3;
        assert!(third >= 10, "only {} looks", looks.len());
        let medians = |part: &[Look]| {
            let median = |of: fn(&Look) -> u64| {
                let mut all: Vec<u64> = part.iter().map(of).collect();
                all.sort_unstable();
                all[all.len() / 2]
            };
            [median(|look| look.kib), median(|look| look.held.files as u64), median(|look| look.held.threads as u64)]
        };
        Self([0, 1, 2].map(|part| medians(&looks[part * third..(part + 1) * third])))
    }

    /// Fails if the last third holds more than the one before. In the first, pools and caches fill.
    #[track_caller]
    fn are_flat(&self) {
        let Self([_, [kib, files, threads], [last_kib, last_files, last_threads]]) = self;
        assert!(*last_kib <= kib + kib / 50 + MORE_KIB, "memory grows: {self:?}");
        assert!(*last_files <= files + 8, "files grow: {self:?}");
        assert!(*last_threads <= threads + 2, "threads grow: {self:?}");
    }
}
