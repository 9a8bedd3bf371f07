//! Alerts as the drain and others write them, and their deliveries.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tt_core::alert::{Alert, AlertData, Event, Subject, WebhookScope};
use tt_core::budget::{Budget, Period};
use tt_core::record::Outcome;
use tt_core::{
    ApiKeyId, DeliveryId, NanoUsd, Provider, Role, SealId, Sealed, Timestamp, Usage, UsageSource, UserId, WebhookId,
    WebhookUrl,
};
use tt_store::{
    Attempted, ClaimedDelivery, Conflict, NewApiKey, NewWebhook, Object, Quota, Rotation, Store, StoreError, UserPatch,
    Webhook, WebhookPatch,
};

use crate::fixture::{DAY, Fixture, HOUR, Request, at, attempt, by, new_api_key};

on_both!(
    the_row_that_crosses_a_threshold_makes_the_alert,
    replicas_that_cross_together_make_each_alert_once,
    a_new_price_may_cross_a_threshold,
    only_who_subscribes_is_told,
    missing_prices_and_gaps_are_told_with_their_rows,
    keys_that_expire_soon_are_told_twice,
    what_is_claimed_is_nobody_elses_until_the_claim_ends,
    replicas_claim_different_deliveries,
    a_delivery_is_given_up_or_made_again,
    old_deliveries_and_too_many_are_deleted,
    webhooks_are_their_owners_and_twenty,
);

const ANN_TOTAL: i64 = 1_000;

fn url(text: &str) -> WebhookUrl {
    WebhookUrl::try_from(format!("https://hooks.example/{text}")).unwrap()
}

fn new_webhook(name: &str, scope: WebhookScope, events: &[Event]) -> NewWebhook {
    NewWebhook {
        scope,
        url: url(name),
        label: None,
        events: events.to_vec(),
        active: true,
        seal_id: SealId(name.to_owned()),
        sealed: Sealed(format!("v1.{name}")),
    }
}

async fn webhook(f: &Fixture, user: UserId, name: &str, events: &[Event]) -> Webhook {
    f.create_webhook(user, new_webhook(name, WebhookScope::Own, events), by(at(0))).await.unwrap()
}

fn budget(limit: i64, period: Period) -> Budget {
    Budget::new(NanoUsd(limit), period).unwrap()
}

fn cost(user: UserId, key: Option<ApiKeyId>, millis: i64, n: u8, nano: i64) -> Request {
    let attempts = vec![attempt(Provider::OpenAi, Usage::default(), Some(nano))];
    Request { key, attempts, ..Request::new(user, millis, n) }
}

async fn record(store: &Store, requests: &[Request]) -> usize {
    store.record(requests.iter().map(Request::settlement).collect(), Vec::new()).await.unwrap()
}

/// The bodies of all deliveries of a user, in the order in which they were made. They are claimed.
async fn bodies(f: &Fixture, user: UserId) -> Vec<Value> {
    let claimed = f.claim_deliveries(user, at(300 * DAY), at(400 * DAY), 1000).await.unwrap();
    claimed.iter().map(|one| serde_json::from_str(&one.body).unwrap()).collect()
}

/// The scope, key and threshold of alerts about budgets.
fn crossed(bodies: &[Value]) -> Vec<(String, Value, i64)> {
    let of = |body: &Value| {
        let data = &body["data"];
        (
            data["scope"].as_str().unwrap().to_owned(),
            data["api_key_id"].clone(),
            data["threshold_percent"].as_i64().unwrap(),
        )
    };
    let mut crossed: Vec<_> = bodies.iter().map(of).collect();
    crossed.sort_by_key(|one| format!("{one:?}"));
    crossed
}

