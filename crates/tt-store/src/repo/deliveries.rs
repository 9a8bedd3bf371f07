//! Deliveries of alerts to webhooks: claimed by the process that sends them, listed for the webhook's owner.

use diesel::dsl::{max, min};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use tt_core::{DeliveryId, SealId, Sealed, Timestamp, UserId, WebhookId};

use super::Conn;
use crate::decode::{self, column, count};
use crate::error::{Object, Result, StoreError};
use crate::schema::{alerts, webhook_deliveries as deliveries, webhooks};
use crate::webhook::{Attempted, ClaimedDelivery, Delivery, WebhookSecret};

/// Rows deleted by one statement.
const CHUNK: i64 = 1000;

#[derive(Queryable)]
struct Row {
    id: i64,
    event_id: String,
    event: String,
    created_at: i64,
    attempts: i64,
    last_attempt_at: Option<i64>,
    last_status: Option<i64>,
    last_error: Option<String>,
    delivered_at: Option<i64>,
    next_attempt_at: Option<i64>,
}

impl TryFrom<Row> for Delivery {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self> {
        let time = |millis: Option<i64>| millis.map(Timestamp::from_millis);
        Ok(Self {
            id: DeliveryId(row.id),
            event_id: row.event_id,
            event: row.event,
            created_at: Timestamp::from_millis(row.created_at),
            attempts: count(row.attempts),
            last_attempt_at: time(row.last_attempt_at),
            last_status: row.last_status.map(decode::status).transpose()?,
            last_error: row.last_error,
            delivered_at: time(row.delivered_at),
            next_attempt_at: time(row.next_attempt_at),
        })
    }
}

/// The columns of [`Row`].
macro_rules! row {
    () => {
        (
            deliveries::id,
            alerts::event_id,
            alerts::event,
            deliveries::created_at,
            deliveries::attempts,
            deliveries::last_attempt_at,
            deliveries::last_status,
            deliveries::last_error,
            deliveries::delivered_at,
            deliveries::next_attempt_at,
        )
    };
}

/// Deliveries to one of the user's webhooks, newest first, those before `before`.
pub(crate) async fn list(
    c: &mut Conn,
    user: UserId,
    webhook: WebhookId,
    before: Option<DeliveryId>,
    limit: u32,
) -> Result<Vec<Delivery>> {
    let rows: Vec<Row> = deliveries::table
        .inner_join(alerts::table.on(alerts::id.eq(deliveries::alert_id)))
        .filter(deliveries::user_id.eq(user.0))
        .filter(deliveries::webhook_id.eq(webhook.0))
        .filter(deliveries::id.lt(before.map_or(i64::MAX, |id| id.0)))
        .order(deliveries::id.desc())
        .limit(i64::from(limit))
        .select(row!())
        .load(c)
        .await?;
    rows.into_iter().map(Delivery::try_from).collect()
}

/// Makes a delivery due at `now` again, whatever became of it.
pub(crate) async fn again(
    c: &mut Conn,
    user: UserId,
    webhook: WebhookId,
    id: DeliveryId,
    now: Timestamp,
) -> Result<Delivery> {
    tx!(c, {
        let own = deliveries::table
            .filter(deliveries::user_id.eq(user.0))
            .filter(deliveries::webhook_id.eq(webhook.0))
            .filter(deliveries::id.eq(id.0));
        let none: Option<i64> = None;
        let changed = diesel::update(own)
            .set((
                deliveries::next_attempt_at.eq(now.millis()),
                deliveries::first_attempt_at.eq(none),
                deliveries::delivered_at.eq(none),
            ))
            .execute(c)
            .await?;
        if changed == 0 {
            return Err(StoreError::NotFound(Object::Delivery));
        }
        let row: Row = deliveries::table
            .inner_join(alerts::table.on(alerts::id.eq(deliveries::alert_id)))
            .filter(deliveries::id.eq(id.0))
            .select(row!())
            .first(c)
            .await?;
        row.try_into()
    })
}

