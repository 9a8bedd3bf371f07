//! Developer tasks: `cargo xtask <task>`, which `make <task>` forwards to. One module per task.
//!
//! **Invariant:** it depends on none of the product's crates, so that it builds in seconds and cannot break with them.
#![expect(clippy::print_stdout, reason = "a command line program")]

mod agents;
mod api;
mod apt;
mod bench;
mod browser;
mod check;
mod clock;
mod containers;
mod deny;
mod dev;
mod dist;
mod env;
mod fuzz;
mod http;
mod layers;
mod manifests;
mod packages;
mod prices;
mod program;
mod run;
mod sdk;
mod soak;
mod test;
mod threats;
mod web;

use std::process::ExitCode;

use run::{Outcome, cargo};

const HELP: &str = "\
make <task>, or cargo xtask <task> [arguments]

  run           build, start on a database of its own, print the dashboard's address with a sign-in, an API key and a curl line
                (cargo xtask dev); --demo with requests of two months on a mock, made anew each time
  test          all tests, on a PostgreSQL and Redis started for them (the black-box ones on SQLite, then on
                both with two processes); arguments go to cargo test, and then these run once
  test-sdk      the SDKs of OpenAI, Anthropic, Google and the ai package as clients; installs them from PyPI and npm
                below the build directory; python or javascript runs those alone
  test-agents   coding agents at a task with tool calls, without a network but the loopback; installs them from npm and
                PyPI below the build directory; claude-code, codex, gemini-cli, opencode, qwen-code, cline or aider runs
                that one alone
  test-browser  the dashboard in the system's Chromium, with screenshots below the build directory; installs what drives it
                from npm; names of files of bins/tokentracer/tests/browser run these alone
  test-api      requests that schemathesis makes of the OpenAPI document; every answer must be one that it names; installs
                schemathesis from PyPI below the build directory
  check         formatting, lints, documentation, layers, threats, manifests, deny and the dashboard, as CI does
  fmt           format the source
  lint          clippy, warnings are errors
  layers        which crate may depend on which, and no circles of files; --circles lists those that there are
  threats       whether the tests exist that the threats in crates/README.md name
  deny          licences, banned crates, sources and advisories of all crates (deny.toml)
  web           lint, test and build the dashboard into crates/tt-dashboard/dist; needs Node.js
  openapi       print the OpenAPI document of the HTTP API
  manifests     the manifests of deploy/kubernetes against the schemas of Kubernetes; installs these from PyPI
  build         the release binary (the last link takes some minutes)
  dist          an archive to install from, with its SHA-256: the program, manual pages, completions, a unit of systemd,
                manifests, and the licences of all that is in it; --profile NAME for another profile than release;
                --profile-guided builds it twice, the second time by what the benchmark's loads made it execute
  deps          fetch crates, and install what the tests need where that is possible
  db-migrate    bring the configured database up to date (cargo xtask migrate)
  up            start PostgreSQL and Redis in containers; --profile app (or COMPOSE_PROFILES=app) adds the program
  down          stop them; --volumes removes their data too
  logs          follow what they log
  docker-build  build the program's image, tokentracer:local
  prices        rebuild the price table in the binary from a file of price facts: ARGS=FILE
  bench         measure against a bare proxy; --release for the profile that ships; --instructions, given first, counts the
                instructions of a request with callgrind; --binary PATH measures a program built elsewhere, there too;
                --growth compares few users, aliases and rows with many
  soak          attack the ledger for long: kill, store, full, aborts, steady (half an hour of mixed load; memory, files and
                threads stay flat), hostile, or all; TT_SOAK_SEED=N repeats a run
  fuzz          hostile inputs for the codecs, a minute for each target: a target's name, --seconds N
  clean         remove everything built";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let task = arguments.next().unwrap_or_else(|| "help".to_owned());
    let rest: Vec<String> = arguments.collect();
    match task_named(&task, &rest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            if !problem.is_empty() {
                eprintln!("{task}: {problem}");
            }
            ExitCode::FAILURE
        }
    }
}

fn task_named(task: &str, rest: &[String]) -> Outcome {
    match task {
        "help" | "--help" | "-h" => {
            println!("{HELP}");
            Ok(())
        }
        "dev" => dev::build_and_serve(rest),
        dev::SERVE => dev::serve(rest),
        "migrate" => dev::migrate(rest),
        "test" => test::run(rest),
        "test-sdk" => sdk::test(rest),
        "test-agents" => agents::test(rest),
        agents::INSIDE => agents::inside(rest),
        "test-browser" => browser::test(rest),
        "test-api" => api::test(rest),
        "openapi" => api::print(rest),
        "web" => web::build(),
        "deps" => test::install(),
        "check" => check::all(),
        "fmt" => cargo(&["fmt", "--all"]),
        "lint" => check::lint(),
        "layers" => layers::run(rest),
        "threats" => threats::check(),
        "deny" => deny::check(),
        "manifests" => manifests::check(),
        "dist" => dist::run(rest),
        "build" => cargo(&["build", "--release", "--package", "tokentracer"]),
        "up" => containers::up(rest),
        "down" => containers::down(rest),
        "logs" => containers::logs(rest),
        "docker-build" => containers::build(rest),
        "prices" => prices::rebuild(rest),
        "bench" => bench::run(rest),
        "soak" => soak::run(rest),
        "fuzz" => fuzz::run(rest),
        "clean" => cargo(&["clean"]),
        _ => Err(format!("no such task\n\n{HELP}")),
    }
}
