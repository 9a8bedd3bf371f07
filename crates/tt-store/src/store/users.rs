//! Users and sessions.

use secrecy::SecretString;
use tt_core::budget::Budget;
use tt_core::{Caller, Email, KeyHash, SessionId, Timestamp, UserId};

use super::Store;
use crate::error::Result;
use crate::view::{Change, Login, User, UserPatch};

impl Store {
    /// A new user with role `user`. `Conflict(EmailTaken)`.
    pub async fn create_user(&self, email: Email, password_hash: SecretString, now: Timestamp) -> Result<UserId> {
        call!(self, write, users::create(email, password_hash, now))
    }

    /// The part of the user with this address that a login needs; a disabled user's too.
    pub async fn login(&self, email: Email) -> Result<Option<Login>> {
        call!(self, read, users::login(email))
    }

    /// The hash of the user's password, to check the current one before it is changed.
    pub async fn password_hash(&self, user: UserId) -> Result<Option<SecretString>> {
        call!(self, read, users::password_hash(user))
    }

    /// One user.
    pub async fn user(&self, user: UserId) -> Result<Option<User>> {
        call!(self, read, users::by_id(user))
    }

    /// The user of that address. For admins.
    pub async fn user_by_email(&self, email: Email) -> Result<Option<User>> {
        call!(self, read, users::by_email(email))
    }

    /// Users by id, at most `limit`, from the one after `after` on. For admins.
    pub async fn users(&self, after: Option<UserId>, limit: u32) -> Result<Vec<User>> {
        call!(self, read, users::list(after, limit))
    }

    /// Changes role, limits, the administrators' budget or whether the user may do anything. For admins. `NotFound(User)`.
    pub async fn update_user(&self, user: UserId, patch: UserPatch, now: Timestamp) -> Result<User> {
        call!(self, write, users::update(user, patch, now))
    }

    /// Sets the user's own budget; `None` takes it away. `NotFound(User)`.
    pub async fn set_own_budget(&self, user: UserId, budget: Option<Budget>, now: Timestamp) -> Result<()> {
        call!(self, write, users::set_own_budget(user, budget, now))
    }

    /// Another password; every session of the user but `keep` ends. `NotFound(User)`.
    pub async fn set_password(
        &self,
        user: UserId,
        password_hash: SecretString,
        keep: Option<SessionId>,
        now: Timestamp,
    ) -> Result<()> {
        call!(self, write, users::set_password(user, password_hash, keep, now))
    }

    /// A session that ends at `expires_at`, known by the hash of its jti.
    pub async fn create_session(
        &self,
        user: UserId,
        jti_hash: KeyHash,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<SessionId> {
        call!(self, write, sessions::create(user, jti_hash, now, expires_at))
    }

    /// The caller whose session it is; `None` when there is none, it was revoked, or its user is disabled. Whether it has
    /// expired is the caller's to ask, with every request.
    pub async fn caller_by_session(&self, jti_hash: KeyHash) -> Result<Option<Caller>> {
        call!(self, read, sessions::caller(jti_hash))
    }

    /// Ends a session; one that has ended stays so. `NotFound(Session)`.
    pub async fn revoke_session(&self, user: UserId, session: SessionId, now: Timestamp) -> Result<()> {
        call!(self, write, sessions::revoke(user, session, now))
    }

    /// Forgets sessions that expired before `before`; how many.
    pub async fn prune_sessions(&self, before: Timestamp) -> Result<usize> {
        call!(self, write, sessions::prune(before))
    }

    /// Notes that `user` has signed in from an address, known by its hash with the account.
    pub async fn note_address(&self, user: UserId, address_hash: KeyHash, now: Timestamp) -> Result<()> {
        call!(self, write, known_addresses::note(user, address_hash, now))
    }

    /// Has that address signed in to that account since `since`?
    pub async fn knows_address(&self, address_hash: KeyHash, since: Timestamp) -> Result<bool> {
        call!(self, read, known_addresses::knows(address_hash, since))
    }

    /// Forgets addresses that have not signed in since `before`; how many.
    pub async fn prune_addresses(&self, before: Timestamp) -> Result<usize> {
        call!(self, write, known_addresses::prune(before))
    }

    /// Changes with an id above `after`, by id, at most `limit`.
    ///
    /// Ids do not appear in order: a transaction that took a lower one may commit later. So a poller passes not the
    /// highest id it has seen but the highest it had seen 30 s before, and skips what it knows.
    pub async fn changes_since(&self, after: i64, limit: u32) -> Result<Vec<Change>> {
        call!(self, read, changes::since(after, limit))
    }

    /// The highest id of a change, where a poller begins; 0: none yet.
    pub async fn latest_change(&self) -> Result<i64> {
        call!(self, read, changes::latest())
    }

    /// Forgets changes older than `before`, which should be well past what any poller still waits for; how many.
    pub async fn prune_changes(&self, before: Timestamp) -> Result<usize> {
        call!(self, write, changes::prune(before))
    }
}
