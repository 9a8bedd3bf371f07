//! Prices recorded requests again. Rows, their attempts and every sum that holds their cost change together; a
//! transaction holds some of the rows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use diesel_async::RunQueryDsl;
use tt_core::Timestamp;
use tt_core::price::PriceTable;

use super::Conn;
use super::tags::Group;
use crate::error::Result;
use crate::rerate::{self, Change, Costs, Held, Rerate, Rerated};
use crate::rollup::{self, ADD_HOURLY, ADD_TAGS_HOURLY, Hourly, Key, OTHER, TagKey, TagsHourly};
use crate::schema::request_logs;
use crate::sums::{COSTS, Sums};

/// Prices the rows of `step` by `prices` and writes what changed.
pub(crate) async fn write(c: &mut Conn, prices: Arc<PriceTable>, step: Rerate) -> Result<Rerated> {
    tx!(c, {
        // After the lock, rows are read by a statement of their own, which sees the changes of another re-pricing.
        super::native::lock_rerates(c).await?;
        let (rerated, changes) = rerate::price(held(c, &step).await?, &prices, &step)?;
        super::native::update(c, &rerate::logs(&changes), rerate::KEYS).await?;
        add_to_sums(c, &changes, step.now).await?;
        Ok(rerated)
    })
}

/// The result that [`write`] would have, without writing.
pub(crate) async fn preview(c: &mut Conn, prices: Arc<PriceTable>, step: Rerate) -> Result<Rerated> {
    Ok(rerate::price(held(c, &step).await?, &prices, &step)?.0)
}

/// The rows of `step` that billed something, oldest first.
async fn held(c: &mut Conn, step: &Rerate) -> Result<Vec<(Held, Costs)>> {
    use request_logs::{created_at, request_id, usage_source};
    let mut rows = request_logs::table
        .filter(created_at.ge(step.from.millis()))
        .filter(created_at.lt(step.to.millis()))
        .filter(usage_source.ne(tt_core::UsageSource::None.as_str()))
        .into_boxed();
    if let Some((at, id)) = step.after {
        let at = at.millis();
        // The second condition alone would do. The first, which is weaker, is the one that an index serves.
        rows = rows.filter(created_at.ge(at)).filter(created_at.gt(at).or(request_id.gt(id.to_string())));
    }
    let costs = sql::<(BigInt, BigInt, BigInt, BigInt, BigInt)>(&COSTS.join(", "));
    let rows = rows.order((created_at, request_id)).limit(i64::from(step.limit)).select((Held::as_select(), costs));
    Ok(rows.load(c).await?)
}

/// Adds the changes of cost to every sum that holds it. All re-pricing of sums is here. The sums are taken in the order
/// in which the drain writes them, so that the two cannot wait for each other.
async fn add_to_sums(c: &mut Conn, changes: &[Change], now: Timestamp) -> Result<()> {
    let mut hourly: BTreeMap<Key, Sums> = BTreeMap::new();
    let mut tagged: BTreeMap<TagKey, Sums> = BTreeMap::new();
    let mut counting: BTreeMap<Group, BTreeSet<String>> = BTreeMap::new();
    for Change { key, delta, .. } in changes {
        hourly.entry(key.clone()).or_default().add(delta);
    }
    for Change { key, delta, tags, day, .. } in changes {
        for (name, value) in tags {
            let group = (key.user, *day, name.clone());
            // A value that counted by itself when the row was stored still does, and another value does not.
            let known = match counting.entry(group) {
                std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
                std::collections::btree_map::Entry::Vacant(place) => {
                    let known = super::tags::known(c, place.key()).await?;
                    place.insert(known)
                }
            };
            let value = if known.contains(value) { value.as_str() } else { OTHER };
            tagged.entry((name.clone(), value.to_owned(), key.clone())).or_default().add(delta);
        }
    }
    super::native::insert_as::<Hourly>(c, rollup::hourly(hourly), &ADD_HOURLY).await?;
    super::native::insert_as::<TagsHourly>(c, rollup::tags_hourly(tagged), &ADD_TAGS_HOURLY).await?;
    let amounts = changes.iter().map(|Change { key, charged_delta, .. }| {
        (key.user, key.api_key, Timestamp::from_millis(key.hour), *charged_delta)
    });
    let spent = super::spending::add(c, amounts).await?;
    super::alerts::of_spending(c, &spent, now).await
}
