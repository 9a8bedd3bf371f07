//! Errors of the store: a variant for each case that callers treat differently.

use diesel::result::{DatabaseErrorKind, Error as DieselError};

/// The cause of a failure, for the log.
pub type Source = Box<dyn std::error::Error + Send + Sync>;

/// The result of a call to the store.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// The reason why a call to the store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such object, or it belongs to another user: the two are not told apart.
    #[error("no such {0}")]
    NotFound(Object),
    /// The change would break what is already there.
    #[error("{0}")]
    Conflict(Conflict),
    /// The change makes no sense by itself (a cycle of fallbacks).
    #[error(transparent)]
    Invalid(#[from] tt_core::Invalid),
    /// The database cannot be reached, or is too busy to answer: later may succeed.
    #[error("the database cannot be reached")]
    Unavailable(#[source] Source),
    /// The database refused a query, or holds a value that this program cannot read.
    #[error("a query failed")]
    Query(#[source] Source),
    /// The database was migrated by a newer version of this program.
    #[error("the database holds migration {0}, which this version does not know: run the newer version")]
    SchemaNewer(String),
    /// `DATABASE_URL` cannot be used. The text never holds the URL, which may carry a password.
    #[error("DATABASE_URL: {0}")]
    BadUrl(String),
}

/// The object that was not found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Object {
    /// A user.
    #[error("user")]
    User,
    /// A session.
    #[error("session")]
    Session,
    /// An API key.
    #[error("API key")]
    ApiKey,
    /// A provider key.
    #[error("provider key")]
    ProviderKey,
    /// An alias, also one named as a fallback.
    #[error("alias")]
    Alias,
    /// A webhook.
    #[error("webhook")]
    Webhook,
    /// A delivery to a webhook.
    #[error("delivery")]
    Delivery,
}

/// The reason why a change is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// Another user has this e-mail address.
    #[error("the e-mail address is taken")]
    EmailTaken,
    /// Another alias of the user has this name.
    #[error("another alias has this name")]
    AliasTaken,
    /// Another alias falls back to this one.
    #[error("another alias falls back to this one")]
    AliasInUse,
    /// An alias uses this provider key.
    #[error("an alias uses this provider key")]
    ProviderKeyInUse,
    /// The user has as many objects of a kind as a user may have.
    #[error("the user has as many {0} as a user may have")]
    QuotaExceeded(Quota),
}

/// The kinds of objects of which a user may have a limited number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Quota {
    /// Aliases.
    #[error("aliases")]
    Aliases,
    /// API keys that are neither revoked nor expired.
    #[error("API keys")]
    ApiKeys,
    /// Provider keys.
    #[error("provider keys")]
    ProviderKeys,
    /// Webhooks.
    #[error("webhooks")]
    Webhooks,
}

impl Quota {
    /// The most objects of this kind that a user may have.
    pub const fn most(self) -> u32 {
        match self {
            Self::Aliases | Self::ApiKeys => 1000,
            Self::ProviderKeys => 200,
            Self::Webhooks => 20,
        }
    }

    /// Refuses one more object for a user who has `count` already.
    pub(crate) fn admit(self, count: i64) -> Result<()> {
        if count < i64::from(self.most()) { Ok(()) } else { Err(StoreError::Conflict(Conflict::QuotaExceeded(self))) }
    }
}

/// A violated constraint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Constraint {
    /// A value that must be unique is there already.
    Unique,
    /// A row refers to another that is missing, or a row that others refer to was to be deleted.
    ForeignKey,
}

impl StoreError {
    pub(crate) fn bad_url(why: &str) -> Self {
        Self::BadUrl(why.to_owned())
    }

    /// True if a row was inserted whose key exists already.
    pub(crate) fn is_duplicate(&self) -> bool {
        let Self::Query(source) = self else { return false };
        matches!(
            source.downcast_ref::<DieselError>(),
            Some(DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _))
        )
    }

    /// Did the database refuse what it was asked to do, so that asking the same again is of no use?
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Query(_))
    }

    /// A value in the database that does not parse.
    pub(crate) fn corrupt(source: impl Into<Source>) -> Self {
        Self::Query(source.into())
    }
}

