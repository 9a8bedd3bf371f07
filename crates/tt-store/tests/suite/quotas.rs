//! The number of sessions, keys and aliases that a user may have, and the replacement of API keys.

use tt_core::{AliasName, ApiKeyId, KeyHash, Provider, SessionId, UserId};
use tt_store::{Conflict, Object, Quota, Rotation, StoreError};

use crate::fixture::{DAY, Fixture, HOUR, alias_name, at, by, new_alias, new_api_key, new_provider_key};

on_both!(
    a_further_session_ends_the_oldest,
    sessions_are_listed_while_they_live,
    a_users_api_keys_are_limited_and_an_ended_one_makes_room,
    a_users_provider_keys_and_aliases_are_limited,
    the_last_place_is_taken_once,
    a_replaced_key_works_until_its_grace_is_over,
    a_key_that_has_ended_is_not_replaced,
);

fn hash(number: u32) -> KeyHash {
    let mut hash = [0; 32];
    hash[..4].copy_from_slice(&number.to_be_bytes());
    KeyHash(hash)
}

fn is_full<T>(result: &Result<T, StoreError>, of: Quota) -> bool {
    matches!(result, Err(StoreError::Conflict(Conflict::QuotaExceeded(quota))) if *quota == of)
}

async fn a_further_session_ends_the_oldest(f: &Fixture) {
    let (ann, bob) = (f.sign_up("ann").await, f.sign_up("bob").await);
    f.create_session(bob, hash(1000), at(DAY), by(at(0))).await.unwrap();
    // One has expired, and so takes no place.
    f.create_session(ann, hash(1001), at(1), by(at(0))).await.unwrap();
    for number in 0..50 {
        let begun = f.create_session(ann, hash(number), at(DAY), by(at(i64::from(number) + 1))).await.unwrap();
        assert!(!begun.ended_oldest, "{number}");
    }
    let before = f.latest_change().await.unwrap();
    let begun = f.create_session(ann, hash(50), at(DAY), by(at(60))).await.unwrap();
    assert!(begun.ended_oldest);
    let lives = async |number| f.caller_by_session(hash(number)).await.unwrap().is_some();
    assert_eq!((lives(0).await, lives(1).await, lives(50).await, lives(1000).await), (false, true, true, true));
    assert_eq!(f.sessions(ann, at(60)).await.unwrap().len(), 50);
    let noted = f.changes_since(before, 9).await.unwrap();
    assert_eq!(noted.iter().map(|change| change.user_id).collect::<Vec<_>>(), [ann], "other processes are told");
}

async fn sessions_are_listed_while_they_live(f: &Fixture) {
    let (ann, bob) = (f.sign_up("ann").await, f.sign_up("bob").await);
    let first = f.create_session(ann, hash(1), at(100), by(at(0))).await.unwrap().id;
    let second = f.create_session(ann, hash(2), at(105), by(at(5))).await.unwrap().id;
    let ids = async |user: UserId, now| -> Vec<SessionId> {
        f.sessions(user, at(now)).await.unwrap().into_iter().map(|session| session.id).collect()
    };
    assert_eq!((ids(ann, 10).await, ids(bob, 10).await), (vec![first, second], vec![]));
    f.touch_sessions(vec![(second, at(9)), (SessionId(999), at(9))]).await.unwrap();
    f.touch_sessions(vec![(second, at(7))]).await.unwrap();
    let listed = f.sessions(ann, at(10)).await.unwrap();
    assert_eq!((listed[0].last_used_at, listed[1].last_used_at), (None, Some(at(9))));
    assert_eq!((listed[1].created_at, listed[1].expires_at), (at(5), at(105)));
    assert_eq!(ids(ann, 100).await, [second], "the first has expired");
    f.revoke_session(ann, second, by(at(101))).await.unwrap();
    assert_eq!(ids(ann, 101).await, []);
}

async fn a_users_api_keys_are_limited_and_an_ended_one_makes_room(f: &Fixture) {
    let (ann, bob) = (f.sign_up("ann").await, f.sign_up("bob").await);
    let most = Quota::ApiKeys.most();
    let key = |number| tt_store::NewApiKey { key_hash: hash(number), ..new_api_key(0) };
    let mut first = None;
    for number in 0..most {
        // The first expires early.
        let expires_at = (number == 0).then(|| at(HOUR));
        let made = f.create_api_key(ann, tt_store::NewApiKey { expires_at, ..key(number) }, by(at(0))).await.unwrap();
        first = first.or((number == 1).then_some(made));
    }
    assert!(is_full(&f.create_api_key(ann, key(most), by(at(0))).await, Quota::ApiKeys));
    f.create_api_key(bob, key(most), by(at(0))).await.unwrap();
    let second = first.unwrap();
    let rotation = |number, grace_ms| Rotation { key_hash: hash(number), prefix: "tt-new".to_owned(), grace_ms };
    // To replace a key at once takes no further place; to keep both does.
    let both = f.rotate_api_key(ann, second, rotation(most + 1, HOUR), by(at(1))).await;
    assert!(is_full(&both, Quota::ApiKeys), "{both:?}");
    assert!(f.caller_by_key(hash(1)).await.unwrap().unwrap().expires_at.is_none(), "nothing has changed");
    let replaced = f.rotate_api_key(ann, second, rotation(most + 1, 0), by(at(1))).await.unwrap();
    f.revoke_api_key(ann, replaced.id, by(at(2))).await.unwrap();
    f.create_api_key(ann, key(most + 2), by(at(3))).await.unwrap();
    assert!(is_full(&f.create_api_key(ann, key(most + 3), by(at(3))).await, Quota::ApiKeys));
    f.create_api_key(ann, key(most + 3), by(at(HOUR))).await.expect("the first has expired");
}

