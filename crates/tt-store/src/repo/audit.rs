//! The audit trail: entries are written beside the changes that they are about, and read by page.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use tt_core::{Timestamp, UserId};

use super::Conn;
use crate::audit::{Action, Actor, AuditEntry, AuditQuery, Author, Failures, LONGEST};
use crate::error::Result;
use crate::schema::{audit, users};

#[derive(Insertable)]
#[diesel(table_name = audit)]
struct NewRow {
    at: i64,
    user_id: Option<i64>,
    actor: Option<String>,
    action: &'static str,
    object: String,
    detail: String,
    address: Option<String>,
}

impl NewRow {
    fn of(by: &Author, action: Action, object: String, detail: String) -> Self {
        let short = |text: String| text.chars().take(LONGEST).collect();
        Self {
            at: by.at.millis(),
            user_id: None,
            actor: None,
            action: action.as_str(),
            object: short(object),
            detail: short(detail),
            address: by.address.map(|address| address.to_string()),
        }
    }

    async fn insert(self, c: &mut Conn) -> Result<()> {
        diesel::insert_into(audit::table).values(self).execute(c).await?;
        Ok(())
    }
}

/// Writes that `by` did `action` to `object`. Call it in the transaction of the change.
pub(crate) async fn note(c: &mut Conn, by: &Author, action: Action, object: String, detail: String) -> Result<()> {
    let mut row = NewRow::of(by, action, object, detail);
    match by.actor {
        Actor::User(id, key) => {
            row.user_id = Some(id.0);
            row.actor = email(c, id).await?;
            if let Some(key) = key {
                let separator = if row.detail.is_empty() { "" } else { "; " };
                row.detail.push_str(&format!("{separator}by api_key {key}"));
            }
        }
        Actor::Operator => row.actor = Some("cli".to_owned()),
        Actor::Newcomer => {}
    }
    row.insert(c).await
}

/// Writes that a user was made: by themself, or by the operator.
pub(crate) async fn note_new_user(c: &mut Conn, by: &Author, id: UserId, email: &str) -> Result<()> {
    let object = format!("user {id}");
    match by.actor {
        Actor::Newcomer => {
            let row = NewRow::of(by, Action::SignedUp, object, String::new());
            NewRow { user_id: Some(id.0), actor: Some(email.to_owned()), ..row }.insert(c).await
        }
        Actor::Operator | Actor::User(..) => note(c, by, Action::UserCreated, object, email.to_owned()).await,
    }
}

/// Writes failed tries, an entry for each.
pub(crate) async fn note_failures(c: &mut Conn, failures: Vec<Failures>, at: Timestamp) -> Result<()> {
    tx!(c, {
        for Failures { user, address, action, count } in failures {
            let tries = if count == 1 { "1 try".to_owned() } else { format!("{count} tries") };
            let detail = if address.is_some() { tries } else { format!("{tries}, from many addresses") };
            let by = Author { actor: Actor::Newcomer, address, at };
            let object = user.map_or_else(|| "an unknown account".to_owned(), |id| format!("user {id}"));
            let mut row = NewRow::of(&by, action, object, detail);
            if let Some(id) = user {
                row.user_id = Some(id.0);
                row.actor = email(c, id).await?;
            }
            row.insert(c).await?;
        }
        Ok(())
    })
}

async fn email(c: &mut Conn, id: UserId) -> Result<Option<String>> {
    Ok(users::table.find(id.0).select(users::email).first(c).await.optional()?)
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = audit)]
struct Row {
    id: i64,
    at: i64,
    actor: Option<String>,
    action: String,
    object: String,
    detail: String,
    address: Option<String>,
}

impl From<Row> for AuditEntry {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            at: Timestamp::from_millis(row.at),
            actor: row.actor,
            action: row.action,
            object: row.object,
            detail: row.detail,
            address: row.address,
        }
    }
}

/// The entries that match `query`, newest first.
pub(crate) async fn list(c: &mut Conn, query: AuditQuery) -> Result<Vec<AuditEntry>> {
    use audit::{at, id, user_id};
    let mut rows = audit::table.into_boxed();
    if let Some(user) = query.user {
        rows = rows.filter(user_id.eq(user.0));
    }
    if let Some((moment, last)) = query.before {
        let moment = moment.millis();
        // The second condition alone would do. The first, which is weaker, is the one that an index serves.
        rows = rows.filter(at.le(moment)).filter(at.lt(moment).or(id.lt(last)));
    }
    if let Some(from) = query.from {
        rows = rows.filter(at.ge(from.millis()));
    }
    if let Some(to) = query.to {
        rows = rows.filter(at.lt(to.millis()));
    }
    let rows: Vec<Row> =
        rows.order((at.desc(), id.desc())).limit(i64::from(query.limit)).select(Row::as_select()).load(c).await?;
    Ok(rows.into_iter().map(AuditEntry::from).collect())
}

/// Entries deleted by one statement.
const CHUNK: i64 = 1000;

/// Deletes the entries of each user and action beyond the newest `most`; returns their number.
pub(crate) async fn prune(c: &mut Conn, most: u32) -> Result<usize> {
    use audit::{action, at, id, user_id};
    let most = i64::from(most);
    let full: Vec<(Option<i64>, String)> = audit::table
        .group_by((user_id, action))
        .having(diesel::dsl::count_star().gt(most))
        .select((user_id, action))
        .load(c)
        .await?;
    let mut deleted = 0;
    for (user, word) in full {
        loop {
            let rows = audit::table.filter(action.eq(&word)).into_boxed();
            let rows = match user {
                Some(user) => rows.filter(user_id.eq(user)),
                None => rows.filter(user_id.is_null()),
            };
            let beyond: Vec<i64> =
                rows.order((at.desc(), id.desc())).offset(most).limit(CHUNK).select(id).load(c).await?;
            if beyond.is_empty() {
                break;
            }
            deleted += diesel::delete(audit::table.filter(id.eq_any(beyond))).execute(c).await?;
        }
    }
    Ok(deleted)
}