impl From<tokio::task::JoinError> for StoreError {
    /// The work panicked, or its runtime has stopped.
    fn from(stopped: tokio::task::JoinError) -> Self {
        if stopped.is_panic() { Self::Query(Box::new(stopped)) } else { Self::Unavailable(Box::new(stopped)) }
    }
}

impl From<DieselError> for StoreError {
    fn from(error: DieselError) -> Self {
        if is_unavailable(&error) { Self::Unavailable(Box::new(error)) } else { Self::Query(Box::new(error)) }
    }
}

/// Maps a violated `constraint` to the `conflict` it means there.
pub(crate) fn on_violation(constraint: Constraint, conflict: Conflict) -> impl FnOnce(DieselError) -> StoreError {
    move |error| match (&error, constraint) {
        (DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _), Constraint::Unique)
        | (DieselError::DatabaseError(DatabaseErrorKind::ForeignKeyViolation, _), Constraint::ForeignKey) => {
            StoreError::Conflict(conflict)
        }
        _ => error.into(),
    }
}

/// True if the error means that the database is away or too busy. Neither diesel nor diesel-async keeps the SQLSTATE,
/// so an outage is recognised by its words. PostgreSQL's are those of its class 57 (operator intervention), 53 (out of
/// resources) and 40 (a deadlock); SQLite's those of `SQLITE_BUSY`, `SQLITE_FULL` and `SQLITE_IOERR`.
fn is_unavailable(error: &DieselError) -> bool {
    const SIGNS: [&str; 14] = [
        "canceling statement",
        "No space left on device",
        "out of memory",
        "out of shared memory",
        "deadlock detected",
        "database or disk is full",
        "disk I/O error",
        "database is locked",
        "database table is locked",
        "terminating connection",
        "the database system is",
        "too many clients",
        "remaining connection slots",
        "connection closed",
    ];
    match error {
        DieselError::DatabaseError(
            DatabaseErrorKind::ClosedConnection
            | DatabaseErrorKind::UnableToSendCommand
            | DatabaseErrorKind::SerializationFailure
            | DatabaseErrorKind::ReadOnlyTransaction,
            _,
        )
        | DieselError::BrokenTransactionManager => true,
        DieselError::DatabaseError(_, info) => SIGNS.iter().any(|sign| info.message().contains(sign)),
        DieselError::RollbackErrorOnCommit { rollback_error, commit_error } => {
            is_unavailable(rollback_error) || is_unavailable(commit_error)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database_error(kind: DatabaseErrorKind, text: &str) -> DieselError {
        DieselError::DatabaseError(kind, Box::new(text.to_owned()))
    }

    #[test]
    fn an_outage_is_unavailable_and_a_bad_query_is_not() {
        for (kind, text) in [
            (DatabaseErrorKind::UnableToSendCommand, "connection closed"),
            (DatabaseErrorKind::Unknown, "database is locked"),
            (DatabaseErrorKind::Unknown, "terminating connection due to administrator command"),
            (DatabaseErrorKind::Unknown, "could not extend file \"base/5/16384\": No space left on device"),
            (DatabaseErrorKind::Unknown, "database or disk is full"),
        ] {
            assert!(matches!(StoreError::from(database_error(kind, text)), StoreError::Unavailable(_)), "{text}");
        }
        let error = database_error(DatabaseErrorKind::Unknown, "column \"x\" does not exist");
        let error = StoreError::from(error);
        assert!(matches!(error, StoreError::Query(_)) && error.is_refusal());
    }

    #[test]
    fn only_the_named_constraint_is_the_conflict() {
        let map = |kind| on_violation(Constraint::Unique, Conflict::EmailTaken)(database_error(kind, "x"));
        assert!(matches!(map(DatabaseErrorKind::UniqueViolation), StoreError::Conflict(Conflict::EmailTaken)));
        assert!(matches!(map(DatabaseErrorKind::ForeignKeyViolation), StoreError::Query(_)));
    }
}
