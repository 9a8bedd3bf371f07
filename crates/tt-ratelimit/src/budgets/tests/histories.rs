//! Any history of requests and posts by two processes, with posts that are late or repeated and accounts that Redis
//! drops.

use std::cell::Cell;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tt_core::Period;

use super::harness::{Harness, NOON, admin, of_key, own};
use super::world::World;

#[derive(Debug, Clone)]
enum Step {
    Asks { process: usize, key: Option<i64>, again: Option<usize>, ask: (i64, Option<i64>), meanwhile: Vec<usize> },
    Ends(usize, i64),
    Releases(usize),
    Stores(usize, usize),
    Delivers(usize),
    GoesOn(i64),
    IsForgotten,
}

fn step() -> impl Strategy<Value = Step> {
    let any = any::<usize>();
    let asks = (
        0..2_usize,
        prop::option::of(1..3_i64),
        prop::option::weighted(0.2, any),
        (0..60_i64, prop::option::of(0..40_i64)),
        prop::collection::vec(any, 0..3),
    );
    prop_oneof![
        6 => asks.prop_map(|(process, key, again, ask, meanwhile)| Step::Asks { process, key, again, ask, meanwhile }),
        4 => (any, 0..=100_i64).prop_map(|(i, percent)| Step::Ends(i, percent)),
        1 => any.prop_map(Step::Releases),
        3 => (any, 1..4_usize).prop_map(|(i, most)| Step::Stores(i, most)),
        4 => any.prop_map(Step::Delivers),
        1 => prop_oneof![1..1000_i64, 1..90_000_000_i64].prop_map(Step::GoesOn),
        1 => Just(Step::IsForgotten),
    ]
}

fn period() -> impl Strategy<Value = Period> {
    prop::sample::select(Period::ALL.to_vec())
}

pub(super) fn any_history_keeps_every_budget(harness: &Harness) {
    let budgets = (prop::array::uniform3(20..400_i64), prop::array::uniform3(period()));
    let history = (budgets, prop::collection::vec(step(), 1..80));
    let admitted = Cell::new(0);
    let run = |((limits, periods), steps): (([i64; 3], [Period; 3]), Vec<Step>)| {
        let user = harness.user();
        let both = vec![own(user, limits[0], periods[0]), admin(user, limits[1], periods[1])];
        let with_key = |key| [&*both, &[of_key(user, key, limits[2], periods[2])]].concat();
        let mut world = World::new(harness, user, [both.clone(), with_key(1), with_key(2)], NOON);
        for step in steps {
            match &step {
                Step::Asks { process, key, again, ask, meanwhile } => {
                    world.asks(*process, *key, *again, *ask, meanwhile);
                }
                Step::Ends(i, percent) => world.ends(*i, *percent),
                Step::Releases(i) => world.releases(*i),
                Step::Stores(i, most) => world.stores(*i, *most),
                Step::Delivers(i) => world.delivers(*i),
                Step::GoesOn(ms) => world.goes_on(*ms),
                Step::IsForgotten => world.is_forgotten(),
            }
            if let Err(e) = world.no_budget_is_exceeded() {
                world.is_given_up();
                return Err(TestCaseError::fail(format!("{e} after {step:?}")));
            }
        }
        world.comes_to_rest();
        admitted.set(admitted.get() + world.admitted);
        Ok(())
    };
    let cases = Config { cases: 200, failure_persistence: None, max_shrink_iters: 2000, ..Config::default() };
    TestRunner::new(cases).run(&history, run).unwrap();
    assert!(admitted.get() > 1000, "{} were admitted", admitted.get());
}