async fn the_row_that_crosses_a_threshold_makes_the_alert(f: &Fixture) {
    let (ann, bob) = (f.sign_up("ann").await, f.sign_up("bob").await);
    webhook(f, ann, "ann", &[Event::BudgetThreshold]).await;
    f.set_own_budget(ann, Some(budget(ANN_TOTAL, Period::Total)), by(at(0))).await.unwrap();
    f.set_own_budget(bob, Some(budget(1, Period::Total)), by(at(0))).await.unwrap();
    let day = Some(Some(budget(400, Period::Day).softened(true)));
    f.update_user(ann, UserPatch { budget: day, ..UserPatch::default() }, by(at(0))).await.unwrap();
    let of_key = Some(budget(300, Period::Month));
    let key = f.create_api_key(ann, NewApiKey { budget: of_key, ..new_api_key(1) }, by(at(0))).await.unwrap();

    record(f, &[cost(ann, Some(key), 0, 1, 100), cost(bob, None, 0, 2, 50)]).await;
    assert_eq!(bodies(f, ann).await, [Value::Null; 0], "nothing is crossed");
    let crossing = [cost(ann, Some(key), 0, 3, 150), cost(ann, None, 0, 4, 100)];
    record(f, &crossing).await;
    let found = bodies(f, ann).await;
    let of = |scope: &str, key: Value, percent: i64| (scope.to_owned(), key, percent);
    let expected = [
        of("admin", Value::Null, 50),
        of("admin", Value::Null, 80),
        of("key", json!(key.0), 50),
        of("key", json!(key.0), 80),
    ];
    assert_eq!(crossed(&found), expected);
    let of_day = found.iter().find(|body| body["data"]["scope"] == "admin").unwrap();
    let mut data = of_day["data"].clone();
    let nano = |amount: Value| NanoUsd::parse(&amount.to_string()).unwrap();
    let fields = data.as_object_mut().unwrap();
    assert_eq!(nano(fields.remove("spent_usd").unwrap()), NanoUsd(350));
    assert_eq!(nano(fields.remove("limit_usd").unwrap()), NanoUsd(400));
    let expected = json!({
        "threshold_percent": of_day["data"]["threshold_percent"], "scope": "admin", "api_key_id": null,
        "period": "day", "soft": true,
        "period_starts_at": "2026-11-23T00:00:00.000Z", "resets_at": "2026-11-24T00:00:00.000Z",
    });
    assert_eq!(data, expected);
    assert_eq!(of_day["created_at"], "2026-11-23T12:00:00.900Z", "the end of the request");

    // A batch that comes again makes none, nor does one in which nothing is crossed.
    record(f, &crossing).await;
    record(f, &[cost(ann, Some(key), 0, 5, 1)]).await;
    assert_eq!(bodies(f, ann).await, [Value::Null; 0]);
    // The next day is another period, the month and the total are not.
    record(f, &[cost(ann, Some(key), DAY, 6, 400)]).await;
    let expected = [
        of("admin", Value::Null, 100),
        of("admin", Value::Null, 50),
        of("admin", Value::Null, 80),
        of("key", json!(key.0), 100),
        of("user", Value::Null, 50),
    ];
    assert_eq!(crossed(&bodies(f, ann).await), expected);
    // Another limit is another budget.
    f.set_own_budget(ann, Some(budget(ANN_TOTAL * 2, Period::Total)), by(at(0))).await.unwrap();
    record(f, &[cost(ann, None, 2 * DAY, 7, 300)]).await;
    assert!(crossed(&bodies(f, ann).await).contains(&of("user", Value::Null, 50)));
    assert_eq!(bodies(f, bob).await, [Value::Null; 0], "without a webhook");
}

async fn replicas_that_cross_together_make_each_alert_once(f: &Fixture) {
    let ann = f.sign_up("ann").await;
    webhook(f, ann, "one", &[Event::BudgetThreshold, Event::PriceMissing]).await;
    webhook(f, ann, "two", &[Event::BudgetThreshold, Event::PriceMissing]).await;
    let of_key = Some(budget(100, Period::Total));
    let mut keys = Vec::new();
    for hash in 1..=5 {
        keys.push(f.create_api_key(ann, NewApiKey { budget: of_key, ..new_api_key(hash) }, by(at(0))).await.unwrap());
    }
    let (one, two) = (f.another(), f.another());
    for round in 0..10_i64 {
        let requests = |half: u8| -> Vec<Request> {
            let of = |n: u8| {
                let mut request = cost(ann, Some(keys[usize::from(n % 5)]), round, n * 2 + half, 1);
                if n.is_multiple_of(5) {
                    request.attempts[0].ended.as_mut().unwrap().cost = None;
                }
                request
            };
            (0..30).map(of).collect()
        };
        let (first, second) = (requests(0), requests(1).into_iter().rev().collect::<Vec<_>>());
        let (a, b) = tokio::join!(record(&one, &first), record(&two, &second));
        assert_eq!(a + b, 60);
    }
    let found = bodies(f, ann).await;
    let (prices, thresholds): (Vec<_>, Vec<_>) = found.into_iter().partition(|body| body["event"] == "price.missing");
    assert_eq!(prices.len(), 2, "one alert for each webhook: {prices:?}");
    let expected: Vec<_> = keys[1..]
        .iter()
        .flat_map(|key| [100, 50, 80].map(|percent| ("key".to_owned(), json!(key.0), percent)))
        .flat_map(|one| [one.clone(), one])
        .collect();
    assert_eq!(crossed(&thresholds), expected);
    let ids: BTreeSet<_> = thresholds.iter().map(|body| body["id"].to_string()).collect();
    assert_eq!(ids.len(), 12, "both webhooks get the same alert");
}

