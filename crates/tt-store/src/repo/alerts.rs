//! Alerts: written once each, with a delivery for every webhook that subscribes to them.
//!
//! Alerts that the drain notices (thresholds of budgets, missing prices, gaps) are written in its transaction. So no crash
//! loses such an alert, and a batch that comes again makes none twice. Where nobody has a webhook, that costs one look at
//! an index for each batch.

use std::collections::{BTreeMap, BTreeSet};

use diesel::dsl::{exists, select};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use tt_core::alert::{Alert, AlertData, AlertedBudget, Event, GapKind, Subject, WebhookScope, crossed};
use tt_core::budget::{Budget, BudgetKind};
use tt_core::record::{Attempt, Outcome};
use tt_core::time::DAY_MS;
use tt_core::{ApiKeyId, NanoUsd, Role, Timestamp, UsageSource, UserId};

use super::Conn;
use super::spending::Key;
use crate::alert_id;
use crate::batch::Batch;
use crate::decode::{self, BudgetColumns, storable};
use crate::error::Result;
use crate::rollup::Row;
use crate::schema::{alerts, api_keys, spending, users, webhooks};

/// The times before the end of an API key at which its owner is told, in days, the longest first.
const EXPIRY_DAYS: [u8; 2] = [7, 1];

/// A webhook that takes alerts.
struct Subscriber {
    webhook: i64,
    user: UserId,
    scope: WebhookScope,
    events: Vec<Event>,
}

impl Subscriber {
    fn takes(&self, subject: Subject, event: Event) -> bool {
        let concerned = match subject {
            Subject::User(user) => self.scope == WebhookScope::Own && self.user == user,
            Subject::Installation => self.scope == WebhookScope::Installation,
        };
        concerned && self.events.contains(&event)
    }
}

/// The webhooks that take alerts about `concerned`, or about the installation.
struct Subscribers(Vec<Subscriber>);

impl Subscribers {
    /// Those among active webhooks: of users who may do something, and of the installation only while their owner is an
    /// administrator.
    async fn of(c: &mut Conn, concerned: impl Iterator<Item = UserId>) -> Result<Self> {
        let any: bool = select(exists(webhooks::table.filter(webhooks::active))).get_result(c).await?;
        if !any {
            return Ok(Self(Vec::new()));
        }
        let concerned: BTreeSet<i64> = concerned.map(|user| user.0).collect();
        let own = webhooks::scope.eq(WebhookScope::Own.as_str()).and(webhooks::user_id.eq_any(concerned));
        let of_all = webhooks::scope.eq(WebhookScope::Installation.as_str()).and(users::role.eq(Role::Admin.as_str()));
        let rows: Vec<(i64, i64, String, String)> = webhooks::table
            .inner_join(users::table.on(users::id.eq(webhooks::user_id)))
            .filter(webhooks::active)
            .filter(users::disabled.eq(false))
            .filter(own.or(of_all))
            .order(webhooks::id)
            .select((webhooks::id, webhooks::user_id, webhooks::scope, webhooks::events))
            .load(c)
            .await?;
        // Words that a later version has written are passed over: the drain must not stop at them.
        let subscriber = |(webhook, user, scope, events): (i64, i64, String, String)| {
            let events = events.split_whitespace().filter_map(|word| word.parse().ok()).collect();
            Some(Subscriber { webhook, user: UserId(user), scope: scope.parse().ok()?, events })
        };
        Ok(Self(rows.into_iter().filter_map(subscriber).collect()))
    }

    fn any_takes(&self, subject: Subject, event: Event) -> bool {
        self.0.iter().any(|subscriber| subscriber.takes(subject, event))
    }

    /// The subjects whose alerts about `event` anybody takes: the user, and the installation.
    fn subjects(&self, user: UserId, event: Event) -> impl Iterator<Item = Subject> {
        [Subject::User(user), Subject::Installation].into_iter().filter(move |subject| self.any_takes(*subject, event))
    }
}

/// Writes alerts that have been noticed outside of the drain. Returns the number of those that are new and that somebody
/// subscribes to.
pub(crate) async fn raise(c: &mut Conn, alerts: Vec<Alert>) -> Result<usize> {
    tx!(c, {
        let concerned = alerts.iter().filter_map(|alert| match alert.subject {
            Subject::User(user) => Some(user),
            Subject::Installation => None,
        });
        let subscribers = Subscribers::of(c, concerned).await?;
        write(c, &subscribers, alerts).await
    })
}

