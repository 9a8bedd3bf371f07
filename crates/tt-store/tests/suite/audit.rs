//! The audit trail: an entry for every change, written with it.

use tt_core::{ApiKeyId, Budget, Email, KeyHash, NanoUsd, Period, Provider, Role, Timestamp, UserId};
use tt_store::{
    Action, Actor, AliasPatch, AuditEntry, AuditQuery, Author, Failures, ProviderKeyPatch, Rotation, UserPatch,
};

use crate::fixture::{Fixture, alias_name, at, by, new_alias, new_api_key, new_provider_key};

on_both!(
    every_change_leaves_an_entry,
    a_change_that_fails_leaves_none,
    entries_are_read_newest_first_and_by_user,
    failures_are_entries_of_the_account,
    entries_of_a_deleted_user_stay,
    the_newest_entries_of_each_user_and_action_stay,
);

const ALL: AuditQuery = AuditQuery { user: None, before: None, from: None, to: None, limit: 500 };

/// Ann's changes, from an address.
fn ann(user: UserId, millis: i64) -> Author {
    Author { actor: Actor::User(user, None), address: Some([192, 0, 2, 7].into()), at: at(millis) }
}

async fn entries(f: &Fixture) -> Vec<AuditEntry> {
    f.audit(ALL).await.unwrap()
}

async fn every_change_leaves_an_entry(f: &Fixture) {
    let newcomer = Author { actor: Actor::Newcomer, address: Some([192, 0, 2, 7].into()), at: at(0) };
    let user = f.create_user(Email::parse("ann@example.org").unwrap(), "h".into(), newcomer).await.unwrap();
    let author = |millis| ann(user, millis);
    let session = f.create_session(user, KeyHash([1; 32]), at(99), author(1)).await.unwrap().id;
    let key = f.create_api_key(user, new_api_key(2), author(2)).await.unwrap();
    let rotation = Rotation { key_hash: KeyHash([3; 32]), prefix: "tt-3".to_owned(), grace_ms: 1000 };
    let second = f.rotate_api_key(user, key, rotation, author(3)).await.unwrap().id;
    f.revoke_api_key(user, key, author(4)).await.unwrap();
    // One that is revoked already is not revoked again.
    f.revoke_api_key(user, key, author(4)).await.unwrap();
    let new = new_provider_key(Provider::OpenAi, "s");
    let provider_key = f.create_provider_key(user, new, author(5)).await.unwrap().key.id;
    let patch = ProviderKeyPatch { label: Some(None), ..ProviderKeyPatch::default() };
    f.update_provider_key(user, provider_key, patch, author(6)).await.unwrap();
    f.upsert_alias(user, new_alias("fast", provider_key), author(7)).await.unwrap();
    let patch = AliasPatch { use_light_model: Some(true), ..AliasPatch::default() };
    f.patch_alias(user, alias_name("fast"), patch, author(8)).await.unwrap();
    f.delete_alias(user, alias_name("fast"), author(9)).await.unwrap();
    f.delete_provider_key(user, provider_key, author(10)).await.unwrap();
    let budget = Budget::new(NanoUsd(5_000_000_000), Period::Month).unwrap();
    f.set_own_budget(user, Some(budget), author(11)).await.unwrap();
    let patch = UserPatch { role: Some(Role::Admin), rate_limit_daily: Some(9), ..UserPatch::default() };
    f.update_user(user, patch, by(at(12))).await.unwrap();
    f.update_user(user, UserPatch::default(), by(at(12))).await.unwrap();
    f.set_password(user, "h2".into(), Some(session), author(13)).await.unwrap();
    f.revoke_session(user, session, author(14)).await.unwrap();
    f.delete_user(user, by(at(15))).await.unwrap();

    let mut all = entries(f).await;
    all.reverse();
    let shown: Vec<(&str, &str, &str)> =
        all.iter().map(|entry| (entry.action.as_str(), entry.object.as_str(), entry.detail.as_str())).collect();
    let (of_user, of_key, of_provider_key) =
        (format!("user {user}"), format!("api_key {key}"), format!("provider_key {provider_key}"));
    let of_session = format!("session {session}");
    let (replaced, alias) = (
        format!("replaced by api_key {second}; works until "),
        format!("openai/gpt-4o with provider_key {provider_key}"),
    );
    assert_eq!(shown.len(), 16);
    assert!(shown[3].2.starts_with(&replaced), "{}", shown[3].2);
    let expected = [
        ("user.signed_up", of_user.as_str(), ""),
        ("login", &of_session, ""),
        ("api_key.created", &of_key, "scopes proxy; never expires"),
        ("api_key.rotated", &of_key, shown[3].2),
        ("api_key.revoked", &of_key, ""),
        ("provider_key.created", &of_provider_key, "openai"),
        ("provider_key.updated", &of_provider_key, "changed: label"),
        ("alias.saved", "alias fast", &alias),
        ("alias.updated", "alias fast", &alias),
        ("alias.deleted", "alias fast", ""),
        ("provider_key.deleted", &of_provider_key, ""),
        ("budget.set", &of_user, "budget 5 USD, period month"),
        ("user.updated", &of_user, "ann@example.org: role admin, rate_limit_daily 9"),
        ("password.changed", &of_user, ""),
        ("session.ended", &of_session, ""),
        ("user.deleted", &of_user, "ann@example.org"),
    ];
    assert_eq!(shown, expected);
    for (number, entry) in all.iter().enumerate() {
        let operators = [12, 15].contains(&number);
        assert_eq!(entry.actor.as_deref(), Some(if operators { "cli" } else { "ann@example.org" }), "{entry:?}");
        assert_eq!(entry.address.as_deref(), (!operators).then_some("192.0.2.7"), "{entry:?}");
    }
}

