//! The drain over a ledger in memory.

use tokio::sync::oneshot;
use tokio::time::advance;

use super::*;
use crate::sim::fixtures::{Logs, Sink, guard, intent, ledger, ms, settled, started};
use crate::{Ledger, LedgerError};

/// Runs the drain until every ledger and guard is gone.
async fn run(drain: Drain, sink: &Sink) -> Drained {
    drain.run(sink.as_fn(), std::future::pending()).await
}

fn settle(ledger: &Ledger, ids: impl IntoIterator<Item = u128>) {
    ids.into_iter().for_each(|id| drop(guard(ledger, id).settle(settled())));
}

#[tokio::test(start_paused = true)]
async fn a_batch_waits_50_ms_from_its_first_settlement() {
    let ((ledger, drain), sink) = (ledger(10), Sink::default());
    let requests = async {
        advance(ms(7)).await;
        settle(&ledger, [1]);
        sleep(ms(30)).await;
        settle(&ledger, [2]);
        sleep(ms(30)).await;
        settle(&ledger, [3]);
        drop(ledger);
    };
    let (drained, ()) = tokio::join!(run(drain, &sink), requests);
    assert_eq!(sink.calls(), [(57, vec![1, 2]), (117, vec![3])]);
    assert_eq!(drained, Drained { delivered: 3, lost: 0, open: 0, kept: 0 });
}

