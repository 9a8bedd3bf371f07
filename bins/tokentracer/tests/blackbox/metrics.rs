//! `/metrics`: who may read it, and that it equals the rows of the ledger. Each process has metrics of its own, so these
//! tests run one process.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tt_core::Provider::{Anthropic, Gemini, OpenAi};
use tt_testkit::client::Client;
use tt_testkit::exposition::Exposition;
use tt_testkit::world::{eventually, question};
use tt_testkit::{Behaviour, World};

use crate::expect::error;
use crate::prices::nano_of;
use crate::setup::{BINARY, program};

const UNSENDABLE: &str = "a token of more than thirty-two bytes";
const TOKEN: &str = "0123456789abcdef-0123456789abcdef";

async fn world_with(settings: &[(&str, &str)]) -> World {
    World::of(BINARY).envs(settings).start().await
}

async fn scrape(client: &Client) -> Exposition {
    Exposition::parse(&client.get("/metrics").send().await.expect(200).text())
}

#[tokio::test]
async fn this_machine_reads_them_without_a_token_and_no_proxy_does() {
    let world = world_with(&[]).await;
    let client = world.client();
    let answer = client.get("/metrics").send().await.expect(200);
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let read = Exposition::parse(&answer.text());
    assert_eq!(read.sum("tokentracer_store_up", &[]), 1);
    assert_eq!(read.sum("tokentracer_build_info", &[("version", env!("CARGO_PKG_VERSION"))]), 1);
    assert_eq!(read.of("tokentracer_redis_up", &[]).count(), 0, "there is no Redis");

    let head = client.call(Method::HEAD, "/metrics").send().await.expect(200);
    assert!(head.body.is_empty());
    assert_eq!(head.header("content-type"), answer.header("content-type"));

    for (name, value) in
        [("forwarded", "for=127.0.0.1"), ("x-forwarded-for", "127.0.0.1"), ("x-forwarded-proto", "https")]
    {
        error(&client.get("/metrics").header(name, value).send().await, 403, "forbidden");
        let head = client.call(Method::HEAD, "/metrics").header(name, value).send().await;
        assert_eq!((head.status.as_u16(), head.body.is_empty()), (403, true));
    }
}

#[tokio::test]
async fn a_proxy_that_is_trusted_reads_them_no_more_than_another() {
    let world = world_with(&[("TRUSTED_PROXIES", "127.0.0.0/8")]).await;
    let forwarded = world.client().get("/metrics").header("x-forwarded-for", "127.0.0.1");
    error(&forwarded.send().await, 403, "forbidden");
}

#[tokio::test]
async fn with_a_token_it_is_needed_and_enough() {
    let world = world_with(&[("METRICS_TOKEN", TOKEN)]).await;
    let client = world.client();
    error(&client.get("/metrics").send().await, 401, "missing_credentials");
    error(&client.get("/metrics").bearer("0123456789abcdef-0123456789abcdeF").send().await, 401, "invalid_credentials");
    let through_a_proxy = client.get("/metrics").bearer(TOKEN).header("x-forwarded-for", "192.0.2.7");
    assert_eq!(Exposition::parse(&through_a_proxy.send().await.expect(200).text()).sum("tokentracer_store_up", &[]), 1);
    // A user's credentials are none for it, and it is none for users.
    let user = world.bare_user().await;
    error(&user.session.get("/metrics").send().await, 401, "invalid_credentials");
    error(&client.get("/auth/me").bearer(TOKEN).send().await, 401, "invalid_credentials");
    assert!(!world.program().stderr().contains(TOKEN));
}

#[test]
fn a_token_that_cannot_be_sent_or_is_short_stops_the_start_and_is_not_shown() {
    for bad in ["short", UNSENDABLE] {
        let output = program().env("METRICS_TOKEN", bad).output();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains("METRICS_TOKEN:"), "{said}");
        assert!(!said.contains(bad), "the token is shown: {said}");
    }
}

