use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn model(name: &str) -> ModelName {
    ModelName::try_from(name.to_owned()).unwrap()
}

/// A key, a clock, and attempts at its models.
#[derive(Default)]
struct Stage {
    health: KeyHealth,
    now_ms: u64,
}

impl Stage {
    fn enter(&mut self, name: &str) -> Result<Ticket, Rest> {
        self.health.enter(&model(name), self.now_ms)
    }

    fn ended(&mut self, ticket: Ticket, name: &str, outcome: Outcome) -> Option<Opened> {
        self.health.ended(ticket, &model(name), outcome, self.now_ms)
    }

    /// An attempt that is let in and ends so.
    fn attempt(&mut self, name: &str, outcome: Outcome) -> Option<Opened> {
        let ticket = self.enter(name).unwrap();
        self.ended(ticket, name, outcome)
    }

    /// The length of the rest that `times` attempts with this outcome begin.
    fn rest_after(&mut self, times: u32, name: &str, outcome: Outcome) -> Option<u64> {
        (0..times).fold(None, |_, _| self.attempt(name, outcome)).map(|opened| opened.rest.until_ms - self.now_ms)
    }

    fn state(&self, name: &str) -> TargetState {
        self.health.standing(&model(name), self.now_ms).state
    }

    fn opened(fault: Fault) -> Self {
        let mut stage = Self::default();
        let times = if fault.opens_at_once() { 1 } else { FAILURES_IN_A_ROW };
        assert_eq!(stage.rest_after(times, "m", Outcome::Failed(fault)), Some(BASE_REST_MS), "{fault}");
        stage
    }
}

const SERVER: Outcome = Outcome::Failed(Fault::Server(503));
const COUNTED: [Fault; 5] =
    [Fault::Connection, Fault::TimeOut, Fault::RateLimited(None), Fault::Server(500), Fault::Server(529)];

#[test]
fn five_failures_in_a_row_open_it_and_four_do_not() {
    for fault in COUNTED {
        let mut stage = Stage::default();
        assert_eq!(stage.rest_after(4, "m", Outcome::Failed(fault)), None, "{fault}");
        assert_eq!(stage.state("m"), TargetState::Closed);
        assert_eq!(stage.rest_after(1, "m", Outcome::Failed(fault)), Some(BASE_REST_MS), "{fault}");
        assert_eq!((stage.state("m"), stage.enter("m").unwrap_err().cause), (TargetState::Open, fault));
    }
}

#[test]
fn kinds_of_failures_add_up_and_a_success_begins_anew() {
    let mut stage = Stage::default();
    for fault in [Fault::Connection, Fault::TimeOut, Fault::RateLimited(None), Fault::Server(500)] {
        stage.attempt("m", Outcome::Failed(fault));
    }
    stage.attempt("m", Outcome::Served);
    assert!(stage.health.is_well());
    assert_eq!(stage.rest_after(4, "m", SERVER), None);
    assert_eq!(stage.rest_after(1, "m", SERVER), Some(BASE_REST_MS));
}

#[test]
fn what_says_nothing_of_the_target_neither_counts_nor_begins_anew() {
    let mut stage = Stage::default();
    stage.rest_after(4, "m", SERVER);
    assert_eq!(stage.rest_after(100, "m", Outcome::Neutral), None);
    assert_eq!(stage.rest_after(1, "m", SERVER), Some(BASE_REST_MS));
}

#[test]
fn a_403_rests_its_model_and_a_401_or_402_every_model() {
    let mut stage = Stage::default();
    let opened = stage.attempt("m", Outcome::Failed(Fault::Forbidden)).unwrap();
    assert!(!opened.every_model && stage.enter("m").is_err() && stage.enter("other").is_ok());
    for status in [401, 402] {
        let mut stage = Stage::opened(Fault::Key(status));
        assert_eq!(stage.enter("m").unwrap_err().cause, Fault::Key(status));
        assert_eq!(stage.enter("other").unwrap_err().cause, Fault::Key(status));
        let listed: Vec<_> = stage.health.targets(0).map(|(name, at)| (name.to_string(), at.state)).collect();
        assert_eq!(listed, [("m".to_owned(), TargetState::Open), ("other".to_owned(), TargetState::Open)]);
        stage.now_ms = BASE_REST_MS;
        stage.attempt("other", Outcome::Served);
        assert!(stage.health.is_well(), "a success of any model proves the key");
    }
}

#[test]
fn the_rest_doubles_up_to_five_minutes_and_a_success_resets_it() {
    let mut stage = Stage::opened(Fault::Server(500));
    for seconds in [20, 40, 80, 160, 300, 300, 300] {
        stage.now_ms = stage.enter("m").unwrap_err().until_ms;
        assert_eq!(stage.rest_after(1, "m", SERVER), Some(seconds * 1000));
    }
    stage.now_ms = stage.enter("m").unwrap_err().until_ms;
    stage.attempt("m", Outcome::Served);
    assert_eq!(stage.rest_after(4, "m", SERVER), None);
    assert_eq!(stage.rest_after(1, "m", SERVER), Some(BASE_REST_MS));
}

