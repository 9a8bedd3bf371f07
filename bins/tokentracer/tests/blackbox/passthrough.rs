//! Requests to a provider that speaks the client's dialect: the body goes up byte for byte, except for the model and
//! the
//! request for usage.

use serde_json::json;
use tt_core::Provider::OpenAi;
use tt_testkit::Behaviour;
use tt_testkit::World;
use tt_testkit::client::Response;
use tt_testkit::world::{User, question, request_id};

use crate::setup::world;

/// A body as no encoder would write it; `MODEL` and `STREAM` stand for what the test puts there.
const ODD: &str = "  {\t\"zebra\" : [1, 2.50, 1e-7, 12345678901234567890, -0.0, null, {\"b\":1,\"a\":2,\"b\":3}],\r\n \
    \"messages\":[ {\"content\":\"caf\\u00e9 \\ud83d\\ude00 gr\u{fc}n \\/ \\\"x\\\"\", \"role\" :\"user\", \"name\":\"ann\", \"x-own\":true} ],\
    \"model\" :MODEL ,STREAM \"temperature\":0.70, \"metadata\":{\"model\":\"not this\",\"stream\":true},\n \
    \"\u{fc}nbekannt\":{\"deep\":[[[[]]]]}, \"seed\": 1.0 } \n";

async fn send(user: &User, body: &str) -> Response {
    user.api()
        .post("/v1/chat/completions")
        .header("content-type", "application/json")
        .body(body.to_owned())
        .send()
        .await
}

fn received(world: &World) -> String {
    String::from_utf8(world.sent().last().unwrap().body.to_vec()).unwrap()
}

#[tokio::test]
async fn only_the_model_is_replaced() {
    let world = world().await;
    let user = world.user().await;
    user.alias("fast", OpenAi, "mock-small").await;
    for model in ["\"fast\"", "\"f\\u0061st\""] {
        let odd = ODD.replace("STREAM", "");
        send(&user, &odd.replace("MODEL", model)).await.expect(200);
        assert_eq!(received(&world), odd.replace("MODEL", "\"mock-small\""));
    }
}

#[tokio::test]
async fn a_stream_asks_for_usage_and_changes_nothing_else() {
    let world = world().await;
    let user = world.user().await;
    user.alias("fast", OpenAi, "mock-small").await;
    let target = "\"mock-small\"";
    let added = "\"mock-small\",\"stream_options\":{\"include_usage\":true}";
    for (sent, model, expected) in [
        ("\"stream\":true,", added, "\"stream\":true,"),
        (
            "\"stream\":true, \"stream_options\": null ,",
            target,
            "\"stream\":true, \"stream_options\": {\"include_usage\":true} ,",
        ),
        (
            "\"stream_options\":{} , \"stream\":true,",
            target,
            "\"stream_options\":{\"include_usage\":true} , \"stream\":true,",
        ),
        (
            "\"stream_options\":{ \"include_obfuscation\" : false }, \"stream\": true,",
            target,
            "\"stream_options\":{\"include_usage\":true, \"include_obfuscation\" : false }, \"stream\": true,",
        ),
        (
            "\"stream\":true,\"stream_options\":{\"include_usage\": false },",
            target,
            "\"stream\":true,\"stream_options\":{\"include_usage\": true },",
        ),
        (
            "\"stream\":true,\"stream_options\":{\"include_usage\": true },",
            target,
            "\"stream\":true,\"stream_options\":{\"include_usage\": true },",
        ),
        ("\"stream\":false,", target, "\"stream\":false,"),
    ] {
        let body = ODD.replace("MODEL", "\"fast\"").replace("STREAM", sent);
        send(&user, &body).await.expect(200);
        assert_eq!(received(&world), ODD.replace("MODEL", model).replace("STREAM", expected), "{sent}");
    }
}

#[tokio::test]
async fn a_large_body_arrives_whole() {
    let world = world().await;
    let user = world.user().await;
    user.alias("fast", OpenAi, "mock-small").await;
    for bytes in [100_000, 3_000_000] {
        let text = "all work and no play \u{fc} ".repeat(bytes / 24);
        let body = question("fast", &text).to_string();
        send(&user, &body).await.expect(200);
        assert!(
            received(&world) == body.replace("\"fast\"", "\"mock-small\""),
            "the body of {bytes} bytes was changed"
        );
    }
}