/// The users with deliveries that are due at `now`, at most `limit`, those who wait longest first.
pub(crate) async fn due_users(c: &mut Conn, now: Timestamp, limit: u32) -> Result<Vec<UserId>> {
    let users: Vec<(i64, Option<i64>)> = deliveries::table
        .filter(deliveries::next_attempt_at.le(now.millis()))
        .group_by(deliveries::user_id)
        .order(min(deliveries::next_attempt_at))
        .limit(i64::from(limit))
        .select((deliveries::user_id, min(deliveries::next_attempt_at)))
        .load(c)
        .await?;
    Ok(users.into_iter().map(|(user, _)| UserId(user)).collect())
}

type ClaimedRow = (
    (i64, i64, Option<i64>),
    (Option<String>, Option<String>, Option<String>),
    (Option<i64>, Option<i64>, Option<String>, Option<String>, Option<String>),
);

/// Takes at most `limit` deliveries of a user that are due at `now`. No other process takes them before `until`, when
/// they are due again. Those whose webhook or alert is gone are deleted.
pub(crate) async fn claim(
    c: &mut Conn,
    user: UserId,
    now: Timestamp,
    until: Timestamp,
    limit: u32,
) -> Result<Vec<ClaimedDelivery>> {
    tx!(c, {
        let due = super::native::due_deliveries(c, user.0, now.millis(), i64::from(limit)).await?;
        diesel::update(deliveries::table.filter(deliveries::id.eq_any(&due)))
            .set((
                deliveries::next_attempt_at.eq(until.millis()),
                deliveries::attempts.eq(deliveries::attempts + 1),
                deliveries::last_attempt_at.eq(now.millis()),
            ))
            .execute(c)
            .await?;
        diesel::update(
            deliveries::table.filter(deliveries::id.eq_any(&due)).filter(deliveries::first_attempt_at.is_null()),
        )
        .set(deliveries::first_attempt_at.eq(now.millis()))
        .execute(c)
        .await?;
        let rows: Vec<ClaimedRow> = deliveries::table
            .left_join(alerts::table.on(alerts::id.eq(deliveries::alert_id)))
            .left_join(webhooks::table.on(webhooks::id.eq(deliveries::webhook_id)))
            .filter(deliveries::id.eq_any(&due))
            .order(deliveries::id)
            .select((
                (deliveries::id, deliveries::attempts, deliveries::first_attempt_at),
                (alerts::event_id.nullable(), alerts::event.nullable(), alerts::body.nullable()),
                (
                    webhooks::id.nullable(),
                    webhooks::user_id.nullable(),
                    webhooks::url.nullable(),
                    webhooks::seal_id.nullable(),
                    webhooks::sealed.nullable(),
                ),
            ))
            .load(c)
            .await?;
        let (mut claimed, mut gone) = (Vec::new(), Vec::new());
        for row in rows {
            let (id, ..) = row.0;
            match of_row(row, now)? {
                Some(delivery) => claimed.push(delivery),
                None => gone.push(id),
            }
        }
        if !gone.is_empty() {
            diesel::delete(deliveries::table.filter(deliveries::id.eq_any(gone))).execute(c).await?;
        }
        Ok(claimed)
    })
}

/// A claimed delivery; `None` if its webhook or its alert is gone.
fn of_row(row: ClaimedRow, now: Timestamp) -> Result<Option<ClaimedDelivery>> {
    let ((id, attempts, first), alert, webhook) = row;
    let (Some(event_id), Some(event), Some(body)) = alert else { return Ok(None) };
    let (Some(webhook), Some(owner), Some(url), Some(seal), Some(sealed)) = webhook else { return Ok(None) };
    Ok(Some(ClaimedDelivery {
        id: DeliveryId(id),
        attempt: count(attempts),
        first_attempt_at: first.map_or(now, Timestamp::from_millis),
        event_id,
        event,
        body,
        url: decode::name(url)?,
        secret: WebhookSecret {
            id: WebhookId(webhook),
            user_id: UserId(owner),
            seal_id: SealId(seal),
            sealed: Sealed(sealed),
        },
    }))
}

