//! Checks the layers. The diagram of `crates/README.md` is a table here: the crates that each crate may depend on,
//! checked against `cargo metadata`. Inside a crate, files must not use each other in a circle.

mod circles;
mod modules;
mod source;

use std::path::Path;

use serde_json::Value;

use crate::run::{Outcome, metadata};

/// The crates of the workspace, each with those that it may depend on.
const LAYERS: &[(&str, &[&str])] = &[
    ("tt-core", &[]),
    ("tt-providers", &["tt-core"]),
    ("tt-store", &["tt-core"]),
    ("tt-ledger", &["tt-core"]),
    ("tt-ratelimit", &["tt-core"]),
    ("tt-crypto", &["tt-core"]),
    ("tt-metrics", &["tt-core"]),
    ("tt-otel", &["tt-core"]),
    ("tt-dashboard", &[]),
    (
        "tt-http",
        &[
            "tt-core",
            "tt-providers",
            "tt-store",
            "tt-ledger",
            "tt-ratelimit",
            "tt-crypto",
            "tt-metrics",
            "tt-dashboard",
        ],
    ),
    (
        "tokentracer",
        &[
            "tt-core",
            "tt-providers",
            "tt-store",
            "tt-ledger",
            "tt-ratelimit",
            "tt-crypto",
            "tt-metrics",
            "tt-otel",
            "tt-http",
        ],
    ),
    ("tt-testkit", &["tt-core"]),
    ("xtask", &[]),
];

/// The crate that the tests of all crates but xtask may use as well.
const TEST_ONLY: &str = "tt-testkit";

/// Crates from outside that only some of ours may depend on, so that one crate knows each outside thing.
const OUTSIDE: &[(&[&str], &[&str])] = &[
    // SQL
    (
        &["diesel", "diesel-async", "diesel_migrations", "libsqlite3-sys", "deadpool", "tokio-postgres-rustls"],
        &["tt-store"],
    ),
    (&["tokio-postgres"], &["tt-store", "tt-testkit"]),
    // Redis
    (&["deadpool-redis", "redis"], &["tt-ratelimit"]),
    // HTTP: the server's side, the client's side, and the tests' own
    (&["http"], &["tt-http", "tt-dashboard", "tt-providers", "tt-otel", "tt-testkit"]),
    (&["http-body", "http-body-util", "hyper", "hyper-util"], &["tt-http", "tt-providers", "tt-otel", "tt-testkit"]),
    (&["matchit", "form_urlencoded"], &["tt-http", "tt-store", "tt-testkit"]),
    (&["hyper-rustls"], &["tt-providers", "tt-otel", "tt-testkit"]),
    // TLS, and certificates of tests
    (&["rustls", "tokio-rustls"], &["tt-http", "tt-providers", "tt-store", "tt-otel", "tokentracer", "tt-testkit"]),
    (&["rcgen"], &["tt-testkit"]),
    // metrics
    (&["prometheus-client"], &["tt-metrics"]),
    // OpenTelemetry, and its messages in tests
    (&["opentelemetry", "opentelemetry_sdk", "opentelemetry-otlp", "opentelemetry-http", "async-trait"], &["tt-otel"]),
    (&["opentelemetry-proto", "prost"], &["tt-testkit"]),
    // descriptions of the HTTP API
    (&["schemars"], &["tt-core", "tt-http"]),
    // secrets
    (&["argon2", "jsonwebtoken", "ring"], &["tt-crypto"]),
    // the tokenizer
    (&["tiktoken-rs"], &["tt-core"]),
    // the process: arguments, directories, allocator, log output
    (
        &["clap", "clap_complete", "clap_mangen", "directories", "libmimalloc-sys", "mimalloc", "tracing-subscriber"],
        &["tokentracer"],
    ),
    // what developer tasks need, and nothing that ships
    (&["dotenvy", "minreq", "proc-macro2"], &["xtask"]),
    // calls of the operating system that the standard library does not have
    (&["rustix"], &["tokentracer"]),
    // async: everywhere but in the domain
    (
        &["tokio", "tokio-util", "futures-util"],
        &[
            "tt-providers",
            "tt-store",
            "tt-ledger",
            "tt-ratelimit",
            "tt-crypto",
            "tt-otel",
            "tt-http",
            "tokentracer",
            "tt-testkit",
        ],
    ),
];

/// Crates whose files may still use each other in circles.
const MAY_HAVE_CIRCLES: &[&str] = &["tt-testkit"];

