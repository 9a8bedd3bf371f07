//! A user under a budget, and the amounts that are held for a question to `gpt-4o-mini`.

use serde_json::{Value, json};
use tokio::task::JoinSet;
use tt_core::{NanoUsd, tokens};
use tt_testkit::client::Response;
use tt_testkit::mock::Seen;
use tt_testkit::world::{PROVIDERS, User, error_code, eventually, question};
use tt_testkit::{Client, World};

use crate::setup::world;

pub(crate) const MINI: &str = "gpt-4o-mini";

/// Nano-dollars a token of `gpt-4o-mini` at the standard tier, and tokens that a provider may add to the input.
pub(crate) const INPUT: i64 = 150;
pub(crate) const OUTPUT: i64 = 600;
const ADDED: i64 = 64;

/// A user under a budget, in a world.
pub(crate) struct Stage {
    pub(crate) world: World,
    pub(crate) ann: User,
    pub(crate) key: Client,
}

impl Stage {
    /// A user with a key of each provider, and an API key made with `wish`.
    pub(crate) async fn with(wish: Value) -> Self {
        Self::in_world(world().await, wish).await
    }

    /// The same in a world that is there already.
    pub(crate) async fn in_world(world: World, wish: Value) -> Self {
        let ann = world.sign_up("ann").await;
        for provider in PROVIDERS {
            ann.add_provider_key(provider).await;
        }
        let key = ann.new_api_key(&wish).await.client;
        Self { world, ann, key }
    }

    pub(crate) async fn start() -> Self {
        Self::with(json!({})).await
    }

    pub(crate) async fn budget(&self, nano: i64) {
        // The exact number: a float would round it.
        let body = format!("{{\"limit_usd\":{},\"period\":\"total\"}}", NanoUsd(nano));
        self.ann.session.put("/manage/budgets").body(body).send().await.expect(200);
    }

    /// Spent and held of the user's own budget.
    pub(crate) async fn used(&self) -> (i64, i64) {
        let shown = self.ann.session.get("/manage/budgets").send().await.expect(200).json();
        (nano(&shown["spent_usd"]), nano(&shown["held_usd"]))
    }

    pub(crate) async fn ask(&self, body: &Value) -> Response {
        self.key.post("/v1/chat/completions").json(body).send().await
    }

    /// Asks for `body`, and leaves when the provider has got it.
    pub(crate) async fn leave(&self, body: &Value) {
        let before = self.world.sent().len();
        let mut running = JoinSet::new();
        running.spawn(self.key.post("/v1/chat/completions").json(body).try_send());
        eventually("it is upstream", async || self.world.sent().len() == before + 1).await;
        running.abort_all();
    }

    /// The requests that were sent upstream for `model`.
    pub(crate) fn sent(&self, model: &str) -> Vec<Seen> {
        self.world.sent().into_iter().filter(|seen| seen.model.as_deref() == Some(model)).collect()
    }

    /// Starts a new process on the data of the one that has ended.
    pub(crate) async fn start_again(&mut self) {
        self.world.start_again();
        self.world.find_again(&mut self.ann);
        self.key = self.ann.new_api_key(&json!({})).await.client;
    }
}

pub(crate) fn nano(amount: &Value) -> i64 {
    NanoUsd::parse(&amount.to_string()).unwrap_or_else(|_| panic!("no amount: {amount}")).0
}

/// A question whose answer is at most `max` tokens, at the standard tier.
pub(crate) fn capped(model: &str, max: u64) -> Value {
    let mut body = question(model, "hello");
    body["max_tokens"] = json!(max);
    body["service_tier"] = json!("default");
    body
}

/// The nano-dollars that are held for a question to `gpt-4o-mini` by its bytes, where that much is left.
pub(crate) fn worst(body: &Value, max: i64) -> i64 {
    let bytes = i64::try_from(serde_json::to_vec(body).unwrap().len()).unwrap();
    (bytes + ADDED) * INPUT + max * OUTPUT
}

/// The nano-dollars that are held for it where less is left: by its tokens.
pub(crate) fn counted(body: &Value, max: i64) -> i64 {
    let tokens = i64::try_from(tokens::most_of_text(&body.to_string())).unwrap();
    (tokens + ADDED) * INPUT + max * OUTPUT
}

/// The message of an answer that the budget refuses.
#[track_caller]
pub(crate) fn exceeded(answer: &Response) -> String {
    let body = answer.json();
    assert_eq!((answer.status.as_u16(), error_code(&body)), (429, "budget_exceeded"), "{body}");
    assert_eq!(body["error"]["type"], "insufficient_quota");
    body["error"]["message"].as_str().unwrap().to_owned()
}

/// The amount between two pieces of text.
#[track_caller]
pub(crate) fn between(text: &str, before: &str, after: &str) -> i64 {
    let (_, rest) = text.split_once(before).unwrap();
    NanoUsd::parse(rest.split_once(after).unwrap().0).unwrap().0
}
