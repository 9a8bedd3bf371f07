//! `/manage/audit`: the audit trail: logins, failed logins and changes, each with its author.

use schemars::JsonSchema;
use serde::Serialize;
use tt_core::{Role, Timestamp};
use tt_store::{AuditEntry, AuditQuery};

use crate::edge::context::Context;
use crate::edge::error::ApiError;
use crate::edge::fields::{moment, page_size};
use crate::edge::reply::Json;
use crate::state::directory::KnownCaller;

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AuditEntry")]
pub(crate) struct Entry {
    at: Timestamp,
    actor: Option<String>,
    action: String,
    object: String,
    detail: String,
    address: Option<String>,
}

impl From<AuditEntry> for Entry {
    fn from(entry: AuditEntry) -> Self {
        let AuditEntry { id: _, at, actor, action, object, detail, address } = entry;
        Self { at, actor, action, object, detail, address }
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AuditPage")]
pub(crate) struct Page {
    data: Vec<Entry>,
    next_cursor: Option<String>,
}

/// `GET /manage/audit`: a page of entries, the newest first: everybody's for an administrator, else the caller's own.
pub(crate) async fn list(cx: Box<Context>, caller: KnownCaller) -> Result<Json<Page>, ApiError> {
    let [limit, cursor, from, to] = cx.query(["limit", "cursor", "from", "to"])?;
    let limit = page_size(limit)?;
    let query = AuditQuery {
        user: match caller.role {
            Role::Admin => None,
            Role::User => Some(caller.user_id),
        },
        before: cursor.map(|text| position(&text)).transpose()?,
        from: from.map(|text| moment("from", &text)).transpose()?,
        to: to.map(|text| moment("to", &text)).transpose()?,
        // One entry more than the page holds tells whether there is a next page.
        limit: limit + 1,
    };
    cx.app.write_login_failures(false).await;
    let mut entries = cx.app.store.audit(query).await?;
    let page = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = entries.len() > page;
    entries.truncate(page);
    let next_cursor = entries.last().filter(|_| more).map(|entry| format!("{}-{}", entry.at.millis(), entry.id));
    Ok(Json(Page { data: entries.into_iter().map(Entry::from).collect(), next_cursor }))
}

/// The position that a cursor stands for: the time and the id of the last entry shown.
fn position(cursor: &str) -> Result<(Timestamp, i64), ApiError> {
    let parsed = || {
        let (at, id) = cursor.split_once('-')?;
        let (at, id): (i64, i64) = (at.parse().ok()?, id.parse().ok()?);
        (at >= 0 && id > 0 && format!("{at}-{id}") == cursor).then_some((Timestamp::from_millis(at), id))
    };
    parsed().ok_or_else(|| ApiError::invalid_field("cursor", "is not one that this call gave out"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_only_what_was_given_out() {
        assert_eq!(position("17-3").unwrap(), (Timestamp::from_millis(17), 3));
        for junk in ["", "17", "17-", "-3", "17-0", "+17-3", "17-03", "17-3-1", "x-3", "99999999999999999999-1"] {
            assert!(position(junk).is_err(), "{junk:?}");
        }
    }
}