/// Fails on every dependency that is not allowed, and on circles of files. With `--circles` it prints those of all
/// crates, each with every use inside of it.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    match arguments {
        [] => check(),
        [flag] if flag == "--circles" => list_circles(),
        _ => Err("it takes --circles or nothing".to_owned()),
    }
}

/// Fails on every dependency that is not allowed, and on circles of files.
pub(crate) fn check() -> Outcome {
    let metadata = metadata()?;
    let mut wrong = edges(&metadata);
    for (package, root) in roots(&metadata) {
        if !MAY_HAVE_CIRCLES.contains(&package) {
            let edges = modules::edges(root, &read)?;
            wrong.extend(circles::find(&edges).iter().map(|circle| circle.describe(package)));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

fn list_circles() -> Outcome {
    for (package, root) in roots(&metadata()?) {
        let edges = modules::edges(root, &read)?;
        for circle in circles::find(&edges) {
            println!("{}", circle.describe(package));
            for edge in circle.edges {
                println!("        {} → {}, line {}", edge.from.display(), edge.to.display(), edge.mention);
            }
        }
    }
    Ok(())
}

/// The root file of each library and program of the workspace, with the name of its package.
fn roots(metadata: &Value) -> Vec<(&str, &Path)> {
    let mut found = Vec::new();
    for package in list(metadata, "packages") {
        for target in list(package, "targets") {
            if list(target, "kind").iter().any(|kind| kind == "lib" || kind == "bin") {
                found.push((text(package, "name"), Path::new(text(target, "src_path"))));
            }
        }
    }
    found
}

fn read(path: &Path) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

fn edges(metadata: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    for package in list(metadata, "packages") {
        let name = text(package, "name");
        let Some((_, allowed)) = LAYERS.iter().find(|(layer, _)| *layer == name) else {
            wrong.push(format!("{name} is in no layer: give it one in xtask/src/layers.rs and crates/README.md"));
            continue;
        };
        for dependency in list(package, "dependencies") {
            let target = text(dependency, "name");
            let for_tests = text(dependency, "kind") == "dev";
            if LAYERS.iter().any(|(layer, _)| *layer == target) {
                let test_tool = for_tests && target == TEST_ONLY && name != "xtask";
                if !allowed.contains(&target) && !test_tool {
                    wrong.push(format!("{name} must not depend on {target}"));
                }
                continue;
            }
            let owners = OUTSIDE.iter().find(|(things, _)| things.contains(&target)).map(|(_, owners)| *owners);
            if let Some(owners) = owners.filter(|owners| !for_tests && !owners.contains(&name)) {
                wrong.push(format!("{name} must not depend on {target}: that is for {}", owners.join(", ")));
            }
        }
    }
    wrong
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn package(name: &str, dependencies: &[(&str, Option<&str>)]) -> Value {
        let dependencies: Vec<Value> =
            dependencies.iter().map(|(name, kind)| json!({"name": name, "kind": kind})).collect();
        json!({"packages": [{"name": name, "dependencies": dependencies}]})
    }

    #[test]
    fn an_edge_to_a_sibling_or_upwards_is_found() {
        let found = edges(&package("tt-store", &[("tt-core", None), ("tt-crypto", None), ("tt-http", Some("dev"))]));
        assert_eq!(found, ["tt-store must not depend on tt-crypto", "tt-store must not depend on tt-http"]);
    }

    #[test]
    fn the_test_tools_are_for_tests_only() {
        assert!(edges(&package("tt-store", &[("tt-testkit", Some("dev"))])).is_empty());
        assert_eq!(edges(&package("tt-store", &[("tt-testkit", None)])).len(), 1);
        assert_eq!(edges(&package("xtask", &[("tt-testkit", Some("dev"))])).len(), 1);
    }

    #[test]
    fn an_outside_thing_belongs_to_its_crate() {
        let found = edges(&package("tt-http", &[("diesel", None), ("hyper", None)]));
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("must not depend on diesel"), "{found:?}");
        assert!(edges(&package("tokentracer", &[("hyper", Some("dev"))])).is_empty());
        assert_eq!(edges(&package("tt-core", &[("tokio", None)])).len(), 1);
    }

    #[test]
    fn a_crate_without_a_layer_is_found() {
        assert!(edges(&package("tt-new", &[]))[0].contains("is in no layer"));
    }
}
