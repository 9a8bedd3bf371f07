//! The directory over a store that others write to.

use tokio::runtime::Handle;
use tt_core::caller::{RequestLimits, Scope};
use tt_core::{BaseUrl, Email, Timestamp};
use tt_store::{Author, NewApiKey, StoreConfig};
use tt_testkit::database::TestDb;

use super::*;

const BY: Author = Author::operator(Timestamp::from_millis(1_000));

/// A directory over an empty store.
async fn directory(db: &TestDb) -> Directory {
    let store = Store::open(StoreConfig::new(db.url().into(), Handle::current())).unwrap();
    store.migrate().await.unwrap();
    let keyring = Keyring::new(&"a secret of thirty-two characters".into(), None).unwrap();
    Directory::new(store, Arc::new(keyring), upstream(), Duration::from_secs(60))
}

/// Addresses that nothing is sent to.
fn upstream() -> UpstreamConfig {
    let address = BaseUrl::parse("https://api.example.org").unwrap();
    UpstreamConfig {
        openai_base_url: address.clone(),
        anthropic_base_url: address.clone(),
        gemini_base_url: address,
        allow_private: false,
        authorities: Arc::new(rustls::RootCertStore::empty()),
        connect_timeout: Duration::from_secs(1),
        first_byte_timeout: Duration::from_secs(1),
        total_timeout: Duration::from_secs(1),
        idle_timeout: Duration::from_secs(1),
        max_retries: 0,
        propagate: None,
    }
}

async fn user(directory: &Directory, name: &str) -> UserId {
    let email = Email::parse(&format!("{name}@example.org")).unwrap();
    directory.store.create_user(email, "$argon2id$x".into(), BY).await.unwrap()
}

/// Makes an API key, as another process does.
async fn make_key(directory: &Directory, user: UserId, hash: KeyHash) {
    let new = NewApiKey {
        key_hash: hash,
        name: None,
        prefix: "tt-x".to_owned(),
        scopes: vec![Scope::Proxy],
        allowed_aliases: None,
        limits: RequestLimits::default(),
        budget: None,
        expires_at: None,
    };
    directory.store.create_api_key(user, new, BY).await.unwrap();
}

async fn find(directory: &Directory, hash: KeyHash) -> Option<KnownCaller> {
    directory.caller(CredentialKind::ApiKey, hash, IpAddr::from([192, 0, 2, 1])).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_that_nobody_has_is_asked_for_once_until_something_changes() {
    let db = TestDb::sqlite();
    let directory = directory(&db).await;
    let (ann, hash) = (user(&directory, "ann").await, KeyHash([7; 32]));
    assert!(find(&directory, hash).await.is_none());
    // Only the store knows of the key now, and the store is not asked.
    make_key(&directory, ann, hash).await;
    assert!(find(&directory, hash).await.is_none());
    assert!(find(&directory, KeyHash([8; 32])).await.is_none());
    directory.forget(ann);
    assert_eq!(find(&directory, hash).await.unwrap().user_id, ann);
}

#[test]
fn an_unknown_credential_is_remembered_for_a_short_time() {
    let unknown = Unknown { changes: 7, at_ms: 1_000 };
    assert!(unknown.holds(7, 1_000) && unknown.holds(7, 1_000 + UNKNOWN_MS));
    assert!(!unknown.holds(7, 1_001 + UNKNOWN_MS) && !unknown.holds(8, 1_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn made_up_credentials_take_no_more_than_their_places() {
    let db = TestDb::sqlite();
    let directory = directory(&db).await;
    for n in 0..10 * MOST_UNKNOWN as u64 {
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&n.to_le_bytes());
        directory.unknown.insert((CredentialKind::ApiKey, KeyHash(hash)), Unknown { changes: 0, at_ms: 0 });
    }
    assert!(directory.unknown.len() <= MOST_UNKNOWN, "{}", directory.unknown.len());
    assert_eq!(directory.callers.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_makes_up_credentials_waits_and_known_ones_from_there_do_not() {
    let db = TestDb::sqlite();
    let directory = directory(&db).await;
    let (ann, hash) = (user(&directory, "ann").await, KeyHash([7; 32]));
    make_key(&directory, ann, hash).await;
    find(&directory, hash).await.unwrap();
    let (guesser, now) = (IpAddr::from([192, 0, 2, 1]), Instant::now());
    (0..260).for_each(|_| directory.senders.note(guesser, now));
    assert!(find(&directory, KeyHash([8; 32])).await.is_none());
    let waited = now.elapsed();
    assert!(waited >= Duration::from_secs(1), "the store was asked after {waited:?}");
    (0..100_000).for_each(|_| directory.senders.note(guesser, Instant::now()));
    find(&directory, hash).await.unwrap();
    // Something of the user has changed, so the store is asked for the credential, which it knew before.
    directory.forget(ann);
    find(&directory, hash).await.unwrap();
    let elsewhere = IpAddr::from([192, 0, 2, 2]);
    assert!(directory.caller(CredentialKind::ApiKey, KeyHash([9; 32]), elsewhere).await.unwrap().is_none());
    assert!(now.elapsed() < Duration::from_secs(60), "those who need not waited");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_writes_without_pause_keeps_nobody_else_out() {
    let db = TestDb::sqlite();
    let directory = Arc::new(directory(&db).await);
    let (ann, bob, hash) = (user(&directory, "ann").await, user(&directory, "bob").await, KeyHash([7; 32]));
    make_key(&directory, ann, hash).await;
    find(&directory, hash).await.unwrap();
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (writer, writing) = (Arc::clone(&directory), Arc::clone(&stop));
    let writes = std::thread::spawn(move || {
        while !writing.load(Ordering::Relaxed) {
            writer.forget(bob);
        }
    });
    // Until the other user writes during a query.
    let known = loop {
        directory.forget(ann);
        let before = directory.slots.changes();
        assert!(find(&directory, hash).await.is_some());
        if directory.slots.changes() > before {
            break directory.callers.get(&(CredentialKind::ApiKey, hash));
        }
    };
    stop.store(true, Ordering::Relaxed);
    writes.join().unwrap();
    assert!(known.is_some_and(|known| known.is_current()), "the answer was not remembered");
}
