//! The addresses that have signed in to an account, as a hash of both. They let an owner in while others guess the
//! password.

use diesel::prelude::*;
use diesel::upsert::excluded;
use diesel_async::RunQueryDsl;
use tt_core::{KeyHash, Timestamp, UserId};

use super::Conn;
use crate::error::Result;
use crate::schema::known_addresses;

/// Records that `user` has just signed in from the address.
pub(crate) async fn note(c: &mut Conn, user: UserId, address_hash: KeyHash, now: Timestamp) -> Result<()> {
    diesel::insert_into(known_addresses::table)
        .values((
            known_addresses::address_hash.eq(address_hash.to_hex()),
            known_addresses::user_id.eq(user.0),
            known_addresses::last_success_at.eq(now.millis()),
        ))
        .on_conflict(known_addresses::address_hash)
        .do_update()
        .set(known_addresses::last_success_at.eq(excluded(known_addresses::last_success_at)))
        .execute(c)
        .await?;
    Ok(())
}

/// True if the account was signed in to from this address since `since`.
pub(crate) async fn knows(c: &mut Conn, address_hash: KeyHash, since: Timestamp) -> Result<bool> {
    let known = known_addresses::table
        .filter(known_addresses::address_hash.eq(address_hash.to_hex()))
        .filter(known_addresses::last_success_at.ge(since.millis()));
    Ok(diesel::select(diesel::dsl::exists(known)).get_result(c).await?)
}

/// Deletes addresses that have not signed in since `before`; returns their number.
pub(crate) async fn prune(c: &mut Conn, before: Timestamp) -> Result<usize> {
    Ok(diesel::delete(known_addresses::table.filter(known_addresses::last_success_at.lt(before.millis())))
        .execute(c)
        .await?)
}
