//! The store as other runtimes use it: every runtime may call it, dropping a call is safe, and errors are clear when it
//! is away.

use std::task::{Context, Waker};
use std::time::Duration;

use tt_core::caller::Proof;
use tt_core::{Email, KeyHash, UserId};
use tt_store::{Store, StoreConfig, StoreError};
use tt_testkit::database::TestDb;

use crate::fixture::{Fixture, Request, at, by, new_api_key, request_id};

on_both!(
    a_dropped_call_is_finished,
    the_store_answers_pings_until_it_is_closed,
    calls_are_counted,
    a_current_thread_runtime_can_call_it,
    the_store_can_be_shared_between_tasks,
);

async fn a_dropped_call_is_finished(f: &Fixture) {
    for n in 0..20_u8 {
        let mut call = Box::pin(f.record(vec![Request::new(UserId(1), 0, n).settlement()], Vec::new()));
        // Begun, and dropped at once.
        let _ = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        drop(call);
    }
    // Nothing is stuck: a write waits for the writer, and reads see it.
    f.sign_up("ann").await;
    f.record(vec![Request::new(UserId(1), 0, 99).settlement()], Vec::new()).await.unwrap();
    for n in 0..20 {
        while f.log_detail(UserId(1), request_id(0, n)).await.unwrap().is_none() {
            tokio::task::yield_now().await;
        }
    }
}

async fn the_store_answers_pings_until_it_is_closed(f: &Fixture) {
    f.ping().await.unwrap();
    f.close();
    assert!(matches!(f.ping().await, Err(StoreError::Unavailable(_))));
    assert!(matches!(f.login(Email::parse("a@b").unwrap()).await, Err(StoreError::Unavailable(_))));
}

async fn calls_are_counted(f: &Fixture) {
    let before = f.queries();
    f.ping().await.unwrap();
    Store::clone(f).users(None, 1).await.unwrap();
    assert_eq!(f.queries() - before, 2);
}

async fn a_current_thread_runtime_can_call_it(f: &Fixture) {
    let (store, ann) = (Store::clone(f), f.sign_up("ann").await);
    let worker = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let id = store.create_api_key(ann, new_api_key(1), by(at(0))).await.unwrap();
            let caller = store.caller_by_key(KeyHash([1; 32])).await.unwrap().unwrap();
            assert!(matches!(caller.proof, Proof::ApiKey { id: proven, .. } if proven == id));
            // Dropping a call here must neither panic nor block.
            let mut call = Box::pin(store.users(None, 10));
            let _ = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        });
    });
    tokio::task::spawn_blocking(|| worker.join()).await.unwrap().unwrap();
}

async fn the_store_can_be_shared_between_tasks(f: &Fixture) {
    let ann = f.sign_up("ann").await;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..32_u8 {
        let store = Store::clone(f);
        tasks.spawn(async move {
            store.create_api_key(ann, new_api_key(n), by(at(0))).await.unwrap();
            store.caller_by_key(KeyHash([n; 32])).await.unwrap().unwrap();
        });
    }
    tasks.join_all().await;
    assert_eq!(f.api_keys(ann).await.unwrap().len(), 32);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_is_unavailable() {
    // A port that was free a moment ago, and is not listened on.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("postgres://tt:hidden@127.0.0.1:{port}/tt");
    let config = StoreConfig::new(url.into(), tokio::runtime::Handle::current());
    let store = Store::open(StoreConfig { wait: Duration::from_secs(2), ..config }).unwrap();
    for error in [store.ping().await.unwrap_err(), store.migrate().await.unwrap_err()] {
        assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
        assert!(!format!("{error:?}").contains("hidden"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_runtime_is_unavailable() {
    let db = TestDb::sqlite();
    let control = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let store = Store::open(StoreConfig::new(db.url().into(), control.handle().clone())).unwrap();
    store.migrate().await.unwrap();
    control.shutdown_background();
    assert!(matches!(store.ping().await, Err(StoreError::Unavailable(_))));
}
