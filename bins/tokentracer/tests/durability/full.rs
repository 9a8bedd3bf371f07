//! The journal without room: nothing is sent without a record, what runs still settles, and it comes back by itself.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tt_testkit::mock::Seen;
use tt_testkit::{Behaviour, Program, World};

use crate::audit::Evidence;
use crate::link::State;
use crate::load::Told;
use crate::scenes::{self, Scene};
use crate::setup::{BINARY, Caller, KNOWN, caller, setup, start, stopped};
use crate::size;
use crate::store_away::linked;
use crate::wire::{self, Answer, End, Leave, Wire};

/// Requests are taken again within this time after there is room.
const BACK: Duration = Duration::from_secs(5);
/// So many streams run when the room goes.
const RUNNING: usize = 8;
/// So many others press at once.
const AT_ONCE: usize = 8;
/// More requests than fit into what is left, and than are made while the streams run.
const MOST: usize = 10_000;

/// Takes the room away and gives it back.
trait Room {
    /// Called before each request: what was freed meanwhile is taken again.
    fn take(&mut self);
    fn give_back(&mut self);
}

/// Works everywhere: the journal may take a mebibyte, and the store takes nothing out of it.
#[tokio::test]
async fn at_its_limit_the_journal_refuses_and_recovers() {
    struct Away(crate::link::Link);
    impl Room for Away {
        fn take(&mut self) {
            self.0.set(State::Cut);
        }
        fn give_back(&mut self) {
            self.0.set(State::Up);
        }
    }
    let (_database, link, url) = linked().await;
    let world = stopped(setup().database_url(&url).env("MAX_JOURNAL_BYTES", "1048576")).await;
    let program = start(&world).await;
    refuses_and_recovers(&world, program, Away(link)).await;
}

/// Puts the journal on a disk of 4 MiB that something else fills. It needs a system that lets the test mount a disk.
#[tokio::test]
async fn on_a_full_disk_the_journal_refuses_and_recovers() {
    struct Disk {
        path: PathBuf,
        filler: Option<File>,
    }
    impl Room for Disk {
        fn take(&mut self) {
            let path = &self.path;
            let file = self.filler.get_or_insert_with(|| File::create(path).unwrap());
            for size in [64 << 10, 4 << 10, 1] {
                while file.write_all(&vec![1; size]).is_ok() {}
            }
        }
        fn give_back(&mut self) {
            self.filler = None;
            std::fs::remove_file(&self.path).unwrap();
        }
    }
    let mount = "mount -t tmpfs -o size=4m,mode=700 tmpfs \"$DATA_DIR\" && exec \"$@\"";
    let inside = |program: &str| {
        let words = ["--map-root-user", "--mount", "sh", "-c", mount, "sh", program];
        words.iter().fold(Program::launch("unshare"), |launch, word| launch.argument(word))
    };
    let probe = inside("true").output();
    if !probe.status.success() {
        let why = String::from_utf8_lossy(&probe.stderr).into_owned();
        assert!(size::number("TT_SOAK_TMPFS", 0) == 0, "no disk can be mounted here: {why}");
        println!("no disk can be mounted here, what is shown is the journal's limit alone: {why}");
        return;
    }
    let elsewhere = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}", elsewhere.path().join("tokentracer.db").display());
    // So that its segments, and the steps in which they take room, are small.
    let world = stopped(setup().database_url(&database).env("MAX_JOURNAL_BYTES", "4000000")).await;
    // The disk is mounted there.
    std::fs::create_dir(world.data_dir()).unwrap();
    let program = world.launch_by(inside(BINARY)).start();
    let root = PathBuf::from(format!("/proc/{}/root", program.id()));
    let path = root.join(world.data_dir().strip_prefix("/").unwrap()).join("filler");
    refuses_and_recovers(&world, program, Disk { path, filler: None }).await;
}