async fn a_change_that_fails_leaves_none(f: &Fixture) {
    let user = f.sign_up("ann").await;
    let before = entries(f).await.len();
    f.revoke_api_key(user, ApiKeyId(9), ann(user, 1)).await.unwrap_err();
    f.delete_alias(user, alias_name("none"), ann(user, 1)).await.unwrap_err();
    f.create_user(Email::parse("ann@example.org").unwrap(), "h".into(), by(at(1))).await.unwrap_err();
    f.delete_user(UserId(999), by(at(1))).await.unwrap_err();
    assert_eq!(entries(f).await.len(), before);
}

async fn entries_are_read_newest_first_and_by_user(f: &Fixture) {
    let (a, b) = (f.sign_up("a").await, f.sign_up("b").await);
    for millis in [5, 5, 7, 9] {
        f.set_own_budget(a, None, ann(a, millis)).await.unwrap();
    }
    let with_key = Author { actor: Actor::User(b, Some(ApiKeyId(3))), ..ann(b, 8) };
    f.set_own_budget(b, None, with_key).await.unwrap();
    let read = async |query: AuditQuery| -> Vec<Timestamp> {
        f.audit(query).await.unwrap().into_iter().map(|entry| entry.at).collect()
    };
    let of_a = AuditQuery { user: Some(a), ..ALL };
    assert_eq!(read(of_a).await, [at(9), at(7), at(5), at(5)]);
    assert_eq!(read(AuditQuery { from: Some(at(5)), to: Some(at(9)), ..of_a }).await, [at(7), at(5), at(5)]);
    assert_eq!(read(AuditQuery { from: Some(at(6)), to: Some(at(9)), ..ALL }).await, [at(8), at(7)]);
    // By pages, none is left out and none is shown twice, also where two are of one moment.
    let (mut before, mut ids) = (None, Vec::new());
    loop {
        let page = f.audit(AuditQuery { before, limit: 1, ..of_a }).await.unwrap();
        let Some(entry) = page.first() else { break };
        before = Some((entry.at, entry.id));
        ids.push(entry.id);
    }
    assert_eq!(ids.len(), 4);
    ids.dedup();
    assert_eq!(ids.len(), 4);
    let of_b = f.audit(AuditQuery { user: Some(b), ..ALL }).await.unwrap();
    assert_eq!(of_b[0].detail, "no budget; by api_key 3");
}

