//! Every fault of an upstream, of every provider, plain and streamed, in every dialect of clients: what the client sees,
//! whether the fallback is asked, and the row.
//!
//! [`table`] says what is expected of each fault, `client` how each dialect asks and what its answers and errors look like.
//! Each fault is asked for twice: of an alias without a fallback, and of one with a fallback that serves. Every case has a
//! model of its own, and, where the fault is the key's, a key of its own, so that no case makes the target of another rest.
//!
//! There is no GOAWAY: providers are called over HTTP/1.1 only.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tt_core::Provider;
use tt_testkit::world::{PROVIDERS, User};
use tt_testkit::{MockUpstream, World};

use crate::setup::world_with;

mod client;
mod table;

use client::{Answer, CLIENTS, Dialect};
use table::{Expected, HUGE, Kind, Row, Source, TABLE};

/// The requests that are open at once.
const AT_ONCE: usize = 32;

/// The model that serves where a target falls back. It has a price.
const GOOD: &str = "gpt-4o-mini";

/// One request of the table.
#[derive(Debug, Clone, Copy)]
struct Case {
    row: &'static Row,
    expected: &'static Expected,
    provider: Provider,
    dialect: Dialect,
    stream: bool,
    falls_back: bool,
    number: usize,
}

impl Case {
    /// The name of the model, which says what the mock is to do and which alias catches it.
    fn model(&self) -> String {
        let Self { row, number, .. } = self;
        let words = row.words_of(self.provider, self.stream);
        match row.fault {
            "refused" | "dns" | "tls" => format!("mock-{}-u{number}", row.fault),
            _ if row.own_key => format!("mock-k{number}-{words}"),
            _ => format!("mock-{words}-u{number}"),
        }
    }

    /// True if the provider's dialect is the client's, so that errors are passed on as they were.
    fn passes_through(&self) -> bool {
        match self.dialect {
            Dialect::Chat | Dialect::Responses => self.provider == Provider::OpenAi,
            Dialect::Messages => self.provider == Provider::Anthropic,
            Dialect::Gemini => self.provider == Provider::Gemini,
        }
    }
}

/// Every case of `table` for `provider`, all with a fallback or all without.
fn cases(table: &'static [Row], provider: Provider, falls_back: bool) -> Vec<Case> {
    let mut cases = Vec::new();
    for row in table {
        for dialect in CLIENTS {
            for (stream, expected) in [(false, &row.plain), (true, &row.streamed)] {
                if let Some(expected) = expected {
                    let number = cases.len();
                    cases.push(Case { row, expected, provider, dialect, stream, falls_back, number });
                }
            }
        }
    }
    cases
}

/// Makes the keys and the aliases that lead to the faults.
async fn prepare(world: &World, user: &User, provider: Provider, cases: &[Case]) {
    let fallback = match cases.first() {
        Some(Case { falls_back: true, .. }) => {
            let key = user.add_provider_key(Provider::OpenAi).await;
            json!(user.save_alias(&json!({"alias": "good", "target_model": GOOD, "provider_key_id": key})).await)
        }
        _ => Value::Null,
    };
    let catch = async |alias: String, key: &str, base_url: Option<&str>| {
        let id =
            user.save_provider_key(&json!({"provider": provider.as_str(), "api_key": key, "base_url": base_url})).await;
        let body = json!({"alias": alias, "target_model": "*", "provider_key_id": id, "fallback_alias_id": fallback});
        user.save_alias(&body).await;
    };
    let right = MockUpstream::key(provider);
    catch("mock-*".to_owned(), right, None).await;
    // A port that was free a moment ago: nobody listens there.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for (fault, base_url) in [
        ("refused", format!("http://127.0.0.1:{port}")),
        ("dns", "http://nobody.invalid".to_owned()),
        ("tls", world.mock.url().replace("http://", "https://")),
    ] {
        catch(format!("mock-{fault}-*"), right, Some(&base_url)).await;
    }
    for case in cases.iter().filter(|case| case.row.own_key) {
        let key = if case.row.fault == "wrong-key" { "sk-that-nobody-knows" } else { right };
        catch(format!("mock-k{}-*", case.number), key, None).await;
    }
}

/// The row of a request, once it is stored; `None` if there is none in time.
async fn row(user: &User, request_id: &str) -> Option<Value> {
    for _ in 0..10 {
        // The server waits half a second for what has just settled.
        let answer = user.session.get(&format!("/manage/logs/{request_id}")).send().await;
        if answer.status != 404 {
            return Some(answer.expect(200).json());
        }
    }
    None
}