#[tokio::test(start_paused = true)]
async fn a_batch_of_1000_does_not_wait() {
    let ((ledger, drain), sink) = (ledger(5000), Sink::default());
    let requests = async {
        settle(&ledger, [0]);
        sleep(ms(10)).await;
        settle(&ledger, 1..2500);
        sleep(ms(100)).await;
        drop(ledger);
    };
    let (drained, ()) = tokio::join!(run(drain, &sink), requests);
    let sizes: Vec<_> = sink.calls().into_iter().map(|(at, ids)| (at, ids.len())).collect();
    assert_eq!(sizes[..2], [(10, 1000), (10, 1000)]);
    assert_eq!(sizes.iter().map(|s| s.1).sum::<usize>(), 2500);
    assert!(sizes.last().unwrap().0 <= 60, "{sizes:?}");
    assert_eq!(drained.delivered, 2500);
    assert_eq!(sink.stored(), (0..2500).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_refused_batch_comes_again_as_it_was_and_ever_more_slowly() {
    let ((ledger, drain), sink) = (ledger(10), Sink::failing([true; 8]));
    let requests = async {
        settle(&ledger, [1, 2]);
        sleep(ms(60)).await;
        settle(&ledger, [3]);
        sleep(Duration::from_secs(60)).await;
        drop(ledger);
    };
    let (drained, ()) = tokio::join!(run(drain, &sink), requests);
    let calls = sink.calls();
    let at: Vec<u128> = calls.iter().map(|c| c.0).collect();
    let waits: Vec<u128> = at.windows(2).map(|w| w[1] - w[0]).collect();
    assert_eq!(waits, [100, 200, 400, 800, 1600, 2000, 2000, 2000, 50]);
    assert!(calls[..9].iter().all(|c| c.1 == [1, 2]));
    assert_eq!(sink.stored(), [1, 2, 3]);
    assert_eq!(drained, Drained { delivered: 3, lost: 0, open: 0, kept: 0 });
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_logged_once_and_so_is_its_end() {
    let (logs, _guard) = Logs::capture();
    let ((ledger, drain), sink) = (ledger(10), Sink::failing([true, true, true, false, true]));
    let requests = async {
        settle(&ledger, [1]);
        sleep(Duration::from_secs(5)).await;
        settle(&ledger, [2]);
        sleep(Duration::from_secs(5)).await;
        drop(ledger);
    };
    let (drained, ()) = tokio::join!(run(drain, &sink), requests);
    assert_eq!(drained.delivered, 2);
    assert_eq!(logs.levels(), ["WARN", "INFO", "WARN", "INFO"]);
    assert!(logs.text().contains("store is away: connection refused"), "{}", logs.text());
}

#[tokio::test(start_paused = true)]
async fn shutdown_delivers_what_has_settled_and_counts_what_is_open() {
    let (logs, _guard) = Logs::capture();
    let ((ledger, drain), sink) = (ledger(5000), Sink::failing([true, true]));
    let (stop, stopped) = oneshot::channel::<()>();
    let mut late = guard(&ledger, 9999);
    settle(&ledger, 0..2500);
    stop.send(()).unwrap();
    let drained = drain.run(sink.as_fn(), async { stopped.await.unwrap() }).await;
    assert_eq!(drained, Drained { delivered: 2500, lost: 0, open: 1, kept: 0 });
    assert_eq!(sink.stored(), (0..2500).collect::<Vec<_>>());
    assert_eq!(ledger.open(intent(1)).unwrap_err(), LedgerError::Closed);
    assert_eq!(late.attempt_started(started(0)).unwrap_err(), LedgerError::Closed);
    drop(late.settle(settled()));
    assert_eq!(logs.levels(), ["WARN", "INFO", "ERROR", "ERROR"]);
    assert_eq!((ledger.status().open, ledger.status().unstored), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn shutdown_takes_no_intents_while_the_rest_is_delivered() {
    // While a batch waits for more, and while it waits to be tried again.
    for at in [10, 60] {
        let ((ledger, drain), sink) = (ledger(10), Sink::failing([true; 3]));
        let (stop, stopped) = oneshot::channel::<()>();
        let requests = async {
            settle(&ledger, [1]);
            let running = guard(&ledger, 2);
            sleep(ms(at)).await;
            stop.send(()).unwrap();
            sleep(ms(1)).await;
            assert_eq!(ledger.open(intent(3)).unwrap_err(), LedgerError::Closed, "stopped at {at} ms");
            drop(running.settle(settled()));
        };
        let (drained, ()) = tokio::join!(drain.run(sink.as_fn(), async { stopped.await.unwrap() }), requests);
        assert_eq!(drained, Drained { delivered: 2, lost: 0, open: 0, kept: 0 });
        assert_eq!(sink.stored(), [1, 2]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_stays_away_at_the_end_is_given_up_and_the_loss_is_counted() {
    let (logs, _guard) = Logs::capture();
    let ((ledger, drain), sink) = (ledger(5000), Sink::failing([true; 100]));
    let start = Instant::now();
    settle(&ledger, 0..2500);
    let drained = drain.run(sink.as_fn(), std::future::ready(())).await;
    assert_eq!(drained, Drained { delivered: 0, lost: 2500, open: 0, kept: 0 });
    assert_eq!((sink.calls().len(), start.elapsed()), (5, ms(1500)));
    assert_eq!(logs.levels(), ["WARN", "ERROR"]);
    assert_eq!(ledger.status().unstored, 0);
}

#[tokio::test(start_paused = true)]
async fn it_ends_by_itself_once_ledgers_and_guards_are_dropped_even_in_an_outage() {
    let ((ledger, drain), sink) = (ledger(10), Sink::failing([true; 100]));
    settle(&ledger, [1]);
    drop(ledger);
    assert_eq!(run(drain, &sink).await.lost, 1);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_dropped_closes_the_ledger_and_says_what_is_lost() {
    let (logs, _guard) = Logs::capture();
    let ((ledger, drain), sink) = (ledger(10), Sink::failing([true; 100]));
    settle(&ledger, [1, 2]);
    assert!(tokio::time::timeout(ms(500), run(drain, &sink)).await.is_err());
    assert_eq!(ledger.open(intent(3)).unwrap_err(), LedgerError::Closed);
    assert_eq!(logs.levels(), ["WARN", "ERROR"]);
}

#[test]
fn it_can_run_on_any_runtime() {
    fn send<T: Send>(_: &T) {}
    let (ledger, drain) = ledger(1);
    send(&guard(&ledger, 1));
    send(&drain.run(Sink::default().as_fn(), std::future::pending()));
}
