//! Aliases: the fallbacks and keys that they may name, and the set that routing reads.

use tt_core::routing::TargetModel;
use tt_core::{AliasId, Provider, ProviderKeyId};
use tt_store::{AliasPatch, Conflict, NewAlias, Object, StoreError};

use crate::fixture::{Fixture, alias_name, at, by, model, new_alias};

on_both!(
    an_alias_reads_back_as_it_was_stored,
    an_upsert_replaces_and_keeps_the_id,
    a_patch_changes_and_empties_alias_fields,
    keys_and_fallbacks_must_be_the_users_own,
    a_cycle_of_fallbacks_is_refused,
    two_writers_cannot_close_a_cycle_together,
    an_alias_that_others_fall_back_to_is_not_deleted,
    two_users_may_use_one_name,
    routing_gives_aliases_and_sealed_keys,
    every_write_of_an_alias_is_noted,
);

async fn an_alias_reads_back_as_it_was_stored(f: &Fixture) {
    let ann = f.sign_up("ann").await;
    let key = f.provider_key(ann, Provider::Gemini, "s1").await;
    let fallback = f.upsert_alias(ann, new_alias("b", key), by(at(0))).await.unwrap();
    let new = NewAlias {
        fallback_alias_id: Some(fallback.id),
        use_light_model: true,
        light_model_threshold: 250,
        light_model: Some(model("gemini-flash")),
        ..new_alias("a", key)
    };
    let alias = f.upsert_alias(ann, new, by(at(5))).await.unwrap();
    assert_eq!((alias.name.as_str(), alias.target_model.as_str()), ("a", "gpt-4o"));
    assert_eq!((alias.provider_key_id, alias.provider), (key, Provider::Gemini));
    assert_eq!((alias.fallback_alias_id, alias.use_light_model), (Some(fallback.id), true));
    assert_eq!((alias.light_model_threshold, &alias.light_model), (250, &Some(model("gemini-flash"))));
    assert_eq!(alias.created_at, at(5));
    assert_eq!(f.aliases(ann).await.unwrap(), [fallback, alias], "by id");
}

async fn an_upsert_replaces_and_keeps_the_id(f: &Fixture) {
    let ann = f.sign_up("ann").await;
    let key = f.provider_key(ann, Provider::OpenAi, "s1").await;
    let light = NewAlias { light_model: Some(model("mini")), use_light_model: true, ..new_alias("a", key) };
    let old = f.upsert_alias(ann, light, by(at(0))).await.unwrap();
    let other = f.provider_key(ann, Provider::Anthropic, "s2").await;
    let new = f
        .upsert_alias(ann, NewAlias { target_model: TargetModel::AsAsked, ..new_alias("a", other) }, by(at(9)))
        .await
        .unwrap();
    assert_eq!((new.id, new.created_at, new.target_model.as_str()), (old.id, at(0), "*"));
    assert_eq!((new.provider, &new.light_model, new.use_light_model), (Provider::Anthropic, &None, false));
    assert_eq!(f.aliases(ann).await.unwrap(), [new]);
}

async fn a_patch_changes_and_empties_alias_fields(f: &Fixture) {
    let ann = f.sign_up("ann").await;
    let key = f.provider_key(ann, Provider::OpenAi, "s1").await;
    let b = f.upsert_alias(ann, new_alias("b", key), by(at(0))).await.unwrap();
    let a = f
        .upsert_alias(ann, NewAlias { fallback_alias_id: Some(b.id), ..new_alias("a", key) }, by(at(0)))
        .await
        .unwrap();
    let change = async |name: &str, patch| f.patch_alias(ann, alias_name(name), patch, by(at(1))).await;

    let light = AliasPatch {
        light_model: Some(Some(model("mini"))),
        use_light_model: Some(true),
        light_model_threshold: Some(7),
        ..AliasPatch::default()
    };
    let patched = change("a", light).await.unwrap();
    assert_eq!((patched.light(), patched.fallback_alias_id), (Some((&model("mini"), 7)), Some(b.id)));
    let empty = AliasPatch { fallback_alias_id: Some(None), light_model: Some(None), ..AliasPatch::default() };
    let patched = change("a", empty).await.unwrap();
    assert_eq!((patched.id, patched.fallback_alias_id, patched.light_model), (a.id, None, None));
    assert!(patched.use_light_model);

    let rename = |name: &str| AliasPatch { name: Some(alias_name(name)), ..AliasPatch::default() };
    assert!(matches!(change("a", rename("b")).await, Err(StoreError::Conflict(Conflict::AliasTaken))));
    assert_eq!(change("a", rename("c")).await.unwrap().id, a.id);
    assert!(matches!(change("a", rename("d")).await, Err(StoreError::NotFound(Object::Alias))));
}

