//! Provider keys, their secrets and their models.

use tt_core::{BaseUrl, Label, Provider, ProviderKeyId, SealId, Sealed, UserId};
use tt_store::{Conflict, NewProviderKey, Object, ProviderKeyPatch, StoreError};

use crate::fixture::{Fixture, alias_name, at, by, new_alias, new_provider_key};

on_both!(
    a_key_reads_back_as_it_was_stored,
    keys_are_their_users_alone,
    a_patch_changes_and_empties_fields,
    a_key_in_use_is_not_deleted,
    ids_are_never_given_twice,
    secrets_are_resealed_unless_they_have_changed,
    one_process_refreshes_the_models_of_a_key,
    a_changed_key_forgets_its_models,
);

async fn a_key_reads_back_as_it_was_stored(f: &Fixture) {
    let ann = f.sign_up("ann").await;
    let new = NewProviderKey {
        label: Some(Label::try_from("prod – ü".to_owned()).unwrap()),
        base_url: Some(BaseUrl::parse("https://llm.example.org/v1").unwrap()),
        ..new_provider_key(Provider::Anthropic, "s1")
    };
    let info = f.create_provider_key(ann, new.clone(), by(at(4))).await.unwrap();
    assert_eq!((info.key.provider, &info.key.base_url), (Provider::Anthropic, &new.base_url));
    assert_eq!((&info.label, info.created_at), (&new.label, at(4)));
    assert_eq!(f.provider_keys(ann).await.unwrap(), std::slice::from_ref(&info));
    let sealed = f.sealed_key(ann, info.key.id).await.unwrap().unwrap();
    assert_eq!((sealed.key, sealed.seal_id, sealed.sealed), (info.key, new.seal_id, new.sealed));
}

async fn keys_are_their_users_alone(f: &Fixture) {
    let (ann, bob) = (f.sign_up("ann").await, f.sign_up("bob").await);
    let key = f.provider_key(ann, Provider::OpenAi, "s1").await;
    assert!(f.provider_keys(bob).await.unwrap().is_empty());
    assert!(f.sealed_key(bob, key).await.unwrap().is_none());
    assert!(f.routing(bob).await.unwrap().keys.is_empty());
    let not_found = |result: Result<(), StoreError>| {
        assert!(matches!(result, Err(StoreError::NotFound(Object::ProviderKey))), "{result:?}");
    };
    let patch = ProviderKeyPatch { label: Some(None), ..ProviderKeyPatch::default() };
    not_found(f.update_provider_key(bob, key, patch, by(at(1))).await.map(drop));
    not_found(f.delete_provider_key(bob, key, by(at(1))).await);
    not_found(f.claim_model_refresh(bob, key, at(0), at(1), at(2)).await.map(drop));
    not_found(f.save_models(bob, key, vec!["m".to_owned()], at(1)).await);
    assert_eq!(f.provider_keys(ann).await.unwrap().len(), 1);
    assert!(f.create_provider_key(UserId(99), new_provider_key(Provider::OpenAi, "s2"), by(at(0))).await.is_err());
    assert!(f.create_provider_key(bob, new_provider_key(Provider::OpenAi, "s1"), by(at(0))).await.is_err(), "seal ids");
}

async fn a_patch_changes_and_empties_fields(f: &Fixture) {
    let ann = f.sign_up("ann").await;
    let key = f.provider_key(ann, Provider::OpenAi, "s1").await;
    let label = Some(Label::try_from("x".to_owned()).unwrap());
    let url = Some(BaseUrl::parse("https://h/v1").unwrap());
    let secret = (SealId("s2".to_owned()), Sealed("v1.new".to_owned()));
    let patch =
        ProviderKeyPatch { label: Some(label.clone()), base_url: Some(url.clone()), secret: Some(secret.clone()) };
    let start = f.latest_change().await.unwrap();
    let info = f.update_provider_key(ann, key, patch, by(at(1))).await.unwrap();
    assert_eq!((&info.label, &info.key.base_url), (&label, &url));
    let sealed = f.sealed_key(ann, key).await.unwrap().unwrap();
    assert_eq!((sealed.seal_id, sealed.sealed), secret);
    let info = f
        .update_provider_key(ann, key, ProviderKeyPatch { label: Some(None), ..ProviderKeyPatch::default() }, by(at(2)))
        .await
        .unwrap();
    assert_eq!((info.label, info.key.base_url), (None, url));
    assert_eq!(f.sealed_key(ann, key).await.unwrap().unwrap().seal_id, secret.0);
    assert_eq!(f.changes_since(start, 9).await.unwrap().len(), 2);
}