async fn a_users_provider_keys_and_aliases_are_limited(f: &Fixture) {
    let (ann, bob) = (f.sign_up("ann").await, f.sign_up("bob").await);
    let mut key = None;
    for number in 0..Quota::ProviderKeys.most() {
        key = Some(f.provider_key(ann, Provider::OpenAi, &number.to_string()).await);
    }
    let more = f.create_provider_key(ann, new_provider_key(Provider::OpenAi, "more"), by(at(0))).await;
    assert!(is_full(&more, Quota::ProviderKeys));
    let theirs = f.provider_key(bob, Provider::OpenAi, "bob").await;
    let key = key.unwrap();
    for number in 0..Quota::Aliases.most() {
        f.upsert_alias(ann, new_alias(&format!("a{number}"), key), by(at(0))).await.unwrap();
    }
    assert!(is_full(&f.upsert_alias(ann, new_alias("more", key), by(at(0))).await, Quota::Aliases));
    // One that is there may be replaced and renamed.
    f.upsert_alias(ann, new_alias("a7", key), by(at(1))).await.unwrap();
    let renamed = tt_store::AliasPatch { name: Some(alias_name("more")), ..Default::default() };
    f.patch_alias(ann, alias_name("a7"), renamed, by(at(1))).await.unwrap();
    f.upsert_alias(bob, new_alias("more", theirs), by(at(0))).await.unwrap();
    f.delete_alias(ann, alias_name("more"), by(at(2))).await.unwrap();
    f.upsert_alias(ann, new_alias("a7", key), by(at(3))).await.unwrap();
    assert_eq!(f.aliases(ann).await.unwrap().len(), 1000);
}

/// However many ask for the last place at once, one gets it.
async fn the_last_place_is_taken_once(f: &Fixture) {
    let ann = f.sign_up("ann").await;
    for number in 1..Quota::ProviderKeys.most() {
        f.provider_key(ann, Provider::OpenAi, &number.to_string()).await;
    }
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..8 {
        let store = f.another();
        let new = new_provider_key(Provider::OpenAi, &format!("last{number}"));
        tasks.spawn(async move { store.create_provider_key(ann, new, by(at(0))).await.is_ok() });
    }
    let taken = tasks.join_all().await.into_iter().filter(|taken| *taken).count();
    assert_eq!((taken, f.provider_keys(ann).await.unwrap().len()), (1, 200));
}

async fn a_replaced_key_works_until_its_grace_is_over(f: &Fixture) {
    let (ann, bob) = (f.sign_up("ann").await, f.sign_up("bob").await);
    let wish = tt_store::NewApiKey {
        allowed_aliases: Some(vec![AliasName::try_from("fast".to_owned()).unwrap()]),
        expires_at: Some(at(30 * DAY)),
        ..new_api_key(1)
    };
    let old = f.create_api_key(ann, wish, by(at(0))).await.unwrap();
    let rotation = |number, grace_ms| Rotation { key_hash: hash(number), prefix: "tt-new".to_owned(), grace_ms };
    let foreign = f.rotate_api_key(bob, old, rotation(9, HOUR), by(at(DAY))).await;
    assert!(matches!(foreign, Err(StoreError::NotFound(Object::ApiKey))));
    let before = f.latest_change().await.unwrap();
    let new = f.rotate_api_key(ann, old, rotation(2, 24 * HOUR), by(at(DAY))).await.unwrap();
    assert!(f.latest_change().await.unwrap() > before, "other processes are told");
    let was = f.api_key(ann, old).await.unwrap().unwrap();
    assert_eq!((new.prefix.as_str(), new.expires_at), ("tt-new", Some(at(31 * DAY))), "as long as the old one was for");
    assert_eq!((&new.name, &new.scopes, &new.allowed_aliases), (&was.name, &was.scopes, &was.allowed_aliases));
    assert_eq!((was.expires_at, was.revoked_at), (Some(at(2 * DAY)), None));
    assert_eq!(f.caller_by_key(KeyHash([1; 32])).await.unwrap().unwrap().expires_at, Some(at(2 * DAY)));
    // Replaced once more, it ends no later, and the third is valid for as long as the first was made for.
    let third = f.rotate_api_key(ann, old, rotation(3, 100 * HOUR), by(at(DAY))).await.unwrap();
    assert_eq!(third.expires_at, Some(at(31 * DAY)));
    assert_eq!(f.api_key(ann, old).await.unwrap().unwrap().expires_at, Some(at(2 * DAY)));
    f.revoke_api_key(ann, old, by(at(DAY + 1))).await.unwrap();
    assert!(f.caller_by_key(KeyHash([1; 32])).await.unwrap().is_none(), "it can still be revoked at once");
}

async fn a_key_that_has_ended_is_not_replaced(f: &Fixture) {
    let ann = f.sign_up("ann").await;
    let rotation = |number| Rotation { key_hash: hash(number), prefix: "tt-new".to_owned(), grace_ms: 0 };
    let revoked = f.create_api_key(ann, new_api_key(1), by(at(0))).await.unwrap();
    f.revoke_api_key(ann, revoked, by(at(1))).await.unwrap();
    let expired = tt_store::NewApiKey { expires_at: Some(at(5)), ..new_api_key(2) };
    let expired = f.create_api_key(ann, expired, by(at(0))).await.unwrap();
    for (number, id) in [(11, revoked), (12, expired), (13, ApiKeyId(999))] {
        let refused = f.rotate_api_key(ann, id, rotation(number), by(at(5))).await;
        assert!(matches!(refused, Err(StoreError::NotFound(Object::ApiKey))), "{id}: {refused:?}");
    }
    assert_eq!(f.api_keys(ann).await.unwrap().len(), 2);
}
