//! The store's functions for users, sessions, known addresses and changes.

use secrecy::SecretString;
use tt_core::budget::Budget;
use tt_core::{Caller, Email, KeyHash, SessionId, Timestamp, UserId};

use super::{Store, StoreCall};
use crate::audit::Author;
use crate::view::{Change, Login, NewSession, SessionInfo, User, UserPatch};

impl Store {
    /// Adds a user with role `user`. `Conflict(EmailTaken)`.
    pub fn create_user(&self, email: Email, password_hash: SecretString, by: Author) -> StoreCall<UserId> {
        call!(self, write, users::create(email, password_hash, by))
    }

    /// The part of the user with this address that a login needs. A disabled user is returned too.
    pub fn login(&self, email: Email) -> StoreCall<Option<Login>> {
        call!(self, read, users::login(email))
    }

    /// The hash of the user's password, to check the current one before it is changed.
    pub fn password_hash(&self, user: UserId) -> StoreCall<Option<SecretString>> {
        call!(self, read, users::password_hash(user))
    }

    /// The user of this id.
    pub fn user(&self, user: UserId) -> StoreCall<Option<User>> {
        call!(self, read, users::by_id(user))
    }

    /// The user of this address. For admins.
    pub fn user_by_email(&self, email: Email) -> StoreCall<Option<User>> {
        call!(self, read, users::by_email(email))
    }

    /// Users by id, at most `limit`, beginning after `after`. For admins.
    pub fn users(&self, after: Option<UserId>, limit: u32) -> StoreCall<Vec<User>> {
        call!(self, read, users::list(after, limit))
    }

    /// Changes role, limits, the administrators' budget or whether the user may do anything. For admins.
    /// `NotFound(User)`.
    pub fn update_user(&self, user: UserId, patch: UserPatch, by: Author) -> StoreCall<User> {
        call!(self, write, users::update(user, patch, by))
    }

    /// Sets the user's own budget; `None` removes it. `NotFound(User)`.
    pub fn set_own_budget(&self, user: UserId, budget: Option<Budget>, by: Author) -> StoreCall<()> {
        call!(self, write, users::set_own_budget(user, budget, by))
    }

    /// Sets another password; every session of the user ends, except `keep`. `NotFound(User)`.
    pub fn set_password(
        &self,
        user: UserId,
        password_hash: SecretString,
        keep: Option<SessionId>,
        by: Author,
    ) -> StoreCall<()> {
        call!(self, write, users::set_password(user, password_hash, keep, by))
    }

    /// Deletes the user with their sessions, keys and aliases. Their rows in the ledger stay. `NotFound(User)`.
    pub fn delete_user(&self, user: UserId, by: Author) -> StoreCall<()> {
        call!(self, write, users::delete(user, by))
    }

    /// Adds a session that ends at `expires_at`. It is identified by the hash of its jti. Where the user has 50 sessions
    /// already, the oldest ends.
    pub fn create_session(
        &self,
        user: UserId,
        jti_hash: KeyHash,
        expires_at: Timestamp,
        by: Author,
    ) -> StoreCall<NewSession> {
        call!(self, write, sessions::create(user, jti_hash, expires_at, by))
    }

    /// The caller that the session belongs to; `None` when there is no such session, it was revoked, or its user is
    /// disabled. The caller of this function must check with every request whether the session has expired.
    pub fn caller_by_session(&self, jti_hash: KeyHash) -> StoreCall<Option<Caller>> {
        call!(self, read, sessions::caller(jti_hash))
    }

    /// The user's sessions that live at `now`, by id.
    pub fn sessions(&self, user: UserId, now: Timestamp) -> StoreCall<Vec<SessionInfo>> {
        call!(self, read, sessions::list(user, now))
    }

    /// Records when sessions were last used. An earlier time than the recorded one, or an unknown session, changes nothing.
    pub fn touch_sessions(&self, uses: Vec<(SessionId, Timestamp)>) -> StoreCall<()> {
        call!(self, write, sessions::touch(uses))
    }

    /// Ends a session. One that has ended already stays so. `NotFound(Session)`.
    pub fn revoke_session(&self, user: UserId, session: SessionId, by: Author) -> StoreCall<()> {
        call!(self, write, sessions::revoke(user, session, by))
    }

    /// Deletes sessions that expired before `before`; returns their number.
    pub fn prune_sessions(&self, before: Timestamp) -> StoreCall<usize> {
        call!(self, write, sessions::prune(before))
    }

    /// Records that `user` has signed in from an address, given as a hash of the address and the account.
    pub fn note_address(&self, user: UserId, address_hash: KeyHash, now: Timestamp) -> StoreCall<()> {
        call!(self, write, known_addresses::note(user, address_hash, now))
    }

    /// True if that account was signed in to from that address since `since`.
    pub fn knows_address(&self, address_hash: KeyHash, since: Timestamp) -> StoreCall<bool> {
        call!(self, read, known_addresses::knows(address_hash, since))
    }

    /// Deletes addresses that have not signed in since `before`; returns their number.
    pub fn prune_addresses(&self, before: Timestamp) -> StoreCall<usize> {
        call!(self, write, known_addresses::prune(before))
    }

    /// Changes with an id above `after`, by id, at most `limit`.
    ///
    /// Ids do not appear in order: a transaction that took a lower id may commit later. So a poller must not continue
    /// after the highest id it has seen, but after the highest it had seen 30 s earlier, and skip the changes it knows.
    pub fn changes_since(&self, after: i64, limit: u32) -> StoreCall<Vec<Change>> {
        call!(self, read, changes::since(after, limit))
    }

    /// The highest id of a change, from which a poller begins; 0 where there is none yet.
    pub fn latest_change(&self) -> StoreCall<i64> {
        call!(self, read, changes::latest())
    }

    /// Deletes changes older than `before`, which must be older than any poller still waits for; returns their number.
    pub fn prune_changes(&self, before: Timestamp) -> StoreCall<usize> {
        call!(self, write, changes::prune(before))
    }
}
