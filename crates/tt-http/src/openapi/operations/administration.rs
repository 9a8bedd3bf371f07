//! The calls of `/manage` that are for administrators, and the lists that others may read too.

use http::StatusCode;

use crate::manage::users::{self, UserChange, UserView};
use crate::manage::{audit, prices};
use crate::openapi::operation::Operation;
use crate::openapi::parameters::{page, range};
use crate::openapi::schemas::Schemas;

pub(crate) fn list_users(schemas: &mut Schemas) -> Operation {
    Operation::new("listUsers", "All users, for administrators").query(page()).gives(
        StatusCode::OK,
        "A page of users.",
        schemas.written::<users::Page>(),
    )
}

pub(crate) fn update_user(schemas: &mut Schemas) -> Operation {
    Operation::new("updateUser", "Change a user, for administrators")
        .says("A limit of 0 means the server's default.")
        .takes(schemas.read::<UserChange>())
        .gives(StatusCode::OK, "The user as they are now.", schemas.written::<UserView>())
        .fails([StatusCode::CONFLICT])
}

pub(crate) fn audit(schemas: &mut Schemas) -> Operation {
    Operation::new("audit", "The audit trail, the newest entries first")
        .says("Administrators see everybody's entries, others their own.")
        .query(page())
        .query(range())
        .gives(StatusCode::OK, "A page of entries.", schemas.written::<audit::Page>())
}

pub(crate) fn list_prices(schemas: &mut Schemas) -> Operation {
    Operation::new("listPrices", "The prices in force")
        .gives(StatusCode::OK, "The prices of the standard tier.", schemas.written::<prices::PriceList>())
        .fails([StatusCode::BAD_REQUEST])
}

pub(crate) fn set_price(schemas: &mut Schemas) -> Operation {
    Operation::new("setPrice", "Override the prices of a model, for administrators")
        .says("Prices of caches that are not given are that of `input`.")
        .takes(schemas.read::<prices::NewPrices>())
        .gives(StatusCode::OK, "The prices.", schemas.written::<prices::Entry>())
}

pub(crate) fn rerate(schemas: &mut Schemas) -> Operation {
    Operation::new("rerate", "Price recorded requests anew, for administrators")
        .takes(schemas.read::<prices::Span>())
        .gives(StatusCode::OK, "The costs before and after.", schemas.written::<prices::Rerating>())
}
