//! The loads of the benchmark, and what else users do often, by which a build learns what the program does most.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::bed::Bed;
use super::databases::Databases;
use super::measure::measure;
use super::shape::{OF_OTHER_APIS, SHAPES, Shape, plain};
use crate::run::{Outcome, status};

/// The time for each load, in milliseconds.
const MILLIS: u64 = 1500;

/// The times that each page is read.
const READS: usize = 20;

/// Requests whose tokens are counted here to choose a model.
const COUNTED: Shape = plain("300 B, counted, under a budget", "chat", "counted");

/// Pages that the dashboard reads.
const PAGES: [&str; 9] = [
    "/manage/usage?group_by=day,model",
    "/manage/usage?group_by=alias,status",
    "/manage/logs?limit=100",
    "/manage/ledger/gaps",
    "/manage/aliases",
    "/manage/providers",
    "/manage/models",
    "/manage/prices",
    "/manage/budgets",
];

/// Puts every load on `program`, which counts what it executes and writes that into `counts` when it ends: on SQLite first,
/// then on PostgreSQL and Redis, then over TLS.
pub(crate) fn train(mock: &Path, program: &Path, counts: &Path) -> Outcome {
    // `%p` is the id of the process: the command line of the program writes a file of its own.
    let counts = ("LLVM_PROFILE_FILE", counts.join("%p.profraw").display().to_string());
    put_all_loads_on(Bed::start(mock, program, 0, std::slice::from_ref(&counts))?)?;
    let databases = Databases::start()?;
    let settings = [databases.settings(), vec![counts.clone()]].concat();
    put_all_loads_on(Bed::start(mock, program, 0, &settings)?)?;
    put_loads_over_tls(mock, program, &counts)
}

fn put_all_loads_on(mut bed: Bed) -> Outcome {
    put(&bed, SHAPES.into_iter().chain(OF_OTHER_APIS))?;
    set_budget_and_light_model(&bed)?;
    put(&bed, [COUNTED])?;
    read(&bed)?;
    bed.stop_tokentracer();
    Ok(())
}

/// Providers are reached over TLS, and many serve TLS themselves: the requests of OpenAI's API go through one program to
/// another, which serves TLS.
fn put_loads_over_tls(mock: &Path, program: &Path, counts: &(&str, String)) -> Outcome {
    let mut behind = Bed::start(mock, program, 0, std::slice::from_ref(counts))?;
    let file = |name: &str| behind.directory().join(name).display().to_string();
    let [authority, certificate, key] = ["authority.pem", "certificate.pem", "key.pem"].map(file);
    status(Command::new(mock).arg("certificate").arg(behind.directory()))?;
    // Its account was made without TLS.
    behind.start_again(program, &[counts.clone(), ("TLS_CERT", certificate), ("TLS_KEY", key)])?;
    let served = behind.tokentracer().ok_or("TokenTracer is not among the targets")?;

    let settings = [counts.clone(), ("EXTRA_CA_CERTS", authority), ("ALLOW_PRIVATE_UPSTREAMS", "true".to_owned())];
    let mut bed = Bed::start(mock, program, 0, &settings)?;
    let port = served.address().rsplit_once(':').map_or("", |(_, port)| port);
    let change = json!({"api_key": served.key(), "base_url": format!("https://localhost:{port}/v1")});
    let (server, session) = bed.session()?;
    let path = format!("/manage/providers/{}", server.provider_key(&session, "openai")?);
    server.call("PATCH", &path, Some(&session), Some(&change))?.ok("change a provider key")?;
    put(&bed, SHAPES)?;
    bed.stop_tokentracer();
    behind.stop_tokentracer();
    Ok(())
}

fn put(bed: &Bed, shapes: impl IntoIterator<Item = Shape>) -> Outcome {
    let program = bed.tokentracer().ok_or("TokenTracer is not among the targets")?;
    for shape in shapes {
        for connections in shape.connections {
            let taken = measure(bed, program, shape, *connections, MILLIS)?;
            println!("{}, {connections} connections: {:.0} requests a second", shape.name, taken.per_second);
        }
    }
    Ok(())
}

/// Gives the account a budget, and an alias that has a light model for all inputs of the benchmark. Its models are listed: a
/// budget needs the most tokens that a model writes, which requests of the benchmark do not bound.
fn set_budget_and_light_model(bed: &Bed) -> Outcome {
    let (server, session) = bed.session()?;
    let budget = json!({"limit_usd": 1_000_000, "period": "total"});
    server.call("PUT", "/manage/budgets", Some(&session), Some(&budget))?.ok("set a budget")?;
    let alias = json!({
        "alias": COUNTED.model,
        "target_model": "gpt-4o",
        "provider_key_id": server.provider_key(&session, "openai")?,
        "use_light_model": true,
        "light_model": "gpt-4o-mini",
        "light_model_threshold": 10_000,
    });
    server.post("/manage/aliases", Some(&session), &alias)?.ok("make an alias").map(drop)
}

fn read(bed: &Bed) -> Outcome {
    let (server, session) = bed.session()?;
    for page in PAGES {
        for _ in 0..READS {
            server.get(page, &session)?.ok(page)?;
        }
    }
    Ok(())
}
