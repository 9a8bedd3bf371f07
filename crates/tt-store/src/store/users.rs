//! Users and sessions.

use secrecy::SecretString;
use tt_core::budget::Budget;
use tt_core::{Caller, Email, KeyHash, SessionId, Timestamp, UserId};

use super::{Call, Store};
use crate::view::{Change, Login, User, UserPatch};

impl Store {
    /// A new user with role `user`. `Conflict(EmailTaken)`.
    pub fn create_user(&self, email: Email, password_hash: SecretString, now: Timestamp) -> Call<UserId> {
        call!(self, write, users::create(email, password_hash, now))
    }

    /// The part of the user with this address that a login needs; a disabled user's too.
    pub fn login(&self, email: Email) -> Call<Option<Login>> {
        call!(self, read, users::login(email))
    }

    /// The hash of the user's password, to check the current one before it is changed.
    pub fn password_hash(&self, user: UserId) -> Call<Option<SecretString>> {
        call!(self, read, users::password_hash(user))
    }

    /// One user.
    pub fn user(&self, user: UserId) -> Call<Option<User>> {
        call!(self, read, users::by_id(user))
    }

    /// The user of that address. For admins.
    pub fn user_by_email(&self, email: Email) -> Call<Option<User>> {
        call!(self, read, users::by_email(email))
    }

    /// Users by id, at most `limit`, from the one after `after` on. For admins.
    pub fn users(&self, after: Option<UserId>, limit: u32) -> Call<Vec<User>> {
        call!(self, read, users::list(after, limit))
    }

    /// Changes role, limits, the administrators' budget or whether the user may do anything. For admins. `NotFound(User)`.
    pub fn update_user(&self, user: UserId, patch: UserPatch, now: Timestamp) -> Call<User> {
        call!(self, write, users::update(user, patch, now))
    }

    /// Sets the user's own budget; `None` takes it away. `NotFound(User)`.
    pub fn set_own_budget(&self, user: UserId, budget: Option<Budget>, now: Timestamp) -> Call<()> {
        call!(self, write, users::set_own_budget(user, budget, now))
    }

    /// Another password; every session of the user but `keep` ends. `NotFound(User)`.
    pub fn set_password(
        &self,
        user: UserId,
        password_hash: SecretString,
        keep: Option<SessionId>,
        now: Timestamp,
    ) -> Call<()> {
        call!(self, write, users::set_password(user, password_hash, keep, now))
    }

    /// Deletes the user with their sessions, keys and aliases. Their rows in the ledger stay. `NotFound(User)`.
    pub fn delete_user(&self, user: UserId, now: Timestamp) -> Call<()> {
        call!(self, write, users::delete(user, now))
    }

    /// A session that ends at `expires_at`, known by the hash of its jti.
    pub fn create_session(
        &self,
        user: UserId,
        jti_hash: KeyHash,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Call<SessionId> {
        call!(self, write, sessions::create(user, jti_hash, now, expires_at))
    }

    /// The caller whose session it is; `None` when there is none, it was revoked, or its user is disabled. Whether it has
    /// expired is the caller's to ask, with every request.
    pub fn caller_by_session(&self, jti_hash: KeyHash) -> Call<Option<Caller>> {
        call!(self, read, sessions::caller(jti_hash))
    }

    /// Ends a session; one that has ended stays so. `NotFound(Session)`.
    pub fn revoke_session(&self, user: UserId, session: SessionId, now: Timestamp) -> Call<()> {
        call!(self, write, sessions::revoke(user, session, now))
    }

    /// Forgets sessions that expired before `before`; how many.
    pub fn prune_sessions(&self, before: Timestamp) -> Call<usize> {
        call!(self, write, sessions::prune(before))
    }

    /// Notes that `user` has signed in from an address, known by its hash with the account.
    pub fn note_address(&self, user: UserId, address_hash: KeyHash, now: Timestamp) -> Call<()> {
        call!(self, write, known_addresses::note(user, address_hash, now))
    }

    /// Has that address signed in to that account since `since`?
    pub fn knows_address(&self, address_hash: KeyHash, since: Timestamp) -> Call<bool> {
        call!(self, read, known_addresses::knows(address_hash, since))
    }

    /// Forgets addresses that have not signed in since `before`; how many.
    pub fn prune_addresses(&self, before: Timestamp) -> Call<usize> {
        call!(self, write, known_addresses::prune(before))
    }

    /// Changes with an id above `after`, by id, at most `limit`.
    ///
    /// Ids do not appear in order: a transaction that took a lower one may commit later. So a poller passes not the
    /// highest id it has seen but the highest it had seen 30 s before, and skips what it knows.
    pub fn changes_since(&self, after: i64, limit: u32) -> Call<Vec<Change>> {
        call!(self, read, changes::since(after, limit))
    }

    /// The highest id of a change, where a poller begins; 0: none yet.
    pub fn latest_change(&self) -> Call<i64> {
        call!(self, read, changes::latest())
    }

    /// Forgets changes older than `before`, which should be well past what any poller still waits for; how many.
    pub fn prune_changes(&self, before: Timestamp) -> Call<usize> {
        call!(self, write, changes::prune(before))
    }
}
