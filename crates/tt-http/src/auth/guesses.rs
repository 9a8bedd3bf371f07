//! Guesses at a password, as a login or a change of the password makes them: each is admitted by the throttle first.

use tt_core::{Email, KeyHash};

use crate::edge::context::Context;
use crate::edge::error::ApiError;
use crate::state::login_throttle::{KNOWN_FOR_MS, Try};
use crate::state::network::network;

/// Admits a guess; `email` is `None` where the client sent a text that is no email address. Before it refuses one, it asks
/// the store whether the address has signed in to the account before, perhaps through another process.
pub(super) async fn admit(cx: &Context, email: Option<&Email>) -> Result<Try, ApiError> {
    let begin = || cx.app.login_throttle.begin(email, cx.client, cx.arrived);
    let refused = match begin() {
        Ok(admitted) => return Ok(admitted),
        Err(refused) => refused,
    };
    let since = cx.arrived_at.plus_millis(-KNOWN_FOR_MS);
    if let Some(email) = email.filter(|_| !refused.known)
        && cx.app.store.knows_address(address_hash(cx, email), since).await?
    {
        cx.app.login_throttle.knows(email, cx.client);
        return begin().map_err(|refused| ApiError::login_throttled(refused.wait));
    }
    Err(ApiError::login_throttled(refused.wait))
}

/// Passes on the outcome of a look at the password. When the server failed to look, the guess is no failure of the
/// client's: a full queue must not lock an owner out.
pub(super) fn looked_at<T>(cx: &Context, attempt: &Try, outcome: Result<T, ApiError>) -> Result<T, ApiError> {
    if outcome.is_err() {
        cx.app.login_throttle.not_tried(attempt);
    }
    outcome
}

/// A hash of the account and the client's address, in place of which the store never sees the address.
pub(super) fn address_hash(cx: &Context, email: &Email) -> KeyHash {
    cx.app.sessions.address_hash(email.as_str(), network(cx.client))
}
