//! Users, sessions, API keys, and the changes that writes about them leave.

use tt_core::caller::{Proof, RequestLimits};
use tt_core::routing::Routes;
use tt_core::{ApiKeyId, Email, KeyHash, Label, Role, Scope, SessionId, UserId};
use tt_store::{Conflict, NewApiKey, Object, StoreError, UserPatch};

use crate::fixture::{Fixture, alias_name, at, by, new_api_key};

on_both!(
    an_email_is_taken_once,
    a_login_finds_the_hash_by_email,
    users_are_listed_by_id_in_pages,
    a_patch_changes_only_what_it_names,
    a_session_is_its_users_until_it_is_revoked,
    a_new_password_ends_every_other_session,
    a_disabled_user_has_no_session_and_no_key,
    a_key_carries_its_scopes_aliases_and_limits,
    a_revoked_key_is_nobodys,
    keys_belong_to_one_user,
    last_use_only_moves_forward,
    every_change_of_rights_is_noted,
    expired_sessions_and_old_changes_are_pruned,
    an_address_is_known_from_its_last_login_on_and_until_it_is_pruned,
);

async fn an_email_is_taken_once(f: &Fixture) {
    f.sign_up("ann").await;
    let again = f.create_user(Email::parse("ANN@example.org").unwrap(), "h".into(), by(at(0))).await;
    assert!(matches!(again, Err(StoreError::Conflict(Conflict::EmailTaken))), "{again:?}");
}

async fn a_login_finds_the_hash_by_email(f: &Fixture) {
    use secrecy::ExposeSecret;
    let ann = f.sign_up("ann").await;
    let login = f.login(Email::parse("ann@example.org").unwrap()).await.unwrap().unwrap();
    assert_eq!((login.id, login.role, login.disabled), (ann, Role::User, false));
    assert_eq!(login.password_hash.expose_secret(), "$argon2id$x");
    assert!(!format!("{login:?}").contains("argon2id"), "a hash was printed");
    assert!(f.login(Email::parse("bob@example.org").unwrap()).await.unwrap().is_none());
}

async fn users_are_listed_by_id_in_pages(f: &Fixture) {
    let mut ids = Vec::new();
    for name in ["a", "b", "c"] {
        ids.push(f.sign_up(name).await);
    }
    let page = |users: Vec<tt_store::User>| users.into_iter().map(|user| user.id).collect::<Vec<_>>();
    assert_eq!(page(f.users(None, 2).await.unwrap()), ids[..2]);
    assert_eq!(page(f.users(Some(ids[1]), 2).await.unwrap()), ids[2..]);
    let first = f.user(ids[0]).await.unwrap().unwrap();
    assert_eq!(first.email.as_str(), "a@example.org");
    assert_eq!(f.user_by_email(Email::parse(" A@example.org").unwrap()).await.unwrap(), Some(first));
    assert_eq!(f.user_by_email(Email::parse("nobody@example.org").unwrap()).await.unwrap(), None);
}

async fn a_patch_changes_only_what_it_names(f: &Fixture) {
    let (ann, bob) = (f.sign_up("ann").await, f.sign_up("bob").await);
    let patch = UserPatch { role: Some(Role::Admin), rate_limit_daily: Some(9), ..UserPatch::default() };
    let user = f.update_user(ann, patch, by(at(0))).await.unwrap();
    assert_eq!((user.role, user.disabled, user.limits), (Role::Admin, false, RequestLimits { minute: 0, day: 9 }));
    assert_eq!(f.update_user(ann, UserPatch::default(), by(at(0))).await.unwrap(), user);
    assert_eq!(f.user(bob).await.unwrap().unwrap().role, Role::User);
    for patch in [patch, UserPatch::default()] {
        let nobody = f.update_user(UserId(999), patch, by(at(0))).await;
        assert!(matches!(nobody, Err(StoreError::NotFound(Object::User))));
    }
}

