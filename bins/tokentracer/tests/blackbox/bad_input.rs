//! Bad input of every kind is answered with an error of the contract, never with 500, and the process stays up.
//!
//! Raw requests ask for `/health?raw`: while a worker is behind, one that begins as a probe of `/health` is answered beside it.

use std::time::Duration;

use http::Method;
use serde_json::json;
use tt_core::Dialect;
use tt_testkit::World;
use tt_testkit::client::{Call, Response};
use tt_testkit::world::{User, chat_head, question};
use tt_testkit::wrong_types::{self, Case};

use crate::expect::error;
use crate::setup::{world, world_with};

/// Every call that takes a body.
fn calls(user: &User) -> Vec<Call> {
    [
        (Method::POST, "/auth/signup"),
        (Method::POST, "/auth/login"),
        (Method::POST, "/auth/key"),
        (Method::POST, "/auth/password"),
        (Method::POST, "/manage/providers"),
        (Method::POST, "/manage/aliases"),
        (Method::PATCH, "/manage/aliases/fast"),
        (Method::POST, "/v1/chat/completions"),
        (Method::POST, "/v1/embeddings"),
    ]
    .into_iter()
    .map(|(method, path)| user.session.call(method, path).header("content-type", "application/json"))
    .chain([user
        .session
        .patch(&format!("/manage/providers/{}", user.provider_key(tt_core::Provider::OpenAi)))
        .header("content-type", "application/json")])
    .collect()
}

async fn stage() -> (World, User) {
    let world = world().await;
    let user = world.user().await;
    user.alias("fast", tt_core::Provider::OpenAi, "mock-small").await;
    (world, user)
}

/// It still serves.
async fn alive(world: &World, user: &User) {
    user.ask("fast", "hello").await.expect(200);
    assert!(!world.program().stderr().contains("panicked"), "{}", world.program().stderr());
}

#[tokio::test]
async fn what_is_no_json_is_told_so() {
    let (world, user) = stage().await;
    let deep_array = "[".repeat(100_000);
    let deep_object = "{\"a\":".repeat(2_000);
    let bodies: Vec<(&str, Vec<u8>)> = vec![
        ("a brace", b"{".to_vec()),
        ("half an object", b"{\"email\":".to_vec()),
        ("words", b"hello".to_vec()),
        ("a trailing comma", b"{\"alias\":\"x\",}".to_vec()),
        ("single quotes", b"{'alias':'x'}".to_vec()),
        ("two values", b"{} {}".to_vec()),
        ("an array", b"[]".to_vec()),
        ("null", b"null".to_vec()),
        ("a number", b"7".to_vec()),
        ("a string", b"\"x\"".to_vec()),
        ("bad UTF-8 in a value", b"{\"model\":\"\xff\xfe\"}".to_vec()),
        ("bad UTF-8 in a key", b"{\"\xc3\x28\":1}".to_vec()),
        ("a NUL", b"\0".to_vec()),
        ("a lone surrogate as a key", b"{\"\\ud800\":1".to_vec()),
        ("a byte order mark", b"\xef\xbb\xbf{".to_vec()),
        ("an endless number", [b"{\"n\":1".to_vec(), b"0".repeat(5_000), b".".to_vec()].concat()),
        ("half a deep object", deep_object.clone().into_bytes()),
    ];
    for (what, body) in bodies {
        for call in calls(&user) {
            let answer = call.body(body.clone()).send().await;
            let told = answer.json()["error"]["code"].clone();
            assert_eq!(answer.status, 400, "{what}: {}", answer.text());
            assert!(
                told == "invalid_json" || told == "missing_field" || told == "invalid_field",
                "{what}: {}",
                answer.text()
            );
        }
    }
    for body in [deep_array.clone(), format!("{{\"model\":\"fast\",\"messages\":{deep_array}")] {
        let call = user.api().post("/v1/chat/completions").header("content-type", "application/json");
        error(&call.body(body).send().await, 400, "invalid_json");
    }
    alive(&world, &user).await;
}

#[tokio::test]
async fn no_body_is_bad_json_but_where_none_is_needed() {
    let (world, user) = stage().await;
    for path in ["/auth/signup", "/auth/login", "/manage/providers", "/manage/aliases", "/v1/chat/completions"] {
        error(&user.session.post(path).send().await, 400, "invalid_json");
    }
    alive(&world, &user).await;
}

