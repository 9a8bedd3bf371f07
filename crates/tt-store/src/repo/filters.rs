//! Filters on rows of the log.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};
use tt_core::filters::{Filters, TagFilter};
use tt_core::plan::Route;
use tt_core::{ApiKeyId, Provider};

use super::Conn;
use crate::schema::request_logs;

/// A query of rows that conditions may be added to.
pub(crate) type Rows<'a> = request_logs::BoxedQuery<'a, <Conn as diesel_async::AsyncConnectionCore>::Backend>;

/// Keeps to the rows that pass `filters`.
pub(crate) fn fitting<'a>(mut rows: Rows<'a>, filters: Filters) -> Rows<'a> {
    use request_logs::{alias, api_key_id, client, dialect, model, outcome, provider, route, session, status};
    /// Adds a condition on a column that may be NULL.
    macro_rules! keep_to {
        ($column:ident, $wanted:expr) => {
            match $wanted {
                None => {}
                Some(Some(wanted)) => rows = rows.filter($column.eq(wanted)),
                Some(None) => rows = rows.filter($column.is_null()),
            }
        };
    }
    if let Some(wanted) = filters.alias {
        rows = rows.filter(alias.eq(wanted));
    }
    if let Some(wanted) = filters.dialect {
        rows = rows.filter(dialect.eq(wanted.as_str()));
    }
    if let Some(wanted) = filters.outcome {
        rows = rows.filter(outcome.eq(wanted.as_str()));
    }
    keep_to!(provider, filters.provider.map(|wanted| wanted.map(Provider::as_str)));
    keep_to!(model, filters.model);
    keep_to!(api_key_id, filters.api_key.map(|wanted| wanted.map(|ApiKeyId(id)| id)));
    keep_to!(client, filters.client);
    keep_to!(session, filters.session);
    keep_to!(status, filters.status.map(|wanted| wanted.map(i64::from)));
    keep_to!(route, filters.route.map(|wanted| wanted.map(Route::as_str)));
    match filters.tag {
        None => rows,
        Some(TagFilter { name, value }) => with_tag(rows, name, value),
    }
}

/// Keeps to the rows whose tag `name` has this value, or which do not have it.
fn with_tag(rows: Rows<'_>, name: String, value: Option<String>) -> Rows<'_> {
    let (before, after) = super::native::JSON_TEXT_OF_TAGS;
    let tag = sql::<Bool>("(").sql(before).bind::<Text, _>(name).sql(after);
    match value {
        Some(value) => rows.filter(tag.sql(" = ").bind::<Text, _>(value).sql(")")),
        None => rows.filter(tag.sql(" IS NULL)")),
    }
}