async fn a_new_price_may_cross_a_threshold(f: &Fixture) {
    use std::sync::Arc;
    use tt_core::price::{Override, PicoPerToken, PriceTable};
    let ann = f.sign_up("ann").await;
    webhook(f, ann, "ann", &[Event::BudgetThreshold]).await;
    f.set_own_budget(ann, Some(budget(2_000, Period::Total)), by(at(0))).await.unwrap();
    record(
        f,
        &[Request {
            attempts: vec![attempt(Provider::OpenAi, Usage { input: 1, ..Usage::default() }, Some(1))],
            ..Request::new(ann, 0, 1)
        }],
    )
    .await;
    let price = Override {
        provider: Provider::OpenAi,
        model: "openai-model".to_owned(),
        input: PicoPerToken(1_500_000),
        output: PicoPerToken(0),
        cache_read: None,
        cache_write_5m: None,
        cache_write_1h: None,
        effective_from: at(-DAY),
    };
    let prices = Arc::new(PriceTable::builtin().unwrap().with_overrides([price]));
    let all = tt_store::Rerate { from: at(-DAY), to: at(DAY), after: None, limit: 100, now: at(HOUR) };
    f.rerate(prices, all).await.unwrap();
    let found = bodies(f, ann).await;
    assert_eq!(crossed(&found), [("user".to_owned(), Value::Null, 50)]);
    assert_eq!(found[0]["created_at"], "2026-11-23T13:00:00.000Z");
}

async fn only_who_subscribes_is_told(f: &Fixture) {
    let (ann, bob) = (f.sign_up("ann").await, f.sign_up("bob").await);
    webhook(f, ann, "gaps", &[Event::LedgerGap]).await;
    let off = webhook(f, ann, "off", &[Event::JournalBehind, Event::TargetOpen]).await;
    let off =
        f.update_webhook(ann, off.id, WebhookPatch { active: Some(false), ..WebhookPatch::default() }, by(at(0))).await;
    assert!(!off.unwrap().active);
    let admins = new_webhook("all", WebhookScope::Installation, &[Event::JournalBehind, Event::PriceMissing]);
    f.create_webhook(bob, admins, by(at(0))).await.unwrap();
    let behind = |hour: i64| {
        let data = AlertData::JournalBehind { oldest_settled_at: at(0), unstored: 5 };
        Alert { subject: Subject::Installation, at: at(hour * HOUR), data }
    };
    let open = Alert {
        subject: Subject::User(ann),
        at: at(0),
        data: AlertData::TargetOpen {
            provider_key_id: tt_core::ProviderKeyId(1),
            provider: Provider::OpenAi,
            model: "m".to_owned(),
            cause: "429".to_owned(),
            until: at(1),
        },
    };
    assert_eq!(f.raise(vec![behind(0), open.clone()]).await.unwrap(), 0, "nobody takes them");
    let promote = UserPatch { role: Some(Role::Admin), ..UserPatch::default() };
    f.update_user(bob, promote, by(at(0))).await.unwrap();
    assert_eq!(f.raise(vec![behind(0), behind(0), open.clone()]).await.unwrap(), 1);
    assert_eq!(f.raise(vec![behind(0), behind(1)]).await.unwrap(), 1, "once an hour");
    let told = bodies(f, bob).await;
    assert_eq!(told.iter().map(|body| body["event"].clone()).collect::<Vec<_>>(), ["journal.behind", "journal.behind"]);
    assert_eq!(told[0]["data"], json!({"oldest_settled_at": "2026-11-23T12:00:00.000Z", "unstored": 5}));
    f.update_user(bob, UserPatch { disabled: Some(true), ..UserPatch::default() }, by(at(0))).await.unwrap();
    assert_eq!(f.raise(vec![behind(2)]).await.unwrap(), 0, "a disabled user is told nothing");
    assert_eq!(f.users_with_due_deliveries(at(DAY), 9).await.unwrap(), []);
    // With a user all that is to be sent to them goes.
    f.update_user(bob, UserPatch { disabled: Some(false), ..UserPatch::default() }, by(at(0))).await.unwrap();
    assert_eq!(f.raise(vec![behind(3)]).await.unwrap(), 1);
    f.delete_user(bob, by(at(0))).await.unwrap();
    assert_eq!(f.users_with_due_deliveries(at(DAY), 9).await.unwrap(), []);
}