async fn failures_are_entries_of_the_account(f: &Fixture) {
    let user = f.sign_up("ann").await;
    let failures = |user, address: Option<u8>, count| Failures {
        user,
        address: address.map(|last| [192, 0, 2, last].into()),
        action: Action::LoginFailed,
        count,
    };
    let all = vec![failures(Some(user), Some(1), 3), failures(None, Some(2), 1), failures(None, None, 196)];
    f.note_failures(all, at(5)).await.unwrap();
    let own = f.audit(AuditQuery { user: Some(user), ..ALL }).await.unwrap();
    assert_eq!(own.len(), 1);
    assert_eq!((own[0].action.as_str(), own[0].detail.as_str()), ("login.failed", "3 tries"));
    assert_eq!((own[0].actor.as_deref(), own[0].address.as_deref()), (Some("ann@example.org"), Some("192.0.2.1")));
    let all = entries(f).await;
    assert_eq!((all[1].actor.as_deref(), all[1].address.as_deref()), (None, Some("192.0.2.2")));
    assert_eq!((all[1].object.as_str(), all[1].detail.as_str()), ("an unknown account", "1 try"));
    assert_eq!((all[0].detail.as_str(), all[0].address.as_deref()), ("196 tries, from many addresses", None));
}

async fn entries_of_a_deleted_user_stay(f: &Fixture) {
    let user = f.sign_up("ann").await;
    f.set_own_budget(user, None, ann(user, 1)).await.unwrap();
    f.delete_user(user, by(at(2))).await.unwrap();
    let actions: Vec<String> = entries(f).await.into_iter().map(|entry| entry.action).collect();
    assert_eq!(actions, ["user.deleted", "budget.set", "user.created"]);
}

async fn the_newest_entries_of_each_user_and_action_stay(f: &Fixture) {
    let (a, b) = (f.sign_up("a").await, f.sign_up("b").await);
    let session = f.create_session(a, KeyHash([1; 32]), at(99), ann(a, 0)).await.unwrap();
    for millis in [5, 5, 5, 7, 9] {
        f.set_own_budget(a, None, ann(a, millis)).await.unwrap();
    }
    f.set_own_budget(b, None, ann(b, 1)).await.unwrap();
    let failed = |address| Failures {
        user: None,
        address: Some([192, 0, 2, address].into()),
        action: Action::LoginFailed,
        count: 1,
    };
    f.note_failures((1..=5).map(failed).collect(), at(3)).await.unwrap();
    assert_eq!(f.prune_audit(3).await.unwrap(), 2 + 2);
    assert_eq!(f.prune_audit(3).await.unwrap(), 0);
    let own = f.audit(AuditQuery { user: Some(a), ..ALL }).await.unwrap();
    let kept: Vec<_> = own.iter().map(|entry| (entry.action.as_str(), entry.at)).collect();
    let budget = "budget.set";
    assert_eq!(kept[..3], [(budget, at(9)), (budget, at(7)), (budget, at(5))]);
    assert!(own.iter().any(|entry| entry.object == format!("session {}", session.id)), "the login was pushed out");
    assert_eq!(f.audit(AuditQuery { user: Some(b), ..ALL }).await.unwrap()[0].action, budget);
    let strangers = entries(f).await.into_iter().filter(|entry| entry.action == "login.failed");
    let addresses: Vec<_> = strangers.map(|entry| entry.address.unwrap()).collect();
    assert_eq!(addresses, ["192.0.2.5", "192.0.2.4", "192.0.2.3"]);
}