async fn refuses_and_recovers(world: &World, program: Program, mut room: impl Room) {
    let user = caller(&program).await;
    // Long enough to run when the room goes, and to end while there is none.
    let words = Behaviour::ok().text("one two three four five six seven eight").drip(Duration::from_millis(250));
    world.mock.on("gpt-4o", words);
    let mut told = Vec::new();
    // So that the process knows its caller, and goes on knowing them while the store is away.
    tokio::time::sleep(KNOWN).await;
    let first = ask(&user, &program, scenes::named("mini"), false, 0).await;
    assert_eq!(first.1.status, Some(200));
    told.push(first.0);
    let mut streams = JoinSet::new();
    for number in 1..=RUNNING {
        let (user, address) = (user.clone(), program.address().to_owned());
        streams.spawn(async move { ask_at(&user, &address, scenes::named("slow"), true, number).await });
    }
    let running = streams.join_all();
    let pressing = async {
        world.mock.wait_for(|seen| scenes::number(seen) == RUNNING).await;
        let mut pressed = Vec::new();
        let mut refused = 0;
        for first in (RUNNING + 1..MOST).step_by(AT_ONCE) {
            room.take();
            let mut batch = JoinSet::new();
            for number in first..first + AT_ONCE {
                let (user, address) = (user.clone(), program.address().to_owned());
                let stream = number.is_multiple_of(2);
                batch.spawn(async move { ask_at(&user, &address, scenes::named("mini"), stream, number).await });
            }
            for (told, answer) in batch.join_all().await {
                if told.status == Some(503) {
                    let body = String::from_utf8_lossy(&answer.body);
                    assert!(body.contains("ledger_unavailable"), "{body}");
                    assert!(answer.head.contains("\r\nretry-after:"), "{}", answer.head);
                    refused += 1;
                }
                pressed.push(told);
            }
            let over = |seen: &&Seen| seen.completed && (1..=RUNNING).contains(&scenes::number(seen));
            if refused > 20 && world.mock.requests().iter().filter(over).count() == RUNNING {
                break;
            }
        }
        (pressed, refused)
    };
    let (ran, (pressed, refused)) = tokio::join!(running, pressing);
    assert!(ran.iter().all(|(told, _)| told.done), "a running stream did not come to its end: {ran:?}");
    assert!(refused > 20, "there was always room");
    told.extend(ran.into_iter().map(|(told, _)| told));
    told.extend(pressed);

    room.give_back();
    let free = Instant::now();
    loop {
        let (one, _) = ask(&user, &program, scenes::named("mini"), true, told.len()).await;
        let served = one.status == Some(200);
        told.push(one);
        if served {
            break;
        }
        assert!(free.elapsed() < BACK, "it did not come back: {}", program.stderr());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("{refused} refused, back after {:?}", free.elapsed());
    let (rows, seen) = user.settled(&program, world).await;
    let verdict = Evidence { rows: &rows, seen: &seen, told: &told, kills: &[], may_refuse: true }.judge();
    println!("{verdict}");
    verdict.holds();
}

async fn ask(user: &Caller, program: &Program, scene: &'static Scene, stream: bool, number: usize) -> (Told, Answer) {
    ask_at(user, program.address(), scene, stream, number).await
}

async fn ask_at(user: &Caller, address: &str, scene: &'static Scene, stream: bool, number: usize) -> (Told, Answer) {
    let request = wire::chat(&user.api_key, scene.alias, &scenes::text(number), stream, &format!("n={number}"));
    let started = Instant::now();
    let mut wire = Wire::open(address).await.unwrap();
    let (end, answer) = wire.exchange(&request, Leave::Never).await;
    let done = end == End::Whole && (!stream || answer.is_done());
    let (status, words) = (answer.status, if stream { answer.words() } else { 0 });
    let ended = Instant::now();
    (Told { number, life: 0, scene, stream, started, ended, end, status, done, words }, answer)
}