async fn a_session_is_its_users_until_it_is_revoked(f: &Fixture) {
    let (ann, bob) = (f.sign_up("ann").await, f.sign_up("bob").await);
    f.update_user(ann, UserPatch { rate_limit_minute: Some(5), ..UserPatch::default() }, by(at(0))).await.unwrap();
    let hash = KeyHash([1; 32]);
    let session = f.create_session(ann, hash, at(100), by(at(0))).await.unwrap().id;
    let caller = f.caller_by_session(hash).await.unwrap().unwrap();
    assert_eq!((caller.user_id, caller.proof, caller.expires_at), (ann, Proof::Session(session), Some(at(100))));
    assert_eq!(caller.limits, RequestLimits { minute: 5, day: 0 });
    assert!(f.caller_by_session(KeyHash([2; 32])).await.unwrap().is_none());

    let foreign = f.revoke_session(bob, session, by(at(1))).await;
    assert!(matches!(foreign, Err(StoreError::NotFound(Object::Session))));
    assert!(f.caller_by_session(hash).await.unwrap().is_some());
    f.revoke_session(ann, session, by(at(1))).await.unwrap();
    f.revoke_session(ann, session, by(at(2))).await.unwrap();
    assert!(f.caller_by_session(hash).await.unwrap().is_none());
    assert!(matches!(
        f.revoke_session(ann, SessionId(99), by(at(1))).await,
        Err(StoreError::NotFound(Object::Session))
    ));
}

async fn a_new_password_ends_every_other_session(f: &Fixture) {
    use secrecy::ExposeSecret;
    let (ann, bob) = (f.sign_up("ann").await, f.sign_up("bob").await);
    let kept = f.create_session(ann, KeyHash([1; 32]), at(100), by(at(0))).await.unwrap().id;
    f.create_session(ann, KeyHash([2; 32]), at(100), by(at(0))).await.unwrap();
    f.create_session(bob, KeyHash([3; 32]), at(100), by(at(0))).await.unwrap();
    f.set_password(ann, "new".into(), Some(kept), by(at(1))).await.unwrap();
    let lives = async |n: u8| f.caller_by_session(KeyHash([n; 32])).await.unwrap().is_some();
    assert_eq!((lives(1).await, lives(2).await, lives(3).await), (true, false, true));
    assert_eq!(f.password_hash(ann).await.unwrap().unwrap().expose_secret(), "new");
    f.set_password(ann, "newer".into(), None, by(at(2))).await.unwrap();
    assert_eq!((lives(1).await, lives(3).await), (false, true));
    let nobody = f.set_password(UserId(99), "x".into(), None, by(at(1))).await;
    assert!(matches!(nobody, Err(StoreError::NotFound(Object::User))));
    assert!(f.password_hash(UserId(99)).await.unwrap().is_none());
}

async fn a_disabled_user_has_no_session_and_no_key(f: &Fixture) {
    let ann = f.sign_up("ann").await;
    f.create_session(ann, KeyHash([1; 32]), at(100), by(at(0))).await.unwrap();
    f.create_api_key(ann, new_api_key(2), by(at(0))).await.unwrap();
    let both = async || {
        let session = f.caller_by_session(KeyHash([1; 32])).await.unwrap();
        (session.is_some(), f.caller_by_key(KeyHash([2; 32])).await.unwrap().is_some())
    };
    let disabled = |disabled| UserPatch { disabled: Some(disabled), ..UserPatch::default() };
    f.update_user(ann, disabled(true), by(at(1))).await.unwrap();
    assert_eq!(both().await, (false, false));
    f.update_user(ann, disabled(false), by(at(2))).await.unwrap();
    assert_eq!(both().await, (true, true));
}