/// Writes the outcomes of attempts. A failure changes nothing if another attempt has begun since; one that the receiver
/// took is delivered in any case.
pub(crate) async fn attempted(c: &mut Conn, mut outcomes: Vec<Attempted>) -> Result<()> {
    // In order of id, as every replica does it: two of them cannot wait for each other.
    outcomes.sort_unstable_by_key(|outcome| outcome.id);
    tx!(c, {
        for Attempted { id, attempt, at, status, error, next_attempt_at } in outcomes {
            let delivery = deliveries::table.filter(deliveries::id.eq(id.0));
            let (status, none) = (status.map(i64::from), None::<i64>);
            match error {
                None => {
                    diesel::update(delivery)
                        .set((
                            deliveries::delivered_at.eq(at.millis()),
                            deliveries::next_attempt_at.eq(none),
                            deliveries::last_status.eq(status),
                            deliveries::last_error.eq(None::<String>),
                        ))
                        .execute(c)
                        .await?;
                }
                Some(error) => {
                    diesel::update(
                        delivery
                            .filter(deliveries::attempts.eq(column(attempt)))
                            .filter(deliveries::next_attempt_at.is_not_null()),
                    )
                    .set((
                        deliveries::next_attempt_at.eq(next_attempt_at.map(Timestamp::millis)),
                        deliveries::last_status.eq(status),
                        deliveries::last_error.eq(error),
                    ))
                    .execute(c)
                    .await?;
                }
            }
        }
        Ok(())
    })
}

/// Gives up what waits to be sent to a webhook, which was switched off.
pub(crate) async fn give_up(c: &mut Conn, webhook: WebhookId) -> Result<()> {
    let waiting = deliveries::table
        .filter(deliveries::webhook_id.eq(webhook.0))
        .filter(deliveries::next_attempt_at.is_not_null());
    diesel::update(waiting)
        .set((deliveries::next_attempt_at.eq(None::<i64>), deliveries::last_error.eq("the webhook was switched off")))
        .execute(c)
        .await?;
    Ok(())
}

/// Deletes the deliveries to a webhook, which is deleted.
pub(crate) async fn delete_of(c: &mut Conn, webhook: WebhookId) -> Result<()> {
    diesel::delete(deliveries::table.filter(deliveries::webhook_id.eq(webhook.0))).execute(c).await?;
    Ok(())
}

/// Deletes, of each webhook, the deliveries beyond the newest `most`, and then, of all, finished ones and alerts that are
/// older than `before`. Returns the number of deliveries.
pub(crate) async fn prune(c: &mut Conn, before: Timestamp, most: u32) -> Result<usize> {
    let most = i64::from(most);
    let full: Vec<(i64, Option<i64>)> = deliveries::table
        .group_by(deliveries::webhook_id)
        .having(diesel::dsl::count_star().gt(most))
        .select((deliveries::webhook_id, max(deliveries::id)))
        .load(c)
        .await?;
    let mut deleted = 0;
    for (webhook, _) in full {
        loop {
            let beyond: Vec<i64> = deliveries::table
                .filter(deliveries::webhook_id.eq(webhook))
                .order(deliveries::id.desc())
                .offset(most)
                .limit(CHUNK)
                .select(deliveries::id)
                .load(c)
                .await?;
            if beyond.is_empty() {
                break;
            }
            deleted += diesel::delete(deliveries::table.filter(deliveries::id.eq_any(beyond))).execute(c).await?;
        }
    }
    loop {
        let old: Vec<i64> = deliveries::table
            .filter(deliveries::created_at.lt(before.millis()))
            .filter(deliveries::next_attempt_at.is_null())
            .limit(CHUNK)
            .select(deliveries::id)
            .load(c)
            .await?;
        if old.is_empty() {
            break;
        }
        deleted += diesel::delete(deliveries::table.filter(deliveries::id.eq_any(old))).execute(c).await?;
    }
    // The name of an alert must be known for as long as the same thing could be noticed again.
    let unused = diesel::dsl::not(diesel::dsl::exists(
        deliveries::table.filter(deliveries::alert_id.eq(alerts::id)).select(deliveries::id),
    ));
    diesel::delete(alerts::table.filter(alerts::created_at.lt(before.millis())).filter(unused)).execute(c).await?;
    Ok(deleted)
}