#[tokio::test]
async fn deep_nesting_is_safe_in_every_dialect() {
    let (world, user) = stage().await;
    let deep = format!("{}1{}", "[".repeat(50_000), "]".repeat(50_000));
    for provider in ["openai", "anthropic", "gemini"] {
        for field in ["metadata", "x", "tools", "messages", "response_format"] {
            let body = format!(
                "{{\"model\":\"{provider}/mock-small\",\"messages\":[{{\"role\":\"user\",\"content\":\"x\"}}],\"{field}\":{deep}}}"
            );
            let call = user.api().post("/v1/chat/completions").header("content-type", "application/json");
            let answer = call.body(body).send().await;
            assert!(
                answer.status == 400 || answer.status == 200,
                "{provider} {field}: {} {}",
                answer.status,
                answer.text()
            );
        }
    }
    for path in ["/manage/aliases", "/auth/signup"] {
        let body = format!("{{\"alias\":{}}}", "[".repeat(7_000) + &"]".repeat(7_000));
        let call = user.session.post(path).header("content-type", "application/json");
        let answer = call.body(body).send().await;
        assert_eq!(answer.status, 400, "{}", answer.text());
    }
    alive(&world, &user).await;
}

#[tokio::test]
async fn duplicated_fields_are_refused_everywhere() {
    let (world, user) = stage().await;
    for (path, body, param) in [
        ("/auth/signup", r#"{"email":"a@example.org","email":"b@example.org","password":"long enough"}"#, "email"),
        ("/auth/login", r#"{"email":"a@example.org","password":"long enough","password":"x"}"#, "password"),
        ("/auth/key", r#"{"name":"a","name":"b"}"#, "name"),
        ("/manage/providers", r#"{"provider":"openai","provider":"gemini","api_key":"x"}"#, "provider"),
        ("/manage/aliases", r#"{"alias":"a","alias":"b","target_model":"m","provider_key_id":1}"#, "alias"),
    ] {
        let call = user.session.post(path).header("content-type", "application/json");
        crate::expect::error_about(&call.body(body).send().await, 400, "invalid_field", param);
    }
    alive(&world, &user).await;
}

#[tokio::test]
async fn mistyped_fields_of_a_chat_are_the_callers_error() {
    let (world, user) = stage().await;
    for provider in ["openai", "anthropic", "gemini"] {
        for (field, value) in [
            ("model", json!(5)),
            ("model", json!(null)),
            ("model", json!("")),
            ("model", json!(["fast"])),
            ("stream", json!("yes")),
            ("stream", json!(1)),
            ("stream_options", json!("x")),
            ("stream_options", json!([])),
            ("max_tokens", json!("many")),
            ("max_tokens", json!(-1)),
            ("max_tokens", json!(1.5)),
            ("max_tokens", json!(1e300)),
            ("max_completion_tokens", json!({})),
            ("n", json!("two")),
            ("n", json!(-1)),
            ("messages", json!({})),
            ("messages", json!([null])),
            ("messages", json!([[]])),
            ("messages", json!([{"role": "user"}])),
            ("messages", json!([{"content": "x"}])),
            ("messages", json!([{"role": 5, "content": "x"}])),
            ("messages", json!([{"role": "tool", "content": "x"}])),
            ("messages", json!([{"role": "tool", "tool_call_id": "nothing", "content": "x"}])),
            ("messages", json!([{"role": "user", "content": [{"type": "image_url"}]}])),
            (
                "messages",
                json!([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}]}]),
            ),
            ("messages", json!([{"role": "user", "content": [{"type": "text"}]}])),
            ("messages", json!([{"role": "user", "content": [7]}])),
            ("tools", json!("x")),
            ("tools", json!([{}])),
            ("tools", json!([{"type": "function", "function": {"name": 5}}])),
            ("tool_choice", json!(7)),
            ("stop", json!({"a": 1})),
            ("response_format", json!("json")),
            ("response_format", json!({"type": "json_schema"})),
        ] {
            let mut body = question(&format!("{provider}/mock-small"), "hello");
            body[field] = value.clone();
            let answer = user.complete(&body).await;
            assert!(
                answer.status.is_client_error() || (answer.status == 200 && field != "model"),
                "{provider} {field} {value}: {} {}",
                answer.status,
                answer.text()
            );
            if answer.status != 200 {
                assert!(answer.json()["error"]["message"].is_string(), "{provider} {field} {value}: {}", answer.text());
            }
            if matches!(field, "model" | "stream" | "stream_options" | "max_completion_tokens") {
                assert_eq!(answer.status, 400, "{provider} {field} {value}: {}", answer.text());
            }
        }
    }
    alive(&world, &user).await;
}

/// Each dialect's request goes to a provider of another dialect, for which the program reads it in full.
#[tokio::test]
async fn a_value_of_another_type_is_named_in_the_clients_words_and_shape() {
    let (world, user) = stage().await;
    let mut wrong = Vec::new();
    for table in wrong_types::tables() {
        let model = match table.dialect {
            Dialect::OpenAiChat | Dialect::OpenAiResponses => "anthropic/mock-small",
            _ => "openai/mock-small",
        };
        let path = table.path.replace("/m:", &format!("/{}:", model.replace('/', "%2F")));
        for Case { field, value, mut body } in table.cases() {
            if body.get("model").is_some_and(|model| model == "m") {
                body["model"] = model.into();
            }
            let answer = user.api().post(&path).json(&body).send().await;
            let named = named_field(table.dialect, &answer);
            if answer.status != 400 || !named.as_deref().is_some_and(|named| is_at(named, &field)) {
                wrong.push(format!("{:?} {field} = {value}: {} {}", table.dialect, answer.status, answer.text()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(world.sent().is_empty(), "something went up");
    alive(&world, &user).await;
}

/// The field that an error names in the shape of `dialect`; `None` for an error of another shape. Messages has no field for
/// it, so that its message begins with it.
fn named_field(dialect: Dialect, answer: &Response) -> Option<String> {
    let body = answer.json();
    let error = &body["error"];
    let message = error["message"].as_str()?;
    let named = match dialect {
        Dialect::AnthropicMessages => {
            let is_shaped = body["type"] == "error" && error["type"] == "invalid_request_error";
            Some(message).filter(|_| is_shaped && body["request_id"].is_string())
        }
        Dialect::Gemini => {
            let is_shaped = error["code"] == 400 && error["status"] == "INVALID_ARGUMENT";
            let mut details = error["details"].as_array().into_iter().flatten();
            let field = details.find_map(|one| one.pointer("/fieldViolations/0/field"));
            field.and_then(serde_json::Value::as_str).filter(|_| is_shaped)
        }
        _ => error["param"].as_str().filter(|_| error["type"] == "invalid_request_error" && error["code"].is_string()),
    };
    named.map(str::to_owned)
}

/// True if `named` is `field`, or a message that begins with it.
fn is_at(named: &str, field: &str) -> bool {
    named == field
        || named.strip_prefix('`').and_then(|rest| rest.strip_prefix(field)).is_some_and(|rest| rest.starts_with('`'))
}

#[tokio::test]
async fn bodies_over_their_size_are_413() {
    let world = world_with(&[("MAX_BODY_BYTES", "100000")]).await;
    let user = world.user().await;
    user.alias("fast", tt_core::Provider::OpenAi, "mock-small").await;
    let blanks = |bytes: usize| format!("{{{}}}", " ".repeat(bytes - 2));
    for call in calls(&user) {
        let answer = call.body(blanks(100_001)).send().await;
        error(&answer, 413, "body_too_large");
    }
    // Without a length announced it is told while it comes.
    let mut raw = user.anonymous().raw().await;
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nTransfer-Encoding: chunked\r\n\r\n",
        user.api_key()
    );
    raw.write(head).await;
    for _ in 0..11 {
        raw.write(format!("2710\r\n{}\r\n", " ".repeat(10_000))).await;
    }
    let answer = raw.read_until("body_too_large", Duration::from_secs(10)).await;
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("body_too_large"), "{answer}");
    let fits = question("fast", &"x".repeat(99_000));
    user.complete(&fits).await.expect(200);
    alive(&world, &user).await;
}

#[tokio::test]
async fn a_length_that_lies_is_not_believed() {
    let world = world_with(&[("CLIENT_BODY_IDLE_TIMEOUT", "300ms")]).await;
    let user = world.user().await;
    user.alias("fast", tt_core::Provider::OpenAi, "mock-small").await;
    for (length, status) in
        [("99999999999999999999999", "400"), ("-1", "400"), ("x", "400"), ("50000000", "413"), ("500", "408")]
    {
        let mut raw = user.anonymous().raw().await;
        raw.write(format!(
            "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Length: {length}\r\n\r\n{{}}",
            user.api_key()
        ))
        .await;
        let head = raw.read_head().await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{length}: {head}");
    }
    alive(&world, &user).await;
}

#[tokio::test]
async fn a_body_that_stalls_is_408() {
    let world = world_with(&[("CLIENT_BODY_IDLE_TIMEOUT", "300ms")]).await;
    let user = world.user().await;
    user.alias("fast", tt_core::Provider::OpenAi, "mock-small").await;
    for (path, token) in
        [("/v1/chat/completions", user.api_key()), ("/manage/aliases", &user.token), ("/auth/login", &user.token)]
    {
        for framing in ["Transfer-Encoding: chunked\r\n\r\n5\r\n{\"mod\r\n", "Content-Length: 100\r\n\r\n{\"model\":"] {
            let mut raw = user.anonymous().raw().await;
            raw.write(format!("POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n{framing}")).await;
            let (answer, closed) = raw.read_to_end(Duration::from_secs(10)).await;
            assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("request_timeout"), "{path}: {answer}");
            assert!(closed, "the connection stays open with half a body on it");
        }
    }
    alive(&world, &user).await;
}

#[tokio::test]
async fn headers_that_do_not_come_end_the_connection() {
    let world = world_with(&[("CLIENT_HEADER_TIMEOUT", "300ms")]).await;
    for begin in ["", "GET /health?raw HT", "GET /health?raw HTTP/1.1\r\nHost: x\r\nX-Slow: "] {
        let mut raw = world.client().raw().await;
        raw.write(begin).await;
        let (answer, closed) = raw.read_to_end(Duration::from_secs(10)).await;
        assert!(closed, "{begin:?}: {answer}");
    }
    world.client().get("/health").send().await.expect(200);
}

#[tokio::test]
async fn a_connection_may_idle_between_requests_for_longer_than_a_head_may_take() {
    let world = world_with(&[("CLIENT_HEADER_TIMEOUT", "300ms")]).await;
    let mut raw = world.client().raw().await;
    for _ in 0..3 {
        raw.write("GET /health?raw HTTP/1.1\r\nHost: x\r\n\r\n").await;
        let answer = raw.read_until("\r\n\r\nOK", Duration::from_secs(10)).await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\nOK"), "{answer}");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    raw.write("GET /health?raw HT").await;
    let (answer, closed) = raw.read_to_end(Duration::from_secs(10)).await;
    assert!(closed && answer.is_empty(), "the rest of a head is waited for: {answer}");
}

#[tokio::test]
async fn another_content_type_is_415_and_none_is_json() {
    let (world, user) = stage().await;
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp",
        "json",
        "",
    ] {
        for call in calls(&user) {
            error(&call.header("content-type", kind).body("{}").send().await, 415, "unsupported_media_type");
        }
    }
    let body = question("fast", "hello").to_string();
    for kind in
        ["application/json", "application/json; charset=utf-8", "APPLICATION/JSON", "application/vnd.api()+json"]
    {
        let call = user.api().post("/v1/chat/completions").header("content-type", kind);
        call.body(body.clone()).send().await.expect(200);
    }
    user.api().post("/v1/chat/completions").body(body).send().await.expect(200);
    alive(&world, &user).await;
}

#[tokio::test]
async fn oversized_addresses_and_headers_get_the_servers_own_answer() {
    let (world, user) = stage().await;
    let long = |bytes: usize| "x".repeat(bytes);
    let answer: Response = user.session.get(&format!("/manage/logs?cursor={}", long(9_000))).send().await;
    assert_eq!(answer.status, 414);
    let mut raw = user.anonymous().raw().await;
    raw.write(format!("GET /health?raw HTTP/1.1\r\nHost: x\r\nX-Large: {}\r\n\r\n", long(70_000))).await;
    let head = raw.read_head().await;
    assert!(head.starts_with("HTTP/1.1 431 "), "{head}");
    let mut raw = user.anonymous().raw().await;
    raw.write(format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", long(100_000))).await;
    let head = raw.read_head().await;
    assert!(head.starts_with("HTTP/1.1 414 ") || head.starts_with("HTTP/1.1 431 "), "{head}");
    user.anonymous().get("/health").header("x-large", &long(30_000)).send().await.expect(200);
    alive(&world, &user).await;
}

#[tokio::test]
async fn what_is_no_http_gets_400_or_nothing() {
    let (world, user) = stage().await;
    for junk in [
        "hello\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "GET\r\n\r\n",
        "\r\n\r\n\r\n\r\nx\r\n\r\n",
        "GET /health?raw HTTP/1.1\r\nNo colon\r\n\r\n",
        "GET /health?raw HTTP/1.1\r\nHost: x\r\nBad\u{1}Name: x\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}\u{fc}\u{3}\u{3}",
        "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nzz\r\n",
        "POST /auth/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "CONNECT example.org:443 HTTP/1.1\r\nHost: example.org\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET http://example.org/health?raw HTTP/1.0\r\n\r\n",
        "TRACE /health?raw HTTP/1.1\r\nHost: x\r\n\r\n",
    ] {
        let mut raw = user.anonymous().raw().await;
        raw.write(junk).await;
        raw.half_close().await;
        let (answer, closed) = raw.read_to_end(Duration::from_secs(20)).await;
        assert!(closed, "{junk:?} keeps the connection open");
        assert!(!answer.starts_with("HTTP/1.1 5") && !answer.starts_with("HTTP/1.0 5"), "{junk:?}: {answer}");
    }
    alive(&world, &user).await;
}

#[tokio::test]
async fn a_line_of_a_head_that_ends_in_a_bare_line_feed_is_refused() {
    let (world, user) = stage().await;
    let good = "GET /health?raw HTTP/1.1\r\nHost: x\r\n\r\n";
    for bad in [
        "GET /health?raw HTTP/1.1\nHost: x\n\n",
        "GET /health?raw HTTP/1.1\r\nHost: x\nTransfer-Encoding: chunked\r\n\r\n",
        "GET /health?raw HTTP/1.1\r\nHost: x\r\n\n",
    ] {
        let mut raw = user.anonymous().raw().await;
        raw.write(good).await;
        let answer = raw.read_until("OK", Duration::from_secs(20)).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        // It may not be the first head of its connection.
        raw.write(format!("{bad}{good}")).await;
        let (answer, closed) = raw.read_to_end(Duration::from_secs(20)).await;
        assert!(closed && answer.starts_with("HTTP/1.1 400 "), "{bad:?}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{bad:?}: {answer}");
    }
    alive(&world, &user).await;
}

#[tokio::test]
async fn requests_on_one_connection_do_not_disturb_each_other() {
    let (world, user) = stage().await;
    let body = question("fast", "hello").to_string();
    let good = chat_head(user.api_key(), body.len()) + &body;
    let bad = "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n";
    let last = "GET /health?raw HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let mut raw = user.anonymous().raw().await;
    raw.write(format!("{good}{bad}{good}{last}")).await;
    let (answer, closed) = raw.read_to_end(Duration::from_secs(20)).await;
    assert!(closed);
    let statuses: Vec<&str> =
        answer.split("HTTP/1.1 ").skip(1).filter_map(|part| part.split_whitespace().next()).collect();
    assert_eq!(statuses, ["200", "404", "200", "200"], "{answer}");
    alive(&world, &user).await;
}

#[tokio::test]
async fn a_request_that_does_not_name_exactly_one_host_is_refused() {
    let world = world().await;
    for (head, status) in [
        ("GET /health?raw HTTP/1.1\r\n", 400),
        ("GET /health?raw HTTP/1.0\r\n", 400),
        ("GET /health?raw HTTP/1.1\r\nHost: a\r\nHost: a\r\n", 400),
        ("GET /health?raw HTTP/1.1\r\nHost: a, b\r\n", 400),
        ("GET /health?raw HTTP/1.1\r\nHost: user@a\r\n", 400),
        ("GET /health?raw HTTP/1.1\r\nHost:\r\n", 400),
        ("GET http://evil/health?raw HTTP/1.1\r\nHost: a\r\n", 400),
        ("GET http://A:80/health?raw HTTP/1.1\r\nHost: a:80\r\n", 200),
        ("GET /health?raw HTTP/1.0\r\nHost: a\r\n", 200),
        ("GET /health?raw HTTP/1.1\r\nHost: [::1]:8080\r\n", 200),
    ] {
        let mut raw = world.client().raw().await;
        raw.write(format!("{head}Connection: close\r\n\r\n")).await;
        let (answer, _) = raw.read_to_end(Duration::from_secs(10)).await;
        assert!(answer.get(8..).is_some_and(|rest| rest.starts_with(&format!(" {status} "))), "{head:?}: {answer}");
    }
}

#[tokio::test]
async fn a_head_may_have_a_hundred_fields_and_no_more() {
    let world = world().await;
    for (fields, status) in [(98, 200), (99, 431)] {
        let more: String = (0..fields).map(|n| format!("X-{n}: y\r\n")).collect();
        let mut raw = world.client().raw().await;
        raw.write(format!("GET /health?raw HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{more}\r\n")).await;
        let (answer, _) = raw.read_to_end(Duration::from_secs(10)).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{fields}: {answer}");
    }
}