#[tokio::test]
async fn an_answer_comes_back_byte_for_byte() {
    let world = world().await;
    let user = world.user().await;
    let body = " {\"usage\":{\"total_tokens\":7, \"prompt_tokens\":3,\"completion_tokens\":4,\"own\":[1.0]},\n\t\"choices\" : [ {\"index\":0,\
        \"message\":{\"content\":\"caf\\u00e9 \\/ \u{fc}\",\"role\":\"assistant\",\"reasoning\":\"x\"},\"finish_reason\":\"stop\" }],\
        \"id\":\"x\",\"object\":\"chat.completion\",\"created\":1.0e9,\"model\":\"mock-odd-2026\",\"zebra\":12345678901234567890 }\r\n ";
    world.mock.on("mock-odd", Behaviour::status_with_body(200, body));
    let answer = user.ask("openai/mock-odd", "hello").await.expect(200);
    assert_eq!(answer.text(), body);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let length = body.len().to_string();
    assert_eq!(answer.header("content-length"), Some(length.as_str()));
    let row = user.logs().await.remove(0);
    assert_eq!((&row["input_tokens"], &row["output_tokens"]), (&json!(3), &json!(4)));
}

#[tokio::test]
async fn a_stream_comes_back_event_by_event_as_it_was_sent() {
    let world = world().await;
    let user = world.user().await;
    let head = "\"id\":\"x\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\"";
    let chunk = |delta: &str| {
        format!(
            "data: {{{head}, \"choices\" : [{{\"index\":0,\"delta\":{delta},\"finish_reason\":null}}],\"usage\":null}}\n\n"
        )
    };
    let one = chunk("{\"role\":\"assistant\",\"content\":\"\"}");
    let two = chunk("{ \"content\" : \"caf\\u00e9 \\/ \u{fc}\", \"own\":1.0 }");
    let three = format!(
        "event: message\nid: 7\ndata: {{{head},\"choices\":[{{\"index\":0,\"delta\":{{}},\"finish_reason\":\"stop\"}}]}}\n\n"
    );
    let usage = format!(
        "data: {{{head},\"choices\":[],\"usage\":{{\"prompt_tokens\":3,\"completion_tokens\":4,\"total_tokens\":7}}}}\n\n"
    );
    let done = "data: [DONE]\n\n";
    let all = format!("{one}{two}{three}{usage}{done}");
    let behaviour = Behaviour::status_with_body(200, all.clone()).header("content-type", "text/event-stream");
    world.mock.on("mock-odd", behaviour);
    for (options, expected) in
        [("", format!("{one}{two}{three}{done}")), (",\"stream_options\":{\"include_usage\":true}", all.clone())]
    {
        let body = format!(
            "{{\"model\":\"openai/mock-odd\",\"messages\":[{{\"role\":\"user\",\"content\":\"x\"}}],\"stream\":true{options}}}"
        );
        assert_eq!(send(&user, &body).await.expect(200).text(), expected);
    }
    let rows = user.logs().await;
    assert!(
        rows.iter()
            .all(|row| row["input_tokens"] == 3 && row["output_tokens"] == 4 && row["usage_source"] == "provider")
    );
}