async fn missing_prices_and_gaps_are_told_with_their_rows(f: &Fixture) {
    let (ann, root) = (f.sign_up("ann").await, f.sign_up("root").await);
    f.update_user(root, UserPatch { role: Some(Role::Admin), ..UserPatch::default() }, by(at(0))).await.unwrap();
    let both = [Event::PriceMissing, Event::LedgerGap];
    webhook(f, ann, "ann", &both).await;
    f.create_webhook(root, new_webhook("all", WebhookScope::Installation, &both), by(at(0))).await.unwrap();
    let unpriced = |millis, n| {
        let mut request = cost(ann, None, millis, n, 0);
        request.attempts[0].ended.as_mut().unwrap().cost = None;
        request
    };
    let gap = |n, outcome, source| {
        let mut request = Request { outcome, ..cost(ann, None, 0, n, 0) };
        let ended = request.attempts[0].ended.as_mut().unwrap();
        (ended.cost, ended.source) = (None, source);
        request
    };
    let rows = [
        unpriced(0, 1),
        unpriced(5, 2),
        gap(3, Outcome::Interrupted, UsageSource::Unknown),
        gap(4, Outcome::Cancelled, UsageSource::Unknown),
        gap(5, Outcome::Cancelled, UsageSource::Unknown),
        cost(ann, None, 0, 6, 5),
    ];
    record(f, &rows).await;
    let told = bodies(f, ann).await;
    let of = |event: &str| {
        told.iter().filter(|body| body["event"] == event).map(|body| body["data"].clone()).collect::<Vec<_>>()
    };
    let id = |n| crate::fixture::request_id(0, n).to_string();
    let price = json!({"provider": "openai", "model": "openai-model", "request_id": id(1)});
    assert_eq!(of("price.missing"), [price]);
    let gaps = [
        json!({"kind": "interrupted", "requests": 1, "request_id": id(3)}),
        json!({"kind": "unknown_usage", "requests": 2, "request_id": id(4)}),
    ];
    assert_eq!(of("ledger.gap"), gaps);
    let all = bodies(f, root).await;
    assert_eq!(all.len(), 3);
    assert!(all.iter().all(|body| body["data"].get("request_id").is_none()), "no request of another user: {all:?}");
    // The next day the price is missing again, and the next hour there may be gaps again.
    record(f, &[unpriced(HOUR, 7), unpriced(DAY, 8)]).await;
    assert_eq!(bodies(f, ann).await.len(), 1);
}