/// The differences between what a case should look like and what it does.
async fn differences(user: &User, case: &Case) -> Vec<String> {
    let answer = client::ask(user.api(), case.dialect, case.stream, &case.model()).await;
    let mut found = Vec::new();
    let Some(row) = row(user, &answer.request_id).await else {
        return vec![format!("no row of {} {}", answer.status, answer.text())];
    };
    let mut check = |what: &str, there: Value, expected: Value| {
        if there != expected {
            found.push(format!("{what}: {there} and not {expected}"));
        }
    };
    let expected = case.expected;
    match expected.kind {
        Kind::Served => served(&answer, &row, 1, &mut check),
        Kind::Falls { .. } if case.falls_back => {
            served(&answer, &row, expected.attempts + 1, &mut check);
            check("the alias that serves", json!(answer.header("x-tokentracer-alias")), json!("good"));
        }
        Kind::Falls { status, code } => {
            let status = own_status(case, status);
            failed(case, &answer, &row, status, code, &mut check);
            check("attempts", row["attempts"].clone(), json!(expected.attempts));
        }
        Kind::Answered { status } => {
            failed(case, &answer, &row, status, "", &mut check);
            check("attempts", row["attempts"].clone(), json!(1));
        }
        Kind::Breaks { code } => broke(case, &answer, &row, code, &mut check),
    }
    let source = match (expected.kind, expected.source) {
        (Kind::Served, _) | (Kind::Falls { .. }, Source::None) if answer.status == 200 => "provider",
        (_, source) => source.as_str(),
    };
    if !matches!(expected.kind, Kind::Served) || source != "provider" {
        check("usage_source", row["usage_source"].clone(), json!(source));
    }
    // An attempt without an answer costs an unknown amount; the known costs of the others are added up.
    let cost = &row["cost_usd"];
    match (answer.status, source) {
        (200, _) if case.falls_back && matches!(expected.kind, Kind::Falls { .. }) => {
            check("a cost above 0", json!(cost.as_f64().is_some_and(|cost| cost > 0.0)), json!(true));
        }
        (_, "none") => check("cost_usd", cost.clone(), json!(0)),
        _ => check("cost_usd", cost.clone(), Value::Null),
    }
    let first = &row["attempt_list"][0];
    let said = first["error"].as_str().unwrap_or_default();
    if !said.contains(expected.says) || (expected.says.is_empty() != said.is_empty()) {
        found.push(format!("the attempt's error: {said:?} and not {:?}", expected.says));
    }
    if row.to_string().contains("sk-that-nobody-knows") || answer.text().contains("sk-that-nobody-knows") {
        found.push("the stored key is told".to_owned());
    }
    found
}

/// The status of the answer when every attempt failed: the provider's own where its error is passed on as it was.
fn own_status(case: &Case, status: u16) -> u16 {
    match case.row.status_of(case.provider) {
        Some(own) if case.passes_through() && case.dialect.keeps_errors() && !matches!(own, 401..=403) => own,
        _ => status,
    }
}

fn served(answer: &Answer, row: &Value, attempts: u64, check: &mut impl FnMut(&str, Value, Value)) {
    check("status", json!(answer.status), json!(200));
    check("the end of the answer", json!(answer.is_whole()), json!(true));
    check("row", json!([row["status"], row["outcome"], row["error"]]), json!([200, "ok", null]));
    check("attempts", row["attempts"].clone(), json!(attempts));
    check("x-tokentracer-attempts", json!(answer.header("x-tokentracer-attempts")), json!(attempts.to_string()));
}

/// The client got an error in its dialect, and nothing else.
fn failed(
    case: &Case,
    answer: &Answer,
    row: &Value,
    status: u16,
    code: &str,
    check: &mut impl FnMut(&str, Value, Value),
) {
    check("status", json!(answer.status), json!(status));
    check("content-type", json!(answer.header("content-type")), json!("application/json"));
    if let Err(shape) = case.dialect.error_shape(&answer.json(), Some(status)) {
        check("the shape of the error", json!(shape), Value::Null);
    }
    let has_codes = matches!(case.dialect, Dialect::Chat | Dialect::Responses);
    let passed_on = case.passes_through() && case.dialect.keeps_errors();
    if has_codes && !passed_on && !code.is_empty() {
        check("code", answer.json()["error"]["code"].clone(), json!(code));
    }
    let over = matches!(status, 502 | 504).then_some("false");
    check("x-should-retry", json!(answer.header("x-should-retry")), json!(over));
    check("retry-after", json!(answer.header("retry-after")), json!(case.row.retry_after));
    check("row", json!([row["status"], row["outcome"]]), json!([status, "error"]));
    check("first_token_ms", row["first_token_ms"].clone(), Value::Null);
}

