//! Redis is killed, hangs, is cut off and comes back. The timeout of 50 ms is the real one here.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use deadpool_redis::redis::{Client, cmd};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata};
use tt_core::limits::{Decision, Rule};
use tt_core::{Timestamp, UserId};
use tt_testkit::redis::RedisServer;

use super::harness::{MIDNIGHT, admitted, config, patient, runtime, user_day, user_minute};
use crate::{LimitWorker, Limiter, RedisConfig, RedisState, WithoutRedis};

const NOW: Timestamp = Timestamp::from_millis(MIDNIGHT);

/// The longest a request may wait: the timeout, and what a busy machine adds.
const ONE_WAIT: Duration = Duration::from_millis(50 + 200);

/// Runs `check` on a small runtime of its own, with the limiter that `config` describes.
fn with_limiter(config: RedisConfig, check: impl AsyncFnOnce(&Limiter, LimitWorker)) {
    let runtime = runtime();
    runtime.block_on(async {
        let limiter = Limiter::redis(config, runtime.handle().clone());
        let worker = limiter.worker().await;
        check(&limiter, worker).await;
    });
}

async fn timed(worker: &LimitWorker, rules: &[Rule]) -> (Decision, Duration) {
    let began = Instant::now();
    let decision = worker.check(rules, NOW).await;
    (decision, began.elapsed())
}

/// A hundred checks take less time than two waits of 50 ms would.
async fn a_hundred_are_fast(worker: &LimitWorker) {
    let began = Instant::now();
    for _ in 0..100 {
        worker.check(&[user_minute(UserId(99), 10_000)], NOW).await;
    }
    assert!(began.elapsed() < ONE_WAIT, "100 checks took {:?}", began.elapsed());
}