async fn keys_that_expire_soon_are_told_twice(f: &Fixture) {
    let (ann, bob) = (f.sign_up("ann").await, f.sign_up("bob").await);
    webhook(f, ann, "ann", &[Event::KeyExpiring]).await;
    let key = async |user, hash, days: i64| {
        let new = NewApiKey { expires_at: Some(at(days * DAY)), ..new_api_key(hash) };
        f.create_api_key(user, new, by(at(0))).await.unwrap()
    };
    let (long, short) = (key(ann, 1, 30).await, key(ann, 2, 3).await);
    let (revoked, replaced) = (key(ann, 3, 30).await, key(ann, 4, 30).await);
    key(bob, 5, 30).await;
    f.create_api_key(ann, new_api_key(6), by(at(0))).await.unwrap();
    f.revoke_api_key(ann, revoked, by(at(0))).await.unwrap();
    let rotation = Rotation { key_hash: tt_core::KeyHash([7; 32]), prefix: "tt-7".to_owned(), grace_ms: 29 * DAY };
    f.rotate_api_key(ann, replaced, rotation, by(at(0))).await.unwrap();
    let look = async |now: Timestamp| {
        let mut after = ApiKeyId(0);
        // By pages of one, as a long list is read.
        while let Some(last) = f.raise_expiring_keys(now, after, 1).await.unwrap() {
            after = last;
        }
        let told = bodies(f, ann).await;
        told.iter()
            .map(|body| (body["data"]["api_key_id"].as_i64().unwrap(), body["data"]["days"].as_i64().unwrap()))
            .collect::<Vec<_>>()
    };
    assert_eq!(look(at(DAY)).await, []);
    assert_eq!(look(at(2 * DAY)).await, [(short.0, 1)], "made for less than the first warning is ahead");
    assert_eq!(look(at(2 * DAY + HOUR)).await, []);
    assert_eq!(look(at(4 * DAY)).await, [], "expired");
    assert_eq!(look(at(23 * DAY - 1)).await, []);
    // The key that took the place of another expires at the same time as `long`.
    let told = look(at(23 * DAY)).await;
    assert_eq!(told.iter().filter(|(id, days)| (*id, *days) == (long.0, 7)).count(), 1);
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(look(at(28 * DAY)).await, []);
    assert_eq!(look(at(29 * DAY)).await.len(), 2);
    assert_eq!(look(at(29 * DAY + HOUR)).await, []);
}

/// Deliveries of a user, one for each hour.
async fn due(f: &Fixture, user: UserId, count: i64) {
    let data = AlertData::KeyExpiring {
        api_key_id: ApiKeyId(1),
        name: None,
        prefix: "tt-1".to_owned(),
        expires_at: at(0),
        days: 1,
    };
    let alert = |n: i64| {
        let AlertData::KeyExpiring { name, prefix, expires_at, days, .. } = data.clone() else {
            panic!("another kind")
        };
        let data = AlertData::KeyExpiring { api_key_id: ApiKeyId(n), name, prefix, expires_at, days };
        Alert { subject: Subject::User(user), at: at(n), data }
    };
    let made = f.raise((0..count).map(alert).collect()).await.unwrap();
    assert_eq!(i64::try_from(made).unwrap(), count);
}

fn outcome(claimed: &ClaimedDelivery, at: Timestamp, error: Option<&str>, next: Option<Timestamp>) -> Attempted {
    Attempted {
        id: claimed.id,
        attempt: claimed.attempt,
        at,
        status: Some(if error.is_some() { 500 } else { 204 }),
        error: error.map(str::to_owned),
        next_attempt_at: next,
    }
}

