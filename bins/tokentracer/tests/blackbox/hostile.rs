//! Values that fit no field, and texts made to break the place where they are shown. The answer is a 400 or 404 with a
//! reason, or the text comes back unchanged. It is never a 500, and nothing of the text forges a line of the log.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tt_core::Provider;
use tt_testkit::client::{Client, Response};
use tt_testkit::world::{User, eventually, question, request_id};
use tt_testkit::{Behaviour, World};

use crate::expect::{alike, error, error_about};
use crate::setup::{world, world_with};

/// A body in which one field has `raw` for its value, written as it is.
async fn with_raw(client: &Client, method: Method, path: &str, rest: &Value, field: &str, raw: &str) -> Response {
    let mut body = rest.to_string();
    body.pop();
    let comma = if body.len() > 1 { "," } else { "" };
    let body = format!("{body}{comma}\"{field}\":{raw}}}");
    client.call(method, path).header("content-type", "application/json").body(body).send().await
}

/// Values that a field for a count must refuse.
const NO_COUNTS: [&str; 14] = [
    "-1",
    "-9223372036854775808",
    "-99999999999999999999999",
    "1.5",
    "-0.5",
    "1e300",
    "9223372036854775808",
    "18446744073709551616",
    "99999999999999999999999",
    "\"5\"",
    "true",
    "[]",
    "{}",
    "\"\\u0000\"",
];

#[tokio::test]
async fn counts_that_are_none_are_named() {
    let world = world().await;
    let user = world.user().await;
    for raw in NO_COUNTS {
        for field in ["rate_limit_minute", "rate_limit_daily", "expires_in_days"] {
            let answer = with_raw(&user.session, Method::POST, "/auth/key", &json!({}), field, raw).await;
            error_about(&answer, 400, "invalid_field", field);
        }
    }
    for raw in ["0", "36501", "4294967295", "4294967297", "9223372036854775807", "1e3"] {
        let answer = with_raw(&user.session, Method::POST, "/auth/key", &json!({}), "expires_in_days", raw).await;
        error_about(&answer, 400, "invalid_field", "expires_in_days");
    }
    for raw in ["1", "36500", "null"] {
        let answer = with_raw(&user.session, Method::POST, "/auth/key", &json!({}), "expires_in_days", raw).await;
        answer.expect(200);
    }
    let keys = user.session.get("/auth/keys").send().await.expect(200).json();
    assert_eq!(keys.as_array().unwrap().len(), 1 + 3, "a refused key was made");

    let alias =
        json!({"alias": "fast", "target_model": "mock-small", "provider_key_id": user.provider_key(Provider::OpenAi)});
    user.session.post("/manage/aliases").json(&alias).send().await.expect(200);
    for raw in NO_COUNTS {
        for (method, path, rest) in
            [(Method::POST, "/manage/aliases", &alias), (Method::PATCH, "/manage/aliases/fast", &json!({}))]
        {
            let answer = with_raw(&user.session, method, path, rest, "light_model_threshold", raw).await;
            error_about(&answer, 400, "invalid_field", "light_model_threshold");
        }
    }
    let after = user.session.get("/manage/aliases").send().await.expect(200).json();
    assert_eq!(after[0]["light_model_threshold"], 100);
}

/// Makes the user an administrator, and waits until their process knows it.
async fn promoted(world: &World, user: &User) {
    world.command(&["users", "promote", &user.email]).expect(0);
    eventually("the promotion is seen", async || user.session.get("/manage/users").send().await.status == 200).await;
}

#[tokio::test]
async fn an_administrators_limits_and_pages_are_checked_too() {
    let world = world().await;
    let (admin, user) = (world.bare_user().await, world.bare_user().await);
    promoted(&world, &admin).await;
    let path = format!("/manage/users/{}", user.id);
    for field in ["rate_limit_minute", "rate_limit_daily"] {
        for raw in NO_COUNTS {
            let answer = with_raw(&admin.session, Method::PATCH, &path, &json!({}), field, raw).await;
            error_about(&answer, 400, "invalid_field", field);
        }
    }
    for id in ["0", "-1", "987654321", "9223372036854775808", "x", "1.5", "%00", "1%0a"] {
        let call = admin.session.patch(&format!("/manage/users/{id}")).json(&json!({"rate_limit_minute": 5}));
        error(&call.send().await, 404, "user_not_found");
    }
    for cursor in JUNK {
        let answer = admin.session.get(&format!("/manage/users?cursor={cursor}")).send().await;
        error_about(&answer, 400, "invalid_field", "cursor");
    }
    let page = admin.session.get("/manage/users").send().await.expect(200).json();
    assert!(page["data"].as_array().unwrap().iter().all(|user| user["rate_limit_minute"] == 0), "{page}");
}

