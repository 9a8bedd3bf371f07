//! No SQL between the arrival of a key's second request and its upstream call: the service in process, on a store that
//! counts its calls.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tt_core::caller::RequestLimits;
use tt_core::price::PriceTable;
use tt_core::{BaseUrl, Provider, Timestamp};
use tt_crypto::{Keyring, Passwords, Sessions};
use tt_http::{App, BudgetAccounts, HttpConfig, Parts, UpstreamConfig};
use tt_ledger::Ledger;
use tt_metrics::Metrics;
use tt_ratelimit::{Budgets, Limiter};
use tt_store::{Store, StoreConfig};
use tt_testkit::mock::Matcher;
use tt_testkit::{Behaviour, Client, MockUpstream};

/// Requests that are looked at; upkeep beside them asks the store about once a second.
const REQUESTS: usize = 20;

#[expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
fn config(mock: &MockUpstream) -> HttpConfig {
    let base = |provider| BaseUrl::parse(&mock.base_url(provider)).unwrap();
    let minute = Duration::from_secs(60);
    HttpConfig {
        tls: None,
        signup_open: true,
        max_body_bytes: 1 << 20,
        max_buffered_bytes: 1 << 30,
        max_connections: 100,
        max_worker_lag: minute,
        client_header_timeout: minute,
        client_idle_timeout: minute,
        client_write_timeout: minute,
        client_body_idle_timeout: minute,
        shutdown_delay: Duration::ZERO,
        shutdown_grace: minute,
        upstream: UpstreamConfig {
            openai_base_url: base(Provider::OpenAi),
            anthropic_base_url: base(Provider::Anthropic),
            gemini_base_url: base(Provider::Gemini),
            allow_private: false,
            authorities: Arc::new(rustls::RootCertStore::empty()),
            connect_timeout: minute,
            first_byte_timeout: minute,
            total_timeout: minute,
            idle_timeout: minute,
            max_retries: 1,
            propagate: None,
        },
        // In force, so that limits are shown to need no SQL either.
        default_limits: RequestLimits { minute: 10_000, day: 10_000 },
        limits_need_redis: false,
        directory_max_stale: 15 * minute,
        trusted_proxies: Vec::new(),
        model_refresh_interval: 60 * minute,
        metrics_token: None,
        metrics_budgets: true,
        workers: 1,
    }
}

fn secret() -> SecretString {
    SecretString::from("thirty-two bytes of text, or more")
}

async fn post(client: &Client, path: &str, body: &Value) -> Value {
    let answer = client.post(path).json(body).send().await;
    assert!(answer.status.is_success(), "{path}: {}", answer.text());
    answer.json()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_its_second_request_on_a_key_needs_no_sql_before_the_upstream_call() {
    let dir = tempfile::tempdir().unwrap();
    let url = SecretString::from(format!("sqlite://{}", dir.path().join("test.db").display()));
    let store = Store::open(StoreConfig::new(url, Handle::current())).unwrap();
    store.migrate().await.unwrap();
    let mock = MockUpstream::start();

    // The number of calls that the store had seen when each request reached the upstream.
    let at_upstream: Arc<Mutex<Vec<u64>>> = Arc::default();
    let (seen, counted) = (Arc::clone(&at_upstream), store.clone());
    let count = move |seen_request: &tt_testkit::mock::Seen| {
        if seen_request.path.ends_with("/chat/completions") {
            seen.lock().unwrap().push(counted.queries());
        }
        false
    };
    mock.on(Matcher::when(count), Behaviour::ok());

    // Settled requests go nowhere: writing them would be counted too.
    let (ledger, drain) = Ledger::new(1000, || Timestamp::from_millis(0));
    let adopted_all = drain.orphans_stored();
    let control = Handle::current();
    let drained = control.spawn(drain.run(|_batch| async { Ok::<(), std::io::Error>(()) }, std::future::pending()));
    let app = App::new(Parts {
        store: store.clone(),
        passwords: Passwords::new(1, Handle::current()),
        sessions: Sessions::new(&secret()).unwrap(),
        keyring: Arc::new(Keyring::new(&secret(), None).unwrap()),
        ledger,
        metrics: Arc::new(Metrics::new(PriceTable::builtin().unwrap(), "test")),
        limiter: Limiter::memory(),
        budget_accounts: Arc::new(BudgetAccounts::new(store.clone(), Budgets::memory(), adopted_all)),
        prices: PriceTable::builtin().unwrap(),
        control: Handle::current(),
        config: config(&mock),
        log_retention_days: 0,
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let anonymous = Client::new(format!("http://{}", listener.local_addr().unwrap()));
    let stop = CancellationToken::new();
    let served = control.spawn(tt_http::serve(app, listener, stop.clone()));

    let credentials = json!({"email": "ann@example.org", "password": "correct horse"});
    post(&anonymous, "/auth/signup", &credentials).await;
    let login = post(&anonymous, "/auth/login", &credentials).await;
    let session = anonymous.clone().bearer(login["token"].as_str().unwrap());
    let provider = json!({"provider": "openai", "api_key": MockUpstream::key(Provider::OpenAi)});
    let key = post(&session, "/manage/providers", &provider).await;
    let alias = json!({
        "alias": "fast", "target_model": "gpt-4o", "provider_key_id": key["id"],
        "use_light_model": true, "light_model": "gpt-4o-mini",
    });
    post(&session, "/manage/aliases", &alias).await;
    // A budget too: what was spent is read once.
    let wish = json!({"budget_usd": 1000, "budget_period": "total"});
    let api_key = post(&session, "/auth/key", &wish).await;
    let api = anonymous.clone().bearer(api_key["token"].as_str().unwrap());

    let question = json!({"model": "fast", "messages": [{"role": "user", "content": "hello"}]});
    let mut before = Vec::new();
    for _ in 0..=REQUESTS {
        before.push(store.queries());
        post(&api, "/v1/chat/completions", &question).await;
    }
    let at_upstream = at_upstream.lock().unwrap().clone();
    assert_eq!(at_upstream.len(), before.len());
    let needed: Vec<u64> = at_upstream.iter().zip(&before).map(|(at, before)| at - before).collect();
    let (first, later) = needed.split_first().unwrap();
    assert!(*first > 0, "the first request is looked up; what counts the calls does not count");
    // Every later request takes the same way: what upkeep asked meanwhile falls on a few of them.
    let without = later.iter().filter(|needed| **needed == 0).count();
    assert!(without > REQUESTS / 2, "calls to the store before the upstream: {needed:?}");

    stop.cancel();
    served.await.unwrap().unwrap();
    assert_eq!(drained.await.unwrap().lost, 0);
}