async fn a_key_carries_its_scopes_aliases_and_limits(f: &Fixture) {
    let ann = f.sign_up("ann").await;
    let new = NewApiKey {
        name: Some(Label::try_from("ci".to_owned()).unwrap()),
        scopes: vec![Scope::Proxy, Scope::Manage],
        allowed_aliases: Some(vec![alias_name("a"), alias_name("b.c")]),
        limits: RequestLimits { minute: 1, day: 2 },
        expires_at: Some(at(50)),
        ..new_api_key(1)
    };
    let id = f.create_api_key(ann, new.clone(), by(at(3))).await.unwrap();
    let none = NewApiKey { allowed_aliases: Some(Vec::new()), ..new_api_key(2) };
    f.create_api_key(ann, none, by(at(3))).await.unwrap();

    let caller = f.caller_by_key(KeyHash([1; 32])).await.unwrap().unwrap();
    let Proof::ApiKey { id: proven, scopes, allowed_aliases, limits, budget: None } = caller.proof else {
        panic!("a session")
    };
    assert_eq!((proven, &scopes, &allowed_aliases, limits), (id, &new.scopes, &new.allowed_aliases, new.limits));
    assert_eq!((caller.user_id, caller.expires_at), (ann, Some(at(50))));
    assert!(
        !f.caller_by_key(KeyHash([2; 32])).await.unwrap().unwrap().may_name(&Routes::default(), "a"),
        "an empty list allows nothing"
    );

    let listed = f.api_keys(ann).await.unwrap();
    assert_eq!(listed.len(), 2);
    let first = &listed[0];
    assert_eq!((first.id, &first.name, first.prefix.as_str()), (id, &new.name, "tt-1"));
    assert_eq!((&first.scopes, &first.allowed_aliases, first.limits), (&new.scopes, &new.allowed_aliases, new.limits));
    assert_eq!((first.created_at, first.expires_at, first.revoked_at), (at(3), Some(at(50)), None));
}

async fn a_revoked_key_is_nobodys(f: &Fixture) {
    let (ann, bob) = (f.sign_up("ann").await, f.sign_up("bob").await);
    let id = f.create_api_key(ann, new_api_key(1), by(at(0))).await.unwrap();
    assert!(matches!(f.revoke_api_key(bob, id, by(at(1))).await, Err(StoreError::NotFound(Object::ApiKey))));
    assert!(f.caller_by_key(KeyHash([1; 32])).await.unwrap().is_some());
    f.revoke_api_key(ann, id, by(at(1))).await.unwrap();
    f.revoke_api_key(ann, id, by(at(2))).await.unwrap();
    assert!(f.caller_by_key(KeyHash([1; 32])).await.unwrap().is_none());
    assert_eq!(f.api_keys(ann).await.unwrap()[0].revoked_at, Some(at(1)), "the first time stands");
    assert!(matches!(f.revoke_api_key(ann, ApiKeyId(99), by(at(1))).await, Err(StoreError::NotFound(Object::ApiKey))));
}

async fn keys_belong_to_one_user(f: &Fixture) {
    let (ann, bob) = (f.sign_up("ann").await, f.sign_up("bob").await);
    f.create_api_key(ann, new_api_key(1), by(at(0))).await.unwrap();
    assert!(f.api_keys(bob).await.unwrap().is_empty());
    assert!(f.create_api_key(bob, new_api_key(1), by(at(0))).await.is_err(), "a hash stands once");
    assert!(f.create_api_key(UserId(99), new_api_key(2), by(at(0))).await.is_err(), "of a user that exists");
}

async fn last_use_only_moves_forward(f: &Fixture) {
    let ann = f.sign_up("ann").await;
    let first = f.create_api_key(ann, new_api_key(1), by(at(0))).await.unwrap();
    let second = f.create_api_key(ann, new_api_key(2), by(at(0))).await.unwrap();
    f.touch_last_used(vec![(second, at(7)), (first, at(5)), (ApiKeyId(99), at(5))]).await.unwrap();
    f.touch_last_used(vec![(first, at(4)), (second, at(8))]).await.unwrap();
    f.touch_last_used(Vec::new()).await.unwrap();
    let used: Vec<_> = f.api_keys(ann).await.unwrap().into_iter().map(|key| key.last_used_at).collect();
    assert_eq!(used, [Some(at(5)), Some(at(8))]);
}