/// Waits until two processes count in the same place, so that what one admits is missing for the other.
async fn shares_within_two_seconds(server: &RedisServer, worker: &LimitWorker) {
    static USERS: AtomicI64 = AtomicI64::new(1000);
    let began = Instant::now();
    let other = Limiter::redis(patient(server), Handle::current()).worker().await;
    loop {
        let rules = [user_minute(UserId(USERS.fetch_add(1, Ordering::Relaxed)), 2)];
        let mut admits = Vec::new();
        for one in [worker, &other, worker] {
            admits.push(admitted(&one.check(&rules, NOW).await));
        }
        if admits == [true, true, false] {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(2), "they do not share");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until `limiter` has told a Redis other than `before` all that it admitted; returns which.
async fn told_another(limiter: &Limiter, before: Option<u64>) -> Option<u64> {
    let began = Instant::now();
    loop {
        let told = limiter.told().await;
        if told.is_some() && told != before {
            return told;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "Redis is not told");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[test]
fn killed_the_process_limits_by_itself_and_shares_again_once_it_is_back() {
    let mut server = RedisServer::start();
    with_limiter(config(&server), async |limiter, worker| {
        shares_within_two_seconds(&server, &worker).await;
        let rules = [user_minute(UserId(2), 5), user_day(UserId(2), 9)];
        assert!(admitted(&worker.check(&rules, NOW).await));
        assert_eq!(limiter.redis_state(), RedisState::Up);

        server.kill();
        let (decision, took) = timed(&worker, &rules).await;
        assert!(admitted(&decision) && took < ONE_WAIT, "{decision:?} after {took:?}");
        assert_eq!(limiter.redis_state(), RedisState::Down);
        a_hundred_are_fast(&worker).await;
        let mut admits = 2;
        for _ in 0..10 {
            admits += usize::from(admitted(&worker.check(&rules, NOW).await));
        }
        assert_eq!(admits, 5, "what Redis admitted counts too");

        server.restart();
        shares_within_two_seconds(&server, &worker).await;
    });
}

#[test]
fn restarted_within_the_minute_it_admits_nothing_twice() {
    for config in [config, patient] {
        let mut server = RedisServer::start();
        with_limiter(config(&server).waiting(Duration::from_secs(1)), async |limiter, worker| {
            let rules = [user_minute(UserId(1), 30), user_day(UserId(1), 1000)];
            for _ in 0..30 {
                assert!(admitted(&worker.check(&rules, NOW).await));
            }
            server.kill();
            server.restart();
            let (began, mut tries) = (Instant::now(), 0);
            while tries < 100 || limiter.redis_state() != RedisState::Up || began.elapsed() < Duration::from_secs(2) {
                tries += 1;
                assert!(!admitted(&worker.check(&rules, NOW).await), "after {:?}", began.elapsed());
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
    }
}

#[test]
fn restarted_it_learns_what_each_process_has_admitted() {
    let mut server = RedisServer::start();
    with_limiter(patient(&server), async |limiter, worker| {
        let other = Limiter::redis(patient(&server), Handle::current());
        let second = other.worker().await;
        let rules = [user_minute(UserId(1), 30)];
        for _ in 0..15 {
            assert!(admitted(&worker.check(&rules, NOW).await) && admitted(&second.check(&rules, NOW).await));
        }
        // Both have seen this Redis before it is lost.
        let (known, other_known) = (told_another(limiter, None).await, told_another(&other, None).await);
        server.kill();
        server.restart();
        // No request is sent meanwhile: the limiters find out by themselves.
        told_another(limiter, known).await;
        told_another(&other, other_known).await;
        assert_eq!((limiter.redis_state(), other.redis_state()), (RedisState::Up, RedisState::Up));
        assert!(limiter.redis_recoveries() > 0 && other.redis_recoveries() > 0);
        for one in [&worker, &second, &worker] {
            assert!(!admitted(&one.check(&rules, NOW).await));
        }
        let third = Limiter::redis(patient(&server), Handle::current()).worker().await;
        assert!(!admitted(&third.check(&rules, NOW).await), "one that has admitted nothing refuses too");
    });
}

#[test]
fn emptied_while_it_serves_it_learns_what_was_admitted_before() {
    let server = RedisServer::start();
    with_limiter(patient(&server), async |limiter, worker| {
        let rules = [user_minute(UserId(1), 30)];
        for _ in 0..30 {
            assert!(admitted(&worker.check(&rules, NOW).await));
        }
        let known = told_another(limiter, None).await;
        let mut redis = Client::open(server.url()).unwrap().get_connection().unwrap();
        let () = cmd("FLUSHALL").query(&mut redis).unwrap();
        told_another(limiter, known).await;
        let other = Limiter::redis(patient(&server), Handle::current()).worker().await;
        assert!(!admitted(&other.check(&rules, NOW).await));
    });
}

#[test]
fn hung_costs_one_wait_and_it_is_shared_again_once_it_runs_on() {
    let server = RedisServer::start();
    with_limiter(config(&server), async |limiter, worker| {
        let rules = [user_minute(UserId(2), 3)];
        assert!(admitted(&worker.check(&rules, NOW).await));

        server.pause();
        let (decision, took) = timed(&worker, &rules).await;
        assert!(admitted(&decision) && took < ONE_WAIT, "{decision:?} after {took:?}");
        assert!(took >= Duration::from_millis(50), "it was given its time");
        a_hundred_are_fast(&worker).await;
        assert_eq!(limiter.redis_state(), RedisState::Down);
        assert!(admitted(&worker.check(&rules, NOW).await));
        assert!(!admitted(&worker.check(&rules, NOW).await), "the local limit holds");

        server.resume();
        shares_within_two_seconds(&server, &worker).await;
    });
}

#[test]
fn a_worker_that_was_busy_itself_does_not_blame_redis() {
    let server = RedisServer::start();
    with_limiter(config(&server), async |limiter, worker| {
        let rules = [user_minute(UserId(3), 100)];
        for _ in 0..5 {
            // The call is sent only after this, when the whole timeout has passed.
            let busy = async { std::thread::sleep(Duration::from_millis(80)) };
            let (decision, ()) = tokio::join!(worker.check(&rules, NOW), busy);
            assert!(admitted(&decision));
            assert_eq!(limiter.redis_state(), RedisState::Up);
        }
    });
}

#[test]
fn denying_without_redis_is_unavailable_and_without_rules_it_is_not() {
    let mut server = RedisServer::start();
    with_limiter(patient(&server), async |limiter, worker| {
        let rules = [user_minute(UserId(1), 5)];
        assert!(admitted(&worker.check(&rules, NOW).await));
        server.kill();
        assert_eq!(worker.check(&[], NOW).await, Decision::Admit { nearest: None });
        assert_eq!(limiter.redis_state(), RedisState::Up, "nobody has asked Redis");
        assert_eq!(worker.check(&rules, NOW).await, Decision::Unavailable);
        assert_eq!(worker.check(&rules, NOW).await, Decision::Unavailable);
        assert_eq!(worker.check(&[], NOW).await, Decision::Admit { nearest: None });
        server.restart();
        shares_within_two_seconds(&server, &worker).await;
        assert_eq!(limiter.redis_state(), RedisState::Up);
    });
}

#[test]
fn away_at_the_start_is_an_outage_like_any_other() {
    let mut server = RedisServer::start();
    server.kill();
    with_limiter(config(&server), async |limiter, worker| {
        assert_eq!(limiter.redis_state(), RedisState::Down);
        limiter.seed_day(UserId(1), None, NOW, 2).await;
        let rules = [user_day(UserId(1), 3)];
        assert!(admitted(&worker.check(&rules, NOW).await));
        assert!(!admitted(&worker.check(&rules, NOW).await), "the seed counts locally");
        server.restart();
        shares_within_two_seconds(&server, &worker).await;
    });
}

/// The other end of the connection is gone without having closed it; new connections work.
#[test]
fn a_connection_that_died_silently_is_replaced() {
    let server = RedisServer::start();
    let runtime = runtime();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("redis://{}", listener.local_addr().unwrap());
        let (cut, freezes) = watch::channel(());
        let behind = server.url().trim_start_matches("redis://").to_owned();
        let mut proxy = JoinSet::new();
        proxy.spawn(async move {
            let mut links = JoinSet::new();
            while let Ok((mut near, _)) = listener.accept().await {
                let mut far = TcpStream::connect(&behind).await.unwrap();
                let mut freeze = freezes.clone();
                freeze.mark_unchanged();
                links.spawn(async move {
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                        _ = freeze.changed() => std::future::pending().await,
                    }
                });
            }
        });

        let config = RedisConfig::parse("REDIS_URL", &url, WithoutRedis::Local).unwrap();
        let limiter = Limiter::redis(config, runtime.handle().clone());
        let worker = limiter.worker().await;
        shares_within_two_seconds(&server, &worker).await;
        cut.send(()).unwrap();
        let (decision, took) = timed(&worker, &[user_minute(UserId(9), 5)]).await;
        assert!(admitted(&decision) && took < ONE_WAIT, "{decision:?} after {took:?}");
        shares_within_two_seconds(&server, &worker).await;
    });
}

#[test]
fn an_outage_is_logged_once_however_many_meet_it() {
    let mut server = RedisServer::start();
    let log = Log::default();
    let lines = Arc::clone(&log.0);
    let _guard = tracing::subscriber::set_default(log);
    // With a single dispatcher, a thread that has none would switch the log statements off for all threads.
    let _second = tracing::Dispatch::new(Log::default());
    with_limiter(config(&server).waiting(Duration::from_millis(500)), async |_, worker| {
        assert_eq!(lines.load(Ordering::Relaxed), 0);
        server.pause();
        let mut meeting_it = JoinSet::new();
        for user in 0..50 {
            let worker = worker.clone();
            meeting_it.spawn(async move { worker.check(&[user_minute(UserId(user), 5)], NOW).await });
        }
        assert!(meeting_it.join_all().await.iter().all(admitted));
        assert_eq!(lines.load(Ordering::Relaxed), 1, "the outage");
        server.kill();
        server.restart();
        shares_within_two_seconds(&server, &worker).await;
        assert_eq!(lines.load(Ordering::Relaxed), 2, "its end");
    });
}

/// Counts the log lines of this crate.
#[derive(Default)]
struct Log(Arc<AtomicUsize>);

impl tracing::Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("tt_ratelimit")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn event(&self, _: &Event<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}