#[test]
fn the_wait_of_a_429_counts_where_it_is_longer() {
    let limited = |seconds| Outcome::Failed(Fault::RateLimited(Some(Duration::from_secs(seconds))));
    for (asked, rest) in [(3, 10), (10, 10), (45, 45), (900, 900), (86_400, 3600)] {
        let mut stage = Stage::default();
        assert_eq!(stage.rest_after(5, "m", limited(asked)), Some(rest * 1000), "{asked}");
        stage.now_ms = stage.enter("m").unwrap_err().until_ms;
        assert_eq!(stage.rest_after(1, "m", SERVER), Some(20_000), "the wait does not become the base");
    }
}

#[test]
fn after_the_rest_one_attempt_tries_and_the_others_pass_it_over() {
    let mut stage = Stage::opened(Fault::Server(500));
    stage.now_ms = BASE_REST_MS - 1;
    assert!(stage.enter("m").is_err() && stage.health.rest(&model("m"), stage.now_ms).is_some());
    stage.now_ms = BASE_REST_MS;
    assert_eq!((stage.state("m"), stage.health.rest(&model("m"), stage.now_ms)), (TargetState::HalfOpen, None));
    let probe = stage.enter("m").unwrap();
    assert!(probe.is_probe() && stage.enter("m").is_err() && stage.health.rest(&model("m"), stage.now_ms).is_some());
    // The probe says nothing, and the next one is let in.
    stage.ended(probe, "m", Outcome::Neutral);
    let probe = stage.enter("m").unwrap();
    assert!(probe.is_probe());
    stage.ended(probe, "m", Outcome::Served);
    assert!(stage.enter("m").is_ok_and(|ticket| !ticket.is_probe()) && stage.health.is_well());
}

#[test]
fn the_first_content_of_a_probe_lets_the_others_in() {
    let mut stage = Stage::opened(Fault::TimeOut);
    stage.now_ms = BASE_REST_MS;
    let probe = stage.enter("m").unwrap();
    let rest = stage.health.began(probe, &model("m"));
    assert!(!rest.is_probe() && stage.enter("m").is_ok());
    // If the answer breaks later, it is one failure.
    stage.ended(rest, "m", SERVER);
    assert_eq!(stage.rest_after(3, "m", SERVER), None);
    assert_eq!(stage.rest_after(1, "m", SERVER), Some(BASE_REST_MS));
    // Content of a target that is closed does not end its failures in a row.
    let mut stage = Stage::default();
    stage.rest_after(4, "m", SERVER);
    let ticket = stage.enter("m").unwrap();
    assert_eq!(stage.health.began(ticket, &model("m")), ticket);
    assert!(stage.ended(ticket, "m", SERVER).is_some());
}

#[test]
fn a_target_that_is_tried_all_the_same_closes_by_a_success_and_rests_no_longer_by_a_failure() {
    let mut stage = Stage::opened(Fault::Key(401));
    let forced = stage.health.enter_all_the_same(&model("m"), 5);
    assert!(!forced.is_probe());
    assert_eq!(stage.ended(forced, "m", Outcome::Failed(Fault::Key(401))), None);
    assert_eq!(stage.enter("m").unwrap_err().until_ms, BASE_REST_MS);
    let forced = stage.health.enter_all_the_same(&model("m"), 6);
    stage.ended(forced, "m", Outcome::Served);
    assert!(stage.health.is_well() && stage.enter("m").is_ok());
}

#[test]
fn an_outcome_counts_only_for_the_state_in_which_its_attempt_began() {
    let mut stage = Stage::default();
    let early: Vec<_> = (0..100).map(|_| stage.enter("m").unwrap()).collect();
    let opened = early.iter().filter_map(|ticket| stage.ended(*ticket, "m", SERVER)).count();
    assert_eq!((opened, stage.enter("m").unwrap_err().until_ms), (1, BASE_REST_MS), "a burst opens it once");
    // One that was sent before it opened succeeds now.
    assert_eq!(stage.ended(early[0], "m", Outcome::Served), None);
    assert_eq!(stage.state("m"), TargetState::Open);
    // One that was sent before it closed fails then.
    stage.now_ms = BASE_REST_MS;
    let probe = stage.enter("m").unwrap();
    let forced = stage.health.enter_all_the_same(&model("m"), stage.now_ms);
    stage.ended(forced, "m", Outcome::Served);
    assert_eq!(stage.ended(probe, "m", SERVER), None);
    assert_eq!(stage.state("m"), TargetState::Closed);
    // And a probe of the last rest does not end the probe of this one.
    stage.rest_after(5, "m", SERVER);
    stage.now_ms = stage.enter("m").unwrap_err().until_ms;
    let current = stage.enter("m").unwrap();
    stage.ended(probe, "m", Outcome::Neutral);
    assert!(current.is_probe() && stage.enter("m").is_err());
}

#[test]
fn a_key_that_tries_gives_its_place_back_where_the_model_rests() {
    let mut stage = Stage::default();
    stage.rest_after(5, "m", Outcome::Failed(Fault::RateLimited(Some(Duration::from_secs(60)))));
    stage.attempt("other", Outcome::Failed(Fault::Key(402)));
    stage.now_ms = BASE_REST_MS;
    assert_eq!(stage.enter("m").unwrap_err().until_ms, 60_000);
    assert!(stage.enter("other").unwrap().is_probe());
}

