//! Agents: three rounds of tool calls with thinking, in front of each provider. The mock refuses a signature that is lost,
//! moved or altered, an id of a call that is unknown or repeated, and a broken order, as the providers do.

use serde_json::{Value, json};
use tt_core::Provider::{self, Anthropic, Gemini, OpenAi};
use tt_testkit::client::Call;
use tt_testkit::world::{PROVIDERS, User, with_fields};
use tt_testkit::{Behaviour, World};

use crate::setup::world;

/// A model of each provider that thinks and signs its thinking.
const fn model(provider: Provider) -> &'static str {
    match provider {
        OpenAi => "gpt-5.4",
        Anthropic => "claude-sonnet-4-5",
        Gemini => "gemini-3-flash-preview",
    }
}

/// The words that the user says first, and the results of the tools after them. The last result asks for nothing.
const ROUNDS: [&str; 4] = ["call look and call list", "call list", "call look", "all done"];

async fn agents() -> (World, User) {
    let world = world().await;
    for provider in PROVIDERS {
        world.mock.on(model(provider), Behaviour::ok().agent());
    }
    let user = world.user().await;
    (world, user)
}

fn schema() -> Value {
    json!({"type": "object", "properties": {"path": {"type": "string"}}})
}

/// The requests that reached the provider were asked to think, and Gemini got its signatures and not the word for none.
fn thought(world: &World, provider: Provider, what: &str) {
    let sent = world.sent();
    assert_eq!(sent.len(), ROUNDS.len(), "{what}");
    for (round, seen) in sent.iter().enumerate() {
        let body = seen.json();
        match provider {
            Anthropic => {
                assert_eq!(body["thinking"]["type"], "enabled", "{what} {round}: {body}");
                let thoughts = body.to_string().matches("\"signature\":").count();
                assert!(thoughts >= round, "{what} {round}: {body}");
            }
            Gemini => {
                assert!(!body.to_string().contains("skip_thought_signature"), "{what} {round}: {body}");
                let signatures = body.to_string().matches("thoughtSignature").count();
                assert_eq!(signatures, round, "{what} {round}: {body}");
            }
            OpenAi => {}
        }
    }
}

/// A client of Chat Completions.
#[derive(Clone, Copy)]
struct Chat {
    stream: bool,
    /// The client drops the fields that it does not know, as Cline, Qwen Code and opencode do.
    forgets: bool,
}

impl Chat {
    async fn run(self, user: &User, providers: impl Fn(usize) -> Provider) {
        let tool = |name: &str| json!({"type": "function", "function": {"name": name, "parameters": schema()}});
        let mut messages = vec![json!({"role": "user", "content": ROUNDS[0]})];
        for (round, result) in ROUNDS[1..].iter().enumerate() {
            let provider = providers(round);
            let message = self.ask(user, provider, &messages, json!([tool("look"), tool("list")])).await;
            let calls = message["tool_calls"].as_array().cloned().unwrap_or_else(|| panic!("{provider}: {message}"));
            messages.push(message);
            for call in calls {
                messages.push(json!({"role": "tool", "tool_call_id": call["id"], "content": result}));
            }
        }
        let provider = providers(ROUNDS.len() - 1);
        let last = self.ask(user, provider, &messages, json!([tool("look"), tool("list")])).await;
        assert_eq!(last["content"], "tool said: all done", "{provider}: {last}");
    }

    async fn ask(self, user: &User, provider: Provider, messages: &[Value], tools: Value) -> Value {
        let name = format!("{provider}/{}", model(provider));
        let body = json!({"model": name, "messages": messages, "tools": tools, "reasoning_effort": "low",
            "stream": self.stream, "max_completion_tokens": 4000});
        let call = user.api().post("/v1/chat/completions").json(&body);
        let mut message = if self.stream {
            joined(&call.stream().await.rest().await.iter().map(|event| event.json()).collect::<Vec<_>>())
        } else {
            call.send().await.expect(200).json()["choices"][0]["message"].clone()
        };
        if self.forgets {
            let fields = message.as_object_mut().unwrap();
            fields.retain(|name, _| ["role", "content", "tool_calls"].contains(&name.as_str()));
            for call in fields.get_mut("tool_calls").and_then(Value::as_array_mut).into_iter().flatten() {
                call.as_object_mut().unwrap().remove("extra_content");
            }
        }
        message
    }
}