async fn every_change_of_rights_is_noted(f: &Fixture) {
    let (ann, bob) = (f.sign_up("ann").await, f.sign_up("bob").await);
    let session = f.create_session(ann, KeyHash([1; 32]), at(100), by(at(0))).await.unwrap().id;
    let key = f.create_api_key(ann, new_api_key(1), by(at(0))).await.unwrap();
    let start = f.latest_change().await.unwrap();
    f.revoke_session(ann, session, by(at(1))).await.unwrap();
    f.revoke_api_key(ann, key, by(at(2))).await.unwrap();
    f.set_password(bob, "x".into(), None, by(at(3))).await.unwrap();
    f.update_user(ann, UserPatch { disabled: Some(true), ..UserPatch::default() }, by(at(4))).await.unwrap();
    // Neither of these changes anything.
    f.revoke_session(ann, session, by(at(5))).await.unwrap();
    f.update_user(UserId(99), UserPatch { disabled: Some(true), ..UserPatch::default() }, by(at(6))).await.unwrap_err();

    let changes = f.another().changes_since(start, 100).await.unwrap();
    let seen: Vec<_> = changes.iter().map(|change| (change.user_id, change.created_at)).collect();
    assert_eq!(seen, [(ann, at(1)), (ann, at(2)), (bob, at(3)), (ann, at(4))]);
    assert!(changes.is_sorted_by_key(|change| change.id) && changes[0].id > start);
    assert_eq!(f.latest_change().await.unwrap(), changes[3].id);
    assert_eq!(f.changes_since(changes[1].id, 1).await.unwrap(), changes[2..3]);
}

async fn expired_sessions_and_old_changes_are_pruned(f: &Fixture) {
    let ann = f.sign_up("ann").await;
    f.create_session(ann, KeyHash([1; 32]), at(10), by(at(0))).await.unwrap();
    let live = f.create_session(ann, KeyHash([2; 32]), at(20), by(at(0))).await.unwrap().id;
    assert_eq!(f.prune_sessions(at(20)).await.unwrap(), 1);
    assert!(f.caller_by_session(KeyHash([2; 32])).await.unwrap().is_some());
    f.revoke_session(ann, live, by(at(5))).await.unwrap();
    assert_eq!(f.prune_changes(at(5)).await.unwrap(), 0);
    assert_eq!(f.prune_changes(at(6)).await.unwrap(), 1);
    assert!(f.changes_since(0, 10).await.unwrap().is_empty());
}

async fn an_address_is_known_from_its_last_login_on_and_until_it_is_pruned(f: &Fixture) {
    let (ann, bob) = (f.sign_up("ann").await, f.sign_up("bob").await);
    let [home, office, other] = [1, 2, 3].map(|n| KeyHash([n; 32]));
    f.note_address(ann, home, at(1)).await.unwrap();
    f.note_address(bob, office, at(2)).await.unwrap();
    assert!(f.knows_address(home, at(1)).await.unwrap());
    assert!(!f.knows_address(home, at(2)).await.unwrap(), "it was too long ago");
    assert!(!f.knows_address(other, at(0)).await.unwrap());
    f.note_address(ann, home, at(5)).await.unwrap();
    assert_eq!(f.prune_addresses(at(5)).await.unwrap(), 1);
    let another = f.another();
    assert!(another.knows_address(home, at(5)).await.unwrap() && !another.knows_address(office, at(0)).await.unwrap());
    let nobody = f.note_address(UserId(99), other, at(6)).await;
    assert!(nobody.is_err(), "an address of nobody was noted");
}
