//! From signing up to reading the bill, each call through the process whose turn it is.

use serde_json::{Value, json};
use tt_core::Usage;
use tt_testkit::MockUpstream;
use tt_testkit::world::{PROVIDERS, credentials, log_in, question, within};

use crate::setup::{SEEN_WITHIN, two};

const SUMS: [&str; 4] = ["requests", "input_tokens", "output_tokens", "errors"];

#[tokio::test]
async fn every_call_may_go_to_another_process() {
    let cluster = two(&[("RATE_LIMIT_MINUTE", "1000")]).await;
    cluster.next().post("/auth/signup").json(&credentials("ann@example.org")).send().await.expect(201);
    let session = log_in(&cluster.next(), "ann@example.org").await;
    for provider in PROVIDERS {
        let name = provider.as_str();
        let body = json!({"provider": name, "api_key": MockUpstream::key(provider)});
        let id = cluster.next_as(&session).post("/manage/providers").json(&body).send().await.expect(201).json()["id"]
            .clone();
        let alias = json!({"alias": name, "target_model": "mock-small", "provider_key_id": id});
        let made = cluster.next_as(&session).post("/manage/aliases").json(&alias).send().await.expect(200).json();
        assert_eq!(made["provider"], name);
    }
    let made = cluster.next_as(&session).post("/auth/key").send().await.expect(200).json();
    let key = made["token"].as_str().unwrap().to_owned();
    for process in 0..2 {
        let list = async |client: tt_testkit::Client, path: &str| {
            let all = client.get(path).send().await.expect(200).json();
            all.as_array().unwrap().len()
        };
        let client = cluster.client_of(process).bearer(&session);
        assert_eq!(list(client.clone(), "/manage/providers").await, 3);
        assert_eq!(list(client.clone(), "/manage/aliases").await, 3);
        assert_eq!(list(client, "/auth/keys").await, 1);
        within(SEEN_WITHIN, "the aliases are there to the key", async || {
            let models = cluster.client_of(process).bearer(&key).get("/v1/models").send().await.expect(200).json();
            models["data"].as_array().unwrap().len() == 3
        })
        .await;
    }

    let mut expected = Vec::new();
    for turn in 0..4 {
        for provider in PROVIDERS {
            let text = format!("words {turn}");
            let mut body = question(provider.as_str(), &text);
            let call = cluster.next_as(&key).post("/v1/chat/completions");
            let (id, answer) = if turn < 2 {
                let answer = call.json(&body).send().await.expect(200);
                let text = answer.json()["choices"][0]["message"]["content"].as_str().unwrap().to_owned();
                (answer.header("x-request-id").unwrap().to_owned(), text)
            } else {
                body["stream"] = json!(true);
                let mut stream = call.json(&body).stream().await;
                assert_eq!(stream.status, 200);
                let id = stream.header("x-request-id").unwrap().to_owned();
                let (mut text, mut done) = (String::new(), false);
                while let Some(event) = stream.next().await {
                    done = event.is_done();
                    text.push_str(event.json()["choices"][0]["delta"]["content"].as_str().unwrap_or_default());
                }
                assert!(done, "the stream to {provider} has no end");
                (id, text)
            };
            assert_eq!(answer, format!("mock reply to: {text}"), "{provider}");
            let seen = cluster.mock.requests();
            let usage: Usage = seen.iter().rev().find_map(|seen| seen.usage_sent).unwrap();
            expected.push((id, provider, usage));
        }
        // An odd number of calls, so that every provider meets both processes.
        cluster.next().get("/health").send().await.expect(200);
    }

    for process in 0..2 {
        let client = cluster.client_of(process).bearer(&session);
        let logs = async || {
            let page = client.get("/manage/logs").send().await.expect(200).json();
            page["data"].as_array().unwrap().clone()
        };
        within(SEEN_WITHIN, "all requests are in the log", async || logs().await.len() == expected.len()).await;
        for (id, provider, usage) in &expected {
            let row = client.get(&format!("/manage/logs/{id}")).send().await.expect(200).json();
            let said = (&row["alias"], &row["provider"], &row["status"], &row["usage_source"]);
            assert_eq!(said, (&json!(provider.as_str()), &json!(provider.as_str()), &json!(200), &json!("provider")));
            let tokens = (&row["input_tokens"], &row["output_tokens"]);
            assert_eq!(tokens, (&json!(usage.total_input()), &json!(usage.output)), "{row:#}");
        }
        let groups = client.get("/manage/usage?group_by=provider").send().await.expect(200).json();
        assert_eq!(groups.as_array().unwrap().len(), 3);
        for provider in PROVIDERS {
            let all = groups.as_array().unwrap();
            let group = all.iter().find(|group| group["provider"] == provider.as_str()).unwrap();
            let mine = || expected.iter().filter(|(_, of, _)| *of == provider).map(|(_, _, usage)| usage);
            let sums: Vec<Value> = SUMS.iter().map(|name| group[name].clone()).collect();
            let input: u64 = mine().map(Usage::total_input).sum();
            let output: u64 = mine().map(|usage| usage.output).sum();
            assert_eq!(sums, [json!(4), json!(input), json!(output), json!(0)], "{provider}");
        }
    }
}
