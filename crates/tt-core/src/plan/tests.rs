//! Examples and properties of `plan`.

use proptest::prelude::*;

use super::*;
use crate::routing::{KeyRef, TargetModel};
use crate::{AliasName, Timestamp};

fn model(name: &str) -> ModelName {
    ModelName::try_from(name.to_owned()).unwrap()
}

fn alias(id: i64, fallback: Option<i64>) -> Alias {
    Alias {
        id: AliasId(id),
        name: AliasName::try_from(format!("a{id}")).unwrap(),
        target_model: TargetModel::Named(model(&format!("target-{id}"))),
        provider_key_id: ProviderKeyId(id),
        provider: Provider::OpenAi,
        fallback_alias_id: fallback.map(AliasId),
        use_light_model: false,
        light_model_threshold: 100,
        light_model: None,
        created_at: Timestamp::from_millis(0),
    }
}

fn light(id: i64, fallback: Option<i64>, threshold: u64) -> Alias {
    Alias {
        use_light_model: true,
        light_model_threshold: threshold,
        light_model: Some(model(&format!("light-{id}"))),
        ..alias(id, fallback)
    }
}

fn key(id: i64, provider: Provider) -> KeyRef {
    KeyRef { id: ProviderKeyId(id), provider, base_url: None }
}

#[test]
fn a_light_model_serves_exactly_under_the_threshold() {
    let routes = Routes::new([light(1, None, 100)], []);
    let at = |input| plan(&routes, "a1", input).unwrap().steps.remove(0);
    assert_eq!(at(InputTokens::Exact(99)).route, Route::Light);
    assert_eq!(at(InputTokens::Exact(99)).model, model("light-1"));
    assert_eq!(at(InputTokens::Exact(99)).instead_of, Some(model("target-1")));
    assert_eq!(at(InputTokens::Exact(100)).route, Route::Primary);
    assert_eq!(at(InputTokens::Exact(100)).model, model("target-1"));
    assert_eq!(at(InputTokens::AtLeast(100)).route, Route::Primary);
    assert_eq!(at(InputTokens::AtMost(99)).route, Route::Light);
    assert!(at(InputTokens::AtMost(99)).reason.contains("input of at most 99 tokens is under 100"));
}

#[test]
fn a_request_that_is_no_chat_goes_to_the_target_models() {
    let routes = Routes::new([light(1, Some(2), 100), light(2, None, 50)], []);
    let plan = without_light(&routes, "a1").unwrap();
    let steps: Vec<_> = plan.steps.iter().map(|step| (step.route, step.model.as_str(), step.reason.as_str())).collect();
    let second = "fallback of alias a1: alias a2, target model target-2";
    let first = (Route::Primary, "target-1", "alias a1: target model target-1");
    assert_eq!(steps, [first, (Route::Fallback, "target-2", second)]);
    assert_eq!(plan.steps[0].instead_of, None);
}

#[test]
fn thresholds_span_the_chain() {
    let routes = Routes::new([light(1, Some(2), 100), alias(2, Some(3)), light(3, None, 50)], []);
    assert_eq!(thresholds(&routes, "a1"), Some(50..=100));
    assert_eq!(thresholds(&routes, "a3"), Some(50..=50));
    assert_eq!(thresholds(&routes, "a9"), None);
    assert_eq!(count_to(&routes, "a1"), Some(100));
}

#[test]
fn a_light_model_switched_off_or_missing_never_serves() {
    let mut off = light(1, None, 100);
    off.use_light_model = false;
    let mut missing = light(2, None, 100);
    missing.light_model = None;
    let routes = Routes::new([off, missing], []);
    assert_eq!(count_to(&routes, "a1"), None);
    for name in ["a1", "a2"] {
        assert_eq!(plan(&routes, name, InputTokens::Exact(1)).unwrap().steps[0].route, Route::Primary);
    }
}

#[test]
fn a_light_model_inside_a_fallback_is_route_fallback() {
    let routes = Routes::new([alias(1, Some(2)), light(2, None, 50)], []);
    assert_eq!(count_to(&routes, "a1"), Some(50));
    let steps = plan(&routes, "a1", InputTokens::Exact(3)).unwrap().steps;
    assert_eq!(steps[1].route, Route::Fallback);
    assert_eq!(steps[1].model, model("light-2"));
}

#[test]
fn after_a_light_model_comes_the_fallback_alias() {
    let routes = Routes::new([light(1, Some(2), 100), alias(2, None)], []);
    let models: Vec<_> =
        plan(&routes, "a1", InputTokens::Exact(1)).unwrap().steps.into_iter().map(|s| s.model).collect();
    assert_eq!(models, [model("light-1"), model("target-2")]);
}

#[test]
fn provider_and_model_go_to_the_oldest_key() {
    let routes = Routes::new([], [key(9, Provider::Anthropic), key(4, Provider::Anthropic), key(2, Provider::OpenAi)]);
    let step = plan(&routes, "anthropic/claude-sonnet-4-5", InputTokens::Exact(0)).unwrap().steps.remove(0);
    assert_eq!((step.key, step.route), (ProviderKeyId(4), Route::Primary));
    assert_eq!(plan(&routes, "gemini/x", InputTokens::Exact(0)), Err(NoTarget::NoKey(Provider::Gemini)));
    assert_eq!(plan(&routes, "nobody", InputTokens::Exact(0)), Err(NoTarget::UnknownModel));
    assert_eq!(plan(&routes, "cohere/x", InputTokens::Exact(0)), Err(NoTarget::UnknownModel));
    assert!(matches!(plan(&routes, "openai/../x", InputTokens::Exact(0)), Err(NoTarget::InvalidModel(_))));
}

