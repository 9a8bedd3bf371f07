//! Requests, attempts, settlements, departing clients and failures of the sink in any order: every opened request reaches
//! the sink exactly once, in the order of settling.

use proptest::prelude::*;

use crate::sim::fixtures::{Sink, answered, intent, ledger, ms, settled, started};
use crate::{Drained, Guard};

const CAPACITY: usize = 8;

#[derive(Debug, Clone)]
enum Step {
    Open,
    Start(usize),
    End(usize),
    Settle(usize),
    Drop(usize),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Open),
        2 => any::<usize>().prop_map(Step::Start),
        2 => any::<usize>().prop_map(Step::End),
        2 => any::<usize>().prop_map(Step::Settle),
        1 => any::<usize>().prop_map(Step::Drop),
        2 => (0_u64..400).prop_map(Step::Wait),
    ]
}

/// A model of the ledger: the opened requests, and the settlements that must reach the sink, in order.
#[derive(Default)]
struct Model {
    opened: u128,
    refused: usize,
    running: Vec<(u128, Guard)>,
    /// Request id, attempts, was it cancelled.
    expected: Vec<(u128, usize, bool)>,
}

impl Model {
    fn pick(&mut self, n: usize) -> Option<&mut Guard> {
        let at = n.checked_rem(self.running.len())?;
        Some(&mut self.running[at].1)
    }

    fn take(&mut self, n: usize, cancelled: bool) -> Option<Guard> {
        let at = n.checked_rem(self.running.len())?;
        let (id, guard) = self.running.remove(at);
        self.expected.push((id, guard.attempts().len(), cancelled));
        Some(guard)
    }
}

async fn scenario(steps: Vec<Step>, failures: Vec<bool>) {
    let ((ledger, drain), sink) = (ledger(CAPACITY), Sink::failing(failures));
    let requests = async {
        let mut model = Model::default();
        for step in steps {
            match step {
                Step::Open => match ledger.open(intent(model.opened)) {
                    Ok(guard) => {
                        model.running.push((model.opened, guard));
                        model.opened += 1;
                    }
                    Err(_) => model.refused += 1,
                },
                Step::Start(n) => drop(model.pick(n).map(|g| g.attempt_started(started(0)).unwrap())),
                Step::End(n) => drop(model.pick(n).map(|g| g.attempt_ended(answered()))),
                Step::Settle(n) => drop(model.take(n, false).map(|g| g.settle(settled()))),
                Step::Drop(n) => drop(model.take(n, true)),
                Step::Wait(millis) => tokio::time::sleep(ms(millis)).await,
            }
            let pending = ledger.status();
            assert!(pending.open + pending.unstored <= CAPACITY);
            assert_eq!(pending.open, model.running.len());
        }
        while let Some(guard) = model.take(0, true) {
            drop(guard);
        }
        // Long enough for any script: the end alone allows only so many failures.
        tokio::time::sleep(ms(600_000)).await;
        drop(ledger);
        model
    };
    let (drained, model) = tokio::join!(drain.run(sink.as_fn(), std::future::pending()), requests);

    let settlements = sink.settlements();
    let stored: Vec<_> = settlements
        .iter()
        .map(|s| (s.intent.request_id.0.as_u128(), s.attempts.len(), s.settled.status == Some(499)))
        .collect();
    assert_eq!(stored, model.expected);
    assert!(settlements.iter().flat_map(|s| &s.attempts).all(|a| a.ended.is_some()));
    let delivered = u64::try_from(model.opened).unwrap();
    assert_eq!(drained, Drained { delivered, lost: 0, open: 0, kept: 0 });
    for pair in sink.calls().windows(2) {
        let again = pair[0].1 == pair[1].1;
        let next = pair[0].1.iter().all(|id| !pair[1].1.contains(id));
        assert!(again || next, "a batch was changed between two tries: {pair:?}");
    }
}

proptest! {
    #[test]
    fn every_opened_request_is_recorded_exactly_once(
        steps in prop::collection::vec(step(), 0..80),
        failures in prop::collection::vec(any::<bool>(), 0..20),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(scenario(steps, failures));
    }
}