/// Percent-encoded texts that are no ids.
const JUNK: [&str; 12] = [
    "",
    "x",
    "-1",
    "0",
    "9223372036854775808",
    "%00",
    "%0d%0aSet-Cookie:%20x=1",
    "'%3bDROP%20TABLE%20users--",
    "%ff%fe",
    "%e2%80%ae7",
    "..%2f..%2f",
    "%3cscript%3e",
];

#[tokio::test]
async fn junk_in_queries_is_named() {
    let world = world().await;
    let user = world.user().await;
    user.ask("openai/mock-small", "hello").await.expect(200);
    let long = "7".repeat(4000);
    for junk in JUNK.into_iter().chain([long.as_str()]) {
        let answer = user.session.get(&format!("/manage/logs?cursor={junk}")).send().await;
        error_about(&answer, 400, "invalid_field", "cursor");
        assert!(answer.header("set-cookie").is_none());
        if !junk.is_empty() {
            let answer = user.session.get(&format!("/manage/usage?group_by={junk}")).send().await;
            error_about(&answer, 400, "invalid_field", "group_by");
            let answer = user.session.get(&format!("/manage/usage?group_by=provider,{junk}")).send().await;
            error_about(&answer, 400, "invalid_field", "group_by");
            let answer = user.session.get(&format!("/manage/logs/{junk}")).send().await;
            error(&answer, 404, "request_not_found");
        }
        for field in ["from", "to"] {
            for path in ["/manage/usage", "/manage/logs"] {
                let answer = user.session.get(&format!("{path}?{field}={junk}")).send().await;
                error_about(&answer, 400, "invalid_field", field);
            }
        }
    }
}

#[tokio::test]
async fn what_belongs_to_others_can_neither_be_tested_nor_looked_into() {
    let world = world().await;
    let (ann, bob) = (world.user().await, world.user().await);
    let theirs = ann.provider_key(Provider::OpenAi).to_string();
    for (method, end) in [(Method::POST, "/test"), (Method::GET, "/models"), (Method::DELETE, "")] {
        let call = |id: &str| bob.session.call(method.clone(), &format!("/manage/providers/{id}{end}")).send();
        let answer = call(&theirs).await;
        error(&answer, 404, "provider_key_not_found");
        for id in ["987654321", "0", "-1", "9223372036854775808", "x", "%00"] {
            alike(&answer, &call(id).await);
        }
    }
    for (field, code) in [("provider_key_id", "provider_key_not_found"), ("fallback_alias_id", "alias_not_found")] {
        for raw in ["-1", "987654321", "9223372036854775807"] {
            let rest = match field {
                "provider_key_id" => json!({"alias": "a", "target_model": "mock-small"}),
                _ => {
                    json!({"alias": "a", "target_model": "mock-small", "provider_key_id": bob.provider_key(Provider::OpenAi)})
                }
            };
            let answer = with_raw(&bob.session, Method::POST, "/manage/aliases", &rest, field, raw).await;
            error(&answer, 404, code);
        }
        for raw in ["1.5", "9223372036854775808", "\"1\"", "true"] {
            let rest = json!({"alias": "a", "target_model": "mock-small"});
            let answer = with_raw(&bob.session, Method::POST, "/manage/aliases", &rest, field, raw).await;
            error_about(&answer, 400, "invalid_field", field);
        }
    }
    assert_eq!(bob.session.get("/manage/aliases").send().await.expect(200).text(), "[]");
}

/// Texts that break a place which does not quote them.
const SHOWN: [&str; 11] = [
    "\"quoted\", with 'commas'",
    "<script>alert(1)</script>&amp;",
    "=HYPERLINK(\"http://x\")",
    "+1",
    "-1",
    "@SUM(A1)",
    "'; DROP TABLE users; --",
    "\u{202e}desrever\u{2066}",
    "a\u{2028}b\u{2029}c\u{feff}",
    "\\n\\u0000%0a{}${x}",
    "\u{1f9ff}\u{0301}e\u{301}",
];

/// Characters that a name must not hold.
const CONTROL: [&str; 7] = ["\0", "a\nb", "a\r\nERROR forged", "\u{1b}[31mred", "a\tb", "\u{7f}", "\u{85}"];