/// The message that the chunks of a stream make.
fn joined(chunks: &[Value]) -> Value {
    let mut message = json!({"role": "assistant", "content": ""});
    for delta in chunks.iter().filter_map(|chunk| chunk.pointer("/choices/0/delta")) {
        if let Some(text) = delta["content"].as_str() {
            message["content"] = format!("{}{text}", message["content"].as_str().unwrap()).into();
        }
        for (name, value) in delta.as_object().unwrap() {
            match (name.as_str(), value) {
                ("thinking_blocks", Value::Array(blocks)) => {
                    let all = message["thinking_blocks"].as_array().cloned().unwrap_or_default();
                    message["thinking_blocks"] = [all, blocks.clone()].concat().into();
                }
                ("tool_calls", Value::Array(pieces)) => pieces.iter().for_each(|piece| call_piece(&mut message, piece)),
                _ => {}
            }
        }
    }
    message
}

fn call_piece(message: &mut Value, piece: &Value) {
    if message.get("tool_calls").is_none() {
        message["tool_calls"] = json!([]);
    }
    let calls = message["tool_calls"].as_array_mut().unwrap();
    let at = usize::try_from(piece["index"].as_u64().unwrap()).unwrap();
    if at == calls.len() {
        let mut call = piece.clone();
        call.as_object_mut().unwrap().remove("index");
        calls.push(call);
    } else {
        let more = piece.pointer("/function/arguments").and_then(Value::as_str).unwrap_or_default();
        let arguments = &mut calls[at]["function"]["arguments"];
        *arguments = format!("{}{more}", arguments.as_str().unwrap()).into();
    }
}

#[tokio::test]
async fn a_client_of_chat_completions_keeps_its_thinking() {
    for provider in PROVIDERS {
        for stream in [false, true] {
            let (world, user) = agents().await;
            Chat { stream, forgets: false }.run(&user, |_| provider).await;
            thought(&world, provider, &format!("{provider}, stream {stream}"));
        }
    }
}

#[tokio::test]
async fn thinking_survives_a_client_of_chat_completions_that_drops_it() {
    for provider in PROVIDERS {
        for stream in [false, true] {
            let (world, user) = agents().await;
            Chat { stream, forgets: true }.run(&user, |_| provider).await;
            thought(&world, provider, &format!("{provider}, stream {stream}"));
        }
    }
}

#[tokio::test]
async fn thinking_is_kept_for_the_key_that_asked() {
    let (world, user) = agents().await;
    let other = user.new_api_key(&json!({})).await.client;
    let tools = json!([{"type": "function", "function": {"name": "look", "parameters": schema()}}]);
    let chat = Chat { stream: false, forgets: true };
    let mut messages = vec![json!({"role": "user", "content": "call look"})];
    let message = chat.ask(&user, Anthropic, &messages, tools.clone()).await;
    let id = message["tool_calls"][0]["id"].clone();
    messages.extend([message, json!({"role": "tool", "tool_call_id": id, "content": "done"})]);
    let name = format!("anthropic/{}", model(Anthropic));
    let body = json!({"model": name, "messages": messages, "tools": tools, "reasoning_effort": "low",
        "max_completion_tokens": 4000});
    other.post("/v1/chat/completions").json(&body).send().await.expect(200);
    let sent = world.sent().pop().unwrap().json();
    assert_eq!(sent.get("thinking"), None, "another key's thinking is lost, and so none is asked for: {sent}");
    user.api().post("/v1/chat/completions").json(&body).send().await.expect(200);
    let sent = world.sent().pop().unwrap().json();
    assert_eq!(sent["thinking"]["type"], "enabled", "{sent}");
}

/// A client of Anthropic Messages.
struct Messages {
    stream: bool,
}

impl Messages {
    async fn run(&self, user: &User, providers: impl Fn(usize) -> Provider) {
        let tools = ["look", "list"].map(|name| json!({"name": name, "input_schema": schema()}));
        let mut messages = vec![json!({"role": "user", "content": ROUNDS[0]})];
        for (round, result) in ROUNDS[1..].iter().enumerate() {
            let provider = providers(round);
            let content = self.ask(user, provider, &messages, json!(tools)).await;
            let calls: Vec<Value> = content.iter().filter(|block| block["type"] == "tool_use").cloned().collect();
            assert!(!calls.is_empty(), "{provider}: {content:?}");
            messages.push(json!({"role": "assistant", "content": content}));
            // Claude Code puts the results in another order than the calls.
            let results = calls
                .iter()
                .rev()
                .map(|call| json!({"type": "tool_result", "tool_use_id": call["id"], "content": result}));
            messages.push(json!({"role": "user", "content": results.collect::<Vec<_>>()}));
        }
        let provider = providers(ROUNDS.len() - 1);
        let last = self.ask(user, provider, &messages, json!(tools)).await;
        let text = last.iter().find(|block| block["type"] == "text").unwrap_or_else(|| panic!("{provider}: {last:?}"));
        assert_eq!(text["text"], "tool said: all done", "{provider}");
    }

