//! Sums by tag. A limited number of values of a tag count by themselves on a day; all others count as one.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use tt_core::query::TagSeen;
use tt_core::{Timestamp, UserId};

use super::Conn;
use crate::batch::Batch;
use crate::error::Result;
use crate::rollup::{self, ADD_TAGS_HOURLY, OTHER, Row, TAG_VALUES, TagsHourly};
use crate::schema::usage_tag_values;

/// The most names of tags that are listed, and the most pairs that are looked at for it.
const MOST_NAMES: usize = 100;
const MOST_PAIRS: i64 = 20_000;

/// User, UTC day and tag name: the number of values is limited for each such group.
pub(crate) type Group = (i64, i64, String);

/// Adds `rows` to the sums by tag. Call it in the transaction that inserts them.
pub(crate) async fn record(c: &mut Conn, rows: &[Row<'_>]) -> Result<()> {
    let mut wanted: BTreeMap<Group, BTreeSet<String>> = BTreeMap::new();
    for row in rows {
        for (name, value) in row.tags() {
            wanted.entry((row.key.user, row.day(), name)).or_default().insert(value);
        }
    }
    if wanted.is_empty() {
        return Ok(());
    }
    let counting = admit(c, wanted).await?;
    let sums = rollup::by_tag(rows, |user, day, name, value| {
        counting.get(&(user, day, name.to_owned())).is_some_and(|values| values.contains(value))
    });
    super::native::insert_as::<TagsHourly>(c, rollup::tags_hourly(sums), &ADD_TAGS_HOURLY).await
}

/// The values that count by themselves, after those of `wanted` that there is room for have been added, in their order.
async fn admit(c: &mut Conn, wanted: BTreeMap<Group, BTreeSet<String>>) -> Result<BTreeMap<Group, BTreeSet<String>>> {
    let mut counting = BTreeMap::new();
    let mut unsettled = Vec::new();
    for (group, values) in wanted {
        let known = known(c, &group).await?;
        if known.len() < TAG_VALUES && !values.is_subset(&known) {
            unsettled.push((group, values));
        } else {
            counting.insert(group, known);
        }
    }
    if unsettled.is_empty() {
        return Ok(counting);
    }
    // Most batches bring no new value, and need no lock.
    super::native::lock_tag_values(c).await?;
    let mut added: Vec<(Group, String)> = Vec::new();
    for (group, values) in unsettled {
        let mut known = known(c, &group).await?;
        for value in values {
            if known.len() < TAG_VALUES && value != OTHER && known.insert(value.clone()) {
                added.push((group.clone(), value));
            }
        }
        counting.insert(group, known);
    }
    let batch = Batch::new("usage_tag_values")
        .big("user_id", &added, |(group, _)| group.0)
        .big("day", &added, |(group, _)| group.1)
        .text("tag_name", &added, |(group, _)| group.2.clone())
        .text("tag_value", &added, |(_, value)| value.clone());
    super::native::insert(c, batch, "ON CONFLICT DO NOTHING".to_owned()).await?;
    Ok(counting)
}

/// The values of a group that count by themselves.
pub(crate) async fn known(c: &mut Conn, (user, on, name): &Group) -> Result<BTreeSet<String>> {
    use usage_tag_values::{day, tag_name, tag_value, user_id};
    let values: Vec<String> = usage_tag_values::table
        .filter(user_id.eq(user))
        .filter(day.eq(on))
        .filter(tag_name.eq(name))
        .select(tag_value)
        .load(c)
        .await?;
    Ok(values.into_iter().collect())
}

/// The tags of the user's requests on the days from that of `from` to that of the moment before `to`, by name: at most
/// [`MOST_NAMES`], with the values that count by themselves, at most [`TAG_VALUES`] each.
pub(crate) async fn seen(c: &mut Conn, user: UserId, from: Timestamp, to: Timestamp) -> Result<Vec<TagSeen>> {
    use usage_tag_values::{day, tag_name, tag_value, user_id};
    let pairs: Vec<(String, String)> = usage_tag_values::table
        .filter(user_id.eq(user.0))
        .filter(day.ge(from.day().millis()))
        .filter(day.lt(to.millis()))
        .select((tag_name, tag_value))
        .distinct()
        .order((tag_name, tag_value))
        .limit(MOST_PAIRS)
        .load(c)
        .await?;
    let mut tags: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, value) in pairs {
        if tags.len() < MOST_NAMES || tags.contains_key(&name) {
            let values = tags.entry(name).or_default();
            if values.len() < TAG_VALUES {
                values.insert(value);
            }
        }
    }
    Ok(tags.into_iter().map(|(name, values)| TagSeen { name, values: values.into_iter().collect() }).collect())
}

/// Deletes the lists of values of days before `before`; returns their number.
pub(crate) async fn prune(c: &mut Conn, before: i64) -> Result<usize> {
    Ok(diesel::delete(usage_tag_values::table.filter(usage_tag_values::day.lt(before))).execute(c).await?)
}