async fn a_key_in_use_is_not_deleted(f: &Fixture) {
    let ann = f.sign_up("ann").await;
    let key = f.provider_key(ann, Provider::OpenAi, "s1").await;
    f.save_models(ann, key, vec!["m".to_owned()], at(0)).await.unwrap();
    f.upsert_alias(ann, new_alias("a", key), by(at(0))).await.unwrap();
    let refused = f.delete_provider_key(ann, key, by(at(1))).await;
    assert!(matches!(refused, Err(StoreError::Conflict(Conflict::ProviderKeyInUse))), "{refused:?}");
    assert_eq!(f.model_lists(ann).await.unwrap().len(), 1, "a refused delete leaves all as it was");
    f.delete_alias(ann, alias_name("a"), by(at(2))).await.unwrap();
    f.delete_provider_key(ann, key, by(at(3))).await.unwrap();
    assert!(f.provider_keys(ann).await.unwrap().is_empty());
    let gone = f.delete_provider_key(ann, key, by(at(4))).await;
    assert!(matches!(gone, Err(StoreError::NotFound(Object::ProviderKey))));
}

async fn ids_are_never_given_twice(f: &Fixture) {
    let ann = f.sign_up("ann").await;
    let first = f.provider_key(ann, Provider::OpenAi, "s1").await;
    f.delete_provider_key(ann, first, by(at(1))).await.unwrap();
    assert!(f.provider_key(ann, Provider::OpenAi, "s2").await > first);
}

async fn secrets_are_resealed_unless_they_have_changed(f: &Fixture) {
    let (ann, bob) = (f.sign_up("ann").await, f.sign_up("bob").await);
    let first = f.provider_key(ann, Provider::OpenAi, "s1").await;
    let second = f.provider_key(bob, Provider::Gemini, "s2").await;
    let page = f.stored_secrets(ProviderKeyId(0), 1).await.unwrap();
    assert_eq!(page.iter().map(|secret| secret.key.key.id).collect::<Vec<_>>(), [first]);
    let rest = f.stored_secrets(first, 10).await.unwrap();
    assert_eq!(rest.iter().map(|secret| secret.key.key.id).collect::<Vec<_>>(), [second]);
    assert_eq!((rest[0].user_id, rest[0].key.key.provider), (bob, Provider::Gemini));
    assert_eq!(Some(&page[0].key), f.sealed_key(ann, first).await.unwrap().as_ref());

    let start = f.latest_change().await.unwrap();
    assert!(f.reseal(page[0].clone(), Sealed("v1.k2".to_owned())).await.unwrap());
    assert!(!f.reseal(page[0].clone(), Sealed("v1.k3".to_owned())).await.unwrap(), "it is no longer as it was read");
    assert_eq!(f.sealed_key(ann, first).await.unwrap().unwrap().sealed, Sealed("v1.k2".to_owned()));
    assert_eq!(f.latest_change().await.unwrap(), start, "nobody's rights have changed");
}

async fn one_process_refreshes_the_models_of_a_key(f: &Fixture) {
    let (ann, bob) = (f.sign_up("ann").await, f.sign_up("bob").await);
    let key = f.provider_key(ann, Provider::OpenAi, "s1").await;
    let other = f.another();
    assert!(f.model_lists(ann).await.unwrap().is_empty());
    let (a, b) = tokio::join!(
        f.claim_model_refresh(ann, key, at(-100), at(0), at(30)),
        other.claim_model_refresh(ann, key, at(-100), at(0), at(30)),
    );
    assert!(a.unwrap() ^ b.unwrap(), "exactly one");
    assert!(f.model_lists(ann).await.unwrap().is_empty(), "a claim is no list");
    assert!(f.claim_model_refresh(ann, key, at(-100), at(30), at(60)).await.unwrap(), "a claim that ran out");
    f.save_models(ann, key, vec!["gpt-4o".to_owned(), "o3\"".to_owned()], at(31)).await.unwrap();
    assert!(!f.claim_model_refresh(ann, key, at(31), at(40), at(70)).await.unwrap(), "fresh");
    assert!(
        f.claim_model_refresh(ann, key, at(32), at(40), at(70)).await.unwrap(),
        "stale, and the claim was given up"
    );
    let lists = f.model_lists(ann).await.unwrap();
    assert_eq!((lists[0].provider_key_id, lists[0].provider, lists[0].fetched_at), (key, Provider::OpenAi, at(31)));
    assert_eq!(lists[0].models, ["gpt-4o", "o3\""]);
    assert!(f.model_lists(bob).await.unwrap().is_empty());
}

async fn a_changed_key_forgets_its_models(f: &Fixture) {
    let ann = f.sign_up("ann").await;
    let key = f.provider_key(ann, Provider::OpenAi, "s1").await;
    f.save_models(ann, key, vec!["m".to_owned()], at(0)).await.unwrap();
    let label = ProviderKeyPatch { label: Some(None), ..ProviderKeyPatch::default() };
    f.update_provider_key(ann, key, label, by(at(1))).await.unwrap();
    assert_eq!(f.model_lists(ann).await.unwrap().len(), 1);
    let secret = Some((SealId("s2".to_owned()), Sealed("v1.new".to_owned())));
    f.update_provider_key(ann, key, ProviderKeyPatch { secret, ..ProviderKeyPatch::default() }, by(at(2)))
        .await
        .unwrap();
    assert!(f.model_lists(ann).await.unwrap().is_empty());
}