#[tokio::test]
async fn a_label_comes_back_as_it_went_in_or_is_refused() {
    let world = world().await;
    let user = world.bare_user().await;
    let provider = |label: &Value| json!({"provider": "openai", "api_key": "sk-test", "label": label});
    let longest = "\u{1f9ff}".repeat(100);
    for label in SHOWN.into_iter().chain([longest.as_str()]) {
        let made = user.session.post("/auth/key").json(&json!({"name": label})).send().await.expect(200).json();
        assert_eq!(made["name"], label);
        let body = provider(&json!(label));
        let made = user.session.post("/manage/providers").json(&body).send().await.expect(201).json();
        assert_eq!(made["label"], label);
    }
    for (path, field) in [("/auth/keys", "name"), ("/manage/providers", "label")] {
        let text = user.session.get(path).send().await.expect(200);
        let kept: Vec<Value> = text.json().as_array().unwrap().iter().map(|row| row[field].clone()).collect();
        for label in SHOWN.into_iter().chain([longest.as_str()]) {
            assert_eq!(kept.iter().filter(|kept| **kept == label).count(), 1, "{path}: {label}");
        }
    }
    let too_long = "x".repeat(101);
    for label in CONTROL.into_iter().chain(["", too_long.as_str()]) {
        let answer = user.session.post("/auth/key").json(&json!({"name": label})).send().await;
        error_about(&answer, 400, "invalid_field", "name");
        let answer = user.session.post("/manage/providers").json(&provider(&json!(label))).send().await;
        error_about(&answer, 400, "invalid_field", "label");
    }
    let huge = "x".repeat(10 << 20);
    for (path, body) in [("/auth/key", json!({"name": huge})), ("/manage/providers", provider(&json!(huge)))] {
        // It is refused by its length: the server need not read it all, and the connection may end before it is sent.
        if let Ok(answer) = user.session.post(path).json(&body).try_send().await {
            error(&answer, 413, "body_too_large");
        }
    }
    for (path, field) in [("/auth/key", "name"), ("/manage/providers", "label")] {
        let call = user.session.post(path).header("content-type", "application/json");
        let body = [b"{\"".as_slice(), field.as_bytes(), b"\":\"\xff\xc3\x28\xed\xa0\x80\"}"].concat();
        let answer = call.body(body).send().await;
        error(&answer, 400, "invalid_json");
    }
}

/// A chat completion with these bytes in the header of tags.
async fn tagged(user: &User, tags: &[u8]) -> String {
    let body = question("openai/mock-small", "hello").to_string();
    let mut raw = user.anonymous().raw().await;
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\
         Content-Length: {}\r\nX-TokenTracer-Tags: ",
        user.api_key(),
        body.len()
    );
    raw.write([head.as_bytes(), tags, b"\r\n\r\n", body.as_bytes()].concat()).await;
    raw.read_to_end(Duration::from_secs(20)).await.0
}

/// The cells of a CSV text (RFC 4180).
fn cells(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '"' if quoted && chars.peek() == Some(&'"') => cell.extend(chars.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut cell)),
            '\r' if !quoted => {}
            '\n' if !quoted => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            char => cell.push(char),
        }
    }
    assert!(!quoted && cell.is_empty() && row.is_empty(), "the last line has no end: {text}");
    rows
}

