use std::sync::mpsc;
use std::time::Duration;

use super::*;

const ANN: UserId = UserId(1);
const BOB: UserId = UserId(2);

const DEADLINE: Duration = Duration::from_secs(20);

fn compute_on(threads: usize) -> Compute {
    let compute = Compute(Arc::new(Shared { state: Mutex::default(), changed: Condvar::new(), threads }));
    compute.start().unwrap();
    compute
}

/// Makes a job of `user` run until the returned sender is dropped. Returns once it runs.
fn occupy(compute: &Compute, user: UserId) -> mpsc::Sender<()> {
    let (hold, held) = mpsc::channel::<()>();
    let (begin, begun) = mpsc::channel();
    compute.count(user, move |_| {
        begin.send(()).unwrap();
        let _released = held.recv();
    });
    begun.recv_timeout(DEADLINE).unwrap();
    hold
}

#[test]
fn a_user_leaves_one_thread_to_the_others() {
    let compute = compute_on(2);
    let _first = occupy(&compute, ANN);
    let (ran, runs) = mpsc::channel();
    let hers = ran.clone();
    compute.count(ANN, move |_| hers.send(ANN).unwrap());
    compute.count(BOB, move |_| ran.send(BOB).unwrap());
    assert_eq!(runs.recv_timeout(DEADLINE), Ok(BOB));
    drop(_first);
    assert_eq!(runs.recv_timeout(DEADLINE), Ok(ANN));
}

#[tokio::test]
async fn work_that_nobody_waits_for_is_not_begun() {
    let compute = compute_on(1);
    let occupied = occupy(&compute, ANN);
    let mut given_up = Box::pin(compute.run(ANN, || unreachable!("nobody waits for it")));
    assert!(futures_util::poll!(&mut given_up).is_pending());
    drop(given_up);
    assert!(compute.0.lock().waiting.is_empty());
    drop(occupied);
    assert_eq!(compute.run(ANN, || 7).await, Ok(7));
}

#[tokio::test]
async fn a_panic_reaches_the_one_who_waits_and_the_thread_goes_on() {
    let compute = compute_on(1);
    assert_eq!(compute.run::<()>(ANN, || panic!("a test's")).await, Err(ComputeError::Panicked));
    assert_eq!(compute.run(ANN, || 7).await, Ok(7));
}

#[tokio::test]
async fn past_the_most_that_may_wait_requests_are_refused_and_tokens_estimated() {
    let compute = compute_on(1);
    let occupied = occupy(&compute, ANN);
    for _ in 0..MOST_WAITING {
        compute.count(ANN, |_| {});
    }
    assert_eq!(compute.run(ANN, || 7).await, Err(ComputeError::Busy));
    let (counted, counts) = mpsc::channel();
    compute.count(ANN, move |precision| counted.send(precision).unwrap());
    assert_eq!(counts.try_recv(), Ok(Precision::Bytes));
    drop(occupied);
    assert_eq!(compute.run(BOB, || 7).await, Ok(7));
}

#[test]
fn in_a_hurry_tokens_are_estimated_and_every_job_still_runs() {
    let compute = compute_on(1);
    let occupied = occupy(&compute, ANN);
    let (counted, counts) = mpsc::channel();
    for _ in 0..3 {
        let counted = counted.clone();
        compute.count(ANN, move |precision| counted.send(precision).unwrap());
    }
    compute.hurry();
    drop((compute, occupied));
    for _ in 0..3 {
        assert_eq!(counts.recv_timeout(DEADLINE), Ok(Precision::Bytes));
    }
}