/// The client got a part of the answer, and then an error event in its dialect.
fn broke(case: &Case, answer: &Answer, row: &Value, code: &str, check: &mut impl FnMut(&str, Value, Value)) {
    check("status", json!(answer.status), json!(200));
    check("what came before", json!(answer.has_text()), json!(true));
    check("the end of the answer", json!(answer.is_whole()), json!(false));
    match answer.events.last().map(|event| case.dialect.error_event(event)) {
        Some(Ok(())) => {}
        other => check("the last event", json!(format!("{other:?}")), Value::Null),
    }
    let error = answer.events.last().map(|event| event.json()["error"]["code"].clone());
    if case.dialect == Dialect::Chat {
        check("code", json!(error), json!(code));
    }
    check("row", json!([row["status"], row["outcome"], row["attempts"]]), json!([200, "error", 1]));
    check("output that was counted", json!(row["output_tokens"].as_u64() > Some(0)), json!(true));
    check("first_token_ms", json!(row["first_token_ms"].is_u64()), json!(true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_is_answered_told_and_recorded_as_the_table_says() {
    let world = world_with(&[
        ("ALLOW_PRIVATE_UPSTREAMS", "true"),
        ("UPSTREAM_CONNECT_TIMEOUT", "2s"),
        ("UPSTREAM_FIRST_BYTE_TIMEOUT", "3s"),
        ("UPSTREAM_TOTAL_TIMEOUT", "3s"),
        ("UPSTREAM_IDLE_TIMEOUT", "3s"),
    ])
    .await;
    let begun = Instant::now();
    let (places, mut running) = (Arc::new(Semaphore::new(AT_ONCE)), JoinSet::new());
    for (provider, falls_back) in PROVIDERS.into_iter().flat_map(|provider| [(provider, false), (provider, true)]) {
        let user = world.bare_user().await;
        let cases = cases(TABLE, provider, falls_back);
        prepare(&world, &user, provider, &cases).await;
        for case in cases {
            let place = Arc::clone(&places).acquire_owned().await.unwrap();
            let user = user.clone();
            running.spawn(async move {
                let found = differences(&user, &case).await;
                drop(place);
                (case, found)
            });
        }
    }
    let all = running.join_all().await;
    as_the_table_says(&all);
    assert!(all.len() > 2_000, "{} cases", all.len());
    assert!(begun.elapsed() < Duration::from_secs(300), "{:?} for {} cases", begun.elapsed(), all.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_or_an_answer_of_a_hundred_megabytes_is_cut_off() {
    let world = world_with(&[("ALLOW_PRIVATE_UPSTREAMS", "true")]).await;
    let mut all = Vec::new();
    for provider in PROVIDERS {
        for falls_back in [false, true] {
            let user = world.bare_user().await;
            let mut cases = cases(HUGE, provider, falls_back);
            // An answer is read up to 64 MiB: one dialect suffices.
            cases.retain(|case| case.dialect == Dialect::Chat || (case.stream && falls_back));
            prepare(&world, &user, provider, &cases).await;
            for case in cases {
                all.push((case, differences(&user, &case).await));
            }
        }
    }
    as_the_table_says(&all);
}

/// Fails with what differs, each difference with its cases.
#[track_caller]
fn as_the_table_says(all: &[(Case, Vec<String>)]) {
    let mut differing: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (case, found) in all {
        let Case { row, provider, dialect, stream, falls_back, .. } = case;
        let way = if *stream { "streamed" } else { "plain" };
        let chain = if *falls_back { "with a fallback" } else { "alone" };
        for difference in found {
            let entry = differing.entry(format!("{} {way} {chain}: {difference}", row.fault)).or_default();
            entry.push(format!("{dialect:?} to {provider}"));
        }
    }
    let told: Vec<String> = differing.iter().map(|(what, cases)| format!("{what} [{}]", cases.join(", "))).collect();
    assert!(told.is_empty(), "{} differences in {} cases:\n{}", differing.len(), all.len(), told.join("\n"));
}
