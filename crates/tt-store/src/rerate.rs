//! Re-pricing recorded requests: the question, the answer, and, pure, the new row of each request.

use diesel::prelude::*;
use tt_core::cost::CostByClass;
use tt_core::plan::Route;
use tt_core::price::PriceTable;
use tt_core::record::Totals;
use tt_core::{NanoUsd, Provider, RequestId, Tags, Timestamp, UsageSource};

use crate::batch::Batch;
use crate::decode;
use crate::details::Details;
use crate::error::Result;
use crate::rollup::{Key, charge};
use crate::schema::request_logs;
use crate::sums::{COSTS, Sum, Sums};

/// The place of a row in the log: its time and id.
pub type Place = (Timestamp, RequestId);

/// Recorded requests of all users to price again: a step of a walk from the oldest on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rerate {
    /// Only requests that arrived at this moment or later.
    pub from: Timestamp,
    /// Only requests that arrived before this moment.
    pub to: Timestamp,
    /// Only requests after this place, at which the step before ended.
    pub after: Option<Place>,
    /// The largest number of requests in the step.
    pub limit: u32,
    /// The time of the step, for the alerts about what it makes spent.
    pub now: Timestamp,
}

/// The result of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rerated {
    /// The requests of the step, changed or not; those that billed nothing are left out.
    pub requests: Vec<Repriced>,
    /// The place after which the next step begins; `None`: there is nothing left.
    pub next: Option<Place>,
}

/// One request's cost at first and now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repriced {
    /// The provider of its last attempt.
    pub provider: Option<Provider>,
    /// The upstream model of its last attempt.
    pub model: Option<String>,
    /// The known cost by the prices before; `None` where none is known.
    pub before: Option<NanoUsd>,
    /// The known cost by the new prices; `None` where none is known.
    pub after: Option<NanoUsd>,
}

/// The part of a logged request that its cost depends on, and the dimensions of its sums.
#[derive(Queryable, Selectable)]
#[diesel(table_name = request_logs)]
pub(crate) struct Held {
    created_at: i64,
    request_id: String,
    user_id: i64,
    api_key_id: Option<i64>,
    alias: String,
    route: Option<String>,
    provider: Option<String>,
    model: Option<String>,
    status: Option<i64>,
    usage_source: String,
    cost_nano: Option<i64>,
    unpriced: bool,
    saved_nano: i64,
    dialect: String,
    client: Option<String>,
    tags: Option<String>,
    details: String,
}

/// The columns [`COSTS`] of a logged request. Diesel's table does not have them: with them it would have more columns
/// than its quicker builds take.
pub(crate) type Costs = (i64, i64, i64, i64, i64);

fn by_class((input, cached, write, output, fees): Costs) -> CostByClass {
    CostByClass::of_parts([input, cached, write, output, fees].map(NanoUsd))
}

/// A row whose price changed, or whose cost by class was not known.
pub(crate) struct Change {
    created_at: i64,
    request_id: String,
    details: String,
    cost: Option<i64>,
    unpriced: bool,
    saved: i64,
    by_class: CostByClass,
    /// The key of its sums.
    pub(crate) key: Key,
    /// The UTC day its tags count in.
    pub(crate) day: i64,
    /// Its tags as they are stored.
    pub(crate) tags: Vec<(String, String)>,
    /// The change of the sums.
    pub(crate) delta: Sums,
    /// The change of the amount that the request takes from budgets, in nano-dollars. It differs from that of the cost
    /// where an attempt had no price before, for which a hold was charged.
    pub(crate) charged_delta: i64,
}

/// The first columns of [`logs`], which say whose they are.
pub(crate) const KEYS: usize = 2;

