//! Filters: the requests that a question to the log or the sums is about, besides its range.

use crate::plan::Route;
use crate::record::Outcome;
use crate::{ApiKeyId, Dialect, Provider};

/// The requests that a question is about. A filter that is `None` lets all requests pass; one that is `Some(None)` keeps to
/// those that have no value, as those without a session.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filters {
    /// The alias that was asked for.
    pub alias: Option<String>,
    /// The provider of the last attempt.
    pub provider: Option<Option<Provider>>,
    /// The upstream model of the last attempt.
    pub model: Option<Option<String>>,
    /// The API key of the request; without one, it came with a session.
    pub api_key: Option<Option<ApiKeyId>>,
    /// The program that asked.
    pub client: Option<Option<String>>,
    /// The session that the client says the request belongs to.
    pub session: Option<Option<String>>,
    /// A tag.
    pub tag: Option<TagFilter>,
    /// The status that the client got; without one, the request was interrupted.
    pub status: Option<Option<u16>>,
    /// The route of the last attempt.
    pub route: Option<Option<Route>>,
    /// The dialect that the client spoke.
    pub dialect: Option<Dialect>,
    /// The end that the client saw.
    pub outcome: Option<Outcome>,
}

/// A tag that requests must have, or must not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagFilter {
    /// The name of the tag.
    pub name: String,
    /// The value; `None`: requests without the tag.
    pub value: Option<String>,
}

impl Filters {
    /// No filter: all requests pass.
    pub const NONE: Self = Self {
        alias: None,
        provider: None,
        model: None,
        api_key: None,
        client: None,
        session: None,
        tag: None,
        status: None,
        route: None,
        dialect: None,
        outcome: None,
    };

    /// The filter for one API key.
    pub fn of_key(key: ApiKeyId) -> Self {
        Self { api_key: Some(Some(key)), ..Self::default() }
    }

    /// True if a filter needs rows: the hourly sums know neither sessions nor outcomes.
    pub const fn needs_rows(&self) -> bool {
        self.session.is_some() || self.outcome.is_some()
    }
}