async fn keys_and_fallbacks_must_be_the_users_own(f: &Fixture) {
    let (ann, bob) = (f.sign_up("ann").await, f.sign_up("bob").await);
    let anns = f.provider_key(ann, Provider::OpenAi, "s1").await;
    let bobs = f.provider_key(bob, Provider::OpenAi, "s2").await;
    let alias = f.upsert_alias(ann, new_alias("a", anns), by(at(0))).await.unwrap();
    for key in [anns, ProviderKeyId(99)] {
        let refused = f.upsert_alias(bob, new_alias("b", key), by(at(0))).await;
        assert!(matches!(refused, Err(StoreError::NotFound(Object::ProviderKey))), "{refused:?}");
    }
    for fallback in [alias.id, AliasId(99)] {
        let new = NewAlias { fallback_alias_id: Some(fallback), ..new_alias("b", bobs) };
        let refused = f.upsert_alias(bob, new, by(at(0))).await;
        assert!(matches!(refused, Err(StoreError::NotFound(Object::Alias))), "{refused:?}");
    }
    f.upsert_alias(bob, new_alias("b", bobs), by(at(0))).await.unwrap();
    let foreign_key = AliasPatch { provider_key_id: Some(anns), ..AliasPatch::default() };
    let refused = f.patch_alias(bob, alias_name("b"), foreign_key, by(at(0))).await;
    assert!(matches!(refused, Err(StoreError::NotFound(Object::ProviderKey))));
    let foreign_alias = f.patch_alias(bob, alias_name("a"), AliasPatch::default(), by(at(0))).await;
    assert!(matches!(foreign_alias, Err(StoreError::NotFound(Object::Alias))));
    assert!(matches!(f.delete_alias(bob, alias_name("a"), by(at(0))).await, Err(StoreError::NotFound(Object::Alias))));
    assert_eq!((f.aliases(ann).await.unwrap().len(), f.aliases(bob).await.unwrap().len()), (1, 1));
}

fn is_cycle(result: &Result<tt_core::routing::Alias, StoreError>) -> bool {
    matches!(result, Err(StoreError::Invalid(invalid)) if invalid.field == "fallback_alias_id")
}

async fn a_cycle_of_fallbacks_is_refused(f: &Fixture) {
    let ann = f.sign_up("ann").await;
    let key = f.provider_key(ann, Provider::OpenAi, "s1").await;
    let a = f.upsert_alias(ann, new_alias("a", key), by(at(0))).await.unwrap();
    let b = f
        .upsert_alias(ann, NewAlias { fallback_alias_id: Some(a.id), ..new_alias("b", key) }, by(at(0)))
        .await
        .unwrap();
    for (name, fallback) in [("a", a.id), ("a", b.id)] {
        let upserted = f
            .upsert_alias(ann, NewAlias { fallback_alias_id: Some(fallback), ..new_alias(name, key) }, by(at(1)))
            .await;
        assert!(is_cycle(&upserted), "{upserted:?}");
        let patch = AliasPatch { fallback_alias_id: Some(Some(fallback)), ..AliasPatch::default() };
        assert!(is_cycle(&f.patch_alias(ann, alias_name(name), patch, by(at(1))).await));
    }
    assert_eq!(f.aliases(ann).await.unwrap(), [a, b]);
}