/// Prices `rows`, the rows of `step`, and returns the result of the step with the rows that change.
pub(crate) fn price(rows: Vec<(Held, Costs)>, prices: &PriceTable, step: &Rerate) -> Result<(Rerated, Vec<Change>)> {
    let full = rows.len() >= usize::try_from(step.limit).unwrap_or(usize::MAX);
    let next = rows.last().filter(|_| full).map(|(row, _)| row.place()).transpose()?;
    let (mut requests, mut changes) = (Vec::with_capacity(rows.len()), Vec::new());
    for (row, costs) in rows {
        let costs = by_class(costs);
        let mut details: Details = decode::from_json(&row.details)?;
        let mut repriced = Repriced {
            provider: row.provider.as_deref().map(decode::parsed).transpose()?,
            model: row.model.clone(),
            before: row.cost_nano.map(NanoUsd),
            after: row.cost_nano.map(NanoUsd),
        };
        let charged_before = charge(&Totals::of(&details.attempts));
        let is_repriced = prices.reprice(&mut details.attempts);
        let mut totals = Totals::of(&details.attempts);
        let is_whole = totals.cost == Some(totals.by_class.total());
        if !is_repriced && !is_whole {
            // This table lacks a price that an earlier one had: what is known of the parts stays.
            totals.by_class = costs;
        }
        if is_repriced || totals.by_class != costs {
            repriced.after = totals.cost;
            changes.push(row.changed(&costs, &details, &totals, charged_before)?);
        }
        requests.push(repriced);
    }
    Ok((Rerated { requests, next }, changes))
}

impl Held {
    fn place(&self) -> Result<Place> {
        Ok((Timestamp::from_millis(self.created_at), decode::parsed(&self.request_id)?))
    }

    fn changed(self, costs: &CostByClass, details: &Details, totals: &Totals, charged_before: i64) -> Result<Change> {
        // A request of unknown usage counts as unpriced, as it does in the drain: its cost is not known in full.
        let unknown = decode::source(&self.usage_source)? == UsageSource::Unknown;
        let part = |cost: Option<i64>, unpriced: bool, saved: i64, by_class: &CostByClass| {
            let sums = Sums::of([
                (Sum::Cost, cost.unwrap_or(0)),
                (Sum::Unpriced, i64::from(unpriced || unknown)),
                (Sum::Costless, i64::from(cost.is_none())),
                (Sum::Saved, saved),
            ]);
            sums.with_costs(by_class)
        };
        let (cost, unpriced, saved) = (totals.cost.map(|cost| cost.0), totals.unpriced, totals.saved.0);
        let mut delta = part(cost, unpriced, saved, &totals.by_class);
        delta.subtract(&part(self.cost_nano, self.unpriced, self.saved_nano, costs));
        let at = Timestamp::from_millis(self.created_at);
        let tags: Tags = self.tags.as_deref().map(decode::from_json).transpose()?.unwrap_or_default();
        Ok(Change {
            created_at: self.created_at,
            request_id: self.request_id,
            details: details.json()?,
            cost,
            unpriced,
            saved,
            by_class: totals.by_class,
            key: Key {
                user: self.user_id,
                hour: at.hour().millis(),
                provider: self
                    .provider
                    .as_deref()
                    .map(decode::parsed::<Provider>)
                    .transpose()?
                    .map_or("", Provider::as_str),
                alias: self.alias,
                model: self.model.unwrap_or_default(),
                api_key: self.api_key_id.unwrap_or(0),
                status: self.status.unwrap_or(0),
                route: self.route.as_deref().map(decode::route).transpose()?.map_or("", Route::as_str),
                dialect: decode::dialect(&self.dialect)?.as_str(),
                client: self.client.unwrap_or_default(),
            },
            day: at.day().millis(),
            tags: tags.iter().map(|(name, value)| (decode::storable(name), decode::storable(value))).collect(),
            delta,
            charged_delta: charge(totals) - charged_before,
        })
    }
}

/// The changed columns of `request_logs`.
pub(crate) fn logs(changes: &[Change]) -> Batch {
    let batch = named("request_logs", changes)
        .maybe_big("cost_nano", changes, |change| change.cost)
        .bool("unpriced", changes, |change| change.unpriced)
        .big("saved_nano", changes, |change| change.saved)
        .text("details", changes, |change| change.details.clone());
    COSTS
        .into_iter()
        .enumerate()
        .fold(batch, |batch, (at, name)| batch.big(name, changes, |change| change.by_class.parts()[at].0))
}

fn named(table: &'static str, changes: &[Change]) -> Batch {
    Batch::new(table)
        .big("created_at", changes, |change| change.created_at)
        .text("request_id", changes, |change| change.request_id.clone())
}