#[tokio::test]
async fn upstream_sees_its_own_credential_and_nothing_of_the_clients() {
    let world = world().await;
    let user = world.user().await;
    let names = [
        "openai-organization",
        "openai-project",
        "x-tokentracer-tags",
        "cookie",
        "x-forwarded-for",
        "forwarded",
        "x-api-key",
        "x-goog-api-key",
        "api-key",
        "x-request-id",
        "user-agent",
        "referer",
        "origin",
        "accept-encoding",
        "te",
        "anthropic-version",
        "x-stainless-lang",
        "proxy-authorization",
    ];
    for (provider, credential) in [
        ("openai", ("authorization", "Bearer sk-mock")),
        ("anthropic", ("x-api-key", "sk-ant-mock")),
        ("gemini", ("x-goog-api-key", "AIzaMock")),
    ] {
        let mut call = user.api().post("/v1/chat/completions");
        for name in names {
            call = call.header(name, if name == "x-tokentracer-tags" { "team=theirs" } else { "theirs" });
        }
        call.json(&question(&format!("{provider}/mock-small"), "hello")).send().await.expect(200);
        let seen = world.sent().pop().unwrap();
        assert_eq!(seen.header(credential.0), Some(credential.1));
        let all = format!("{:?}", seen.headers);
        assert!(!all.contains("theirs") && !all.contains(user.api_key()), "{provider}: {all}");
        assert_eq!(seen.header("accept-encoding"), Some("identity"));
        assert_eq!(seen.header("content-type"), Some("application/json"));
        let length = seen.body.len().to_string();
        assert_eq!(seen.header("content-length"), Some(length.as_str()));
        let allowed = [
            credential.0,
            "accept-encoding",
            "content-type",
            "content-length",
            "host",
            "user-agent",
            "anthropic-version",
            "accept",
        ];
        let foreign: Vec<&str> =
            seen.headers.keys().map(http::HeaderName::as_str).filter(|name| !allowed.contains(name)).collect();
        assert!(foreign.is_empty(), "{provider}: {foreign:?}");
    }
}

#[tokio::test]
async fn the_answers_headers_are_ours_and_the_few_that_are_promised() {
    let world = world().await;
    let user = world.user().await;
    let allowed = [
        "content-type",
        "content-length",
        "transfer-encoding",
        "date",
        "cache-control",
        "connection",
        "x-accel-buffering",
        "x-request-id",
        "x-content-type-options",
        "x-should-retry",
        "x-tokentracer-alias",
        "x-tokentracer-provider",
        "x-tokentracer-model",
        "x-tokentracer-attempts",
        "x-tokentracer-route",
        "x-tokentracer-cost-usd",
    ];
    for model in [
        "openai/gpt-4o",
        "anthropic/claude-haiku-4-5",
        "gemini/gemini-2.5-flash",
        "openai/mock-status-500",
        "openai/mock-status-400",
    ] {
        let plain = user.ask(model, "hello").await;
        let stream = user.ask_stream(model, "hello").await;
        for headers in [&plain.headers, &stream.headers] {
            let foreign: Vec<&str> =
                headers.keys().map(http::HeaderName::as_str).filter(|name| !allowed.contains(name)).collect();
            assert!(foreign.is_empty(), "{model}: {foreign:?}");
        }
        if !model.contains("status") {
            for name in ["alias", "provider", "model", "attempts", "route"] {
                let name = format!("x-tokentracer-{name}");
                assert!(plain.header(&name).is_some() && stream.header(&name).is_some(), "{model}: {name}");
            }
            assert!(plain.header("x-tokentracer-cost-usd").is_some());
        }
        let id = request_id(&plain);
        assert!(!id.contains("mock"), "the upstream's request id was passed on");
    }
}

#[tokio::test]
async fn a_key_that_stands_twice_is_refused() {
    let world = world().await;
    let user = world.user().await;
    let messages = "\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]";
    for (body, param) in [
        (format!("{{\"model\":\"openai/gpt-4o\",{messages},\"model\":\"openai/gpt-4o-mini\"}}"), "model"),
        (format!("{{\"model\":\"openai/gpt-4o\",{messages},\"mod\\u0065l\":\"openai/gpt-4o-mini\"}}"), "model"),
        (format!("{{\"model\":\"openai/gpt-4o\",{messages},{messages}}}"), "messages"),
        (format!("{{\"model\":\"openai/gpt-4o\",{messages},\"x\":1,\"x\":1}}"), "x"),
        (format!("{{\"model\":\"openai/gpt-4o\",{messages},\"Model\":\"o\"}}"), "Model"),
        (format!("{{\"model\":\"openai/gpt-4o\",{messages},\"max_tokens\":1,\"MAX_TOKENS\":9}}"), "MAX_TOKENS"),
    ] {
        let answer = send(&user, &body).await;
        crate::expect::error_about(&answer, 400, "invalid_field", param);
    }
    assert!(world.sent().is_empty());
}