async fn two_writers_cannot_close_a_cycle_together(f: &Fixture) {
    let ann = f.sign_up("ann").await;
    let key = f.provider_key(ann, Provider::OpenAi, "s1").await;
    let other = f.another();
    for round in 0..10 {
        let (x, y) = (format!("x{round}"), format!("y{round}"));
        let a = f.upsert_alias(ann, new_alias(&x, key), by(at(0))).await.unwrap();
        let b = f.upsert_alias(ann, new_alias(&y, key), by(at(0))).await.unwrap();
        let to = |id| AliasPatch { fallback_alias_id: Some(Some(id)), ..AliasPatch::default() };
        let (first, second) = tokio::join!(
            f.patch_alias(ann, a.name, to(b.id), by(at(1))),
            other.patch_alias(ann, b.name, to(a.id), by(at(1))),
        );
        assert!(is_cycle(&first) ^ is_cycle(&second), "{first:?} {second:?}");
    }
}

async fn an_alias_that_others_fall_back_to_is_not_deleted(f: &Fixture) {
    let ann = f.sign_up("ann").await;
    let key = f.provider_key(ann, Provider::OpenAi, "s1").await;
    let a = f.upsert_alias(ann, new_alias("a", key), by(at(0))).await.unwrap();
    f.upsert_alias(ann, NewAlias { fallback_alias_id: Some(a.id), ..new_alias("b", key) }, by(at(0))).await.unwrap();
    let refused = f.delete_alias(ann, alias_name("a"), by(at(1))).await;
    assert!(matches!(refused, Err(StoreError::Conflict(Conflict::AliasInUse))), "{refused:?}");
    f.delete_alias(ann, alias_name("b"), by(at(1))).await.unwrap();
    f.delete_alias(ann, alias_name("a"), by(at(1))).await.unwrap();
    assert!(f.aliases(ann).await.unwrap().is_empty());
}

async fn two_users_may_use_one_name(f: &Fixture) {
    let (ann, bob) = (f.sign_up("ann").await, f.sign_up("bob").await);
    let anns = f.provider_key(ann, Provider::OpenAi, "s1").await;
    let bobs = f.provider_key(bob, Provider::Anthropic, "s2").await;
    let a = f.upsert_alias(ann, new_alias("main", anns), by(at(0))).await.unwrap();
    let b = f.upsert_alias(bob, new_alias("main", bobs), by(at(0))).await.unwrap();
    assert_ne!(a.id, b.id);
    assert_eq!(f.aliases(ann).await.unwrap(), [a]);
    f.delete_alias(ann, alias_name("main"), by(at(1))).await.unwrap();
    assert_eq!(f.aliases(bob).await.unwrap(), [b]);
}

async fn routing_gives_aliases_and_sealed_keys(f: &Fixture) {
    let (ann, bob) = (f.sign_up("ann").await, f.sign_up("bob").await);
    let first = f.provider_key(ann, Provider::OpenAi, "s1").await;
    f.provider_key(bob, Provider::OpenAi, "s2").await;
    let second = f.provider_key(ann, Provider::Gemini, "s3").await;
    let alias = f.upsert_alias(ann, new_alias("a", second), by(at(0))).await.unwrap();
    let before = f.queries();
    let routing = f.routing(ann).await.unwrap();
    assert_eq!(f.queries() - before, 1);
    assert_eq!(routing.aliases, [alias]);
    let keys: Vec<_> = routing.keys.iter().map(|key| (key.key.id, key.seal_id.0.as_str())).collect();
    assert_eq!(keys, [(first, "s1"), (second, "s3")]);
}

async fn every_write_of_an_alias_is_noted(f: &Fixture) {
    let ann = f.sign_up("ann").await;
    let start = f.latest_change().await.unwrap();
    let key = f.provider_key(ann, Provider::OpenAi, "s1").await;
    f.upsert_alias(ann, new_alias("a", key), by(at(1))).await.unwrap();
    f.upsert_alias(ann, new_alias("a", ProviderKeyId(99)), by(at(2))).await.unwrap_err();
    let patch = AliasPatch { use_light_model: Some(true), ..AliasPatch::default() };
    f.patch_alias(ann, alias_name("a"), patch, by(at(3))).await.unwrap();
    f.delete_alias(ann, alias_name("a"), by(at(4))).await.unwrap();
    f.delete_provider_key(ann, key, by(at(5))).await.unwrap();
    let times: Vec<_> = f.changes_since(start, 99).await.unwrap().iter().map(|change| change.created_at).collect();
    assert_eq!(times, [at(0), at(1), at(3), at(4), at(5)]);
}