/// Notices what `rows`, which have just been inserted, are to be told of. `sums` is what they have added to each spending.
pub(crate) async fn of_rows(c: &mut Conn, rows: &[Row<'_>], sums: &[(Key, i64)]) -> Result<()> {
    let subscribers = Subscribers::of(c, rows.iter().map(|row| UserId(row.key.user))).await?;
    if subscribers.0.is_empty() {
        return Ok(());
    }
    let mut noticed = thresholds(c, &subscribers, sums, |user| {
        let of_user = rows.iter().filter(|row| row.key.user == user);
        of_user.map(|row| row.settlement.settled_at()).max()
    })
    .await?;
    noticed.extend(missing_prices(&subscribers, rows));
    noticed.extend(gaps(&subscribers, rows));
    write(c, &subscribers, noticed).await.map(|_| ())
}

/// Notices the thresholds that `sums` cross, which requests that are priced again have added to spending at `at`.
pub(crate) async fn of_spending(c: &mut Conn, sums: &[(Key, i64)], at: Timestamp) -> Result<()> {
    let subscribers = Subscribers::of(c, sums.iter().map(|((user, ..), _)| UserId(*user))).await?;
    if subscribers.0.is_empty() {
        return Ok(());
    }
    let noticed = thresholds(c, &subscribers, sums, |_| Some(at)).await?;
    write(c, &subscribers, noticed).await.map(|_| ())
}

/// Writes alerts that somebody takes, unless they are known, and a delivery for each of these webhooks. Returns the number
/// of new alerts.
async fn write(c: &mut Conn, subscribers: &Subscribers, mut noticed: Vec<Alert>) -> Result<usize> {
    noticed.retain(|alert| subscribers.any_takes(alert.subject, alert.data.event()));
    // Every process writes in the same order, so that two of them cannot wait for each other.
    let name = |alert: &Alert| (alert.subject, alert.data.event(), alert.once());
    noticed.sort_by_cached_key(name);
    noticed.dedup_by_key(|alert| name(alert));
    let (mut new, mut deliveries) = (0, Vec::new());
    for alert in noticed {
        let event_id = alert_id::new(alert.at);
        let user = match alert.subject {
            Subject::User(user) => user.0,
            Subject::Installation => 0,
        };
        let id: Option<i64> = diesel::insert_into(alerts::table)
            .values((
                alerts::user_id.eq(user),
                alerts::event.eq(alert.data.event().as_str()),
                alerts::once.eq(storable(&alert.once())),
                alerts::event_id.eq(&event_id),
                alerts::body.eq(storable(&alert.body(&event_id).map_err(crate::StoreError::corrupt)?)),
                alerts::created_at.eq(alert.at.millis()),
            ))
            .on_conflict((alerts::user_id, alerts::event, alerts::once))
            .do_nothing()
            .returning(alerts::id)
            .get_result(c)
            .await
            .optional()?;
        let Some(id) = id else { continue };
        new += 1;
        let takers = subscribers.0.iter().filter(|one| one.takes(alert.subject, alert.data.event()));
        deliveries.extend(takers.map(|one| (one.webhook, one.user.0, id, alert.at.millis())));
    }
    let batch = Batch::new("webhook_deliveries")
        .big("webhook_id", &deliveries, |row| row.0)
        .big("user_id", &deliveries, |row| row.1)
        .big("alert_id", &deliveries, |row| row.2)
        .big("created_at", &deliveries, |row| row.3)
        .big("next_attempt_at", &deliveries, |row| row.3)
        .big("attempts", &deliveries, |_| 0);
    super::native::insert(c, batch, String::new()).await?;
    Ok(new)
}

/// A budget with the spending that it counts: a user, a key of theirs or 0.
type Counted = (i64, i64, BudgetKind, Budget);

/// The thresholds of budgets that `sums` cross. `at` is the time of a user's alerts.
async fn thresholds(
    c: &mut Conn,
    subscribers: &Subscribers,
    sums: &[(Key, i64)],
    at: impl Fn(i64) -> Option<Timestamp>,
) -> Result<Vec<Alert>> {
    let told = |user: i64| subscribers.any_takes(Subject::User(UserId(user)), Event::BudgetThreshold);
    let sums: Vec<&(Key, i64)> = sums.iter().filter(|((user, ..), amount)| *amount > 0 && told(*user)).collect();
    if sums.is_empty() {
        return Ok(Vec::new());
    }
    let budgets = budgets(c, &sums).await?;
    let mut noticed = Vec::new();
    for ((user, key, period, start), amount) in sums {
        let (starts_at, counts) = (Timestamp::from_millis(*start), |(of, for_key, _, budget): &&Counted| {
            (*of, *for_key, budget.period) == (*user, *key, *period)
        });
        let counted: Vec<&Counted> = budgets.iter().filter(counts).collect();
        if counted.is_empty() {
            continue;
        }
        let after: i64 =
            spending::table.find((*user, *key, period.as_str(), *start)).select(spending::cost_nano).first(c).await?;
        let Some(at) = at(*user) else { continue };
        for (_, _, scope, budget) in counted {
            let alerted = AlertedBudget {
                scope: *scope,
                api_key_id: (*key != 0).then_some(ApiKeyId(*key)),
                limit_usd: budget.limit,
                period: *period,
                period_starts_at: starts_at,
                resets_at: period.resets_at(starts_at),
                soft: budget.soft,
            };
            let before = NanoUsd(after.saturating_sub(*amount));
            noticed.extend(crossed(budget.limit, before, NanoUsd(after)).map(|threshold_percent| Alert {
                subject: Subject::User(UserId(*user)),
                at,
                data: AlertData::BudgetThreshold { threshold_percent, spent_usd: NanoUsd(after), budget: alerted },
            }));
        }
    }
    Ok(noticed)
}

/// The budgets of the users and keys of `sums`.
async fn budgets(c: &mut Conn, sums: &[&(Key, i64)]) -> Result<Vec<Counted>> {
    let of_users: BTreeSet<i64> = sums.iter().map(|((user, ..), _)| *user).collect();
    let of_keys: BTreeSet<i64> = sums.iter().map(|((_, key, ..), _)| *key).filter(|key| *key != 0).collect();
    let found: Vec<(i64, BudgetColumns, BudgetColumns)> = users::table
        .filter(users::id.eq_any(of_users))
        .filter(users::budget_period.is_not_null().or(users::own_budget_period.is_not_null()))
        .select((
            users::id,
            (users::own_budget_nano, users::own_budget_period, users::own_budget_soft),
            (users::budget_nano, users::budget_period, users::budget_soft),
        ))
        .load(c)
        .await?;
    let mut budgets = Vec::new();
    for (user, own, admin) in found {
        let of_user = decode::budgets(own, admin)?;
        budgets.extend(of_user.own.map(|budget| (user, 0, BudgetKind::UserOwn, budget)));
        budgets.extend(of_user.admin.map(|budget| (user, 0, BudgetKind::UserAdmin, budget)));
    }
    let found: Vec<(i64, i64, BudgetColumns)> = api_keys::table
        .filter(api_keys::id.eq_any(of_keys))
        .filter(api_keys::budget_period.is_not_null())
        .select((
            api_keys::user_id,
            api_keys::id,
            (api_keys::budget_nano, api_keys::budget_period, api_keys::budget_soft),
        ))
        .load(c)
        .await?;
    for (user, key, columns) in found {
        budgets.extend(decode::budget(columns)?.map(|budget| (user, key, BudgetKind::Key, budget)));
    }
    Ok(budgets)
}

/// The models without a price that `rows` called.
fn missing_prices(subscribers: &Subscribers, rows: &[Row<'_>]) -> Vec<Alert> {
    let unpriced = |attempt: &&Attempt| {
        attempt.ended.as_ref().is_some_and(|ended| {
            ended.cost.is_none() && !matches!(ended.source, UsageSource::None | UsageSource::Unknown)
        })
    };
    let mut noticed = Vec::new();
    for row in rows.iter().filter(|row| row.unpriced()) {
        let (user, request) = (UserId(row.key.user), row.settlement.intent.request_id);
        for subject in subscribers.subjects(user, Event::PriceMissing) {
            noticed.extend(row.settlement.attempts.iter().filter(unpriced).map(|attempt| Alert {
                subject,
                at: row.settlement.settled_at(),
                data: AlertData::PriceMissing {
                    provider: attempt.started.provider,
                    model: attempt.started.model.clone(),
                    request_id: (subject != Subject::Installation).then_some(request),
                },
            }));
        }
    }
    noticed
}

/// The gaps in the ledger that `rows` are, counted together by kind.
fn gaps(subscribers: &Subscribers, rows: &[Row<'_>]) -> Vec<Alert> {
    let mut found: BTreeMap<(Subject, GapKind), (u64, &Row<'_>)> = BTreeMap::new();
    for row in rows {
        let interrupted = row.settlement.settled.outcome == Outcome::Interrupted;
        let kinds = [(interrupted, GapKind::Interrupted), (row.usage_unknown() && !interrupted, GapKind::UnknownUsage)];
        for (_, kind) in kinds.into_iter().filter(|(is, _)| *is) {
            for subject in subscribers.subjects(UserId(row.key.user), Event::LedgerGap) {
                found.entry((subject, kind)).or_insert((0, row)).0 += 1;
            }
        }
    }
    let alert = |((subject, kind), (requests, first)): ((Subject, GapKind), (u64, &Row<'_>))| Alert {
        subject,
        at: first.settlement.settled_at(),
        data: AlertData::LedgerGap {
            kind,
            requests,
            request_id: (subject != Subject::Installation).then_some(first.settlement.intent.request_id),
        },
    };
    found.into_iter().map(alert).collect()
}

/// An API key, as far as its end is told.
#[derive(Queryable, Selectable)]
#[diesel(table_name = api_keys)]
struct KeyRow {
    id: i64,
    user_id: i64,
    name: Option<String>,
    prefix: String,
    created_at: i64,
    expires_at: Option<i64>,
}

/// Writes an alert for each API key that expires soon at `now`, with the id above `after`; looks at no more than `limit` of
/// them. Returns the last id that it has looked at, `None` at the end.
///
/// A key that was made for a shorter time than a warning is ahead has no such warning, and one that was replaced none at all.
pub(crate) async fn expiring_keys(
    c: &mut Conn,
    now: Timestamp,
    after: ApiKeyId,
    limit: u32,
) -> Result<Option<ApiKeyId>> {
    let longest = EXPIRY_DAYS.into_iter().max().map_or(0, i64::from) * DAY_MS;
    let subscribed = webhooks::table.filter(webhooks::active).select(webhooks::user_id);
    let keys: Vec<KeyRow> = api_keys::table
        .filter(api_keys::id.gt(after.0))
        .filter(api_keys::revoked_at.is_null())
        .filter(api_keys::grace_ends_at.is_null())
        .filter(api_keys::expires_at.gt(now.millis()))
        .filter(api_keys::expires_at.le(now.plus_millis(longest).millis()))
        .filter(api_keys::user_id.eq_any(subscribed))
        .order(api_keys::id)
        .limit(i64::from(limit))
        .select(KeyRow::as_select())
        .load(c)
        .await?;
    let last = keys.last().map(|key| ApiKeyId(key.id));
    let mut noticed = Vec::new();
    for KeyRow { id, user_id, name, prefix, created_at, expires_at } in keys {
        let Some(expires_at) = expires_at else { continue };
        // The shortest of the warnings whose time has come.
        let due = EXPIRY_DAYS.into_iter().filter(|days| {
            let from = expires_at.saturating_sub(i64::from(*days) * DAY_MS);
            from <= now.millis() && from > created_at
        });
        let Some(days) = due.min() else { continue };
        noticed.push(Alert {
            subject: Subject::User(UserId(user_id)),
            at: now,
            data: AlertData::KeyExpiring {
                api_key_id: ApiKeyId(id),
                name: name.map(decode::name).transpose()?,
                prefix,
                expires_at: Timestamp::from_millis(expires_at),
                days,
            },
        });
    }
    if !noticed.is_empty() {
        raise(c, noticed).await?;
    }
    Ok(last)
}

/// Deletes the alerts about a user, who is deleted, with the user's webhooks and their deliveries.
pub(crate) async fn delete_of(c: &mut Conn, user: UserId) -> Result<()> {
    use crate::schema::webhook_deliveries as deliveries;
    diesel::delete(deliveries::table.filter(deliveries::user_id.eq(user.0))).execute(c).await?;
    diesel::delete(webhooks::table.filter(webhooks::user_id.eq(user.0))).execute(c).await?;
    diesel::delete(alerts::table.filter(alerts::user_id.eq(user.0))).execute(c).await?;
    Ok(())
}