async fn what_is_claimed_is_nobody_elses_until_the_claim_ends(f: &Fixture) {
    let (ann, bob) = (f.sign_up("ann").await, f.sign_up("bob").await);
    let hook = webhook(f, ann, "ann", &[Event::KeyExpiring]).await;
    webhook(f, bob, "bob", &[Event::KeyExpiring]).await;
    due(f, bob, 1).await;
    due(f, ann, 2).await;
    assert_eq!(f.users_with_due_deliveries(at(-1), 9).await.unwrap(), []);
    assert_eq!(f.users_with_due_deliveries(at(5), 9).await.unwrap().len(), 2);
    let [first, second] = f.claim_deliveries(ann, at(5), at(100), 9).await.unwrap().try_into().unwrap();
    assert_eq!((first.attempt, first.first_attempt_at, &first.url), (1, at(5), &url("ann")));
    assert_eq!((first.secret.user_id, first.secret.id, &first.secret.sealed.0), (ann, hook.id, &"v1.ann".to_owned()));
    assert!(first.event_id.starts_with("evt_") && first.body.contains(&first.event_id));
    assert_eq!(f.users_with_due_deliveries(at(50), 9).await.unwrap(), [bob]);
    assert_eq!(f.another().claim_deliveries(ann, at(50), at(150), 9).await.unwrap(), []);

    // The process died: another one takes over, and what the first says later about a failure is too late.
    let again = f.claim_deliveries(ann, at(100), at(200), 9).await.unwrap();
    assert_eq!(again.iter().map(|one| (one.id, one.attempt)).collect::<Vec<_>>(), [(first.id, 2), (second.id, 2)]);
    assert_eq!((&again[0].body, again[0].first_attempt_at), (&first.body, at(5)));
    f.delivery_attempted(vec![outcome(&first, at(101), Some("late"), Some(at(102)))]).await.unwrap();
    assert_eq!(f.claim_deliveries(ann, at(150), at(300), 9).await.unwrap(), []);
    // Its success counts.
    f.delivery_attempted(vec![
        outcome(&second, at(102), None, None),
        outcome(&again[0], at(103), Some("500"), Some(at(160))),
    ])
    .await
    .unwrap();
    f.delivery_attempted(vec![outcome(&again[1], at(104), Some("500"), Some(at(105)))]).await.unwrap();
    let list = f.deliveries(ann, hook.id, None, 9).await.unwrap();
    assert_eq!(list.iter().map(|one| one.id).collect::<Vec<_>>(), [second.id, first.id], "newest first");
    assert_eq!((list[0].delivered_at, list[0].next_attempt_at), (Some(at(102)), None));
    assert_eq!((list[1].last_error.as_deref(), list[1].next_attempt_at), (Some("500"), Some(at(160))));
    assert_eq!((list[1].attempts, list[1].last_status, list[1].last_attempt_at), (2, Some(500), Some(at(100))));
    let third = f.claim_deliveries(ann, at(160), at(260), 9).await.unwrap();
    assert_eq!(third.iter().map(|one| (one.id, one.attempt)).collect::<Vec<_>>(), [(first.id, 3)]);
}

async fn replicas_claim_different_deliveries(f: &Fixture) {
    let ann = f.sign_up("ann").await;
    webhook(f, ann, "ann", &[Event::KeyExpiring]).await;
    due(f, ann, 40).await;
    let stores = [f.another(), f.another(), f.another()];
    let claims = stores.iter().map(|store| async move {
        let mut mine = Vec::new();
        loop {
            let claimed = store.claim_deliveries(ann, at(1000), at(5000), 3).await.unwrap();
            if claimed.is_empty() && store.users_with_due_deliveries(at(1000), 1).await.unwrap().is_empty() {
                return mine;
            }
            mine.extend(claimed.into_iter().map(|one| one.id));
        }
    });
    let all: Vec<DeliveryId> = futures_util::future::join_all(claims).await.into_iter().flatten().collect();
    assert_eq!(all.len(), 40);
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 40);
}

async fn a_delivery_is_given_up_or_made_again(f: &Fixture) {
    let (ann, bob) = (f.sign_up("ann").await, f.sign_up("bob").await);
    let hook = webhook(f, ann, "ann", &[Event::KeyExpiring]).await;
    due(f, ann, 1).await;
    let [claimed] = f.claim_deliveries(ann, at(5), at(100), 9).await.unwrap().try_into().unwrap();
    f.delivery_attempted(vec![outcome(&claimed, at(6), Some("500"), None)]).await.unwrap();
    let given_up = f.deliveries(ann, hook.id, None, 9).await.unwrap().remove(0);
    assert_eq!((given_up.next_attempt_at, given_up.delivered_at), (None, None));
    assert_eq!(f.claim_deliveries(ann, at(DAY), at(2 * DAY), 9).await.unwrap(), []);
    let again = f.deliver_again(ann, hook.id, claimed.id, at(DAY)).await.unwrap();
    assert_eq!((again.next_attempt_at, again.attempts), (Some(at(DAY)), 1));
    let [second] = f.claim_deliveries(ann, at(DAY), at(2 * DAY), 9).await.unwrap().try_into().unwrap();
    assert_eq!((second.first_attempt_at, second.attempt, &second.body), (at(DAY), 2, &claimed.body));
    for (user, webhook, id) in
        [(bob, hook.id, claimed.id), (ann, WebhookId(99), claimed.id), (ann, hook.id, DeliveryId(99))]
    {
        let refused = f.deliver_again(user, webhook, id, at(0)).await;
        assert!(matches!(refused, Err(StoreError::NotFound(Object::Delivery))), "{refused:?}");
    }
    // Nothing is sent to a webhook that is switched off or gone.
    f.update_webhook(ann, hook.id, WebhookPatch { active: Some(false), ..WebhookPatch::default() }, by(at(0)))
        .await
        .unwrap();
    let off = f.deliveries(ann, hook.id, None, 9).await.unwrap().remove(0);
    assert_eq!((off.next_attempt_at, off.last_error.as_deref()), (None, Some("the webhook was switched off")));
    f.deliver_again(ann, hook.id, claimed.id, at(DAY)).await.unwrap();
    f.delete_webhook(ann, hook.id, by(at(0))).await.unwrap();
    assert_eq!(f.claim_deliveries(ann, at(9 * DAY), at(10 * DAY), 9).await.unwrap(), []);
}