#[tokio::test]
async fn a_tag_comes_back_as_it_went_in_or_is_refused() {
    let world = world().await;
    let user = world.user().await;
    // A comma ends a tag.
    let values: Vec<String> = SHOWN.iter().map(|text| text.replace(',', ";")).collect();
    for value in &values {
        let answer = tagged(&user, format!("team={value}").as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{value}: {answer}");
    }
    let rows = user.logs().await;
    for value in &values {
        assert_eq!(rows.iter().filter(|row| row["tags"]["team"] == *value).count(), 1, "{value}: {rows:#?}");
    }
    let usage = user.session.get("/manage/usage?group_by=tag:team").send().await.expect(200).json();
    let csv = user.session.get("/manage/usage?group_by=tag:team&format=csv").send().await.expect(200).text();
    let table = cells(&csv);
    assert_eq!(table.len(), 1 + values.len(), "{csv}");
    assert!(table.iter().all(|row| row.len() == table[0].len()), "{csv}");
    for value in &values {
        assert!(usage.as_array().unwrap().iter().any(|group| group["tag:team"] == *value), "{value}: {usage:#}");
        let guarded = if value.starts_with(['=', '+', '-', '@']) { format!("'{value}") } else { value.clone() };
        assert_eq!(table.iter().filter(|row| row[0] == guarded).count(), 1, "{value}: {csv}");
    }

    // A name is as hostile as a value, and stands in the head of the table.
    let answer = tagged(&user, "=1+1\"<b>=x".replacen("=1", "\u{ff1d}1", 1).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let csv =
        user.session.get("/manage/usage?format=csv&group_by=tag:%EF%BC%9D1%2B1%22%3Cb%3E").send().await.expect(200);
    assert_eq!(cells(&csv.text())[0][0], "tag:\u{ff1d}1+1\"<b>");

    let before = user.logs().await.len();
    let many = format!("{}z=z", "a=b,".repeat(2000));
    for bad in [
        b"team=\xff\xfe".as_slice(),
        b"\xc3\x28=x",
        b"team=a\tb",
        "team=a\u{85}b".as_bytes(),
        b"team",
        b"=",
        b"=x",
        many.as_bytes(),
    ] {
        let answer = tagged(&user, bad).await;
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("x-tokentracer-tags"), "{bad:?}: {answer}");
    }
    // A line that is not a header ends the connection, with an answer of the server's own or with none.
    for bad in [b"team=a\0b".as_slice(), b"team=a\x1b[31m", b"team=a\nERROR forged", &b"a=b,".repeat(2_500_000)] {
        let answer = tagged(&user, bad).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    assert_eq!(user.logs().await.len(), before, "a refused request left a row");
    user.ask("openai/mock-small", "hello").await.expect(200);
}

#[tokio::test]
async fn tags_of_two_headers_are_one_list() {
    let world = world().await;
    let user = world.user().await;
    let answer = tagged(&user, b"team=search\r\nX-TokenTracer-Tags: feature=summary").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    user.row_when(|row| row["tags"] == json!({"team": "search", "feature": "summary"})).await;
    let answer = tagged(&user, b"team=search\r\nX-TokenTracer-Tags: team=ads").await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
}

#[tokio::test]
async fn what_a_provider_says_at_length_is_cut_and_keeps_nobodys_row_out() {
    let world = world().await;
    let (ann, bob) = (world.user().await, world.user().await);
    // Every backslash is two bytes here, and four in the row's JSON.
    let filling = "\\\\".repeat(2 << 20);
    let answer = format!(
        r#"{{"id":"x","object":"chat.completion","created":1,"model":"{}","choices":[{{"index":0,"finish_reason":"stop",
        "message":{{"role":"assistant","content":"hi"}}}}],
        "usage":{{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5,"x":"{filling}"}}}}"#,
        "m".repeat(5_000)
    );
    world.mock.on("mock-long", Behaviour::status_with_body(200, answer));
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(request_id(&ann.ask("openai/mock-long", "hello").await.expect(200)));
    }
    let id = request_id(&bob.ask("openai/mock-small", "hello").await.expect(200));
    assert_eq!(bob.row_when(|row| row["request_id"] == id.as_str()).await["outcome"], "ok");
    for id in ids {
        ann.row_when(|row| row["request_id"] == id.as_str()).await;
        let row = ann.log(&id).await;
        assert_eq!((&row["input_tokens"], &row["output_tokens"]), (&json!(3), &json!(2)), "the numbers are lost");
        assert!(row["usage_raw"].to_string().len() <= 16 << 10 && row.to_string().len() < 64 << 10, "the row is long");
    }
}

#[tokio::test]
async fn no_text_of_a_request_can_forge_a_log_line() {
    const FORGED: &str = "x\r\n2026-01-01T00:00:00.000000Z ERROR forged\nERROR forged";
    let world = world_with(&[("RUST_LOG", "trace")]).await;
    let user = world.user().await;
    world.mock.on("mock-small", tt_testkit::Behaviour::status_with_body(500, FORGED));
    user.ask("openai/mock-small", FORGED).await.expect(502);
    user.ask(FORGED, "hello").await.expect(404);
    for (path, body) in [
        ("/auth/signup", json!({"email": FORGED, "password": FORGED})),
        ("/auth/login", json!({"email": FORGED, "password": FORGED})),
        ("/auth/key", json!({"name": FORGED})),
        ("/auth/key", json!({FORGED: 1})),
        ("/manage/providers", json!({"provider": "openai", "api_key": FORGED, "label": FORGED, "base_url": FORGED})),
        ("/manage/aliases", json!({"alias": FORGED, "target_model": FORGED, "provider_key_id": 1})),
    ] {
        user.session.post(path).json(&body).send().await;
    }
    for path in ["/%0d%0aERROR%20forged", "/manage/logs?x=%0d%0aERROR%20forged", "/v1/models/%0d%0aERROR%20forged"] {
        user.session.get(path).send().await;
    }
    let log = world.program().stderr();
    assert!(log.lines().count() > 10, "nothing is logged: {log}");
    for line in log.lines() {
        let (time, rest) = line.split_once(' ').unwrap_or_default();
        let level = rest.trim_start().split(' ').next().unwrap_or_default();
        let ours = time.ends_with('Z') && ["ERROR", "WARN", "INFO", "DEBUG", "TRACE"].contains(&level);
        assert!(ours && !(level == "ERROR" && rest.contains("forged")), "{line}");
    }
}