#[test]
fn cycles_are_seen_before_they_are_written() {
    let next = |AliasId(id)| (id < 3).then_some(AliasId(id + 1));
    assert!(closes_cycle(next, AliasId(3), AliasId(1)));
    assert!(closes_cycle(next, AliasId(3), AliasId(3)));
    assert!(!closes_cycle(next, AliasId(1), AliasId(3)));
}

proptest! {
    /// Aliases of all shapes, with fallbacks that point anywhere: in a cycle, at themselves, nowhere.
    #[test]
    fn every_plan_ends_names_each_alias_once_and_is_light_exactly_under(
        fallbacks in proptest::collection::vec((proptest::option::of(0i64..14), any::<bool>(), 0u64..200), 1..12),
        start in 0usize..12,
        input in 0u64..250,
    ) {
        let aliases: Vec<_> = fallbacks.iter().enumerate().map(|(id, (fallback, is_light, threshold))| {
            let id = i64::try_from(id).unwrap();
            if *is_light { light(id, *fallback, *threshold) } else { alias(id, *fallback) }
        }).collect();
        let start = start % aliases.len();
        let routes = Routes::new(aliases.clone(), []);
        let name = format!("a{start}");
        let counted = match count_to(&routes, &name) {
            Some(bound) if input >= bound => InputTokens::AtLeast(bound),
            _ => InputTokens::Exact(input),
        };
        let steps = plan(&routes, &name, counted).unwrap().steps;

        prop_assert!((1..=MAX_STEPS).contains(&steps.len()));
        let mut names: Vec<_> = steps.iter().map(|s| s.alias.clone()).collect();
        prop_assert_eq!(&names[0], &name);
        names.sort();
        names.dedup();
        prop_assert_eq!(names.len(), steps.len());
        for (position, step) in steps.iter().enumerate() {
            let alias = aliases.iter().find(|a| a.name.as_str() == step.alias).unwrap();
            let is_light = alias.light().is_some_and(|(_, bound)| input < bound);
            prop_assert_eq!(step.instead_of.is_some(), is_light);
            let target = alias.target_model.as_str();
            prop_assert_eq!(step.model.as_str(), alias.light_model.as_ref().filter(|_| is_light).map_or(target, ModelName::as_str));
            prop_assert_eq!(step.route == Route::Fallback, position > 0);
            prop_assert_eq!(step.route == Route::Light, position == 0 && is_light);
            prop_assert!(!step.reason.is_empty());
        }
    }
}

/// Routes with aliases of these names and targets, all of one key.
fn catching(aliases: &[(&str, &str)]) -> Routes {
    let made = aliases.iter().zip(1..).map(|((name, target), id)| Alias {
        name: AliasName::try_from((*name).to_owned()).unwrap(),
        target_model: TargetModel::try_from((*target).to_owned()).unwrap(),
        ..alias(id, None)
    });
    Routes::new(made, [])
}

#[test]
fn an_exact_name_comes_first_then_the_longest_that_catches() {
    let routes = catching(&[("*", "rest"), ("claude-*", "claude"), ("claude-opus-*", "*"), ("claude-opus-4", "exact")]);
    for (asked, alias, model) in [
        ("claude-opus-4", "claude-opus-4", "exact"),
        ("claude-opus-5-5", "claude-opus-*", "claude-opus-5-5"),
        ("claude-opus-", "claude-opus-*", "claude-opus-"),
        ("claude-haiku", "claude-*", "claude"),
        ("claude", "*", "rest"),
        ("openai/gpt-4o", "*", "rest"),
        ("claude-*", "claude-*", "claude"),
    ] {
        let step = plan(&routes, asked, InputTokens::Exact(0)).unwrap().steps.remove(0);
        assert_eq!((step.alias.as_str(), step.model.as_str()), (alias, model), "{asked}");
    }
    let step = plan(&routes, "claude-haiku", InputTokens::Exact(0)).unwrap().steps.remove(0);
    assert_eq!(step.reason, "alias claude-* catches claude-haiku: target model claude");
}

#[test]
fn only_names_of_models_are_caught() {
    let routes = catching(&[("*", "rest")]);
    for asked in ["", "a b", "a\n", "../x", "a?b", &"x".repeat(256)] {
        assert_eq!(plan(&routes, asked, InputTokens::Exact(0)), Err(NoTarget::UnknownModel), "{asked:?}");
    }
}

#[test]
fn a_fallback_to_the_name_as_asked_is_sent_it() {
    let named = |id, name: &str, target: &str, fallback| Alias {
        name: AliasName::try_from(name.to_owned()).unwrap(),
        target_model: TargetModel::try_from(target.to_owned()).unwrap(),
        ..alias(id, fallback)
    };
    let routes = Routes::new([named(1, "gpt-*", "gpt-5", Some(2)), named(2, "rest", "*", None)], []);
    let plan = plan(&routes, "gpt-6.1-sol", InputTokens::Exact(0)).unwrap();
    let models: Vec<_> = plan.steps.iter().map(|step| step.model.as_str()).collect();
    assert_eq!(models, ["gpt-5", "gpt-6.1-sol"]);
}
