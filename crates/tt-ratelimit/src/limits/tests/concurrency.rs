//! Many requests at once.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::task::JoinSet;
use tt_core::{Timestamp, UserId};
use tt_testkit::redis::RedisServer;

use super::harness::{MIDNIGHT, admitted, key_minute, patient, user_day, user_minute};
use crate::Limiter;
use crate::limits::memory::MemoryLimits;

#[test]
fn two_limiters_on_one_redis_admit_exactly_the_limit() {
    let server = RedisServer::start();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let admits = runtime.block_on(async {
        let limiter = || Limiter::redis(patient(&server), runtime.handle().clone());
        let workers = [limiter().worker().await, limiter().worker().await];
        let user = UserId(1);
        let rules = [user_minute(user, 100), user_day(user, 500), key_minute(user, 1, 400)];
        let mut tries = JoinSet::new();
        for i in 0..1000 {
            let worker = workers[i % 2].clone();
            // The clocks of processes differ; the clock of Redis counts.
            let now = Timestamp::from_millis(MIDNIGHT + i64::try_from(i).unwrap() * 1_000_000);
            tries.spawn(async move { worker.check(&rules, now).await });
        }
        tries.join_all().await.iter().filter(|d| admitted(d)).count()
    });
    assert_eq!(admits, 100);
}

#[test]
fn threads_admit_exactly_the_limit() {
    let (memory, admits) = (MemoryLimits::new(), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for key in 0..8 {
            let (memory, admits) = (&memory, &admits);
            scope.spawn(move || {
                let rules = [user_minute(UserId(1), 1000), key_minute(UserId(1), key, 300)];
                for i in 0..500 {
                    if admitted(&memory.check(&rules, Timestamp::from_millis(MIDNIGHT + i))) {
                        admits.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert_eq!(admits.into_inner(), 1000);
}