    async fn ask(&self, user: &User, provider: Provider, messages: &[Value], tools: Value) -> Vec<Value> {
        let name = format!("{provider}/{}", model(provider));
        let body = json!({"model": name, "messages": messages, "tools": tools, "max_tokens": 4000,
            "thinking": {"type": "enabled", "budget_tokens": 1024}});
        let call = |more: Value| -> Call {
            let body = with_fields(body.clone(), &more);
            user.anonymous().post("/v1/messages").header("x-api-key", user.api_key()).json(&body)
        };
        if self.stream {
            let events = call(json!({"stream": true})).stream().await.rest().await;
            blocks(&events.iter().map(|event| event.json()).collect::<Vec<_>>())
        } else {
            call(json!({})).send().await.expect(200).json()["content"].as_array().unwrap().clone()
        }
    }
}

/// The blocks that the events of a stream make.
fn blocks(events: &[Value]) -> Vec<Value> {
    let mut blocks: Vec<Value> = Vec::new();
    let mut input = String::new();
    for event in events {
        match event["type"].as_str().unwrap() {
            "content_block_start" => {
                blocks.push(event["content_block"].clone());
                input.clear();
            }
            "content_block_delta" => {
                let (block, delta) = (blocks.last_mut().unwrap(), &event["delta"]);
                input.push_str(delta["partial_json"].as_str().unwrap_or_default());
                for field in ["text", "thinking", "signature"] {
                    if let Some(more) = delta[field].as_str() {
                        block[field] = format!("{}{more}", block[field].as_str().unwrap_or_default()).into();
                    }
                }
            }
            "content_block_stop" if !input.is_empty() => {
                blocks.last_mut().unwrap()["input"] = serde_json::from_str(&input).unwrap();
            }
            _ => {}
        }
    }
    blocks
}

#[tokio::test]
async fn a_client_of_messages_keeps_its_thinking() {
    for provider in PROVIDERS {
        for stream in [false, true] {
            let (world, user) = agents().await;
            Messages { stream }.run(&user, |_| provider).await;
            thought(&world, provider, &format!("{provider}, stream {stream}"));
        }
    }
}

/// A client of Gemini.
#[derive(Clone, Copy, Debug)]
struct Google {
    stream: bool,
    ids: Ids,
    /// The client sends back the thinking that it was shown.
    shows: bool,
}

/// The ids of calls and of their results, as a client sends them back.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Ids {
    /// As they came, on both (Google's libraries).
    AsTheyCame,
    /// None on results (tools run by hand).
    NoneOnResults,
    /// None at all.
    None,
    /// The client's own (Gemini CLI).
    Own,
}

impl Google {
    async fn run(self, user: &User, providers: impl Fn(usize) -> Provider) {
        let mut contents = vec![json!({"role": "user", "parts": [{"text": ROUNDS[0]}]})];
        for (round, result) in ROUNDS[1..].iter().enumerate() {
            let provider = providers(round);
            let mut said = self.ask(user, provider, &contents).await;
            let mut results = Vec::new();
            for (at, part) in said.iter_mut().flat_map(|content| content["parts"].as_array_mut().unwrap()).enumerate() {
                let Some(call) = part.get_mut("functionCall").and_then(Value::as_object_mut) else { continue };
                let mut response = json!({"name": call["name"], "response": {"output": result}});
                if self.ids == Ids::Own {
                    call.insert("id".to_owned(), json!(format!("{}_{round}_{at}", call["name"].as_str().unwrap())));
                }
                match (self.ids, call.get("id")) {
                    (Ids::AsTheyCame | Ids::Own, Some(id)) => response["id"] = id.clone(),
                    (Ids::None, Some(_)) => drop(call.remove("id")),
                    _ => {}
                }
                results.push(json!({"functionResponse": response}));
            }
            assert!(!results.is_empty(), "{provider} {self:?}: {said:?}");
            contents.extend(said);
            contents.push(json!({"role": "user", "parts": results}));
        }
        let provider = providers(ROUNDS.len() - 1);
        let last = self.ask(user, provider, &contents).await;
        let parts = last.iter().flat_map(|content| content["parts"].as_array().unwrap());
        let text: String =
            parts.filter(|part| part.get("thought").is_none()).filter_map(|part| part["text"].as_str()).collect();
        assert_eq!(text, "tool said: all done", "{provider} {self:?}");
    }

