//! The calls of `/manage` about the caller's provider keys, aliases and budget.

use http::StatusCode;

use crate::manage::aliases::{AliasChange, AliasView, AliasWish};
use crate::manage::budgets::{BudgetWish, BudgetsView};
use crate::manage::decision::Decision;
use crate::manage::model_lists::{ByProvider, Tested};
use crate::manage::providers::{NewProvider, ProviderChange, ProviderView};
use crate::openapi::operation::Operation;
use crate::openapi::operations::proxy;
use crate::openapi::schemas::Schemas;

pub(crate) fn create_provider(schemas: &mut Schemas) -> Operation {
    Operation::new("createProviderKey", "Store a provider key")
        .says("The key is sealed, and no call ever shows it.")
        .takes(schemas.read::<NewProvider>())
        .gives(StatusCode::CREATED, "The key is stored.", schemas.written::<ProviderView>())
        .fails([StatusCode::CONFLICT])
}

pub(crate) fn list_providers(schemas: &mut Schemas) -> Operation {
    Operation::new("listProviderKeys", "The caller's provider keys")
        .says(
            "`targets` lists the models that have failed, or rest with their key, as the process that answers knows them. A \
             target is `open` while it rests and `half_open` when one request at a time tries it again.",
        )
        .gives(StatusCode::OK, "The keys, without their secrets.", schemas.written::<Vec<ProviderView>>())
}

pub(crate) fn update_provider(schemas: &mut Schemas) -> Operation {
    Operation::new("updateProviderKey", "Change a provider key")
        .says("`base_url` can be changed only together with `api_key`.")
        .takes(schemas.read::<ProviderChange>())
        .gives(StatusCode::OK, "The key as it is now.", schemas.written::<ProviderView>())
}

pub(crate) fn delete_provider(_: &mut Schemas) -> Operation {
    Operation::new("deleteProviderKey", "Delete a provider key")
        .gives_nothing(StatusCode::NO_CONTENT, "The key is deleted.")
        .fails([StatusCode::CONFLICT])
}

pub(crate) fn test_provider(schemas: &mut Schemas) -> Operation {
    Operation::new("testProviderKey", "Try a provider key")
        .says("It asks the provider for its list of models, which costs nothing.")
        .gives(StatusCode::OK, "The outcome of the test.", schemas.written::<Tested>())
}

pub(crate) fn models_of_provider(schemas: &mut Schemas) -> Operation {
    Operation::new("listModelsOfProviderKey", "The models of a provider key").gives(
        StatusCode::OK,
        "The names of the models, as last fetched.",
        schemas.written::<Vec<String>>(),
    )
}

pub(crate) fn models_of_all(schemas: &mut Schemas) -> Operation {
    Operation::new("listModelsOfProviders", "The models of all the caller's provider keys").gives(
        StatusCode::OK,
        "The names of the models, by provider.",
        schemas.written::<ByProvider>(),
    )
}

pub(crate) fn put_alias(schemas: &mut Schemas) -> Operation {
    Operation::new("putAlias", "Create or replace an alias")
        .says("`fallback_alias_id: 0` and `light_model: \"\"` mean none.")
        .takes(schemas.read::<AliasWish>())
        .gives(StatusCode::OK, "The alias.", schemas.written::<AliasView>())
        .fails([StatusCode::NOT_FOUND, StatusCode::CONFLICT])
}

pub(crate) fn list_aliases(schemas: &mut Schemas) -> Operation {
    Operation::new("listAliases", "The caller's aliases").gives(
        StatusCode::OK,
        "The aliases.",
        schemas.written::<Vec<AliasView>>(),
    )
}

pub(crate) fn update_alias(schemas: &mut Schemas) -> Operation {
    Operation::new("updateAlias", "Change an alias")
        .takes(schemas.read::<AliasChange>())
        .gives(StatusCode::OK, "The alias as it is now.", schemas.written::<AliasView>())
        .fails([StatusCode::CONFLICT])
}

pub(crate) fn delete_alias(_: &mut Schemas) -> Operation {
    Operation::new("deleteAlias", "Delete an alias")
        .gives_nothing(StatusCode::NO_CONTENT, "The alias is deleted.")
        .fails([StatusCode::CONFLICT])
}

pub(crate) fn preview_route(schemas: &mut Schemas) -> Operation {
    Operation::new("previewRoute", "The route of a chat completion, without sending it")
        .takes(proxy::chat_body())
        .gives(StatusCode::OK, "The route, its reason and an estimate of the cost.", schemas.written::<Decision>())
        .fails([StatusCode::NOT_FOUND])
}

pub(crate) fn budgets(schemas: &mut Schemas) -> Operation {
    Operation::new("budgets", "The caller's budgets, and what is spent of them").gives(
        StatusCode::OK,
        "The caller's own budget, the one that an administrator has set, and those of the caller's API keys.",
        schemas.written::<BudgetsView>(),
    )
}

pub(crate) fn set_budget(schemas: &mut Schemas) -> Operation {
    Operation::new("setBudget", "Set or remove the caller's own budget").takes(schemas.read::<BudgetWish>()).gives(
        StatusCode::OK,
        "The budgets as they are now.",
        schemas.written::<BudgetsView>(),
    )
}