async fn old_deliveries_and_too_many_are_deleted(f: &Fixture) {
    let ann = f.sign_up("ann").await;
    let hook = webhook(f, ann, "ann", &[Event::KeyExpiring]).await;
    due(f, ann, 5).await;
    assert_eq!(f.prune_deliveries(at(DAY), 5).await.unwrap(), 0, "none is finished, and there are not too many");
    assert_eq!(f.prune_deliveries(at(DAY), 4).await.unwrap(), 1);
    let claimed = f.claim_deliveries(ann, at(100), at(200), 2).await.unwrap();
    f.delivery_attempted(claimed.iter().map(|one| outcome(one, at(101), None, None)).collect()).await.unwrap();
    assert_eq!(f.prune_deliveries(at(0), 4).await.unwrap(), 0, "none is old");
    assert_eq!(f.prune_deliveries(at(DAY), 4).await.unwrap(), 2);
    let left = f.deliveries(ann, hook.id, None, 9).await.unwrap();
    assert_eq!(left.len(), 2);
    assert!(left.iter().all(|one| one.next_attempt_at.is_some()));
}

async fn webhooks_are_their_owners_and_twenty(f: &Fixture) {
    let (ann, bob) = (f.sign_up("ann").await, f.sign_up("bob").await);
    let mut last = None;
    for number in 0..20 {
        last = Some(webhook(f, ann, &format!("ann{number}"), &[Event::LedgerGap]).await);
    }
    let last = last.unwrap();
    let more = f.create_webhook(ann, new_webhook("more", WebhookScope::Own, &[]), by(at(0))).await;
    let full = StoreError::Conflict(Conflict::QuotaExceeded(Quota::Webhooks));
    assert_eq!(more.unwrap_err().to_string(), full.to_string());
    assert_eq!(f.webhooks(ann).await.unwrap().len(), 20);
    assert_eq!(f.webhook(ann, last.id).await.unwrap(), Some(last.clone()));
    assert_eq!(f.webhook(bob, last.id).await.unwrap(), None);
    let none = f.update_webhook(bob, last.id, WebhookPatch::default(), by(at(0))).await;
    assert!(matches!(none, Err(StoreError::NotFound(Object::Webhook))), "{none:?}");
    assert!(f.delete_webhook(bob, last.id, by(at(0))).await.is_err());
    let secret = (SealId("other".to_owned()), Sealed("v1.other".to_owned()));
    assert!(f.set_webhook_secret(bob, last.id, secret.clone(), by(at(0))).await.is_err());
    let old = f.webhook_secret(ann, last.id).await.unwrap().unwrap();
    f.set_webhook_secret(ann, last.id, secret, by(at(0))).await.unwrap();
    assert!(!f.reseal_webhook(old, Sealed("v1.late".to_owned())).await.unwrap(), "it has changed since it was read");
    let now = f.webhook_secret(ann, last.id).await.unwrap().unwrap();
    assert_eq!(now.sealed.0, "v1.other");
    assert!(f.reseal_webhook(now, Sealed("v2.other".to_owned())).await.unwrap());
    let all = f.webhook_secrets(WebhookId(0), 100).await.unwrap();
    assert_eq!((all.len(), all.last().map(|one| one.sealed.0.as_str())), (20, Some("v2.other")));
    f.delete_user(ann, by(at(0))).await.unwrap();
    assert_eq!(f.webhook_secrets(WebhookId(0), 100).await.unwrap(), []);
}
