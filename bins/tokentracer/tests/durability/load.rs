//! Many clients at once, each with its own connection, and the record of each client's requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::scenes::{self, Scene, Stay};
use crate::setup::Caller;
use crate::size::Random;
use crate::wire::{self, Answer, End, Leave, Wire};

/// A process is started and serves within this time.
const PATIENCE: Duration = Duration::from_secs(60);

/// A process that serves.
#[derive(Debug, Clone)]
pub(crate) struct Life {
    pub(crate) number: usize,
    pub(crate) address: String,
}

/// A request as its client saw it.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) number: usize,
    pub(crate) life: usize,
    pub(crate) scene: &'static Scene,
    pub(crate) stream: bool,
    pub(crate) started: Instant,
    pub(crate) ended: Instant,
    pub(crate) end: End,
    pub(crate) status: Option<u16>,
    /// The stream's `[DONE]`, or the whole of a plain answer.
    pub(crate) done: bool,
    /// Words of the model's that came in a stream.
    pub(crate) words: u64,
}

/// The load that clients share.
pub(crate) struct Load {
    pub(crate) user: Caller,
    pub(crate) seed: u64,
    pub(crate) lives: watch::Receiver<Option<Life>>,
    /// The number of requests that were begun.
    pub(crate) begun: watch::Sender<usize>,
    next: AtomicUsize,
    /// The number of requests that are to be made.
    total: AtomicUsize,
    /// True if every client leaves at some byte.
    all_leave: bool,
}

impl Load {
    pub(crate) fn new(user: Caller, seed: u64, total: usize, lives: watch::Receiver<Option<Life>>) -> Arc<Self> {
        Arc::new(Self::made(user, seed, total, lives, false))
    }

    /// A load without an end but [`Load::stop`], whose requests are counted from `first` on.
    pub(crate) fn starting_at(
        first: usize,
        user: Caller,
        seed: u64,
        lives: watch::Receiver<Option<Life>>,
    ) -> Arc<Self> {
        let load = Self::made(user, seed, usize::MAX, lives, false);
        load.next.store(first, Ordering::Relaxed);
        Arc::new(load)
    }

    /// A load of a few requests for each of many clients, counted from `first` on, of which few leave.
    pub(crate) fn warming(first: usize, user: Caller, seed: u64, lives: watch::Receiver<Option<Life>>) -> Arc<Self> {
        let load = Self::made(user, seed, first + 400, lives, false);
        load.next.store(first, Ordering::Relaxed);
        Arc::new(load)
    }

    /// A load of clients that all leave, at random bytes.
    pub(crate) fn leaving(user: Caller, seed: u64, total: usize, lives: watch::Receiver<Option<Life>>) -> Arc<Self> {
        Arc::new(Self::made(user, seed, total, lives, true))
    }

    /// As [`Load::leaving`], of requests that are counted from `first` on to `end`.
    pub(crate) fn leaving_from(
        first: usize,
        user: Caller,
        seed: u64,
        end: usize,
        lives: watch::Receiver<Option<Life>>,
    ) -> Arc<Self> {
        let load = Self::made(user, seed, end, lives, true);
        load.next.store(first, Ordering::Relaxed);
        Arc::new(load)
    }

    fn made(user: Caller, seed: u64, total: usize, lives: watch::Receiver<Option<Life>>, all_leave: bool) -> Self {
        let (next, total) = (AtomicUsize::new(0), AtomicUsize::new(total));
        Self { user, seed, lives, begun: watch::channel(0).0, next, total, all_leave }
    }

    pub(crate) fn total(&self) -> usize {
        self.total.load(Ordering::Relaxed)
    }

    /// No further requests are made.
    pub(crate) fn stop(&self) {
        self.total.store(0, Ordering::Relaxed);
    }

    /// So many clients at once, until enough requests were made.
    pub(crate) async fn clients(self: &Arc<Self>, count: u64) -> Vec<Told> {
        let mut tasks = JoinSet::new();
        for _ in 0..count {
            let load = Arc::clone(self);
            tasks.spawn(async move { load.client().await });
        }
        tasks.join_all().await.into_iter().flatten().collect()
    }

    async fn client(&self) -> Vec<Told> {
        let mut told = Vec::new();
        let mut lives = self.lives.clone();
        let mut connection: Option<(usize, Wire)> = None;
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.total() {
                return told;
            }
            let (life, mut wire) = open(&mut lives, connection.take()).await;
            self.begun.send_modify(|begun| *begun += 1);
            let (made, kept) = self.one(number, life, &mut wire).await;
            match made.end {
                End::Whole if kept => connection = Some((life, wire)),
                End::Whole | End::Lost => {}
                End::Left => wire.leave(number.is_multiple_of(2)),
            }
            told.push(made);
        }
    }

    /// One request, and whether its connection is good for another.
    async fn one(&self, number: usize, life: usize, wire: &mut Wire) -> (Told, bool) {
        let mut random = Random::new(self.seed, number as u64);
        let scene = if self.all_leave { scenes::slow(random.next()) } else { scenes::choose(random.next()) };
        let stream = scene.streams_only || random.below(2) == 0;
        let request =
            wire::chat(&self.user.api_key, scene.alias, &scenes::text(number), stream, &format!("n={number}"));
        let leave = match scene.stay {
            _ if self.all_leave => match random.below(4) {
                0 => Leave::Sent(1 + usize::try_from(random.below(request.len() as u64)).unwrap()),
                1 => Leave::After(Duration::from_millis(random.below(100))),
                // Up to the end and beyond: a plain answer is much shorter.
                _ => Leave::Received(1 + usize::try_from(random.below(if stream { 7000 } else { 1500 })).unwrap()),
            },
            Stay::ToTheEnd => Leave::Never,
            Stay::Never => Leave::After(Duration::from_millis(5 + random.below(100))),
            Stay::Mostly => match random.below(9) {
                0 => Leave::After(Duration::from_millis(random.below(60))),
                1 => Leave::Received(1 + usize::try_from(random.below(6000)).unwrap()),
                2 => Leave::Sent(1 + usize::try_from(random.below(request.len() as u64)).unwrap()),
                _ => Leave::Never,
            },
        };
        let started = Instant::now();
        let (end, answer) = wire.exchange(&request, leave).await;
        let ended = Instant::now();
        let Answer { status, .. } = answer;
        let done = end == End::Whole && (!stream || answer.is_done());
        let words = if stream { answer.words() } else { 0 };
        (Told { number, life, scene, stream, started, ended, end, status, done, words }, end == End::Whole)
    }
}

/// A connection to the process that serves, the one that is there if it leads to it.
async fn open(lives: &mut watch::Receiver<Option<Life>>, kept: Option<(usize, Wire)>) -> (usize, Wire) {
    let search = async {
        let mut kept = kept;
        loop {
            let life = lives.wait_for(Option::is_some).await.unwrap().clone().unwrap();
            if let Some((number, wire)) = kept.take()
                && number == life.number
            {
                return (number, wire);
            }
            if let Ok(wire) = Wire::open(&life.address).await {
                return (life.number, wire);
            }
            // It has just been killed; what comes after it is not there yet.
            drop(lives.wait_for(|now| now.as_ref().is_some_and(|now| now.number > life.number)).await);
        }
    };
    match tokio::time::timeout(PATIENCE, search).await {
        Ok(found) => found,
        Err(_) => panic!("nothing could be connected to within {PATIENCE:?}"),
    }
}
