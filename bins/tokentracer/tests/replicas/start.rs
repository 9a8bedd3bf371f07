//! Several processes that start at once on an empty database.

use std::collections::BTreeSet;

use tt_testkit::world::{Backend, User, credentials, log_in};

use crate::setup::alone;

#[tokio::test]
async fn three_processes_start_at_once_on_an_empty_database() {
    for round in 0..10 {
        // A hundred connections fit every limit of open files. The default of 10,000 may not, and would log a warning.
        let setup = alone().env("MAX_CONNECTIONS", "100");
        let world = setup.backend(Backend::Postgres).processes(3).stopped().await;
        let started: Vec<_> = std::thread::scope(|scope| {
            let starts: Vec<_> =
                (0..3).map(|number| world.launch_of(number)).map(|launch| scope.spawn(|| launch.try_start())).collect();
            starts.into_iter().map(|start| start.join().unwrap()).collect()
        });
        let programs: Vec<_> = started
            .into_iter()
            .map(|start| start.unwrap_or_else(|problem| panic!("round {round}: {problem}")))
            .collect();
        let mut ids = BTreeSet::new();
        for (number, program) in programs.iter().enumerate() {
            let ready = program.client().get("/health/ready").send().await.expect(200).json();
            assert_eq!(ready["store"], "ok", "round {round}: {ready}");
            let user = User::sign_up(&program.client(), &format!("user{number}")).await;
            let me = program.client().bearer(&user.token).get("/auth/me").send().await.expect(200).json();
            ids.insert(me["id"].as_i64().unwrap());
            assert_eq!(program.stderr(), "", "round {round}");
        }
        // One schema: ids are given out once, and each process knows whom another signed up.
        assert_eq!(ids.len(), 3, "round {round}");
        for (number, program) in programs.iter().enumerate() {
            let other = format!("user{}@example.org", (number + 1) % 3);
            log_in(&program.client(), &other).await;
            program.client().post("/auth/signup").json(&credentials(&other)).send().await.expect(409);
        }
    }
}