    /// The contents of the answer, as the client sends them back: of a stream each piece, as Google's Python library does.
    async fn ask(self, user: &User, provider: Provider, contents: &[Value]) -> Vec<Value> {
        let tools = ["look", "list"].map(|name| json!({"name": name, "parametersJsonSchema": schema()}));
        let body = json!({"contents": contents, "tools": [{"functionDeclarations": tools}], "generationConfig": {
            "maxOutputTokens": 4000, "thinkingConfig": {"includeThoughts": true, "thinkingLevel": "LOW"}}});
        let method = if self.stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
        let path = format!("/v1beta/models/{provider}%2F{}:{method}", model(provider));
        let call = user.anonymous().post(&path).header("x-goog-api-key", user.api_key()).json(&body);
        let pieces = if self.stream {
            call.stream().await.rest().await.iter().map(|event| event.json()).collect()
        } else {
            vec![call.send().await.expect(200).json()]
        };
        let mut said: Vec<Value> = pieces.iter().map(|piece| piece["candidates"][0]["content"].clone()).collect();
        for content in &mut said {
            let parts = content["parts"].as_array_mut().unwrap_or_else(|| panic!("{provider} {self:?}: {pieces:?}"));
            parts.retain(|part| self.shows || part.get("thought").is_none());
        }
        said.retain(|content| content["parts"].as_array().is_some_and(|parts| !parts.is_empty()));
        said
    }
}

#[tokio::test]
async fn a_client_of_gemini_keeps_its_thinking() {
    for provider in PROVIDERS {
        for stream in [false, true] {
            for ids in [Ids::AsTheyCame, Ids::NoneOnResults, Ids::None, Ids::Own] {
                for shows in [true, false] {
                    let (world, user) = agents().await;
                    let client = Google { stream, ids, shows };
                    client.run(&user, |_| provider).await;
                    thought(&world, provider, &format!("{provider}, {client:?}"));
                }
            }
        }
    }
}

#[tokio::test]
async fn a_client_of_gemini_takes_its_thinking_to_another_replica() {
    let client = Google { stream: true, ids: Ids::AsTheyCame, shows: false };
    let (world, user) = agents().await;
    let (other, elsewhere) = agents().await;
    let mut contents = vec![json!({"role": "user", "parts": [{"text": "call look"}]})];
    contents.extend(client.ask(&user, Anthropic, &contents).await);
    let id = contents.iter().find_map(|content| content.pointer("/parts/0/functionCall/id")).unwrap().clone();
    let response = json!({"id": id, "name": "look", "response": {"output": "all done"}});
    contents.push(json!({"role": "user", "parts": [{"functionResponse": response}]}));
    client.ask(&elsewhere, Anthropic, &contents).await;
    let sent = other.sent().pop().unwrap().json();
    assert_eq!(sent["thinking"]["type"], "enabled", "{sent}");
    assert_eq!(sent["messages"][1]["content"][0]["type"], "thinking", "{sent}");
    // Gemini cannot read it.
    client.ask(&user, Gemini, &contents).await;
    let sent = world.sent().pop().unwrap().json();
    assert!(sent.to_string().contains("skip_thought_signature_validator"), "{sent}");
    assert!(!sent.to_string().contains("dG9rZW50cmFjZXIvMTog"), "{sent}");
}

#[tokio::test]
async fn a_loop_whose_provider_changes_goes_on() {
    let mut notes = String::new();
    for start in 0..PROVIDERS.len() {
        for steps in 1..PROVIDERS.len() {
            let next = |round: usize| PROVIDERS[(start + steps * round) % PROVIDERS.len()];
            for stream in [false, true] {
                let (world, user) = agents().await;
                Chat { stream, forgets: false }.run(&user, next).await;
                Chat { stream, forgets: true }.run(&user, next).await;
                Messages { stream }.run(&user, next).await;
                Google { stream, ids: Ids::AsTheyCame, shows: true }.run(&user, next).await;
                Google { stream, ids: Ids::Own, shows: false }.run(&user, next).await;
                assert_eq!(world.sent().len(), 5 * ROUNDS.len());
                let passed = |row: &Value| row["dialect"] == "anthropic_messages" && row["provider"] == "anthropic";
                for row in user.logs().await.iter().filter(|row| passed(row)) {
                    notes += &user.log(row["request_id"].as_str().unwrap()).await["notes"].to_string();
                }
            }
        }
    }
    assert!(notes.contains("off: the loop of tools lacks its thinking"), "{notes}");
}