#[test]
fn a_call_that_takes_the_key_closes_the_keys_breaker_and_no_models() {
    let mut stage = Stage::opened(Fault::Key(401));
    stage.health.key_was_taken();
    assert!(stage.health.is_well() && stage.enter("m").is_ok());
    let mut stage = Stage::opened(Fault::Forbidden);
    stage.health.key_was_taken();
    assert!(stage.enter("m").is_err() && stage.enter("other").is_ok());
}

#[test]
fn what_is_known_grows_old() {
    let mut stage = Stage::opened(Fault::Forbidden);
    stage.now_ms = BASE_REST_MS + OLD_MS - 1;
    assert_eq!(stage.state("m"), TargetState::HalfOpen);
    stage.now_ms += 1;
    assert_eq!(stage.state("m"), TargetState::Closed);
    assert!(!stage.enter("m").unwrap().is_probe());
    assert!(stage.health.is_well());
}

#[test]
fn no_more_models_are_kept_than_fit_and_those_that_are_well_make_room() {
    let mut stage = Stage::default();
    for n in 0..1000 {
        stage.attempt(&format!("m{n}"), Outcome::Failed(Fault::Forbidden));
    }
    assert_eq!(stage.health.models.len(), MOST_MODELS);
    assert!(stage.enter("m0").is_err() && stage.enter("m999").is_ok());
    stage.now_ms = BASE_REST_MS;
    stage.attempt("m3", Outcome::Served);
    stage.attempt("m999", Outcome::Failed(Fault::Forbidden));
    assert!(stage.enter("m999").is_err());
    assert_eq!(stage.health.models.len(), MOST_MODELS);
}

#[derive(Debug, Clone)]
enum Move {
    Enter(bool),
    End(usize, Outcome),
    Begin(usize),
    Pass(u64),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let fault = prop_oneof![
        Just(Fault::Key(401)),
        Just(Fault::Forbidden),
        Just(Fault::Server(500)),
        Just(Fault::RateLimited(Some(Duration::from_secs(400)))),
    ];
    let outcome = prop_oneof![Just(Outcome::Served), Just(Outcome::Neutral), fault.prop_map(Outcome::Failed)];
    let one = prop_oneof![
        4 => any::<bool>().prop_map(Move::Enter),
        4 => (any::<usize>(), outcome).prop_map(|(which, outcome)| Move::End(which, outcome)),
        1 => any::<usize>().prop_map(Move::Begin),
        2 => (0_u64..200_000).prop_map(Move::Pass),
    ];
    proptest::collection::vec(one, 0..200)
}

proptest! {
    #[test]
    fn one_attempt_at_a_time_probes_and_no_place_is_lost(moves in moves()) {
        let mut stage = Stage::default();
        let mut open: Vec<Ticket> = Vec::new();
        for step in moves {
            let before = stage.health.rest(&model("m"), stage.now_ms);
            match step {
                Move::Enter(false) => {
                    let entered = stage.enter("m");
                    // The attempt enters as the plan foretold.
                    prop_assert_eq!(entered.is_ok(), before.is_none());
                    if let Err(rest) = entered {
                        let left = rest.until_ms.saturating_sub(stage.now_ms);
                        prop_assert!(left <= LONGEST_ASKED_MS);
                        let waits = open.iter().any(|ticket| ticket.is_probe());
                        prop_assert!(left > 0 || waits, "a place is lost: nobody may try");
                    }
                    open.extend(entered.ok());
                }
                Move::Enter(true) => open.push(stage.health.enter_all_the_same(&model("m"), stage.now_ms)),
                Move::End(_, _) | Move::Begin(_) if open.is_empty() => {}
                Move::Begin(which) => {
                    let which = which % open.len();
                    open[which] = stage.health.began(open[which], &model("m"));
                }
                Move::End(which, outcome) => {
                    let ticket = open.swap_remove(which % open.len());
                    let opened = stage.ended(ticket, "m", outcome);
                    prop_assert!(opened.is_none() || matches!(outcome, Outcome::Failed(_)));
                    if let Some(opened) = opened {
                        prop_assert!(opened.rest.until_ms >= stage.now_ms + BASE_REST_MS);
                        prop_assert!(stage.enter("m").is_err());
                    }
                }
                Move::Pass(ms) => stage.now_ms += ms,
            }
            let current = |ticket: &&Ticket| ticket.is_probe() && ticket.at == stage.health.changes();
            prop_assert!(open.iter().filter(current).count() <= 1, "two probes at once");
        }
        // Everybody leaves, and time passes: the target can be tried.
        for ticket in open {
            stage.ended(ticket, "m", Outcome::Neutral);
        }
        stage.now_ms += LONGEST_ASKED_MS;
        let last = stage.enter("m");
        prop_assert!(last.is_ok());
        stage.ended(last.unwrap(), "m", Outcome::Served);
        prop_assert!(stage.enter("m").is_ok());
    }
}