#[tokio::test]
async fn prometheus_gets_openmetrics_when_it_asks_for_it() {
    let world = world_with(&[]).await;
    let accept = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
    let answer = world.client().get("/metrics").header("accept", accept).send().await.expect(200);
    assert_eq!(answer.header("content-type"), Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    assert!(answer.text().ends_with("# EOF\n"));
}

/// The sum of a number over rows.
fn sum(rows: &[Value], name: &str) -> i64 {
    rows.iter().map(|row| row[name].as_i64().unwrap()).sum()
}

/// The sum of an amount over rows, in nano-dollars; what is not known counts nothing.
fn money(rows: &[Value], name: &str) -> i64 {
    rows.iter().filter(|row| !row[name].is_null()).map(|row| nano_of(&row[name])).sum()
}

#[tokio::test]
async fn they_equal_the_rows_on_every_way_out() {
    let world = world_with(&[]).await;
    let user = world.user().await;
    let mock = &world.mock;
    mock.on("gpt-4o", Behaviour::ok().cached(3).reasoning(2));
    mock.on("gpt-4.1", Behaviour::status(500));
    mock.on("gpt-4o-mini", Behaviour::ok());
    mock.on("claude-haiku-4-5", Behaviour::ok().cache_write(30));
    mock.on("gemini-2.5-flash", Behaviour::ok().text("one two three four").stall_after(2));
    let light = json!({"use_light_model": true, "light_model": "gpt-4o-mini", "light_model_threshold": 50});
    user.alias("whole", OpenAi, "gpt-4o").await;
    user.alias_with("light", OpenAi, "gpt-4o", light).await;
    let haiku = user.alias("haiku", Anthropic, "claude-haiku-4-5").await;
    user.alias_with("broken", OpenAi, "gpt-4.1", json!({"fallback_alias_id": haiku})).await;
    user.alias("unpriced", OpenAi, "mock-small").await;
    user.alias("hopeless", OpenAi, "gpt-4.1").await;
    user.alias("stalled", Gemini, "gemini-2.5-flash").await;

    for alias in ["whole", "light", "broken", "unpriced", "openai/gpt-4o"] {
        user.ask(alias, "hello").await.expect(200);
        drop(user.ask_stream(alias, "hello").await.rest().await);
    }
    user.ask("hopeless", "hello").await.expect(502);
    let mut left = user.ask_stream("stalled", "hello").await;
    left.next().await.unwrap();
    drop(left);
    let cancelled = user.row_when(|row| row["outcome"] == "cancelled").await;
    assert_eq!(cancelled["alias"], "stalled");
    // Refused before it is admitted: it has no row.
    user.ask("unknown", "hello").await.expect(404);

    let rows = user.logs().await;
    assert_eq!(rows.len(), 12);
    let read = scrape(&world.client()).await;
    for row in &rows {
        let text = |name: &str| row[name].as_str().unwrap();
        let (alias, model) = match (text("alias"), text("model")) {
            ("openai/gpt-4o", model) => ("direct", model),
            (alias, "mock-small") => (alias, "other"),
            named => named,
        };
        let outcome = text("outcome");
        let same = |other: &&Value| {
            ["alias", "model", "provider", "route", "outcome"].iter().all(|name| other[*name] == row[*name])
        };
        let labels = [
            ("alias", alias),
            ("model", model),
            ("provider", text("provider")),
            ("route", text("route")),
            ("outcome", outcome),
            ("dialect", "openai_chat"),
        ];
        let counted = read.sum("tokentracer_requests_total", &labels);
        assert_eq!(usize::try_from(counted).unwrap(), rows.iter().filter(same).count(), "{row}");
    }
    assert_eq!(read.sum("tokentracer_requests_total", &[]), 12);
    assert_eq!(read.sum("tokentracer_request_duration_seconds_count", &[]), 12);
    assert_eq!(read.sum("tokentracer_attempts_total", &[]), sum(&rows, "attempts"));
    assert_eq!(read.sum("tokentracer_attempts_total", &[("cause", "retry"), ("outcome", "server_error")]), 3);
    assert_eq!(read.sum("tokentracer_attempts_total", &[("cause", "fallback"), ("outcome", "ok")]), 2);
    assert_eq!(read.sum("tokentracer_attempts_total", &[("outcome", "cancelled")]), 1);
    let streams = rows.iter().filter(|row| !row["first_token_ms"].is_null()).count();
    assert_eq!(read.sum("tokentracer_time_to_first_token_seconds_count", &[]), i64::try_from(streams).unwrap());

    let tokens = |class: &str| read.sum("tokentracer_tokens_total", &[("class", class)]);
    let written: i64 = ["5m", "30m", "1h", "12h"].iter().map(|term| tokens(&format!("cache_write_{term}"))).sum();
    assert_eq!(tokens("cache_read"), sum(&rows, "cached_input_tokens"));
    assert_eq!(written, sum(&rows, "cache_write_tokens"));
    assert_eq!(tokens("input") + tokens("cache_read") + written, sum(&rows, "input_tokens"));
    assert_eq!(tokens("reasoning"), sum(&rows, "reasoning_tokens"));
    assert_eq!(tokens("output") + tokens("reasoning"), sum(&rows, "output_tokens"));
    assert!(tokens("cache_read") > 0 && written > 0 && tokens("reasoning") > 0 && tokens("output") > 0);
    assert_eq!(read.nanos("tokentracer_cost_usd_total", &[]), money(&rows, "cost_usd"));
    let saved = |sign| read.nanos("tokentracer_saved_usd_total", &[("sign", sign)]);
    assert_eq!(saved("positive") - saved("negative"), money(&rows, "saved_usd"));
    assert!(saved("positive") > 0);
    assert_eq!(read.sum("tokentracer_price_lookups_total", &[("status", "missing")]), 2);
    assert_eq!(read.sum("tokentracer_ledger_gaps", &[("kind", "unpriced")]), 2);
    assert_eq!(read.sum("tokentracer_ledger_gaps", &[("kind", "interrupted")]), 0);
    assert_eq!(read.sum("tokentracer_in_flight_requests", &[]), 0);
    assert!(read.sum("tokentracer_journal_bytes", &[]) > 0, "there is room for the next requests");
}

#[tokio::test]
async fn limits_and_budgets_count_what_they_decide() {
    let world = world_with(&[("METRICS_BUDGETS", "true")]).await;
    let user = world.user().await;
    world.mock.on("gpt-4o", Behaviour::ok());
    let ask = async |client: &Client| {
        client.post("/v1/chat/completions").json(&question("openai/gpt-4o", "hello")).send().await
    };
    let limited = user.new_api_key(&json!({"rate_limit_minute": 2})).await.client;
    for status in [200, 200, 429] {
        assert_eq!(ask(&limited).await.status.as_u16(), status);
    }
    let rich = user.new_api_key(&json!({"budget_usd": 1000, "budget_period": "total"})).await.client;
    let poor = user.new_api_key(&json!({"budget_usd": 0, "budget_period": "day"})).await.client;
    let cost = ask(&rich).await.expect(200).header("x-tokentracer-cost-usd").unwrap().to_owned();
    assert_eq!(ask(&poor).await.status.as_u16(), 429);

    let read = scrape(&world.client()).await;
    let count = |rule, decision| read.sum("tokentracer_limits_total", &[("rule", rule), ("decision", decision)]);
    assert_eq!((count("key_minute", "admit"), count("key_minute", "deny")), (2, 1));
    assert_eq!((count("budget_key", "admit"), count("budget_key", "deny")), (1, 1));
    assert_eq!(read.sum("tokentracer_limits_total", &[]), 5, "nobody else has a limit or a budget");

    let total = [("kind", "key"), ("period", "total")];
    eventually("the sums over budgets", async || {
        let read = scrape(&world.client()).await;
        read.nanos("tokentracer_budget_spent_usd", &total) == crate::prices::nano(&cost)
            && read.nanos("tokentracer_budget_held_usd", &total) == 0
            && read.nanos("tokentracer_budget_limit_usd", &total) == 1_000_000_000_000
    })
    .await;
}

#[tokio::test]
async fn the_own_share_has_no_wait_for_the_provider_in_it() {
    let world = world_with(&[]).await;
    let user = world.user().await;
    let slow = Duration::from_millis(400);
    world.mock.on("gpt-4o", Behaviour::ok().text("one two three").delay(slow));
    user.ask("openai/gpt-4o", "hello").await.expect(200);
    drop(user.ask_stream("openai/gpt-4o", "hello").await.rest().await);
    user.row_when(|row| row["stream"] == true).await;
    let read = scrape(&world.client()).await;
    assert_eq!(read.sum("tokentracer_overhead_seconds_count", &[]), 2);
    let (all, own) =
        (read.total("tokentracer_request_duration_seconds_sum"), read.total("tokentracer_overhead_seconds_sum"));
    // Durations are whole milliseconds, rounded down.
    assert!(all - own >= 2.0 * slow.as_secs_f64() - 0.002, "{own} s of {all} s are the server's own");
}
