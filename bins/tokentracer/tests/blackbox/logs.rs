//! `/manage/logs`: pages and filters.

use serde_json::{Value, json};
use tt_core::Provider::{Gemini, OpenAi};
use tt_testkit::world::{User, request_id};

use crate::expect::{error, error_about, fields};
use crate::setup::world;

async fn page(user: &User, query: &str) -> Value {
    let page = user.session.get(&format!("/manage/logs{query}")).send().await.expect(200).json();
    fields(&page, &["data", "next_cursor"]);
    page
}

fn ids(page: &Value) -> Vec<String> {
    page["data"].as_array().unwrap().iter().map(|row| row["request_id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn an_empty_log_is_an_empty_list() {
    let world = world().await;
    let user = world.bare_user().await;
    assert_eq!(page(&user, "").await, json!({"data": [], "next_cursor": null}));
}

#[tokio::test]
async fn pages_go_from_the_newest_to_the_oldest_without_gap_or_repeat() {
    let world = world().await;
    let user = world.user().await;
    let mut asked = Vec::new();
    for _ in 0..7 {
        asked.push(request_id(&user.ask("openai/mock-small", "hello").await.expect(200)));
    }
    asked.reverse();
    assert_eq!(ids(&page(&user, "").await), asked);
    for limit in [1, 2, 3, 7, 500] {
        let mut seen = Vec::new();
        let mut query = format!("?limit={limit}");
        let mut pages = 0;
        loop {
            let page = page(&user, &query).await;
            seen.extend(ids(&page));
            pages += 1;
            match page["next_cursor"].as_str() {
                Some(cursor) => query = format!("?limit={limit}&cursor={cursor}"),
                None => break,
            }
        }
        assert_eq!(seen, asked, "limit {limit}");
        assert_eq!(pages, 7_usize.div_ceil(limit), "limit {limit}");
    }
    let before = page(&user, "?limit=2").await["next_cursor"].as_str().unwrap().to_owned();
    user.ask("openai/mock-small", "hello").await.expect(200);
    let next = page(&user, &format!("?limit=2&cursor={before}")).await;
    assert_eq!(ids(&next), asked[2..4], "a row that came later moved the pages");
}

#[tokio::test]
async fn rows_are_found_by_what_they_are() {
    let world = world().await;
    let user = world.user().await;
    user.alias("one", OpenAi, "mock-small").await;
    user.alias("two", Gemini, "mock-small").await;
    user.alias("bad", OpenAi, "mock-status-400").await;
    for model in ["one", "two", "two", "bad"] {
        user.ask(model, "hello").await;
    }
    for (query, count) in [
        ("?alias=one", 1),
        ("?alias=two", 2),
        ("?alias=nothing", 0),
        ("?provider=openai", 2),
        ("?provider=gemini", 2),
        ("?provider=anthropic", 0),
        ("?status=200", 3),
        ("?status=400", 1),
        ("?status=499", 0),
        ("?status=200&provider=openai", 1),
        ("?from=2020-01-01T00:00:00Z", 4),
        ("?to=2020-01-01T00:00:00Z", 0),
        ("?from=2099-01-01T00:00:00Z", 0),
        ("?from=2020-01-01T00:00:00Z&to=2099-01-01T00:00:00Z&alias=two", 2),
    ] {
        assert_eq!(ids(&page(&user, query).await).len(), count, "{query}");
    }
    let newest = user.logs().await.remove(0);
    let at = newest["created_at"].as_str().unwrap();
    assert_eq!(ids(&page(&user, &format!("?from={at}")).await).len(), 1, "from is meant inclusively");
    assert_eq!(ids(&page(&user, &format!("?to={at}")).await).len(), 3, "to is meant exclusively");
}

#[tokio::test]
async fn what_is_wrong_with_a_query_is_named() {
    let world = world().await;
    let user = world.bare_user().await;
    for (query, param) in [
        ("?limit=0", "limit"),
        ("?limit=501", "limit"),
        ("?limit=-1", "limit"),
        ("?limit=ten", "limit"),
        ("?limit=", "limit"),
        ("?limit=1&limit=2", "limit"),
        ("?cursor=nonsense", "cursor"),
        ("?cursor=00000000-0000-0000-0000-000000000000", "cursor"),
        ("?provider=mistral", "provider"),
        ("?status=ok", "status"),
        ("?status=99999", "status"),
        ("?from=yesterday", "from"),
        ("?to=2026-13-01", "to"),
        ("?colour=red", "colour"),
    ] {
        let answer = user.session.get(&format!("/manage/logs{query}")).send().await;
        error_about(&answer, 400, "invalid_field", param);
    }
    for id in ["x", "00000000-0000-0000-0000-000000000000", "%00", "01941f29-7c00-7000-8000-000000000000"] {
        error(&user.session.get(&format!("/manage/logs/{id}")).send().await, 404, "request_not_found");
    }
}
