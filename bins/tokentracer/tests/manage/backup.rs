//! Backups of the embedded database, taken while the server writes, and put in the place of a lost one.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;
use tt_core::Provider::OpenAi;
use tt_testkit::World;
use tt_testkit::world::{Backend, User, eventually, log_in};

use crate::setup::{setup, world};

/// The totals of all requests.
async fn totals(user: &User) -> Value {
    user.session.get("/manage/usage").send().await.expect(200).json()
}

/// A new world on a copy of the database, with the secrets of the old one.
async fn restored(old: &World, copy: &Path) -> World {
    let mut world = setup().env("OPENAI_BASE_URL", old.mock.base_url(OpenAi)).stopped().await;
    fs::create_dir(world.data_dir()).unwrap();
    fs::copy(copy, world.data_dir().join("tokentracer.db")).unwrap();
    fs::copy(old.data_dir().join("secrets"), world.data_dir().join("secrets")).unwrap();
    world.start_again();
    world
}

/// The user with a new session of this world.
async fn signed_in(world: &World, user: &User) -> User {
    let mut user = user.clone();
    user.token = log_in(&world.client(), &user.email).await;
    user.session = world.client().bearer(&user.token);
    user
}

#[tokio::test]
async fn a_backup_taken_under_load_is_one_moment_and_can_be_restored() {
    let world = world().await;
    let user = world.user().await;
    user.alias("fast", OpenAi, "gpt-4o-mini").await;
    let dir = tempfile::tempdir().unwrap();
    let stop = AtomicBool::new(false);
    let load = async {
        while !stop.load(Ordering::Relaxed) {
            user.ask("fast", "hello").await.expect(200);
        }
    };
    let copies = async {
        eventually("some requests are stored", async || user.logs().await.len() > 5).await;
        let mut taken = Vec::new();
        for number in 0..3 {
            let copy = dir.path().join(format!("{number}.db"));
            let words = ["backup".to_owned(), copy.display().to_string()];
            // The command waits on a thread of its own, so that the load goes on.
            let launch = words.iter().fold(world.launch(), |launch, word| launch.argument(word));
            let ran =
                tokio::task::spawn_blocking(move || tt_testkit::world::Ran::from(launch)).await.unwrap().expect(0);
            for said in [copy.to_str().unwrap(), "secrets", "journal"] {
                assert!(ran.out.contains(said), "{}", ran.out);
            }
            assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
            taken.push(copy);
        }
        stop.store(true, Ordering::Relaxed);
        taken
    };
    let ((), taken) = tokio::join!(load, copies);
    let last = dir.path().join("last.db");
    let whole = totals(&user).await;
    world.command(&["backup", last.to_str().unwrap()]).expect(0);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), taken.len() + 1, "something else was left behind");

    let mut before = 0;
    for copy in taken.iter().chain([&last]) {
        let again = restored(&world, copy).await;
        let user = signed_in(&again, &user).await;
        let totals = totals(&user).await;
        // The sums and the rows are those of one moment.
        let requests = totals[0]["requests"].as_u64().unwrap();
        assert_eq!(user.logs().await.len() as u64, requests.min(500));
        assert!(requests >= before && requests <= whole[0]["requests"].as_u64().unwrap());
        before = requests;
        if copy == &last {
            assert_eq!(totals, whole);
        }
        // The keys of users and providers are there, and can be opened.
        let ask = again.client().bearer(user.api_key()).post("/v1/chat/completions");
        ask.json(&tt_testkit::world::question("fast", "hello")).send().await.expect(200);
    }
}

#[tokio::test]
async fn a_backup_overwrites_nothing_and_leaves_nothing_where_it_fails() {
    let world = world().await;
    world.user().await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("there");
    fs::write(&file, "mine").unwrap();
    let refused = world.command(&["backup", file.to_str().unwrap()]).expect(1);
    assert!(refused.err.contains("exists") && refused.err.lines().count() == 1, "{}", refused.err);
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
    let nowhere = dir.path().join("nothing").join("here");
    assert_eq!(world.command(&["backup", nowhere.to_str().unwrap()]).expect(1).err.lines().count(), 1);
    world.command(&["backup"]).expect(2);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn a_database_that_is_not_there_and_postgresql_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("copy.db");
    let world = setup().stopped().await;
    let none = world.command(&["backup", file.to_str().unwrap()]).expect(1);
    assert!(none.err.contains("there is no database"), "{}", none.err);
    let shared = setup().backend(Backend::Postgres).start().await;
    let refused = shared.command(&["backup", file.to_str().unwrap()]).expect(1);
    assert!(refused.err.contains("pg_dump"), "{}", refused.err);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}
