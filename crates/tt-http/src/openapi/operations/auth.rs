//! The calls of `/auth`.

use http::StatusCode;

use crate::auth::account::{Created, Me, PasswordChange};
use crate::auth::credentials::Credentials;
use crate::auth::keys::{KeyView, KeyWish, NewKey, RotationWish};
use crate::auth::sessions::{SessionView, SignedIn};
use crate::openapi::operation::Operation;
use crate::openapi::schemas::Schemas;

pub(crate) fn sign_up(schemas: &mut Schemas) -> Operation {
    Operation::new("signUp", "Make an account")
        .says("The password has 8 to 1024 bytes.")
        .takes(schemas.read::<Credentials>())
        .gives(StatusCode::CREATED, "The account is made.", schemas.written::<Created>())
        .fails([StatusCode::FORBIDDEN, StatusCode::CONFLICT])
}

pub(crate) fn sign_in(schemas: &mut Schemas) -> Operation {
    Operation::new("signIn", "Begin a session of 24 hours")
        .takes(schemas.read::<Credentials>())
        .gives(StatusCode::OK, "The session token.", schemas.written::<SignedIn>())
        .fails([StatusCode::UNAUTHORIZED])
}

pub(crate) fn me(schemas: &mut Schemas) -> Operation {
    Operation::new("me", "The caller's account, with the limits in force").gives(
        StatusCode::OK,
        "The account.",
        schemas.written::<Me>(),
    )
}

pub(crate) fn create_key(schemas: &mut Schemas) -> Operation {
    Operation::new("createApiKey", "Make an API key")
        .says("The answer is the only one that ever shows the key.")
        .may_take(schemas.read::<KeyWish>())
        .gives(StatusCode::OK, "The key.", schemas.written::<NewKey>())
        .fails([StatusCode::CONFLICT])
}

pub(crate) fn list_keys(schemas: &mut Schemas) -> Operation {
    Operation::new("listApiKeys", "The caller's API keys").gives(
        StatusCode::OK,
        "The keys, without their secrets.",
        schemas.written::<Vec<KeyView>>(),
    )
}

pub(crate) fn revoke_key(_: &mut Schemas) -> Operation {
    Operation::new("revokeApiKey", "Revoke an API key").gives_nothing(StatusCode::NO_CONTENT, "The key works no more.")
}

pub(crate) fn rotate_key(schemas: &mut Schemas) -> Operation {
    Operation::new("rotateApiKey", "Make a key that replaces another")
        .says("It has the name, scopes and limits of the old key, which works until the grace is over.")
        .may_take(schemas.read::<RotationWish>())
        .gives(StatusCode::OK, "The new key.", schemas.written::<NewKey>())
        .fails([StatusCode::CONFLICT])
}

pub(crate) fn list_sessions(schemas: &mut Schemas) -> Operation {
    Operation::new("listSessions", "The caller's sessions").gives(
        StatusCode::OK,
        "The sessions that have not ended.",
        schemas.written::<Vec<SessionView>>(),
    )
}

pub(crate) fn end_session(_: &mut Schemas) -> Operation {
    Operation::new("endSession", "End a session").gives_nothing(StatusCode::NO_CONTENT, "The session has ended.")
}

pub(crate) fn change_password(schemas: &mut Schemas) -> Operation {
    Operation::new("changePassword", "Change the password")
        .says("It ends every other session of the caller.")
        .takes(schemas.read::<PasswordChange>())
        .gives_nothing(StatusCode::NO_CONTENT, "The password is changed.")
}

pub(crate) fn sign_out(_: &mut Schemas) -> Operation {
    Operation::new("signOut", "End the session of this token")
        .gives_nothing(StatusCode::NO_CONTENT, "The session has ended.")
}
