//! `tokentracer usage export`: every row once, equal to the row of the log, adding up to the sums of usage.

use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tt_core::{NanoUsd, Provider};
use tt_testkit::World;
use tt_testkit::world::{Backend, User, question};

use crate::setup::{BINARY, setup, world};

/// The cells of a CSV as RFC 4180 has them, line by line.
fn parse(text: &str) -> Vec<Vec<String>> {
    let (mut lines, mut line, mut cell, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => cell.extend(chars.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => line.push(std::mem::take(&mut cell)),
            '\r' if !quoted => assert_eq!(chars.peek(), Some(&'\n')),
            '\n' if !quoted => {
                line.push(std::mem::take(&mut cell));
                lines.push(std::mem::take(&mut line));
            }
            c => cell.push(c),
        }
    }
    assert!(!quoted && cell.is_empty() && line.is_empty(), "it ends with a line's end");
    lines
}

fn nano(text: &str) -> i64 {
    serde_json::from_str::<NanoUsd>(text).unwrap_or_else(|error| panic!("{text}: {error}")).0
}

async fn stage(world: &World) -> (User, User) {
    let (ann, bob) = (world.sign_up("ann").await, world.sign_up("bob").await);
    for person in [&ann, &bob] {
        person.add_provider_key(Provider::OpenAi).await;
    }
    let call = async |person: &User, model: &str, tags: &str, status: u16| {
        let call = person.session.post("/v1/chat/completions").json(&question(model, "one two three"));
        call.header("x-tokentracer-tags", tags).send().await.expect(status);
    };
    call(&ann, "openai/gpt-4o", "team==1+1,say=\"a\"", 200).await;
    call(&ann, "openai/gpt-4o-mini", "team=x", 200).await;
    call(&ann, "openai/mock-small", "team=x", 200).await;
    call(&ann, "openai/mock-status-400", "team=x", 400).await;
    call(&bob, "openai/gpt-4o", "team=y", 200).await;
    // A process that is asked for its log first stores the requests that have ended on it.
    for person in [&ann, &bob] {
        person.session.get("/manage/logs").send().await.expect(200);
    }
    (ann, bob)
}

async fn whole(world: &World) {
    let (ann, _bob) = stage(world).await;
    let export = |more: &[&str]| world.command(&words(more));
    let csv = parse(&export(&[]).expect(0).out);
    let (names, rows) = csv.split_first().unwrap();
    assert_eq!(rows.len(), 5);
    assert!(rows.iter().all(|row| row.len() == names.len()), "{csv:?}");
    let column = |name: &str| names.iter().position(|known| known == name).unwrap_or_else(|| panic!("{name}"));
    let of = |row: &[String], name: &str| row[column(name)].clone();
    assert!(rows.iter().map(|row| of(row, "request_id")).is_sorted(), "oldest first");
    assert_eq!(of(&rows[0], "tags"), r#"{"say":"\"a\"","team":"=1+1"}"#);
    assert_eq!((of(&rows[2], "cost_usd"), of(&rows[2], "unpriced")), (String::new(), "true".to_owned()));
    assert_eq!((of(&rows[3], "cost_usd"), of(&rows[3], "status")), ("0".to_owned(), "400".to_owned()));

    let anns: Vec<&Vec<String>> = rows.iter().filter(|row| of(row, "user") == ann.email).collect();
    let usage = ann.session.get("/manage/usage?group_by=").send().await.expect(200);
    let sums = &usage.json()[0];
    assert_eq!(sums["requests"], anns.len());
    for field in ["input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens"] {
        let sum: u64 = anns.iter().map(|row| of(row, field).parse::<u64>().unwrap()).sum();
        assert_eq!(sums[field], sum, "{field}");
    }
    let known = anns.iter().map(|row| of(row, "cost_usd")).filter(|cost| !cost.is_empty());
    let cost: i64 = known.map(|cost| nano(&cost)).sum();
    assert!(cost > 0 && usage.text().contains(&format!("\"cost_usd\":{},", NanoUsd(cost))), "{}", usage.text());

    // The same rows as JSON, field by field.
    let jsonl = export(&["--format", "jsonl"]).expect(0).out;
    let objects: Vec<Value> = jsonl.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(objects.len(), rows.len());
    for (object, row) in objects.iter().zip(rows) {
        assert_eq!(object.as_object().unwrap().keys().collect::<Vec<_>>(), names.iter().collect::<Vec<_>>());
        for name in names.iter().filter(|name| !["tags", "cost_usd", "saved_usd"].contains(&name.as_str())) {
            let cell = match &object[name] {
                Value::Null => String::new(),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            assert_eq!(cell, of(row, name), "{name}");
        }
    }
    assert_eq!(objects[0]["tags"], json!({"say": "\"a\"", "team": "=1+1"}));

    let lines = |words: &[&str]| parse(&export(words).expect(0).out).len() - 1;
    assert_eq!(lines(&["--user", " Bob@Example.org"]), 1);
    assert_eq!(lines(&["--from", &of(&rows[1], "created_at"), "--to", &of(&rows[3], "created_at")]), 2);
    assert_eq!(lines(&["--to", "2020-01-01"]), 0);
    for (words, said) in [
        (["--user", "nobody@example.org"], "there is no user nobody@example.org"),
        (["--user", "nobody"], "--user: "),
        (["--from", "noon"], "--from: must be an RFC 3339 time"),
        (["--output", "/no/such/directory/x.csv"], "/no/such/directory/x.csv: "),
    ] {
        let ran = export(&words).expect(1);
        assert!(ran.err.contains(said) && ran.err.lines().count() == 1 && ran.out.is_empty(), "{ran:?}");
    }
    export(&["--format", "xml"]).expect(2);
}

fn words<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["usage", "export"], more].concat()
}

#[tokio::test]
async fn an_export_has_every_row_once_and_adds_up_to_the_usage() {
    whole(&world().await).await;
}

#[tokio::test]
async fn an_export_has_every_row_once_and_adds_up_to_the_usage_on_postgresql() {
    whole(&setup().backend(Backend::Postgres).start().await).await;
}

#[tokio::test]
async fn an_export_goes_to_a_file_and_ends_quietly_when_nobody_reads() {
    let world = world().await;
    stage(&world).await;
    let file = world.data_dir().join("export.csv");
    let ran = world.command(&words(&["--output", file.to_str().unwrap()])).expect(0);
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("", ""), "no progress where there is no terminal");
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(parse(&text).len(), 6);
    assert_eq!(world.command(&words(&[])).expect(0).out, text);

    let mut child = Command::new(BINARY)
        .args(words(&[]))
        .env_clear()
        .env("DATA_DIR", world.data_dir())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let ended = child.wait_with_output().unwrap();
    assert!(ended.status.success() && ended.stderr.is_empty(), "{ended:?}");
}
