//! The health of targets as requests use it, on many threads.

use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use tt_core::Sealed;
use tt_core::routing::KeyRef;

use super::*;

fn stored(id: i64, seal: u8) -> SealedKey {
    SealedKey {
        key: KeyRef { id: ProviderKeyId(id), provider: Provider::OpenAi, base_url: None },
        seal_id: SealId(seal.to_string()),
        sealed: Sealed(String::new()),
    }
}

fn model(name: &str) -> ModelName {
    ModelName::try_from(name.to_owned()).unwrap()
}

/// A pass for an attempt of a test.
pub(crate) fn pass() -> Pass {
    let health = Arc::new(KeyHealth::new(UserId(1), &stored(1, 1), HealthClock::new()));
    health.enter(&model("m")).unwrap()
}

/// A clock that is at `ms`.
fn clock_at(ms: u64) -> Arc<HealthClock> {
    let started = Instant::now() - Duration::from_millis(ms);
    Arc::new(HealthClock { started, watcher: OnceLock::new() })
}

/// A key whose model `m` has rested for its first time, and may be tried.
fn rested() -> Arc<KeyHealth> {
    let health = KeyHealth::new(UserId(1), &stored(1, 1), clock_at(20_000));
    let ticket = Ticket::free(0);
    health.change(|state, _| state.ended(ticket, &model("m"), Outcome::Failed(Fault::Forbidden), 0)).unwrap();
    Arc::new(health)
}

#[test]
fn health_outlives_a_view_while_the_stored_key_is_the_same() {
    let (user, clock) = (UserHealth::default(), HealthClock::new());
    user.keep(UserId(1), &[stored(1, 1), stored(2, 1)], &clock);
    let (one, two) = (user.of(ProviderKeyId(1)).unwrap(), user.of(ProviderKeyId(2)).unwrap());
    one.enter(&model("m")).unwrap().failed(&model("m"), Some(Fault::Key(401)));
    two.enter(&model("m")).unwrap().failed(&model("m"), Some(Fault::Forbidden));
    let late = one.enter_all_the_same(&model("m"));
    user.keep(UserId(1), &[stored(1, 9), stored(2, 1)], &clock);
    assert!(user.of(ProviderKeyId(2)).unwrap().enter(&model("m")).is_err(), "the same key");
    // An attempt that was sent with the old key fails now.
    late.failed(&model("m"), Some(Fault::Key(401)));
    assert!(user.of(ProviderKeyId(1)).unwrap().enter(&model("m")).is_ok(), "another key");
    let mut samples = HashMap::new();
    user.sample(&mut samples);
    assert_eq!(samples, HashMap::from([((Provider::OpenAi, model("m"), TargetState::Open), 1)]));
    user.forget(ProviderKeyId(2));
    user.keep(UserId(1), &[], &clock);
    assert!(user.of(ProviderKeyId(1)).is_none() && user.of(ProviderKeyId(2)).is_none());
}

#[test]
fn of_many_threads_one_at_a_time_tries_a_target_that_has_rested() {
    let (health, inside, most) = (rested(), AtomicUsize::new(0), AtomicUsize::new(0));
    let entered = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while entered.load(Ordering::Relaxed) < 2_000 {
                    // Dropped at the end of the block: the client has left.
                    let Ok(_pass) = health.enter(&model("m")) else { continue };
                    most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    entered.fetch_add(1, Ordering::Relaxed);
                    inside.fetch_sub(1, Ordering::SeqCst);
                }
            });
        }
    });
    assert_eq!(most.load(Ordering::SeqCst), 1);
}

#[test]
fn a_probe_that_fails_without_a_word_on_the_target_gives_its_place_back() {
    let health = rested();
    let probe = health.enter(&model("m")).unwrap();
    assert!(health.enter(&model("m")).is_err());
    probe.failed(&model("m"), None);
    let mut probe = health.enter(&model("m")).unwrap();
    assert!(health.enter(&model("m")).is_err());
    probe.began(&model("m"));
    assert!(health.enter(&model("m")).is_ok() && health.well().is_some());
}

#[test]
fn an_opening_is_told_once_to_the_one_watcher() {
    let clock = HealthClock::new();
    let mut told = clock.watch().unwrap();
    assert!(clock.watch().is_none());
    let health = Arc::new(KeyHealth::new(UserId(7), &stored(3, 1), clock));
    let passes: Vec<Pass> = (0..20).map(|_| health.enter(&model("m")).unwrap()).collect();
    let before = now();
    passes.into_iter().for_each(|pass| pass.failed(&model("m"), Some(Fault::Server(503))));
    let opened = told.try_recv().unwrap();
    let until = opened.until.millis() - before.millis();
    assert!((10_000..11_000).contains(&until), "{until}");
    let TargetOpened { user_id, provider_key_id, provider, every_model, cause, .. } = opened;
    let said = (user_id.0, provider_key_id.0, provider, every_model, cause.as_str());
    assert_eq!(said, (7, 3, Provider::OpenAi, false, "503"));
    assert!(told.try_recv().is_err());
}

#[test]
fn words_say_until_when_and_why() {
    let health = Arc::new(KeyHealth::new(UserId(1), &stored(1, 1), HealthClock::new()));
    health.enter(&model("m")).unwrap().failed(&model("m"), Some(Fault::Key(402)));
    let words = health.describe(health.rest(&model("m")).unwrap());
    assert!(words.starts_with("it rests until 2") && words.ends_with("Z after 402 for the stored key"), "{words}");
    let health = rested();
    let _probe = health.enter(&model("m")).unwrap();
    let words = health.describe(health.rest(&model("m")).unwrap());
    assert_eq!(words, "it has rested after 403 for the stored key, and another request tries it");
}
